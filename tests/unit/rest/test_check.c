#include "tests/unit/expect.h"

#include <jansson.h>

#include "api/rest/check.h"
#include "proto/base/bytes.h"

#include "proto/base/banned.h"

/* Bodies and what is said of them: NULL for nothing, else the first issue's path and code and a part of the
 * message. The JSON stands with ' for ". */
struct fixture {
    const char *body;
    const char *path;
    const char *code;
    const char *message;
};

#define U1         "'0b0e7a7e-5f5c-4c1c-8a55-0d4f4f7a1a11'"
#define LINE(more) "{'role':'AGENT','text':'hi','startOffsetMs':0,'endOffsetMs':900" more "}"

static const struct fixture calls[] = {
    {"{}", NULL, NULL, NULL},
    {"{'recordingUrl':'https://example.com/a.wav?x=1#y'}", NULL, NULL, NULL},
    {"{'recordingUrl':'http://h'}", NULL, NULL, NULL},
    {"{'startedAt':'2026-01-02T03:04:05.678Z'}", NULL, NULL, NULL},
    {"{'startedAt':'2026-01-02T03:04:05+02:00'}", NULL, NULL, NULL},
    {"{'interfaceType':'PHONE','callDirection':'INBOUND'}", NULL, NULL, NULL},
    {"{'interfaceType':'WEB','callDirection':'OUTBOUND'}", NULL, NULL, NULL},
    {"{'endedStatus':'UNKNOWN'}", NULL, NULL, NULL},
    {"{'endedStatus':'AGENT_SAID_END_CALL_PHRASE'}", NULL, NULL, NULL},
    {"{'properties':{'':{'':[null,1.5,'x']}}}", NULL, NULL, NULL},
    {"{'vapiCallId':" U1 "}", NULL, NULL, NULL},
    {"{'livekitRoomId':'RM_abc','externalId':'x'}", NULL, NULL, NULL},
    {"{'agent':{'roarkId':" U1 "}}", NULL, NULL, NULL},
    {"{'agent':{'name':'Ann','customId':'a','description':'d','prompt':{'resolvedPrompt':'p'},"
     "'endpoint':{'type':'phone','value':'+1555','direction':'INBOUND'}}}",
     NULL, NULL, NULL},
    {"{'agents':[{'customId':'a','endpoint':{'id':" U1 "}},{'name':'b'}]}", NULL, NULL, NULL},
    {"{'agents':[],'customers':[],'transcript':[],'toolInvocations':[]}", NULL, NULL, NULL},
    {"{'customer':{'phoneNumberE164':null,'label':null}}", NULL, NULL, NULL},
    {"{'customers':[{'phoneNumberE164':'+15551234567','label':'caller'}]}", NULL, NULL, NULL},
    {"{'transcript':[" LINE("") "," LINE(",'payload':null,'languageCode':'en'") "]}", NULL, NULL,
     NULL},
    {"{'transcript':[{'role':'CUSTOMER','text':'','startOffsetMs':1500.0,'endOffsetMs':2e3,"
     "'customer':{}}]}",
     NULL, NULL, NULL},
    {"{'toolInvocations':[{'name':'t','parameters':{'x':{'type':'string','value':1},'y':2},"
     "'result':'ok','startOffsetMs':5}]}",
     NULL, NULL, NULL},
    {"{'toolInvocations':[{'name':'t','parameters':{},'result':{'a':1},'startOffsetMs':5,"
     "'endOffsetMs':9007199254740991,'agent':{'customId':'x'}}]}",
     NULL, NULL, NULL},
    {"{'whatever':[1],'unknown':null}", NULL, NULL, NULL},

    {"[]", "the body", "invalid_type", "must be an object, this is an array"},
    {"null", "the body", "invalid_type", "this is null"},
    {"5", "the body", "invalid_type", "this is a number"},
    {"'x'", "the body", "invalid_type", "this is a string"},
    {"true", "the body", "invalid_type", "this is a boolean"},
    {"{'recordingUrl':7}", "recordingUrl", "invalid_type", "must be a string, this is a number"},
    {"{'recordingUrl':'not a url'}", "recordingUrl", "invalid_string", "http or https URL"},
    {"{'recordingUrl':''}", "recordingUrl", "invalid_string", "URL"},
    {"{'recordingUrl':'ftp://h/x'}", "recordingUrl", "invalid_string", "URL"},
    {"{'recordingUrl':'https://'}", "recordingUrl", "invalid_string", "URL"},
    {"{'recordingUrl':'https:///x'}", "recordingUrl", "invalid_string", "URL"},
    {"{'recordingUrl':'https://a b'}", "recordingUrl", "invalid_string", "URL"},
    {"{'recordingUrl':'https://a\\u0000b'}", "recordingUrl", "invalid_string", "URL"},
    {"{'stereoRecordingUrl':null}", "stereoRecordingUrl", "invalid_type", "this is null"},
    {"{'startedAt':'yesterday'}", "startedAt", "invalid_string", "ISO 8601"},
    {"{'startedAt':'2026-02-30T00:00:00Z'}", "startedAt", "invalid_string", "ISO 8601"},
    {"{'startedAt':'2300-01-01T00:00:00Z'}", "startedAt", "invalid_string", "2261"},
    {"{'startedAt':1760000000}", "startedAt", "invalid_type", "must be a string"},
    {"{'interfaceType':'FAX'}", "interfaceType", "invalid_enum_value", "one of PHONE, WEB"},
    {"{'interfaceType':'phone'}", "interfaceType", "invalid_enum_value", "one of PHONE, WEB"},
    {"{'callDirection':'PHONE'}", "callDirection", "invalid_enum_value", "INBOUND, OUTBOUND"},
    {"{'callDirection':null}", "callDirection", "invalid_type", "null"},
    {"{'endedStatus':'GONE'}", "endedStatus", "invalid_enum_value", "AGENT_BUSY"},
    {"{'endedStatus':''}", "endedStatus", "invalid_enum_value", "one of"},
    {"{'properties':[]}", "properties", "invalid_type", "must be an object, this is an array"},
    {"{'properties':'x'}", "properties", "invalid_type", "must be an object"},
    {"{'vapiCallId':'abc'}", "vapiCallId", "invalid_string", "must be a UUID"},
    {"{'vapiCallId':'0b0e7a7e5f5c4c1c8a550d4f4f7a1a11'}", "vapiCallId", "invalid_string", "UUID"},
    {"{'livekitRoomId':''}", "livekitRoomId", "too_small", "at least 1 character"},
    {"{'externalId':''}", "externalId", "too_small", "at least 1 character"},
    {"{'externalId':5}", "externalId", "invalid_type", "must be a string"},
    {"{'externalId':null}", "externalId", "invalid_type", "must be a string, this is null"},
    {"{'vapiCallId':" U1 ",'livekitRoomId':'RM_a'}", "livekitRoomId", "custom",
     "vapiCallId and livekitRoomId exclude each other"},
    {"{'agent':{'name':'a'},'agents':[{'name':'b'}]}", "agents", "custom",
     "agent and agents exclude each other"},
    {"{'customer':{'phoneNumberE164':null},'customers':[]}", "customers", "custom", "exclude"},
    {"{'agent':{}}", "agent", "custom", "agent: roarkId, name or customId is required"},
    {"{'agent':'Ann'}", "agent", "invalid_type", "must be an object"},
    {"{'agent':{'roarkId':'x'}}", "agent.roarkId", "invalid_string", "UUID"},
    {"{'agent':{'name':''}}", "agent.name", "too_small", "at least 1"},
    {"{'agent':{'name':'a','endpoint':{}}}", "agent.endpoint", "custom", "id or value is required"},
    {"{'agent':{'name':'a','endpoint':{'value':'v','type':'fax'}}}", "agent.endpoint.type",
     "invalid_enum_value", "phone, websocket"},
    {"{'agent':{'name':'a','prompt':{}}}", "agent.prompt.resolvedPrompt", "invalid_type",
     "resolvedPrompt is required"},
    {"{'agents':{'name':'a'}}", "agents", "invalid_type", "must be an array"},
    {"{'agents':['a']}", "agents[0]", "invalid_type", "agents[0] must be an object"},
    {"{'agents':[{'name':'a'},{}]}", "agents[1]", "custom", "is required"},
    {"{'customer':{'label':'x'}}", "customer.phoneNumberE164", "invalid_type",
     "phoneNumberE164 is required"},
    {"{'customer':{'phoneNumberE164':5}}", "customer.phoneNumberE164", "invalid_type", "a string"},
    {"{'transcript':{}}", "transcript", "invalid_type", "must be an array"},
    {"{'transcript':[null]}", "transcript[0]", "invalid_type", "this is null"},
    {"{'transcript':[" LINE("") ",{'role':'ROBOT','text':'','startOffsetMs':0,'endOffsetMs':0}]}",
     "transcript[1].role", "invalid_enum_value", "AGENT, CUSTOMER"},
    {"{'transcript':[{'role':'AGENT','text':'x','startOffsetMs':-1,'endOffsetMs':1}]}",
     "transcript[0].startOffsetMs", "too_small", "at least 0"},
    {"{'transcript':[{'role':'AGENT','text':'x','startOffsetMs':0.5,'endOffsetMs':1}]}",
     "transcript[0].startOffsetMs", "invalid_type", "must be an integer"},
    {"{'transcript':[{'role':'AGENT','text':'x','startOffsetMs':0,'endOffsetMs':1e300}]}",
     "transcript[0].endOffsetMs", "too_big", "at most 9007199254740991"},
    {"{'transcript':[{'role':'AGENT','text':'x','startOffsetMs':0}]}", "transcript[0].endOffsetMs",
     "invalid_type", "endOffsetMs is required"},
    {"{'transcript':[{'role':'AGENT','startOffsetMs':0,'endOffsetMs':1}]}", "transcript[0].text",
     "invalid_type", "text is required"},
    {"{'transcript':[" LINE(",'payload':[]") "]}", "transcript[0].payload", "invalid_type",
     "must be an object"},
    {"{'transcript':[" LINE(",'agent':{'roarkId':'x'}") "]}", "transcript[0].agent.roarkId",
     "invalid_string", "UUID"},
    {"{'toolInvocations':[{'name':5,'parameters':{},'result':'','startOffsetMs':0}]}",
     "toolInvocations[0].name", "invalid_type", "must be a string"},
    {"{'toolInvocations':[{'name':'a','parameters':[],'result':'','startOffsetMs':0}]}",
     "toolInvocations[0].parameters", "invalid_type", "must be an object"},
    {"{'toolInvocations':[{'name':'a','parameters':{},'result':5,'startOffsetMs':0}]}",
     "toolInvocations[0].result", "invalid_type", "a string or an object"},
    {"{'toolInvocations':[{'name':'a','parameters':{},'result':''}]}",
     "toolInvocations[0].startOffsetMs", "invalid_type", "required"},
};

