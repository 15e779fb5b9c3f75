#include "tests/unit/expect.h"

#include "proto/base/reader.h"

static void test_reads_to_the_end_and_not_past_it(void **state)
{
    (void)state;
    struct reader reader = reader_of(bytes_of("\x01\x02\x03\x04\x05\x06\x07\x08\x09", 9));
    struct bytes view;
    uint64_t wide = 0;
    uint32_t narrow = 0;
    uint8_t octet = 0;
    EXPECT_ERR(reader_take(&reader, 10, &view), TRUNCATED);
    EXPECT_OK(reader_fixed64(&reader, &wide));
    assert_true(wide == UINT64_C(0x0807060504030201));
    EXPECT_ERR(reader_fixed64(&reader, &wide), TRUNCATED);
    EXPECT_ERR(reader_fixed32(&reader, &narrow), TRUNCATED);
    assert_int_equal(reader_peek(&reader), 9);
    EXPECT_OK(reader_u8(&reader, &octet));
    EXPECT_ERR(reader_u8(&reader, &octet), TRUNCATED);
    assert_int_equal(reader_peek(&reader), -1);
    assert_true(reader_is_done(&reader));
    EXPECT_OK(reader_take(&reader, 0, &view));
    assert_int_equal(view.len, 0);
}

static void test_a_failed_read_does_not_move(void **state)
{
    (void)state;
    struct reader reader = reader_of(bytes_of("\x80\x80", 2));
    uint64_t value = 7;
    EXPECT_ERR(reader_varint(&reader, &value), TRUNCATED);
    assert_int_equal(reader_left(&reader), 2);
    assert_int_equal(value, 7);
}

static void test_varints(void **state)
{
    (void)state;
    static const struct {
        const char *octets;
        size_t len;
        uint64_t value;
    } good[] = {
        {"\x00", 1, 0},
        {"\x7f", 1, 127},
        {"\x80\x01", 2, 128},
        {"\xac\x02", 2, 300},
        {"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 10, UINT64_MAX},
        {"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x7f", 10, UINT64_MAX},
        {"\x80\x80\x00", 3, 0},
    };
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        struct reader reader = reader_of(bytes_of(good[i].octets, good[i].len));
        uint64_t value = 1;
        EXPECT_OK(reader_varint(&reader, &value));
        assert_true(value == good[i].value);
        assert_true(reader_is_done(&reader));
    }
    struct reader eleven = reader_of(bytes_of("\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01", 11));
    uint64_t value = 0;
    EXPECT_ERR(reader_varint(&eleven, &value), MALFORMED);
}

static void test_an_empty_view_is_fine(void **state)
{
    (void)state;
    struct reader reader = reader_of(bytes_of(NULL, 0));
    uint64_t value = 0;
    assert_true(reader_is_done(&reader));
    EXPECT_ERR(reader_varint(&reader, &value), TRUNCATED);
}

static void test_since_gives_what_was_read(void **state)
{
    (void)state;
    struct reader reader = reader_of(bytes_of_text("abcdef"));
    struct reader before = reader;
    struct bytes view;
    EXPECT_OK(reader_take(&reader, 4, &view));
    assert_true(bytes_equal_text(reader_since(&reader, &before), "abcd"));
    assert_true(bytes_equal_text(reader_rest(&reader), "ef"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reads_to_the_end_and_not_past_it),
        cmocka_unit_test(test_a_failed_read_does_not_move),
        cmocka_unit_test(test_varints),
        cmocka_unit_test(test_an_empty_view_is_fine),
        cmocka_unit_test(test_since_gives_what_was_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
