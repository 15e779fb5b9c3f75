/* json: OTLP/JSON of an ExportTraceServiceRequest -> its protobuf bytes, in one bounded pass.
 *
 * Keys are lowerCamelCase, unknown ones are ignored, of duplicates the later counts. Ids are hex of
 * either case, bytesValue is base64, enums are integers, 64-bit integers are texts or numbers, also in
 * exponent form. What today's exporters send and the wire has a form for is kept: an integer beyond int64
 * becomes a double, `"doubleValue": null` NaN, a negative time its 64 bits, a lone surrogate three octets
 * (jsonread.h). A null elsewhere counts as absent.
 *
 * A span that has a value of a wrong type is left out by itself and counted; a wrong type around the
 * spans is an error of the whole body.
 *
 * Thread: any; no state. */
#ifndef CALLTRACE_OTLP_JSON_H
#define CALLTRACE_OTLP_JSON_H

#include "proto/base/buf.h"

struct json_rejected {
    uint32_t spans_count;
    struct detail first; /* about the first of them */
};

/* Appends to `out`. Errors: MALFORMED, TRUNCATED, NOT_UTF8 or TOO_DEEP with a sentence that names the place;
 * TOO_LARGE or MEMORY from `out`. */
FALLIBLE json_to_protobuf(struct bytes json, struct buf *out, struct detail *detail,
                          struct json_rejected *ret_rejected);

#endif
