/* buckets: how a range of time is cut for a histogram: lengths that people read, at most BUCKETS_MAX and one more for
 * what the alignment cuts. Buckets begin at multiples of their length since 1970, UTC. PURE. Thread: any. */
#ifndef CALLTRACE_REST_BUCKETS_H
#define CALLTRACE_REST_BUCKETS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { BUCKETS_MAX = 60 };

struct buckets {
    int64_t length; /* ns */
    int64_t first;  /* number of the first: its start divided by the length */
    size_t count;
};

/* For times from `from`, inclusive, to `to`, exclusive, which is greater. */
struct buckets buckets_cut(int64_t from, int64_t to);

/* The number of the bucket that a time falls into. */
int64_t buckets_number(int64_t length, int64_t at);

/* The start of the n-th bucket; the first may begin before the least time, which is then said instead. */
int64_t buckets_start(const struct buckets *buckets, size_t n);

#endif
