/* route: which function answers which method and path. The table is routes.def:
 *
 *     ROUTE(METHOD, "/path/{placeholder}", function, SCOPE, body limit in bytes, POOL)
 *
 * Paths are compared segment by segment on the raw path, each segment decoded for itself, so that an encoded
 * slash stays inside its segment. The first row that fits wins. HEAD is answered by GET's row.
 *
 * Thread: any; the table is constant. */
#ifndef CALLTRACE_API_ROUTE_H
#define CALLTRACE_API_ROUTE_H

#include "api/http/exchange.h"

enum route_pool {
    ROUTE_POOL_WORK = 0, /* processor work, never waits */
    ROUTE_POOL_READ,     /* may wait for Postgres */
    ROUTE_POOL_COUNT,
};

enum { ROUTE_SEGMENTS_MAX = 8, ROUTE_PARTS_MAX = 3 };

struct route {
    enum http_method method;
    const char *path;
    exchange_fn *fn;
    enum api_scope scope;
    size_t body_bytes_max;
    enum route_pool pool;
};

struct route_match {
    const struct route *route;          /* NULL: none for this method */
    const char *parts[ROUTE_PARTS_MAX]; /* what stands for the placeholders */
    unsigned methods; /* bits 1 << enum http_method that the path has; 0: no such path */
};

/* Errors: NO_SPACE. */
FALLIBLE route_find(const struct route *routes, size_t count, struct arena *arena,
                    enum http_method method, const char *raw_path, struct route_match *ret_match);

/* "GET, HEAD, POST" for the bits of route_match; NULL when the arena is full. */
const char *route_allow(struct arena *arena, unsigned methods);

/* The api's table (routes.def). */
const struct route *route_table(size_t *ret_count);

#endif
