#include "tests/unit/expect.h"

#include "api/integrations/observer/read.h"
#include "proto/base/limits.h"

#include "proto/base/banned.h"

#define LK OBSERVER_LIVEKIT
#define PC OBSERVER_PIPECAT

/* A body with ' for ", and what is read from it in one line; or the error's name; or the first issue's message with
 * ! before it; or ? for an event that is not known. */
struct fixture {
    enum observer observer;
    const char *body;
    const char *wanted;
};

#define STARTED "'event':'call-started'"
#define ENDED   "'event':'call-ended'"
#define AT(s)   "'1970-01-01T00:00:0" s "Z'"

static const struct fixture fixtures[] = {
    /* which call */
    {LK, "{" STARTED ",'livekitCallId':'x'}", "observer=x | started | {}"},
    {LK, "{" STARTED ",'livekitCallId':'x','roomSid':'RM_a'}",
     "livekit=RM_a observer=x | started | {}"},
    {LK, "{" STARTED ",'livekitCallId':'RM_a'}", "livekit=RM_a observer=RM_a | started | {}"},
    {LK, "{" STARTED ",'livekitCallId':'RM_a','roomSid':'RM_a'}",
     "livekit=RM_a observer=RM_a | started | {}"},
    {LK, "{" STARTED ",'livekitCallId':'RM_b','roomSid':'RM_a'}",
     "livekit=RM_a livekit=RM_b observer=RM_b | started | {}"},
    {LK, "{" STARTED ",'livekitCallId':'rm_a','roomSid':''}", "observer=rm_a | started | {}"},
    {LK, "{" STARTED ",'livekitCallId':'x','pipecatCallId':'y','roomSid':null}",
     "observer=x | started | {}"},
    {PC, "{" STARTED ",'pipecatCallId':'RM_a','roomSid':5,'livekitCallId':6}",
     "pipecat=RM_a | started | {}"},
    /* a start */
    {LK,
     "{" STARTED ",'livekitCallId':'x','eventTimestamp':" AT(
         "5") ",'agentId':'a','agentName':'n',"
              "'agentPrompt':'p','isTest':true,'jobId':'j','roomName':'r'}",
     "observer=x | started at=5 from=5 title=n | {'agent':{'customId':'a','name':'n','prompt':"
     "{'resolvedPrompt':'p'}},'properties':{'isTest':true,'jobId':'j','roomName':'r'}}"},
    {LK, "{" STARTED ",'livekitCallId':'x','agentId':'a','agentName':'','isTest':null}",
     "observer=x | started title=a | {'agent':{'customId':'a','name':''}}"},
    {PC,
     "{" STARTED ",'pipecatCallId':'x','agentPhoneNumber':'+1','customerPhoneNumber':'+2',"
     "'callDirection':'OUTBOUND','interfaceType':'PHONE','samplingRate':8000}",
     "pipecat=x | started out | {'customer':{'phoneNumberE164':'+2'},'agent':{'endpoint':"
     "{'type':'phone','value':'+1'}},'interfaceType':'PHONE'}"},
    {PC, "{" STARTED ",'pipecatCallId':'x','callDirection':'INBOUND','interfaceType':'fax'}",
     "pipecat=x | started in | {}"},
    {PC, "{" STARTED ",'pipecatCallId':'x','callDirection':'inbound'}", "pipecat=x | started | {}"},
    {PC, "{" STARTED ",'pipecatCallId':'x','agentName':'a\\nb'}",
     "pipecat=x | started title=a\nb | {'agent':{'name':'a\\nb'}}"},
    /* an end */
    {PC, "{" ENDED ",'pipecatCallId':'x'}", "pipecat=x | ended | {'endedStatus':'UNKNOWN'}"},
    {PC,
     "{" ENDED ",'pipecatCallId':'x','eventTimestamp':" AT("9") ",'callStartedAt':" AT(
         "5") ",'callEndedAt':" AT("8") ",'callEndedReason':'agent-ended'}",
     "pipecat=x | ended at=9 from=5 to=8 | {'endedStatus':'AGENT_ENDED_CALL','properties':"
     "{'callEndedReason':'agent-ended'}}"},
    {PC, "{" ENDED ",'pipecatCallId':'x','eventTimestamp':" AT("9") ",'callEndedAt':null}",
     "pipecat=x | ended at=9 to=9 | {'endedStatus':'UNKNOWN'}"},
    {PC, "{" ENDED ",'pipecatCallId':'x','callEndedAt':" AT("8") "}",
     "pipecat=x | ended at=8 to=8 | {'endedStatus':'UNKNOWN'}"},
    {PC, "{" ENDED ",'pipecatCallId':'x','callStartedAt':" AT("5") ",'callEndedAt':" AT("4") "}",
     "pipecat=x | ended from=5 | {'endedStatus':'UNKNOWN'}"},
    {LK,
     "{" ENDED ",'livekitCallId':'x','callStartedAt':" AT(
         "5") ",'agentSpokeFirst':false,"
              "'recordingSampleRate':8000,'recordingNumChannels':2,'metrics':[{'kind':'llm','ttft':"
              "0.5}],"
              "'transcript':[{'role':'user','content':'hi','timestamp':" AT(
                  "6") "}],'toolCalls':["
                       "{'kind':'tool_call','toolCallId':'c','name':'t','arguments':'{}','"
                       "timestamp':" AT("7") "}]}",
     "observer=x | ended from=5 | {'endedStatus':'UNKNOWN','transcript':[{'role':'CUSTOMER',"
     "'text':'hi','startOffsetMs':1000,'endOffsetMs':1000}],'toolInvocations':[{'name':'t',"
     "'parameters':{},'result':null,'startOffsetMs':2000,'toolCallId':'c'}],'metrics':[{'kind':"
     "'llm','ttft':0.5}],'properties':{'agentSpokeFirst':false,'recordingSampleRate':8000,"
     "'recordingNumChannels':2}}"},
    {PC, "{" ENDED ",'pipecatCallId':'x','transcript':null,'toolCalls':null,'metrics':null}",
     "pipecat=x | ended | {'endedStatus':'UNKNOWN'}"},
    {PC, "{" ENDED ",'pipecatCallId':'x','transcript':[],'toolCalls':[],'metrics':[]}",
     "pipecat=x | ended | {'endedStatus':'UNKNOWN','transcript':[],'toolInvocations':[],"
     "'metrics':[]}"},
    {PC, "{" ENDED ",'pipecatCallId':'x','callEndedReason':'fatal errors'}",
     "pipecat=x | ended | {'endedStatus':'AGENT_ERROR','properties':{'callEndedReason':"
     "'fatal errors'}}"},
    {PC, "{" ENDED ",'pipecatCallId':'x','callEndedReason':'a fatal error'}",
     "pipecat=x | ended | {'endedStatus':'UNKNOWN','properties':{'callEndedReason':"
     "'a fatal error'}}"},
    {PC, "{" ENDED ",'pipecatCallId':'x','callEndedReason':'agent-ended '}",
     "pipecat=x | ended | {'endedStatus':'UNKNOWN','properties':{'callEndedReason':"
     "'agent-ended '}}"},
    {PC, "{" ENDED ",'pipecatCallId':'x','callEndedReason':'DIAL_ERROR'}",
     "pipecat=x | ended | {'endedStatus':'DIAL_ERROR','properties':{'callEndedReason':"
     "'DIAL_ERROR'}}"},
    /* not known */
    {LK, "{'event':'call-paused'}", "?"},
    {PC, "{'event':'Call-Started','pipecatCallId':5}", "?"},
    /* bad */
    {LK, "", "TRUNCATED"},
    {LK, "{" STARTED, "TRUNCATED"},
    {LK, "{" STARTED "," STARTED "}", "BAD_VALUE"},
    {LK, "{'event':'\xff'}", "NOT_UTF8"},
    {LK, "[]", "!the body must be an object, this is an array"},
    {LK, "{}", "!event is required"},
    {LK, "{'event':null}", "!event must be a string, this is null"},
    {LK, "{'event':''}", "!event must have at least 1 character"},
    {LK, "{" STARTED "}", "!livekitCallId is required"},
    {LK, "{" STARTED ",'pipecatCallId':'x'}", "!livekitCallId is required"},
    {PC, "{" ENDED ",'livekitCallId':'x'}", "!pipecatCallId is required"},
    {PC, "{" ENDED ",'pipecatCallId':null}", "!pipecatCallId must be a string, this is null"},
    {PC, "{" ENDED ",'pipecatCallId':''}", "!pipecatCallId must have at least 1 character"},
    {PC, "{" ENDED ",'pipecatCallId':'\\ud83d'}",
     "!pipecatCallId must be Unicode: it has half a surrogate pair"},
    {LK, "{" STARTED ",'livekitCallId':'x','roomSid':'\\ude00'}",
     "!roomSid must be Unicode: it has half a surrogate pair"},
    {LK, "{" STARTED ",'livekitCallId':'x','roomSid':5}",
     "!roomSid must be a string, this is a number"},
    {LK, "{" STARTED ",'livekitCallId':'x','isTest':'yes'}",
     "!isTest must be a boolean, this is a string"},
    {LK, "{" STARTED ",'livekitCallId':'x','eventTimestamp':1767323045}",
     "!eventTimestamp must be a string, this is a number"},
    {LK, "{" STARTED ",'livekitCallId':'x','eventTimestamp':'noon'}",
     "!eventTimestamp must be an ISO 8601 time between the years 1678 and 2261"},
    {LK, "{" STARTED ",'livekitCallId':'x','agentId':7}",
     "!agentId must be a string, this is a number"},
    {LK, "{" ENDED ",'livekitCallId':'x','callEndedAt':1}",
     "!callEndedAt must be a string, this is a number"},
    {LK, "{" ENDED ",'livekitCallId':'x','callEndedReason':1}",
     "!callEndedReason must be a string, this is a number"},
    {LK, "{" ENDED ",'livekitCallId':'x','recordingSampleRate':'8000'}",
     "!recordingSampleRate must be a number, this is a string"},
    {LK, "{" ENDED ",'livekitCallId':'x','transcript':{}}",
     "!transcript must be an array, this is an object"},
    {LK, "{" ENDED ",'livekitCallId':'x','transcript':[1]}",
     "!transcript[0] must be an object, this is a number"},
    {LK, "{" ENDED ",'livekitCallId':'x','transcript':[{'role':'user'}]}", "!content is required"},
    {LK, "{" ENDED ",'livekitCallId':'x','toolCalls':[{'kind':1}]}",
     "!kind must be a string, this is a number"},
    {LK, "{" ENDED ",'livekitCallId':'x','metrics':[[]]}",
     "!metrics[0] must be an object, this is an array"},
};

