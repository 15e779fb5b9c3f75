/* fleet: the spans of a live voice call of 60 turns, as @livekit/agents 1.9 sends them: 817 spans and
 * 4.5 MB, of which nine tenths are the conversation so far, repeated by every request to the model.
 *
 * A few conversations are written once; each call shows one of them, with ids of its own. Spans are
 * numbered in the order in which they end, innermost first and the session last. Thread: any, once
 * fleet_new is done; spans only read. */
#ifndef CALLTRACE_TESTS_BENCH_FLEET_H
#define CALLTRACE_TESTS_BENCH_FLEET_H

#include "tests/bench/shape.h"

enum { FLEET_CALL_SPANS = 817, FLEET_TURNS = 60 };

struct fleet;

/* NULL when out of memory. */
struct fleet *fleet_new(uint64_t seed);
void fleet_free(struct fleet *fleet);

span_fn fleet_span;

#endif
