/* Reports and statuses: what is usable is used, a call without id is refused; the part that is made of them. */
#include "tests/unit/expect.h"

#include <stdio.h>

#include "api/integrations/vapi/part.h"
#include "tests/unit/integrations/vapi_fixture.h"

#include "proto/base/banned.h"

static const int64_t began_ns = 1772000000000000000;

static int setup(void **state)
{
    static struct arena arena;
    arena_init(&arena, FIXTURE_ARENA_BYTES);
    *state = &arena;
    return 0;
}

static int teardown(void **state)
{
    arena_fini(*state);
    return 0;
}

static void a_report_is_read(void **state)
{
    json_t *json = fixture_json(fixture_report);
    struct vapi_report report = fixture_read(json, *state);
    assert_int_equal(report.kind, VAPI_KIND_REPORT);
    assert_true(bytes_equal_text(report.call_id, "7d3f0c1e-0b5a-4f6e-9c1d-2a3b4c5d6e7f"));
    assert_true(report.has_started && report.started.ns == began_ns);
    assert_true(report.has_ended && report.ended.ns == began_ns + 15 * NS_PER_S);
    assert_true(report.at.ns == began_ns + 20 * NS_PER_S);
    assert_int_equal(report.status, CONVERSATION_STATUS_ENDED);
    assert_int_equal(report.messages_count, 7); /* not the system's */
    assert_int_equal(report.messages[1].role, VAPI_ROLE_USER);
    assert_true(report.messages[1].has_time);
    assert_true(report.messages[1].end.ns - report.messages[1].start.ns ==
                1500 * (int64_t)NS_PER_MS);
    assert_int_equal(report.latencies_count, 2);
    assert_true(report.latencies[0].turn_ms == 2400);
    assert_int_equal(report.tokens.prompt, 1200);
    assert_int_equal(report.tokens.cached, 512);
    assert_true(bytes_equal_text(report.model.model, "gpt-4o"));
    assert_true(bytes_equal_text(report.voice.voice, "sarah"));
    assert_int_equal(report.assistants_count, 1);
    assert_string_equal(report.log_url, "https://x.example/log?signed");
    json_decref(json);
}

static void times_stand_in_for_each_other(void **state)
{
    static const struct {
        const char *json;
        int64_t started_ms; /* after began; -1: not known */
        int64_t ended_ms;
    } cases[] = {
        {"{\"call\":{\"id\":\"x\"}}", -1, -1},
        {"{\"call\":{\"id\":\"x\",\"startedAt\":1772000000}}", 0, -1},
        {"{\"call\":{\"id\":\"x\",\"startedAt\":\"soon\"},\"startedAt\":1772000001000}", 1000, -1},
        {"{\"call\":{\"id\":\"x\"},\"messages\":[{\"role\":\"user\",\"time\":1772000004000,"
         "\"secondsFromStart\":3.5,\"endTime\":1772000005000}]}",
         500, 5000},
        {"{\"call\":{\"id\":\"x\"},\"messages\":[{\"role\":\"user\",\"time\":1772000004000}]}",
         4000, 4000},
        {"{\"call\":{\"id\":\"x\"},\"startedAt\":1772000000000,\"messages\":[{\"role\":\"user\","
         "\"secondsFromStart\":2.25}]}",
         0, 2250},
        {"{\"call\":{\"id\":\"x\"},\"startedAt\":1772000000000,\"messages\":[{\"role\":\"user\","
         "\"secondsFromStart\":-2},{\"role\":\"bot\",\"secondsFromStart\":1e12}]}",
         0, -1},
        {"{\"call\":{\"id\":\"x\"},\"startedAt\":1772000009000,\"endedAt\":1772000003000}", 9000,
         9000},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        json_t *json = fixture_json(cases[i].json);
        struct vapi_report report = fixture_read(json, *state);
        int64_t started = report.has_started ? (report.started.ns - began_ns) / NS_PER_MS : -1;
        int64_t ended = report.has_ended ? (report.ended.ns - began_ns) / NS_PER_MS : -1;
        if (started != cases[i].started_ms || ended != cases[i].ended_ms) {
            fail_msg("%s: %lld to %lld", cases[i].json, (long long)started, (long long)ended);
        }
        json_decref(json);
    }
}

