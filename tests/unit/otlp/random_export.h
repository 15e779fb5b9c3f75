/* random_export: exports of every shape that a sender could make, the same for the same seed. Thread: any. */
#ifndef CALLTRACE_TESTS_RANDOM_EXPORT_H
#define CALLTRACE_TESTS_RANDOM_EXPORT_H

#include "tests/unit/otlp/make.h"

struct random {
    uint64_t state;
    bool goes_deep; /* some values about as deep as allowed, on either side */
};

/* 0 to limit - 1. */
uint32_t random_below(struct random *random, uint32_t limit);

/* Appends an ExportTraceServiceRequest that generated code reads whole; ids may be wrong. */
void random_export(struct random *random, struct make *make);

/* Damages it: octets changed, left out, put in, repeated, cut. */
void random_damage(struct random *random, struct buf *octets);

#endif
