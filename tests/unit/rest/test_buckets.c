#include "tests/unit/expect.h"

#include "api/rest/buckets.h"

#include "proto/base/banned.h"

#define SECOND INT64_C(1000000000)
#define HOUR   (3600 * SECOND)

static void test_lengths_are_what_people_read(void **state)
{
    static const struct {
        int64_t span;
        int64_t length;
    } cases[] = {
        {1, SECOND / 1000},
        {60 * SECOND / 1000 - 1, SECOND / 1000},
        {60 * SECOND / 1000, SECOND / 100},
        {59 * SECOND, SECOND},
        {60 * SECOND, 5 * SECOND},
        {HOUR, 300 * SECOND},
        {6 * HOUR, 600 * SECOND},
        {24 * HOUR, 1800 * SECOND},
        {7 * 24 * HOUR, 3 * HOUR},
        {365 * 24 * HOUR, 7 * 24 * HOUR},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct buckets buckets = buckets_cut(1000 * HOUR, 1000 * HOUR + cases[i].span);
        assert_true(buckets.length == cases[i].length);
        assert_true(buckets.count >= 1 && buckets.count <= BUCKETS_MAX + 1);
    }
}

static void test_every_time_of_the_range_falls_into_a_bucket(void **state)
{
    static const int64_t times[] = {INT64_MIN, INT64_MIN + 1,       -HOUR - 1,     -1,       0, 1,
                                    HOUR,      1785000000 * SECOND, INT64_MAX - 1, INT64_MAX};
    enum { TIMES = sizeof times / sizeof times[0] };
    (void)state;
    for (size_t a = 0; a < TIMES; a++) {
        for (size_t b = a + 1; b < TIMES; b++) {
            struct buckets buckets = buckets_cut(times[a], times[b]);
            assert_true(buckets.count <= BUCKETS_MAX + 1);
            assert_int_equal(buckets_number(buckets.length, times[a]) - buckets.first, 0);
            assert_int_equal(buckets_number(buckets.length, times[b] - 1) - buckets.first,
                             (int64_t)buckets.count - 1);
            assert_true(buckets_start(&buckets, 0) <= times[a]);
            assert_true(buckets_start(&buckets, buckets.count - 1) < times[b]);
        }
    }
}

static void test_buckets_begin_at_multiples_also_before_1970(void **state)
{
    (void)state;
    assert_int_equal(buckets_number(10, -1), -1);
    assert_int_equal(buckets_number(10, -10), -1);
    assert_int_equal(buckets_number(10, -11), -2);
    assert_int_equal(buckets_number(10, 0), 0);
    assert_int_equal(buckets_number(10, 9), 0);
    struct buckets buckets = buckets_cut(-90 * SECOND, 90 * SECOND);
    assert_true(buckets_start(&buckets, 0) == -90 * SECOND);
    assert_true(buckets_start(&buckets, 1) == -85 * SECOND);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lengths_are_what_people_read),
        cmocka_unit_test(test_every_time_of_the_range_falls_into_a_bucket),
        cmocka_unit_test(test_buckets_begin_at_multiples_also_before_1970),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
