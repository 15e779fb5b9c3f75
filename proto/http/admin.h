/* admin: the plain HTTP listener of a daemon for its operator: GET /ready and GET /metrics, meant for
 * loopback. Both daemons use it.
 *
 * GET /ready answers 200 {"ready":true}, or 503 {"ready":false,"missing":["postgres"],"words":{"postgres":"..."}}: each
 * thing that is missing, and a sentence about it. `words` stands in a 200, too, when something is away that can be done
 * without. GET /metrics answers the Prometheus text format. The callbacks run on the listener's thread and must not block. */
#ifndef CALLTRACE_HTTP_ADMIN_H
#define CALLTRACE_HTTP_ADMIN_H

#include "proto/base/buf.h"

struct http_admin;

struct http_ready;

struct http_admin_options {
    const char *address; /* "127.0.0.1:9464" */
    /* Calls http_ready_missing for each thing that is not there yet, http_ready_note for what can be done without. */
    void (*on_ready)(void *context, struct http_ready *ready);
    /* Sets gauges that are read rather than counted, before the table is rendered. May be NULL. */
    void (*on_metrics)(void *context);
    void *context;
};

/* Gives a listening admin server. Errors: as http_server_start. */
FALLIBLE http_admin_start(const struct http_admin_options *options, struct detail *detail,
                          struct http_admin **ret_admin);

/* From on_ready: "postgres", and what is the matter with it, in words for the operator. */
__attribute__((format(printf, 3, 4))) void
http_ready_missing(struct http_ready *ready, const char *what, const char *format, ...);
__attribute__((format(printf, 3, 4))) void
http_ready_note(struct http_ready *ready, const char *what, const char *format, ...);

unsigned http_admin_port(const struct http_admin *admin);

/* NULL is fine. */
void http_admin_stop(struct http_admin *admin);

#endif
