/* tracing: calltrace's own spans, one for each request, sent as OTLP/JSON over HTTP to the operator's collector.
 *
 * A request never waits for it: tracing_add puts a span into a bounded queue, or drops and counts it when that is full. One
 * thread sends what has gathered, at most TRACING_BATCH spans at a time, every TRACING_SEND_MS; a batch that is not taken is
 * dropped and counted, because the collector of an operator may be away for a day. What it sends carries the header
 * TRACING_HEADER, and requests with that header get no span, so that calltrace may be its own collector.
 *
 * Off unless own_traces_url is set. Thread: tracing_add any; start and stop the daemon's. */
#ifndef CALLTRACE_API_TRACING_H
#define CALLTRACE_API_TRACING_H

#include "proto/base/buf.h"
#include "proto/base/clock.h"
#include "proto/http/context.h"

enum {
    TRACING_QUEUE = 2048,
    TRACING_BATCH = 512,
    TRACING_SEND_MS = 1000,
    TRACING_TIMEOUT_MS = 5000,
};

#define TRACING_HEADER "x-calltrace-own"

struct tracing;

struct tracing_options {
    const char *url;     /* kept: http or https, with its path (".../v1/traces") */
    const char *bearer;  /* kept; empty: none */
    const char *ca_file; /* kept; empty: the system's */
    uint64_t percent;    /* of the requests without a sampled parent */
};

/* A request that was answered. */
struct tracing_span {
    bool has_parent;
    struct context_parent parent;
    const char *method; /* constants, as `route` */
    const char *route;  /* "/v1/call/{callId}" */
    unsigned status;    /* 0: the client had gone */
    struct unix_ns start;
    struct unix_ns end;
    char request_id[CONTEXT_ID_CHARS_MAX + 1];
};

/* Errors: BAD_CONFIG (the address), MEMORY, SYSTEM; detail says. */
FALLIBLE tracing_start(const struct tracing_options *options, struct detail *detail,
                       struct tracing **ret_tracing);

/* Sends what waits, once, then ends the thread. NULL is fine. */
void tracing_stop(struct tracing *tracing);

/* Never blocks for the network. Spans of a parent that is not sampled are left out. */
void tracing_add(struct tracing *tracing, const struct tracing_span *span);

/* Appends an ExportTraceServiceRequest in JSON. Ids are random. PURE but for them. */
void tracing_write(const struct tracing_span *spans, size_t count, struct buf *out);

#endif
