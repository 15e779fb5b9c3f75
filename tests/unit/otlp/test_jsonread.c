#include "tests/unit/expect.h"

#include <stdio.h>
#include <stdlib.h>

#include "proto/otlp/jsonread.h"

struct check_case {
    const char *text;
    enum err_code code;
    const char *says; /* part of the sentence */
};

static const struct check_case cases[] = {
    {"{}", ERR_NONE, ""},
    {" [ ] ", ERR_NONE, ""},
    {"0", ERR_NONE, ""},
    {"-0.5e+3", ERR_NONE, ""},
    {"1E400", ERR_NONE, ""},
    {"99999999999999999999999999", ERR_NONE, ""},
    {"\"\"", ERR_NONE, ""},
    {"true", ERR_NONE, ""},
    {"[null,false,{\"a\":[1,{}]}]", ERR_NONE, ""},
    {"{\"a\":1,\"a\":2}", ERR_NONE, ""},
    {"\"\\u0000 \\ud83d \\ude00 \\uD83D\\uDE00\"", ERR_NONE, ""},
    {"\"\xC3\xA9 \xF0\x9F\x98\x80\"", ERR_NONE, ""},
    {"\t\r\n 1 \n", ERR_NONE, ""},
    {"", ERR_TRUNCATED, "expected a value at line 1, column 1 (octet 0)"},
    {"{", ERR_TRUNCATED, "expected a key in quotes or '}'"},
    {"[", ERR_TRUNCATED, "expected a value"},
    {"[1,", ERR_TRUNCATED, "expected a value"},
    {"\"abc", ERR_TRUNCATED, "no closing quote"},
    {"\"\\", ERR_TRUNCATED, "an escape"},
    {"\"\\u12", ERR_TRUNCATED, "four hex digits"},
    {"tru", ERR_TRUNCATED, "expected a value"},
    {"{\"a\"", ERR_TRUNCATED, "expected ':'"},
    {"{\"a\":1", ERR_TRUNCATED, "expected ',' or '}'"},
    {"[1", ERR_TRUNCATED, "expected ',' or ']'"},
    {"1.", ERR_TRUNCATED, "after the point"},
    {"1e", ERR_TRUNCATED, "in the exponent"},
    {"-", ERR_TRUNCATED, "expected a digit"},
    {"{\n  \"a\": 1,\n  }", ERR_MALFORMED,
     "expected a key in quotes at line 3, column 3 (octet 14)"},
    {"[1,]", ERR_MALFORMED, "expected a value"},
    {"[,1]", ERR_MALFORMED, "expected a value"},
    {"[1 2]", ERR_MALFORMED, "expected ',' or ']'"},
    {"{1:2}", ERR_MALFORMED, "expected a key in quotes or '}'"},
    {"{\"a\" 1}", ERR_MALFORMED, "expected ':'"},
    {"{\"a\":}", ERR_MALFORMED, "expected a value"},
    {"[}", ERR_MALFORMED, "expected a value"},
    {"{]", ERR_MALFORMED, "expected a key"},
    {"[1}", ERR_MALFORMED, "expected ',' or ']'"},
    {"1 2", ERR_MALFORMED, "nothing more"},
    {"{}x", ERR_MALFORMED, "nothing more"},
    {"01", ERR_MALFORMED, "begin with 0"},
    {"-01", ERR_MALFORMED, "begin with 0"},
    {".5", ERR_MALFORMED, "expected a value"},
    {"+1", ERR_MALFORMED, "expected a value"},
    {"1.x", ERR_MALFORMED, "after the point"},
    {"NaN", ERR_MALFORMED, "expected a value"},
    {"truE", ERR_MALFORMED, "expected a value"},
    {"nulls", ERR_MALFORMED, "nothing more"},
    {"'a'", ERR_MALFORMED, "expected a value"},
    {"// x\n1", ERR_MALFORMED, "expected a value"},
    {"\xEF\xBB\xBF{}", ERR_MALFORMED, "expected a value"},
    {"\"\\x\"", ERR_MALFORMED, "an escape"},
    {"\"\\u12g4\"", ERR_MALFORMED, "four hex digits"},
    {"\"a\nb\"", ERR_MALFORMED, "control character"},
    {"\"ok \xFF\"", ERR_NOT_UTF8, "(octet 4)"},
    {"\"\xED\xA0\x80\"", ERR_NOT_UTF8, "(octet 1)"},
    {"{\"\xC3\":1}", ERR_NOT_UTF8, "(octet 2)"},
    {"\"\xF4\x90\x80\x80\"", ERR_NOT_UTF8, "(octet 1)"},
    {"\"\xC0\x80\"", ERR_NOT_UTF8, "(octet 1)"},
    {"[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]", ERR_TOO_DEEP,
     "nested deeper than the limit of 16 at line 1"},
    {"[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]", ERR_NONE, ""},
};

