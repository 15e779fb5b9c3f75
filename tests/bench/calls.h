/* calls: creates a call for every so many traces and watches until it shows its trace.
 *
 * Every other call is created while its trace's spans are under way, the others after them, so that
 * either side comes first. The time to link runs from the later of the two answers (the call's and
 * that of the trace's last span) to the answer of the first read that shows the trace. Owner thread:
 * the load generator's. */
#ifndef CALLTRACE_TESTS_BENCH_CALLS_H
#define CALLTRACE_TESTS_BENCH_CALLS_H

#include <stdint.h>

struct calls;
struct load;

struct calls_result {
    uint64_t created;
    uint64_t linked;
    uint64_t lost; /* acknowledged on both sides and never shown */
    double p50_ms;
    double p99_ms;
    double max_ms;
};

/* Keeps load, whose http client exists already. NULL when out of memory. */
struct calls *calls_new(struct load *load);
void calls_free(struct calls *calls);

void calls_trace_begins(struct calls *calls, uint64_t trace);
void calls_trace_acked(struct calls *calls, uint64_t trace);

/* Gives work to idle connections; returns how many steps are still to be done. */
unsigned calls_move(struct calls *calls);

struct calls_result calls_result(struct calls *calls);

#endif
