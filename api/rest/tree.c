#include "api/rest/tree.h"

#include <stdlib.h>

#include "proto/base/check.h"

#include "proto/base/banned.h"

struct named {
    struct span_id id;
    struct unix_ns start;
    struct unix_ns end;
    uint32_t index;
};

/* One entry for each span and a last one, `count`, for the provisional root. */
struct build {
    const struct tree_span *spans;
    uint32_t count;
    struct named *sorted;
    uint32_t *parent; /* TREE_NONE: a root */
    uint32_t *first;  /* child */
    uint32_t *next;   /* sibling */
    uint32_t *row;    /* where it stands in the result */
    uint32_t *walk;   /* the walk that came by first, from 1; 0: none yet */
    bool *is_orphan;
    bool *is_cut;
};

static int by_id(const void *left, const void *right)
{
    const struct named *a = left;
    const struct named *b = right;
    return memcmp(a->id.b, b->id.b, sizeof a->id.b);
}

static int by_start(const void *left, const void *right)
{
    const struct named *a = left;
    const struct named *b = right;
    if (a->start.ns != b->start.ns) {
        return a->start.ns < b->start.ns ? -1 : 1;
    }
    if (a->end.ns != b->end.ns) {
        return a->end.ns > b->end.ns ? -1 : 1;
    }
    int order = memcmp(a->id.b, b->id.b, sizeof a->id.b);
    return order != 0 ? order : (a->index > b->index) - (a->index < b->index);
}

static FALLIBLE build_init(struct build *build, const struct tree_span *spans, size_t count,
                           struct arena *arena)
{
    *build = (struct build){.spans = spans, .count = (uint32_t)count};
    size_t nodes = count + 1;
    build->sorted = arena_zero(arena, nodes, sizeof *build->sorted);
    build->parent = arena_zero(arena, nodes, sizeof *build->parent);
    build->first = arena_zero(arena, nodes, sizeof *build->first);
    build->next = arena_zero(arena, nodes, sizeof *build->next);
    build->row = arena_zero(arena, nodes, sizeof *build->row);
    build->walk = arena_zero(arena, nodes, sizeof *build->walk);
    build->is_orphan = arena_zero(arena, nodes, sizeof *build->is_orphan);
    build->is_cut = arena_zero(arena, nodes, sizeof *build->is_cut);
    if (build->sorted == NULL || build->parent == NULL || build->first == NULL ||
        build->next == NULL || build->row == NULL || build->walk == NULL ||
        build->is_orphan == NULL || build->is_cut == NULL) {
        return FAIL(NO_SPACE);
    }
    for (uint32_t i = 0; i < build->count; i++) {
        build->sorted[i] = (struct named){
            .id = spans[i].id, .start = spans[i].start, .end = spans[i].end, .index = i};
    }
    return OK;
}

static void find_parents(struct build *build)
{
    qsort(build->sorted, build->count, sizeof *build->sorted, by_id);
    build->parent[build->count] = TREE_NONE;
    for (uint32_t i = 0; i < build->count; i++) {
        if (!build->spans[i].has_parent) {
            build->parent[i] = TREE_NONE;
            continue;
        }
        struct named wanted = {.id = build->spans[i].parent};
        const struct named *found =
            bsearch(&wanted, build->sorted, build->count, sizeof *build->sorted, by_id);
        build->is_orphan[i] = found == NULL;
        build->parent[i] = found == NULL ? build->count : found->index;
    }
}

/* Opens the circle that `start` lies on, at its earliest span. */
static void circle_cut(struct build *build, uint32_t start)
{
    uint32_t earliest = start;
    for (uint32_t at = build->parent[start]; at != start; at = build->parent[at]) {
        struct named a = {build->spans[at].id, build->spans[at].start, build->spans[at].end, at};
        struct named b = {build->spans[earliest].id, build->spans[earliest].start,
                          build->spans[earliest].end, earliest};
        if (by_start(&a, &b) < 0) {
            earliest = at;
        }
    }
    build->is_cut[earliest] = true;
    build->parent[earliest] = build->count;
}

/* Walks up from every span until it meets an earlier walk, or its own: a circle. */
static void cut_circles(struct build *build)
{
    for (uint32_t i = 0; i < build->count; i++) {
        uint32_t at = i;
        while (at != TREE_NONE && build->walk[at] == 0) {
            build->walk[at] = i + 1;
            at = build->parent[at];
        }
        if (at != TREE_NONE && at != build->count && build->walk[at] == i + 1) {
            circle_cut(build, at);
        }
    }
}

/* Chains children and roots in order of start; gives the first root. */
static uint32_t chain(struct build *build)
{
    qsort(build->sorted, build->count, sizeof *build->sorted, by_start);
    uint32_t root = TREE_NONE;
    for (uint32_t i = 0; i <= build->count; i++) {
        build->first[i] = TREE_NONE;
        build->next[i] = TREE_NONE;
    }
    for (uint32_t i = build->count; i > 0; i--) {
        uint32_t index = build->sorted[i - 1].index;
        uint32_t parent = build->parent[index];
        uint32_t *head = parent == TREE_NONE ? &root : &build->first[parent];
        build->next[index] = *head;
        *head = index;
    }
    return root;
}

static uint32_t next_of(const struct build *build, uint32_t at, uint32_t *depth)
{
    if (build->first[at] != TREE_NONE) {
        (*depth)++;
        return build->first[at];
    }
    while (build->next[at] == TREE_NONE) {
        at = build->parent[at];
        if (at == TREE_NONE) {
            return TREE_NONE;
        }
        (*depth)--;
    }
    return build->next[at];
}

static void emit(struct build *build, uint32_t top, struct tree *tree)
{
    uint32_t depth = 0;
    for (uint32_t at = top; at != TREE_NONE; at = next_of(build, at, &depth)) {
        uint32_t parent = build->parent[at];
        bool is_real = at != build->count;
        build->row[at] = (uint32_t)tree->count;
        tree->rows[tree->count++] = (struct tree_row){
            .span = is_real ? at : TREE_NONE,
            .parent = parent == TREE_NONE ? TREE_NONE : build->row[parent],
            .depth = depth,
            .is_orphan = build->is_orphan[at],
            .is_cut = build->is_cut[at],
        };
        if (is_real && parent == TREE_NONE) {
            tree->roots++;
        }
        if (parent == build->count) {
            tree->orphans++;
        }
    }
}

FALLIBLE tree_build(const struct tree_span *spans, size_t count, struct arena *arena,
                    struct tree *ret_tree)
{
    PRE(count < TREE_NONE - 1);
    struct tree tree = {.rows = arena_zero(arena, count + 1, sizeof *tree.rows)};
    if (tree.rows == NULL) {
        return FAIL(NO_SPACE);
    }
    struct build build;
    TRY(build_init(&build, spans, count, arena));
    find_parents(&build);
    cut_circles(&build);
    uint32_t root = chain(&build);
    emit(&build, root, &tree);
    if (build.first[build.count] != TREE_NONE) {
        emit(&build, build.count, &tree);
    }
    POST(tree.count == count + (tree.orphans > 0 ? 1 : 0));
    *ret_tree = tree;
    return OK;
}
