/* admin: the plain HTTP listener of a daemon for its operator: GET /ready and GET /metrics, meant for
 * loopback. Both daemons use it.
 *
 * GET /ready answers 200 {"ready":true} or 503 {"ready":false,"missing":["..."]}; GET /metrics the
 * Prometheus text format. The callbacks run on the listener's thread and must not block. */
#ifndef CALLTRACE_HTTP_ADMIN_H
#define CALLTRACE_HTTP_ADMIN_H

#include "proto/base/buf.h"

struct http_admin;

struct http_admin_options {
    const char *address; /* "127.0.0.1:9464" */
    /* Calls http_admin_missing for each thing that is not there yet. */
    void (*on_ready)(void *context, struct buf *missing);
    /* Sets gauges that are read rather than counted, before the table is rendered. May be NULL. */
    void (*on_metrics)(void *context);
    void *context;
};

/* Gives a listening admin server. Errors: as http_server_start. */
FALLIBLE http_admin_start(const struct http_admin_options *options, struct detail *detail,
                          struct http_admin **ret_admin);

/* From on_ready: "postgres", "correlator", ... */
void http_admin_missing(struct buf *missing, const char *what);

unsigned http_admin_port(const struct http_admin *admin);

/* NULL is fine. */
void http_admin_stop(struct http_admin *admin);

#endif