static void without_an_id_it_is_refused_by_name(void **state)
{
    static const char *const payloads[] = {
        "{}",
        "{\"message\":{}}",
        "{\"message\":{\"type\":\"end-of-call-report\"}}",
        "{\"message\":{\"call\":[]}}",
        "{\"message\":{\"call\":{}}}",
        "{\"message\":{\"call\":{\"id\":\"\"}}}",
        "{\"message\":{\"call\":{\"id\":1}}}",
        "{\"message\":{\"type\":\"status-update\",\"status\":\"ended\",\"id\":\"x\"}}",
    };
    for (size_t i = 0; i < sizeof payloads / sizeof payloads[0]; i++) {
        json_t *json = fixture_json(payloads[i]);
        struct detail detail = {0};
        struct vapi_report report;
        EXPECT_ERR(vapi_report_read(json, (struct unix_ns){0}, *state, &detail, &report),
                   BAD_VALUE);
        assert_non_null(strstr(detail.text, "call"));
        json_decref(json);
    }
    struct detail detail = {0};
    struct vapi_report report;
    EXPECT_ERR(vapi_report_read(NULL, (struct unix_ns){0}, *state, &detail, &report), BAD_VALUE);
}

static void ids_have_a_bound(void **state)
{
    for (int len = 255; len <= 256; len++) {
        struct detail detail = {0};
        struct vapi_report report;
        json_t *json = json_pack("{s:{s:o}}", "call", "id", json_sprintf("%0*d", len, 7));
        err_t err = vapi_report_read(json, (struct unix_ns){0}, *state, &detail, &report);
        assert_int_equal(err_is_ok(err), len == 255);
        json_decref(json);
    }
}

static void kinds_are_told_by_the_type(void **state)
{
    static const struct {
        const char *json;
        enum vapi_kind kind;
    } cases[] = {
        {"{\"message\":{\"type\":\"end-of-call-report\"}}", VAPI_KIND_REPORT},
        {"{\"type\":\"end-of-call-report\"}", VAPI_KIND_REPORT},
        {"{\"type\":\"status-update\"}", VAPI_KIND_STATUS},
        {"{\"type\":\"tool-calls\",\"id\":\"x\"}", VAPI_KIND_OTHER},
        {"{\"type\":\"inboundPhoneCall\",\"id\":\"x\"}", VAPI_KIND_REPORT},
        {"{\"type\":\"inboundPhoneCall\",\"call\":{}}", VAPI_KIND_OTHER},
        {"{\"id\":\"x\"}", VAPI_KIND_REPORT},
        {"{}", VAPI_KIND_REPORT},
        {"{\"type\":\"End-of-call-report\"}", VAPI_KIND_OTHER},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        json_t *json = fixture_json(cases[i].json);
        assert_int_equal(vapi_payload_kind(json), cases[i].kind);
        json_decref(json);
    }
}

