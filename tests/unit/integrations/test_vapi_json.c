/* Times whose unit is told by their size, and forgiving getters. */
#include "tests/unit/expect.h"

#include "api/integrations/vapi/json.h"

#include "proto/base/banned.h"

static void the_unit_is_told_by_the_size(void **state)
{
    static const struct {
        const char *json;
        int64_t ns; /* 0: no time */
    } cases[] = {
        {"1772000000", 1772000000000000000},
        {"1772000000.25", 1772000000250000000},
        {"1772000000123", 1772000000123000000},
        {"1772000000123.5", 1772000000123500000},
        {"1772000000123456", 1772000000123456000},
        {"1772000000123456789", 1772000000123456789},
        {"\"1772000000123\"", 1772000000123000000},
        {"\"2026-02-25T06:13:20.5Z\"", 1772000000500000000},
        {"100000000", 100000000000000000},
        {"99999999999", 0}, /* the year 5138: beyond what nanoseconds can say */
        {"99999999", 0},    /* too small for a time in any unit */
        {"0", 0},
        {"-1772000000", 0},
        {"9100000000000000001", 9100000000000000001},
        {"9200000000000000000", 0},
        {"1e300", 0},
        {"\"\"", 0},
        {"\"1772000000x\"", 0},
        {"\"0x10\"", 0},
        {"\"inf\"", 0},
        {"\"nan\"", 0},
        {"\"1969-01-01T00:00:00Z\"", 0},
        {"\"2262-04-11T00:00:00Z\"", 0},
        {"\"11111111111111111111111111111111111111111111\"", 0},
        {"true", 0},
        {"null", 0},
        {"[]", 0},
        {"{}", 0},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        json_t *json = json_loads(cases[i].json, JSON_DECODE_ANY, NULL);
        struct unix_ns at = {0};
        assert_non_null(json);
        bool is_time = vapi_json_time(json, &at);
        if (is_time != (cases[i].ns != 0) || (is_time && at.ns != cases[i].ns)) {
            fail_msg("%s gives %lld", cases[i].json, (long long)at.ns);
        }
        json_decref(json);
    }
    struct unix_ns at = {7};
    assert_false(vapi_json_time(NULL, &at));
    assert_true(at.ns == 7);
}

static void milliseconds_are_bounded(void **state)
{
    json_t *json = json_loads(
        "{\"a\":0,\"b\":86400000,\"c\":86400001,\"d\":-1,\"e\":\"12.5\",\"f\":\"x\"}", 0, NULL);
    double ms = 0;
    (void)state;
    assert_true(vapi_json_ms(json, "a", &ms) && ms == 0);
    assert_true(vapi_json_ms(json, "b", &ms) && ms == 86400000);
    assert_true(vapi_json_ms(json, "e", &ms) && ms == 12.5);
    assert_false(vapi_json_ms(json, "c", &ms));
    assert_false(vapi_json_ms(json, "d", &ms));
    assert_false(vapi_json_ms(json, "f", &ms));
    assert_false(vapi_json_ms(json, "none", &ms));
    assert_false(vapi_json_ms(NULL, "a", &ms));
    json_decref(json);
}

static void members_of_another_kind_are_none(void **state)
{
    json_t *json = json_loads("{\"o\":{},\"a\":[],\"t\":\"x\",\"n\":1}", 0, NULL);
    (void)state;
    assert_non_null(vapi_json_object(json, "o"));
    assert_non_null(vapi_json_array(json, "a"));
    assert_true(bytes_equal_text(vapi_json_text(json, "t"), "x"));
    assert_null(vapi_json_object(json, "a"));
    assert_null(vapi_json_array(json, "o"));
    assert_int_equal(vapi_json_text(json, "n").len, 0);
    assert_null(vapi_json_object(json, "none"));
    assert_null(vapi_json_object(NULL, "o"));
    assert_int_equal(vapi_json_text(NULL, "t").len, 0);
    json_decref(json);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_unit_is_told_by_the_size),
        cmocka_unit_test(milliseconds_are_bounded),
        cmocka_unit_test(members_of_another_kind_are_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
