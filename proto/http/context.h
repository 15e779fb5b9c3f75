/* context: what a caller says of the larger work that a request belongs to. PURE.
 *
 * `X-Request-Id` is answered and logged as it came when it is well formed, else the request gets an id of ours.
 * `traceparent` (W3C Trace Context, level 1) names the caller's trace and span, for spans of our own.
 *
 * Thread: any. */
#ifndef CALLTRACE_HTTP_CONTEXT_H
#define CALLTRACE_HTTP_CONTEXT_H

#include "proto/base/id.h"

enum { CONTEXT_ID_CHARS_MAX = 64, CONTEXT_PARENT_CHARS = 55 };

/* 1 to CONTEXT_ID_CHARS_MAX letters, digits, '-', '_', '.', ':' and '/': nothing that a log's reader or a shell would take for
 * more than a word. NULL is false. */
bool context_id_is_good(const char *text);

struct context_parent {
    struct trace_id trace;
    struct span_id span;
    bool is_sampled;
};

/* Reads the header; NULL and everything malformed is false, as the specification wants it: a request is never refused
 * for it. Versions to come are read by their first four fields. */
bool context_parent_read(const char *text, struct context_parent *ret_parent);

#endif
