/* meeting: a call's keys in Redis before its commit, and its look after it. What a create and an event of an
 * integration have in common; the statements between are theirs. Looks of several calls are one transaction
 * (store_look). Part of the store; owner thread: the writer's. */
#ifndef CALLTRACE_CORRELATOR_MEETING_H
#define CALLTRACE_CORRELATOR_MEETING_H

#include "correlator/core/decide.h"
#include "correlator/store.h"

struct meeting {
    struct store *store;
    struct uuid project;
    struct call_key *keys; /* of the call, sorted */
    size_t keys_count;
    /* private to meeting.c */
    struct meet *meets; /* one of each key; op MEET_NONE where Redis is not asked */
    bool was_met;
    struct uuid call;     /* once it is committed */
    struct meeting *next; /* that waits for its look */
};

/* `keys` are kept. Errors: NO_SPACE. */
FALLIBLE meeting_init(struct meeting *meeting, struct store *store, struct uuid project,
                      struct call_key *keys, size_t count);

/* One operation for each key that Redis knows; Redis may be away. */
void meeting_turn(struct meeting *meeting, enum meet_op op, struct uuid call);

/* Undoes the claims of a call that did not commit. A claim that stays is found out by Postgres. */
void meeting_release(struct meeting *meeting, struct uuid call);

/* The call is committed with these keys: Redis hears of it if it thought otherwise, and the call waits for
 * store_look. Errors: NO_SPACE. */
FALLIBLE meeting_end(const struct meeting *meeting, struct uuid call);

/* Kinds and values as two array parameters. Errors: NO_SPACE. */
FALLIBLE meeting_pack(const struct meeting *meeting, struct db_value ret_values[2]);

#endif
