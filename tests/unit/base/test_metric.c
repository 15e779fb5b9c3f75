#include "tests/unit/expect.h"

#include <string.h>

#include "proto/base/metric.h"

enum { ACCEPTED, REFUSED, OPEN, WAIT, BYTES, COUNT };

static const struct metric_row rows[COUNT] = {
    [ACCEPTED] = {"t_requests_total", "result=\"ok\"", "Requests.", METRIC_KIND_COUNTER},
    [REFUSED] = {"t_requests_total", "result=\"no\"", "Requests.", METRIC_KIND_COUNTER},
    [OPEN] = {"t_open", "", "Open things.", METRIC_KIND_GAUGE},
    [WAIT] = {"t_wait_seconds", "", "Waits.", METRIC_KIND_SECONDS},
    [BYTES] = {"t_bytes", "side=\"in\"", "Sizes.", METRIC_KIND_AMOUNT},
};

static void test_renders_prometheus_text(void **state)
{
    (void)state;
    struct buf out;
    buf_init(&out, 1 << 16);
    EXPECT_OK(metric_start(rows, COUNT));
    metric_add(ACCEPTED, 2);
    metric_add(REFUSED, 1);
    metric_set(OPEN, -3);
    metric_seconds(WAIT, 100000);
    metric_seconds(WAIT, 100001);
    metric_seconds(WAIT, INT64_C(60000000000));
    metric_amount(BYTES, 0);
    metric_amount(BYTES, 4);
    metric_amount(BYTES, 5);
    metric_amount(BYTES, UINT64_MAX);
    metric_render(&out);
    buf_add_u8(&out, 0);
    EXPECT_OK(buf_err(&out));
    const char *text = (const char *)buf_bytes(&out).ptr;
    static const char *const wanted[] = {
        "# TYPE t_requests_total counter\nt_requests_total{result=\"ok\"} 2\n",
        "{result=\"ok\"} 2\nt_requests_total{result=\"no\"} 1\n# HELP t_open",
        "# TYPE t_open gauge\nt_open -3\n",
        "t_wait_seconds_bucket{le=\"0.0001\"} 1\nt_wait_seconds_bucket{le=\"0.00025\"} 2\n",
        "t_wait_seconds_bucket{le=\"30\"} 2\nt_wait_seconds_bucket{le=\"+Inf\"} 3\n",
        "t_wait_seconds_sum 60.000200001\nt_wait_seconds_count 3\n",
        "# TYPE t_bytes histogram\nt_bytes_bucket{side=\"in\",le=\"1\"} 1\n",
        "le=\"4\"} 2\nt_bytes_bucket{side=\"in\",le=\"16\"} 3\n",
        "le=\"4294967296\"} 3\nt_bytes_bucket{side=\"in\",le=\"+Inf\"} 4\n",
        "t_bytes_count{side=\"in\"} 4\n",
    };
    for (size_t i = 0; i < sizeof wanted / sizeof wanted[0]; i++) {
        assert_non_null(strstr(text, wanted[i]));
    }
    assert_int_equal(metric_value(ACCEPTED), 2);
    metric_stop();
    buf_fini(&out);
}

static void test_does_nothing_before_start(void **state)
{
    (void)state;
    metric_add(ACCEPTED, 1);
    assert_int_equal(metric_value(ACCEPTED), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_renders_prometheus_text),
        cmocka_unit_test(test_does_nothing_before_start),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