static struct bytes body_of(const char *text, struct arena *arena)
{
    char *body = arena_printf(arena, "%s", text);
    if (body == NULL) {
        return bytes_of(NULL, 0);
    }
    for (char *c = body; *c != '\0'; c++) {
        *c = (char)(*c == '\'' ? '"' : *c);
    }
    return bytes_of_text(body);
}

static const char *part_told(const struct bus_part *part, struct arena *arena)
{
    const char *text = part->number == CALL_PART_OBSERVER_STARTED ? "| started " : "| ended ";
    assert_int_equal(part->status, part->number == CALL_PART_OBSERVER_STARTED
                                       ? CONVERSATION_STATUS_IN_PROGRESS
                                       : CONVERSATION_STATUS_ENDED);
    if (part->direction != CONVERSATION_DIRECTION_NONE) {
        text = arena_printf(arena, "%s%s ", text,
                            part->direction == CONVERSATION_DIRECTION_INBOUND ? "in" : "out");
    }
    if (part->at.ns != 0) {
        text = arena_printf(arena, "%sat=%lld ", text, (long long)(part->at.ns / NS_PER_S));
    }
    if (part->has_started) {
        text = arena_printf(arena, "%sfrom=%lld ", text, (long long)(part->started.ns / NS_PER_S));
    }
    if (part->has_ended) {
        text = arena_printf(arena, "%sto=%lld ", text, (long long)(part->ended.ns / NS_PER_S));
    }
    if (part->title.len > 0) {
        text = arena_printf(arena, "%stitle=%.*s ", text, (int)part->title.len,
                            (const char *)part->title.ptr);
    }
    char *body = arena_text(arena, part->body);
    assert_null(strchr(body, '\n'));
    for (char *c = body; *c != '\0'; c++) {
        *c = (char)(*c == '"' ? '\'' : *c);
    }
    return arena_printf(arena, "%s| %s", text, body);
}

