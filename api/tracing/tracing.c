#include "api/tracing/tracing.h"

#include <inttypes.h>
#include <pthread.h>
#include <time.h>

#include "api/integrations/fetch.h"
#include "api/metric.h"
#include "proto/base/arena.h"
#include "proto/base/log.h"
#include "proto/base/mem.h"
#include "proto/otlp/jsontext.h"

#include "proto/base/banned.h"

enum {
    BODY_BYTES_MAX = 4 << 20,
    ANSWER_BYTES_MAX = 64 << 10,
    ARENA_BYTES_MAX = 1 << 20,
    STATUS_OK = 200,
    STATUS_ERROR = 500,
    STATUS_REDIRECT = 300,
    KIND_SERVER = 2,
    CODE_ERROR = 2,
};

struct tracing {
    struct tracing_options options;
    pthread_t thread;
    pthread_mutex_t lock; /* guards what follows */
    pthread_cond_t wake;
    bool is_stopping;
    size_t first;
    size_t count;
    struct tracing_span spans[TRACING_QUEUE];
};

/* --- the text ----------------------------------------------------------------------------------------- */

static void attribute_text(struct buf *out, const char *key, const char *value)
{
    buf_printf(out, "{\"key\":\"%s\",\"value\":{\"stringValue\":", key);
    jsontext_add(out, bytes_of_text(value));
    buf_add_text(out, "}},");
}

static void span_write(const struct tracing_span *span, struct buf *out)
{
    struct uuid fresh = uuid_make();
    struct uuid own = uuid_make();
    buf_add_text(out, "{\"traceId\":");
    jsontext_add_hex(out, span->has_parent ? bytes_of(span->parent.trace.b, sizeof fresh.b)
                                           : bytes_of(fresh.b, sizeof fresh.b));
    buf_add_text(out, ",\"spanId\":");
    jsontext_add_hex(out, bytes_of(own.b, sizeof(struct span_id)));
    if (span->has_parent) {
        buf_add_text(out, ",\"parentSpanId\":");
        jsontext_add_hex(out, bytes_of(span->parent.span.b, sizeof span->parent.span.b));
    }
    buf_printf(out,
               ",\"name\":\"%s %s\",\"kind\":%d,\"startTimeUnixNano\":\"%" PRId64
               "\",\"endTimeUnixNano\":\"%" PRId64 "\",\"attributes\":[",
               span->method, span->route, KIND_SERVER, span->start.ns, span->end.ns);
    attribute_text(out, "http.request.method", span->method);
    attribute_text(out, "http.route", span->route);
    attribute_text(out, "calltrace.request_id", span->request_id);
    buf_printf(
        out,
        "{\"key\":\"http.response.status_code\",\"value\":{\"intValue\":\"%u\"}}],\"status\":{",
        span->status);
    if (span->status == 0 || span->status >= STATUS_ERROR) {
        buf_printf(out, "\"code\":%d", CODE_ERROR);
    }
    buf_add_text(out, "}}");
}

void tracing_write(const struct tracing_span *spans, size_t count, struct buf *out)
{
    buf_add_text(
        out,
        "{\"resourceSpans\":[{\"resource\":{\"attributes\":[{\"key\":\"service.name\",\"value\":"
        "{\"stringValue\":\"calltrace-api\"}},{\"key\":\"service.version\",\"value\":"
        "{\"stringValue\":\"" CALLTRACE_VERSION "\"}}]},\"scopeSpans\":[{\"scope\":{\"name\":"
        "\"calltrace\"},\"spans\":[");
    for (size_t i = 0; i < count; i++) {
        buf_add_text(out, i == 0 ? "" : ",");
        span_write(&spans[i], out);
    }
    buf_add_text(out, "]}]}]}");
}

/* --- the queue ---------------------------------------------------------------------------------------- */

/* Whether a request without a parent is among the sampled ones. */
static bool is_drawn(uint64_t percent)
{
    return percent >= 100 || uuid_make().b[0] * UINT64_C(100) < percent * 256;
}

void tracing_add(struct tracing *tracing, const struct tracing_span *span)
{
    if (tracing == NULL ||
        !(span->has_parent ? span->parent.is_sampled : is_drawn(tracing->options.percent))) {
        return;
    }
    (void)pthread_mutex_lock(&tracing->lock);
    bool has_room = tracing->count < TRACING_QUEUE;
    if (has_room) {
        tracing->spans[(tracing->first + tracing->count++) % TRACING_QUEUE] = *span;
    }
    (void)pthread_mutex_unlock(&tracing->lock);
    metric_add(API_METRIC_OWN_SPANS_DROPPED, !has_room);
}

