#include "tests/unit/expect.h"

#include "proto/base/bytes.h"
#include "proto/base/match_key.h"

static void test_order_is_by_content_then_length(void **state)
{
    (void)state;
    assert_true(bytes_compare(bytes_of_text("a"), bytes_of_text("b")) < 0);
    assert_true(bytes_compare(bytes_of_text("ab"), bytes_of_text("a")) > 0);
    assert_int_equal(bytes_compare(bytes_of(NULL, 0), bytes_of_text("")), 0);
    assert_true(bytes_compare(bytes_of("\xff", 1), bytes_of("\x7f", 1)) > 0);
}

static void test_utf8_is_checked(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "\xff", "a\x80", "\xc0\xaf", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xe2\x82"};
    assert_true(bytes_are_utf8(bytes_of_text("gr\xc3\xbc\xc3\x9f \xf0\x9f\x93\x9e")));
    assert_true(bytes_are_utf8(bytes_of("a\0b", 3)));
    assert_true(bytes_are_utf8(bytes_of(NULL, 0)));
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_false(bytes_are_utf8(bytes_of_text(bad[i])));
    }
    assert_int_equal(bytes_utf8_count(bytes_of_text("\xc3\xbc"
                                                    "a")),
                     2);
}

static void test_hex_goes_both_ways(void **state)
{
    (void)state;
    uint8_t octets[4];
    char hex[8];
    assert_true(bytes_from_hex(bytes_of_text("00fFAb1C"), octets, 4));
    bytes_to_hex(bytes_of(octets, 4), hex);
    assert_memory_equal(hex, "00ffab1c", 8);
    assert_false(bytes_from_hex(bytes_of_text("00ffab1"), octets, 4));
    assert_false(bytes_from_hex(bytes_of_text("00ffab1g"), octets, 4));
    assert_false(bytes_from_hex(bytes_of_text("00ffab1c00"), octets, 4));
}

static void test_hash_tells_contents_apart(void **state)
{
    (void)state;
    uint8_t a[16];
    uint8_t b[16];
    bytes_hash128(bytes_of_text("one"), a);
    bytes_hash128(bytes_of_text("two"), b);
    assert_memory_not_equal(a, b, 16);
    bytes_hash128(bytes_of_text("one"), b);
    assert_memory_equal(a, b, 16);
    assert_true(bytes_hash64(bytes_of_text("x"), 1) != bytes_hash64(bytes_of_text("x"), 2));
}

static void test_a_key_value_has_1_to_255_characters(void **state)
{
    (void)state;
    char text[600];
    memset(text, 'k', sizeof text);
    assert_true(match_value_is_valid(bytes_of(text, 255)));
    assert_false(match_value_is_valid(bytes_of(text, 256)));
    assert_false(match_value_is_valid(bytes_of(text, 0)));
    for (size_t i = 0; i < 256; i++) { /* two octets each */
        text[2 * i] = '\xc3';
        text[2 * i + 1] = '\xbc';
    }
    assert_true(match_value_is_valid(bytes_of(text, 510)));
    assert_false(match_value_is_valid(bytes_of(text, 512)));
    assert_false(match_value_is_valid(bytes_of("\xff", 1)));
}

static void test_kinds_have_names(void **state)
{
    (void)state;
    enum match_kind kind = MATCH_KIND_EXTERNAL;
    assert_string_equal(match_kind_name(MATCH_KIND_LIVEKIT), "livekit");
    assert_string_equal(match_kind_name(0), "unknown");
    assert_string_equal(match_kind_name(99), "unknown");
    assert_true(match_kind_from_name(bytes_of_text("trace"), &kind));
    assert_int_equal(kind, MATCH_KIND_TRACE);
    assert_false(match_kind_from_name(bytes_of_text("Trace"), &kind));
    assert_false(match_kind_is_unique(MATCH_KIND_TRACE));
    assert_true(match_kind_is_unique(MATCH_KIND_VAPI));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order_is_by_content_then_length),
        cmocka_unit_test(test_utf8_is_checked),
        cmocka_unit_test(test_hex_goes_both_ways),
        cmocka_unit_test(test_hash_tells_contents_apart),
        cmocka_unit_test(test_a_key_value_has_1_to_255_characters),
        cmocka_unit_test(test_kinds_have_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