static void test_syntax_is_checked_with_the_place(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct detail detail = {{0}};
        err_t err = jsonread_check(bytes_of_text(cases[i].text), 16, &detail);
        if (err.code != cases[i].code || strstr(detail.text, cases[i].says) == NULL) {
            fail_msg("%s: %s, %s", cases[i].text, err_name(err), detail.text);
        }
    }
}

static void test_a_nul_is_a_control_character(void **state)
{
    (void)state;
    struct detail detail;
    EXPECT_ERR(jsonread_check(bytes_of("\"a\0b\"", 5), 16, &detail), MALFORMED);
    EXPECT_ERR(jsonread_check(bytes_of("\0", 1), 16, &detail), MALFORMED);
    EXPECT_ERR(jsonread_check(bytes_of("\"\\\0", 3), 16, &detail), MALFORMED);
}

static void test_depth_is_bounded_whatever_is_asked(void **state)
{
    (void)state;
    struct detail detail;
    char *deep = malloc(JSONREAD_DEPTH_MAX + 1);
    assert_non_null(deep);
    memset(deep, '[', JSONREAD_DEPTH_MAX + 1);
    EXPECT_ERR(jsonread_check(bytes_of(deep, JSONREAD_DEPTH_MAX), 1000000, &detail), TRUNCATED);
    EXPECT_ERR(jsonread_check(bytes_of(deep, JSONREAD_DEPTH_MAX + 1), 1000000, &detail), TOO_DEEP);
    free(deep);
}

static void test_every_prefix_is_truncated(void **state)
{
    (void)state;
    static const char text[] = "{\"a\":[1.5e3,true,null,\"x\\u00e9\xC3\xA9\\n\"],\"b\":{\"c\":-2}}";
    struct detail detail;
    for (size_t len = 0; len < sizeof text - 1; len++) {
        char *copy = malloc(len + 1);
        assert_non_null(copy);
        memcpy(copy, text, len);
        err_t err = jsonread_check(bytes_of(copy, len), 16, &detail);
        assert_true(err_is(err, ERR_TRUNCATED) || err_is(err, ERR_NOT_UTF8));
        free(copy);
    }
    EXPECT_OK(jsonread_check(bytes_of_text(text), 16, &detail));
}

static void test_tokens_come_in_order(void **state)
{
    (void)state;
    static const enum json_kind wanted[] = {
        JSONREAD_OBJECT,     JSONREAD_KEY,  JSONREAD_ARRAY,  JSONREAD_NUMBER,
        JSONREAD_TEXT,       JSONREAD_TRUE, JSONREAD_FALSE,  JSONREAD_NULL,
        JSONREAD_ARRAY_END,  JSONREAD_KEY,  JSONREAD_OBJECT, JSONREAD_OBJECT_END,
        JSONREAD_OBJECT_END, JSONREAD_END,  JSONREAD_END};
    struct jsonread json;
    jsonread_init(&json, bytes_of_text("{\"a\":[1,\"t\",true,false,null],\"b\":{}}"), 8);
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) {
        struct json_token token;
        EXPECT_OK(jsonread_next(&json, &token));
        assert_int_equal(token.kind, wanted[i]);
    }
}

