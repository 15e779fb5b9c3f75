#include "tests/unit/expect.h"

#include "correlator/core/text.h"

static struct bytes cleaned(struct arena *arena, const void *ptr, size_t len)
{
    struct bytes out = {0};
    EXPECT_OK(text_for_summary(bytes_of(ptr, len), arena, &out));
    return out;
}

static void test_good_text_is_not_copied(void **state)
{
    (void)state;
    struct arena arena;
    arena_init(&arena, 0);
    const char *text = "gr\xc3\xbc\xc3\x9f";
    struct bytes out = cleaned(&arena, text, strlen(text));
    assert_ptr_equal(out.ptr, text);
    assert_int_equal(cleaned(&arena, NULL, 0).len, 0);
    arena_fini(&arena);
}

static void test_what_postgres_refuses_becomes_question_marks(void **state)
{
    (void)state;
    struct arena arena;
    arena_init(&arena, 4096);
    assert_true(bytes_equal_text(cleaned(&arena, "a\0b", 3), "a?b"));
    assert_true(bytes_equal_text(cleaned(&arena, "a\xc3\xbc\0", 4), "a\xc3\xbc?"));
    assert_true(bytes_equal_text(cleaned(&arena, "a\xff\xc3\xbc", 4), "a???"));
    arena_fini(&arena);
}

static void test_long_text_is_cut_between_characters(void **state)
{
    (void)state;
    struct arena arena;
    char text[TEXT_SUMMARY_BYTES + 2];
    arena_init(&arena, 4096);
    memset(text, 'x', sizeof text);
    assert_int_equal(cleaned(&arena, text, TEXT_SUMMARY_BYTES).len, TEXT_SUMMARY_BYTES);
    assert_int_equal(cleaned(&arena, text, TEXT_SUMMARY_BYTES + 1).len, TEXT_SUMMARY_BYTES);
    memcpy(text + TEXT_SUMMARY_BYTES - 1, "\xc3\xbc", 2);
    struct bytes out = cleaned(&arena, text, TEXT_SUMMARY_BYTES + 1);
    assert_int_equal(out.len, TEXT_SUMMARY_BYTES - 1);
    assert_true(bytes_are_utf8(out));
    arena_fini(&arena);
}

static void test_no_room_is_said(void **state)
{
    (void)state;
    struct arena arena;
    struct bytes out = {0};
    arena_init(&arena, 0);
    EXPECT_ERR(text_for_summary(bytes_of("\0", 1), &arena, &out), NO_SPACE);
    arena_fini(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good_text_is_not_copied),
        cmocka_unit_test(test_what_postgres_refuses_becomes_question_marks),
        cmocka_unit_test(test_long_text_is_cut_between_characters),
        cmocka_unit_test(test_no_room_is_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