static void reasons_are_mapped(void **state)
{
    static const struct {
        const char *reason;
        const char *status;
    } cases[] = {
        {"customer-ended-call", "CUSTOMER_ENDED_CALL"},
        {"customer-ended-call-during-transfer", "CUSTOMER_ENDED_CALL"},
        {"assistant-ended-call-with-hangup-task", "AGENT_ENDED_CALL"},
        {"assistant-said-end-call-phrase", "AGENT_SAID_END_CALL_PHRASE"},
        {"voicemail", "VOICE_MAIL_REACHED"},
        {"pipeline-error-openai-llm-failed", "AGENT_ERROR"},
        {"call.in-progress.error-vapifault-worker-died", "AGENT_ERROR"},
        {"call.in-progress.error-sip-outbound-call-failed-to-connect",
         "PHONE_CALL_PROVIDER_CONNECTION_ERROR"},
        {"call.in-progress.error-vapifault-transport-never-connected",
         "PHONE_CALL_PROVIDER_CONNECTION_ERROR"},
        {"call.start.error-get-customer", "DIAL_ERROR"},
        {"exceeded-max-duration", "MAX_DURATION_REACHED"},
        {"Customer-ended-call", "UNKNOWN"},
        {"voicemail2", "UNKNOWN"},
        {"manually-canceled", "UNKNOWN"},
        {"something new", "UNKNOWN"},
        {"", "UNKNOWN"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_string_equal(vapi_ended_status(bytes_of_text(cases[i].reason)), cases[i].status);
    }
    assert_string_equal(vapi_ended_status(bytes_of(NULL, 0)), "UNKNOWN");
}

static void statuses_are_mapped(void **state)
{
    static const struct {
        const char *status;
        enum conversation_status is;
    } cases[] = {
        {"ringing", CONVERSATION_STATUS_RINGING},
        {"in-progress", CONVERSATION_STATUS_IN_PROGRESS},
        {"forwarding", CONVERSATION_STATUS_IN_PROGRESS},
        {"ended", CONVERSATION_STATUS_ENDED},
        {"queued", CONVERSATION_STATUS_NONE},
        {"scheduled", CONVERSATION_STATUS_NONE},
        {"not-found", CONVERSATION_STATUS_NONE},
        {"", CONVERSATION_STATUS_NONE},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        json_t *json =
            json_pack("{s:s,s:s,s:I,s:{s:s}}", "type", "status-update", "status", cases[i].status,
                      "timestamp", (json_int_t)1772000001000, "call", "id", "x");
        struct vapi_report report = fixture_read(json, *state);
        bool is_running = strcmp(cases[i].status, "in-progress") == 0;
        bool is_ended = cases[i].is == CONVERSATION_STATUS_ENDED;
        assert_int_equal(report.kind, VAPI_KIND_STATUS);
        assert_int_equal(report.status, cases[i].is);
        assert_int_equal(report.has_started, is_running);
        assert_int_equal(report.has_ended, is_ended);
        assert_true(!is_ended || report.ended.ns == began_ns + NS_PER_S);
        json_decref(json);
    }
}

static void a_status_without_time_tells_none(void **state)
{
    json_t *json =
        fixture_json("{\"type\":\"status-update\",\"status\":\"ended\",\"call\":{\"id\":\"x\"}}");
    struct vapi_report report = fixture_read(json, *state);
    assert_false(report.has_started || report.has_ended);
    json_decref(json);
    json = fixture_json("{\"type\":\"status-update\",\"status\":\"ended\",\"call\":{\"id\":\"x\","
                        "\"updatedAt\":\"2026-02-25T06:13:21Z\"}}");
    report = fixture_read(json, *state);
    assert_true(report.has_ended && report.ended.ns == began_ns + NS_PER_S);
    json_decref(json);
}

static void a_squad_has_several_assistants(void **state)
{
    json_t *json = fixture_json("{\"call\":{\"id\":\"x\",\"squad\":{\"members\":[{\"assistantId\":"
                                "\"m1\"},7]}},\"artifact\":"
                                "{\"assistantActivations\":[{\"assistantId\":\"a\","
                                "\"assistantName\":\"A\"},{\"assistantId\":\"b\"},"
                                "{\"assistantId\":\"a\"},{},null]}}");
    struct vapi_report report = fixture_read(json, *state);
    assert_int_equal(report.assistants_count, 2);
    assert_true(bytes_equal_text(report.assistants[0].name, "A"));
    assert_true(bytes_equal_text(report.assistants[1].id, "b"));
    json_decref(json);
    json = fixture_json(
        "{\"call\":{\"id\":\"x\",\"squad\":{\"members\":[{\"assistantId\":\"m1\"}]}}}");
    report = fixture_read(json, *state);
    assert_int_equal(report.assistants_count, 1);
    json_decref(json);
}

static void messages_have_a_bound(void **state)
{
    json_t *messages = json_array();
    for (int i = 0; i < VAPI_MESSAGES_MAX + 3; i++) {
        assert_int_equal(json_array_append_new(messages, json_pack("{s:s}", "role", "user")), 0);
    }
    json_t *json = json_pack("{s:{s:s},s:o}", "call", "id", "x", "messages", messages);
    struct vapi_report report = fixture_read(json, *state);
    assert_int_equal(report.messages_count, VAPI_MESSAGES_MAX);
    assert_int_equal(report.messages_dropped, 3);
    json_decref(json);
}

/* --- the part ----------------------------------------------------------------------------------------- */

static void the_part_is_one_line_with_the_fields_of_a_create(void **state)
{
    json_t *json = fixture_json(fixture_report);
    json_t *properties = fixture_json("{\"a\":[1,\"x\\ny\"]}");
    struct vapi_report report = fixture_read(json, *state);
    struct bus_part part;
    EXPECT_OK(vapi_part_make(&report, properties, *state, &part));
    static const char expected[] =
        "{\"startedAt\":\"2026-02-25T06:13:20.000Z\",\"interfaceType\":\"PHONE\","
        "\"endedStatus\":\"CUSTOMER_ENDED_CALL\",\"summary\":\"Opening hours.\","
        "\"customer\":{\"phoneNumberE164\":\"+49151\",\"label\":\"Max\"},"
        "\"agent\":{\"name\":\"Ada\",\"customId\":\"as_1\"},"
        "\"recordingUrl\":\"https://x.example/mono.wav\",\"transcript\":["
        "{\"role\":\"AGENT\",\"text\":\"Hello.\",\"startOffsetMs\":1200,\"endOffsetMs\":3000},"
        "{\"role\":\"CUSTOMER\",\"text\":\"When do you "
        "open?\",\"startOffsetMs\":4000,\"endOffsetMs\":5500},"
        "{\"role\":\"AGENT\",\"text\":\"At nine.\",\"startOffsetMs\":7900,\"endOffsetMs\":9500},"
        "{\"role\":\"CUSTOMER\",\"text\":\"Thanks.\",\"startOffsetMs\":10500,\"endOffsetMs\":11200}"
        ","
        "{\"role\":\"AGENT\",\"text\":\"Bye.\",\"startOffsetMs\":12000,\"endOffsetMs\":13000}],"
        "\"toolInvocations\":[{\"name\":\"hours\",\"parameters\":{\"day\":\"monday\"},\"result\":"
        "\"nine\","
        "\"startOffsetMs\":6400,\"endOffsetMs\":7000}],\"properties\":{\"a\":[1,\"x\\ny\"]}}";
    assert_int_equal(part.number, CALL_PART_VAPI_REPORT);
    assert_int_equal(part.direction, CONVERSATION_DIRECTION_OUTBOUND);
    assert_int_equal(part.status, CONVERSATION_STATUS_ENDED);
    assert_true(part.at.ns == report.at.ns);
    assert_true(bytes_equal_text(part.title, "first try"));
    if (!bytes_equal_text(part.body, expected)) {
        fail_msg("%.*s", (int)part.body.len, (const char *)part.body.ptr);
    }
    struct bus_part again;
    EXPECT_OK(vapi_part_make(&report, properties, *state, &again));
    assert_true(bytes_equal(part.body, again.body));
    json_decref(properties);
    json_decref(json);
}

static void odd_tools_become_sound_ones(void **state)
{
    json_t *json = fixture_json(
        "{\"call\":{\"id\":\"x\"},\"startedAt\":1772000000000,\"messages\":["
        "{\"role\":\"tool_calls\",\"time\":1772000001000,\"toolCalls\":[{\"id\":\"a\",\"function\":"
        "{\"name\":\"\",\"arguments\":\"{no\"}},7,{\"id\":\"b\",\"function\":{\"name\":\"f\","
        "\"arguments\":"
        "{\"k\":1}}}]},"
        "{\"role\":\"tool_call_result\",\"toolCallId\":\"b\",\"result\":[1,2],\"time\":"
        "1772000002000},"
        "{\"role\":\"tool_call_result\",\"toolCallId\":\"z\",\"name\":\"g\",\"result\":null}]}");
    struct vapi_report report = fixture_read(json, *state);
    struct bus_part part;
    EXPECT_OK(vapi_part_make(&report, NULL, *state, &part));
    assert_non_null(memmem(
        part.body.ptr, part.body.len,
        "\"toolInvocations\":[{\"name\":\"tool\",\"parameters\":{},\"result\":\"\","
        "\"startOffsetMs\":1000},{\"name\":\"tool\",\"parameters\":{},\"result\":\"\","
        "\"startOffsetMs\":1000},{\"name\":\"f\",\"parameters\":{\"k\":1},"
        "\"result\":\"[1,2]\",\"startOffsetMs\":1000,\"endOffsetMs\":2000},"
        "{\"name\":\"g\",\"parameters\":{},\"result\":\"\",\"startOffsetMs\":0}]",
        sizeof "\"toolInvocations\":[{\"name\":\"tool\",\"parameters\":{},\"result\":\"\","
               "\"startOffsetMs\":1000},{\"name\":\"tool\",\"parameters\":{},\"result\":\"\","
               "\"startOffsetMs\":1000},{\"name\":\"f\",\"parameters\":{\"k\":1},"
               "\"result\":\"[1,2]\",\"startOffsetMs\":1000,\"endOffsetMs\":2000},"
               "{\"name\":\"g\",\"parameters\":{},\"result\":\"\",\"startOffsetMs\":0}]" -
            1));
    json_decref(json);
}

static void what_does_not_fit_is_left_out(void **state)
{
    json_t *json = fixture_json(
        "{\"call\":{\"id\":\"x\",\"type\":\"webCall\",\"name\":\"a\\u0000b\",\"customer\":{"
        "\"number\":7}},"
        "\"recordingUrl\":\"ftp://x/y\",\"stereoRecordingUrl\":7,\"endedReason\":9,\"summary\":[],"
        "\"messages\":[{\"role\":\"user\"},{\"role\":\"user\",\"message\":7},{\"role\":\"nobody\"}]"
        "}");
    struct vapi_report report = fixture_read(json, *state);
    struct bus_part part;
    EXPECT_OK(vapi_part_make(&report, json, *state, &part)); /* any object may be properties */
    EXPECT_OK(vapi_part_make(&report, NULL, *state, &part));
    assert_true(
        bytes_equal_text(part.body, "{\"interfaceType\":\"WEB\",\"endedStatus\":\"UNKNOWN\"}"));
    assert_int_equal(part.title.len, 0);
    assert_int_equal(part.direction, CONVERSATION_DIRECTION_INBOUND);
    json_decref(json);
}

static void read_and_make(void *context)
{
    struct arena arena;
    json_t *json = context;
    struct detail detail = {0};
    struct vapi_report report;
    struct bus_part part;
    arena_init(&arena, FIXTURE_ARENA_BYTES);
    err_t err = vapi_report_read(json, (struct unix_ns){0}, &arena, &detail, &report);
    if (err_is_ok(err)) {
        err = vapi_part_make(&report, json, &arena, &part);
    }
    assert_true(err_is_ok(err) || err_is(err, ERR_NO_SPACE) || err_is(err, ERR_MEMORY));
    arena_fini(&arena);
}

static void memory_may_end_anywhere(void **state)
{
    json_t *json = fixture_json(fixture_report);
    (void)state;
    assert_true(expect_survives_oom(read_and_make, json) > 50);
    json_decref(json);
}

int main(void)
{
    json_set_alloc_funcs(mem_alloc, mem_free);
#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_report_is_read),
        TEST(times_stand_in_for_each_other),
        TEST(without_an_id_it_is_refused_by_name),
        TEST(ids_have_a_bound),
        TEST(kinds_are_told_by_the_type),
        TEST(reasons_are_mapped),
        TEST(statuses_are_mapped),
        TEST(a_status_without_time_tells_none),
        TEST(a_squad_has_several_assistants),
        TEST(messages_have_a_bound),
        TEST(the_part_is_one_line_with_the_fields_of_a_create),
        TEST(odd_tools_become_sound_ones),
        TEST(what_does_not_fit_is_left_out),
        TEST(memory_may_end_anywhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
