/* A listed call as the report that its end would have sent. */
#include "tests/unit/expect.h"

#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "api/admin/pull_report.h"

#include "proto/base/banned.h"

static const char call_text[] =
    "{\"id\":\"0190A000-0000-7000-8000-00000000000a\",\"orgId\":\"o\",\"status\":\"ended\","
    "\"type\":\"webCall\",\"createdAt\":\"2026-01-31T08:00:00.500Z\","
    "\"updatedAt\":\"2026-01-31T08:02:03.250Z\",\"startedAt\":\"2026-01-31T08:00:01.000Z\","
    "\"endedAt\":\"2026-01-31T08:02:00.000Z\",\"endedReason\":\"customer-ended-call\",\"cost\":0."
    "125,"
    "\"costs\":[{\"type\":\"vapi\",\"cost\":0.125}],\"customer\":{\"number\":\"+15550100\"},"
    "\"analysis\":{\"summary\":\"s\"},\"compliance\":{\"x\":1},"
    "\"artifact\":{\"messages\":[{\"role\":\"bot\"}],\"recordingUrl\":\"https://r\"},"
    "\"messages\":[{\"role\":\"user\"}]}";

static json_t *load(const char *text)
{
    json_t *json = json_loads(text, 0, NULL);
    assert_non_null(json);
    return json;
}

/* What calltrace would be sent. */
static json_t *report_of(const char *text, struct bytes log)
{
    struct buf out;
    json_t *call = load(text);
    json_t *before = json_deep_copy(call);
    buf_init(&out, 1 << 20);
    EXPECT_OK(pull_report_write(call, log, &out));
    assert_true(json_equal(call, before));
    struct bytes body = buf_bytes(&out);
    json_t *report = json_loadb((const char *)body.ptr, body.len, JSON_REJECT_DUPLICATES, NULL);
    assert_non_null(report);
    buf_fini(&out);
    json_decref(call);
    json_decref(before);
    return report;
}

static json_t *message_of(const json_t *report)
{
    return json_object_get(json_object_get(report, "vapiEndOfCallReportPayload"), "message");
}

static void expect_same(const json_t *object, const char *name, const char *text)
{
    json_t *wanted = json_loads(text, JSON_DECODE_ANY, NULL);
    if (!json_equal(json_object_get(object, name), wanted)) {
        fail_msg("%s is not %s", name, text);
    }
    json_decref(wanted);
}

static void a_call_becomes_a_report(void **state)
{
    (void)state;
    json_t *report = report_of(call_text, (struct bytes){0});
    const json_t *message = message_of(report);
    const json_t *call = json_object_get(message, "call");
    assert_true(json_is_true(json_object_get(report, "skipAlreadyImported")));
    assert_null(json_object_get(report, "callLog"));
    expect_same(message, "type", "\"end-of-call-report\"");
    expect_same(message, "timestamp", "1769846523250");
    expect_same(message, "endedReason", "\"customer-ended-call\"");
    expect_same(message, "startedAt", "\"2026-01-31T08:00:01.000Z\"");
    expect_same(message, "endedAt", "\"2026-01-31T08:02:00.000Z\"");
    expect_same(message, "cost", "0.125");
    expect_same(message, "costs", "[{\"type\":\"vapi\",\"cost\":0.125}]");
    expect_same(message, "customer", "{\"number\":\"+15550100\"}");
    expect_same(message, "compliance", "{\"x\":1}");
    expect_same(message, "analysis", "{\"summary\":\"s\"}");
    expect_same(message, "artifact",
                "{\"messages\":[{\"role\":\"bot\"}],\"recordingUrl\":\"https://r\"}");
    expect_same(call, "id", "\"0190A000-0000-7000-8000-00000000000a\"");
    expect_same(call, "status", "\"ended\"");
    expect_same(call, "type", "\"webCall\"");
    expect_same(call, "endedReason", "\"customer-ended-call\"");
    assert_null(json_object_get(call, "artifact"));
    assert_null(json_object_get(call, "analysis"));
    assert_null(json_object_get(call, "messages"));
    assert_null(json_object_get(call, "costs"));
    json_decref(report);
}