static const char *told(const struct observer_event *event, struct arena *arena)
{
    const char *text = "";
    if (event->issues.count > 0) {
        assert_int_equal(event->issues.count, 1);
        return arena_printf(arena, "!%s", event->issues.list[0].message);
    }
    if (event->what == OBSERVER_UNKNOWN) {
        return "?";
    }
    for (size_t i = 0; i < event->keys_count; i++) {
        const struct match_key *key = &event->keys[i];
        assert_true(i == 0 || match_key_compare(&event->keys[i - 1], key) < 0);
        text = arena_printf(arena, "%s%s=%.*s ", text, match_kind_name(key->kind),
                            (int)key->value.len, (const char *)key->value.ptr);
    }
    return arena_printf(arena, "%s%s", text, part_told(&event->part, arena));
}

static void events(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof fixtures / sizeof fixtures[0]; i++) {
        const struct fixture *fixture = &fixtures[i];
        struct arena arena;
        struct detail detail = {{0}};
        struct observer_event event;
        arena_init(&arena, 1 << 20);
        err_t err = observer_read(fixture->observer, body_of(fixture->body, &arena), &arena,
                                  &detail, &event);
        const char *text = err_name(err);
        if (err_is_ok(err)) {
            text = told(&event, &arena);
            observer_event_fini(&event);
        }
        if (strcmp(text, fixture->wanted) != 0) {
            print_error("%s\n", fixture->body);
        }
        assert_string_equal(text, fixture->wanted);
        arena_fini(&arena);
    }
}

