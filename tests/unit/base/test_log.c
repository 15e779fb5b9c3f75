#include "tests/unit/expect.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "proto/base/log.h"

/* What one event writes to stderr. */
static size_t written(char *out, size_t room, enum log_level level, const char *value)
{
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    int before = dup(STDERR_FILENO);
    assert_int_equal(dup2(ends[1], STDERR_FILENO), STDERR_FILENO);
    log_event(level, "thing_happened", "value=%s", value);
    assert_int_equal(dup2(before, STDERR_FILENO), STDERR_FILENO);
    assert_int_equal(close(before) | close(ends[1]), 0);
    size_t len = 0;
    for (ssize_t got = 1; got > 0; len += (size_t)got) {
        got = read(ends[0], out + len, room - len - 1);
        assert_true(got >= 0);
    }
    out[len] = '\0';
    assert_int_equal(close(ends[0]), 0);
    return len;
}

static void test_one_event_is_one_line(void **state)
{
    (void)state;
    char line[4096];
    (void)written(line, sizeof line, LOG_LEVEL_WARN, "x y");
    assert_string_equal(line + strlen("2026-01-02T03:04:05.678Z"),
                        " level=warn event=thing_happened value=x y\n");
    assert_int_equal(line[10], 'T');
}

static void test_nobody_forges_a_line(void **state)
{
    (void)state;
    char line[4096];
    size_t len = written(line, sizeof line, LOG_LEVEL_ERROR, "a\nlevel=info\r\x1b[31m\x7f");
    assert_ptr_equal(strchr(line, '\n'), line + len - 1);
    assert_non_null(strstr(line, "value=a?level=info??[31m?\n"));
}

static void test_a_long_line_is_cut(void **state)
{
    (void)state;
    char line[8192];
    char value[6000];
    memset(value, 'v', sizeof value);
    value[sizeof value - 1] = '\0';
    size_t len = written(line, sizeof line, LOG_LEVEL_ERROR, value);
    assert_in_range(len, 1000, 2048);
    assert_int_equal(line[len - 1], '\n');
}

static void test_lower_levels_are_dropped(void **state)
{
    (void)state;
    char line[4096];
    enum log_level level = LOG_LEVEL_DEBUG;
    assert_int_equal(written(line, sizeof line, LOG_LEVEL_DEBUG, "x"), 0);
    assert_true(log_level_from_text("error", &level));
    log_set_level(level);
    assert_int_equal(written(line, sizeof line, LOG_LEVEL_WARN, "x"), 0);
    log_set_level(LOG_LEVEL_INFO);
    assert_true(written(line, sizeof line, LOG_LEVEL_INFO, "x") > 0);
    assert_false(log_level_from_text("loud", &level));
}

static void test_repeated_failures_are_counted_not_written(void **state)
{
    (void)state;
    struct log_limit limit = {0};
    uint64_t left_out = 7;
    assert_true(log_limit_pass(&limit, &left_out));
    assert_int_equal(left_out, 0);
    assert_false(log_limit_pass(&limit, &left_out));
    assert_false(log_limit_pass(&limit, &left_out));
    limit.next_ns = 0; /* a second later */
    assert_true(log_limit_pass(&limit, &left_out));
    assert_int_equal(left_out, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_event_is_one_line),
        cmocka_unit_test(test_nobody_forges_a_line),
        cmocka_unit_test(test_a_long_line_is_cut),
        cmocka_unit_test(test_lower_levels_are_dropped),
        cmocka_unit_test(test_repeated_failures_are_counted_not_written),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
