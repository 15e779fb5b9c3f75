#include "tests/unit/expect.h"

#include "proto/base/buf.h"

static void test_grows_to_its_maximum_and_not_past_it(void **state)
{
    (void)state;
    struct buf buf;
    buf_init(&buf, 1000);
    for (size_t i = 0; i < 1000; i++) {
        buf_add_u8(&buf, (uint8_t)i);
    }
    EXPECT_OK(buf_err(&buf));
    buf_add_u8(&buf, 0);
    EXPECT_ERR(buf_err(&buf), TOO_LARGE);
    assert_int_equal(buf_bytes(&buf).len, 1000);
    buf_fini(&buf);
}

static void test_failure_is_sticky_until_reset(void **state)
{
    (void)state;
    struct buf buf;
    buf_init(&buf, 4);
    buf_add_text(&buf, "12345");
    buf_add_text(&buf, "1");
    assert_int_equal(buf_bytes(&buf).len, 0);
    buf_reset(&buf);
    buf_add_text(&buf, "1234");
    EXPECT_OK(buf_err(&buf));
    buf_fini(&buf);
}

static void test_printf_counts_the_text_not_the_nul(void **state)
{
    (void)state;
    struct buf buf;
    buf_init(&buf, 6);
    buf_printf(&buf, "%s=%d", "key", 42);
    EXPECT_OK(buf_err(&buf));
    assert_true(bytes_equal_text(buf_bytes(&buf), "key=42"));
    buf_printf(&buf, "%s", "");
    EXPECT_OK(buf_err(&buf));
    buf_printf(&buf, "%d", 7);
    EXPECT_ERR(buf_err(&buf), TOO_LARGE);
    buf_fini(&buf);
}

static void test_take_gives_the_memory(void **state)
{
    (void)state;
    struct buf buf;
    size_t len = 0;
    buf_init(&buf, 100);
    buf_add_text(&buf, "abc");
    uint8_t *ptr = buf_take(&buf, &len);
    assert_memory_equal(ptr, "abc", 3);
    assert_int_equal(len, 3);
    assert_int_equal(buf_bytes(&buf).len, 0);
    mem_free(ptr);
    buf_fini(&buf);
}

static void fill(void *context)
{
    (void)context;
    struct buf buf;
    buf_init(&buf, 1 << 20);
    for (size_t i = 0; i < 5000; i++) {
        buf_add_text(&buf, "0123456789");
    }
    buf_printf(&buf, "%0200d", 7);
    buf_fini(&buf);
}

static void test_survives_failing_allocations(void **state)
{
    (void)state;
    assert_true(expect_survives_oom(fill, NULL) > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_grows_to_its_maximum_and_not_past_it),
        cmocka_unit_test(test_failure_is_sticky_until_reset),
        cmocka_unit_test(test_printf_counts_the_text_not_the_nul),
        cmocka_unit_test(test_take_gives_the_memory),
        cmocka_unit_test(test_survives_failing_allocations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
