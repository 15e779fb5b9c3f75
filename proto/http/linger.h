/* linger: connections that were answered before their request was read to its end.
 *
 * Closing such a socket makes the kernel send a reset, and a client that still writes would see a broken pipe
 * instead of the 401 or 413 that stands in its receive buffer. So a duplicate of the socket is kept, what
 * still comes is thrown away, and it is closed when the peer is done or its time is over.
 *
 * Bound: LINGER_MAX sockets; beyond that the reset happens. Thread: linger_add any; the rest the sweeper's. */
#ifndef CALLTRACE_HTTP_LINGER_H
#define CALLTRACE_HTTP_LINGER_H

#include "proto/base/clock.h"
#include "proto/base/err.h"

enum { LINGER_MAX = 256 };

struct lingerer;

/* Errors: MEMORY, SYSTEM. */
FALLIBLE linger_new(struct lingerer **ret_linger);
/* Closes all. NULL is fine. */
void linger_free(struct lingerer *linger);

/* Keeps a duplicate of the socket until `deadline`. */
void linger_add(struct lingerer *linger, int fd, struct mono_ns deadline);

/* Waits up to `wait_ms` and throws away what came meanwhile; ends those whose time is over. */
void linger_run(struct lingerer *linger, int wait_ms);

#endif
