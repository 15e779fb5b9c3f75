#include "api/ingest/ingest.h"

#include <pthread.h>
#include <stdio.h>

#include "api/api.h"
#include "api/ingest/decode.h"
#include "api/metric.h"
#include "proto/base/limits.h"
#include "proto/base/mem.h"
#include "proto/bus/bus.h"
#include "proto/bus/message.h"
#include "proto/otlp/json.h"
#include "proto/otlp/jsontext.h"
#include "proto/otlp/scan.h"
#include "proto/otlp/segment.h"
#include "proto/otlp/wire.h"

#include "proto/base/banned.h"

enum { KEPT_BYTES = 4 << 20, ANSWER_BYTES_MAX = 16 << 10 };

/* --- a worker thread's reusable memory ------------------------------------------------------------------- */

struct worker {
    struct ingest_decoder *decoder;
    struct segment_builder *builder;
    struct arena arena;
    struct buf inflated;
    struct buf converted;
    struct buf packed;
};

static pthread_once_t worker_once = PTHREAD_ONCE_INIT;
static pthread_key_t worker_key; /* each worker thread's own; no thread sees another's */
static int worker_key_error;

static void worker_free(void *pointer)
{
    struct worker *worker = pointer;
    if (worker == NULL) {
        return;
    }
    ingest_decoder_free(worker->decoder);
    segment_builder_free(worker->builder);
    arena_fini(&worker->arena);
    buf_fini(&worker->inflated);
    buf_fini(&worker->converted);
    buf_fini(&worker->packed);
    mem_free(worker);
}

static void worker_key_make(void)
{
    worker_key_error = pthread_key_create(&worker_key, worker_free);
}

static struct worker *worker_new(size_t body_bytes_max)
{
    struct worker *worker = mem_zero(1, sizeof *worker);
    if (worker == NULL) {
        return NULL;
    }
    arena_init(&worker->arena, LIMIT_SCAN_BYTES);
    buf_init(&worker->inflated, body_bytes_max);
    buf_init(&worker->converted, body_bytes_max);
    buf_init(&worker->packed, LIMIT_BUS_BYTES);
    worker->decoder = ingest_decoder_new();
    worker->builder = segment_builder_new();
    if (worker->decoder == NULL || worker->builder == NULL) {
        worker_free(worker);
        return NULL;
    }
    return worker;
}

/* This thread's worker; NULL when out of memory. The limit never changes while the daemon runs. */
static struct worker *worker_get(size_t body_bytes_max)
{
    if (pthread_once(&worker_once, worker_key_make) != 0 || worker_key_error != 0) {
        return NULL;
    }
    struct worker *worker = pthread_getspecific(worker_key);
    if (worker == NULL) {
        worker = worker_new(body_bytes_max);
        if (worker != NULL && pthread_setspecific(worker_key, worker) != 0) {
            worker_free(worker);
            return NULL;
        }
    }
    return worker;
}

static void buf_trim(struct buf *buf)
{
    if (buf_bytes(buf).len > KEPT_BYTES || !err_is_ok(buf_err(buf))) {
        buf_fini(buf);
    }
    buf_reset(buf);
}

/* Between requests: keeps what the next one needs, gives the rest back. */
static void worker_trim(struct worker *worker)
{
    if (arena_bytes_used(&worker->arena) > KEPT_BYTES) {
        arena_fini(&worker->arena);
    }
    arena_reset(&worker->arena);
    segment_builder_trim(worker->builder);
    buf_trim(&worker->inflated);
    buf_trim(&worker->converted);
    buf_trim(&worker->packed);
}

/* --- answers ------------------------------------------------------------------------------------------------ */

/* What must be known when the correlator's reply comes. Lives in the exchange's arena. */
struct pending {
    struct exchange *exchange;
    enum ingest_encoding encoding;
    uint64_t spans_count; /* sent to the correlator */
    uint64_t rejected_count;
    struct detail rejected; /* why; empty when none was */
};

static void status_answer(struct exchange *exchange, unsigned status, const char *sentence)
{
    struct http_answer answer;
    ingest_status_answer(exchange_http(exchange), status, sentence, &answer);
    exchange_answer(exchange, &answer);
}

static unsigned http_status_of(err_t err)
{
    switch (err_class(err)) {
    case ERR_CLASS_INPUT:
        return err_is(err, ERR_BAD_VALUE) ? 415 : 400;
    case ERR_CLASS_LIMIT:
        return err_is(err, ERR_TOO_DEEP) ? 400 : 413;
    case ERR_CLASS_UNAVAILABLE:
    case ERR_CLASS_CLOSED:
        return 503;
    case ERR_CLASS_NONE:
    case ERR_CLASS_AUTH:
    case ERR_CLASS_CONFLICT:
    case ERR_CLASS_INTERNAL:
        break;
    }
    return 500;
}

