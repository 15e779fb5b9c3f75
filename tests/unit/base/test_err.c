#include "tests/unit/expect.h"

#include <string.h>

#include "proto/base/bytes.h"

static void test_every_code_has_name_text_and_class(void **state)
{
    (void)state;
    for (int code = ERR_NONE; code < ERR_COUNT; code++) {
        err_t err = {.code = (enum err_code)code};
        assert_true(strlen(err_name(err)) > 0);
        assert_true(strlen(err_text(err)) > 0);
        assert_int_equal(err_class(err) == ERR_CLASS_NONE, code == ERR_NONE);
    }
}

static err_t try_twice(err_t first, int *steps)
{
    TRY(first);
    (*steps)++;
    return OK;
}

static void test_try_passes_failures_through(void **state)
{
    (void)state;
    int steps = 0;
    EXPECT_ERR(try_twice(FAIL(TIMEOUT), &steps), TIMEOUT);
    assert_int_equal(steps, 0);
    EXPECT_OK(try_twice(OK, &steps));
    assert_int_equal(steps, 1);
}

static void test_detail_is_prefixed_layer_by_layer(void **state)
{
    (void)state;
    struct detail detail = {0};
    assert_string_equal(detail_or_text(&detail, FAIL(NO_KEY)), "an API key is required");
    detail_set(&detail, "byte %d", 7);
    detail_prefix(&detail, "span %d", 3);
    assert_string_equal(detail_or_text(&detail, FAIL(MALFORMED)), "span 3: byte 7");
}

static void test_long_detail_is_cut_between_characters(void **state)
{
    (void)state;
    struct detail detail;
    char text[1000];
    for (size_t shift = 0; shift < 4; shift++) {
        memset(text, 'a', sizeof text);
        for (size_t i = shift; i + 4 < sizeof text; i += 4) {
            memcpy(text + i, "\xf0\x9f\x93\x9e", 4);
        }
        text[sizeof text - 1] = '\0';
        detail_set(&detail, "%s", text);
        assert_true(strlen(detail.text) > sizeof detail.text - 8);
        assert_true(bytes_are_utf8(bytes_of_text(detail.text)));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_code_has_name_text_and_class),
        cmocka_unit_test(test_try_passes_failures_through),
        cmocka_unit_test(test_detail_is_prefixed_layer_by_layer),
        cmocka_unit_test(test_long_detail_is_cut_between_characters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
