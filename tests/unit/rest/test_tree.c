#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "api/rest/tree.h"
#include "proto/base/limits.h"
#include "proto/base/mem.h"

#include "proto/base/banned.h"

/* A span in one line: id, parent (0: none), start; expected: "id@depth" in order, P for the provisional root,
 * ? behind an orphan, ! behind a cut one. */
struct line {
    uint64_t id;
    uint64_t parent;
    int64_t start;
};

struct fixture {
    const char *name;
    struct line lines[10];
    const char *wanted;
};

static struct span_id id_of(uint64_t number)
{
    struct span_id id = {{0}};
    for (unsigned i = 0; i < 8; i++) {
        id.b[7 - i] = (uint8_t)(number >> (8 * i));
    }
    return id;
}

static uint64_t number_of(struct span_id id)
{
    uint64_t number = 0;
    for (unsigned i = 0; i < 8; i++) {
        number = number << 8 | id.b[i];
    }
    return number;
}

static struct tree_span span_of(struct line line)
{
    return (struct tree_span){.id = id_of(line.id),
                              .parent = id_of(line.parent),
                              .has_parent = line.parent != 0,
                              .start = {line.start}};
}

static const char *drawn(const struct tree_span *spans, const struct tree *tree,
                         struct arena *arena)
{
    const char *text = "";
    for (size_t i = 0; i < tree->count; i++) {
        const struct tree_row *row = &tree->rows[i];
        const char *mark = row->is_orphan ? "?" : row->is_cut ? "!" : "";
        const char *space = i == 0 ? "" : " ";
        if (row->span == TREE_NONE) {
            text = arena_printf(arena, "%s%sP@%u", text, space, row->depth);
        } else {
            text =
                arena_printf(arena, "%s%s%llu%s@%u", text, space,
                             (unsigned long long)number_of(spans[row->span].id), mark, row->depth);
        }
        /* Parents stand before their children, one step up. */
        if (row->parent != TREE_NONE) {
            assert_true(row->parent < i);
            assert_int_equal(tree->rows[row->parent].depth + 1, row->depth);
        } else {
            assert_int_equal(row->depth, 0);
        }
    }
    return text;
}

static const struct fixture fixtures[] = {
    {"nothing", {{0}}, ""},
    {"one root", {{1, 0, 5}}, "1@0"},
    {"children by start, then id",
     {{1, 0, 0}, {4, 1, 20}, {2, 1, 10}, {3, 1, 10}, {5, 2, 11}},
     "1@0 2@1 5@2 3@1 4@1"},
    {"children before their parent's start", {{1, 0, 100}, {2, 1, 50}}, "1@0 2@1"},
    {"two roots", {{2, 0, 20}, {1, 0, 10}, {3, 2, 30}, {4, 1, 40}}, "1@0 4@1 2@0 3@1"},
    {"only orphans", {{2, 9, 20}, {1, 8, 10}, {3, 2, 30}}, "P@0 1?@1 2?@1 3@2"},
    {"orphans behind the root", {{1, 0, 50}, {2, 9, 10}, {3, 1, 60}}, "1@0 3@1 P@0 2?@1"},
    {"its own parent", {{1, 1, 10}}, "P@0 1!@1"},
    {"a circle is cut at its earliest", {{1, 3, 30}, {2, 1, 10}, {3, 2, 20}}, "P@0 2!@1 3@2 1@3"},
    {"a tail on a circle",
     {{5, 4, 1}, {4, 1, 2}, {1, 3, 30}, {2, 1, 10}, {3, 2, 20}},
     "P@0 2!@1 3@2 1@3 4@4 5@5"},
    {"two circles and a root",
     {{1, 2, 5}, {2, 1, 6}, {3, 4, 8}, {4, 3, 7}, {7, 0, 9}},
     "7@0 P@0 1!@1 2@2 4!@1 3@2"},
    {"walks meet a circle twice",
     {{3, 2, 20}, {2, 1, 10}, {1, 3, 30}, {6, 1, 40}, {7, 3, 41}},
     "P@0 2!@1 3@2 1@3 6@4 7@3"},
};

static void shapes(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof fixtures / sizeof fixtures[0]; i++) {
        struct arena arena;
        arena_init(&arena, 1 << 20);
        struct tree_span spans[10];
        size_t count = 0;
        while (count < 10 && fixtures[i].lines[count].id != 0) {
            spans[count] = span_of(fixtures[i].lines[count]);
            count++;
        }
        struct tree tree;
        assert_true(err_is_ok(tree_build(spans, count, &arena, &tree)));
        const char *text = drawn(spans, &tree, &arena);
        if (strcmp(text, fixtures[i].wanted) != 0) {
            print_error("%s\n", fixtures[i].name);
        }
        assert_string_equal(text, fixtures[i].wanted);
        arena_fini(&arena);
    }
}

static void as_many_spans_as_are_shown(void **state)
{
    (void)state;
    enum { COUNT = LIMIT_DISPLAY_SPANS };
    struct tree_span *spans = mem_zero(COUNT, sizeof *spans);
    struct arena arena;
    arena_init(&arena, 64 << 20);
    struct tree tree;
    /* One chain as deep as it can be, in the least convenient order. */
    for (uint64_t i = 0; i < COUNT; i++) {
        spans[i] = span_of((struct line){COUNT - i, COUNT - i - 1, (int64_t)i});
    }
    assert_true(err_is_ok(tree_build(spans, COUNT, &arena, &tree)));
    assert_int_equal(tree.count, COUNT);
    assert_int_equal(tree.rows[COUNT - 1].depth, COUNT - 1);
    arena_reset(&arena);
    /* One circle through all. */
    spans[COUNT - 1] = span_of((struct line){1, COUNT, 7});
    assert_true(err_is_ok(tree_build(spans, COUNT, &arena, &tree)));
    assert_int_equal(tree.count, COUNT + 1);
    assert_int_equal(tree.orphans, 1);
    arena_reset(&arena);
    /* All below a root that is not there. */
    for (uint64_t i = 0; i < COUNT; i++) {
        spans[i] = span_of((struct line){i + 1, COUNT + 5, (int64_t)(i % 7)});
    }
    assert_true(err_is_ok(tree_build(spans, COUNT, &arena, &tree)));
    assert_int_equal(tree.orphans, COUNT);
    assert_int_equal(tree.roots, 0);
    arena_fini(&arena);
    mem_free(spans);
}

static void a_full_arena_is_an_error(void **state)
{
    (void)state;
    struct tree_span spans[3] = {span_of((struct line){1, 0, 1}), span_of((struct line){2, 1, 2}),
                                 span_of((struct line){3, 9, 3})};
    bool is_through = false;
    for (uint64_t n = 1; n < 50 && !is_through; n++) {
        struct arena arena;
        arena_init(&arena, 1 << 16);
        (void)mem_fail_at(n, 1);
        struct tree tree;
        err_t err = tree_build(spans, 3, &arena, &tree);
        (void)mem_fail_at(0, 0);
        is_through = err_is_ok(err);
        arena_fini(&arena);
    }
    assert_true(is_through);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shapes),
        cmocka_unit_test(as_many_spans_as_are_shown),
        cmocka_unit_test(a_full_arena_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
