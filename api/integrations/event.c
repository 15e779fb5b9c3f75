#include "api/integrations/event.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "api/api.h"
#include "proto/base/limits.h"

#include "proto/base/banned.h"

struct sending {
    struct exchange *exchange;
    event_done_fn *done;
    void *context;
    size_t count;
    _Atomic size_t left;
    struct bus_reply *replies;
    struct slot *slots;
};

/* One message on its way. Each has an arena of its own: two answers may come at once. */
struct slot {
    struct sending *sending;
    size_t at;
    struct detail reason;
};

/* A reply's reason may be long and borrows; what is shown of it is kept here. */
static void slot_set(struct slot *slot, const struct bus_reply *reply)
{
    detail_set(&slot->reason, "%.*s", (int)(reply->reason.len > 200 ? 200 : reply->reason.len),
               (const char *)reply->reason.ptr);
    struct bus_reply *kept = &slot->sending->replies[slot->at];
    *kept = (struct bus_reply){
        .outcome = reply->outcome, .conversation = reply->conversation, .created = reply->created};
}

static void finish(struct sending *sending)
{
    const struct slot *worst = NULL;
    for (size_t i = 0; i < sending->count; i++) {
        enum bus_outcome outcome = sending->replies[i].outcome;
        bool is_worse = outcome != BUS_OUTCOME_ACCEPTED &&
                        (worst == NULL || outcome == BUS_OUTCOME_UNAVAILABLE);
        worst = is_worse ? &sending->slots[i] : worst;
    }
    if (worst == NULL) {
        sending->done(sending->exchange, sending->replies, sending->context);
    } else if (sending->replies[worst->at].outcome == BUS_OUTCOME_UNAVAILABLE) {
        exchange_error(sending->exchange, 503, "unavailable", "not stored now, send it again: %s",
                       worst->reason.text);
    } else {
        exchange_error(sending->exchange, 400, "rejected", "%s", worst->reason.text);
    }
}

static void slot_done(struct slot *slot)
{
    if (atomic_fetch_sub(&slot->sending->left, 1) == 1) {
        finish(slot->sending);
    }
}

static void slot_fail(struct slot *slot, err_t err, const struct detail *detail)
{
    slot_set(slot, &(struct bus_reply){.outcome = BUS_OUTCOME_UNAVAILABLE,
                                       .reason = bytes_of_text(detail_or_text(detail, err))});
}

enum { REPLY_ARENA_BYTES = 64 << 10 };

static void on_answer(void *context, err_t err, struct bytes wire)
{
    struct slot *slot = context;
    struct detail detail = {0};
    struct bus_reply reply;
    struct arena arena;
    arena_init(&arena, REPLY_ARENA_BYTES);
    if (err_is_ok(err)) {
        err = bus_reply_unpack(wire, &arena, &detail, &reply);
    }
    if (err_is_ok(err)) {
        slot_set(slot, &reply);
    } else {
        slot_fail(slot, err, &detail);
    }
    arena_fini(&arena);
    slot_done(slot);
}

static void slot_send(struct slot *slot, const struct bus_message *message)
{
    struct exchange *exchange = slot->sending->exchange;
    struct buf wire;
    buf_init(&wire, LIMIT_BUS_BYTES);
    err_t err = bus_message_pack(message, exchange_arena(exchange), &wire);
    if (err_is_ok(err)) {
        err = bus_client_send(exchange_api(exchange)->bus, buf_bytes(&wire), on_answer, slot);
    }
    buf_fini(&wire);
    if (!err_is_ok(err)) {
        slot_fail(slot, err, &(struct detail){0});
        slot_done(slot);
    }
}

void event_send(struct exchange *exchange, const struct bus_message *messages, size_t count,
                event_done_fn *done, void *context)
{
    struct arena *arena = exchange_arena(exchange);
    struct sending *sending = arena_zero(arena, 1, sizeof *sending);
    struct bus_reply *replies = arena_zero(arena, count + 1, sizeof *replies);
    struct slot *slots = arena_zero(arena, count + 1, sizeof *slots);
    if (sending == NULL || replies == NULL || slots == NULL) {
        exchange_fail(exchange, FAIL(NO_SPACE), &(struct detail){0});
        return;
    }
    sending->exchange = exchange;
    sending->done = done;
    sending->context = context;
    sending->count = count;
    sending->replies = replies;
    sending->slots = slots;
    /* One more than the messages: the last answer may come before the last message is sent. */
    atomic_init(&sending->left, count + 1);
    for (size_t i = 0; i < count; i++) {
        slots[i] = (struct slot){.sending = sending, .at = i};
        slot_send(&slots[i], &messages[i]);
    }
    if (atomic_fetch_sub(&sending->left, 1) == 1) {
        finish(sending);
    }
}

void event_done_empty(struct exchange *exchange, const struct bus_reply *replies, void *context)
{
    (void)replies;
    (void)context;
    exchange_bytes(exchange, 200, "application/json", bytes_of_text("{\"data\":{}}"));
}

static int compare_keys(const void *left, const void *right)
{
    return match_key_compare(left, right);
}

size_t event_keys_sort(struct match_key *keys, size_t count)
{
    size_t kept = 0;
    qsort(keys, count, sizeof *keys, compare_keys);
    for (size_t i = 0; i < count; i++) {
        if (kept == 0 || compare_keys(&keys[kept - 1], &keys[i]) != 0) {
            keys[kept++] = keys[i];
        }
    }
    return kept;
}
