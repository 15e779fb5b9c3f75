/* livekit: POST /v1/integrations/livekit, where LiveKit's servers tell what happens in rooms.
 *
 *     token -> secrets of its issuer (cache, else a thread of AUTH asks Postgres) -> signature -> parts -> bus
 *
 * LiveKit sends again after a 5xx and never after a 4xx, so: 401 for what nobody we know has signed, 400 for a
 * signed body that is no JSON, 503 when the store cannot be asked now, 200 for the rest, what is about no call
 * included. Every project whose secret verifies gets the event.
 *
 * Thread: WORK, then AUTH when the secrets have to be looked up; the answer comes from the bus' thread. */
#ifndef CALLTRACE_LIVEKIT_H
#define CALLTRACE_LIVEKIT_H

#include "api/http/exchange.h"

/* Scope SIGNED. */
exchange_fn livekit_receive;

#endif