static const char *issue_of_id(size_t chars, struct arena *arena)
{
    struct detail detail;
    struct observer_event event;
    char *id = arena_alloc(arena, chars + 1);
    assert_non_null(id);
    memset(id, 'x', chars);
    id[chars] = '\0';
    struct bytes body =
        body_of(arena_printf(arena, "{" STARTED ",'pipecatCallId':'%s'}", id), arena);
    EXPECT_OK(observer_read(PC, body, arena, &detail, &event));
    const char *message = event.issues.count == 0 ? NULL : event.issues.list[0].message;
    observer_event_fini(&event);
    return message;
}

static void an_id_has_at_most_255_characters(void **state)
{
    (void)state;
    struct arena arena;
    arena_init(&arena, 1 << 20);
    assert_null(issue_of_id(LIMIT_KEY_CHARS, &arena));
    assert_string_equal(issue_of_id(LIMIT_KEY_CHARS + 1, &arena),
                        "pipecatCallId must have at most 255 characters, this has 256");
    arena_fini(&arena);
}

static void an_event_twice_is_one_part(void **state)
{
    (void)state;
    struct arena arena;
    struct detail detail;
    struct observer_event one;
    struct observer_event other;
    arena_init(&arena, 1 << 20);
    struct bytes body = body_of(fixtures[8].body, &arena);
    EXPECT_OK(observer_read(LK, body, &arena, &detail, &one));
    EXPECT_OK(observer_read(LK, body, &arena, &detail, &other));
    assert_true(bytes_equal(one.part.body, other.part.body));
    assert_int_equal(one.part.at.ns, other.part.at.ns);
    observer_event_fini(&one);
    observer_event_fini(&other);
    arena_fini(&arena);
}

/* --- requests for an upload ------------------------------------------------------------------------------- */

struct chunk_fixture {
    enum observer observer;
    const char *body;
    const char *wanted;
};

static const struct chunk_fixture chunk_fixtures[] = {
    {LK, "{'livekitCallId':'x','chunkIndex':3,'contentType':'audio/wav'}", "3 audio/wav"},
    {PC, "{'pipecatCallId':'x','chunkIndex':0.0}", "0 audio/pcm"},
    {PC, "{'pipecatCallId':'x','chunkIndex':null,'contentType':null}", "-1 audio/pcm"},
    {PC, "{'pipecatCallId':'x','contentType':''}", "-1 audio/pcm"},
    {PC, "{'pipecatCallId':'x'", "TRUNCATED"},
    {PC, "7", "!the body must be an object, this is a number"},
    {PC, "{'livekitCallId':'x'}", "!pipecatCallId is required"},
    {LK, "{'livekitCallId':'\\ud83d'}",
     "!livekitCallId must be Unicode: it has half a surrogate pair"},
    {PC, "{'pipecatCallId':'x','chunkIndex':-1}", "!chunkIndex must be at least 0"},
    {PC, "{'pipecatCallId':'x','chunkIndex':1.5}", "!chunkIndex must be an integer"},
    {PC, "{'pipecatCallId':'x','chunkIndex':1e300}",
     "!chunkIndex must be at most 9007199254740991"},
    {PC, "{'pipecatCallId':'x','chunkIndex':'1'}",
     "!chunkIndex must be an integer, this is a string"},
    {PC, "{'pipecatCallId':'x','contentType':5}",
     "!contentType must be a string, this is a number"},
};

