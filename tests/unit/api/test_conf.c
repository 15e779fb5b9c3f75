/* The api's rows: defaults agree with limits.h, wrong values are named. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "api/conf.h"
#include "proto/base/bytes.h"
#include "proto/base/limits.h"

#include "proto/base/banned.h"

static struct api_conf conf; /* large for a stack */

static void defaults_are_those_of_the_limits(void **state)
{
    struct detail detail = {0};
    (void)state;
    assert_true(err_is_ok(api_conf_load(&conf, 0, NULL, &detail)));
    assert_int_equal(conf.body_bytes_max, LIMIT_BODY_BYTES);
    assert_int_equal(conf.inflight_bytes_max, LIMIT_INFLIGHT_BYTES);
    assert_int_equal(conf.connections_max, LIMIT_CONNECTIONS);
    assert_int_equal(conf.idle_s, LIMIT_IDLE_S);
    assert_int_equal(conf.body_ms_max, LIMIT_BODY_MS);
    assert_string_equal(conf.listen, "[::]:4318");
    assert_string_equal(conf.listen_http, "");
}

static void log_requests_is_one_of_three_words(void **state)
{
    enum request_log log = REQUEST_LOG_NONE;
    (void)state;
    assert_true(request_log_from_text("all", &log) && log == REQUEST_LOG_ALL);
    assert_true(request_log_from_text("failed", &log) && log == REQUEST_LOG_FAILED);
    assert_true(request_log_from_text("none", &log) && log == REQUEST_LOG_NONE);
    assert_false(request_log_from_text("", &log));
    assert_false(request_log_from_text("ALL", &log));
    assert_false(request_log_from_text("all ", &log));
}

static void wrong_rows_are_named(void **state)
{
    static const struct {
        const char *word;
        const char *named;
    } cases[] = {
        {"--nonsense=1", "nonsense"},      {"nonsense", "nonsense"},
        {"--log_level=loud", "log_level"}, {"--idle_s=0", "idle_s"},
        {"--idle_s=3601", "idle_s"},       {"--body_bytes_max=1023", "body_bytes_max"},
        {"--workers=-1", "workers"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct detail detail = {0};
        const char *words[] = {cases[i].word};
        assert_true(err_is(api_conf_load(&conf, 1, words, &detail), ERR_BAD_CONFIG));
        assert_non_null(strstr(detail.text, cases[i].named));
    }
}

static void serve_needs_a_listener_a_certificate_and_a_bus(void **state)
{
    static const struct {
        const char *words[3];
        const char *named; /* NULL: fine */
    } cases[] = {
        {{"--listen=[::]:1", "--tls_cert=c", "--tls_key=k"}, NULL},
        {{"--listen=", "--listen_http=127.0.0.1:1", "--log_level=warn"}, NULL},
        {{"--listen=", "--tls_cert=c", "--tls_key=k"}, "listen"},
        {{"--listen=[::]:1", "--tls_cert=c", "--idle_s=5"}, "tls_key"},
        {{"--tls_cert=c", "--tls_key=k", "--bus="}, "bus"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct detail detail = {0};
        assert_true(err_is_ok(api_conf_load(&conf, 3, cases[i].words, &detail)));
        err_t err = api_conf_check(&conf, &detail);
        assert_int_equal(err_is_ok(err), cases[i].named == NULL);
        if (cases[i].named != NULL) {
            assert_non_null(strstr(detail.text, cases[i].named));
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults_are_those_of_the_limits),
        cmocka_unit_test(log_requests_is_one_of_three_words),
        cmocka_unit_test(wrong_rows_are_named),
        cmocka_unit_test(serve_needs_a_listener_a_certificate_and_a_bus),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
