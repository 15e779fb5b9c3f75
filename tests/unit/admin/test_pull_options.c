/* The words behind `vapi pull`. */
#include "tests/unit/expect.h"

#include <string.h>

#include "api/admin/pull_options.h"

#include "proto/base/banned.h"

enum { WORDS_MAX = 12 };

static const struct unix_ns now = {.ns = INT64_C(1750000000) * NS_PER_S};

static err_t read_words(const char *const *words, struct detail *detail, struct pull_options *ret)
{
    int count = 0;
    while (count < WORDS_MAX && words[count] != NULL) {
        count++;
    }
    *detail = (struct detail){0};
    return pull_options_read(count, words, now, detail, ret);
}

static void all_options_are_read(void **state)
{
    static const char *const words[WORDS_MAX + 1] = {"--since=2026-01-31T08:00:00Z",
                                                     "--until",
                                                     "2026-02-01",
                                                     "--url",
                                                     "https://calltrace:4318",
                                                     "--vapi-url=https://vapi.example",
                                                     "--key-file=k",
                                                     "--vapi-key-file=v",
                                                     "--ca-file=c",
                                                     "--no-logs",
                                                     "--allow-loopback",
                                                     NULL};
    struct detail detail;
    struct pull_options options;
    (void)state;
    EXPECT_OK(read_words(words, &detail, &options));
    assert_int_equal(options.since.ns / NS_PER_S, 1769846400);
    assert_int_equal(options.until.ns / NS_PER_S, 1769904000);
    assert_string_equal(options.url, "https://calltrace:4318");
    assert_string_equal(options.vapi_url, "https://vapi.example");
    assert_string_equal(options.key_file, "k");
    assert_string_equal(options.vapi_key_file, "v");
    assert_string_equal(options.ca_file, "c");
    assert_null(options.vapi_ca_file);
    assert_null(options.proxy);
    assert_true(options.is_without_logs);
    assert_true(options.is_loopback_allowed);
}

static void what_is_left_out_has_a_default(void **state)
{
    static const char *const words[WORDS_MAX + 1] = {"--since", "36h", "--url", "https://c", NULL};
    struct detail detail;
    struct pull_options options;
    (void)state;
    EXPECT_OK(read_words(words, &detail, &options));
    assert_int_equal(options.until.ns, now.ns);
    assert_int_equal(options.since.ns, now.ns - INT64_C(36) * 3600 * NS_PER_S);
    assert_string_equal(options.vapi_url, "https://api.vapi.ai");
    assert_null(options.key_file);
    assert_null(options.vapi_key_file);
    assert_false(options.is_without_logs);
    assert_false(options.is_loopback_allowed);
}

static void times_long_ago_have_four_units(void **state)
{
    static const struct {
        const char *text;
        int64_t seconds;
    } cases[] = {{"1s", 1}, {"90m", 5400}, {"2h", 7200}, {"7d", 604800}, {"999999s", 999999}};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const char *const words[WORDS_MAX + 1] = {"--since", cases[i].text, "--url", "https://c",
                                                  NULL};
        struct detail detail;
        struct pull_options options;
        EXPECT_OK(read_words(words, &detail, &options));
        assert_int_equal(options.since.ns, now.ns - cases[i].seconds * NS_PER_S);
    }
}

static void wrong_words_are_named(void **state)
{
    static const struct {
        const char *words[WORDS_MAX + 1];
        const char *named;
    } cases[] = {
        {{NULL}, "--since is missing"},
        {{"--since", "1h", NULL}, "--url is missing"},
        {{"--url", "https://c", NULL}, "--since is missing"},
        {{"--since", NULL}, "--since needs a value"},
        {{"--since=", NULL}, "--since needs a value"},
        {{"--since", "soon", "--url", "x", NULL}, "--since is neither"},
        {{"--since", "1w", "--url", "x", NULL}, "--since is neither"},
        {{"--since", "1hh", "--url", "x", NULL}, "--since is neither"},
        {{"--since", "h", "--url", "x", NULL}, "--since is neither"},
        {{"--since", "10", "--url", "x", NULL}, "--since is neither"},
        {{"--since", "1000000s", "--url", "x", NULL}, "--since is neither"},
        {{"--since", "-1h", "--url", "x", NULL}, "--since is neither"},
        {{"--since", "1h", "--until", "then", "--url", "x", NULL}, "--until is neither"},
        {{"--since", "1h", "--until", "2h", "--url", "x", NULL}, "--since is not before --until"},
        {{"--since", "0s", "--url", "x", NULL}, "--since is not before now"},
        {{"--no-logs=1", NULL}, "--no-logs takes no value"},
        {{"--sinc=1h", NULL}, "word 1"},
        {{"--since", "1h", "--limit=5", NULL}, "word 3"},
        {{"--since", "1h", "--url", "x", "--", NULL}, "word 5"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct detail detail;
        struct pull_options options;
        EXPECT_ERR(read_words(cases[i].words, &detail, &options), BAD_VALUE);
        if (strstr(detail.text, cases[i].named) == NULL) {
            fail_msg("'%s' does not say '%s'", detail.text, cases[i].named);
        }
    }
}

static void a_key_among_the_words_is_not_shown(void **state)
{
    static const char *const words[WORDS_MAX + 1] = {"--key=ct_live_secret", NULL};
    static const char *const plain[WORDS_MAX + 1] = {"ct_live_secret", NULL};
    struct detail detail;
    struct pull_options options;
    (void)state;
    EXPECT_ERR(read_words(words, &detail, &options), BAD_VALUE);
    assert_null(strstr(detail.text, "secret"));
    EXPECT_ERR(read_words(plain, &detail, &options), BAD_VALUE);
    assert_null(strstr(detail.text, "secret"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_options_are_read),
        cmocka_unit_test(what_is_left_out_has_a_default),
        cmocka_unit_test(times_long_ago_have_four_units),
        cmocka_unit_test(wrong_words_are_named),
        cmocka_unit_test(a_key_among_the_words_is_not_shown),
    };
    return cmocka_run_group_tests_name("admin_pull_options", tests, NULL, NULL);
}
