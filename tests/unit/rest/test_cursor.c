#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <jansson.h>
#include <stdlib.h>

#include "api/rest/cursor.h"
#include "proto/base/mem.h"

#include "proto/base/banned.h"

static int setup(void **state)
{
    static struct arena arena;
    json_set_alloc_funcs(mem_alloc, mem_free);
    arena_init(&arena, 1 << 20);
    *state = &arena;
    return 0;
}

static int teardown(void **state)
{
    arena_fini(*state);
    return 0;
}

static struct cursor cursor_of(const char *sort_value, const char *id)
{
    return (struct cursor){bytes_of_text(sort_value), bytes_of_text(id)};
}

static void what_was_written_is_read(void **state)
{
    static const char *const cases[][2] = {
        {"2026-01-02T03:04:05.678901Z", "0b0e7a7e-5f5c-4c1c-8a55-0d4f4f7a1a11"},
        {"", ""},
        {"caf\xc3\xa9 \xf0\x9f\x98\x80 ~?>", "x"},
        {"\"quoted\\\"", "\n"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct cursor cursor = cursor_of(cases[i][0], cases[i][1]);
        const char *text = cursor_write(&cursor, *state);
        assert_non_null(text);
        struct cursor back;
        assert_true(err_is_ok(cursor_read(text, *state, &back)));
        assert_true(bytes_equal(back.sort_value, cursor.sort_value));
        assert_true(bytes_equal(back.id, cursor.id));
    }
}

static void the_form_is_the_customer_apis(void **state)
{
    struct cursor cursor = cursor_of("2026-01-02T03:04:05.678901Z", "a");
    assert_string_equal(cursor_write(&cursor, *state),
                        "eyJzb3J0VmFsdWUiOiIyMDI2LTAxLTAyVDAzOjA0OjA1LjY3ODkwMVoiLCJpZCI6ImEifQ==");
}

static void a_cursor_mangled_by_a_url_is_mended(void **state)
{
    struct cursor back;
    const char *no_padding =
        "eyJzb3J0VmFsdWUiOiIyMDI2LTAxLTAyVDAzOjA0OjA1LjY3ODkwMVoiLCJpZCI6ImEifQ";
    assert_true(err_is_ok(cursor_read(no_padding, *state, &back)));
    struct cursor odd = cursor_of("~~~>>>?", "?>~");
    char *text = arena_printf(*state, "%s", cursor_write(&odd, *state));
    for (char *c = text; *c != '\0'; c++) {
        *c = (char)(*c == '+' ? ' ' : *c == '/' ? '_' : *c);
    }
    assert_true(err_is_ok(cursor_read(text, *state, &back)));
    assert_true(bytes_equal(back.sort_value, odd.sort_value));
}

static void what_is_no_cursor_is_refused(void **state)
{
    static const char *const cases[] = {
        "",
        "0b0e7a7e-5f5c-4c1c-8a55-0d4f4f7a1a11", /* a bare id */
        "!!!!",
        "e30=",                                             /* {} */
        "W10=",                                             /* [] */
        "bnVsbA==",                                         /* null */
        "eyJpZCI6ImEifQ==",                                 /* {"id":"a"} */
        "eyJzb3J0VmFsdWUiOjEsImlkIjoiYSJ9",                 /* sortValue 1 */
        "eyJzb3J0VmFsdWUiOiJhIiwiaWQiOm51bGx9",             /* id null */
        "eyJzb3J0VmFsdWUiOiJhIiwiaWQiOiJiIiwieCI6MX0=",     /* a third member */
        "eyJzb3J0VmFsdWUiOiJhIiwiaWQiOiJiIiwiaWQiOiJjIn0=", /* id twice */
        "eyJzb3J0VmFsdWUiOiJhIiwiaWQiOiJi",                 /* cut */
        "/////w==",
        "=",
        "====",
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct cursor back;
        err_t err = cursor_read(cases[i], *state, &back);
        assert_string_equal(err_name(err), "BAD_VALUE");
    }
}

static void length_is_bounded(void **state)
{
    char *text = arena_zero(*state, CURSOR_BYTES_MAX + 2, 1);
    memset(text, 'A', CURSOR_BYTES_MAX + 1);
    struct cursor back;
    assert_true(err_is(cursor_read(text, *state, &back), ERR_BAD_VALUE));
    /* The longest of ours fits. */
    char id[36 + 1 + 32 + 1 + 1 + 1 + 2040 + 1];
    memset(id, 'a', sizeof id - 1);
    id[sizeof id - 1] = '\0';
    struct cursor longest = cursor_of("2026-01-02T03:04:05.678901Z", id);
    const char *written = cursor_write(&longest, *state);
    assert_true(strlen(written) <= CURSOR_BYTES_MAX);
    assert_true(err_is_ok(cursor_read(written, *state, &back)));
}

static void a_failing_allocation_is_an_error(void **state)
{
    struct cursor cursor = cursor_of("2026", "id");
    const char *good = cursor_write(&cursor, *state);
    bool is_through = false;
    for (uint64_t n = 1; n < 100 && !is_through; n++) {
        struct arena arena;
        arena_init(&arena, 1 << 16);
        (void)mem_fail_at(n, 1);
        struct cursor back;
        const char *text = cursor_write(&cursor, &arena);
        err_t err = cursor_read(good, &arena, &back);
        (void)mem_fail_at(0, 0);
        is_through = text != NULL && err_is_ok(err);
        arena_fini(&arena);
    }
    assert_true(is_through);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_was_written_is_read, setup, teardown),
        cmocka_unit_test_setup_teardown(the_form_is_the_customer_apis, setup, teardown),
        cmocka_unit_test_setup_teardown(a_cursor_mangled_by_a_url_is_mended, setup, teardown),
        cmocka_unit_test_setup_teardown(what_is_no_cursor_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(length_is_bounded, setup, teardown),
        cmocka_unit_test_setup_teardown(a_failing_allocation_is_an_error, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
