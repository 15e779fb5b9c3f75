/* trace_message: a report's trace as a message for the correlator. Thread: any; uses the thread's export worker. */
#ifndef CALLTRACE_VAPI_TRACE_MESSAGE_H
#define CALLTRACE_VAPI_TRACE_MESSAGE_H

#include "api/ingest/export.h"
#include "api/integrations/vapi/trace.h"

struct vapi_trace_limits {
    size_t spans_max;
    size_t body_bytes_max; /* the api's; the same for the whole life of the daemon */
};

/* `log` may be NULL. The message lives until export_worker_trim(*ret_worker), which is the caller's to call after
 * success. Errors: NOT_FOUND (no time is known of the call) and those of trace.h and export.h; detail may say. */
FALLIBLE vapi_trace_message(const struct vapi_report *report, const struct vapi_log *log,
                            struct uuid project, const struct vapi_trace_limits *limits,
                            struct arena *arena, struct detail *detail,
                            struct export_worker **ret_worker, struct bus_message *ret_message,
                            struct vapi_trace *ret_trace);

#endif
