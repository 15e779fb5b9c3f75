#include "api/integrations/vapi/trace_message.h"

#include "proto/base/banned.h"

static FALLIBLE message_build(struct export_worker *worker, struct uuid project, struct bytes json,
                              struct detail *detail, struct bus_message *ret_message)
{
    struct export export;
    TRY(export_build(worker, project, INGEST_ENCODING_JSON, json, detail, &export));
    if (export.rejected_count > 0 || export.message.spans.traces_count != 1) {
        *detail = export.rejected; /* spans of our own making always fit */
        return FAIL(INTERNAL);
    }
    *ret_message = export.message;
    return OK;
}

err_t vapi_trace_message(const struct vapi_report *report, const struct vapi_log *log,
                         struct uuid project, const struct vapi_trace_limits *limits,
                         struct arena *arena, struct detail *detail,
                         struct export_worker **ret_worker, struct bus_message *ret_message,
                         struct vapi_trace *ret_trace)
{
    struct buf json;
    struct vapi_trace trace = {.spans_count = 0};
    struct export_worker *worker = export_worker_get(limits->body_bytes_max);
    if (worker == NULL) {
        return FAIL(MEMORY);
    }
    buf_init(&json, limits->body_bytes_max);
    err_t err = vapi_trace_write(report, log, limits->spans_max, arena, &json, &trace);
    if (err_is_ok(err)) {
        err = message_build(worker, project, buf_bytes(&json), detail, ret_message);
    }
    buf_fini(&json);
    if (err_is_ok(err)) {
        *ret_worker = worker;
        *ret_trace = trace;
    } else {
        export_worker_trim(worker);
    }
    return err;
}
