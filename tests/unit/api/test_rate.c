/* How often and with how much one key may come. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "api/http/rate.h"

#include "proto/base/banned.h"

static struct mono_ns at_ms(int64_t ms)
{
    return (struct mono_ns){.ns = 1000 * NS_PER_S + ms * NS_PER_MS};
}

/* How many of `tries` at once are let in. */
static unsigned let_in(struct rate *rate, const struct rate_limits *limits, int64_t ms,
                       unsigned tries)
{
    unsigned count = 0;
    int64_t wait = 0;
    for (unsigned i = 0; i < tries; i++) {
        count += rate_ask(rate, limits, at_ms(ms), &wait) == RATE_FINE;
    }
    return count;
}

static void without_limits_everything_is_fine(void **state)
{
    (void)state;
    const struct rate_limits limits = {0};
    struct rate rate = {0};
    for (int i = 0; i < 1000; i++) {
        rate_charge(&rate, &limits, at_ms(0), (size_t)1 << 30);
    }
    assert_int_equal(let_in(&rate, &limits, 0, 100000), 100000);
}

static void a_burst_then_the_rate(void **state)
{
    (void)state;
    const struct rate_limits limits = {.requests_per_s = 5};
    struct rate rate = {0};
    int64_t wait = 0;
    assert_int_equal(let_in(&rate, &limits, 0, 1000), 5 * RATE_BURST_S);
    assert_int_equal(rate_ask(&rate, &limits, at_ms(0), &wait), RATE_REQUESTS);
    assert_in_range(wait, 200, 201);
    assert_int_equal(let_in(&rate, &limits, 199, 10), 0); /* a refusal costs nothing */
    assert_int_equal(let_in(&rate, &limits, 200, 10), 1);
    assert_int_equal(let_in(&rate, &limits, 1200, 10), 5);
    assert_int_equal(let_in(&rate, &limits, 3600000, 1000),
                     5 * RATE_BURST_S); /* no more is saved up */
}

static void nobody_gets_more_over_time(void **state)
{
    (void)state;
    const struct rate_limits limits = {.requests_per_s = 7};
    struct rate rate = {0};
    unsigned count = 0;
    for (int64_t ms = 0; ms < 60000; ms += 3) {
        count += let_in(&rate, &limits, ms, 1);
    }
    assert_in_range(count, 7 * 60, 7 * 60 + 7 * RATE_BURST_S);
}

static void bytes_are_paid_for_by_the_next_request(void **state)
{
    (void)state;
    const struct rate_limits limits = {.bytes_per_s = 1000};
    struct rate rate = {0};
    int64_t wait = 0;
    assert_int_equal(rate_ask(&rate, &limits, at_ms(0), &wait), RATE_FINE);
    rate_charge(&rate, &limits, at_ms(0), (size_t)1000 * RATE_BURST_S);
    assert_int_equal(rate_ask(&rate, &limits, at_ms(0), &wait), RATE_FINE); /* at the limit */
    rate_charge(&rate, &limits, at_ms(0), 1);
    assert_int_equal(rate_ask(&rate, &limits, at_ms(0), &wait), RATE_BYTES); /* one past it */
    assert_in_range(wait, 1, 2);
    assert_int_equal(rate_ask(&rate, &limits, at_ms(1), &wait), RATE_FINE);
    rate_charge(&rate, &limits, at_ms(1), 5000);
    assert_int_equal(rate_ask(&rate, &limits, at_ms(1), &wait), RATE_BYTES);
    assert_in_range(wait, 5000, 5001);
    assert_int_equal(rate_ask(&rate, &limits, at_ms(5002), &wait), RATE_FINE);
}

static void the_largest_body_at_the_smallest_rate_does_not_overflow(void **state)
{
    (void)state;
    const struct rate_limits limits = {.bytes_per_s = 1};
    struct rate rate = {0};
    int64_t wait = 0;
    rate_charge(&rate, &limits, at_ms(0), (size_t)1 << 30);
    assert_int_equal(rate_ask(&rate, &limits, at_ms(0), &wait), RATE_BYTES);
    assert_in_range(wait / MS_PER_S, (1 << 30) - RATE_BURST_S - 1, 1 << 30);
}

static void both_limits_hold_and_a_refusal_for_bytes_counts_no_request(void **state)
{
    (void)state;
    const struct rate_limits limits = {.requests_per_s = 1, .bytes_per_s = 10};
    struct rate rate = {0};
    int64_t wait = 0;
    rate_charge(&rate, &limits, at_ms(0), 101);
    for (int i = 0; i < 100; i++) {
        assert_int_equal(rate_ask(&rate, &limits, at_ms(0), &wait), RATE_BYTES);
    }
    assert_int_equal(let_in(&rate, &limits, 200, 100), RATE_BURST_S);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_limits_everything_is_fine),
        cmocka_unit_test(a_burst_then_the_rate),
        cmocka_unit_test(nobody_gets_more_over_time),
        cmocka_unit_test(bytes_are_paid_for_by_the_next_request),
        cmocka_unit_test(the_largest_body_at_the_smallest_rate_does_not_overflow),
        cmocka_unit_test(both_limits_hold_and_a_refusal_for_bytes_counts_no_request),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
