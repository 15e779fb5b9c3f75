/* spans: the spans of the shapes bulk, collector and small. Thread: any; no state. */
#ifndef CALLTRACE_TESTS_BENCH_SPANS_H
#define CALLTRACE_TESTS_BENCH_SPANS_H

#include "tests/bench/shape.h"

/* About 500 bytes: a session, then turns of user_turn, agent_turn, llm_node, tts_node and function_tool
 * with the attributes that LiveKit's agents write. */
span_fn spans_livekit;

/* The same turns with two attributes a span. */
span_fn spans_small;

#endif
