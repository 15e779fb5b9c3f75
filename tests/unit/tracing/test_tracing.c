/* Our own spans: what is written is an export that the scan takes whole; the queue is bounded and never waits. */
#include "tests/unit/expect.h"

#include <stdlib.h>
#include <string.h>

#include "api/metric.h"
#include "api/tracing/tracing.h"
#include "proto/otlp/json.h"
#include "proto/otlp/scan.h"

#include "proto/base/banned.h"

enum { BYTES = 4 << 20, DOZENS = 12 };

static struct tracing_span span_of(unsigned status)
{
    struct tracing_span span = {.method = "GET",
                                .route = "/v1/call/{callId}",
                                .status = status,
                                .start = {.ns = 1000},
                                .end = {.ns = 2000},
                                .request_id = "a-request"};
    return span;
}

static void scan(struct bytes json, struct arena *arena, struct scan_result *ret_result)
{
    struct buf wire;
    struct detail detail = {{0}};
    struct json_rejected rejected = {0};
    const struct scan_options options = {.project = {{1}}};
    struct bytes copy = {0};
    buf_init(&wire, BYTES);
    EXPECT_OK(json_to_protobuf(json, &wire, &detail, &rejected));
    EXPECT_OK(arena_copy(arena, buf_bytes(&wire), &copy));
    EXPECT_OK(scan_export(&options, copy, arena, &detail, ret_result));
    assert_int_equal(rejected.spans_count + ret_result->rejected_count, 0);
    buf_fini(&wire);
}

static void test_what_is_written_is_a_good_export(void **state)
{
    (void)state;
    struct tracing_span spans[DOZENS];
    struct buf out;
    struct arena arena;
    struct scan_result result;
    buf_init(&out, BYTES);
    arena_init(&arena, BYTES);
    for (size_t i = 0; i < DOZENS; i++) {
        spans[i] = span_of(i == 0 ? 0 : 503);
    }
    tracing_write(spans, DOZENS, &out);
    EXPECT_OK(buf_err(&out));
    scan(buf_bytes(&out), &arena, &result);
    assert_int_equal(result.spans_count, DOZENS);
    assert_int_equal(result.traces_count, DOZENS); /* none has a parent */
    buf_fini(&out);
    arena_fini(&arena);
}

static void test_a_parent_is_continued(void **state)
{
    (void)state;
    struct tracing_span span = span_of(200);
    struct buf out;
    struct arena arena;
    struct scan_result result;
    buf_init(&out, BYTES);
    arena_init(&arena, BYTES);
    span.has_parent = true;
    memset(span.parent.trace.b, 7, sizeof span.parent.trace.b);
    memset(span.parent.span.b, 9, sizeof span.parent.span.b);
    tracing_write(&span, 1, &out);
    scan(buf_bytes(&out), &arena, &result);
    assert_int_equal(result.traces_count, 1);
    assert_memory_equal(result.traces[0].id.b, span.parent.trace.b, 16);
    assert_false(result.traces[0].has_root);
    buf_fini(&out);
    arena_fini(&arena);
}

static void test_addresses_that_are_none_are_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {"x", "ftp://h/", "http://", "http://user:pass@h/",
                                      "file:///etc/passwd"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct tracing *tracing = NULL;
        struct detail detail = {{0}};
        const struct tracing_options options = {bad[i], "", "", 100};
        EXPECT_ERR(tracing_start(&options, &detail, &tracing), BAD_CONFIG);
        assert_non_null(strstr(detail.text, "own_traces_url"));
        assert_null(tracing);
    }
    tracing_stop(NULL);
    tracing_add(NULL, NULL);
}

/* Nobody listens: spans are dropped and counted, whoever adds them never waits. */
static void test_a_collector_that_is_away_costs_nothing(void **state)
{
    (void)state;
    struct tracing *tracing = NULL;
    struct detail detail = {{0}};
    const struct tracing_options options = {"http://127.0.0.1:9/v1/traces", "", "", 100};
    const struct tracing_span span = span_of(200);
    struct tracing_span unsampled = span;
    unsampled.has_parent = true;
    EXPECT_OK(api_metric_start());
    EXPECT_OK(tracing_start(&options, &detail, &tracing));
    struct mono_ns began = clock_mono();
    for (size_t i = 0; i < 2 * TRACING_QUEUE; i++) {
        tracing_add(tracing, &span);
        tracing_add(tracing, &unsampled);
    }
    assert_true(mono_ms_between(began, clock_mono()) < TRACING_SEND_MS);
    tracing_stop(tracing);
    assert_int_equal(metric_value(API_METRIC_OWN_SPANS_SENT), 0);
    assert_int_equal(metric_value(API_METRIC_OWN_SPANS_DROPPED), 2 * TRACING_QUEUE);
    metric_stop();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_written_is_a_good_export),
        cmocka_unit_test(test_a_parent_is_continued),
        cmocka_unit_test(test_addresses_that_are_none_are_refused),
        cmocka_unit_test(test_a_collector_that_is_away_costs_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
