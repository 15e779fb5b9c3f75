/* unmatched: the traces of a project that no call has, and its calls and chats without a trace, newest first, each
 * with the doctor's reason. Reads Postgres only; works in batches, each statement bounded and by index.
 *
 *     struct unmatched_walk walk;
 *     unmatched_init(&walk, db, &query);
 *     while (err_is_ok(err = unmatched_next(&walk, &detail, &row)) && row != NULL) { ... }
 *     if (unmatched_is_cut(&walk)) { place = unmatched_place(&walk); go on from there another time }
 *     unmatched_fini(&walk);
 *
 * A walk is one transaction of the connection, from the first row to unmatched_fini.
 *
 * Limits: one walk looks at UNMATCHED_WALK_ROWS times UNMATCHED_WALKS linked and unlinked rows of a side at most, and
 * opens UNMATCHED_RAW_BYTES of spans; then it is cut. Owner thread: the db's. A row lives until the next call. */
#ifndef CALLTRACE_DOCTOR_UNMATCHED_H
#define CALLTRACE_DOCTOR_UNMATCHED_H

#include "api/doctor/doctor.h"
#include "proto/base/arena.h"
#include "proto/base/clock.h"
#include "proto/base/id.h"

struct db;
struct db_value;

enum {
    /* Rows that are diagnosed together. */
    UNMATCHED_BATCH = 20,
    /* Rows of trace or conversation that one statement walks, in search of unlinked ones; and how often. */
    UNMATCHED_WALK_ROWS = 5000,
    UNMATCHED_WALKS = 5,
    /* Raw spans that one walk opens, and of one trace; segments of a trace from which these are chosen. */
    UNMATCHED_RAW_BYTES = 128 << 20,
    UNMATCHED_TRACE_RAW_BYTES = 2 << 20,
    UNMATCHED_SEGMENTS = 16,
    /* Keys of one trace or call that are looked at. */
    UNMATCHED_KEYS = 16,
    /* Attribute names that look like a key's and are searched for. */
    UNMATCHED_NAMES = 32,
    /* Newest rows of all projects among which arrivals are sought. */
    UNMATCHED_ARRIVALS = 50000,
};

enum unmatched_what { UNMATCHED_TRACE = 1, UNMATCHED_CALL = 2 };

struct unmatched_place {
    enum unmatched_what what;
    struct unix_ns at;
    uint8_t id[16];
};

struct unmatched_query {
    struct uuid project;
    bool wants_traces;
    bool wants_calls;
    struct unix_ns now;
    struct unix_ns from; /* of a trace's start and a call's creation: from <= at < to */
    struct unix_ns to;
    bool
        is_by_arrival; /* traces that got spans since `from`, whenever they started; one batch of them */
    const struct db_value
        *traces; /* only these, an array of ids; NULL: all. The times do not count then */
    bool has_after;
    struct unmatched_place after;
};

struct unmatched {
    struct unmatched_place place; /* trace: its start; call: its creation */
    const struct match_key *keys; /* the first UNMATCHED_KEYS, without a trace's own id */
    size_t keys_count;
    struct doctor_finding finding;
    /* of a trace */
    struct unix_ns end;
    struct unix_ns first_seen;
    struct unix_ns last_seen;
    bool has_error;
    bool has_root;
    bool is_skipped;
    bool skips_rooms;
    int64_t keys_dropped;
    int64_t keys_total;
    int64_t spans;
    struct bytes service;
    struct bytes root_name;
    /* of a call or chat */
    unsigned kind;
    unsigned source;
    struct bytes title;
};

/* private */
struct unmatched_side {
    enum unmatched_what what;
    bool is_done; /* nothing lies behind the rows at hand */
    bool is_cut;  /* the bound was reached at `behind` */
    unsigned walks;
    struct unmatched_place behind; /* where the next batch begins */
    struct unmatched rows[UNMATCHED_BATCH];
    size_t count;
    size_t next;
    struct arena arena; /* of the rows at hand */
};

struct unmatched_walk {
    /* private */
    struct db *db;
    struct unmatched_query query;
    struct unmatched_side sides[2];
    struct unmatched_place place;
    bool has_begun; /* the transaction */
    bool is_cut;
    size_t raw_bytes_left;
    bool has_names;
    struct bytes names[UNMATCHED_NAMES];
    size_t names_count;
    struct arena names_arena;
};

void unmatched_init(struct unmatched_walk *walk, struct db *db,
                    const struct unmatched_query *query);
void unmatched_fini(struct unmatched_walk *walk);

/* Gives the next row; NULL behind the last, and when the walk is cut. Errors: those of the db, NO_SPACE, MEMORY. */
FALLIBLE unmatched_next(struct unmatched_walk *walk, struct detail *detail,
                        const struct unmatched **ret_row);

/* Begins and ends a transaction whose statements of the doctor go by index. The end is a rollback after an error. */
FALLIBLE unmatched_begin(struct db *db, struct detail *detail);
void unmatched_end(struct db *db);

/* Was there more than a walk may look at? */
bool unmatched_is_cut(const struct unmatched_walk *walk);
/* Behind this another walk goes on. */
struct unmatched_place unmatched_place(const struct unmatched_walk *walk);

#endif
