/* rate: how often, and with how many bytes, one key may come. Pure.
 *
 * Each limit is one point in time: until when what came so far has used the limit up. A key is fine while that lies at
 * most RATE_BURST_S ahead of now, so that who was silent may send that much at once, and over any longer time nobody gets
 * more than the limit. A body's bytes are known when it is there, so they are charged then, and the next request waits.
 *
 * Owner: whoever holds the lock of what it is part of (api/http/key_cache.h). */
#ifndef CALLTRACE_API_RATE_H
#define CALLTRACE_API_RATE_H

#include <stdbool.h>
#include <stddef.h>

#include "proto/base/clock.h"

enum { RATE_BURST_S = 10 };

/* 0: no such limit. */
struct rate_limits {
    uint64_t requests_per_s;
    uint64_t bytes_per_s;
};

struct rate {
    struct mono_ns requests; /* used up until */
    struct mono_ns bytes;
};

enum rate_verdict {
    RATE_FINE = 0,
    RATE_REQUESTS, /* too many of them */
    RATE_BYTES,
};

/* Is there any? Without, nobody need take a lock to ask. */
static inline bool rate_is_limited(const struct rate_limits *limits)
{
    return limits->requests_per_s > 0 || limits->bytes_per_s > 0;
}

/* May a request come now? If so it is counted, else *ret_wait_ms says when to ask again. */
enum rate_verdict rate_ask(struct rate *rate, const struct rate_limits *limits, struct mono_ns now,
                           int64_t *ret_wait_ms);

/* Its body came. `bytes` is at most a GiB or so (LIMIT_BODY_BYTES and its row), so that nothing overflows. */
void rate_charge(struct rate *rate, const struct rate_limits *limits, struct mono_ns now,
                 size_t bytes);

#endif
