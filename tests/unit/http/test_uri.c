/* The request target: strict decoding, one reading of every text. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "proto/base/mem.h"
#include "proto/http/uri.h"

#include "proto/base/banned.h"

static int setup(void **state)
{
    static struct arena arena;
    arena_init(&arena, 64 << 10);
    *state = &arena;
    return 0;
}

static int teardown(void **state)
{
    arena_fini(*state);
    return 0;
}

static void paths_are_decoded_strictly(void **state)
{
    static const struct {
        const char *target;
        const char *path; /* NULL: refused */
    } cases[] = {
        {"/v1/call", "/v1/call"},
        {"/", "/"},
        {"*", "*"},
        {"/a%20b", "/a b"},
        {"/a+b", "/a+b"},
        {"/%e2%82%ac", "/\xe2\x82\xac"},
        {"/%E2%82%AC?x", "/\xe2\x82\xac"},
        {"/a%2Fb", "/a/b"},
        {"/a/../b", "/a/../b"},
        {"/a%2e%2e", "/a.."},
        {"/a#b", "/a"},
        {"http://host:1/v1/call?a=b", "/v1/call"},
        {"HTTPS://host", "/"},
        {"http://host?a=b", ""},
        {"/%", NULL},
        {"/%2", NULL},
        {"/%2G", NULL},
        {"/%zz", NULL},
        {"/%%", NULL},
        {"/a%00b", NULL},
        {"/%c0%ae", NULL},    /* overlong '.' */
        {"/%e0%80%af", NULL}, /* overlong '/' */
        {"/%f0%80%80%af", NULL},
        {"/%ed%a0%80", NULL}, /* a surrogate */
        {"/%ff", NULL},
        {"/\xff", NULL},
        {"/%e2%82", NULL},
        {"/%u0041", NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct detail detail = {0};
        struct uri uri;
        err_t err = uri_parse(*state, cases[i].target, &detail, &uri);
        print_message("%s\n", cases[i].target);
        assert_non_null(uri.path);
        assert_non_null(uri.raw_path);
        if (cases[i].path == NULL) {
            assert_true(err_is(err, ERR_MALFORMED));
            assert_true(detail.text[0] != '\0');
        } else {
            assert_true(err_is_ok(err));
            assert_string_equal(uri.path, cases[i].path);
        }
    }
}

static void raw_path_keeps_an_encoded_slash(void **state)
{
    struct detail detail = {0};
    struct uri uri;
    assert_true(err_is_ok(uri_parse(*state, "/v1%2Fcall?a", &detail, &uri)));
    assert_string_equal(uri.raw_path, "/v1%2Fcall");
}

static void parameters_keep_order_and_repetition(void **state)
{
    struct detail detail = {0};
    struct uri uri;
    assert_true(err_is_ok(
        uri_parse(*state, "/x?&b=1&&a=%C3%A9+%2B&b=&c&=v&d=1=2&%61=q%26r&", &detail, &uri)));
    static const char *const want[][2] = {
        {"b", "1"}, {"a", "\xc3\xa9 +"}, {"b", ""},    {"c", ""},
        {"", "v"},  {"d", "1=2"},        {"a", "q&r"},
    };
    assert_int_equal(uri.parameters_count, 7);
    for (size_t i = 0; i < 7; i++) {
        assert_string_equal(uri.parameters[i].name, want[i][0]);
        assert_string_equal(uri.parameters[i].value, want[i][1]);
    }
}

static void empty_queries_have_no_parameters(void **state)
{
    static const char *const targets[] = {"/x", "/x?", "/x?#a=b", "/x?&", "/x?&&&", "/x#?a=b"};
    for (size_t i = 0; i < sizeof targets / sizeof targets[0]; i++) {
        struct detail detail = {0};
        struct uri uri;
        assert_true(err_is_ok(uri_parse(*state, targets[i], &detail, &uri)));
        assert_int_equal(uri.parameters_count, 0);
    }
}

static void bad_queries_are_refused_and_leave_the_path(void **state)
{
    static const char *const targets[] = {"/x?a=%",   "/x?%0=1",     "/x?a=1&b=%00",
                                          "/x?%ff=1", "/x?a=%c0%80", "/x?a=%2"};
    for (size_t i = 0; i < sizeof targets / sizeof targets[0]; i++) {
        struct detail detail = {0};
        struct uri uri;
        assert_true(err_is(uri_parse(*state, targets[i], &detail, &uri), ERR_MALFORMED));
        assert_string_equal(uri.path, "/x");
        assert_non_null(strstr(detail.text, "query"));
    }
}

static void parameters_are_bounded(void **state)
{
    char target[4096] = "/x?";
    struct detail detail = {0};
    struct uri uri;
    size_t len = 3;
    for (int i = 0; i < URI_PARAMETERS_MAX; i++) {
        len += (size_t)snprintf(target + len, sizeof target - len, "a=%d&", i);
    }
    target[len - 1] = '\0';
    assert_true(err_is_ok(uri_parse(*state, target, &detail, &uri)));
    assert_int_equal(uri.parameters_count, URI_PARAMETERS_MAX);
    (void)snprintf(target + len - 1, sizeof target - len, "&z");
    assert_true(err_is(uri_parse(*state, target, &detail, &uri), ERR_TOO_MANY));
}

static void every_allocation_may_fail(void **state)
{
    (void)state;
    for (uint64_t n = 1; n < 64; n++) {
        struct arena arena;
        struct detail detail = {0};
        struct uri uri;
        arena_init(&arena, 64 << 10);
        (void)mem_fail_at(n, 1);
        err_t err = uri_parse(&arena, "/a/b?c=d&e=%20", &detail, &uri);
        (void)mem_fail_at(0, 0);
        arena_fini(&arena);
        if (err_is_ok(err)) {
            return;
        }
        assert_true(err_is(err, ERR_NO_SPACE));
    }
    fail_msg("it never succeeded");
}

static void full_arena_is_refused(void **state)
{
    (void)state;
    struct arena arena;
    struct detail detail = {0};
    struct uri uri;
    arena_init(&arena, 8);
    assert_true(err_is(uri_parse(&arena, "/a/path/longer/than/that", &detail, &uri), ERR_NO_SPACE));
    arena_fini(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(paths_are_decoded_strictly, setup, teardown),
        cmocka_unit_test_setup_teardown(raw_path_keeps_an_encoded_slash, setup, teardown),
        cmocka_unit_test_setup_teardown(parameters_keep_order_and_repetition, setup, teardown),
        cmocka_unit_test_setup_teardown(empty_queries_have_no_parameters, setup, teardown),
        cmocka_unit_test_setup_teardown(bad_queries_are_refused_and_leave_the_path, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(parameters_are_bounded, setup, teardown),
        cmocka_unit_test(every_allocation_may_fail),
        cmocka_unit_test(full_arena_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
