#include "api/rest/buckets.h"

#include "proto/base/clock.h"

#include "proto/base/banned.h"

enum { MINUTE = 60, HOUR = 60 * MINUTE, DAY = 24 * HOUR };

/* In milliseconds. The last one cuts all the time that 64 bits of nanoseconds hold. */
static const int64_t lengths_ms[] = {
    1,
    10,
    100,
    MS_PER_S,
    INT64_C(5) * MS_PER_S,
    INT64_C(10) * MS_PER_S,
    INT64_C(30) * MS_PER_S,
    INT64_C(1000) * MINUTE,
    INT64_C(1000) * 5 * MINUTE,
    INT64_C(1000) * 10 * MINUTE,
    INT64_C(1000) * 30 * MINUTE,
    INT64_C(1000) * HOUR,
    INT64_C(1000) * 3 * HOUR,
    INT64_C(1000) * 6 * HOUR,
    INT64_C(1000) * 12 * HOUR,
    INT64_C(1000) * DAY,
    INT64_C(1000) * 7 * DAY,
    INT64_C(1000) * 30 * DAY,
    INT64_C(1000) * 365 * DAY,
    INT64_C(1000) * 3650 * DAY,
};

int64_t buckets_number(int64_t length, int64_t at)
{
    return at / length - (at % length < 0);
}

struct buckets buckets_cut(int64_t from, int64_t to)
{
    uint64_t span = (uint64_t)to - (uint64_t)from;
    size_t i = 0;
    while (i + 1 < sizeof lengths_ms / sizeof lengths_ms[0] &&
           span / BUCKETS_MAX >= (uint64_t)(lengths_ms[i] * NS_PER_MS)) {
        i++;
    }
    struct buckets buckets = {.length = lengths_ms[i] * NS_PER_MS};
    buckets.first = buckets_number(buckets.length, from);
    buckets.count = (size_t)(buckets_number(buckets.length, to - 1) - buckets.first) + 1;
    return buckets;
}

int64_t buckets_start(const struct buckets *buckets, size_t n)
{
    int64_t start = 0;
    if (__builtin_mul_overflow(buckets->first + (int64_t)n, buckets->length, &start)) {
        return INT64_MIN;
    }
    return start;
}
