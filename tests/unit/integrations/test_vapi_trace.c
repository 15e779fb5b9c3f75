/* The trace: its outline from messages and from a log, ids that never change, bounds. */
#include "tests/unit/expect.h"

#include <stdio.h>

#include "api/integrations/vapi/json.h"
#include "api/integrations/vapi/trace.h"
#include "tests/unit/integrations/vapi_fixture.h"

#include "proto/base/banned.h"

enum { OUT_BYTES = 8 << 20, SPANS = 1000, OUTLINE_BYTES = 4096 };

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

/* The export as JSON; to be freed by json_decref. */
static json_t *trace_of(const char *report_text, const char *log_text, size_t spans_max,
                        struct arena *arena, struct vapi_trace *ret_trace)
{
    struct buf out;
    json_t *json = fixture_json(report_text);
    struct vapi_report report = fixture_read(json, arena);
    struct vapi_log log = {.count = 0};
    if (log_text != NULL) {
        log = fixture_log_read(log_text, arena);
    }
    buf_init(&out, OUT_BYTES);
    EXPECT_OK(vapi_trace_write(&report, log_text == NULL ? NULL : &log, spans_max, arena, &out,
                               ret_trace));
    json_t *made = json_loadb((const char *)buf_bytes(&out).ptr, buf_bytes(&out).len,
                              JSON_REJECT_DUPLICATES, NULL);
    assert_non_null(made);
    buf_fini(&out);
    json_decref(json);
    return made;
}

static const json_t *spans_of(const json_t *made)
{
    const json_t *resource = json_array_get(json_object_get(made, "resourceSpans"), 0);
    return json_object_get(json_array_get(json_object_get(resource, "scopeSpans"), 0), "spans");
}

static const char *text_of(const json_t *span, const char *key)
{
    return json_string_value(json_object_get(span, key));
}

/* "name turn start+length" of each span, in ms from the call's start, where `turn` is the parent's name. */
static void outline(const json_t *made, char text[OUTLINE_BYTES])
{
    const json_t *spans = spans_of(made);
    size_t len = 0;
    for (size_t i = 0; i < json_array_size(spans); i++) {
        const json_t *span = json_array_get(spans, i);
        const char *parent = text_of(span, "parentSpanId");
        const char *above = "-";
        for (size_t k = 0; k < json_array_size(spans) && parent != NULL; k++) {
            const json_t *other = json_array_get(spans, k);
            above = strcmp(text_of(other, "spanId"), parent) == 0 ? text_of(other, "name") : above;
        }
        struct unix_ns start = {0};
        struct unix_ns end = {0};
        assert_true(vapi_json_time(json_object_get(span, "startTimeUnixNano"), &start));
        assert_true(vapi_json_time(json_object_get(span, "endTimeUnixNano"), &end));
        len += (size_t)snprintf(
            text + len, OUTLINE_BYTES - len, "%s %s %.0f+%.0f\n", text_of(span, "name"), above,
            (double)(start.ns - began_ns) / NS_PER_MS, (double)(end.ns - start.ns) / NS_PER_MS);
        assert_true(len < OUTLINE_BYTES);
    }
}

/* The value of an attribute of the n-th span of this name as JSON text; "" without it. */
static void attribute_of(const json_t *made, const char *name, size_t n, const char *key,
                         char text[256])
{
    const json_t *spans = spans_of(made);
    text[0] = '\0';
    for (size_t i = 0; i < json_array_size(spans); i++) {
        const json_t *span = json_array_get(spans, i);
        if (strcmp(text_of(span, "name"), name) != 0 || n-- > 0) {
            continue;
        }
        const json_t *attributes = json_object_get(span, "attributes");
        for (size_t k = 0; k < json_array_size(attributes); k++) {
            const json_t *pair = json_array_get(attributes, k);
            if (strcmp(text_of(pair, "key"), key) == 0) {
                size_t len = json_dumpb(json_object_get(pair, "value"), text, 255, JSON_COMPACT);
                assert_true(len < 256);
                text[len] = '\0';
            }
        }
        return;
    }
}

