#include "api/http/rate.h"

#include "proto/base/banned.h"

static const int64_t burst_ns = (int64_t)RATE_BURST_S * NS_PER_S;

/* `count` of `per_s`, which is not 0, from `until` or now on, whichever is later. */
static struct mono_ns used(struct mono_ns until, struct mono_ns now, size_t count, uint64_t per_s)
{
    int64_t start = until.ns > now.ns ? until.ns : now.ns;
    return (struct mono_ns){start + (int64_t)((uint64_t)count * NS_PER_S / per_s)};
}

/* Until `until` lies within the burst again; 0: it does. */
static int64_t wait_ns(struct mono_ns until, struct mono_ns now)
{
    int64_t over = until.ns - now.ns - burst_ns;
    return over > 0 ? over : 0;
}

enum rate_verdict rate_ask(struct rate *rate, const struct rate_limits *limits, struct mono_ns now,
                           int64_t *ret_wait_ms)
{
    if (limits->bytes_per_s > 0 && wait_ns(rate->bytes, now) > 0) {
        *ret_wait_ms = wait_ns(rate->bytes, now) / NS_PER_MS + 1;
        return RATE_BYTES;
    }
    if (limits->requests_per_s > 0) {
        struct mono_ns until = used(rate->requests, now, 1, limits->requests_per_s);
        if (wait_ns(until, now) > 0) {
            *ret_wait_ms = wait_ns(until, now) / NS_PER_MS + 1;
            return RATE_REQUESTS;
        }
        rate->requests = until;
    }
    return RATE_FINE;
}

void rate_charge(struct rate *rate, const struct rate_limits *limits, struct mono_ns now,
                 size_t bytes)
{
    if (limits->bytes_per_s > 0) {
        rate->bytes = used(rate->bytes, now, bytes, limits->bytes_per_s);
    }
}
