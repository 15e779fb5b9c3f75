/* plan: PURE. Turns a group of span batches into the rows of one transaction: each trace once, every list
 * sorted by its table's primary key (which is the order in which rows are locked) and each row once.
 *
 * No I/O, clock, threads or log. Everything in a plan borrows from the messages and the arena. */
#ifndef CALLTRACE_CORE_PLAN_H
#define CALLTRACE_CORE_PLAN_H

#include "proto/base/arena.h"
#include "proto/bus/message.h"

/* All batches' facts of one trace, merged as table `trace` merges them. */
struct plan_trace {
    struct uuid project;
    struct trace_id id;
    bool is_skipping; /* it carried roark.skip: it is skipped, and so is every room it names */
    struct unix_ns first_seen;
    struct unix_ns last_seen;
    struct unix_ns start;
    struct unix_ns end;
    bool has_error;
    struct bytes service; /* the least name, so that order does not matter */
    bool has_root;
    struct bus_root root; /* the earliest by (start, span id) */
    uint32_t keys_dropped;
    uint64_t spans_count; /* of the plan's segments */
};

struct plan_key {
    struct uuid project;
    struct match_key key;
    struct trace_id trace;
    bool is_skipping; /* a room that a skipping trace names */
};

struct plan_tag {
    struct uuid project;
    struct bus_tag tag; /* an empty key: a service of the trace */
    struct trace_id trace;
};

struct plan_word {
    struct uuid project;
    struct bus_word word;
};

struct plan_segment {
    struct uuid project;
    const struct bus_trace *trace; /* its segment, hash, counts and terms */
};

struct plan {
    struct plan_trace *traces; /* by (project, trace) */
    size_t traces_count;
    struct plan_key *keys; /* by (project, kind, value, trace) */
    size_t keys_count;
    struct plan_tag *tags; /* by (project, key, value, trace) */
    size_t tags_count;
    struct plan_word *words; /* by (project, kind, key, value) */
    size_t words_count;
    struct plan_segment *segments; /* by (project, trace, hash) */
    size_t segments_count;
};

/* Messages that are no span batches are passed over. Errors: NO_SPACE. */
FALLIBLE plan_make(const struct bus_message *const *messages, size_t count, struct arena *arena,
                   struct plan *ret_plan);

/* Whether the root `a` is the better one: earliest (start, span id); of the same span the later end. */
bool root_is_before(const struct bus_root *a, const struct bus_root *b);

#endif