static void expect_attribute(const json_t *made, const char *name, size_t n, const char *key,
                             const char *value)
{
    char text[256];
    attribute_of(made, name, n, key, text);
    assert_string_equal(text, value);
}

static void messages_tell_the_trace(void **state)
{
    char text[OUTLINE_BYTES];
    struct vapi_trace trace;
    json_t *made = trace_of(fixture_report, NULL, SPANS, *state, &trace);
    outline(made, text);
    assert_string_equal(text, "turn call 1200+1800\n"
                              "turn call 4000+5500\n"
                              "turn call 10500+2500\n"
                              "voice turn 1200+1800\n"
                              "transcriber turn 4000+1500\n"
                              "model turn 5680+720\n"
                              "tool turn 6400+600\n"
                              "model turn 7000+900\n"
                              "voice turn 7900+1600\n"
                              "transcriber turn 10500+700\n"
                              "model turn 11350+650\n"
                              "voice turn 12000+1000\n"
                              "endpointing turn 5500+180\n"
                              "endpointing turn 11200+150\n"
                              "call - 0+15000\n");
    assert_int_equal(trace.spans_count, 15);
    assert_int_equal(trace.spans_dropped, 0);
    expect_attribute(made, "turn", 1, "vapi.turn.latency_ms", "{\"doubleValue\":2400.0}");
    expect_attribute(made, "turn", 0, "vapi.turn.latency_ms", "");
    expect_attribute(made, "model", 0, "gen_ai.response.time_to_first_chunk",
                     "{\"doubleValue\":0.59999999999999998}");
    expect_attribute(made, "model", 1, "gen_ai.response.time_to_first_chunk", "");
    expect_attribute(made, "model", 1, "output", "{\"stringValue\":\"At nine.\"}");
    expect_attribute(made, "model", 0, "vapi.derived", "{\"boolValue\":true}");
    expect_attribute(made, "tool", 0, "gen_ai.tool.call.arguments",
                     "{\"stringValue\":\"{\\\"day\\\":\\\"monday\\\"}\"}");
    expect_attribute(made, "voice", 1, "vapi.voice.latency_ms", "{\"doubleValue\":250.0}");
    expect_attribute(made, "call", 0, "gen_ai.usage.input_tokens", "{\"intValue\":1200}");
    expect_attribute(made, "call", 0, "vapi.source", "{\"stringValue\":\"messages\"}");
    json_decref(made);
}

static void the_log_tells_the_trace(void **state)
{
    char text[OUTLINE_BYTES];
    struct vapi_trace trace;
    json_t *made = trace_of(fixture_report, fixture_log, SPANS, *state, &trace);
    outline(made, text);
    assert_string_equal(text, "turn call 900+2100\n"
                              "turn call 4300+5200\n"
                              "turn call 11400+1300\n"
                              "turn call 12600+0\n"
                              "voice turn 1000+180\n"
                              "transcriber turn 4300+1320\n"
                              "endpointing turn 5500+180\n"
                              "model turn 5700+680\n"
                              "tool turn 6400+600\n"
                              "model turn 11400+300\n"
                              "call - 0+15000\n");
    expect_attribute(made, "turn", 2, "turn.was_interrupted", "{\"boolValue\":true}");
    expect_attribute(made, "turn", 1, "turn.was_interrupted", "{\"boolValue\":false}");
    expect_attribute(made, "turn", 2, "vapi.turn.latency_ms", "{\"doubleValue\":800.0}");
    expect_attribute(made, "tool", 0, "gen_ai.tool.name", "{\"stringValue\":\"hours\"}");
    expect_attribute(made, "transcriber", 0, "transcript",
                     "{\"stringValue\":\"When do you open?\"}"); /* the final one */
    expect_attribute(made, "call", 0, "vapi.interruptions", "{\"intValue\":1}");
    json_decref(made);
}

