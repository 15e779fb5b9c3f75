/* log: VAPI's call log, one JSON object a line: {time, body, attributes{category, event, turnId, spanId, latency,
 * duration, ...}}. PURE.
 *
 * A line that is no such record is skipped and counted, as are events that tell nothing of a trace. Lines about work
 * without an event ("Voice input", "Model output") may be missing from a log; where they stand they give texts.
 *
 *     TRY(vapi_log_read(lines, records_max, arena, &log));
 *
 * Limits: `records_max` records, VAPI_TEXT_BYTES_MAX octets of a text; what is beyond is left out and counted.
 * Thread: any. Everything lives in the arena. */
#ifndef CALLTRACE_VAPI_LOG_H
#define CALLTRACE_VAPI_LOG_H

#include <jansson.h>

#include "proto/base/arena.h"
#include "proto/base/clock.h"

enum {
    /* An attribute's text on a span: what a person reads of one utterance or result. */
    VAPI_TEXT_BYTES_MAX = 32 << 10,
};

enum vapi_component_kind {
    VAPI_COMPONENT_PIPELINE = 0,
    VAPI_COMPONENT_TRANSCRIBER,
    VAPI_COMPONENT_MODEL,
    VAPI_COMPONENT_TOOL,
    VAPI_COMPONENT_VOICE,
    VAPI_COMPONENT_COUNT,
};

enum vapi_step {
    VAPI_STEP_BEGIN,
    VAPI_STEP_FIRST,
    VAPI_STEP_END,
    VAPI_STEP_FAIL,
    VAPI_STEP_TEXT,
    VAPI_STEP_TURN,
    VAPI_STEP_USER_STARTED,
    VAPI_STEP_USER_STOPPED,
    VAPI_STEP_ENDPOINT,
    VAPI_STEP_BOT_STARTED,
    VAPI_STEP_BOT_STOPPED,
    VAPI_STEP_CLEARED,
};

/* Texts of a record, each empty when it is not said. */
enum vapi_text {
    VAPI_TEXT_SAID = 0, /* transcript, text or input */
    VAPI_TEXT_OUTPUT,   /* output or result */
    VAPI_TEXT_NAME,     /* of a tool */
    VAPI_TEXT_CALL_ID,
    VAPI_TEXT_ARGUMENTS,
    VAPI_TEXT_ERROR,
    VAPI_TEXT_MODEL,
    VAPI_TEXT_PROVIDER,
    VAPI_TEXT_COUNT,
};

struct vapi_record {
    struct unix_ns at;
    size_t line; /* records of one moment stay in their order */
    enum vapi_component_kind component;
    enum vapi_step step;
    struct bytes turn; /* empty: of no turn */
    struct bytes span; /* may be empty */
    bool has_latency;
    bool has_duration;
    double latency_ms;
    double duration_ms;
    bool is_interruption;
    struct bytes texts[VAPI_TEXT_COUNT];
};

struct vapi_log {
    struct vapi_record *records; /* by time */
    size_t count;
    size_t lines;   /* that were not empty */
    size_t broken;  /* no JSON, no object, no time */
    size_t dropped; /* beyond records_max */
};

/* Errors: NO_SPACE, MEMORY. */
FALLIBLE vapi_log_read(struct bytes lines, size_t records_max, struct arena *arena,
                       struct vapi_log *ret_log);

/* The same of records that are JSON already (an array). Errors: NO_SPACE. */
FALLIBLE vapi_log_of_array(const json_t *records, size_t records_max, struct arena *arena,
                           struct vapi_log *ret_log);

/* A text shortened to VAPI_TEXT_BYTES_MAX, on a character. */
struct bytes vapi_text_cut(struct bytes text);

#endif