static void requests_for_an_upload(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof chunk_fixtures / sizeof chunk_fixtures[0]; i++) {
        const struct chunk_fixture *fixture = &chunk_fixtures[i];
        struct arena arena;
        struct detail detail = {{0}};
        struct check_issues issues;
        int64_t index = 0;
        const char *type = NULL;
        arena_init(&arena, 1 << 20);
        err_t err = observer_read_chunk(fixture->observer, body_of(fixture->body, &arena), &arena,
                                        &detail, &issues, &index, &type);
        const char *text = err_name(err);
        if (err_is_ok(err)) {
            text = issues.count > 0 ? arena_printf(&arena, "!%s", issues.list[0].message)
                                    : arena_printf(&arena, "%lld %s", (long long)index, type);
        }
        assert_string_equal(text, fixture->wanted);
        arena_fini(&arena);
    }
}

/* --- memory ------------------------------------------------------------------------------------------------ */

static void one_pass(void *context)
{
    const struct fixture *fixture = context;
    struct arena arena;
    struct detail detail;
    struct observer_event event;
    struct check_issues issues;
    int64_t index = 0;
    const char *type = NULL;
    arena_init(&arena, 1 << 20);
    struct bytes body = body_of(fixture->body, &arena);
    if (body.ptr != NULL) {
        if (err_is_ok(observer_read(fixture->observer, body, &arena, &detail, &event))) {
            if (event.issues.count == 0 && event.what != OBSERVER_UNKNOWN) {
                assert_true(event.keys_count > 0 && event.part.body.len > 0);
            }
            observer_event_fini(&event);
        }
        (void)err_is_ok(
            observer_read_chunk(fixture->observer, body, &arena, &detail, &issues, &index, &type));
    }
    arena_fini(&arena);
}

static void a_failing_allocation_is_an_error(void **state)
{
    (void)state;
    uint64_t most = 0;
    for (size_t i = 0; i < sizeof fixtures / sizeof fixtures[0]; i++) {
        struct fixture fixture = fixtures[i];
        uint64_t count = expect_survives_oom(one_pass, &fixture);
        most = count > most ? count : most;
    }
    assert_true(most > 50);
}

/* A refusal says why, a small arena is an error, never half an event. */
static void a_full_arena_is_an_error(void **state)
{
    (void)state;
    struct arena text;
    arena_init(&text, 1 << 20);
    struct bytes body = body_of(fixtures[19].body, &text);
    bool has_failed = false;
    bool has_passed = false;
    for (size_t room = 0; room < 16384; room += 64) {
        struct arena arena;
        struct detail detail;
        struct observer_event event;
        arena_init(&arena, room);
        err_t err = observer_read(fixtures[19].observer, body, &arena, &detail, &event);
        if (err_is_ok(err)) {
            assert_int_equal(event.keys_count, 1);
            assert_true(event.part.body.len > 300);
            observer_event_fini(&event);
            has_passed = true;
        } else {
            EXPECT_ERR(err, NO_SPACE);
            has_failed = true;
        }
        arena_fini(&arena);
    }
    assert_true(has_failed && has_passed);
    arena_fini(&text);
}

int main(void)
{
    json_set_alloc_funcs(mem_alloc, mem_free);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(events),
        cmocka_unit_test(an_id_has_at_most_255_characters),
        cmocka_unit_test(an_event_twice_is_one_part),
        cmocka_unit_test(requests_for_an_upload),
        cmocka_unit_test(a_failing_allocation_is_an_error),
        cmocka_unit_test(a_full_arena_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
