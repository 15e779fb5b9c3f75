#include "tests/unit/expect.h"

#include <stdlib.h>

#include "proto/voice/split.h"

#include "proto/base/banned.h"

enum { WAIT_NS = 100, INTERVALS_MAX = 6, ROUNDS = 2000 };

struct fixture {
    size_t count;
    struct split_interval intervals[INTERVALS_MAX];
    int64_t wanted[WAIT_STAGE_COUNT];
};

/* Of a wait from 0 to 100. */
static const struct fixture fixtures[] = {
    {0, {{0}}, {0, 0, 0, 0, 0, 100}},
    {1, {{WAIT_LLM, {20}, {50}}}, {0, 30, 0, 0, 0, 70}},
    /* Beyond both ends, outside, empty, backwards. */
    {1, {{WAIT_TTS, {-50}, {500}}}, {0, 0, 0, 0, 100, 0}},
    {2, {{WAIT_LLM, {-9}, {0}}, {WAIT_LLM, {100}, {200}}}, {0, 0, 0, 0, 0, 100}},
    {2, {{WAIT_LLM, {5}, {5}}, {WAIT_LLM, {9}, {3}}}, {0, 0, 0, 0, 0, 100}},
    {1, {{WAIT_LLM, {INT64_MIN}, {INT64_MAX}}}, {0, 100, 0, 0, 0, 0}},
    /* The first in order wins, in whichever order they are given; overlap of one stage counts once. */
    {2, {{WAIT_LLM, {10}, {60}}, {WAIT_END_OF_TURN, {0}, {30}}}, {30, 30, 0, 0, 0, 40}},
    {2, {{WAIT_TOOLS, {10}, {60}}, {WAIT_TOOLS, {40}, {70}}}, {0, 0, 60, 0, 0, 40}},
    {3,
     {{WAIT_TTS, {50}, {100}}, {WAIT_FIRST_SENTENCE, {40}, {80}}, {WAIT_LLM, {0}, {45}}},
     {0, 45, 0, 35, 20, 0}},
    /* One ends where the other begins. */
    {2, {{WAIT_END_OF_TURN, {0}, {50}}, {WAIT_LLM, {50}, {100}}}, {50, 50, 0, 0, 0, 0}},
};

static void parts(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof fixtures / sizeof fixtures[0]; i++) {
        struct arena arena;
        struct split split;
        arena_init(&arena, 1 << 16);
        EXPECT_OK(split_make((struct unix_ns){0}, (struct unix_ns){WAIT_NS}, fixtures[i].intervals,
                             fixtures[i].count, &arena, &split));
        for (size_t n = 0; n < WAIT_STAGE_COUNT; n++) {
            if (split.parts_ns[n] != fixtures[i].wanted[n]) {
                print_error("fixture %zu, %s\n", i, split_stage_name((enum wait_stage)n));
            }
            assert_int_equal(split.parts_ns[n], fixtures[i].wanted[n]);
        }
        arena_fini(&arena);
    }
}

static void an_empty_wait_has_no_segments(void **state)
{
    (void)state;
    struct arena arena;
    struct split split;
    const struct split_interval all = {WAIT_LLM, {0}, {10}};
    arena_init(&arena, 1 << 16);
    EXPECT_OK(split_make((struct unix_ns){5}, (struct unix_ns){5}, &all, 1, &arena, &split));
    assert_int_equal(split.segments_count, 0);
    arena_fini(&arena);
}

/* The stage of each instant, told the plain way. */
static enum wait_stage stage_at(const struct split_interval *intervals, size_t count, int64_t at)
{
    enum wait_stage best = WAIT_NOT_MEASURED;
    for (size_t i = 0; i < count; i++) {
        bool runs = intervals[i].from.ns <= at && at < intervals[i].to.ns;
        best = runs && intervals[i].stage < best ? intervals[i].stage : best;
    }
    return best;
}

static void every_instant_goes_to_the_first_stage_that_runs(void **state)
{
    (void)state;
    srandom(1);
    for (size_t round = 0; round < ROUNDS; round++) {
        struct split_interval intervals[INTERVALS_MAX];
        struct arena arena;
        struct split split;
        arena_init(&arena, 1 << 16);
        for (size_t i = 0; i < INTERVALS_MAX; i++) {
            intervals[i].stage = (enum wait_stage)(random() % WAIT_NOT_MEASURED);
            intervals[i].from.ns = random() % 140 - 20;
            intervals[i].to.ns = random() % 140 - 20;
        }
        EXPECT_OK(split_make((struct unix_ns){0}, (struct unix_ns){WAIT_NS}, intervals,
                             INTERVALS_MAX, &arena, &split));
        int64_t at = 0;
        int64_t sums[WAIT_STAGE_COUNT] = {0};
        for (size_t i = 0; i < split.segments_count; i++) {
            const struct split_segment *segment = &split.segments[i];
            assert_int_equal(segment->from.ns, at);
            assert_true(segment->to.ns > at);
            assert_true(i == 0 || segment->stage != split.segments[i - 1].stage);
            for (; at < segment->to.ns; at++) {
                assert_int_equal(segment->stage, stage_at(intervals, INTERVALS_MAX, at));
                sums[segment->stage]++;
            }
        }
        assert_int_equal(at, WAIT_NS);
        assert_memory_equal(sums, split.parts_ns, sizeof sums);
        arena_fini(&arena);
    }
}

static void a_full_arena_is_an_error(void **state)
{
    (void)state;
    struct arena arena;
    struct split split;
    arena_init(&arena, 16);
    EXPECT_ERR(split_make((struct unix_ns){0}, (struct unix_ns){9}, fixtures[1].intervals, 1,
                          &arena, &split),
               NO_SPACE);
    arena_fini(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parts),
        cmocka_unit_test(an_empty_wait_has_no_segments),
        cmocka_unit_test(every_instant_goes_to_the_first_stage_that_runs),
        cmocka_unit_test(a_full_arena_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
