/* What a caller says of the larger work: request ids and W3C's traceparent. */
#include "tests/unit/expect.h"

#include <string.h>

#include "proto/http/context.h"

#define TRACE  "0af7651916cd43dd8448eb211c80319c"
#define SPAN   "b7ad6b7169203331"
#define PARENT "00-" TRACE "-" SPAN "-01"

static void test_a_good_request_id_is_one_word(void **state)
{
    (void)state;
    char longest[CONTEXT_ID_CHARS_MAX + 2] = {0};
    static const char *const good[] = {"a", "7", "req-1_A.b:c/d",
                                       "0b0e7a7e-5f5c-4c1c-8a55-0d4f4f7a1a11"};
    static const char *const bad[] = {"",         " ",   "a b",  "a\tb", "a\nb", "a\"b", "a;b",
                                      "\xC3\xBC", "a=b", "$(x)", "a,b",  "\x7F", "a%20"};
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        assert_true(context_id_is_good(good[i]));
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_false(context_id_is_good(bad[i]));
    }
    memset(longest, 'x', CONTEXT_ID_CHARS_MAX);
    assert_true(context_id_is_good(longest));
    longest[CONTEXT_ID_CHARS_MAX] = 'x';
    assert_false(context_id_is_good(longest));
    assert_false(context_id_is_good(NULL));
}

static void test_a_parent_is_read(void **state)
{
    (void)state;
    struct context_parent parent;
    assert_true(context_parent_read(PARENT, &parent));
    assert_true(parent.is_sampled);
    assert_int_equal(parent.trace.b[0], 0x0A);
    assert_int_equal(parent.span.b[7], 0x31);
    assert_true(context_parent_read("00-" TRACE "-" SPAN "-00", &parent));
    assert_false(parent.is_sampled);
    assert_true(context_parent_read("00-" TRACE "-" SPAN "-fe", &parent));
    assert_false(parent.is_sampled);
    assert_true(context_parent_read("cc-" TRACE "-" SPAN "-01", &parent));
    assert_true(context_parent_read("cc-" TRACE "-" SPAN "-01-what-comes-later", &parent));
}

static void test_anything_else_is_no_parent(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "00",
        TRACE,
        "00-" TRACE "-" SPAN,
        "00-" TRACE "-" SPAN "-0",
        "00-" TRACE "-" SPAN "-0g",
        "ff-" TRACE "-" SPAN "-01",
        "0-" TRACE "-" SPAN "-01",
        "00-" TRACE "-" SPAN "-01-more",
        "00-" TRACE "-" SPAN "-01 ",
        "cc-" TRACE "-" SPAN "-01more",
        "00_" TRACE "_" SPAN "_01",
        "00-00000000000000000000000000000000-" SPAN "-01",
        "00-" TRACE "-0000000000000000-01",
        "00-0AF7651916CD43DD8448EB211C80319C-" SPAN "-01",
        "00-" TRACE "-B7AD6B7169203331-01",
        " 00-" TRACE "-" SPAN "-01",
    };
    struct context_parent parent = {.is_sampled = true};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_false(context_parent_read(bad[i], &parent));
    }
    assert_false(context_parent_read(NULL, &parent));
    assert_true(parent.is_sampled); /* untouched */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_good_request_id_is_one_word),
        cmocka_unit_test(test_a_parent_is_read),
        cmocka_unit_test(test_anything_else_is_no_parent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
