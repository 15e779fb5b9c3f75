/* spans: the voice calls that the load generator sends. Everything follows from a recipe and a trace's
 * number, so that nothing has to be kept: the same bytes can be made again to check what was stored.
 *
 * A trace is one call: a session span, then turns of user_turn, agent_turn, llm_node, tts_node and
 * function_tool with the attributes that LiveKit's agents write. Thread: any. */
#ifndef CALLTRACE_TESTS_BENCH_SPANS_H
#define CALLTRACE_TESTS_BENCH_SPANS_H

#include "proto/base/buf.h"

enum { ROOM_BYTES = 16 };

struct recipe {
    uint64_t seed;
    int64_t start_ns; /* when the first span of every trace starts, since 1970 */
    unsigned words;   /* length of the spoken texts */
};

void recipe_trace_id(const struct recipe *recipe, uint64_t trace, uint8_t ret_id[16]);

/* The room's SID, the key by which trace and call are linked: "RM_" and 12 characters, with NUL. */
void recipe_room(const struct recipe *recipe, uint64_t trace, char ret_room[ROOM_BYTES]);

/* Adds the span's protobuf message, without a tag. */
void recipe_span(const struct recipe *recipe, uint64_t trace, unsigned index, struct buf *out);

/* Adds a resource_spans field with `count` spans of one trace, from span number `first` on. `scratch`
 * is emptied and used. */
void recipe_export(const struct recipe *recipe, uint64_t trace, unsigned first, unsigned count,
                   struct buf *scratch, struct buf *out);

#endif
