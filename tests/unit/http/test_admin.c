/* The operator's listener: two paths, GET and HEAD, no body. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>

#include <cmocka.h>

#include "proto/base/metric.h"
#include "proto/http/admin.h"
#include "tests/unit/http/wire.h"

#include "proto/base/banned.h"

static _Atomic bool is_missing;
static _Atomic bool is_worse;
static struct wire_answer answer;

static void on_ready(void *context, struct http_ready *ready)
{
    (void)context;
    if (atomic_load(&is_missing)) {
        http_ready_missing(ready, "postgres", "it said \"%s\"", "a\\b\n\xC3\xBC");
        http_ready_missing(ready, "correlator", "none of %d is connected", 2);
    }
    if (atomic_load(&is_worse)) {
        http_ready_note(ready, "redis", "away");
    }
}

static void on_metrics(void *context)
{
    (void)context;
    metric_set(0, 42);
}

static const struct metric_row rows[] = {{"test_value", "", "A value", METRIC_KIND_GAUGE}};

static int setup(void **state)
{
    struct http_admin *admin = NULL;
    struct detail detail = {0};
    const struct http_admin_options options = {
        .address = "127.0.0.1:0", .on_ready = on_ready, .on_metrics = on_metrics};
    if (!err_is_ok(metric_start(rows, 1)) ||
        !err_is_ok(http_admin_start(&options, &detail, &admin))) {
        return -1;
    }
    *state = admin;
    return 0;
}

static int teardown(void **state)
{
    http_admin_stop(*state);
    http_admin_stop(NULL);
    metric_stop();
    return 0;
}

static int ask(void **state, const char *request)
{
    int fd = wire_open(http_admin_port(*state));
    answer.status = 0;
    assert_true(wire_send_text(fd, request));
    (void)wire_read(fd, request[0] == 'H', 5000, &answer);
    wire_close(fd);
    return answer.status;
}

static void ready_says_what_is_missing(void **state)
{
    assert_int_equal(ask(state, "GET /ready HTTP/1.1\r\nHost: x\r\n\r\n"), 200);
    assert_string_equal(wire_body(&answer), "{\"ready\":true}\n");
    atomic_store(&is_missing, true);
    assert_int_equal(ask(state, "GET /ready HTTP/1.1\r\nHost: x\r\n\r\n"), 503);
    assert_string_equal(wire_body(&answer),
                        "{\"ready\":false,\"missing\":[\"postgres\",\"correlator\"],\"words\":{"
                        "\"postgres\":\"it said "
                        "\\\"a\\\\b???\\\"\",\"correlator\":\"none of 2 is connected\"}}\n");
    assert_int_equal(ask(state, "HEAD /ready HTTP/1.1\r\nHost: x\r\n\r\n"), 503);
    atomic_store(&is_missing, false);
    atomic_store(&is_worse, true);
    assert_int_equal(ask(state, "GET /ready HTTP/1.1\r\nHost: x\r\n\r\n"), 200);
    assert_string_equal(wire_body(&answer), "{\"ready\":true,\"words\":{\"redis\":\"away\"}}\n");
    atomic_store(&is_worse, false);
}

static void metrics_are_prometheus_text(void **state)
{
    assert_int_equal(ask(state, "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"), 200);
    assert_true(wire_has(&answer, "content-type: text/plain; version=0.0.4"));
    assert_true(wire_has(&answer, "# TYPE test_value gauge\ntest_value 42\n"));
}

static void nothing_else_is_answered(void **state)
{
    static const struct {
        const char *request;
        int status;
    } cases[] = {
        {"GET / HTTP/1.1\r\nHost: x\r\n\r\n", 404},
        {"GET /ready/ HTTP/1.1\r\nHost: x\r\n\r\n", 404},
        {"GET /v1/call HTTP/1.1\r\nHost: x\r\n\r\n", 404},
        {"POST /ready HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nxx", 405},
        {"DELETE /metrics HTTP/1.1\r\nHost: x\r\n\r\n", 405},
        {"POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: 9999999\r\n\r\n", 404},
        {"GET /%00 HTTP/1.1\r\nHost: x\r\n\r\n", 400},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_int_equal(ask(state, cases[i].request), cases[i].status);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ready_says_what_is_missing),
        cmocka_unit_test(metrics_are_prometheus_text),
        cmocka_unit_test(nothing_else_is_answered),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
