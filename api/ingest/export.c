#include "api/ingest/export.h"

#include <pthread.h>

#include "proto/base/limits.h"
#include "proto/base/mem.h"
#include "proto/otlp/json.h"
#include "proto/otlp/scan.h"
#include "proto/otlp/segment.h"

#include "proto/base/banned.h"

enum { KEPT_BYTES = 4 << 20 };

/* --- a worker thread's reusable memory ------------------------------------------------------------------- */

struct export_worker {
    struct inflater *inflater;
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
    struct export_worker *worker = pointer;
    if (worker == NULL) {
        return;
    }
    inflater_free(worker->inflater);
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

static struct export_worker *worker_new(size_t body_bytes_max)
{
    struct export_worker *worker = mem_zero(1, sizeof *worker);
    if (worker == NULL) {
        return NULL;
    }
    arena_init(&worker->arena, LIMIT_SCAN_BYTES);
    buf_init(&worker->inflated, body_bytes_max);
    buf_init(&worker->converted, body_bytes_max);
    buf_init(&worker->packed, LIMIT_BUS_BYTES);
    worker->inflater = inflater_new();
    worker->builder = segment_builder_new(SEGMENT_EFFORT_INGEST);
    if (worker->inflater == NULL || worker->builder == NULL) {
        worker_free(worker);
        return NULL;
    }
    return worker;
}

struct export_worker *export_worker_get(size_t body_bytes_max)
{
    if (pthread_once(&worker_once, worker_key_make) != 0 || worker_key_error != 0) {
        return NULL;
    }
    struct export_worker *worker = pthread_getspecific(worker_key);
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

void export_worker_trim(struct export_worker *worker)
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

/* --- one export ---------------------------------------------------------------------------------------------- */

err_t export_inflate(struct export_worker *worker, const char *content_encoding, struct bytes body,
                     struct detail *detail, struct bytes *ret_body)
{
    return ingest_inflate(worker->inflater, content_encoding, body, &worker->inflated, detail,
                          ret_body);
}

/* The body as protobuf octets. */
static FALLIBLE body_convert(struct export_worker *worker, enum ingest_encoding encoding,
                             struct detail *detail, struct bytes *body, struct export *export)
{
    struct json_rejected rejected = {0};
    if (encoding != INGEST_ENCODING_JSON) {
        return OK;
    }
    TRY(json_to_protobuf(*body, &worker->converted, detail, &rejected));
    *body = buf_bytes(&worker->converted);
    if (rejected.spans_count > 0) {
        export->rejected_count = rejected.spans_count;
        detail_set(&export->rejected, "%u spans rejected for values of a wrong type, the first: %s",
                   rejected.spans_count, rejected.first.text);
    }
    return OK;
}

static void scan_rejected_add(struct export *export, const struct scan_result *result)
{
    struct detail text;
    if (result->rejected_count > 0) {
        struct detail before = export->rejected;
        scan_rejected_text(result, &text);
        detail_set(&export->rejected, "%s%s%s", before.text, before.text[0] == '\0' ? "" : "; ",
                   text.text);
        export->rejected_count += result->rejected_count;
    }
}

err_t export_build(struct export_worker *worker, struct uuid project, enum ingest_encoding encoding,
                   struct bytes body, struct detail *detail, struct export *ret_export)
{
    struct scan_result result = {0};
    struct export export = {.spans_count = 0};
    const struct scan_options options = {.project = project};
    TRY(body_convert(worker, encoding, detail, &body, &export));
    TRY(scan_export(&options, body, &worker->arena, detail, &result));
    scan_rejected_add(&export, &result);
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
    export.body_bytes = body.len;
    export.spans_count = result.spans_count;
    export.message = (struct bus_message){
        .id = uuid_make(),
        .what = BUS_WHAT_SPANS,
        .spans = {.project = project,
                  .traces = result.traces,
                  .traces_count = result.traces_count,
                  .received = clock_unix()},
    };
    *ret_export = export;
    return OK;
}

err_t export_pack(struct export_worker *worker, const struct export *export, struct bytes *ret_wire)
{
    TRY(bus_message_pack(&export->message, &worker->arena, &worker->packed));
    *ret_wire = buf_bytes(&worker->packed);
    return OK;
}

/* No step takes half of the bound at once. */
err_t export_cause(const struct export_worker *worker, err_t err)
{
    bool is_heap = err_is(err, ERR_NO_SPACE) &&
                   arena_bytes_used(&worker->arena) < (size_t)LIMIT_SCAN_BYTES / 2;
    return is_heap ? FAIL(MEMORY) : err;
}
