/* Paths to routes: segments, placeholders, methods, encodings. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "api/http/route.h"

#include "proto/base/banned.h"

static void nothing(struct exchange *exchange)
{
    (void)exchange;
}

static const struct route table[] = {
    {HTTP_METHOD_GET, "/health", nothing, API_SCOPE_NONE, 0, ROUTE_POOL_WORK},
    {HTTP_METHOD_GET, "/v1/traces", nothing, API_SCOPE_READ, 0, ROUTE_POOL_READ},
    {HTTP_METHOD_POST, "/v1/traces", nothing, API_SCOPE_INGEST, 100, ROUTE_POOL_WORK},
    {HTTP_METHOD_GET, "/v1/traces/groups", nothing, API_SCOPE_READ, 0, ROUTE_POOL_READ},
    {HTTP_METHOD_GET, "/v1/traces/{traceId}", nothing, API_SCOPE_READ, 0, ROUTE_POOL_READ},
    {HTTP_METHOD_GET, "/v1/call/{id}/part/{n}", nothing, API_SCOPE_READ, 0, ROUTE_POOL_READ},
    {HTTP_METHOD_DELETE, "/v1/keys/{id}", nothing, API_SCOPE_MANAGE, 0, ROUTE_POOL_READ},
};

static int setup(void **state)
{
    static struct arena arena;
    arena_init(&arena, 1 << 16);
    *state = &arena;
    return 0;
}

static int teardown(void **state)
{
    arena_fini(*state);
    return 0;
}

static void paths_find_their_row(void **state)
{
    enum { NONE = -1 };
    static const struct {
        enum http_method method;
        const char *path;
        int row;
        const char *part0;
        const char *part1;
        const char *allow; /* when there is no row but a path */
    } cases[] = {
        {HTTP_METHOD_GET, "/health", 0, NULL, NULL, NULL},
        {HTTP_METHOD_HEAD, "/health", 0, NULL, NULL, NULL},
        {HTTP_METHOD_POST, "/health", NONE, NULL, NULL, "GET, HEAD"},
        {HTTP_METHOD_GET, "/v1/traces", 1, NULL, NULL, NULL},
        {HTTP_METHOD_POST, "/v1/traces", 2, NULL, NULL, NULL},
        {HTTP_METHOD_PUT, "/v1/traces", NONE, NULL, NULL, "GET, HEAD, POST"},
        {HTTP_METHOD_OTHER, "/v1/traces", NONE, NULL, NULL, "GET, HEAD, POST"},
        {HTTP_METHOD_GET, "/v1/traces/groups", 3, NULL, NULL, NULL},
        {HTTP_METHOD_GET, "/v1/traces/0123", 4, "0123", NULL, NULL},
        {HTTP_METHOD_GET, "/v1/traces/a%2Fb", 4, "a/b", NULL, NULL},
        {HTTP_METHOD_GET, "/v1/traces/%67roups", 3, NULL, NULL, NULL},
        {HTTP_METHOD_GET, "/v1/traces/..", 4, "..", NULL, NULL},
        {HTTP_METHOD_GET, "/v1/call/x/part/y%20z", 5, "x", "y z", NULL},
        {HTTP_METHOD_HEAD, "/v1/keys/1", NONE, NULL, NULL, "DELETE"},
        {HTTP_METHOD_GET, "/v1%2Ftraces", NONE, NULL, NULL, NULL},
        {HTTP_METHOD_GET, "/V1/traces", NONE, NULL, NULL, NULL},
        {HTTP_METHOD_GET, "/v1/traces/", NONE, NULL, NULL, NULL},
        {HTTP_METHOD_GET, "//v1/traces", NONE, NULL, NULL, NULL},
        {HTTP_METHOD_GET, "/v1//traces", NONE, NULL, NULL, NULL},
        {HTTP_METHOD_GET, "/v1/call//part/y", NONE, NULL, NULL, NULL},
        {HTTP_METHOD_GET, "/v1/traces/a/b", NONE, NULL, NULL, NULL},
        {HTTP_METHOD_GET, "/v1", NONE, NULL, NULL, NULL},
        {HTTP_METHOD_GET, "/", NONE, NULL, NULL, NULL},
        {HTTP_METHOD_GET, "", NONE, NULL, NULL, NULL},
        {HTTP_METHOD_GET, "*", NONE, NULL, NULL, NULL},
        {HTTP_METHOD_GET, "v1/traces", NONE, NULL, NULL, NULL},
        {HTTP_METHOD_GET, "/healthy", NONE, NULL, NULL, NULL},
        {HTTP_METHOD_GET, "/health{", NONE, NULL, NULL, NULL},
        {HTTP_METHOD_GET, "/a/b/c/d/e/f/g/h/i/j/k", NONE, NULL, NULL, NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct route_match match;
        print_message("%d %s\n", cases[i].method, cases[i].path);
        assert_true(err_is_ok(route_find(table, sizeof table / sizeof table[0], *state,
                                         cases[i].method, cases[i].path, &match)));
        if (cases[i].row == NONE) {
            assert_null(match.route);
            assert_int_equal(match.methods != 0, cases[i].allow != NULL);
        } else {
            assert_ptr_equal(match.route, &table[cases[i].row]);
        }
        if (cases[i].allow != NULL) {
            assert_string_equal(route_allow(*state, match.methods), cases[i].allow);
        }
        if (cases[i].part0 != NULL) {
            assert_string_equal(match.parts[0], cases[i].part0);
        }
        if (cases[i].part1 != NULL) {
            assert_string_equal(match.parts[1], cases[i].part1);
        }
    }
}

static void a_full_arena_is_refused(void **state)
{
    struct arena arena;
    struct route_match match;
    (void)state;
    arena_init(&arena, 4);
    assert_true(
        err_is(route_find(table, 2, &arena, HTTP_METHOD_GET, "/v1/traces", &match), ERR_NO_SPACE));
    assert_null(route_allow(&arena, ~0U));
    arena_fini(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(paths_find_their_row, setup, teardown),
        cmocka_unit_test(a_full_arena_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
