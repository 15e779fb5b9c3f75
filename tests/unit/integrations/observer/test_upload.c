#include "tests/unit/expect.h"

#include <ctype.h>

#include "api/integrations/observer/upload.h"

#include "proto/base/banned.h"

static const struct uuid key = {{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}};
static const struct key_hash hash = {{7, 7, 7}};
enum { UNTIL_S = 1767323045 };

static void make(char text[UPLOAD_TOKEN_CHARS + 1])
{
    EXPECT_OK(upload_token_make(key, &hash, UNTIL_S, text));
    assert_int_equal(strlen(text), UPLOAD_TOKEN_CHARS);
}

static bool is_good(const char *text, const struct key_hash *under)
{
    struct upload_token token;
    bool good = true;
    if (!upload_token_read(bytes_of_text(text), &token)) {
        return false;
    }
    EXPECT_OK(upload_token_check(&token, under, &good));
    return good;
}

static void a_token_tells_what_it_was_made_of(void **state)
{
    char text[UPLOAD_TOKEN_CHARS + 1];
    struct upload_token token;
    (void)state;
    make(text);
    assert_true(upload_token_read(bytes_of_text(text), &token));
    assert_true(uuid_equal(token.key, key));
    assert_int_equal(token.until_s, UNTIL_S);
    assert_true(is_good(text, &hash));
    for (char *c = text; *c != '\0'; c++) {
        *c = (char)toupper((unsigned char)*c);
    }
    assert_true(is_good(text, &hash));
}

static void times_keep_their_sign(void **state)
{
    static const int64_t times[] = {0, -1, INT64_MAX, INT64_MIN};
    (void)state;
    for (size_t i = 0; i < 4; i++) {
        char text[UPLOAD_TOKEN_CHARS + 1];
        struct upload_token token;
        EXPECT_OK(upload_token_make(key, &hash, times[i], text));
        assert_true(upload_token_read(bytes_of_text(text), &token));
        assert_int_equal(token.until_s, times[i]);
    }
}

/* Whichever digit is changed: the key, the time or the MAC. */
static void no_digit_may_change(void **state)
{
    char text[UPLOAD_TOKEN_CHARS + 1];
    (void)state;
    make(text);
    for (size_t i = 0; i < UPLOAD_TOKEN_CHARS; i++) {
        char was = text[i];
        text[i] = was == '0' ? '1' : '0';
        assert_false(is_good(text, &hash));
        text[i] = was;
    }
    assert_true(is_good(text, &hash));
}

static void another_key_has_not_made_it(void **state)
{
    static const struct key_hash others[] = {{{0}}, {{7, 7, 8}}};
    char text[UPLOAD_TOKEN_CHARS + 1];
    (void)state;
    make(text);
    assert_false(is_good(text, &others[0]));
    assert_false(is_good(text, &others[1]));
}

static void other_forms_are_no_token(void **state)
{
    char text[UPLOAD_TOKEN_CHARS + 2];
    struct upload_token token;
    (void)state;
    make(text);
    assert_false(upload_token_read(bytes_of(NULL, 0), &token));
    assert_false(upload_token_read(bytes_of(text, UPLOAD_TOKEN_CHARS - 1), &token));
    assert_false(upload_token_read(bytes_of(text, UPLOAD_TOKEN_CHARS - 2), &token));
    text[UPLOAD_TOKEN_CHARS] = '0';
    assert_false(upload_token_read(bytes_of(text, UPLOAD_TOKEN_CHARS + 1), &token));
    text[10] = 'g';
    assert_false(upload_token_read(bytes_of(text, UPLOAD_TOKEN_CHARS), &token));
    text[10] = '\0';
    assert_false(upload_token_read(bytes_of(text, UPLOAD_TOKEN_CHARS), &token));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_token_tells_what_it_was_made_of),
        cmocka_unit_test(times_keep_their_sign),
        cmocka_unit_test(no_digit_may_change),
        cmocka_unit_test(another_key_has_not_made_it),
        cmocka_unit_test(other_forms_are_no_token),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
