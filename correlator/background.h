/* background: a thread with a connection of its own that does one kind of work which one correlator does at a time,
 * whatever fails on the way.
 *
 * The work is called every pause_ms while this connection holds the advisory lock; the lock goes with the connection, so
 * that another correlator takes over when this one goes. The work keeps nothing that is not in Postgres: it may be cut
 * short anywhere, and is called again.
 *
 * Owner thread: its own; background_start and background_stop from main. */
#ifndef CALLTRACE_CORRELATOR_BACKGROUND_H
#define CALLTRACE_CORRELATOR_BACKGROUND_H

#include "schema/db.h"

struct background;

struct background_options {
    const char *name;     /* kept; stands in logs and in pg_stat_activity */
    const char *conninfo; /* kept */
    unsigned statement_timeout_ms;
    enum stmt session; /* what a new connection is told */
    enum stmt lock;    /* gives whether the lock was taken */
    int64_t pause_ms;
    err_t (*work)(void *context, struct background *background, struct detail *detail);
    void *context; /* kept */
};

/* Errors: MEMORY, SYSTEM. */
FALLIBLE background_start(const struct background_options *options,
                          struct background **ret_background);
/* Waits for the work to end. NULL is fine. */
void background_stop(struct background *background);

/* --- for the work itself ------------------------------------------------------------------------------ */

struct db *background_db(struct background *background);
bool background_is_stopping(const struct background *background);

/* Rests so long after work that began at `began` that it takes `share_percent` of the time at most. */
void background_rest(struct background *background, struct mono_ns began, uint64_t share_percent);

#endif
