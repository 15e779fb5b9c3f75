/* event: what an integration tells, on its way to the correlator.
 *
 * An integration (LiveKit's webhooks, the observers, VAPI) reads a request into messages: a bus_call_event with
 * the keys and parts of one call, sometimes a span batch beside it. Repeating an event changes nothing, so that
 * "send it again" is the right answer to every doubt.
 *
 *     event_send(exchange, messages, 2, answer_call_id, context);
 *
 * Thread: that of the route function; answers come from the bus' thread. Messages are packed before event_send
 * returns. */
#ifndef CALLTRACE_INTEGRATIONS_EVENT_H
#define CALLTRACE_INTEGRATIONS_EVENT_H

#include "api/http/exchange.h"
#include "proto/bus/message.h"

/* Every message was accepted. Ends the exchange. `replies` are in the messages' order and live in the exchange's
 * arena; replies[i].conversation of an event is the call it went to. */
typedef void event_done_fn(struct exchange *exchange, const struct bus_reply *replies,
                           void *context);

/* Sends all messages and ends the exchange: by `done` when all were accepted, else with 503 (send it again) or,
 * when one can never be stored, 400. No messages: `done` at once. */
void event_send(struct exchange *exchange, const struct bus_message *messages, size_t count,
                event_done_fn *done, void *context);

/* A done function: 200 {"data": {}}. */
event_done_fn event_done_empty;

/* Sorts keys by (kind, value) and drops repeated ones; gives how many are left. */
size_t event_keys_sort(struct match_key *keys, size_t count);

#endif