static void turns_have_the_same_ids_from_both(void **state)
{
    struct vapi_trace trace;
    json_t *one = trace_of(fixture_report, NULL, SPANS, *state, &trace);
    json_t *other = trace_of(fixture_report, fixture_log, SPANS, *state, &trace);
    for (size_t i = 0; i < 3; i++) {
        assert_string_equal(text_of(json_array_get(spans_of(one), i), "spanId"),
                            text_of(json_array_get(spans_of(other), i), "spanId"));
    }
    json_decref(one);
    json_decref(other);
}

static void ids_are_unique_and_of_the_call(void **state)
{
    struct vapi_trace trace;
    json_t *made = trace_of(fixture_report, fixture_log, SPANS, *state, &trace);
    const json_t *spans = spans_of(made);
    for (size_t i = 0; i < json_array_size(spans); i++) {
        const json_t *span = json_array_get(spans, i);
        assert_string_equal(text_of(span, "traceId"), "7d3f0c1e0b5a4f6e9c1d2a3b4c5d6e7f");
        assert_int_equal(strlen(text_of(span, "spanId")), 16);
        for (size_t k = 0; k < i; k++) {
            assert_string_not_equal(text_of(span, "spanId"),
                                    text_of(json_array_get(spans, k), "spanId"));
        }
    }
    json_decref(made);
}

static void the_same_report_gives_the_same_octets(void **state)
{
    struct buf out[2];
    json_t *json = fixture_json(fixture_report);
    struct vapi_report report = fixture_read(json, *state);
    struct vapi_log log = fixture_log_read(fixture_log, *state);
    for (size_t i = 0; i < 2; i++) {
        struct vapi_trace trace;
        buf_init(&out[i], OUT_BYTES);
        EXPECT_OK(vapi_trace_write(&report, &log, SPANS, *state, &out[i], &trace));
    }
    assert_true(bytes_equal(buf_bytes(&out[0]), buf_bytes(&out[1])));
    buf_fini(&out[0]);
    buf_fini(&out[1]);
    json_decref(json);
}

static void trace_ids_are_the_uuid_or_a_hash(void **state)
{
    static const uint8_t uuid[16] = {0x7d, 0x3f, 0x0c, 0x1e, 0x0b, 0x5a, 0x4f, 0x6e,
                                     0x9c, 0x1d, 0x2a, 0x3b, 0x4c, 0x5d, 0x6e, 0x7f};
    struct trace_id id = vapi_trace_id(bytes_of_text("7D3F0C1E-0b5a-4f6e-9c1d-2a3b4c5d6e7f"));
    (void)state;
    assert_memory_equal(id.b, uuid, 16);
    static const char *const others[] = {"x", "00000000-0000-0000-0000-000000000000",
                                         "7d3f0c1e0b5a4f6e9c1d2a3b4c5d6e7f"};
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        id = vapi_trace_id(bytes_of_text(others[i]));
        assert_false(trace_id_is_zero(id));
        assert_memory_not_equal(id.b, uuid, 16);
    }
}

