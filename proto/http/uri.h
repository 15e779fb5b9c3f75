/* uri: the request target as it came on the wire, cut into path and query parameters.
 *
 * Decoding is strict: a '%' without two hex digits, an encoded NUL and anything that is not UTF-8 afterwards
 * is refused, so that nobody behind this sees two readings of one text. Dot segments are not resolved
 * and an encoded slash does not separate: routes compare raw segments (http_raw_path).
 *
 * Thread: any. Everything given lives in the arena. */
#ifndef CALLTRACE_HTTP_URI_H
#define CALLTRACE_HTTP_URI_H

#include "proto/http/http.h"

enum {
    /* More parameters than any page or client sends. */
    URI_PARAMETERS_MAX = 256,
};

struct uri {
    const char *raw_path; /* as it came, without query */
    const char *path;     /* decoded */
    struct http_parameter *parameters;
    size_t parameters_count;
};

/* Fills `*ret_uri` also when it fails, as far as it came: both paths are never NULL unless memory ran out.
 * Errors: MALFORMED, TOO_MANY (detail names which part), NO_SPACE. */
FALLIBLE uri_parse(struct arena *arena, const char *target, struct detail *detail,
                   struct uri *ret_uri);

#endif
