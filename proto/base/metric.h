/* metric: counters, gauges and histograms of a process, declared as rows of a .def table:
 *
 *     METRIC(id, kind, "calltrace_name_total", "label=\"value\"", "help text")
 *
 * kind is COUNTER, GAUGE, SECONDS (a histogram of durations) or AMOUNT (one of bytes or things). Rows of one name stand together. The
 * daemon expands its table into an enum and a metric_row array and registers it once at start.
 * Rendered as Prometheus text format 0.0.4.
 *
 * Thread: any; cells are relaxed atomics. */
#ifndef CALLTRACE_METRIC_H
#define CALLTRACE_METRIC_H

#include "proto/base/buf.h"

enum metric_kind {
    METRIC_KIND_COUNTER = 0,
    METRIC_KIND_GAUGE,
    METRIC_KIND_SECONDS,
    METRIC_KIND_AMOUNT,
};

struct metric_row {
    const char *name;
    const char *labels; /* without braces; may be empty */
    const char *help;
    enum metric_kind kind;
};

/* Registers the process' table: keeps `rows`. Once, before threads; fails with MEMORY only. */
FALLIBLE metric_start(const struct metric_row *rows, size_t count);

/* Frees the cells; after all threads are gone. */
void metric_stop(void);

/* Without metric_start (unit tests) all of these do nothing. */
void metric_add(size_t id, uint64_t more);
void metric_set(size_t id, int64_t value);
void metric_seconds(size_t id, int64_t duration_ns);
void metric_amount(size_t id, uint64_t amount);
int64_t metric_value(size_t id);

/* Appends the whole table. */
void metric_render(struct buf *out);

#endif
