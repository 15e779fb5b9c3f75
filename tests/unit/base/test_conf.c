#include "tests/unit/expect.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "proto/base/conf.h"

struct target {
    char name[CONF_TEXT_BYTES];
    uint64_t count;
    bool is_on;
};

static const struct conf_row rows[] = {
    {"name", CONF_KIND_TEXT, offsetof(struct target, name), "anna", 0, 0, "", "a name"},
    {"count", CONF_KIND_NUMBER, offsetof(struct target, count), "5", 1, 10, "things", "how many"},
    {"is_on", CONF_KIND_FLAG, offsetof(struct target, is_on), "off", 0, 0, "", "on or off"},
};

static err_t load(struct target *target, struct detail *detail, const char *a, const char *b)
{
    const char *argv[] = {a, b};
    int argc = a == NULL ? 0 : b == NULL ? 1 : 2;
    *detail = (struct detail){0};
    return conf_load(rows, 3, target, argc, argv, detail);
}

static void write_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static void test_defaults_then_file_then_env_then_flag(void **state)
{
    (void)state;
    struct target target;
    struct detail detail;
    char path[] = "/tmp/calltrace-conf-XXXXXX";
    assert_true(close(mkstemp(path)) == 0);
    EXPECT_OK(load(&target, &detail, NULL, NULL));
    assert_string_equal(target.name, "anna");
    assert_int_equal(target.count, 5);
    assert_false(target.is_on);
    write_file(path, "; a comment\nname = bert\ncount = 7\nis_on = yes\n");
    EXPECT_OK(load(&target, &detail, "--config", path));
    assert_string_equal(target.name, "bert");
    assert_int_equal(target.count, 7);
    assert_true(target.is_on);
    assert_int_equal(setenv("CALLTRACE_COUNT", "8", 1), 0);
    EXPECT_OK(load(&target, &detail, "--config", path));
    assert_int_equal(target.count, 8);
    EXPECT_OK(load(&target, &detail, "--count=9", NULL));
    assert_int_equal(target.count, 9);
    assert_int_equal(unsetenv("CALLTRACE_COUNT"), 0);
    assert_int_equal(unlink(path), 0);
}

static void test_a_refusal_names_row_and_limit(void **state)
{
    (void)state;
    static const struct {
        const char *argument;
        const char *sentence;
    } cases[] = {
        {"--count=11", "command line: count is 11; it must lie between 1 and 10 things"},
        {"--count=0", "command line: count is 0; it must lie between 1 and 10 things"},
        {"--count=-1", "command line: count is '-1', not a whole number"},
        {"--count=", "command line: count is '', not a whole number"},
        {"--count=7x", "command line: count is '7x', not a whole number"},
        {"--count=99999999999999999999",
         "command line: count is '99999999999999999999', not a whole number"},
        {"--is_on=maybe", "command line: is_on is 'maybe', not on or off"},
        {"--colour=red", "there is no row named 'colour'"},
        {"count=7", "'count=7' is not of the form --row=value"},
        {"--count", "'--count' is not of the form --row=value"},
        {"--config=/nonexistent/file", "/nonexistent/file cannot be opened"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct target target;
        struct detail detail;
        EXPECT_ERR(load(&target, &detail, cases[i].argument, NULL), BAD_CONFIG);
        assert_string_equal(detail.text, cases[i].sentence);
    }
}

static void test_a_text_has_a_maximum(void **state)
{
    (void)state;
    struct target target;
    struct detail detail;
    char argument[CONF_TEXT_BYTES + 8] = "--name=";
    memset(argument + 7, 'x', CONF_TEXT_BYTES - 1);
    EXPECT_OK(load(&target, &detail, argument, NULL));
    argument[7 + CONF_TEXT_BYTES - 1] = 'x';
    EXPECT_ERR(load(&target, &detail, argument, NULL), BAD_CONFIG);
}

static void test_bad_files_are_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {"[section]\nname = x\n", "nme = x\n", "name\n",
                                      "count = many\n"};
    char path[] = "/tmp/calltrace-conf-XXXXXX";
    assert_true(close(mkstemp(path)) == 0);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct target target;
        struct detail detail;
        write_file(path, bad[i]);
        EXPECT_ERR(load(&target, &detail, "--config", path), BAD_CONFIG);
        assert_non_null(strstr(detail.text, path));
    }
    assert_int_equal(unlink(path), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults_then_file_then_env_then_flag),
        cmocka_unit_test(test_a_refusal_names_row_and_limit),
        cmocka_unit_test(test_a_text_has_a_maximum),
        cmocka_unit_test(test_bad_files_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
