#include "tests/unit/expect.h"

#include <stdio.h>

#include "api/rest/intake.h"
#include "proto/base/limits.h"

#include "proto/base/banned.h"

/* A body with ' for ", what it is a create of, and what is read from it in one line; or the error's name; or
 * the first issue's message with ! before it. */
struct fixture {
    enum conversation_kind kind;
    const char *body;
    const char *wanted;
};

#define CALL CONVERSATION_KIND_CALL
#define CHAT CONVERSATION_KIND_CHAT
#define ID   "0b0e7a7e-5f5c-4c1c-8a55-0D4F4F7A1A11"

static const struct fixture fixtures[] = {
    {CALL, "{}", ""},
    {CHAT, "{}", ""},
    {CALL, "{'externalId':'x','livekitRoomId':'RM_a'}", "external=x livekit=RM_a "},
    {CALL, "{'vapiCallId':'" ID "'}", "vapi=" ID " "},
    {CALL, "{'externalId':' X '}", "external= X  "},
    {CALL, "{'traceId':'0123456789abcdef0123456789abcdef'}", ""},
    {CHAT, "{'traceId':'0123456789ABCDEF0123456789abcdef'}",
     "trace=0123456789abcdef0123456789abcdef "},
    {CHAT, "{'traceId':null,'externalId':'x'}", "external=x "},
    {CHAT, "{'livekitRoomId':'RM_a'}", ""},
    {CALL, "{'callDirection':'INBOUND'}", "in "},
    {CALL, "{'callDirection':'OUTBOUND'}", "out "},
    {CALL, "{'startedAt':'1970-01-01T00:00:05Z','endedAt':'1970-01-01T00:00:06Z'}", "from=5 "},
    {CALL, "{'startedAt':'1970-01-01T01:00:05+01:00'}", "from=5 "},
    {CHAT, "{'startTimestamp':'1970-01-01T00:00:05Z','endTimestamp':'1970-01-01T00:00:05Z'}",
     "from=5 to=5 "},
    {CHAT,
     "{'startTimestamp':'1970-01-01T00:00:05Z','endTimestamp':'1970-01-01T00:00:09Z','messages':["
     "{'role':'AGENT','text':'','startTimestamp':'1970-01-01T00:00:05Z'},"
     "{'role':'AGENT','text':'','startTimestamp':'1970-01-01T00:00:09Z'}]}",
     "from=5 to=9 "},
    {CHAT, "{'messages':[{'role':'AGENT','text':'','startTimestamp':'1970-01-01T00:00:09Z'}]}", ""},
    {CALL, "{'properties':{'n':1e999,'m':123456789012345678901234567890,'t':'\\ud83d'}}", ""},

    {CALL, "", "TRUNCATED"},
    {CALL, "{'a':1", "TRUNCATED"},
    {CALL, "{'a':1,'a':2}", "BAD_VALUE"},
    {CALL, "{'properties':{'a':1,'a':2}}", "BAD_VALUE"},
    {CALL, "{'a':'\xff'}", "NOT_UTF8"},
    {CALL, "[]", "!the body must be an object, this is an array"},
    {CALL, "{'externalId':'\\ud83d'}", "!externalId must be Unicode: it has half a surrogate pair"},
    {CALL, "{'livekitRoomId':'a\\ude00'}",
     "!livekitRoomId must be Unicode: it has half a surrogate pair"},
    {CHAT, "{'startTimestamp':'1970-01-01T00:00:05Z','endTimestamp':'1970-01-01T00:00:04Z'}",
     "!endTimestamp lies before startTimestamp"},
    {CHAT,
     "{'startTimestamp':'1970-01-01T00:00:05Z','messages':["
     "{'role':'AGENT','text':'','startTimestamp':'1970-01-01T00:00:04.999999999Z'}]}",
     "!startTimestamp lies before the chat's startTimestamp"},
    {CHAT,
     "{'endTimestamp':'1970-01-01T00:00:05Z','toolInvocations':["
     "{'name':'t','parameters':{},'result':'','startTimestamp':'1970-01-01T00:00:05.000000001Z'}]}",
     "!startTimestamp lies behind the chat's endTimestamp"},
};

static struct bytes body_of(const char *text, struct arena *arena)
{
    char *body = arena_printf(arena, "%s", text);
    for (char *c = body; *c != '\0'; c++) {
        *c = (char)(*c == '\'' ? '"' : *c);
    }
    return bytes_of_text(body);
}

