#include "tests/unit/expect.h"

#include "correlator/memo.h"
#include "correlator/params.h"

static struct memo_mark mark_of(const char *a, const char *b)
{
    struct bytes parts[] = {bytes_of_text(a), bytes_of_text(b)};
    return memo_mark_of(parts, 2);
}

static void test_it_knows_what_was_added_until_cleared(void **state)
{
    (void)state;
    struct memo memo;
    EXPECT_OK(memo_init(&memo, 1024));
    assert_false(memo_has(&memo, mark_of("a", "b")));
    memo_add(&memo, mark_of("a", "b"));
    assert_true(memo_has(&memo, mark_of("a", "b")));
    memo_clear(&memo);
    assert_false(memo_has(&memo, mark_of("a", "b")));
    memo_fini(&memo);
    memo_fini(&memo);
}

static void test_parts_do_not_run_together(void **state)
{
    (void)state;
    struct memo_mark a = mark_of("ab", "c");
    struct memo_mark b = mark_of("a", "bc");
    struct memo_mark c = mark_of("abc", "");
    struct bytes swapped_parts[] = {bytes_of_text("c"), bytes_of_text("ab")};
    struct memo_mark swapped = memo_mark_of(swapped_parts, 2);
    assert_memory_not_equal(a.b, b.b, sizeof a.b);
    assert_memory_not_equal(a.b, c.b, sizeof a.b);
    assert_memory_not_equal(a.b, swapped.b, sizeof a.b);
}

static void test_long_parts_have_marks_of_their_own(void **state)
{
    (void)state;
    enum { MOST = 600 };
    static char long_text[2][MOST + 1];
    struct memo_mark before = mark_of("", "");
    for (size_t len = 1; len < MOST; len++) {
        memset(long_text[0], 'a', len);
        memset(long_text[1], 'a', len);
        long_text[1][len - 1] = 'b';
        struct memo_mark a = mark_of(long_text[0], "x");
        struct memo_mark again = mark_of(long_text[0], "x");
        struct memo_mark b = mark_of(long_text[1], "x");
        assert_memory_equal(a.b, again.b, sizeof a.b);
        assert_memory_not_equal(a.b, b.b, sizeof a.b);
        assert_memory_not_equal(a.b, before.b, sizeof a.b);
        before = a;
    }
}

static void test_one_place_holds_the_newest(void **state)
{
    (void)state;
    struct memo memo;
    EXPECT_OK(memo_init(&memo, 1));
    memo_add(&memo, mark_of("a", ""));
    memo_add(&memo, mark_of("b", ""));
    assert_false(memo_has(&memo, mark_of("a", "")));
    assert_true(memo_has(&memo, mark_of("b", "")));
    memo_fini(&memo);
}

static void init_once(void *context)
{
    (void)context;
    struct memo memo;
    err_t err = memo_init(&memo, 16);
    assert_true(err_is_ok(err) || err_is(err, ERR_MEMORY));
    memo_fini(&memo);
}

static void test_survives_running_out_of_memory(void **state)
{
    (void)state;
    assert_true(expect_survives_oom(init_once, NULL) > 0);
}

static void test_rows_become_columns(void **state)
{
    (void)state;
    static const enum db_type types[] = {DB_TYPE_INT2, DB_TYPE_BYTEA};
    struct arena arena;
    struct params params;
    struct db_value values[2];
    arena_init(&arena, 4096);
    EXPECT_OK(params_init(&params, &arena, types, 2, 3));
    params_row(&params, (struct db_value[]){db_int2(1), db_bytes(bytes_of_text("x"))});
    params_row(&params, (struct db_value[]){db_int2(2), db_bytes(bytes_of_text("yy"))});
    EXPECT_OK(params_pack(&params, values));
    /* Postgres' binary array: dimensions, NULLs, type, length, lower bound, then length and octets each. */
    const uint8_t numbers[] = {0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 21, 0, 0, 0, 2,
                               0, 0, 0, 1, 0, 0, 0, 2, 0, 1, 0, 0,  0, 2, 0, 2};
    assert_int_equal(values[0].data.len, sizeof numbers);
    assert_memory_equal(values[0].data.ptr, numbers, sizeof numbers);
    assert_int_equal(values[1].data.len, 20 + 4 + 1 + 4 + 2);
    arena_fini(&arena);
}

static void test_no_room_for_rows_is_said(void **state)
{
    (void)state;
    static const enum db_type types[] = {DB_TYPE_INT2};
    struct arena arena;
    struct params params;
    arena_init(&arena, 64);
    EXPECT_ERR(params_init(&params, &arena, types, 1, 1000), NO_SPACE);
    arena_fini(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_it_knows_what_was_added_until_cleared),
        cmocka_unit_test(test_parts_do_not_run_together),
        cmocka_unit_test(test_long_parts_have_marks_of_their_own),
        cmocka_unit_test(test_one_place_holds_the_newest),
        cmocka_unit_test(test_survives_running_out_of_memory),
        cmocka_unit_test(test_rows_become_columns),
        cmocka_unit_test(test_no_room_for_rows_is_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
