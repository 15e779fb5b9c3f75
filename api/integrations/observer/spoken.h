/* spoken: an observer's transcript and tool calls as the Customer API has them. PURE.
 *
 * Offsets count from the call's start. A time is preferred to an offset of the recording, whose first sample may
 * come seconds after the call began; calltrace keeps no recording. What has neither begins where the one before
 * ended.
 *
 * Thread: any. The input has passed check_body with CHECK_SCHEMA_CALL_ENDED. */
#ifndef CALLTRACE_INTEGRATIONS_OBSERVER_SPOKEN_H
#define CALLTRACE_INTEGRATIONS_OBSERVER_SPOKEN_H

#include <jansson.h>

#include "proto/base/clock.h"

enum {
    /* Arguments of tools are JSON inside a text. As many octets of them in one event are read; the rest stays
     * text. jansson takes up to 150 octets for one. */
    SPOKEN_ARGUMENTS_BYTES = 1 << 20,
};

struct spoken_start {
    bool is_known;
    struct unix_ns at;
};

/* Entries as in `transcript` of POST /v1/call. Gives; NULL: out of memory. */
json_t *spoken_transcript(const json_t *messages, struct spoken_start start);

/* Calls with their results as in `toolInvocations`, in the order of the calls; the result is null when none came,
 * a result without its call is left out. Gives; NULL: out of memory. */
json_t *spoken_tools(const json_t *items, struct spoken_start start);

#endif
