#include "tests/unit/expect.h"

#include "proto/base/clock.h"

static void test_reads_what_clients_write(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *same;
    } cases[] = {
        {"2026-01-02T03:04:05Z", "2026-01-02T03:04:05.000000000Z"},
        {"2026-01-02T03:04:05.678Z", "2026-01-02T03:04:05.678000000Z"},
        {"2026-01-02 03:04:05,5", "2026-01-02T03:04:05.500000000Z"},
        {"2026-01-02T03:04:05.1234567891234+01:30", "2026-01-02T01:34:05.123456789Z"},
        {"2026-01-02T03:04:05-0200", "2026-01-02T05:04:05.000000000Z"},
        {"2026-01-02T03:04:05+02", "2026-01-02T01:04:05.000000000Z"},
        {"2026-01-02T03:04Z", "2026-01-02T03:04:00.000000000Z"},
        {"2026-01-02", "2026-01-02T00:00:00.000000000Z"},
        {"1969-12-31T23:59:59.25Z", "1969-12-31T23:59:59.250000000Z"},
        {"2024-02-29T00:00:00Z", "2024-02-29T00:00:00.000000000Z"},
        {"2016-12-31T23:59:60Z", "2017-01-01T00:00:00.000000000Z"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct unix_ns at;
        char text[RFC3339_BYTES];
        assert_true(unix_from_rfc3339(bytes_of_text(cases[i].text), &at));
        unix_to_rfc3339(at, 9, text);
        assert_string_equal(text, cases[i].same);
    }
}

static void test_refuses_what_is_no_time(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "2026",
        "2026-1-2T00:00:00Z",
        "2026-13-01T00:00:00Z",
        "2026-02-30T00:00:00Z",
        "2023-02-29T00:00:00Z",
        "2026-01-02T24:00:00Z",
        "2026-01-02T00:60:00Z",
        "2026-01-02T00:00:61Z",
        "2026-01-02T00:00:00.Z",
        "2026-01-02T00:00:00Zx",
        "2026-01-02T00:00:00+24:00",
        "2026-01-02T",
        "0001-01-01T00:00:00Z",
        "9999-01-01T00:00:00Z",
        "0000-01-01T00:00:00Z",
        "not a time",
        "2026-01-02T03:04:05+",
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct unix_ns at;
        assert_false(unix_from_rfc3339(bytes_of_text(bad[i]), &at));
    }
}

static void test_text_is_cut_not_rounded(void **state)
{
    (void)state;
    char text[RFC3339_BYTES];
    unix_to_rfc3339((struct unix_ns){.ns = 999999999}, 3, text);
    assert_string_equal(text, "1970-01-01T00:00:00.999Z");
    unix_to_rfc3339((struct unix_ns){.ns = -1}, 0, text);
    assert_string_equal(text, "1969-12-31T23:59:59Z");
    unix_to_rfc3339((struct unix_ns){.ns = INT64_MAX}, 9, text);
    assert_string_equal(text, "2262-04-11T23:47:16.854775807Z");
    unix_to_rfc3339((struct unix_ns){.ns = INT64_MIN}, 9, text);
    assert_string_equal(text, "1677-09-21T00:12:43.145224192Z");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reads_what_clients_write),
        cmocka_unit_test(test_refuses_what_is_no_time),
        cmocka_unit_test(test_text_is_cut_not_rounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
