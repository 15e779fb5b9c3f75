/* front: what stands between the listener and the route functions: finds the route, checks the key, hands the
 * request to a pool, counts.
 *
 *     head arrives -> route -> key in the cache? -> allowed? -> body is taken -> pool -> route function
 *                              not: parked, a thread of AUTH asks Postgres
 *
 * The handlers run on the listener's threads and never block. */
#ifndef CALLTRACE_API_FRONT_H
#define CALLTRACE_API_FRONT_H

#include "proto/http/http.h"

struct door;

/* Keeps the door, one for each listener (api/api.h). */
struct http_handlers front_handlers(struct door *door);

#endif
