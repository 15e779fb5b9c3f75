/* http_client: many HTTP requests in flight from one thread, over kept connections. The only code of the
 * benchmark that includes libcurl.
 *
 * A lane is one connection with at most one request on it. lane_send keeps the body until the answer,
 * so the caller must not change it; the answer's callback may send the next request. A request that
 * gets no answer, 429, 502, 503 or 504 is sent again as it is after a while, as exporters do.
 * Thread: the caller's only. */
#ifndef CALLTRACE_TESTS_BENCH_HTTP_CLIENT_H
#define CALLTRACE_TESTS_BENCH_HTTP_CLIENT_H

#include "proto/base/buf.h"
#include "proto/base/clock.h"

struct http_client;
struct lane;

struct answer {
    long status;
    struct bytes body;
    struct mono_ns at;   /* when it was complete */
    struct mono_ns sent; /* when the request was sent for the first time */
};

typedef void answer_fn(struct lane *lane, void *owner, const struct answer *answer);

struct http_options {
    const char *url; /* scheme, host and port */
    const char *key;
    const char *ca; /* NULL: no HTTPS, or the system's roots */
};

/* What a request carries; `body` NULL means GET. */
struct request {
    const char *path;
    const char *type;       /* media type of the body, or what a GET accepts */
    const char *encoding;   /* Content-Encoding; NULL: none */
    const struct buf *body; /* kept until the answer */
    bool is_last;           /* the connection is closed after the answer */
};

/* The options are kept. NULL when out of memory. */
struct http_client *http_client_new(const struct http_options *options);
void http_client_free(struct http_client *client);

/* Raises the process' limit of open files, so that this many connections fit. False: it stays below. */
bool http_client_files_raise(unsigned connections);

/* A lane of the client; freed with it. NULL when out of memory. */
struct lane *lane_new(struct http_client *client, answer_fn *answered, void *owner);

void lane_send(struct lane *lane, const struct request *request);

/* Moves everything on, waiting at most until `until`. Returns how many requests are under way or waiting
 * to be sent again. */
unsigned http_client_turn(struct http_client *client, struct mono_ns until);

/* Requests that had to be sent again, and bytes of all bodies that were sent. */
uint64_t http_client_retries(const struct http_client *client);
uint64_t http_client_bytes(const struct http_client *client);

#endif
