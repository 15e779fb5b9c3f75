/* part: a report or status as what the correlator merges into a call (proto/bus/call_parts.def). PURE.
 *
 * The body has the fields of a create that can be told: startedAt, interfaceType, endedStatus, transcript,
 * toolInvocations, recordingUrl, stereoRecordingUrl, summary, customer, agent or agents, properties. The same
 * report gives the same octets.
 *
 * Thread: any. The result lives in the arena or borrows from the report. */
#ifndef CALLTRACE_VAPI_PART_H
#define CALLTRACE_VAPI_PART_H

#include "api/integrations/vapi/report.h"

/* `properties` may be NULL. The report is no OTHER. Errors: MEMORY, NO_SPACE. */
FALLIBLE vapi_part_make(const struct vapi_report *report, const json_t *properties,
                        struct arena *arena, struct bus_part *ret_part);

/* A tool call of the messages with its result, in the order they were called. */
struct vapi_tool {
    struct bytes id;
    struct bytes name;
    const json_t *arguments;           /* an object or the JSON text of one; may be NULL */
    const json_t *result;              /* any value; NULL: none came */
    const struct vapi_message *called; /* NULL: only a result is there */
    const struct vapi_message *answered;
};

/* Errors: NO_SPACE. */
FALLIBLE vapi_tools_read(const struct vapi_report *report, struct arena *arena,
                         struct vapi_tool **ret_tools, size_t *ret_count);

#endif
