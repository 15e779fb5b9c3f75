#include "tests/unit/expect.h"

#include "api/rest/fold.h"

#include "proto/base/banned.h"

static void test_where_a_text_stands(void **state)
{
    static const struct {
        const char *text;
        const char *needle;
        int at; /* -1: nowhere */
    } cases[] = {
        {"llm_node", "node", 4},
        {"LLM_Node", "llm_n", 0},
        {"llm", "LLM", 0},
        {"abc", "", 0},
        {"", "", 0},
        {"", "a", -1},
        {"ab", "abc", -1},
        {"aab", "ab", 1},
        {"a@b", "a`b", -1},
        {"a[b", "a{b", -1},
        {"\xc3\x9c", "\xc3\xbc", -1},
        {"x\xc3\x9cx", "\xc3\x9cX", 1},
        {"ababac", "abac", 2},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        size_t at = 99;
        bool is_there =
            fold_find(bytes_of_text(cases[i].text), bytes_of_text(cases[i].needle), &at);
        assert_int_equal(is_there, cases[i].at >= 0);
        assert_int_equal(at, is_there ? (size_t)cases[i].at : 99);
    }
}

static void test_a_nul_is_an_octet_like_others(void **state)
{
    size_t at = 0;
    (void)state;
    assert_true(fold_find(bytes_of("a\0B", 3), bytes_of("\0b", 2), &at));
    assert_int_equal(at, 1);
    assert_false(fold_find(bytes_of("a\0c", 3), bytes_of("\0b", 2), &at));
}

static void test_a_cut_never_halves_a_character(void **state)
{
    struct bytes text = bytes_of_text("a\xe2\x82\xac\xf0\x9f\x98\x80z");
    static const size_t begins[] = {0, 1, 1, 1, 4, 4, 4, 4, 8, 9, 9};
    static const size_t ends[] = {0, 1, 1, 1, 1, 5, 5, 5, 8, 9, 9};
    (void)state;
    for (size_t max = 0; max < sizeof begins / sizeof begins[0]; max++) {
        struct bytes begin = fold_begin(text, max);
        struct bytes end = fold_end(text, max);
        assert_int_equal(begin.len, begins[max]);
        assert_ptr_equal(begin.ptr, text.ptr);
        assert_int_equal(end.len, ends[max]);
        assert_ptr_equal(end.ptr + end.len, text.ptr + text.len);
    }
}

static void test_octets_that_are_no_text_are_cut_all_the_same(void **state)
{
    struct bytes text = bytes_of_text("\x80\x80\x80\x80\x80\x80\x80\x80");
    (void)state;
    assert_int_equal(fold_begin(text, 6).len, 3);
    assert_int_equal(fold_end(text, 6).len, 3);
    assert_int_equal(fold_begin(text, 2).len, 0);
    assert_int_equal(fold_end(text, 2).len, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_where_a_text_stands),
        cmocka_unit_test(test_a_nul_is_an_octet_like_others),
        cmocka_unit_test(test_a_cut_never_halves_a_character),
        cmocka_unit_test(test_octets_that_are_no_text_are_cut_all_the_same),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
