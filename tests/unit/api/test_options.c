/* The words behind an administration command. */
#include "tests/unit/expect.h"

#include "api/admin/admin.h"
#include "api/admin/options.h"

#include "proto/base/banned.h"

enum { KEY_CREATE = ADMIN_TAKES_PROJECT | ADMIN_TAKES_NAME | ADMIN_TAKES_SCOPES };

static void options_are_read_in_both_forms(void **state)
{
    static const char *const words[] = {"--project", "demo", "--name=a=b",
                                        "--scopes",  "read", "--postgres=host=/x dbname=y"};
    struct detail detail = {0};
    struct admin_options options;
    (void)state;
    assert_true(err_is_ok(admin_options_read(6, words, KEY_CREATE, &detail, &options)));
    assert_string_equal(options.project, "demo");
    assert_string_equal(options.name, "a=b");
    assert_string_equal(options.scopes, "read");
    assert_string_equal(options.postgres, "host=/x dbname=y");
    assert_null(options.word);
}

static void options_of_a_secret_may_be_left_out(void **state)
{
    static const char *const words[] = {"--api-key", "APIx", "--secret-file=/x",
                                        "--secrets_key_file=/y"};
    struct detail detail = {0};
    struct admin_options options;
    (void)state;
    EXPECT_OK(
        admin_options_read(2, words, ADMIN_TAKES_API_KEY | ADMIN_TAKES_SECRET, &detail, &options));
    assert_string_equal(options.api_key, "APIx");
    assert_null(options.secret_file);
    assert_null(options.secrets_key_file);
    EXPECT_OK(
        admin_options_read(4, words, ADMIN_TAKES_API_KEY | ADMIN_TAKES_SECRET, &detail, &options));
    assert_string_equal(options.secret_file, "/x");
    assert_string_equal(options.secrets_key_file, "/y");
}

static void since_may_be_left_out(void **state)
{
    (void)state;
    struct detail detail = {0};
    struct admin_options options;
    static const char *const words[] = {"--project", "p", "--since", "1h"};
    EXPECT_OK(
        admin_options_read(2, words, ADMIN_TAKES_PROJECT | ADMIN_TAKES_SINCE, &detail, &options));
    assert_null(options.since);
    EXPECT_OK(
        admin_options_read(4, words, ADMIN_TAKES_PROJECT | ADMIN_TAKES_SINCE, &detail, &options));
    assert_string_equal(options.since, "1h");
}

static void wrong_words_are_named(void **state)
{
    static const struct {
        const char *words[4];
        int count;
        unsigned takes;
        const char *named;
    } cases[] = {
        {{"x", "y"}, 2, ADMIN_TAKES_WORD, "'y'"},
        {{"x"}, 1, 0, "'x'"},
        {{"--nonsense=1"}, 1, 0, "--nonsense"},
        {{"--project=x"}, 1, 0, "--project"},
        {{"--projec=x"}, 1, ADMIN_TAKES_PROJECT, "--projec"},
        {{"--project"}, 1, ADMIN_TAKES_PROJECT, "--project needs"},
        {{"--project=x"}, 1, KEY_CREATE, "--name is missing"},
        {{NULL}, 0, ADMIN_TAKES_WORD, "missing"},
        {{"--secret-file=x"}, 1, ADMIN_TAKES_API_KEY, "--secret-file"},
        {{"--secret-file=x"}, 1, ADMIN_TAKES_API_KEY | ADMIN_TAKES_SECRET, "--api-key is missing"},
        {{"--secret=x"}, 1, ADMIN_TAKES_SECRET, "--secret"},
        {{"--since=1h"}, 1, ADMIN_TAKES_PROJECT, "--since"},
        {{"--since"}, 1, ADMIN_TAKES_SINCE, "--since needs"},
        {{"--since=1h"}, 1, ADMIN_TAKES_PROJECT | ADMIN_TAKES_SINCE, "--project is missing"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct detail detail = {0};
        struct admin_options options;
        assert_true(err_is(
            admin_options_read(cases[i].count, cases[i].words, cases[i].takes, &detail, &options),
            ERR_BAD_VALUE));
        assert_non_null(strstr(detail.text, cases[i].named));
    }
}

static void scopes_go_both_ways(void **state)
{
    static const struct {
        const char *text;
        unsigned scopes; /* 0: refused */
    } cases[] = {{"ingest", 1},
                 {"read,ingest", 3},
                 {"ingest,read,write,manage", 15},
                 {"read,read", 2},
                 {"", 0},
                 {"everything", 0},
                 {"read,", 0},
                 {",read", 0},
                 {"read ,write", 0},
                 {"READ", 0}};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct detail detail = {0};
        unsigned scopes = 0;
        err_t err = admin_scopes_read(cases[i].text, &detail, &scopes);
        assert_int_equal(err_is_ok(err), cases[i].scopes != 0);
        assert_int_equal(scopes, cases[i].scopes);
    }
    char text[ADMIN_SCOPES_BYTES];
    admin_scopes_write(15, text);
    assert_string_equal(text, "ingest,read,write,manage");
    admin_scopes_write(0, text);
    assert_string_equal(text, "");
}

static void names_are_bounded(void **state)
{
    char name[257];
    struct detail detail = {0};
    (void)state;
    memset(name, 'x', sizeof name - 1);
    name[256] = '\0';
    assert_false(err_is_ok(admin_name_check("it", name, &detail)));
    name[255] = '\0';
    assert_true(err_is_ok(admin_name_check("it", name, &detail)));
    static const char *const bad[] = {"", "a\nb", "\x7f", "\xff", "\xed\xa0\x80"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_false(err_is_ok(admin_name_check("it", bad[i], &detail)));
    }
}

static void unknown_commands_are_told_apart(void **state)
{
    static const char *const none[] = {"nonsense"};
    static const char *const verb[] = {"key", "nonsense"};
    static const char *const words[] = {"project", "create"};
    int code = -1;
    (void)state;
    assert_false(admin_run(1, none, &code));
    assert_true(admin_run(2, verb, &code));
    assert_int_equal(code, ADMIN_EXIT_USAGE);
    assert_true(admin_run(2, words, &code));
    assert_int_equal(code, ADMIN_EXIT_USAGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(options_are_read_in_both_forms),
        cmocka_unit_test(options_of_a_secret_may_be_left_out),
        cmocka_unit_test(since_may_be_left_out),
        cmocka_unit_test(wrong_words_are_named),
        cmocka_unit_test(scopes_go_both_ways),
        cmocka_unit_test(names_are_bounded),
        cmocka_unit_test(unknown_commands_are_told_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
