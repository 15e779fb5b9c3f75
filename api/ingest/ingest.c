#include "api/ingest/ingest.h"

#include <stdio.h>

#include "api/api.h"
#include "api/ingest/export.h"
#include "api/metric.h"
#include "proto/bus/bus.h"
#include "proto/otlp/jsontext.h"
#include "proto/otlp/wire.h"

#include "proto/base/banned.h"

enum { ANSWER_BYTES_MAX = 16 << 10 };

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
    exchange_error(exchange, status, "", "%s", sentence); /* these paths answer with a Status */
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

/* How the request came to be refused, as an error whose class is its answer. */
static FALLIBLE request_build(struct export_worker *worker, struct pending *pending,
                              struct detail *detail, struct export *ret_export)
{
    struct http_request *request = exchange_http(pending->exchange);
    struct bytes body = {0};
    TRY(export_inflate(worker, http_header(request, "Content-Encoding"), http_body(request), detail,
                       &body));
    TRY(export_build(worker, exchange_project(pending->exchange), pending->encoding, body, detail,
                     ret_export));
    metric_add(API_METRIC_EXPORT_BYTES, ret_export->body_bytes);
    pending->spans_count = ret_export->spans_count;
    pending->rejected_count = ret_export->rejected_count;
    pending->rejected = ret_export->rejected;
    return OK;
}

static void export_run(struct export_worker *worker, struct pending *pending)
{
    struct detail detail = {{0}};
    struct export export;
    struct bytes wire = {0};
    err_t err = request_build(worker, pending, &detail, &export);
    if (err_is_ok(err) && export.message.spans.traces_count == 0) {
        success_answer(pending);
        return;
    }
    if (err_is_ok(err)) {
        err = export_pack(worker, &export, &wire);
    }
    if (!err_is_ok(err)) {
        err_t cause = export_cause(worker, err);
        bool has_detail = cause.code == err.code;
        status_answer(pending->exchange, http_status_of(cause),
                      has_detail ? detail_or_text(&detail, err) : err_text(cause));
        return;
    }
    struct bus_client *bus = api_bus(exchange_api(pending->exchange));
    err = bus_client_send(bus, wire, on_reply, pending);
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
    struct export_worker *worker = export_worker_get((size_t)conf->body_bytes_max);
    struct pending *pending = arena_zero(exchange_arena(exchange), 1, sizeof *pending);
    if (worker == NULL || pending == NULL) {
        status_answer(exchange, 503, err_text(FAIL(MEMORY)));
        return;
    }
    *pending = (struct pending){.exchange = exchange, .encoding = encoding};
    export_run(worker, pending);
    export_worker_trim(worker);
}

void ingest_other_signal(struct exchange *exchange)
{
    status_answer(
        exchange, 404,
        "calltrace takes traces only: logs and metrics have no place here; set the traces "
        "endpoint to /v1/traces and switch the other exporters off");
}
