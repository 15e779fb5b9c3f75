/* What front.c and exchange.c share of an exchange. It lives in its request's arena and is the request's user
 * pointer from its head to its end. */
#ifndef CALLTRACE_API_EXCHANGE_PRIVATE_H
#define CALLTRACE_API_EXCHANGE_PRIVATE_H

#include "api/http/credential.h"
#include "api/http/exchange.h"
#include "api/http/pool.h"
#include "api/http/route.h"
#include "proto/http/context.h"

struct exchange {
    struct api *api;
    struct http_request *request;
    struct route_match match;
    struct credential credential;
    struct key_facts facts;
    struct key_entry *entry; /* a reference until the request is over; NULL without a key */
    struct mono_ns parked_at;
    bool is_untraced; /* sent by our own tracing */
    bool has_parent;
    struct context_parent parent; /* the caller's span */
    bool is_stream;               /* its answer has no end, so that its length tells nothing */
    struct pool_thread *thread;   /* the pool's, while its function runs on one */
};

#endif
