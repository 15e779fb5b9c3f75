/* encode: an export as it goes over the wire. Owner thread: the caller's. */
#ifndef CALLTRACE_TESTS_BENCH_ENCODE_H
#define CALLTRACE_TESTS_BENCH_ENCODE_H

#include "proto/base/buf.h"

enum encoding {
    ENCODING_PROTOBUF = 0,
    ENCODING_JSON,
    ENCODING_GZIP, /* protobuf in gzip */
};

struct encoder;

/* NULL when out of memory. */
struct encoder *encoder_new(enum encoding encoding);
void encoder_free(struct encoder *encoder);

/* What the requests' heads say; the second is NULL without Content-Encoding. */
const char *encoder_type(const struct encoder *encoder);
const char *encoder_content(const struct encoder *encoder);

/* Writes the export, whose protobuf bytes are given, into `out`, which must be empty, and which gets just
 * the memory that it needs. Errors: MEMORY; those of proto/otlp/view. */
FALLIBLE encoder_write(struct encoder *encoder, struct bytes protobuf, struct buf *out);

#endif
