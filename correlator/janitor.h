/* janitor: a thread with a connection of its own that keeps the house: tells whether Postgres is there and
 * migrated, makes tomorrow's partitions, empties the pending lists of the search index so that no insert has
 * to, and sweeps: ends calls of integrations whose end never came.
 *
 * Owner thread: its own; janitor_* from main and the admin listener. */
#ifndef CALLTRACE_CORRELATOR_JANITOR_H
#define CALLTRACE_CORRELATOR_JANITOR_H

#include <stdint.h>

#include "proto/base/err.h"

struct janitor;

struct janitor_options {
    const char *conninfo;    /* kept */
    uint64_t room_empty_s;   /* everybody left a room so long ago: its call is ended */
    uint64_t call_silence_s; /* nothing was heard of a call for so long: it is ended */
};

/* Errors: MEMORY, SYSTEM. */
FALLIBLE janitor_start(const struct janitor_options *options, struct janitor **ret_janitor);
/* NULL is fine. */
void janitor_stop(struct janitor *janitor);

/* Postgres answers, has this program's schema and a partition for today; else the detail says what it lacks. Thread: any. */
bool janitor_is_ready(struct janitor *janitor, struct detail *ret_detail);

/* It was asked and did not answer; false before the first look. Thread: any. */
bool janitor_finds_postgres_away(struct janitor *janitor);

#endif