static const struct fixture chats[] = {
    {"{}", NULL, NULL, NULL},
    {"{'traceId':null}", NULL, NULL, NULL},
    {"{'traceId':'0123456789abcdefABCDEF0123456789'}", NULL, NULL, NULL},
    {"{'externalId':'x','startTimestamp':'2026-01-02T03:04:05Z'}", NULL, NULL, NULL},
    {"{'messages':[{'role':'AGENT','text':'a','startTimestamp':'2026-01-02T03:04:05Z'}]}", NULL,
     NULL, NULL},
    {"{'vapiCallId':5,'livekitRoomId':5}", NULL, NULL, NULL}, /* no fields of a chat */

    {"{'traceId':'xyz'}", "traceId", "invalid_string", "32 hex digits"},
    {"{'traceId':'00000000000000000000000000000000'}", "traceId", "invalid_string", "not all zero"},
    {"{'traceId':'0123456789abcdef0123456789abcdef0'}", "traceId", "invalid_string", "32 hex"},
    {"{'traceId':5}", "traceId", "invalid_type", "must be a string"},
    {"{'messages':{}}", "messages", "invalid_type", "array"},
    {"{'messages':[{'role':'AGENT','startTimestamp':'2026-01-02T03:04:05Z'}]}", "messages[0].text",
     "invalid_type", "required"},
    {"{'messages':[{'role':'AGENT','text':'x'}]}", "messages[0].startTimestamp", "invalid_type",
     "required"},
    {"{'messages':[{'role':'AGENT','text':'x','startTimestamp':'x'}]}",
     "messages[0].startTimestamp", "invalid_string", "ISO 8601"},
    {"{'startTimestamp':'x'}", "startTimestamp", "invalid_string", "ISO 8601"},
    {"{'endTimestamp':{}}", "endTimestamp", "invalid_type", "must be a string"},
    {"{'toolInvocations':[{'name':'a','parameters':{},'result':''}]}",
     "toolInvocations[0].startTimestamp", "invalid_type", "required"},
    {"{'agents':[5]}", "agents[0]", "invalid_type", "must be an object"},
};

