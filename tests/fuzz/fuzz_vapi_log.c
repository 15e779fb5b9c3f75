/* Any octets as VAPI's call log, of a call that is known: every line is read or counted, and the trace is one that the
 * OTLP reader takes whole. */
#include "api/integrations/vapi/json.h"
#include "api/integrations/vapi/trace.h"
#include "api/rest/intake.h"
#include "proto/base/check.h"
#include "proto/otlp/json.h"
#include "proto/otlp/scan.h"

#include "proto/base/banned.h"

enum { RECORDS = 2000, SPANS = 500, OUT_BYTES = 4 << 20, ARENA_BYTES = 64 << 20 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char call[] =
    "{\"call\":{\"id\":\"7d3f0c1e-0b5a-4f6e-9c1d-2a3b4c5d6e7f\"},\"startedAt\":1772000000000,"
    "\"artifact\":{\"performanceMetrics\":{\"turnLatencies\":[{\"turnLatency\":5,"
    "\"endpointingLatency\":7,"
    "\"modelLatency\":1,\"voiceLatency\":2,\"transcriberLatency\":3}]},\"messages\":[{\"role\":"
    "\"tool_calls\",\"time\":1772000001000,\"toolCalls\":[{\"id\":\"c\",\"function\":{\"name\":"
    "\"f\"}}]}]}}";

static void trace_try(const struct vapi_report *report, const struct vapi_log *log,
                      struct arena *arena)
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
    INVARIANT(err_is_ok(vapi_trace_write(report, log, SPANS, arena, &out, &trace)));
    INVARIANT(err_is_ok(json_to_protobuf(buf_bytes(&out), &wire, &detail, &rejected)));
    INVARIANT(err_is_ok(scan_export(&options, buf_bytes(&wire), arena, &detail, &result)));
    INVARIANT(rejected.spans_count == 0 && result.rejected_count == 0);
    INVARIANT(result.traces_count == 1 && result.spans_count == trace.spans_count);
    INVARIANT(trace.spans_count <= SPANS && result.traces[0].has_root);
    buf_fini(&out);
    buf_fini(&wire);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena;
    struct detail detail = {0};
    struct vapi_report report;
    struct vapi_log log;
    json_t *json = NULL;
    arena_init(&arena, ARENA_BYTES);
    INVARIANT(err_is_ok(intake_json(bytes_of_text(call), &detail, &json)));
    INVARIANT(err_is_ok(vapi_report_read(json, (struct unix_ns){0}, &arena, &detail, &report)));
    err_t err = vapi_log_read(bytes_of(data, size), RECORDS, &arena, &log);
    if (err_is_ok(err)) {
        INVARIANT(log.count <= RECORDS && log.broken + log.count + log.dropped <= log.lines);
        for (size_t i = 1; i < log.count; i++) {
            INVARIANT(log.records[i - 1].at.ns <= log.records[i].at.ns);
        }
        trace_try(&report, &log, &arena);
    } else {
        INVARIANT(err_is(err, ERR_NO_SPACE));
    }
    arena_fini(&arena);
    json_decref(json);
    return 0;
}
