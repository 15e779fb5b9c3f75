/* read: an event of an observer, read and checked: which call, and what it tells of it. PURE.
 *
 *     TRY(observer_read(OBSERVER_LIVEKIT, body, arena, &detail, &event));
 *     if (event.issues.count > 0) { 400 with check_answer(&event.issues, arena) }
 *     else if (event.what != OBSERVER_UNKNOWN) { ... event.keys, event.part ... }
 *     observer_event_fini(&event);
 *
 * Source: the PyPI packages roark-analytics-python-livekit 0.1.0 and pipecat-roark 0.1.0 to 0.2.5. The same octets
 * make the same part, so that an event may come twice.
 *
 * Thread: any. Keys and part borrow from event.json and the arena. */
#ifndef CALLTRACE_INTEGRATIONS_OBSERVER_READ_H
#define CALLTRACE_INTEGRATIONS_OBSERVER_READ_H

#include "api/rest/check.h"
#include "proto/bus/message.h"

enum observer {
    OBSERVER_LIVEKIT = 0, /* livekitCallId, roomSid */
    OBSERVER_PIPECAT,     /* pipecatCallId */
    OBSERVER_COUNT,
};

enum observer_what {
    OBSERVER_UNKNOWN = 0, /* an event of a kind that is not known: accepted and left alone */
    OBSERVER_STARTED,
    OBSERVER_ENDED,
};

/* livekitCallId as observer and as room, roomSid. */
enum { OBSERVER_KEYS_MAX = 3 };

struct observer_event {
    json_t *json; /* owned; what the body says, mended (api/rest/mend.h) */
    struct check_issues issues;
    /* What follows is only good without issues. */
    enum observer_what what;
    struct match_key keys[OBSERVER_KEYS_MAX]; /* sorted by (kind, value), each once */
    size_t keys_count;
    struct bus_part part; /* not of an unknown event */
};

/* Errors: those of intake_read. Call observer_event_fini after success only. */
FALLIBLE observer_read(enum observer observer, struct bytes body, struct arena *arena,
                       struct detail *detail, struct observer_event *ret_event);
void observer_event_fini(struct observer_event *event);

/* A request for an upload's URL: which chunk. Without issues *ret_index is chunkIndex, -1 when there is none, and
 * *ret_type contentType, from the arena. Errors: those of intake_read. */
FALLIBLE observer_read_chunk(enum observer observer, struct bytes body, struct arena *arena,
                             struct detail *detail, struct check_issues *ret_issues,
                             int64_t *ret_index, const char **ret_type);

#endif