static const char *told(const struct intake *intake, struct arena *arena)
{
    if (intake->issues.count > 0) {
        assert_int_equal(intake->issues.count, 1);
        return arena_printf(arena, "!%s", intake->issues.list[0].message);
    }
    const char *text = "";
    for (size_t i = 0; i < intake->keys_count; i++) {
        const struct match_key *key = &intake->keys[i];
        assert_true(i == 0 || intake->keys[i - 1].kind < key->kind);
        text = arena_printf(arena, "%s%s=%.*s ", text, match_kind_name(key->kind),
                            (int)key->value.len, (const char *)key->value.ptr);
    }
    if (intake->direction != CONVERSATION_DIRECTION_NONE) {
        text = arena_printf(arena, "%s%s ", text,
                            intake->direction == CONVERSATION_DIRECTION_INBOUND ? "in" : "out");
    }
    if (intake->has_started) {
        text =
            arena_printf(arena, "%sfrom=%lld ", text, (long long)(intake->started.ns / NS_PER_S));
    }
    if (intake->has_ended) {
        text = arena_printf(arena, "%sto=%lld ", text, (long long)(intake->ended.ns / NS_PER_S));
    }
    return text;
}

static void bodies(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof fixtures / sizeof fixtures[0]; i++) {
        const struct fixture *fixture = &fixtures[i];
        struct arena arena;
        struct detail detail = {{0}};
        struct intake intake;
        arena_init(&arena, 1 << 20);
        err_t err =
            intake_read(fixture->kind, body_of(fixture->body, &arena), &arena, &detail, &intake);
        const char *text = err_name(err);
        if (err_is_ok(err)) {
            text = told(&intake, &arena);
            intake_fini(&intake);
        }
        if (strcmp(text, fixture->wanted) != 0) {
            print_error("%s\n", fixture->body);
        }
        assert_string_equal(text, fixture->wanted);
        arena_fini(&arena);
    }
}

static void a_key_may_hold_nul(void **state)
{
    (void)state;
    struct arena arena;
    struct detail detail;
    struct intake intake;
    arena_init(&arena, 1 << 20);
    EXPECT_OK(
        intake_read(CALL, body_of("{'externalId':'a\\u0000b'}", &arena), &arena, &detail, &intake));
    assert_int_equal(intake.issues.count, 0);
    assert_true(bytes_equal(intake.keys[0].value, bytes_of("a\0b", 3)));
    intake_fini(&intake);
    arena_fini(&arena);
}

static void every_kind_has_a_field(void **state)
{
    (void)state;
    for (unsigned kind = 1; kind < MATCH_KIND_COUNT; kind++) {
        assert_string_not_equal(intake_key_field((enum match_kind)kind), "a key");
    }
    assert_string_equal(intake_key_field(MATCH_KIND_EXTERNAL), "externalId");
    assert_string_equal(intake_key_field(MATCH_KIND_COUNT), "a key");
}

static void one_pass(void *context)
{
    struct bytes *body = context;
    struct arena arena;
    struct detail detail;
    struct intake intake;
    arena_init(&arena, 1 << 20);
    if (err_is_ok(intake_read(CHAT, *body, &arena, &detail, &intake))) {
        intake_fini(&intake);
    }
    arena_fini(&arena);
}

static void a_failing_allocation_is_an_error(void **state)
{
    (void)state;
    struct arena arena;
    arena_init(&arena, 1 << 20);
    static const char *const texts[] = {
        "{'externalId':'x','traceId':'0123456789abcdef0123456789abcdef','properties':{'a':[1]}}",
        "{'externalId':'\\ud83d','startTimestamp':'1970-01-01T00:00:05Z','messages':["
        "{'role':'AGENT','text':'','startTimestamp':'1970-01-01T00:00:04Z'}]}",
    };
    for (size_t i = 0; i < 2; i++) {
        struct bytes body = body_of(texts[i], &arena);
        assert_true(expect_survives_oom(one_pass, &body) > 5);
    }
    arena_fini(&arena);
}

int main(void)
{
    json_set_alloc_funcs(mem_alloc, mem_free);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bodies),
        cmocka_unit_test(a_key_may_hold_nul),
        cmocka_unit_test(every_kind_has_a_field),
        cmocka_unit_test(a_failing_allocation_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
