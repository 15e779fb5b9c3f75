/* live: GET /v1/live, the correlators' announcements as server-sent events, for each project its own.
 *
 *     the bus -> ring of the project -> every LIVE_DEAL_MS to all its listeners
 *
 * A project's announcements are kept (ring.h) from its first listener on, and for LIVE_KEPT_S after the last one left.
 * A listener hears: `ready` or, after Last-Event-ID, what it missed; then call, trace, link, key; `refetch` when something
 * may have been lost; `end` when its key no longer holds; a comment every LIVE_COMMENT_MS while nothing else comes.
 *
 * Bounds: listeners of a project and in all (configuration), LIVE_PROJECTS_MAX rings of RING_EVENTS, LIVE_BYTES_MAX
 * unread bytes of a listener, who is cut off beyond that. Thread: any; one thread inside deals. */
#ifndef CALLTRACE_API_LIVE_H
#define CALLTRACE_API_LIVE_H

#include "api/http/exchange.h"

enum {
    LIVE_DEAL_MS = 200,
    LIVE_COMMENT_MS = 15000,
    LIVE_KEY_MS = 1000,      /* each listener's key is asked for this often */
    LIVE_UNKNOWN_MS = 60000, /* Postgres may be away for so long */
    LIVE_KEPT_S = 300,
    LIVE_PROJECTS_MAX = 256,
    LIVE_BYTES_MAX = 256 << 10,
};

struct live;

struct live_options {
    struct api *api; /* kept */
    size_t listeners_max;
    size_t listeners_per_project_max;
};

/* Errors: MEMORY, SYSTEM. */
FALLIBLE live_start(const struct live_options *options, struct live **ret_live);

/* Ends every stream and the thread; later requests are refused. Before the listeners' servers stop. NULL is fine. */
void live_stop(struct live *live);
void live_free(struct live *live);

/* bus_client_options' callbacks; the context is the live. */
void live_announced(void *context, struct bytes wire);
void live_lost(void *context);

size_t live_listeners(struct live *live);

/* GET /v1/live */
exchange_fn live_get;

#endif
