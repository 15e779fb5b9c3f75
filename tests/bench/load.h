/* load: the state of one run of the load generator: what was asked for, what was sent, what was
 * acknowledged. Owner thread: main, the only one. */
#ifndef CALLTRACE_TESTS_BENCH_LOAD_H
#define CALLTRACE_TESTS_BENCH_LOAD_H

#include "tests/bench/encode.h"
#include "tests/bench/fail.h"
#include "tests/bench/http_client.h"
#include "tests/bench/samples.h"
#include "tests/bench/shape.h"

struct calls;
struct senders;

struct load_options {
    struct http_options http;
    struct shape shape; /* with what the command line says otherwise */
    enum encoding encoding;
    unsigned seconds;         /* that count */
    unsigned warmup_s;        /* before them */
    unsigned connections;     /* for exports */
    unsigned api_connections; /* for creating calls and looking at them */
    unsigned rate;        /* spans a second of all senders by the clock; 0: the shape's period */
    unsigned ahead;       /* exports that are made before the clock starts */
    unsigned read_traces; /* read back at most so many, evenly spread; 0: all */
    unsigned exports;     /* of each sender; 0: until the time is over */
    unsigned seed;
    const char *sample; /* NULL, or the file for a sample of what must be stored */
};

struct trace_state {
    uint16_t first;          /* the first span that is sent at all */
    uint16_t acked;          /* spans acknowledged, from the first on */
    struct mono_ns due;      /* when its last export so far ought to be sent */
    struct mono_ns acked_at; /* of the last span; 0 before */
};

struct load {
    struct load_options options;
    struct recipe recipe;
    struct http_client *http;
    struct calls *calls;
    struct senders *senders;
    struct trace_state *traces;
    size_t traces_count;
    size_t traces_room;
    struct mono_ns begin; /* what is due from here to the deadline counts */
    struct mono_ns deadline;
    uint64_t spans_acked;        /* in all */
    uint64_t spans_counted;      /* acknowledged between begin and deadline */
    uint64_t exports_counted;    /* the same */
    uint64_t exports_late;       /* sent later than due, because the one before was not answered */
    struct samples export_ms;    /* from due to answered */
    struct samples oversleep_ms; /* from due to sent while the connection was free */
    double load_cpu_s;           /* of this process, between begin and deadline */
    struct {
        uint64_t traces;
        uint64_t spans;
        uint64_t missing; /* acknowledged and not there */
        uint64_t wrong;   /* there and not as sent */
        double seconds;
    } read;
};

static inline bool load_counts(const struct load *load, struct mono_ns due)
{
    return due.ns >= load->begin.ns && due.ns < load->deadline.ns;
}

#endif