static void test_values_can_be_skipped(void **state)
{
    (void)state;
    struct jsonread json;
    struct json_token token;
    jsonread_init(&json, bytes_of_text("{\"a\":{\"b\":[1,{\"c\":2}]},\"d\":[[]],\"e\":3}"), 8);
    EXPECT_OK(jsonread_next(&json, &token));
    EXPECT_OK(jsonread_next(&json, &token));
    EXPECT_OK(jsonread_skip(&json));
    EXPECT_OK(jsonread_next(&json, &token));
    assert_true(jsonread_equals(&token, "d"));
    EXPECT_OK(jsonread_next(&json, &token));
    EXPECT_OK(jsonread_skip_rest(&json, &token));
    EXPECT_OK(jsonread_next(&json, &token));
    assert_true(jsonread_equals(&token, "e"));
    assert_int_equal(jsonread_depth(&json), 1);
}

static const struct {
    const char *json;
    const char *octets;
    size_t len;
} texts[] = {
    {"\"plain\"", "plain", 5},
    {"\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", "\"\\/\b\f\n\r\t", 8},
    {"\"a\\u0000b\"", "a\0b", 3},
    {"\"\\u00e9\\u20AC\"", "\xC3\xA9\xE2\x82\xAC", 5},
    {"\"\\ud83d\\ude00\"", "\xF0\x9F\x98\x80", 4},
    {"\"\\uDBFF\\uDFFF\"", "\xF4\x8F\xBF\xBF", 4},
    {"\"\\ud83d\"", "\xED\xA0\xBD", 3},
    {"\"\\ude00\\ud83d\"", "\xED\xB8\x80\xED\xA0\xBD", 6},
    {"\"\\ud83dx\"", "\xED\xA0\xBDx", 4},
    {"\"\\ud83d\\n\"", "\xED\xA0\xBD\n", 4},
    {"\"\\ud83d\\u0041\"",
     "\xED\xA0\xBD"
     "A",
     4},
    {"\"\\ud83d\\ud83d\\ude00\"", "\xED\xA0\xBD\xF0\x9F\x98\x80", 7},
};

static void test_escapes_stand_for_their_octets(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct jsonread json;
        struct json_token token;
        struct buf out;
        buf_init(&out, 64);
        jsonread_init(&json, bytes_of_text(texts[i].json), 8);
        EXPECT_OK(jsonread_next(&json, &token));
        jsonread_unescape(&token, &out);
        if (!bytes_equal(buf_bytes(&out), bytes_of(texts[i].octets, texts[i].len))) {
            fail_msg("%s", texts[i].json);
        }
        buf_fini(&out);
    }
}

static void test_keys_are_compared_unescaped(void **state)
{
    (void)state;
    struct jsonread json;
    struct json_token token;
    jsonread_init(&json, bytes_of_text("[\"n\\u0061me\",\"name\"]"), 8);
    EXPECT_OK(jsonread_next(&json, &token));
    for (int i = 0; i < 2; i++) {
        EXPECT_OK(jsonread_next(&json, &token));
        assert_true(jsonread_equals(&token, "name"));
        assert_false(jsonread_equals(&token, "names"));
        assert_false(jsonread_equals(&token, "nam"));
        assert_false(jsonread_equals(&token, ""));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_syntax_is_checked_with_the_place),
        cmocka_unit_test(test_a_nul_is_a_control_character),
        cmocka_unit_test(test_depth_is_bounded_whatever_is_asked),
        cmocka_unit_test(test_every_prefix_is_truncated),
        cmocka_unit_test(test_tokens_come_in_order),
        cmocka_unit_test(test_values_can_be_skipped),
        cmocka_unit_test(test_escapes_stand_for_their_octets),
        cmocka_unit_test(test_keys_are_compared_unescaped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
