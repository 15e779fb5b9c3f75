#include "tests/unit/expect.h"

#include "proto/base/arena.h"

static void test_hands_out_aligned_memory_up_to_its_bound(void **state)
{
    (void)state;
    struct arena arena;
    arena_init(&arena, 64);
    assert_non_null(arena_alloc(&arena, 64));
    assert_false(arena_is_full(&arena));
    assert_null(arena_alloc(&arena, 1));
    assert_true(arena_is_full(&arena));
    arena_fini(&arena);
}

static void test_stays_full_until_reset(void **state)
{
    (void)state;
    struct arena arena;
    arena_init(&arena, 64);
    assert_null(arena_alloc(&arena, 65));
    assert_null(arena_alloc(&arena, 1));
    arena_reset(&arena);
    assert_non_null(arena_alloc(&arena, 1));
    arena_fini(&arena);
}

static void test_refuses_sizes_that_overflow(void **state)
{
    (void)state;
    struct arena arena;
    arena_init(&arena, SIZE_MAX);
    assert_null(arena_zero(&arena, SIZE_MAX / 2, 3));
    arena_reset(&arena);
    assert_null(arena_alloc(&arena, SIZE_MAX));
    arena_fini(&arena);
}

static void test_zeroes_and_copies(void **state)
{
    (void)state;
    struct arena arena;
    struct bytes copy;
    arena_init(&arena, 1 << 20);
    uint8_t *zeros = arena_zero(&arena, 10, 10);
    for (size_t i = 0; i < 100; i++) {
        assert_int_equal(zeros[i], 0);
    }
    EXPECT_OK(arena_copy(&arena, bytes_of_text("a text"), &copy));
    assert_true(bytes_equal_text(copy, "a text"));
    EXPECT_OK(arena_copy(&arena, bytes_of(NULL, 0), &copy));
    assert_non_null(copy.ptr);
    assert_string_equal(arena_printf(&arena, "%s-%d", "x", 42), "x-42");
    arena_fini(&arena);
}

static void test_rewind_gives_back_all_since_the_mark(void **state)
{
    (void)state;
    struct arena arena;
    arena_init(&arena, 1 << 20);
    char *kept = arena_text(&arena, bytes_of_text("kept"));
    struct arena_mark mark = arena_mark(&arena);
    size_t used = arena_bytes_used(&arena);
    for (size_t i = 0; i < 100; i++) {
        assert_non_null(arena_alloc(&arena, 1000));
    }
    arena_rewind(&arena, mark);
    assert_int_equal(arena_bytes_used(&arena), used);
    assert_string_equal(kept, "kept");
    assert_non_null(arena_alloc(&arena, (1 << 20) - used - 32));
    arena_fini(&arena);
}

static void test_rewind_to_the_empty_arena(void **state)
{
    (void)state;
    struct arena arena;
    arena_init(&arena, 1 << 20);
    struct arena_mark mark = arena_mark(&arena);
    assert_non_null(arena_alloc(&arena, 5000));
    arena_rewind(&arena, mark);
    assert_int_equal(arena_bytes_used(&arena), 0);
    arena_fini(&arena);
}

static void fill(void *context)
{
    (void)context;
    struct arena arena;
    arena_init(&arena, 1 << 20);
    for (size_t i = 0; i < 20; i++) {
        if (arena_alloc(&arena, 10000) == NULL) {
            break;
        }
    }
    arena_fini(&arena);
}

static void test_survives_failing_allocations(void **state)
{
    (void)state;
    assert_true(expect_survives_oom(fill, NULL) > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hands_out_aligned_memory_up_to_its_bound),
        cmocka_unit_test(test_stays_full_until_reset),
        cmocka_unit_test(test_refuses_sizes_that_overflow),
        cmocka_unit_test(test_zeroes_and_copies),
        cmocka_unit_test(test_rewind_gives_back_all_since_the_mark),
        cmocka_unit_test(test_rewind_to_the_empty_arena),
        cmocka_unit_test(test_survives_failing_allocations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
