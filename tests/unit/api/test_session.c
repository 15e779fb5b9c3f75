#include "tests/unit/expect.h"

#include <stdio.h>
#include <string.h>

#include "api/http/session.h"

static const struct uuid key = {{1, 2, 3, 0xff}};
static const struct key_hash stored = {{9, 8, 7}};

enum { NOW = 1767323045 };

static void made(int64_t ends, char ret_cookie[SESSION_TEXT_BYTES + 64])
{
    char text[SESSION_TEXT_BYTES];
    EXPECT_OK(session_make(key, &stored, ends, text));
    (void)snprintf(ret_cookie, SESSION_TEXT_BYTES + 64, "a=b; calltrace_session=%s; c=d", text);
}

static void test_what_was_made_is_valid_until_its_end(void **state)
{
    char cookie[SESSION_TEXT_BYTES + 64];
    struct session_claim claim;
    struct bytes text;
    (void)state;
    made(NOW + 10, cookie);
    assert_true(session_of_cookie(cookie, &text, &claim));
    assert_true(uuid_equal(claim.key, key));
    assert_int_equal(claim.ends_s, NOW + 10);
    assert_true(session_is_valid(&claim, &stored, NOW));
    assert_true(session_is_valid(&claim, &stored, NOW + 9));
    assert_false(session_is_valid(&claim, &stored, NOW + 10));
    const struct key_hash other = {{9, 8, 6}};
    assert_false(session_is_valid(&claim, &other, NOW));
}

static void test_every_changed_character_ends_it(void **state)
{
    char text[SESSION_TEXT_BYTES];
    char cookie[SESSION_TEXT_BYTES + 64];
    (void)state;
    EXPECT_OK(session_make(key, &stored, NOW + 10, text));
    for (size_t i = 0; i < strlen(text); i++) {
        char changed[SESSION_TEXT_BYTES];
        struct session_claim claim;
        struct bytes found;
        memcpy(changed, text, sizeof changed);
        changed[i] = changed[i] == '1' ? '2' : '1';
        (void)snprintf(cookie, sizeof cookie, "calltrace_session=%s", changed);
        assert_false(session_of_cookie(cookie, &found, &claim) &&
                     session_is_valid(&claim, &stored, NOW));
    }
}

static void test_what_is_no_session(void **state)
{
    static const char *const cookies[] = {
        NULL,
        "",
        ";",
        ";;;",
        "calltrace_session",
        "calltrace_session=",
        "calltrace_session=..",
        "calltrace_session=00000000000000000000000000000000..",
        "xcalltrace_session=1",
        "a=b",
        "calltrace_session=0000000000000000000000000000000g.1."
        "0000000000000000000000000000000000000000000000000000000000000000",
        "calltrace_session=00000000000000000000000000000000.1234567890123."
        "0000000000000000000000000000000000000000000000000000000000000000",
        "calltrace_session=00000000000000000000000000000000.-1."
        "0000000000000000000000000000000000000000000000000000000000000000",
        "calltrace_session=00000000000000000000000000000000.."
        "0000000000000000000000000000000000000000000000000000000000000000"};
    (void)state;
    for (size_t i = 0; i < sizeof cookies / sizeof cookies[0]; i++) {
        struct session_claim claim;
        struct bytes text;
        assert_false(session_of_cookie(cookies[i], &text, &claim));
    }
}

static void test_the_cookie_is_kept_from_scripts_and_other_sites(void **state)
{
    char header[SESSION_COOKIE_BYTES];
    (void)state;
    session_cookie("text", 60, true, header);
    assert_string_equal(header, "calltrace_session=text; Path=/; Max-Age=60; HttpOnly; "
                                "SameSite=Strict; Secure");
    session_cookie(NULL, 60, false, header);
    assert_string_equal(header, "calltrace_session=; Path=/; Max-Age=0; HttpOnly; SameSite=Strict");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_was_made_is_valid_until_its_end),
        cmocka_unit_test(test_every_changed_character_ends_it),
        cmocka_unit_test(test_what_is_no_session),
        cmocka_unit_test(test_the_cookie_is_kept_from_scripts_and_other_sites),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
