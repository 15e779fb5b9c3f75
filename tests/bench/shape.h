/* shape: what the load generator sends, made from a seed. Everything follows from a recipe, a trace's
 * number and a span's number, so that nothing has to be kept: the same bytes can be made again to check
 * what was stored.
 *
 * A trace is one call. Its spans are numbered in the order in which they are sent; their parents come as
 * LiveKit's agents make them. Thread: any, once recipe_init is done. */
#ifndef CALLTRACE_TESTS_BENCH_SHAPE_H
#define CALLTRACE_TESTS_BENCH_SHAPE_H

#include "proto/base/buf.h"

enum { ROOM_BYTES = 16, SHAPE_TRACE_SPANS_MAX = 1000, SHAPE_SPAN_BYTES_MAX = 1 << 20 };

struct recipe;

/* Adds one span's protobuf message, without a tag. */
typedef void span_fn(const struct recipe *recipe, uint64_t trace, unsigned index, struct buf *out);

struct shape {
    const char *name;
    span_fn *span;
    unsigned export_spans; /* in one export */
    unsigned open_traces;  /* that a sender mixes in its exports */
    unsigned piece_spans;  /* of one trace in one export */
    unsigned trace_spans;
    unsigned period_ms; /* from one export of a sender to its next; 0: as soon as it is answered */
    bool is_one_connection; /* a trace has a connection of its own, closed after its last span */
    unsigned starts_midway; /* 1: a sender's first trace begins with any of its exports */
    bool is_call_late;      /* a call is created only when its trace is whole */
    unsigned call_every;    /* every so many traces one gets a call; 0: none */
};

/* By its name; NULL when there is none. */
const struct shape *shape_find(const char *name);

struct fleet;

struct recipe {
    const struct shape *shape;
    uint64_t seed;
    int64_t start_ns;    /* when the first span of every trace starts, since 1970 */
    struct fleet *fleet; /* owned; NULL unless the shape needs it */
};

/* Keeps shape. False when out of memory. */
bool recipe_init(struct recipe *recipe, const struct shape *shape, uint64_t seed, int64_t start_ns);
void recipe_fini(struct recipe *recipe);

/* A number that follows from seed, trace and `what`. */
uint64_t recipe_draw(const struct recipe *recipe, uint64_t trace, uint64_t what);

/* splitmix64: good enough to spread ids and words. */
uint64_t recipe_mix(uint64_t value);

void recipe_trace_id(const struct recipe *recipe, uint64_t trace, uint8_t ret_id[16]);

/* The room's SID, the key by which trace and call are linked: "RM_" and 12 characters, with NUL. */
void recipe_room(const struct recipe *recipe, uint64_t trace, char ret_room[ROOM_BYTES]);

/* What every span begins with: ids, name, times. A `parent` of its own index means none. */
void recipe_span_head(const struct recipe *recipe, uint64_t trace, unsigned index, unsigned parent,
                      const char *name, struct buf *out);

/* What every span ends with. */
void recipe_span_tail(struct buf *out);

/* Adds a resource_spans field with `count` spans of one trace, from span number `first` on. `scratch`
 * is emptied and used. */
void recipe_piece(const struct recipe *recipe, uint64_t trace, unsigned first, unsigned count,
                  struct buf *scratch, struct buf *out);

#endif
