#include "proto/voice/split.h"

#include <stdlib.h>

#include "proto/base/check.h"

#include "proto/base/banned.h"

/* A stage begins to run, or ends. */
struct edge {
    int64_t at;
    enum wait_stage stage;
    int change;
};

static int edge_compare(const void *left, const void *right)
{
    const struct edge *a = left;
    const struct edge *b = right;
    return (a->at > b->at) - (a->at < b->at);
}

static enum wait_stage running(const size_t *counts)
{
    enum wait_stage stage = WAIT_END_OF_TURN;
    while (stage < WAIT_NOT_MEASURED && counts[stage] == 0) {
        stage++;
    }
    return stage;
}

static void segment_add(struct split *split, enum wait_stage stage, int64_t from, int64_t to)
{
    if (from >= to) {
        return;
    }
    split->parts_ns[stage] += to - from;
    struct split_segment *last =
        split->segments_count == 0 ? NULL : &split->segments[split->segments_count - 1];
    if (last != NULL && last->stage == stage) {
        last->to.ns = to;
        return;
    }
    split->segments[split->segments_count++] =
        (struct split_segment){.stage = stage, .from = {from}, .to = {to}};
}

err_t split_make(struct unix_ns from, struct unix_ns to, const struct split_interval *intervals,
                 size_t count, struct arena *arena, struct split *ret_split)
{
    PRE(from.ns <= to.ns);
    struct split split = {.segments = arena_zero(arena, 2 * count + 1, sizeof *split.segments)};
    struct edge *edges = arena_zero(arena, 2 * count + 1, sizeof *edges);
    if (split.segments == NULL || edges == NULL) {
        return FAIL(NO_SPACE);
    }
    size_t edges_count = 0;
    for (size_t i = 0; i < count; i++) {
        const struct split_interval *one = &intervals[i];
        int64_t first = one->from.ns > from.ns ? one->from.ns : from.ns;
        int64_t last = one->to.ns < to.ns ? one->to.ns : to.ns;
        PRE(one->stage < WAIT_NOT_MEASURED);
        if (first < last) {
            edges[edges_count++] = (struct edge){first, one->stage, 1};
            edges[edges_count++] = (struct edge){last, one->stage, -1};
        }
    }
    qsort(edges, edges_count, sizeof *edges, edge_compare);
    size_t counts[WAIT_NOT_MEASURED] = {0};
    int64_t at = from.ns;
    for (size_t i = 0; i < edges_count; i++) {
        segment_add(&split, running(counts), at, edges[i].at);
        at = edges[i].at;
        counts[edges[i].stage] += (size_t)edges[i].change; /* edges of one instant may cross zero */
    }
    segment_add(&split, running(counts), at, to.ns);
    *ret_split = split;
    return OK;
}

const char *split_stage_name(enum wait_stage stage)
{
    static const char *const names[WAIT_STAGE_COUNT] = {"endOfTurn",     "llm", "tools",
                                                        "firstSentence", "tts", "notMeasured"};
    return names[stage];
}
