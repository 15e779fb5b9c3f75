#include "tests/unit/expect.h"

#include "api/rest/overlay.h"

#include "proto/base/banned.h"

/* ' stands for ". */
struct fixture {
    const char *body;
    const char *lines;
    const char *wanted;
};

static const struct fixture fixtures[] = {
    /* what one alone has stays as it came */
    {"{'p':{ 'a' : 1 , 'a':2}}", "", "{ 'a' : 1 , 'a':2}"},
    {"", "{'p':{ 'a':1}}", "{ 'a':1}"},
    {"{'q':{'a':1}}", "{'x':1}\n{'p':{}}\n{}", "{}"},
    /* the first that has a member says it */
    {"{'p':{'a':1}}", "{'p':{'a':2,'b':3}}", "{'a':1,'b':3}"},
    {"{'p':{'a':null}}", "{'p':{'a':2}}\n{'p':{'c':[1,{'a':5}],'a':4}}",
     "{'a':null,'c':[1,{'a':5}]}"},
    {"", "{'p':{'a':1}}\n{'x':0}\n{'p':{'b':'}\\''}}\n", "{'a':1,'b':'}\\''}"},
    {"{'p':{}}", "{'p':{}}", "{}"},
    {"{'p':{'a':1}}", "{'p':{'\\u0061':2,'\\ud83d':3}}", "{'a':1,'\\ud83d':3}"},
    {"{'p':{'':1}}", "{'p':{'':2}}", "{'':1}"},
    {"{ 'p' : { 'a' : 1 } }", "{'p':{'b' :2}}", "{'a': 1,'b':2}"},
    /* there is none */
    {"", "", ""},
    {"{}", "{}\n\n{}", ""},
    {"[]", "5\nno JSON", ""},
    {"{'p':5}", "{'p':[1]}\n{'p':null}", ""},
    {"{'p':'text'}", "{'p':{'a':1}}", "{'a':1}"},
    {"{'p':{'a':", "{'p':{'a':1}}", "{'a':1}"},
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

static void objects(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof fixtures / sizeof fixtures[0]; i++) {
        struct arena arena;
        struct bytes json;
        arena_init(&arena, 1 << 20);
        EXPECT_OK(overlay_object(body_of(fixtures[i].body, &arena),
                                 body_of(fixtures[i].lines, &arena), "p", &arena, &json));
        char *text = arena_text(&arena, json);
        for (char *c = text; *c != '\0'; c++) {
            *c = (char)(*c == '"' ? '\'' : *c);
        }
        assert_string_equal(text, fixtures[i].wanted);
        arena_fini(&arena);
    }
}

static void one_pass(void *context)
{
    const struct fixture *fixture = context;
    struct arena arena;
    struct bytes json;
    arena_init(&arena, 1 << 20);
    err_t err = overlay_object(body_of(fixture->body, &arena), body_of(fixture->lines, &arena), "p",
                               &arena, &json);
    assert_true(err_is_ok(err) || err_is(err, ERR_MEMORY) || err_is(err, ERR_NO_SPACE));
    arena_fini(&arena);
}

static void a_failing_allocation_is_an_error(void **state)
{
    (void)state;
    for (size_t i = 3; i < 6; i++) {
        struct fixture fixture = fixtures[i];
        assert_true(expect_survives_oom(one_pass, &fixture) > 3);
    }
}

static void a_full_arena_is_an_error(void **state)
{
    (void)state;
    struct bytes body = bytes_of_text("{\"p\":{\"a\":1}}");
    struct bytes lines = bytes_of_text("{\"p\":{\"b\":1}}");
    struct arena arena;
    struct bytes json;
    arena_init(&arena, 32);
    EXPECT_ERR(overlay_object(body, lines, "p", &arena, &json), NO_SPACE);
    arena_fini(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(objects),
        cmocka_unit_test(a_failing_allocation_is_an_error),
        cmocka_unit_test(a_full_arena_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
