/* janitor: a thread with a connection of its own that keeps the house: tells whether Postgres is there and
 * migrated, makes tomorrow's partitions, and empties the pending lists of the search index so that no insert
 * has to.
 *
 * Owner thread: its own; janitor_* from main and the admin listener. */
#ifndef CALLTRACE_CORRELATOR_JANITOR_H
#define CALLTRACE_CORRELATOR_JANITOR_H

#include "proto/base/err.h"

struct janitor;

/* Errors: MEMORY, SYSTEM. */
FALLIBLE janitor_start(const char *conninfo, struct janitor **ret_janitor);
/* NULL is fine. */
void janitor_stop(struct janitor *janitor);

/* Postgres answers, has this program's schema and a partition for today. Thread: any. */
bool janitor_is_ready(const struct janitor *janitor);

#endif