static void partial_write(const struct pending *pending, struct buf *out)
{
    struct bytes text = bytes_of_text(pending->rejected.text);
    if (pending->encoding == INGEST_ENCODING_JSON) {
        buf_add_text(out, "{");
        if (pending->rejected_count > 0) {
            buf_printf(out, "\"partialSuccess\":{\"rejectedSpans\":\"%llu\",\"errorMessage\":",
                       (unsigned long long)pending->rejected_count);
            jsontext_add(out, text);
            buf_add_text(out, "}");
        }
        buf_add_text(out, "}");
    } else if (pending->rejected_count > 0) {
        size_t partial = 1 + wire_varint_bytes(pending->rejected_count) + wire_bytes_size(text.len);
        wire_put_head(out, 1, partial);
        wire_put_u64(out, 1, pending->rejected_count);
        wire_put_bytes(out, 2, text);
    }
}

/* 200 with an ExportTraceServiceResponse; partial_success only when spans were rejected. */
static void success_answer(const struct pending *pending)
{
    metric_add(API_METRIC_SPANS_ACCEPTED, pending->spans_count);
    metric_add(API_METRIC_SPANS_REJECTED, pending->rejected_count);
    struct bytes body = {0};
    struct buf out;
    buf_init(&out, ANSWER_BYTES_MAX);
    partial_write(pending, &out);
    bool has_body =
        err_is_ok(buf_err(&out)) &&
        err_is_ok(arena_copy(exchange_arena(pending->exchange), buf_bytes(&out), &body));
    if (!has_body) { /* stored all the same: only the text about rejected spans is lost */
        body = bytes_of_text(pending->encoding == INGEST_ENCODING_JSON ? "{}" : "");
    }
    buf_fini(&out);
    exchange_answer(pending->exchange,
                    &(struct http_answer){.status = 200,
                                          .content_type = ingest_content_type(pending->encoding),
                                          .body = body});
}

static void rejected_add(struct pending *pending, const struct bus_reply *reply)
{
    for (size_t i = 0; i < reply->rejected_count; i++) {
        const struct bus_rejected *rejected = &reply->rejected[i];
        char hex[TRACE_ID_HEX + 1] = {0};
        struct detail before = pending->rejected;
        bytes_to_hex(bytes_of(rejected->trace.b, sizeof rejected->trace.b), hex);
        detail_set(&pending->rejected, "%s%s%u spans of trace %s could not be stored: %.*s",
                   before.text, before.text[0] == '\0' ? "" : "; ", rejected->spans_count, hex,
                   (int)(rejected->reason.len > 200 ? 200 : rejected->reason.len),
                   (const char *)rejected->reason.ptr);
        pending->rejected_count += rejected->spans_count;
        pending->spans_count -= rejected->spans_count;
    }
}

static void reply_answer(struct pending *pending, const struct bus_reply *reply)
{
    const char *reason = arena_text(exchange_arena(pending->exchange), reply->reason);
    bool has_reason = reason != NULL && reason[0] != '\0';
    switch (reply->outcome) {
    case BUS_OUTCOME_ACCEPTED:
        rejected_add(pending, reply);
        success_answer(pending);
        return;
    case BUS_OUTCOME_REJECTED:
        status_answer(pending->exchange, 400,
                      has_reason ? reason : "the spans could not be stored");
        return;
    case BUS_OUTCOME_UNAVAILABLE:
        status_answer(pending->exchange, 503,
                      has_reason ? reason : "the store is away; send again");
        return;
    case BUS_OUTCOME_CONFLICT:
        break;
    }
    status_answer(pending->exchange, 500, "the correlator gave an answer that spans cannot have");
}

/* On a thread of the bus: a small answer is made and handed to the listener. */
static void on_reply(void *context, err_t err, struct bytes wire)
{
    struct pending *pending = context;
    struct bus_reply reply = {0};
    struct detail detail = {{0}};
    if (err_is_ok(err)) {
        err = bus_reply_unpack(wire, exchange_arena(pending->exchange), &detail, &reply);
        if (err_is_ok(err)) {
            reply_answer(pending, &reply);
            return;
        }
    }
    /* Whether it was stored is not known; storing twice changes nothing, so that "send again" is right. */
    status_answer(pending->exchange, 503, detail_or_text(&detail, err));
}

/* --- one export ---------------------------------------------------------------------------------------------- */

