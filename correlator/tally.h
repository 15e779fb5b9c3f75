/* tally: a thread that counts what the spans of a conversation say all together: turns, the slowest of them, errors. A
 * list of calls then never decodes a span.
 *
 * A conversation is due when its traces have been quiet for quiet_s, or, while spans keep coming, again_s after the
 * last time. It works under an advisory lock, so that of several correlators one does it at a time, and rests three
 * times as long as it worked: a quarter of one processor at most. What it writes is derived; a lost tally is counted
 * again. It also announces what it counted, and now and then nothing, so that listeners notice lost announcements.
 *
 * Bounds: TALLY_SPANS_MAX spans and TALLY_BYTES_MAX bytes of a conversation; the first that came are counted.
 * Owner thread: its own; tally_* from main. */
#ifndef CALLTRACE_CORRELATOR_TALLY_H
#define CALLTRACE_CORRELATOR_TALLY_H

#include <stdint.h>

#include "proto/base/err.h"
#include "proto/base/limits.h"

struct bus_server;
struct tally;

enum {
    TALLY_SPANS_MAX = LIMIT_DISPLAY_SPANS,
    TALLY_BYTES_MAX = 128 << 20,
};

struct tally_options {
    const char *conninfo;      /* kept */
    struct bus_server *server; /* kept */
    uint64_t quiet_s;
    uint64_t again_s;
    uint64_t sealed_after_s; /* seal_quiet_s: what is sealed is found by its traces */
};

/* Errors: MEMORY, SYSTEM. */
FALLIBLE tally_start(const struct tally_options *options, struct tally **ret_tally);
/* Before the bus closes. NULL is fine. */
void tally_stop(struct tally *tally);

#endif
