/* webhook: the body of a LiveKit webhook (proto3 JSON of livekit.WebhookEvent) as parts of a call. PURE.
 *
 * The call is that of the room's SID. events.def says which event gives which parts; they merge whatever the order,
 * however often an event comes and whichever is missing:
 *
 *     part       when it is kept            status       tells
 *     ROOM       the most complete          RINGING      startedAt, title
 *     ANSWERED   the earliest               IN_PROGRESS  answeredAt, interfaceType, direction, customer
 *     PRESENCE   the latest, left > joined               endedAt, when it is somebody's leaving
 *     FINISHED   the latest                 ENDED        endedAt, when nobody left
 *     EGRESS     the latest                              recordingUrl
 *
 * Times are taken in any unit, by their size: the senders write seconds, milliseconds and nanoseconds, as numbers
 * and as texts. What an event lacks it does not tell; nothing is guessed from the time at which it came, so that a
 * repeated event says the same. Thread: any. Views live in the arena. */
#ifndef CALLTRACE_LIVEKIT_WEBHOOK_H
#define CALLTRACE_LIVEKIT_WEBHOOK_H

#include "proto/bus/message.h"

enum {
    LIVEKIT_PARTS_MAX = 4,
    /* A longer address of a recording is left out: browsers and proxies stop at this. */
    LIVEKIT_URL_BYTES_MAX = 8192,
};

struct livekit_webhook {
    bool is_ignored;      /* an unknown event, or one about no room: nothing else is set */
    struct match_key key; /* the room's SID */
    struct bus_part parts[LIVEKIT_PARTS_MAX];
    size_t parts_count;
    bool is_skipped; /* the room's metadata is JSON and says `roark.skip` */
};

/* Errors: MALFORMED and its like (no JSON object; detail says where), MEMORY, NO_SPACE. */
FALLIBLE livekit_webhook_read(struct bytes body, struct arena *arena, struct detail *detail,
                              struct livekit_webhook *ret_webhook);

#endif