static void latencies_align_by_order_or_not_at_all(void **state)
{
    char one[256];
    struct vapi_trace trace;
    static const struct {
        const char *latencies;
        bool is_left_out;
        const char *value; /* of the second turn */
    } cases[] = {
        {"[{\"turnLatency\":111},{\"turnLatency\":222}]", false, "{\"doubleValue\":111.0}"},
        {"[{\"turnLatency\":100},{\"turnLatency\":111},{\"turnLatency\":222}]", false,
         "{\"doubleValue\":111.0}"},
        {"[{\"turnLatency\":111}]", true, "{\"doubleValue\":2400.0}"},
        {"[{},{},{},{}]", true, "{\"doubleValue\":2400.0}"},
        {"[]", false, "{\"doubleValue\":2400.0}"},
        {"7", false, "{\"doubleValue\":2400.0}"},
        {"[null,{\"turnLatency\":-5}]", false, "{\"doubleValue\":2400.0}"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char text[8192];
        const char *from = strstr(fixture_report, "\"turnLatencies\":") + 16;
        const char *to = strstr(from, "},\"messages\"");
        (void)snprintf(text, sizeof text, "%.*s%s%s", (int)(from - fixture_report), fixture_report,
                       cases[i].latencies, to);
        json_t *made = trace_of(text, NULL, SPANS, *state, &trace);
        attribute_of(made, "call", 0, "vapi.turn_latencies_left_out", one);
        assert_int_equal(one[0] != '\0', cases[i].is_left_out);
        expect_attribute(made, "turn", 1, "vapi.turn.latency_ms", cases[i].value);
        json_decref(made);
    }
}

static void spans_have_a_bound_and_the_root_stays(void **state)
{
    for (size_t most = 1; most <= 16; most++) {
        struct vapi_trace trace;
        json_t *made = trace_of(fixture_report, NULL, most, *state, &trace);
        size_t expected = most < 15 ? most : 15;
        assert_int_equal(json_array_size(spans_of(made)), expected);
        assert_int_equal(trace.spans_count, expected);
        assert_int_equal(trace.spans_dropped > 0, most < 15);
        assert_string_equal(text_of(json_array_get(spans_of(made), expected - 1), "name"), "call");
        json_decref(made);
    }
}

static void octets_have_a_bound_and_the_root_stays(void **state)
{
    json_t *json = fixture_json(fixture_report);
    struct vapi_report report = fixture_read(json, *state);
    struct vapi_trace trace;
    struct buf out;
    buf_init(&out, 6 * 6 * VAPI_TEXT_BYTES_MAX + 1200);
    EXPECT_OK(vapi_trace_write(&report, NULL, SPANS, *state, &out, &trace));
    assert_true(trace.spans_count >= 2 && trace.spans_count < 15);
    assert_int_equal(trace.spans_count + trace.spans_dropped, 15);
    buf_fini(&out);
    buf_init(&out, 500);
    EXPECT_ERR(vapi_trace_write(&report, NULL, SPANS, *state, &out, &trace), TOO_LARGE);
    buf_fini(&out);
    json_decref(json);
}

static void without_any_time_there_is_no_trace(void **state)
{
    struct vapi_trace trace;
    struct buf out;
    json_t *json =
        fixture_json("{\"call\":{\"id\":\"x\"},\"messages\":[{\"role\":\"user\",\"message\":\"a\"},"
                     "{\"role\":\"tool_calls\",\"toolCalls\":[{\"id\":\"a\"}]}]}");
    struct vapi_report report = fixture_read(json, *state);
    buf_init(&out, OUT_BYTES);
    EXPECT_ERR(vapi_trace_write(&report, NULL, SPANS, *state, &out, &trace), NOT_FOUND);
    buf_fini(&out);
    json_decref(json);
}

#define AT(ms, event, more) \
    "{\"time\":177200000" #ms ",\"attributes\":{\"event\":\"" event "\"" more "}}\n"

/* Each log alone, its outline without the call. */
static void odd_logs_are_told_as_well_as_they_can_be(void **state)
{
    static const struct {
        const char *log;
        const char *outline;
    } cases[] = {
        /* An end without its beginning: the latency tells when it began. */
        {AT(1000, "assistant.model.firstTokenReceived",
            ",\"turnId\":\"1\",\"spanId\":\"a\",\"latency\":400"),
         "turn call 600+400\nmodel turn 600+400\n"},
        /* A beginning without an end. */
        {AT(1000, "assistant.tool.started", ",\"turnId\":\"1\",\"spanId\":\"a\""),
         "turn call 1000+0\ntool turn 1000+0\n"},
        /* Work of no turn stands below the call. */
        {AT(1000, "assistant.model.requestStarted", ",\"turnId\":\"CLEAN_UP\",\"spanId\":\"a\"")
             AT(1500, "assistant.model.responseSucceeded", ",\"turnId\":null,\"spanId\":\"a\""),
         "model call 1000+500\n"},
        /* Without spanIds those of one turn that follow each other belong together. */
        {AT(1000, "assistant.model.requestStarted", ",\"turnId\":\"1\"")
             AT(1200, "assistant.model.responseSucceeded", ",\"turnId\":\"1\"")
                 AT(1300, "assistant.model.requestStarted", ",\"turnId\":\"1\"")
                     AT(1600, "assistant.model.responseFailed", ",\"turnId\":\"1\""),
         "turn call 1000+600\nmodel turn 1000+200\nmodel turn 1300+300\n"},
        /* One spanId that is used again is new work. */
        {AT(1000, "assistant.model.requestStarted", ",\"turnId\":\"1\",\"spanId\":\"a\"")
             AT(1200, "assistant.model.responseSucceeded", ",\"turnId\":\"1\",\"spanId\":\"a\"")
                 AT(1300, "assistant.model.requestStarted", ",\"turnId\":\"1\",\"spanId\":\"a\""),
         "turn call 1000+300\nmodel turn 1000+200\nmodel turn 1300+0\n"},
        /* One spanId of two components is two pieces of work. */
        {AT(1000, "assistant.model.requestStarted", ",\"turnId\":\"1\",\"spanId\":\"a\"")
             AT(1100, "assistant.voice.requestStarted", ",\"turnId\":\"1\",\"spanId\":\"a\"") AT(
                 1200, "assistant.model.responseSucceeded", ",\"turnId\":\"1\",\"spanId\":\"a\""),
         "turn call 1000+200\nmodel turn 1000+200\nvoice turn 1100+0\n"},
        /* The transcript's turn is that of its end. */
        {AT(1000, "assistant.transcriber.partialTranscript", ",\"turnId\":null")
             AT(1800, "assistant.transcriber.finalTranscript", ",\"turnId\":\"1\""),
         "turn call 1000+800\ntranscriber turn 1000+800\n"},
        /* What interrupts before anything was said cuts its own turn. */
        {AT(1000, "pipeline.cleared", ",\"turnId\":\"1\",\"wasInterruption\":true"),
         "turn call 1000+0\n"},
    };
    static const char report[] = "{\"call\":{\"id\":\"x\"},\"startedAt\":1772000000000}";
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char text[OUTLINE_BYTES];
        struct vapi_trace trace;
        json_t *made = trace_of(report, cases[i].log, SPANS, *state, &trace);
        outline(made, text);
        char *root = strstr(text, "call - ");
        assert_non_null(root);
        *root = '\0';
        if (strcmp(text, cases[i].outline) != 0) {
            fail_msg("case %zu:\n%s", i, text);
        }
        json_decref(made);
    }
}