static void older_calls_get_an_artifact(void **state)
{
    (void)state;
    json_t *report = report_of("{\"id\":\"x\",\"messages\":[1],\"transcript\":\"t\","
                               "\"recordingUrl\":\"r\",\"stereoRecordingUrl\":\"s\","
                               "\"summary\":\"m\",\"endedAt\":\"1970-01-01T00:00:01Z\"}",
                               (struct bytes){0});
    const json_t *message = message_of(report);
    expect_same(message, "artifact",
                "{\"messages\":[1],\"transcript\":\"t\",\"recordingUrl\":\"r\","
                "\"stereoRecordingUrl\":\"s\"}");
    expect_same(message, "analysis", "{\"summary\":\"m\"}");
    expect_same(message, "timestamp", "1000");
    expect_same(message, "call", "{\"id\":\"x\",\"endedAt\":\"1970-01-01T00:00:01Z\"}");
    json_decref(report);
}

static void odd_calls_become_reports_all_the_same(void **state)
{
    static const char *const texts[] = {
        "{}", "{\"id\":5}", "{\"artifact\":[],\"analysis\":\"x\",\"updatedAt\":7}",
        "{\"artifact\":null,\"messages\":null,\"endedAt\":\"yesterday\"}"};
    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        json_t *report = report_of(texts[i], (struct bytes){0});
        const json_t *message = message_of(report);
        expect_same(message, "type", "\"end-of-call-report\"");
        assert_true(json_is_object(json_object_get(message, "artifact")));
        assert_true(json_is_object(json_object_get(message, "analysis")));
        assert_true(json_is_object(json_object_get(message, "call")));
        assert_null(json_object_get(message, "timestamp"));
        json_decref(report);
    }
}

static void a_log_goes_along_in_base64(void **state)
{
    (void)state;
    json_t *report = report_of(call_text, bytes_of("\x1f\x8b\x00\xff", 4));
    expect_same(report, "callLog", "\"H4sA/w==\"");
    json_decref(report);
}

static void a_report_beyond_the_bound_is_an_error(void **state)
{
    struct buf out;
    json_t *call = load(call_text);
    (void)state;
    buf_init(&out, 1 << 20);
    EXPECT_OK(pull_report_write(call, bytes_of_text("log"), &out));
    size_t whole = buf_bytes(&out).len;
    buf_fini(&out);
    for (size_t room = 0; room < whole; room++) {
        buf_init(&out, room);
        EXPECT_ERR(pull_report_write(call, bytes_of_text("log"), &out), TOO_LARGE);
        buf_fini(&out);
    }
    json_decref(call);
}

static void calls_are_read_as_far_as_they_are_calls(void **state)
{
    static const struct {
        const char *text;
        bool has_id;
        bool has_created;
        bool is_ended;
    } cases[] = {
        {"{}", false, false, false},
        {"[]", false, false, false},
        {"{\"id\":7,\"createdAt\":8,\"status\":9}", false, false, false},
        {"{\"id\":\"no uuid\",\"createdAt\":\"no time\",\"status\":\"queued\"}", false, false,
         false},
        {"{\"id\":\"0190a000-0000-7000-8000-00000000000a\",\"createdAt\":\"2026-01-31T08:00:00Z\"}",
         true, true, false},
        {"{\"status\":\"ended\"}", false, false, true},
        {"{\"status\":\"in-progress\",\"endedAt\":\"2026-01-31T08:00:00Z\"}", false, false, false},
        {"{\"endedAt\":\"2026-01-31T08:00:00Z\"}", false, false, true},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        json_t *json = load(cases[i].text);
        struct pull_call call = pull_call_read(json);
        assert_int_equal(call.has_id, cases[i].has_id);
        assert_int_equal(call.has_created, cases[i].has_created);
        assert_int_equal(call.is_ended, cases[i].is_ended);
        json_decref(json);
    }
}

static void without_memory(void *context)
{
    struct buf out;
    buf_init(&out, 1 << 20);
    err_t err = pull_report_write(context, (struct bytes){0}, &out);
    assert_true(err_is_ok(err) || err_is(err, ERR_MEMORY));
    buf_fini(&out);
}

static void no_memory_is_an_error(void **state)
{
    (void)state;
    json_set_alloc_funcs(mem_alloc, mem_free);
    json_t *call = load(call_text);
    assert_true(expect_survives_oom(without_memory, call) > 20);
    json_decref(call);
    json_set_alloc_funcs(malloc, free);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_call_becomes_a_report),
        cmocka_unit_test(older_calls_get_an_artifact),
        cmocka_unit_test(odd_calls_become_reports_all_the_same),
        cmocka_unit_test(a_log_goes_along_in_base64),
        cmocka_unit_test(a_report_beyond_the_bound_is_an_error),
        cmocka_unit_test(calls_are_read_as_far_as_they_are_calls),
        cmocka_unit_test(no_memory_is_an_error),
    };
    return cmocka_run_group_tests_name("admin_pull_report", tests, NULL, NULL);
}
