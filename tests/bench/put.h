/* put: attributes of OTLP spans, written with proto/otlp/wire. Thread: any; no state. */
#ifndef CALLTRACE_TESTS_BENCH_PUT_H
#define CALLTRACE_TESTS_BENCH_PUT_H

#include "proto/base/buf.h"

/* The fields of a span and of a resource that hold attributes. */
enum { PUT_RESOURCE = 1, PUT_SPAN = 9 };

/* A KeyValue in `field`. */
void put_text(struct buf *out, uint32_t field, const char *key, struct bytes text);
void put_int(struct buf *out, uint32_t field, const char *key, uint64_t value);
void put_double(struct buf *out, uint32_t field, const char *key, double value);
void put_bool(struct buf *out, uint32_t field, const char *key, bool value);

/* A text of two pieces, one after the other. */
void put_texts(struct buf *out, uint32_t field, const char *key, struct bytes first,
               struct bytes second);

#endif