static void write_all(void *context)
{
    struct arena arena;
    struct vapi_report report;
    struct vapi_log log;
    struct vapi_trace trace;
    struct buf out;
    struct detail detail = {0};
    arena_init(&arena, FIXTURE_ARENA_BYTES);
    buf_init(&out, OUT_BYTES);
    err_t err = vapi_report_read(context, (struct unix_ns){0}, &arena, &detail, &report);
    if (err_is_ok(err)) {
        err = vapi_log_read(bytes_of_text(fixture_log), 100, &arena, &log);
    }
    if (err_is_ok(err)) {
        err = vapi_trace_write(&report, &log, SPANS, &arena, &out, &trace);
    }
    assert_true(err_is_ok(err) || err_is(err, ERR_NO_SPACE) || err_is(err, ERR_MEMORY));
    buf_fini(&out);
    arena_fini(&arena);
}

static void memory_may_end_anywhere(void **state)
{
    json_t *json = fixture_json(fixture_report);
    (void)state;
    assert_true(expect_survives_oom(write_all, json) > 50);
    json_decref(json);
}

int main(void)
{
    json_set_alloc_funcs(mem_alloc, mem_free);
#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(messages_tell_the_trace),
        TEST(the_log_tells_the_trace),
        TEST(turns_have_the_same_ids_from_both),
        TEST(ids_are_unique_and_of_the_call),
        TEST(the_same_report_gives_the_same_octets),
        TEST(trace_ids_are_the_uuid_or_a_hash),
        TEST(latencies_align_by_order_or_not_at_all),
        TEST(spans_have_a_bound_and_the_root_stays),
        TEST(octets_have_a_bound_and_the_root_stays),
        TEST(without_any_time_there_is_no_trace),
        TEST(odd_logs_are_told_as_well_as_they_can_be),
        TEST(memory_may_end_anywhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
