/* event: PURE. To which call an event of an integration belongs, from the calls that hold its keys. No I/O, clock,
 * threads or log. */
#ifndef CALLTRACE_CORE_EVENT_H
#define CALLTRACE_CORE_EVENT_H

#include "proto/base/arena.h"
#include "proto/bus/message.h"

/* A key of the event and the call that holds it. */
struct event_holder {
    struct match_key key;
    struct uuid call;
    bool is_posted; /* made or completed by a POST; else only events have made it */
    struct unix_ns created;
};

struct event_plan {
    struct uuid target; /* the event's own id when no call holds a key */
    bool is_new;
    /* Other calls that only events have made: they are the same call, and the target takes their keys. Sorted. */
    struct uuid *superseded;
    size_t superseded_count;
    /* Other posted calls: each keeps its key. Sorted. */
    struct uuid *others;
    size_t others_count;
};

/* The target is a posted call when there is one, else the oldest by (created, id). Errors: NO_SPACE. */
FALLIBLE event_plan_make(const struct bus_call_event *event, const struct event_holder *holders,
                         size_t count, struct arena *arena, struct event_plan *ret_plan);

/* The number by which two parts of one kind are told apart, the greater one stays: the time, negative where the
 * earliest stays. */
int64_t event_part_order(const struct bus_part *part);

#endif
