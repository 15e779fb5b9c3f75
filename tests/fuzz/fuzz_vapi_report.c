/* Any octets as a VAPI message: what is read makes a part that is one line of JSON, and a trace that the OTLP reader
 * takes whole; twice the same. */
#include "api/integrations/vapi/json.h"
#include "api/integrations/vapi/part.h"
#include "api/integrations/vapi/trace.h"
#include "api/rest/intake.h"
#include "proto/base/check.h"
#include "proto/base/limits.h"
#include "proto/otlp/json.h"
#include "proto/otlp/scan.h"

#include "proto/base/banned.h"

enum { SPANS = 500, OUT_BYTES = 4 << 20, ARENA_BYTES = 64 << 20 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void part_try(const struct vapi_report *report, const json_t *json, struct arena *arena)
{
    struct bus_part part;
    struct bus_part again;
    struct detail detail = {0};
    json_t *body = NULL;
    INVARIANT(err_is_ok(vapi_part_make(report, json, arena, &part)));
    INVARIANT(err_is_ok(vapi_part_make(report, json, arena, &again)));
    INVARIANT(bytes_equal(part.body, again.body));
    INVARIANT(memchr(part.body.ptr, '\n', part.body.len) == NULL);
    INVARIANT(err_is_ok(intake_json(part.body, &detail, &body)) && json_is_object(body));
    json_decref(body);
}

static void trace_try(const struct vapi_report *report, struct arena *arena)
{
    struct vapi_trace trace;
    struct buf out;
    struct buf wire;
    struct detail detail = {0};
    struct json_rejected rejected = {0};
    struct scan_result result;
    const struct scan_options options = {.project = {{1}}};
    buf_init(&out, OUT_BYTES);
    buf_init(&wire, OUT_BYTES);
    err_t err = vapi_trace_write(report, NULL, SPANS, arena, &out, &trace);
    INVARIANT(err_is_ok(err) || err_is(err, ERR_NOT_FOUND));
    if (err_is_ok(err)) {
        INVARIANT(err_is_ok(json_to_protobuf(buf_bytes(&out), &wire, &detail, &rejected)));
        INVARIANT(err_is_ok(scan_export(&options, buf_bytes(&wire), arena, &detail, &result)));
        INVARIANT(rejected.spans_count == 0 && result.rejected_count == 0);
        INVARIANT(result.traces_count == 1 && result.spans_count == trace.spans_count);
        INVARIANT(trace.spans_count <= SPANS && result.traces[0].has_root);
    }
    buf_fini(&out);
    buf_fini(&wire);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena;
    struct detail detail = {0};
    struct vapi_report report;
    json_t *json = NULL;
    if (!err_is_ok(intake_json(bytes_of(data, size), &detail, &json))) {
        return 0;
    }
    arena_init(&arena, ARENA_BYTES);
    err_t err =
        vapi_report_read(json, (struct unix_ns){1772000000000000000}, &arena, &detail, &report);
    INVARIANT(err_is_ok(err) || (err_is(err, ERR_BAD_VALUE) && detail.text[0] != '\0'));
    if (err_is_ok(err) && report.kind != VAPI_KIND_OTHER) {
        part_try(&report, json, &arena);
        trace_try(&report, &arena);
    }
    arena_fini(&arena);
    json_decref(json);
    return 0;
}
