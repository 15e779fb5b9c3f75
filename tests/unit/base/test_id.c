#include "tests/unit/expect.h"

#include "proto/base/id.h"

static void test_uuid_text_goes_both_ways(void **state)
{
    (void)state;
    struct uuid id = uuid_make();
    struct uuid again;
    char text[UUID_TEXT_BYTES];
    uuid_to_text(id, text);
    assert_true(uuid_from_text(bytes_of_text(text), &again));
    assert_true(uuid_equal(id, again));
    assert_false(uuid_equal(id, uuid_make()));
}

static void test_bad_uuids_are_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "0123456789abcdef0123456789abcdef",
        "01234567-89ab-cdef-0123-456789abcdeg",
        "01234567-89ab-cdef-0123-456789abcde",
        "01234567-89ab-cdef-0123-456789abcdef0",
    };
    struct uuid id;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_false(uuid_from_text(bytes_of_text(bad[i]), &id));
    }
    assert_false(uuid_from_text(bytes_of("01234567-89ab-cdef-0123-456789ab\0def", 36), &id));
    assert_true(uuid_from_text(bytes_of_text("01234567-89AB-cdef-0123-456789abcdef"), &id));
}

static void test_zero_ids_are_seen(void **state)
{
    (void)state;
    struct trace_id trace = {{0}};
    struct span_id span = {{0}};
    assert_true(trace_id_is_zero(trace));
    assert_true(span_id_is_zero(span));
    trace.b[15] = 1;
    span.b[0] = 1;
    assert_false(trace_id_is_zero(trace));
    assert_false(span_id_is_zero(span));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_uuid_text_goes_both_ways),
        cmocka_unit_test(test_bad_uuids_are_refused),
        cmocka_unit_test(test_zero_ids_are_seen),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
