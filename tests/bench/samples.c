#include "tests/bench/samples.h"

#include <stdlib.h>

#include "proto/base/mem.h"
#include "tests/bench/fail.h"

#include "proto/base/banned.h"

void samples_fini(struct samples *samples)
{
    mem_free(samples->values);
    *samples = (struct samples){0};
}

void samples_add(struct samples *samples, double value)
{
    if (samples->count == samples->room) {
        size_t room = samples->room == 0 ? 1024 : samples->room * 2;
        double *values = mem_resize(samples->values, room * sizeof(*values));
        if (values == NULL) {
            bench_fail("out of memory");
        }
        samples->values = values;
        samples->room = room;
    }
    samples->values[samples->count++] = value;
}

static int by_value(const void *left, const void *right)
{
    const double *a = left;
    const double *b = right;
    return (*a > *b) - (*a < *b);
}

double samples_at(struct samples *samples, double share)
{
    if (samples->count == 0) {
        return 0;
    }
    qsort(samples->values, samples->count, sizeof(*samples->values), by_value);
    return samples->values[(size_t)(share * (double)(samples->count - 1))];
}
