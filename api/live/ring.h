/* ring: the last announcements of one project, numbered, so that a listener who comes back goes on where it left.
 * PURE.
 *
 * An event's id is "<run>-<number>" in hex and decimal. A run ends when announcements may have been lost; ids of
 * another run are unknown, and whoever comes with one has to fetch anew.
 *
 *     ring_put(&ring, &event);               the same again, not yet dealt, is one
 *     while (ring_next(&ring, &event)) ...   deals what is new, in order
 *
 * Thread: the owner's. */
#ifndef CALLTRACE_LIVE_RING_H
#define CALLTRACE_LIVE_RING_H

#include "proto/base/buf.h"
#include "proto/bus/message.h"

enum {
    RING_EVENTS = 1000,  /* kept of one project */
    RING_LOOK_BACK = 64, /* undealt events that a new one is compared with */
    RING_ID_BYTES = 48,
};

struct ring_event {
    enum announce_what what;
    bool has_conversation;
    bool has_trace;
    struct uuid conversation;
    struct trace_id trace;
};

struct ring {
    uint64_t run;
    uint64_t next;                         /* number of the next event; the first is 1 */
    uint64_t dealt;                        /* the last that was dealt */
    bool is_lost;                          /* listeners must fetch anew before they hear more */
    struct ring_event events[RING_EVENTS]; /* number n at n modulo RING_EVENTS */
};

void ring_init(struct ring *ring, uint64_t run);

/* False: it stands there already, undealt. */
bool ring_put(struct ring *ring, const struct ring_event *event);

/* Announcements may have been lost: begins a new run. */
void ring_lose(struct ring *ring, uint64_t run);

/* The next undealt event; when more came than are kept, the ring is lost instead. */
bool ring_next(struct ring *ring, uint64_t run, struct ring_event *ret_event);

/* The number behind which a listener with this id goes on; false: the id is unknown, or too much came since. */
bool ring_find(const struct ring *ring, struct bytes id, uint64_t *ret_after);

/* The dealt event of that number. */
const struct ring_event *ring_event_at(const struct ring *ring, uint64_t number);

/* Appends "id: ...\nevent: ...\ndata: {...}\n\n". */
void ring_write(const struct ring *ring, uint64_t number, struct buf *out);
/* An event that is no announcement, with the id from which on events follow. */
void ring_write_word(const struct ring *ring, const char *event, const char *data, struct buf *out);

#endif
