/* A call that ends, one that does not in time, and what becomes of it. */
#include "tests/unit/expect.h"

#include <stdatomic.h>

#include "proto/base/bounded.h"
#include "proto/base/clock.h"

enum { SHORT_MS = 50, LONG_MS = 10000 };

struct work {
    _Atomic bool may_end;
    _Atomic int ended;
};

static void work_run(void *context)
{
    struct work *work = context;
    while (!atomic_load(&work->may_end)) {
        clock_sleep_ms(1);
    }
    atomic_fetch_add(&work->ended, 1);
}

static void test_it_waits_for_a_call_that_ends(void **state)
{
    struct work work = {.may_end = true};
    (void)state;
    assert_true(bounded_call(work_run, &work, LONG_MS));
    assert_int_equal(work.ended, 1);
}

static void test_it_leaves_one_that_does_not(void **state)
{
    struct work work = {.may_end = false};
    struct mono_ns began = clock_mono();
    (void)state;
    assert_false(bounded_call(work_run, &work, SHORT_MS));
    int64_t waited = mono_ms_between(began, clock_mono());
    assert_true(waited >= SHORT_MS && waited < LONG_MS);
    assert_int_equal(work.ended, 0);
    atomic_store(&work.may_end, true); /* it goes on, and frees what it holds */
    for (int i = 0; i < LONG_MS && atomic_load(&work.ended) == 0; i++) {
        clock_sleep_ms(1);
    }
    assert_int_equal(work.ended, 1);
    clock_sleep_ms(SHORT_MS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_it_waits_for_a_call_that_ends),
        cmocka_unit_test(test_it_leaves_one_that_does_not),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
