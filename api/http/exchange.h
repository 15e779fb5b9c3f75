/* exchange: one request with its answer, as the api's resources see it.
 *
 * The route table (api/http/routes.def) names for every method and path its function, scope, body limit
 * and pool:
 *
 *     ROUTE(POST, "/v1/call", rest_call_create, WRITE, LIMIT_REST_BODY, WORK)
 *     ROUTE(GET, "/v1/call/{id}", rest_call_get, READ, 0, READ)
 *
 * A route function runs on a thread of its pool with the body complete and the key checked. It ends by
 * one exchange_* answer function, at once or later (after a bus answer) from any thread; afterwards the
 * exchange is gone. WORK threads do processor work and never wait; READ threads may wait for Postgres
 * through exchange_db.
 *
 * Owner: the route function until it answered. All memory of an answer comes from exchange_arena. */
#ifndef CALLTRACE_API_EXCHANGE_H
#define CALLTRACE_API_EXCHANGE_H

#include <jansson.h>

#include "proto/base/arena.h"
#include "proto/base/id.h"
#include "proto/http/http.h"

struct api;      /* the daemon: configuration, bus, key cache (api/api.h) */
struct db;       /* schema/db.h */
struct key_hash; /* api/http/key_cache.h */

enum api_scope {
    API_SCOPE_NONE = 0, /* no key needed: only /health and /openapi.yaml */
    API_SCOPE_INGEST = 1,
    API_SCOPE_READ = 2,
    API_SCOPE_WRITE = 4,
    API_SCOPE_MANAGE = 8,
    API_SCOPE_ANY = 16, /* any valid key */
    /* No key of ours: the route function checks a signature itself, and answers 401 when it does not fit. */
    API_SCOPE_SIGNED = 32,
};

struct exchange;

typedef void exchange_fn(struct exchange *exchange);

/* --- the request ---------------------------------------------------------------------------------- */
struct api *exchange_api(struct exchange *exchange);
struct http_request *exchange_http(struct exchange *exchange);
struct arena *exchange_arena(struct exchange *exchange);
struct uuid exchange_project(const struct exchange *exchange);
struct uuid exchange_key(const struct exchange *exchange);
/* The key's hash as it is stored: a secret that every api of the installation shares. NULL: a session asks. */
const struct key_hash *exchange_key_hash(const struct exchange *exchange);
unsigned exchange_scopes(const struct exchange *exchange);
/* The n-th {placeholder} of the route's path, percent-decoded; never NULL for one that the route has. */
const char *exchange_path_part(const struct exchange *exchange, size_t n);
/* This READ thread's connection, in a read-only session. Errors: DB_AWAY. */
FALLIBLE exchange_db(struct exchange *exchange, struct db **ret_db);

/* --- answers: each ends the exchange ---------------------------------------------------------------- */

/* Takes `json` (the whole body, for example {"data": ...}); NULL means out of memory: 503. */
void exchange_json(struct exchange *exchange, unsigned status, json_t *json);
/* `body` lives in the arena or is constant. */
void exchange_bytes(struct exchange *exchange, unsigned status, const char *content_type,
                    struct bytes body);
void exchange_answer(struct exchange *exchange, const struct http_answer *answer);
/* The same for a body that was made for this answer (free_body is mem_free, free_context the body): packed with
 * gzip when it is long and the client takes that. Has room for two headers less. */
void exchange_answer_packed(struct exchange *exchange, const struct http_answer *answer);
/* An answer without an end, see http_stream_begin. Errors: MEMORY; then the exchange is still to be answered. */
FALLIBLE exchange_stream(struct exchange *exchange, const struct http_answer *head,
                         size_t bytes_max, struct http_stream **ret_stream);

/* {"code": code, "message": message} with the status; 503 carries Retry-After: 1, 409 x-should-retry: false. */
__attribute__((format(printf, 4, 5))) void exchange_error(struct exchange *exchange,
                                                          unsigned status, const char *code,
                                                          const char *format, ...);
/* The status that the error's class asks for, detail's sentence. */
void exchange_fail(struct exchange *exchange, err_t err, const struct detail *detail);

#endif
