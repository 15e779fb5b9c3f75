/* trace: a VAPI call as an OpenTelemetry trace, written as OTLP/JSON. PURE.
 *
 * Trace id: the sixteen octets of the call's UUID (the hash of an id that is none). Span ids: hashes of the call's id,
 * the kind of work, the number of the turn and the number within it. So a repeated report gives the same octets, and
 * one that comes later with a log tells the same spans again instead of doubling them.
 *
 * Resource: service.name "vapi", vapi.call.id. Spans: `call` > `turn` > `transcriber`, `endpointing`, `model`, `tool`,
 * `voice`; work of no turn stands below the call. Their attributes are those that proto/voice/facts.def knows.
 *
 * Thread: any. */
#ifndef CALLTRACE_VAPI_TRACE_H
#define CALLTRACE_VAPI_TRACE_H

#include "api/integrations/vapi/story.h"
#include "proto/base/buf.h"
#include "proto/base/id.h"

struct vapi_trace {
    struct trace_id id;
    size_t spans_count;
    size_t spans_dropped; /* beyond spans_max or the room of `out` */
};

struct trace_id vapi_trace_id(struct bytes call_id);

/* Appends an ExportTraceServiceRequest to `out`, whose maximum bounds it. `log` may be NULL. Errors: NOT_FOUND (no
 * time is known of the call), MEMORY, NO_SPACE, TOO_LARGE (not even the call's span has room). */
FALLIBLE vapi_trace_write(const struct vapi_report *report, const struct vapi_log *log,
                          size_t spans_max, struct arena *arena, struct buf *out,
                          struct vapi_trace *ret_trace);

#endif
