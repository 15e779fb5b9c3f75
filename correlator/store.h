/* store: one writer's connections and what it remembers; the transactions of an export and of a create
 * (writer.h tells their ways).
 *
 * Each store_* call begins with an empty work arena, unless calls wait for their look; what it gives back lives there
 * until the next one.
 * Owner thread: one. */
#ifndef CALLTRACE_CORRELATOR_STORE_H
#define CALLTRACE_CORRELATOR_STORE_H

#include "correlator/core/plan.h"
#include "correlator/memo.h"
#include "schema/db.h"
#include "schema/redis/rendezvous.h"

enum {
    /* Keys that need no further look: 64 bytes of hash and place each, a million traces' worth in one writer. */
    STORE_LOOKED = 1 << 17,
    STORE_WORDS = 1 << 15,
    STORE_ARENA_BYTES = 512 << 20,
    STORE_NEWS_MAX = 4096,
};

struct meeting;

/* What is announced after the reply. */
struct news {
    struct bus_announcement *items; /* of the work arena */
    size_t count;
    size_t room;
};

struct store_options {
    const char *conninfo;
    struct rendezvous_options redis;
    bool look;
};

struct store {
    /* private to store*.c */
    struct db *db;
    struct rendezvous *redis;
    bool look;
    _Atomic bool has_redis;
    struct mono_ns arrived; /* the work at hand: set by its owner, for the time to link */
    bool
        has_met; /* Redis was asked before: its absence is told once, also when it was never there */
    struct arena work;
    struct memo looked; /* keys committed and looked at on this connection */
    struct memo words;  /* words that stand in the table */
    struct news news;
    struct meeting
        *looks; /* calls that wait for their look, of the work arena, the last one first */
};

/* Errors: MEMORY. */
FALLIBLE store_init(struct store *store, const struct store_options *options);
void store_fini(struct store *store);

/* Commits and looks. Errors: DB_AWAY, COMMIT_UNKNOWN (try again, or unavailable), DB_REFUSED (see
 * store_is_bad_message), NO_SPACE. */
FALLIBLE store_spans(struct store *store, const struct bus_message *const *messages, size_t count,
                     struct detail *detail);

/* Commits, and fills the reply (which borrows from the message). A call that is accepted waits for store_look: until
 * then it is not to be answered. Errors: as above. */
FALLIBLE store_call(struct store *store, const struct bus_call *call, struct detail *detail,
                    struct bus_reply *ret_reply);

/* Looks at all calls that wait, in one transaction, and puts them into the news; when it fails they go on waiting.
 * Errors: as above. */
FALLIBLE store_look(struct store *store, struct detail *detail);
/* None waits any more: whoever sent them is told to come again. */
void store_forget_looks(struct store *store);

/* Merges what an integration tells of a call: commits and looks. The same event twice changes nothing. Errors: as
 * above. */
FALLIBLE store_event(struct store *store, const struct bus_call_event *event, struct detail *detail,
                     struct bus_reply *ret_reply);

FALLIBLE store_key_use(struct store *store, const struct bus_message *message,
                       struct detail *detail);

/* Makes, rotates or revokes an API key, with a line of the audit. The reply's id is the key's, or nil: there is no such key
 * that is not revoked yet. Errors: as above. */
FALLIBLE store_key_change(struct store *store, const struct bus_key_change *change,
                          struct detail *detail, struct bus_reply *ret_reply);

/* Whether the last failure left a connection. */
bool store_is_connected(const struct store *store);

/* After DB_REFUSED: the data itself was refused (SQLSTATE classes 22 and 23), for ever. */
bool store_is_bad_message(const struct store *store);

/* After DB_REFUSED: a segment has no partition; store_make_partition makes it. */
bool store_lacks_partition(const struct store *store);
FALLIBLE store_make_partition(struct store *store, struct detail *detail);

/* --- between the store's own files -------------------------------------------------------------------- */

/* Empties the work arena and makes sure of a connection; a new one forgets what was looked at. */
FALLIBLE store_begin(struct store *store, struct detail *detail);

/* One rendezvous turn. False when Redis is away; that is counted and no error. */
bool store_meet(struct store *store, struct meet *meets, size_t count);

struct skipped {
    struct uuid project;
    struct trace_id trace;
    uint64_t spans_count; /* dropped now */
};

/* The transaction that skips: locks the traces, marks them, removes their segments and links. */
FALLIBLE store_skip(struct store *store, struct skipped *list, size_t count, struct detail *detail);

/* Puts every (project, conversation, trace) of the rows into the news; gives how many. */
size_t store_news_links(struct store *store, struct db_rows *rows);
void store_news(struct store *store, const struct bus_announcement *item);

/* Ends the pipeline; `queued` is what queueing its statements gave, and an open pipeline that could not be
 * filled is closed with its connection. The results are to be given to store_results_free. */
FALLIBLE store_end(struct store *store, err_t queued, struct detail *detail,
                   struct db_rows ***ret_results, size_t *ret_count);
void store_results_free(struct db_rows **results, size_t count);

#endif
