#include "tests/unit/expect.h"

#include "api/rest/mend.h"

#include "proto/base/banned.h"

struct fixture {
    const char *body;
    const char *wanted; /* NULL: refused */
};

static const struct fixture fixtures[] = {
    {"{}", "{}"},
    {" [ 1 , 2.5 ,true,false,null , \"x\" ] ", "[1,2.5,true,false,null,\"x\"]"},
    {"{\"a\" : {\"b\": [ [ ] , { } ]}, \"c\":1}", "{\"a\":{\"b\":[[],{}]},\"c\":1}"},
    {"\"a\\u0000b\"", "\"a\\u0000b\""},
    {"{\"a\\u0000\":1}", "{\"a\\ufffd\":1}"},
    {"\"\\ud83d\"", "\"\\ufffd\""},
    {"\"\\ude00\"", "\"\\ufffd\""},
    {"\"x\\ud83d\\ud83dy\"", "\"x\\ufffd\\ufffdy\""},
    {"\"\\ud83d\\ude00\"", "\"\\ud83d\\ude00\""},
    {"\"\\\\ud83d\"", "\"\\\\ud83d\""},
    {"\"\\n\\\"\\/\"", "\"\\n\\\"\\/\""},
    {"9223372036854775807", "9223372036854775807"},
    {"-9223372036854775808", "-9223372036854775808"},
    {"9223372036854775808", "9223372036854775808.0"},
    {"123456789012345678901234567890", "123456789012345678901234567890.0"},
    {"1e999", "1e308"},
    {"-1e999", "-1e308"},
    {"1e-999", "1e-999"},
    {"\"caf\xc3\xa9\"", "\"caf\xc3\xa9\""},

    {"", NULL},
    {"{", NULL},
    {"{}{}", NULL},
    {"[1,]", NULL},
    {"{\"a\"}", NULL},
    {"{a:1}", NULL},
    {"NaN", NULL},
    {"01", NULL},
    {"\"\xff\"", NULL},
    {"\"\xed\xa0\x80\"", NULL},
    {"\"\\ud8\"", NULL},
    {"\"\n\"", NULL},
    {"'x'", NULL},
};

static void bodies(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof fixtures / sizeof fixtures[0]; i++) {
        struct buf out;
        struct detail detail = {{0}};
        buf_init(&out, 1 << 16);
        err_t err = mend_body(bytes_of_text(fixtures[i].body), &out, &detail);
        if (fixtures[i].wanted == NULL) {
            if (err_is_ok(err) || detail.text[0] == '\0') {
                fail_msg("%s was taken", fixtures[i].body);
            }
        } else {
            EXPECT_OK(err);
            if (!bytes_equal_text(buf_bytes(&out), fixtures[i].wanted)) {
                fail_msg("%s became %.*s", fixtures[i].body, (int)buf_bytes(&out).len,
                         (const char *)buf_bytes(&out).ptr);
            }
        }
        buf_fini(&out);
    }
}

static void nesting_is_bounded(void **state)
{
    (void)state;
    char text[2 * (MEND_DEPTH_MAX + 1)];
    for (size_t depth = MEND_DEPTH_MAX; depth <= MEND_DEPTH_MAX + 1; depth++) {
        memset(text, '[', depth);
        memset(text + depth, ']', depth);
        struct buf out;
        struct detail detail;
        buf_init(&out, 1 << 16);
        err_t err = mend_body(bytes_of(text, 2 * depth), &out, &detail);
        assert_string_equal(err_name(err), depth == MEND_DEPTH_MAX ? "OK" : "TOO_DEEP");
        buf_fini(&out);
    }
}

static void the_number_of_values_is_bounded(void **state)
{
    (void)state;
    /* An array of one value less than there may be, and of as many. */
    for (size_t count = MEND_VALUES_MAX - 1; count <= MEND_VALUES_MAX; count++) {
        struct buf text;
        struct buf out;
        struct detail detail = {{0}};
        buf_init(&text, 1 << 20);
        buf_init(&out, 1 << 20);
        buf_add_u8(&text, '[');
        for (size_t i = 0; i < count; i++) {
            buf_add_text(&text, i == 0 ? "1" : ",1");
        }
        buf_add_u8(&text, ']');
        err_t err = mend_body(buf_bytes(&text), &out, &detail);
        assert_string_equal(err_name(err), count < MEND_VALUES_MAX ? "OK" : "TOO_MANY");
        assert_true(err_is_ok(err) || strstr(detail.text, "250000") != NULL);
        buf_fini(&text);
        buf_fini(&out);
    }
}

static void the_copy_is_bounded(void **state)
{
    (void)state;
    struct buf out;
    struct detail detail;
    buf_init(&out, 8);
    EXPECT_ERR(mend_body(bytes_of_text("[1,2,3,4,5,6]"), &out, &detail), TOO_LARGE);
    buf_fini(&out);
}

static void values_are_picked_as_they_came(void **state)
{
    (void)state;
    static const char body[] = "{ \"a\" : 1.50 , \"b\":{\"a\":2, \"c\" : [ ]},\"c\" :\"\\ud83d\" ,"
                               "\"\\u0064\":null,\"a\":9}";
    struct mend_field fields[] = {
        {.name = "a"}, {.name = "b"}, {.name = "c"}, {.name = "d"}, {.name = "e"}};
    static const char *const wanted[] = {"1.50", "{\"a\":2, \"c\" : [ ]}", "\"\\ud83d\"", "null",
                                         ""};
    mend_pick(bytes_of_text(body), fields, 5);
    for (size_t i = 0; i < 5; i++) {
        assert_true(bytes_equal_text(fields[i].value, wanted[i]));
    }
    static const char *const nothing[] = {"", "[]", "[{\"a\":1}]", "\"a\"", "{", "{\"a\":", "{1}"};
    for (size_t i = 0; i < sizeof nothing / sizeof nothing[0]; i++) {
        mend_pick(bytes_of_text(nothing[i]), fields, 5);
        assert_int_equal(fields[0].value.len, 0);
    }
}

static void half_a_surrogate_pair_is_not_exact(void **state)
{
    (void)state;
    assert_true(mend_is_exact(bytes_of_text("")));
    assert_true(mend_is_exact(bytes_of_text("\"a\\u0000\\ud83d\\ude00\\\\ud83d\"")));
    assert_false(mend_is_exact(bytes_of_text("\"\\ud83d\"")));
    assert_false(mend_is_exact(bytes_of_text("\"\\ude00\\ud83d\"")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bodies),
        cmocka_unit_test(nesting_is_bounded),
        cmocka_unit_test(the_number_of_values_is_bounded),
        cmocka_unit_test(the_copy_is_bounded),
        cmocka_unit_test(values_are_picked_as_they_came),
        cmocka_unit_test(half_a_surrogate_pair_is_not_exact),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
