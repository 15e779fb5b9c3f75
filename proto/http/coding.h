/* coding: HTTP's content codings; the only code that includes libdeflate.
 *
 * Thread: any; an inflater belongs to one thread at a time. */
#ifndef CALLTRACE_HTTP_CODING_H
#define CALLTRACE_HTTP_CODING_H

#include "proto/base/buf.h"

enum {
    /* Shorter bodies go out as they are: they fit one TCP segment either way. */
    CODING_BYTES_MIN = 1 << 10,
};

/* Does an Accept-Encoding (NULL: none) let us send gzip? Weights count only as zero or not; what cannot be
 * read counts as no. */
bool coding_accepts_gzip(const char *accept_encoding);

/* Gives `plain` as one gzip member (mem_free). NULL: out of memory, or it would not be shorter. */
uint8_t *coding_gzip(struct bytes plain, size_t *ret_len);

enum coding_format {
    CODING_GZIP = 0, /* one member */
    CODING_ZLIB,     /* what HTTP calls deflate */
};

struct inflater;

/* Gives one; NULL when out of memory. */
struct inflater *inflater_new(void);
void inflater_free(struct inflater *inflater);

/* Appends to `out`, whose maximum is the limit, what one member or stream at the front of `in` holds, and
 * tells how much of `in` that was. Errors: MALFORMED, TOO_LARGE, MEMORY. */
FALLIBLE inflater_run(struct inflater *inflater, enum coding_format format, struct bytes in,
                      struct buf *out, size_t *ret_taken);

#endif