static json_t *read_json(const char *body, struct arena *arena)
{
    char *text = arena_printf(arena, "%s", body);
    for (char *c = text; *c != '\0'; c++) {
        *c = (char)(*c == '\'' ? '"' : *c);
    }
    json_t *json = json_loads(text, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
    assert_non_null(json);
    return json;
}

static const char *answer_path(const json_t *answer, struct arena *arena)
{
    const json_t *issue =
        json_array_get(json_object_get(json_object_get(answer, "error"), "issues"), 0);
    const json_t *path = json_object_get(issue, "path");
    const char *text = "";
    for (size_t i = 0; i < json_array_size(path); i++) {
        const json_t *step = json_array_get(path, i);
        text = json_is_string(step)
                   ? arena_printf(arena, "%s%s%s", text, i == 0 ? "" : ".", json_string_value(step))
                   : arena_printf(arena, "%s[%d]", text, (int)json_integer_value(step));
    }
    return text[0] == '\0' ? "the body" : text;
}

static void run(enum check_schema schema, const struct fixture *fixture)
{
    struct arena arena;
    arena_init(&arena, 1 << 20);
    json_t *body = read_json(fixture->body, &arena);
    struct check_issues issues;
    EXPECT_OK(check_body(schema, body, &arena, &issues));
    if (fixture->path == NULL) {
        if (issues.count != 0) {
            fail_msg("%s: %s", fixture->body, issues.list[0].message);
        }
    } else {
        if (issues.count != 1) {
            fail_msg("%s: %zu issues", fixture->body, issues.count);
        }
        json_t *answer = check_answer(&issues, &arena);
        assert_non_null(answer);
        assert_string_equal(answer_path(answer, &arena), fixture->path);
        assert_string_equal(issues.list[0].code, fixture->code);
        const char *message = json_string_value(json_object_get(answer, "message"));
        if (strstr(message, fixture->message) == NULL) {
            fail_msg("%s: %s", fixture->body, message);
        }
        assert_string_equal(json_string_value(json_object_get(answer, "code")), "validation_error");
        assert_true(json_is_false(json_object_get(answer, "success")));
        json_decref(answer);
    }
    json_decref(body);
    arena_fini(&arena);
}

static void fields_of_calls(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof calls / sizeof calls[0]; i++) {
        run(CHECK_SCHEMA_CALL, &calls[i]);
    }
}

