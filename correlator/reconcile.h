/* reconcile: a thread that computes the link equation by SQL over what came lately, and the whole of it once a
 * day, and repairs what differs: zero in normal running. It works under an advisory lock, so that of several
 * correlators one does it at a time. It also removes links one side of which never came, none younger than
 * 10 minutes, and forgets the hashes of requests after 24 h.
 *
 * Owner thread: its own; reconciler_* from main. */
#ifndef CALLTRACE_CORRELATOR_RECONCILE_H
#define CALLTRACE_CORRELATOR_RECONCILE_H

#include <stdint.h>

#include "proto/base/err.h"

struct reconciler;

/* Errors: MEMORY, SYSTEM. */
FALLIBLE reconciler_start(const char *conninfo, uint64_t interval_s,
                          struct reconciler **ret_reconciler);
/* NULL is fine. */
void reconciler_stop(struct reconciler *reconciler);

#endif
