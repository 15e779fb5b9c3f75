/* decide: PURE. What a create is answered, from the facts that its transaction left; which keys a call
 * holds and how they stand in the table. No I/O, clock, threads or log. */
#ifndef CALLTRACE_CORE_DECIDE_H
#define CALLTRACE_CORE_DECIDE_H

#include "proto/base/arena.h"
#include "proto/bus/message.h"

/* A row of conversation_key to be written. A unique kind has the nil UUID as slot, so that the primary key
 * allows one holder; a key of kind `trace` may belong to several calls: its slot is the call. */
struct call_key {
    struct match_key key;
    struct uuid slot;
};

/* Of the call `id`. Sorted by (kind, value), which is the order of locks; each key once. Errors: NO_SPACE. */
FALLIBLE call_keys_make(struct uuid id, const struct match_key *keys, size_t count,
                        struct arena *arena, struct call_key **ret_keys, size_t *ret_count);

/* The two advisory locks under which one request is one: the request's hash, and that of the
 * Idempotency-Key. In ascending order; gives how many (1 or 2). */
size_t call_locks_make(const struct bus_call *call, int64_t ret_locks[2]);

/* What the transaction read at its end. */
struct create_facts {
    /* The call that answers this request: its own row, or the one that an earlier try made. */
    bool has_call;
    struct uuid call_id;
    struct unix_ns call_created;
    bool is_other_body; /* that try had the same Idempotency-Key and another body */
    /* A key of this request that another committed call holds. */
    bool has_holder;
    struct match_key held;
    struct uuid holder;
};

/* Fills outcome, conversation and created, or the conflict. An Idempotency-Key stands for one body: with
 * another it is rejected. Neither a call nor a holder means that the
 * holder went away meanwhile: unavailable, the client sends again. */
void create_decide(const struct create_facts *facts, struct bus_reply *ret_reply);

#endif
