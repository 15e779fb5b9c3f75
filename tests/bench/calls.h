/* calls: creates a call for every so many traces and watches until it shows its trace.
 *
 * Every other call is created while its trace's spans are under way, the others after them, so that
 * either side comes first; of the shape fleet all come after them. Two times, both until the answer of the
 * first read that shows the trace: to link, from when the later of the two sides (the create and the trace's
 * last export) was due; to show, from when both were acknowledged. Owner thread: the load generator's. */
#ifndef CALLTRACE_TESTS_BENCH_CALLS_H
#define CALLTRACE_TESTS_BENCH_CALLS_H

#include <stdint.h>

#include "proto/base/clock.h"
#include "tests/bench/samples.h"

struct calls;
struct load;

struct calls_result {
    uint64_t created;
    uint64_t counted; /* of them while it counts */
    uint64_t linked;
    uint64_t lost; /* acknowledged on both sides and never shown */
};

/* Keeps load, whose http client exists already. NULL when out of memory. */
struct calls *calls_new(struct load *load);
void calls_free(struct calls *calls);

/* `due`: when the export with its first span was. */
void calls_trace_begins(struct calls *calls, uint64_t trace, struct mono_ns due);
void calls_trace_acked(struct calls *calls, uint64_t trace);

/* Gives work to idle connections; returns how many steps are still to be done. */
unsigned calls_move(struct calls *calls);

struct calls_result calls_result(const struct calls *calls);

/* Of the calls whose later side was due while it counts; borrowed. */
struct samples *calls_link_ms(struct calls *calls);
struct samples *calls_show_ms(struct calls *calls);

#endif