/* The request's body as protobuf octets: inflated and, from JSON, converted. */
static FALLIBLE body_read(struct worker *worker, struct pending *pending, struct detail *detail,
                          struct bytes *ret_body)
{
    struct http_request *request = exchange_http(pending->exchange);
    struct bytes body = {0};
    TRY(ingest_inflate(worker->decoder, http_header(request, "Content-Encoding"),
                       http_body(request), &worker->inflated, detail, &body));
    if (pending->encoding == INGEST_ENCODING_JSON) {
        struct json_rejected rejected = {0};
        TRY(json_to_protobuf(body, &worker->converted, detail, &rejected));
        body = buf_bytes(&worker->converted);
        if (rejected.spans_count > 0) {
            pending->rejected_count = rejected.spans_count;
            detail_set(&pending->rejected,
                       "%u spans rejected for values of a wrong type, the first: %s",
                       rejected.spans_count, rejected.first.text);
        }
    }
    *ret_body = body;
    return OK;
}

static void scan_rejected_add(struct pending *pending, const struct scan_result *result)
{
    struct detail text;
    if (result->rejected_count > 0) {
        struct detail before = pending->rejected;
        scan_rejected_text(result, &text);
        detail_set(&pending->rejected, "%s%s%s", before.text, before.text[0] == '\0' ? "" : "; ",
                   text.text);
        pending->rejected_count += result->rejected_count;
    }
}

/* Body to packed bus message in worker->packed; nothing is packed when no span is left. */
static FALLIBLE export_pack(struct worker *worker, struct pending *pending, struct detail *detail,
                            bool *ret_has_spans)
{
    struct bytes body = {0};
    struct scan_result result = {0};
    struct scan_options options = {.project = exchange_project(pending->exchange)};
    TRY(body_read(worker, pending, detail, &body));
    TRY(scan_export(&options, body, &worker->arena, detail, &result));
    scan_rejected_add(pending, &result);
    metric_add(API_METRIC_EXPORT_BYTES, body.len);
    pending->spans_count = result.spans_count;
    *ret_has_spans = result.traces_count > 0;
    if (result.traces_count == 0) {
        return OK;
    }
    for (size_t i = 0; i < result.traces_count; i++) {
        err_t err = segment_build(worker->builder, &result, i, &worker->arena);
        if (err_is(err, ERR_TOO_LARGE)) {
            detail_set(detail,
                       "the export's traces repeat so large resources that they take more than "
                       "%d bytes; send it in smaller parts",
                       LIMIT_SEGMENTS_BYTES);
        }
        TRY(err);
    }
    struct bus_message message = {
        .id = uuid_make(),
        .what = BUS_WHAT_SPANS,
        .spans = {.project = options.project,
                  .traces = result.traces,
                  .traces_count = result.traces_count,
                  .received = clock_unix()},
    };
    return bus_message_pack(&message, &worker->arena, &worker->packed);
}

/* A full arena is the export's fault (413, final) only when its bound was near; else the heap is short, which
 * passes (503). No step takes half of the bound at once. */
static err_t heap_or_bound(const struct worker *worker, err_t err)
{
    bool is_heap = err_is(err, ERR_NO_SPACE) &&
                   arena_bytes_used(&worker->arena) < (size_t)LIMIT_SCAN_BYTES / 2;
    return is_heap ? FAIL(MEMORY) : err;
}

static void export_run(struct worker *worker, struct pending *pending)
{
    struct detail detail = {{0}};
    bool has_spans = false;
    err_t err = export_pack(worker, pending, &detail, &has_spans);
    if (!err_is_ok(err)) {
        err_t cause = heap_or_bound(worker, err);
        bool has_detail = cause.code == err.code;
        status_answer(pending->exchange, http_status_of(cause),
                      has_detail ? detail_or_text(&detail, err) : err_text(cause));
        return;
    }
    if (!has_spans) {
        success_answer(pending);
        return;
    }
    struct bus_client *bus = api_bus(exchange_api(pending->exchange));
    err = bus_client_send(bus, buf_bytes(&worker->packed), on_reply, pending);
    if (!err_is_ok(err)) {
        status_answer(pending->exchange, http_status_of(err), err_text(err));
    }
}

void ingest_traces(struct exchange *exchange)
{
    struct http_request *request = exchange_http(exchange);
    enum ingest_encoding encoding = ingest_encoding_of(http_header(request, "Content-Type"));
    if (encoding == INGEST_ENCODING_OTHER) {
        status_answer(exchange, 415,
                      "Content-Type must be application/x-protobuf or application/json");
        return;
    }
    const struct api_conf *conf = api_conf(exchange_api(exchange));
    struct worker *worker = worker_get((size_t)conf->body_bytes_max);
    struct pending *pending = arena_zero(exchange_arena(exchange), 1, sizeof *pending);
    if (worker == NULL || pending == NULL) {
        status_answer(exchange, 503, err_text(FAIL(MEMORY)));
        return;
    }
    *pending = (struct pending){.exchange = exchange, .encoding = encoding};
    export_run(worker, pending);
    worker_trim(worker);
}

void ingest_other_signal(struct exchange *exchange)
{
    status_answer(
        exchange, 404,
        "calltrace takes traces only: logs and metrics have no place here; set the traces "
        "endpoint to /v1/traces and switch the other exporters off");
}
