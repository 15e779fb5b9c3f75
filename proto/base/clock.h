/* clock: the only place that reads a clock. Two kinds of time that the compiler keeps apart: mono_ns for
 * waits and durations, unix_ns for what is stored and shown. Read once per unit of work, at the edge,
 * and hand `now` down. Thread: any. */
#ifndef CALLTRACE_CLOCK_H
#define CALLTRACE_CLOCK_H

#include <stddef.h>
#include <stdint.h>

struct mono_ns {
    int64_t ns; /* since an arbitrary start */
};

struct unix_ns {
    int64_t ns; /* since 1970-01-01T00:00:00Z, without leap seconds; may be negative */
};

enum { NS_PER_MS = 1000000, MS_PER_S = 1000 };
#define NS_PER_S INT64_C(1000000000)

struct mono_ns clock_mono(void);
struct unix_ns clock_unix(void);

static inline int64_t mono_ms_between(struct mono_ns earlier, struct mono_ns later)
{
    return (later.ns - earlier.ns) / NS_PER_MS;
}

static inline struct mono_ns mono_after_ms(struct mono_ns start, int64_t ms)
{
    return (struct mono_ns){.ns = start.ns + ms * NS_PER_MS};
}

/* Sleeps; a signal may end it early. */
void clock_sleep_ms(int64_t ms);

enum { RFC3339_BYTES = 40 };

/* "2026-01-02T03:04:05.678Z" with `decimals` 0 to 9 digits. Writes a NUL-terminated text. */
void unix_to_rfc3339(struct unix_ns at, unsigned decimals, char ret_text[RFC3339_BYTES]);

#include "proto/base/bytes.h"

/* Reads ISO 8601 as clients write it: date, T or space, time, optional fraction (digits beyond
 * nanoseconds are dropped), Z or an offset; without either it is UTC; a date alone is midnight. Years 1
 * to 9999 as the calendar has them; what does not fit 64-bit nanoseconds (before 1677, after 2262) and
 * everything else is refused with false. */
bool unix_from_rfc3339(struct bytes text, struct unix_ns *ret_at);

#endif
