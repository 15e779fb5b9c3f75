/* api: the daemon's parts, put together by serve and handed to whoever answers a request.
 *
 * Lifetime: everything here is made before the first request and outlives the last one. Frozen after
 * api_start; the parts lock themselves. Thread: any. */
#ifndef CALLTRACE_API_API_H
#define CALLTRACE_API_API_H

#include <pthread.h>
#include <stdatomic.h>

#include "api/conf.h"
#include "api/http/key_cache.h"
#include "api/http/pool.h"
#include "api/http/route.h"
#include "api/integrations/secret.h"
#include "api/tracing/tracing.h"
#include "proto/bus/bus.h"
#include "schema/db.h"

struct http_server;
struct pages;
struct http_admin;
struct livekit_keys;
struct live;

enum api_listener {
    API_LISTENER_HTTPS = 0,
    API_LISTENER_HTTP, /* everything, for a proxy in front */
    API_LISTENER_PAGES, /* the pages and what they read, for a browser on this machine that does not know the CA */
    API_LISTENER_COUNT,
};

/* What a listener's handlers get. */
struct door {
    struct api *api;
    bool is_pages_only;
};

/* Two threads wait for nobody but Postgres: READ answers reads, AUTH looks up keys, so that slow reads never
 * hold up an export. */
struct api {
    const struct api_conf *conf;
    const struct route *routes;
    size_t routes_count;
    struct db_options read_db;
    struct db_options auth_db;
    struct bus_client *bus;
    struct live *live;
    struct pool *pools[ROUTE_POOL_COUNT];
    struct pool *auth;
    struct key_cache *keys;
    size_t share_bytes_max; /* bytes in flight of one key */
    struct rate_limits key_limits;
    _Atomic size_t
        signed_inflight_bytes; /* of all requests that carry a signature instead of one */
    struct livekit_keys *livekit_keys;
    struct pool *fetchers;         /* wait for strangers' servers; NULL: nothing is fetched */
    struct secret_key secrets_key; /* seals the secrets of others; may not be there */
    _Atomic bool is_ending;        /* nothing new is begun that may take seconds */
    _Atomic bool is_db_up;
    _Atomic bool is_db_away;      /* not its opposite before the first look */
    _Atomic bool is_schema_known; /* the database is as new as this program */
    struct door doors[API_LISTENER_COUNT];
    struct http_server *servers[API_LISTENER_COUNT]; /* NULL: not asked for */
    struct pages *pages;                             /* NULL: none were built */
    struct http_admin *admin;
    struct tracing *tracing; /* NULL: off */
    enum request_log request_log;
    /* private to api.c: the housekeeper, which looks after Postgres and the certificate and tells of used keys */
    pthread_t housekeeper;
    bool has_housekeeper;
    bool has_looked;      /* the housekeeper's: what it finds first is told, too */
    pthread_mutex_t lock; /* guards the rest */
    pthread_cond_t wake;
    bool is_stopping;
    struct detail db_words; /* what the housekeeper heard last of Postgres */
};

static inline struct bus_client *api_bus(const struct api *api)
{
    return api->bus;
}

static inline const struct api_conf *api_conf(const struct api *api)
{
    return api->conf;
}

/* Starts everything, in this order: metrics' gauges, key cache, live, bus, pools, housekeeper, listeners,
 * admin listener. `api` is the caller's and keeps `conf` and `routes`. On failure what was started is stopped.
 * Errors: BAD_CONFIG, SYSTEM, MEMORY; detail says. */
FALLIBLE api_start(struct api *api, const struct api_conf *conf, const struct route *routes,
                   size_t routes_count, struct detail *detail);

/* Reads the HTTPS listener's certificate anew, as happens by itself within a second after its files changed. Logs what
 * came of it. Thread: any. */
void api_renew(struct api *api);

/* Stops accepting, then waits until what is in flight is answered, at most `ms_max` or until `is_hurried` says
 * so; it is asked every few milliseconds. */
void api_drain(struct api *api, int64_t ms_max, bool (*is_hurried)(void));

/* After api_drain, or at once: whatever is left is answered with 503. */
void api_stop(struct api *api);

#endif
