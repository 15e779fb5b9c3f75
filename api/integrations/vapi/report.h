/* report: a server message of VAPI as calltrace reads it: an end-of-call-report or a status-update. PURE.
 *
 * The payload may be wrapped ({"message": {...}}) or bare; older ones have at the top what newer ones have in
 * `artifact`, and a call as GET /call gives it is taken for its report. Each field is looked for in artifact, message,
 * call.artifact and call, in that order. What is usable is used; only a call without id is refused.
 *
 *     TRY(vapi_report_read(payload, now, arena, detail, &report));
 *     TRY(vapi_part_make(&report, properties, arena, &part));
 *
 * Limits: VAPI_MESSAGES_MAX messages; further ones are left out and counted. Thread: any. Everything borrows from
 * the payload or lives in the arena. */
#ifndef CALLTRACE_VAPI_REPORT_H
#define CALLTRACE_VAPI_REPORT_H

#include <jansson.h>

#include "proto/base/arena.h"
#include "proto/bus/message.h"

enum {
    /* Messages of one call: as many entries as a create may have. */
    VAPI_MESSAGES_MAX = 10000,
    VAPI_LATENCIES_MAX = VAPI_MESSAGES_MAX,
    VAPI_ASSISTANTS_MAX = 100,
};

enum vapi_kind {
    VAPI_KIND_OTHER = 0, /* nothing that calltrace keeps; only `type` is filled */
    VAPI_KIND_REPORT,
    VAPI_KIND_STATUS,
};

enum vapi_role {
    VAPI_ROLE_OTHER = 0,
    VAPI_ROLE_USER,
    VAPI_ROLE_BOT,
    VAPI_ROLE_TOOL_CALLS,
    VAPI_ROLE_TOOL_RESULT,
};

struct vapi_message {
    enum vapi_role role;
    const json_t *json;
    bool has_time;
    struct unix_ns start;
    struct unix_ns end; /* never before start */
};

/* One entry of performanceMetrics.turnLatencies, in milliseconds; negative: not said. */
struct vapi_latency {
    double model_ms;
    double voice_ms;
    double transcriber_ms;
    double endpointing_ms;
    double turn_ms;
};

/* What the assistant is made of; texts may be empty. */
struct vapi_component {
    struct bytes provider;
    struct bytes model;
    struct bytes voice;
};

struct vapi_assistant {
    struct bytes id; /* one of the two may be empty */
    struct bytes name;
};

struct vapi_tokens {
    bool is_known;
    int64_t prompt;
    int64_t completion;
    int64_t cached;
    int64_t reasoning;
};

struct vapi_report {
    enum vapi_kind kind;
    struct bytes type;
    const json_t *sources[4]; /* artifact, message, call.artifact, call; some NULL */
    const json_t *call;
    struct bytes call_id;
    struct bytes call_type;
    struct bytes name;
    struct unix_ns at; /* when VAPI sent it, as far as it says */
    bool has_started;
    bool has_ended;
    struct unix_ns started;
    struct unix_ns ended;
    enum conversation_status status;
    struct bytes ended_reason;
    struct bytes summary;
    bool has_cost;
    double cost; /* USD */
    struct vapi_tokens tokens;
    struct vapi_message *messages;
    size_t messages_count;
    size_t messages_dropped;
    struct vapi_latency *latencies;
    size_t latencies_count;
    struct vapi_assistant *assistants;
    size_t assistants_count;
    struct vapi_component model;
    struct vapi_component transcriber;
    struct vapi_component voice;
    const char *log_url; /* presigned rather than plain; NULL: none */
};

/* Which kind a payload is, by its type alone. */
enum vapi_kind vapi_payload_kind(const json_t *payload);

/* `received` stands in for times that the payload does not say. Errors: BAD_VALUE (detail names the field),
 * NO_SPACE. */
FALLIBLE vapi_report_read(const json_t *payload, struct unix_ns received, struct arena *arena,
                          struct detail *detail, struct vapi_report *ret_report);

/* The first source that has the field (not null); NULL: none. */
const json_t *vapi_report_find(const struct vapi_report *report, const char *name);

/* "AGENT_ENDED_CALL", ...; "UNKNOWN" for a reason that is not in ended.def. */
const char *vapi_ended_status(struct bytes reason);

#endif
