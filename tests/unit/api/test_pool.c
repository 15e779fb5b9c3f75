/* Pools: everything taken runs, full refuses, an absent Postgres is not asked without end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>

#include <cmocka.h>

#include "api/http/pool.h"
#include "tests/unit/api/fake_db.h"

#include "proto/base/banned.h"

static _Atomic int ran;
static _Atomic bool is_held;
static _Atomic int db_errors;

static void count(struct pool_thread *thread, void *context)
{
    (void)thread;
    (void)context;
    while (atomic_load(&is_held)) {
        clock_sleep_ms(1);
    }
    atomic_fetch_add(&ran, 1);
}

static void use_db(struct pool_thread *thread, void *context)
{
    struct detail detail = {0};
    struct db *db = NULL;
    (void)context;
    if (!err_is_ok(pool_db(thread, &detail, &db))) {
        atomic_fetch_add(&db_errors, 1);
    }
    atomic_fetch_add(&ran, 1);
}

static void wait_ran(int wanted)
{
    for (int i = 0; i < 500 && atomic_load(&ran) < wanted; i++) {
        clock_sleep_ms(10);
    }
    assert_int_equal(atomic_load(&ran), wanted);
}

static void everything_taken_runs_and_closing_runs_the_rest(void **state)
{
    const struct pool_options options = {.threads = 3, .queue_max = 1000};
    struct pool *pool = NULL;
    (void)state;
    atomic_store(&ran, 0);
    assert_true(err_is_ok(pool_start(&options, &pool)));
    for (int i = 0; i < 900; i++) {
        assert_true(pool_put(pool, count, NULL));
    }
    pool_close(pool);
    assert_int_equal(atomic_load(&ran), 900);
    assert_false(pool_put(pool, count, NULL));
    pool_free(pool);
    pool_close(NULL);
    pool_free(NULL);
}

static void full_queue_refuses(void **state)
{
    const struct pool_options options = {.threads = 1, .queue_max = 4};
    struct pool *pool = NULL;
    (void)state;
    atomic_store(&ran, 0);
    atomic_store(&is_held, true);
    assert_true(err_is_ok(pool_start(&options, &pool)));
    assert_true(pool_put(pool, count, NULL));
    while (pool_waiting(pool) > 0) {
        clock_sleep_ms(1); /* the thread has the first */
    }
    for (int i = 0; i < 4; i++) {
        assert_true(pool_put(pool, count, NULL));
    }
    assert_false(pool_put(pool, count, NULL));
    atomic_store(&is_held, false);
    wait_ran(5);
    assert_true(pool_put(pool, count, NULL));
    wait_ran(6);
    pool_close(pool);
    pool_free(pool);
}

static void absent_postgres_is_asked_once_in_a_while(void **state)
{
    const struct db_options db = {.conninfo = ""};
    const struct pool_options options = {.threads = 1, .queue_max = 100, .db = &db};
    struct pool *pool = NULL;
    (void)state;
    atomic_store(&ran, 0);
    atomic_store(&fake_db_tries, 0);
    atomic_store(&fake_db_is_away, true);
    assert_true(err_is_ok(pool_start(&options, &pool)));
    for (int i = 0; i < 50; i++) {
        assert_true(pool_put(pool, use_db, NULL));
    }
    wait_ran(50);
    assert_int_equal(atomic_load(&db_errors), 50);
    assert_true(atomic_load(&fake_db_tries) <= 3);
    atomic_store(&fake_db_is_away, false);
    clock_sleep_ms(POOL_DB_REST_MS + 50);
    assert_true(pool_put(pool, use_db, NULL));
    wait_ran(51);
    assert_int_equal(atomic_load(&db_errors), 50);
    pool_close(pool);
    pool_free(pool);
}

static void pool_without_postgres_says_so(void **state)
{
    const struct pool_options options = {.threads = 1, .queue_max = 2};
    struct pool *pool = NULL;
    (void)state;
    atomic_store(&ran, 0);
    atomic_store(&db_errors, 0);
    assert_true(err_is_ok(pool_start(&options, &pool)));
    assert_true(pool_put(pool, use_db, NULL));
    wait_ran(1);
    assert_int_equal(atomic_load(&db_errors), 1);
    pool_close(pool);
    pool_free(pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(everything_taken_runs_and_closing_runs_the_rest),
        cmocka_unit_test(full_queue_refuses),
        cmocka_unit_test(absent_postgres_is_asked_once_in_a_while),
        cmocka_unit_test(pool_without_postgres_says_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
