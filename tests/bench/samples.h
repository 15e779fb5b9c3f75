/* samples: a growing list of numbers and its quantiles. Owner thread: the caller's. */
#ifndef CALLTRACE_TESTS_BENCH_SAMPLES_H
#define CALLTRACE_TESTS_BENCH_SAMPLES_H

#include <stddef.h>

struct samples {
    /* private */
    double *values;
    size_t count;
    size_t room;
};

void samples_fini(struct samples *samples);

/* Ends the process when out of memory. */
void samples_add(struct samples *samples, double value);

/* The value below which `share` (0 to 1) of them lie; 0 when there are none. Sorts them. */
double samples_at(struct samples *samples, double share);

#endif
