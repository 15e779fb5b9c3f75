/* decode: what an OTLP request's head says about its body, and the body inflated. Thread: any. */
#ifndef CALLTRACE_API_INGEST_DECODE_H
#define CALLTRACE_API_INGEST_DECODE_H

#include "proto/http/coding.h"

enum ingest_encoding {
    INGEST_ENCODING_OTHER = 0, /* neither of OTLP's two: 415 */
    INGEST_ENCODING_PROTOBUF,
    INGEST_ENCODING_JSON,
};

/* Of a Content-Type, parameters ignored; NULL is OTHER. */
enum ingest_encoding ingest_encoding_of(const char *content_type);

/* "application/x-protobuf" or "application/json" (also for OTHER), exact. */
const char *ingest_content_type(enum ingest_encoding encoding);

/* Undoes a Content-Encoding (NULL, identity, gzip with any number of members, deflate in zlib's form). The
 * result borrows from `body` or from `out`, whose maximum is the limit. Errors: BAD_VALUE (an unknown
 * encoding), MALFORMED, TRUNCATED, TOO_LARGE, MEMORY; detail says. */
FALLIBLE ingest_inflate(struct inflater *inflater, const char *content_encoding, struct bytes body,
                        struct buf *out, struct detail *detail, struct bytes *ret_body);

#endif