/* Waits for the time to send; gives at most a batch. *ret_goes_on: not stopping, or more waits. */
static size_t batch_take(struct tracing *tracing, struct tracing_span *ret_batch, bool *ret_goes_on)
{
    int64_t until = mono_after_ms(clock_mono(), TRACING_SEND_MS).ns;
    struct timespec at = {.tv_sec = until / NS_PER_S, .tv_nsec = until % NS_PER_S};
    size_t count = 0;
    (void)pthread_mutex_lock(&tracing->lock);
    while (!tracing->is_stopping &&
           pthread_cond_timedwait(&tracing->wake, &tracing->lock, &at) == 0) {
    }
    while (count < TRACING_BATCH && tracing->count > 0) {
        ret_batch[count++] = tracing->spans[tracing->first];
        tracing->first = (tracing->first + 1) % TRACING_QUEUE;
        tracing->count--;
    }
    *ret_goes_on = !tracing->is_stopping;
    (void)pthread_mutex_unlock(&tracing->lock);
    return count;
}

/* --- the thread --------------------------------------------------------------------------------------- */

static err_t post(const struct tracing *tracing, struct bytes body, struct detail *detail)
{
    const struct tracing_options *options = &tracing->options;
    const struct fetch_options fetch = {
        .is_operators = true,
        .header = TRACING_HEADER ": 1",
        .bearer = options->bearer[0] == '\0' ? NULL : options->bearer,
        .ca_file = options->ca_file[0] == '\0' ? NULL : options->ca_file,
        .bytes_max = ANSWER_BYTES_MAX,
        .connect_ms = TRACING_TIMEOUT_MS,
        .total_ms = TRACING_TIMEOUT_MS,
    };
    struct arena arena;
    struct fetch_answer answer = {0};
    arena_init(&arena, ARENA_BYTES_MAX);
    err_t err = fetch_post_json(&fetch, options->url, body, &arena, detail, &answer);
    arena_fini(&arena);
    if (err_is_ok(err) && (answer.status < STATUS_OK || answer.status >= STATUS_REDIRECT)) {
        detail_set(detail, "the collector answered with status %u", answer.status);
        err = FAIL(PEER_GONE);
    }
    return err;
}

static void send(const struct tracing *tracing, const struct tracing_span *batch, size_t count)
{
    static struct log_limit limit;
    struct detail detail = {0};
    struct buf body;
    uint64_t left_out = 0;
    buf_init(&body, BODY_BYTES_MAX);
    tracing_write(batch, count, &body);
    err_t err = buf_err(&body);
    if (err_is_ok(err)) {
        err = post(tracing, buf_bytes(&body), &detail);
    }
    buf_fini(&body);
    metric_add(err_is_ok(err) ? API_METRIC_OWN_SPANS_SENT : API_METRIC_OWN_SPANS_DROPPED, count);
    if (!err_is_ok(err) && log_limit_pass(&limit, &left_out)) {
        log_warn("own_traces_lost", "spans=%zu left_out=%llu detail=%s", count,
                 (unsigned long long)left_out, detail_or_text(&detail, err));
    }
}

static void *tracing_run(void *context)
{
    struct tracing *tracing = context;
    struct tracing_span *batch = mem_alloc(TRACING_BATCH * sizeof *batch);
    bool goes_on = batch != NULL;
    while (goes_on) {
        size_t count = batch_take(tracing, batch, &goes_on);
        if (count > 0) {
            send(tracing, batch, count);
        }
    }
    mem_free(batch);
    metric_add(API_METRIC_OWN_SPANS_DROPPED, tracing->count); /* nobody adds any more */
    return NULL;
}

/* --- start and end ------------------------------------------------------------------------------------ */

err_t tracing_start(const struct tracing_options *options, struct detail *detail,
                    struct tracing **ret_tracing)
{
    err_t err = fetch_operators_url_check(options->url, detail);
    if (!err_is_ok(err)) {
        detail_prefix(detail, "own_traces_url");
        return FAIL(BAD_CONFIG);
    }
    struct tracing *tracing = mem_zero(1, sizeof *tracing);
    if (tracing == NULL) {
        return FAIL(MEMORY);
    }
    pthread_condattr_t attributes;
    tracing->options = *options;
    (void)pthread_mutex_init(&tracing->lock, NULL); /* these cannot fail on Linux */
    (void)pthread_condattr_init(&attributes);
    (void)pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&tracing->wake, &attributes);
    (void)pthread_condattr_destroy(&attributes);
    if (pthread_create(&tracing->thread, NULL, tracing_run, tracing) != 0) {
        (void)pthread_cond_destroy(&tracing->wake);
        (void)pthread_mutex_destroy(&tracing->lock);
        mem_free(tracing);
        detail_set(detail, "cannot start a thread");
        return FAIL(SYSTEM);
    }
    *ret_tracing = tracing;
    return OK;
}

void tracing_stop(struct tracing *tracing)
{
    if (tracing == NULL) {
        return;
    }
    (void)pthread_mutex_lock(&tracing->lock);
    tracing->is_stopping = true;
    (void)pthread_cond_signal(&tracing->wake);
    (void)pthread_mutex_unlock(&tracing->lock);
    (void)pthread_join(tracing->thread, NULL);
    (void)pthread_cond_destroy(&tracing->wake);
    (void)pthread_mutex_destroy(&tracing->lock);
    mem_free(tracing);
}
