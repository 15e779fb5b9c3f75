/* opened: a stored trace opened for one answer. Its memory is its own, because it may take much and for a short time
 * only.
 *
 *     struct opened opened;
 *     if (!opened_init(exchange, &opened)) { return; }       answered 400, 404, ...
 *     ... opened.view ...
 *     opened_fini(&opened);
 *
 * Owner thread: the exchange's. The view borrows from the arena. */
#ifndef CALLTRACE_REST_OPENED_H
#define CALLTRACE_REST_OPENED_H

#include "proto/base/clock.h"
#include "proto/otlp/view.h"

struct exchange;

struct opened {
    struct arena arena;
    struct view view;
    struct trace_id id;
    bool has_root;
    struct unix_ns last_seen;
};

/* The trace that the first part of the path names. False: answered; nothing is held. */
bool opened_init(struct exchange *exchange, struct opened *opened);
void opened_fini(struct opened *opened);

/* The span that the second part of the path names. NULL: answered. */
const struct otlp_span *opened_span(struct exchange *exchange, const struct opened *opened);

#endif
