#include "tests/unit/expect.h"

#include <jansson.h>

#include "api/rest/agent.h"
#include "api/rest/conversation.h"

#include "proto/base/banned.h"

static const struct uuid project = {{1, 2, 3}};
static const struct uuid other = {{1, 2, 4}};

static void keys_are_read(void **state)
{
    (void)state;
    struct arena arena;
    struct match_key *keys = NULL;
    size_t count = 0;
    arena_init(&arena, 1 << 16);
    EXPECT_OK(conversation_keys_of_text(bytes_of_text("1:6100ff,3:,6:7A"), &arena, &keys, &count));
    assert_int_equal(count, 3);
    assert_int_equal(keys[0].kind, MATCH_KIND_EXTERNAL);
    assert_true(bytes_equal(keys[0].value, bytes_of("a\0\xff", 3)));
    assert_int_equal(keys[1].value.len, 0);
    assert_true(bytes_equal_text(keys[2].value, "z"));
    static const char *const nothing[] = {"", "1", ",", "1:6", "1:xx", ":,"};
    for (size_t i = 0; i < sizeof nothing / sizeof nothing[0]; i++) {
        EXPECT_OK(conversation_keys_of_text(bytes_of_text(nothing[i]), &arena, &keys, &count));
        assert_int_equal(count, i == 5 ? 1 : 0);
    }
    arena_fini(&arena);
}

static struct uuid id_of(const char *json, struct uuid of, struct arena *arena)
{
    json_t *agent = json_loads(json, 0, NULL);
    assert_non_null(agent);
    struct uuid id = agent_id(agent, of, arena);
    json_decref(agent);
    return id;
}

static void an_agent_has_one_id(void **state)
{
    (void)state;
    struct arena arena;
    arena_init(&arena, 1 << 16);
    struct uuid named = id_of("{\"name\":\"a\"}", project, &arena);
    assert_true(uuid_equal(named, id_of("{\"name\":\"a\",\"prompt\":{}}", project, &arena)));
    assert_false(uuid_equal(named, id_of("{\"name\":\"b\"}", project, &arena)));
    assert_false(uuid_equal(named, id_of("{\"name\":\"a\"}", other, &arena)));
    assert_false(uuid_equal(named, id_of("{\"customId\":\"a\"}", project, &arena)));
    assert_true(uuid_equal(id_of("{\"customId\":\"a\"}", project, &arena),
                           id_of("{\"customId\":\"a\",\"name\":\"b\"}", project, &arena)));
    assert_int_equal(named.b[6] & 0xf0, 0x80);
    assert_int_equal(named.b[8] & 0xc0, 0x80);
    struct uuid given;
    assert_true(uuid_from_text(bytes_of_text("0b0e7a7e-5f5c-4c1c-8a55-0d4f4f7a1a11"), &given));
    assert_true(uuid_equal(given, id_of("{\"roarkId\":\"0b0e7a7e-5f5c-4c1c-8a55-0d4f4f7a1a11\","
                                        "\"name\":\"a\"}",
                                        project, &arena)));
    arena_fini(&arena);
}

static const char body[] =
    "{\"startedAt\":\"2026-01-02 03:04:05\",\"properties\":{ \"a\" : 1e999, \"t\":\"\\ud83d\"},"
    "\"agent\":{\"name\":\"a\\u00e9\",\"endpoint\":{\"type\":\"phone\",\"value\":\"+1\"}},"
    "\"customer\":{\"phoneNumberE164\":null},\"endedStatus\":5,\"toolInvocations\":[ ]}";

static struct conversation call_of(const char *text)
{
    return (struct conversation){.project = project,
                                 .kind = CONVERSATION_KIND_CALL,
                                 .source = CONVERSATION_SOURCE_API,
                                 .status = CONVERSATION_STATUS_ENDED,
                                 .body = bytes_of_text(text)};
}

static bool has(const struct out *out, const char *part)
{
    struct bytes text = buf_bytes(&out->buf);
    return memmem(text.ptr, text.len, part, strlen(part)) != NULL;
}

static void what_was_sent_is_given_back(void **state)
{
    (void)state;
    struct arena arena;
    struct out out;
    struct conversation call = call_of(body);
    arena_init(&arena, 1 << 16);
    out_init(&out);
    EXPECT_OK(conversation_write(&out, NULL, &call, CONVERSATION_FORM_WHOLE, &arena));
    static const char *const parts[] = {
        "\"properties\":{ \"a\" : 1e999, \"t\":\"\\ud83d\"}",
        "\"startedAt\":\"2026-01-02 03:04:05\"",
        "\"status\":\"ENDED\"",
        "\"endedStatus\":null", /* not a text */
        "\"name\":\"a\xc3\xa9\"",
        "\"phoneNumberE164\":\"+1\"",
        "\"customers\":[{\"phoneNumberE164\":null}]",
        "\"toolInvocations\":[ ]",
        "\"recordingUrlAccess\":\"NOT_AVAILABLE\"",
    };
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        if (!has(&out, parts[i])) {
            fail_msg("%s is not in it", parts[i]);
        }
    }
    out_fini(&out);
    arena_fini(&arena);
}

static void any_body_gives_an_object(void **state)
{
    (void)state;
    /* Bodies of integrations are no creates. */
    static const char *const bodies[] = {"", "[]", "{\"agent\":5,\"agents\":{},\"properties\":[]}",
                                         "{\"agents\":\"x\",\"customers\":{},\"startedAt\":{}}"};
    for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++) {
        struct arena arena;
        struct out out;
        struct conversation call = call_of(bodies[i]);
        arena_init(&arena, 1 << 16);
        out_init(&out);
        EXPECT_OK(conversation_write(&out, NULL, &call, CONVERSATION_FORM_LISTED, &arena));
        json_t *json =
            json_loadb((const char *)buf_bytes(&out.buf).ptr, buf_bytes(&out.buf).len, 0, NULL);
        assert_non_null(json);
        assert_true(json_is_null(json_object_get(json, "startedAt")));
        assert_true(json_is_null(json_object_get(json, "properties")));
        json_decref(json);
        out_fini(&out);
        arena_fini(&arena);
    }
}

static void one_pass(void *context)
{
    struct conversation *call = context;
    struct arena arena;
    struct out out;
    arena_init(&arena, 1 << 16);
    out_init(&out);
    (void)conversation_write(&out, NULL, call, CONVERSATION_FORM_WHOLE, &arena).code; /* any */
    out_fini(&out);
    arena_fini(&arena);
}

static void a_failing_allocation_leaves_nothing(void **state)
{
    (void)state;
    struct conversation call = call_of(body);
    assert_true(expect_survives_oom(one_pass, &call) > 3);
}

int main(void)
{
    json_set_alloc_funcs(mem_alloc, mem_free);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_are_read),
        cmocka_unit_test(an_agent_has_one_id),
        cmocka_unit_test(what_was_sent_is_given_back),
        cmocka_unit_test(any_body_gives_an_object),
        cmocka_unit_test(a_failing_allocation_leaves_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
