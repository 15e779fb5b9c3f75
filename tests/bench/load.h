/* load: the state of one run of the load generator: what was asked for, what was sent, what was
 * acknowledged. Owner thread: main, the only one. */
#ifndef CALLTRACE_TESTS_BENCH_LOAD_H
#define CALLTRACE_TESTS_BENCH_LOAD_H

#include "tests/bench/http_client.h"
#include "tests/bench/samples.h"
#include "tests/bench/spans.h"

enum { LOAD_TRACE_SPANS_MAX = 500 }; /* a recipe draws the numbers of a trace in blocks of 512 */

struct calls;

struct load_options {
    struct http_options http;
    unsigned seconds;
    unsigned connections;     /* for exports */
    unsigned api_connections; /* for creating calls and looking at them */
    unsigned export_spans;
    unsigned trace_spans;
    unsigned words;
    unsigned call_every; /* every so many traces one gets a call; 0: none */
    unsigned seed;
    const char *sample; /* NULL, or the file for a sample of what must be stored */
};

struct trace_state {
    const void *lane; /* the sender of all its spans, which goes in order */
    uint16_t sent;    /* spans sent and acknowledged, from the first on */
    uint16_t acked;
    struct mono_ns acked_at; /* of the last span */
};

struct load {
    struct load_options options;
    struct recipe recipe;
    struct http_client *http;
    struct calls *calls;
    struct trace_state *traces;
    size_t traces_count;
    size_t traces_room;
    struct mono_ns started;
    struct mono_ns deadline;
    struct mono_ns ended; /* the last export's answer */
    uint64_t spans_acked;
    uint64_t exports;
    uint64_t export_bytes;
    struct samples export_ms;
    double load_cpu_s;
    struct {
        uint64_t traces;
        uint64_t spans;
        uint64_t missing; /* acknowledged and not there */
        uint64_t wrong;   /* there and not as sent */
        double seconds;
    } read;
};

/* Says why and ends the process with code 1. */
__attribute__((noreturn)) void load_fail(const char *why);

#endif
