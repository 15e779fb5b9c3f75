/* pool: threads behind one bounded queue. A full queue is a refusal (503), never a wait.
 *
 * Threads of a pool with `db` options may use Postgres through pool_db; each has its own connection, opened
 * when first needed and again after it broke. After a failed attempt the thread does not try again for
 * POOL_DB_REST_MS, and does not try at all while somebody who looks after Postgres says that it is away: a server that
 * swallows packets would hold each thread for seconds. So a queue of requests is refused at once.
 *
 * Owner: the queue is locked inside; a pool_thread belongs to its thread. */
#ifndef CALLTRACE_API_POOL_H
#define CALLTRACE_API_POOL_H

#include <stdatomic.h>

#include "proto/base/clock.h"
#include "schema/db.h"

enum { POOL_DB_REST_MS = 500, POOL_THREADS_MAX = 256 };

struct pool;
struct pool_thread;

typedef void pool_fn(struct pool_thread *thread, void *context);

struct pool_options {
    unsigned threads;
    size_t queue_max;
    const struct db_options *db;    /* NULL: no Postgres here; kept */
    const _Atomic bool *is_db_away; /* NULL: nobody knows; kept */
};

/* Errors: MEMORY, SYSTEM (no thread). */
FALLIBLE pool_start(const struct pool_options *options, struct pool **ret_pool);

/* False when the queue is full or the pool stops; then fn will not run. Thread: any. */
bool pool_put(struct pool *pool, pool_fn *fn, void *context);

/* Takes nothing more, runs what is queued, joins. A closed pool refuses pool_put. NULL is fine. */
void pool_close(struct pool *pool);

/* After pool_close. NULL is fine. */
void pool_free(struct pool *pool);

size_t pool_waiting(struct pool *pool);

/* This thread's connection, ready for use. Errors: DB_AWAY. */
FALLIBLE pool_db(struct pool_thread *thread, struct detail *detail, struct db **ret_db);

#endif
