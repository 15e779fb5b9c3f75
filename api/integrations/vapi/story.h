/* story: what happened in a call, turn by turn, read from its log or else from its messages and latencies. PURE.
 *
 * A turn is what the caller said and what the agent did about it; its work is transcribing, endpointing, model, tool
 * and voice. Turns are counted from the first one that the call has, in both ways of reading, so that a later report
 * with a log tells the same turns again. turnLatencies have neither time nor id: they are aligned with the turns that
 * were answered, by their order, and left out when there are more or fewer.
 *
 * Limit: `spans_max` turns and pieces of work together; further ones are counted. Thread: any. Everything lives in
 * the arena or borrows from report and log. */
#ifndef CALLTRACE_VAPI_STORY_H
#define CALLTRACE_VAPI_STORY_H

#include "api/integrations/vapi/log.h"
#include "api/integrations/vapi/report.h"

#define VAPI_TURN_NONE SIZE_MAX

struct vapi_work {
    enum vapi_component_kind component; /* PIPELINE: endpointing */
    size_t turn;                        /* or VAPI_TURN_NONE */
    struct unix_ns start;
    struct unix_ns end;
    bool has_first; /* token, audio; for a transcriber its delay */
    double first_ms;
    bool has_end;
    bool is_failed;
    bool is_derived; /* from times of others, not told by itself */
    struct bytes texts[VAPI_TEXT_COUNT];
};

struct vapi_turn {
    struct bytes id; /* as the log has it; empty without one */
    struct unix_ns start;
    struct unix_ns end;
    bool is_asked;    /* the caller spoke */
    bool is_answered; /* the agent spoke or used a tool */
    bool is_spoken;   /* the agent spoke */
    bool is_interrupted;
    bool has_latency; /* from the caller's last word to the agent's first */
    double latency_ms;
    const struct vapi_latency *latency; /* aligned; NULL: none */
    size_t open[VAPI_COMPONENT_COUNT];  /* private to story_log: work that has not ended, plus 1 */
};

struct vapi_story {
    struct vapi_turn *turns;
    size_t turns_count;
    struct vapi_work *works;
    size_t works_count;
    size_t dropped;
    size_t interruptions;
    bool is_from_log;
    bool has_unaligned; /* turnLatencies that fit no turns */
    /* private */
    struct arena *arena;
    size_t spans_max;
    size_t turns_room;
    size_t works_room;
};

/* `log` may be NULL or empty: then the messages tell. Errors: NO_SPACE, MEMORY. */
FALLIBLE vapi_story_read(const struct vapi_report *report, const struct vapi_log *log,
                         size_t spans_max, struct arena *arena, struct vapi_story *ret_story);

/* --- between the two ways of reading ------------------------------------------------------------------ */

FALLIBLE vapi_story_of_log(const struct vapi_report *report, const struct vapi_log *log,
                           struct vapi_story *story);
FALLIBLE vapi_story_of_messages(const struct vapi_report *report, struct vapi_story *story);

/* Adds one and gives its number; VAPI_TURN_NONE when the bound is reached. Errors: NO_SPACE. */
FALLIBLE vapi_turn_add(struct vapi_story *story, struct unix_ns at, size_t *ret_turn);

/* Adds one and gives it, until the next is added; NULL when the bound is reached. Errors: NO_SPACE. */
FALLIBLE vapi_work_add(struct vapi_story *story, enum vapi_component_kind component, size_t turn,
                       struct unix_ns start, struct unix_ns end, struct vapi_work **ret_work);

/* The turn lasts at least from `start` to `end`. */
void vapi_turn_cover(struct vapi_story *story, size_t turn, struct unix_ns start,
                     struct unix_ns end);

#endif
