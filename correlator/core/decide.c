#include "correlator/core/decide.h"

#include <stdlib.h>

#include "correlator/core/plan.h"
#include "proto/base/fault.h"

#include "proto/base/banned.h"

static int compare_call_keys(const void *left, const void *right)
{
    const struct call_key *a = left;
    const struct call_key *b = right;
    return match_key_compare(&a->key, &b->key);
}

err_t call_keys_make(struct uuid id, const struct match_key *given, size_t count,
                     struct arena *arena, struct call_key **ret_keys, size_t *ret_count)
{
    struct call_key *keys = arena_zero(arena, count, sizeof *keys);
    if (keys == NULL) {
        return FAIL(NO_SPACE);
    }
    for (size_t i = 0; i < count; i++) {
        keys[i].key = given[i];
        if (fault_is(FAULT_WRONG_KIND) && keys[i].key.kind == MATCH_KIND_EXTERNAL) {
            keys[i].key.kind = MATCH_KIND_LIVEKIT;
        }
        if (!match_kind_is_unique(keys[i].key.kind)) {
            keys[i].slot = id;
        }
    }
    qsort(keys, count, sizeof *keys, compare_call_keys);
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        if (kept == 0 || compare_call_keys(&keys[kept - 1], &keys[i]) != 0) {
            keys[kept++] = keys[i];
        }
    }
    *ret_keys = keys;
    *ret_count = kept;
    return OK;
}

static int64_t lock_of(const uint8_t hash[16], const struct uuid *project)
{
    uint8_t both[32];
    memcpy(both, hash, 16);
    memcpy(both + 16, project->b, sizeof project->b);
    return (int64_t)bytes_hash64(bytes_of(both, sizeof both), 0);
}

size_t call_locks_make(const struct bus_call *call, int64_t ret_locks[2])
{
    ret_locks[0] = lock_of(call->request_hash, &call->project);
    if (!call->has_idempotency) {
        return 1;
    }
    ret_locks[1] = lock_of(call->idempotency_hash, &call->project);
    if (ret_locks[1] < ret_locks[0]) {
        int64_t larger = ret_locks[0];
        ret_locks[0] = ret_locks[1];
        ret_locks[1] = larger;
    }
    return 2;
}

void create_decide(const struct create_facts *facts, struct bus_reply *ret_reply)
{
    struct bus_reply reply = {.outcome = BUS_OUTCOME_UNAVAILABLE};
    if (facts->has_call && facts->is_other_body) {
        reply.outcome = BUS_OUTCOME_REJECTED;
        reply.reason = bytes_of_text("this Idempotency-Key came before with another body");
    } else if (facts->has_call) {
        reply.outcome = BUS_OUTCOME_ACCEPTED;
        reply.conversation = facts->call_id;
        reply.created = facts->call_created;
    } else if (facts->has_holder) {
        reply.outcome = BUS_OUTCOME_CONFLICT;
        reply.reason = bytes_of_text("another call or chat holds this key");
        reply.conflict = facts->held;
        reply.conflict_holder = facts->holder;
    } else {
        reply.reason = bytes_of_text("the holder of a key went away meanwhile");
    }
    *ret_reply = reply;
}
