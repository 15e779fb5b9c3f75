/* timeline: what a timeline's answer is made of, and how it is written (timeline.c reads it, timeline_write.c writes
 * it). The answer itself: api/openapi.yaml, Timeline.
 *
 * Thread: the exchange's. Everything borrows from the arena of one answer. */
#ifndef CALLTRACE_REST_TIMELINE_H
#define CALLTRACE_REST_TIMELINE_H

#include "api/rest/axis.h"
#include "api/rest/clocks.h"
#include "api/rest/out.h"
#include "api/rest/places.h"
#include "proto/base/match_key.h"

enum {
    TIMELINE_TRACES_MAX = 1000, /* of one call */
    TIMELINE_SAID_BYTES = 240,  /* of what was said in a turn */
    /* A trace is open while its root has not ended, or a span came in this time. */
    TIMELINE_OPEN_S = 30,
    /* What came before a revision by less may still have been on its way into the store, and comes again. */
    TIMELINE_OVERLAP_MS = 30000,
};

struct timeline_link {
    struct uuid conversation;
    unsigned conversation_kind;
    struct match_key key;
    struct unix_ns linked_at;
    struct place place;
};

/* A trace as its row in the store tells. */
struct timeline_trace {
    struct trace_id id;
    struct unix_ns start;
    struct unix_ns end;
    struct unix_ns last_seen;
    struct bytes service;
    struct bytes root_name; /* empty: no root yet */
    struct span_id root;
    bool has_root;
    bool is_open;
    int64_t spans_count; /* in the store; a repeated export may count twice */
    struct timeline_link *links;
    size_t links_count;
};

struct timeline {
    const char *what; /* "call", "chat", "trace" */
    bool is_conversation;
    struct uuid conversation;
    struct trace_id trace;
    struct clocks_call call;
    struct unix_ns updated; /* the call itself */
    struct unix_ns zero;
    bool is_live;
    bool is_since; /* only what changed is wanted */
    bool is_changed;
    struct unix_ns revision;
    struct unix_ns now;
    struct timeline_trace *traces; /* those of the axis, in its order */
    size_t traces_count;
    bool has_more_traces;
    struct axis axis;
    const bool *shown; /* rows; NULL: all */
    struct clocks clocks;
    int64_t spans_total; /* in the store, repeated ones included */
    bool is_cut;
};

/* Writes the whole answer. Errors: NO_SPACE, MEMORY. */
FALLIBLE timeline_write(const struct timeline *timeline, struct arena *arena, struct out *out);

#endif
