#include "tests/unit/expect.h"

#include <string.h>

#include "correlator/core/event.h"

enum { ARENA_BYTES = 1 << 16 };

static struct event_holder holder(uint8_t call, bool is_posted, int64_t created)
{
    return (struct event_holder){.call = {{call}}, .is_posted = is_posted, .created = {created}};
}

static const struct bus_call_event event = {.id = {{99}}};

struct wanted {
    const char *what;
    struct event_holder holders[4];
    size_t count;
    uint8_t target;
    bool is_new;
    uint8_t superseded[3];
    size_t superseded_count;
    uint8_t others[3];
    size_t others_count;
};

static void check(const struct wanted *row, const struct event_holder *holders)
{
    struct arena arena;
    struct event_plan plan;
    arena_init(&arena, ARENA_BYTES);
    EXPECT_OK(event_plan_make(&event, holders, row->count, &arena, &plan));
    assert_int_equal(plan.target.b[0], row->target);
    assert_int_equal(plan.is_new, row->is_new);
    assert_int_equal(plan.superseded_count, row->superseded_count);
    for (size_t i = 0; i < plan.superseded_count; i++) {
        assert_int_equal(plan.superseded[i].b[0], row->superseded[i]);
    }
    assert_int_equal(plan.others_count, row->others_count);
    for (size_t i = 0; i < plan.others_count; i++) {
        assert_int_equal(plan.others[i].b[0], row->others[i]);
    }
    arena_fini(&arena);
}

/* Each row is also checked with its holders in the opposite order: the plan depends on none. */
static void test_the_target_and_who_is_superseded(void **state)
{
    (void)state;
    const struct wanted rows[] = {
        {.what = "nobody holds a key", .count = 0, .target = 99, .is_new = true},
        {.what = "one call", .holders = {holder(5, false, 1)}, .count = 1, .target = 5},
        {.what = "one call holds two keys",
         .holders = {holder(5, false, 1), holder(5, false, 1)},
         .count = 2,
         .target = 5},
        {.what = "the older one stays",
         .holders = {holder(1, false, 20), holder(2, false, 10)},
         .count = 2,
         .target = 2,
         .superseded = {1},
         .superseded_count = 1},
        {.what = "of one age the lesser id stays",
         .holders = {holder(2, false, 10), holder(1, false, 10)},
         .count = 2,
         .target = 1,
         .superseded = {2},
         .superseded_count = 1},
        {.what = "a posted one stays, however young",
         .holders = {holder(1, false, 10), holder(2, true, 20)},
         .count = 2,
         .target = 2,
         .superseded = {1},
         .superseded_count = 1},
        {.what = "two posted ones both stay",
         .holders = {holder(1, true, 20), holder(2, true, 10), holder(3, false, 1)},
         .count = 3,
         .target = 2,
         .superseded = {3},
         .superseded_count = 1,
         .others = {1},
         .others_count = 1},
        {.what = "several are superseded, sorted, each once",
         .holders = {holder(7, false, 3), holder(5, false, 4), holder(7, false, 3),
                     holder(6, false, 1)},
         .count = 4,
         .target = 6,
         .superseded = {5, 7},
         .superseded_count = 2},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct event_holder turned[4];
        for (size_t n = 0; n < rows[i].count; n++) {
            turned[n] = rows[i].holders[rows[i].count - 1 - n];
        }
        check(&rows[i], rows[i].holders);
        check(&rows[i], turned);
    }
}

static void test_the_greater_part_stays(void **state)
{
    (void)state;
    const struct bus_part early = {.number = CALL_PART_LIVEKIT_FINISHED, .at = {-5}};
    const struct bus_part late = {.number = CALL_PART_LIVEKIT_FINISHED, .at = {8}};
    assert_true(event_part_order(&late) > event_part_order(&early));
    const struct bus_part first = {.number = CALL_PART_LIVEKIT_ANSWERED, .at = {-5}};
    const struct bus_part second = {.number = CALL_PART_LIVEKIT_ANSWERED, .at = {8}};
    assert_true(event_part_order(&first) > event_part_order(&second));
    const struct bus_part least = {.number = CALL_PART_LIVEKIT_ANSWERED, .at = {INT64_MIN}};
    assert_true(event_part_order(&least) > event_part_order(&first));
}

static void plan_once(void *context)
{
    struct arena arena;
    struct event_plan plan;
    const struct event_holder holders[] = {holder(1, false, 1), holder(2, true, 2)};
    (void)context;
    arena_init(&arena, ARENA_BYTES);
    err_t err = event_plan_make(&event, holders, 2, &arena, &plan);
    assert_true(err_is_ok(err) || err_is(err, ERR_NO_SPACE));
    arena_fini(&arena);
}

static void test_survives_running_out_of_memory(void **state)
{
    (void)state;
    assert_true(expect_survives_oom(plan_once, NULL) > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_target_and_who_is_superseded),
        cmocka_unit_test(test_the_greater_part_stays),
        cmocka_unit_test(test_survives_running_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