static void fields_of_chats(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof chats / sizeof chats[0]; i++) {
        run(CHECK_SCHEMA_CHAT, &chats[i]);
    }
}

static size_t issues_of_text(const char *field, const char *piece, size_t repeats)
{
    struct arena arena;
    arena_init(&arena, 1 << 24);
    size_t len = strlen(piece);
    char *text = arena_zero(&arena, repeats * len + 1, 1);
    for (size_t i = 0; i < repeats; i++) {
        memcpy(text + i * len, piece, len);
    }
    json_t *body = json_pack("{s:s}", field, text);
    struct check_issues issues;
    EXPECT_OK(check_body(CHECK_SCHEMA_CALL, body, &arena, &issues));
    json_decref(body);
    arena_fini(&arena);
    return issues.count;
}

static void lengths_are_counted_in_characters(void **state)
{
    (void)state;
    static const char *const pieces[] = {"x", "\xc3\xbc", "\xf0\x9f\x98\x80"};
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(issues_of_text("externalId", pieces[i], 255), 0);
        assert_int_equal(issues_of_text("externalId", pieces[i], 256), 1);
        assert_int_equal(issues_of_text("livekitRoomId", pieces[i], 255), 0);
        assert_int_equal(issues_of_text("livekitRoomId", pieces[i], 256), 1);
    }
}

static size_t issues_of_entries(size_t count, size_t *ret_kept)
{
    struct arena arena;
    arena_init(&arena, 1 << 24);
    json_t *list = json_array();
    for (size_t i = 0; i < count; i++) {
        json_array_append_new(list, json_integer(1));
    }
    json_t *body = json_pack("{s:o}", "transcript", list);
    struct check_issues issues;
    EXPECT_OK(check_body(CHECK_SCHEMA_CALL, body, &arena, &issues));
    json_t *answer = check_answer(&issues, &arena);
    *ret_kept = json_array_size(json_object_get(json_object_get(answer, "error"), "issues"));
    json_decref(answer);
    json_decref(body);
    arena_fini(&arena);
    return issues.count;
}

static void numbers_are_bounded(void **state)
{
    (void)state;
    size_t kept = 0;
    assert_int_equal(issues_of_entries(CHECK_ENTRIES, &kept), CHECK_ENTRIES);
    assert_int_equal(kept, CHECK_ISSUES_MAX);
    assert_int_equal(issues_of_entries(CHECK_ENTRIES + 1, &kept), 1);
    assert_int_equal(kept, 1);
}

static void one_pass(void *context)
{
    json_t *body = context;
    struct arena arena;
    arena_init(&arena, 1 << 20);
    struct check_issues issues;
    if (err_is_ok(check_body(CHECK_SCHEMA_CALL, body, &arena, &issues))) {
        json_decref(check_answer(&issues, &arena));
    }
    arena_fini(&arena);
}

static void a_failing_allocation_is_an_error(void **state)
{
    (void)state;
    struct arena arena;
    arena_init(&arena, 1 << 20);
    json_t *body = read_json("{'agents':[{},{'name':1}],'externalId':'','endedStatus':'x',"
                             "'transcript':[{}],'agent':1}",
                             &arena);
    assert_true(expect_survives_oom(one_pass, body) > 10);
    json_decref(body);
    arena_fini(&arena);
}

int main(void)
{
    json_set_alloc_funcs(mem_alloc, mem_free);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fields_of_calls),
        cmocka_unit_test(fields_of_chats),
        cmocka_unit_test(lengths_are_counted_in_characters),
        cmocka_unit_test(numbers_are_bounded),
        cmocka_unit_test(a_failing_allocation_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
