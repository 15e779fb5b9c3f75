/* mend: a JSON body as jansson can take it, and single values of it as they came. PURE.
 *
 * jansson refuses a whole body for a lone surrogate, U+0000 in a key, an integer beyond 64 bits or a number beyond
 * a double, all of which clients send inside texts and properties. The body itself is kept and given back
 * byte for byte; what calltrace reads goes through this copy, in which those few stand replaced: U+FFFD, a real
 * number, the greatest double.
 *
 * Thread: any. */
#ifndef CALLTRACE_REST_MEND_H
#define CALLTRACE_REST_MEND_H

#include "proto/base/buf.h"

enum {
    /* Objects and arrays around a value: entries with properties of properties stay far below. */
    MEND_DEPTH_MAX = 64,
    /* Values of one body: jansson takes 300 octets for a `{}` of two. As many utterances and tool invocations as
     * a create may have stay below. */
    MEND_VALUES_MAX = 250000,
};

/* Appends the mended copy, at most twice the input. Errors: MALFORMED, TRUNCATED, NOT_UTF8, TOO_DEEP, TOO_MANY
 * (detail says where), TOO_LARGE and MEMORY of `out`. */
FALLIBLE mend_body(struct bytes body, struct buf *out, struct detail *detail);

struct mend_field {
    const char *name;
    struct bytes value; /* its JSON as it came; len 0: there is none */
};

/* Fills the values of these fields of the top object, in one pass; none when the body is no object. Of a repeated
 * name the first counts. */
void mend_pick(struct bytes body, struct mend_field *fields, size_t count);

/* The same over several bodies, one on a line: what an earlier one has counts, and what `fields` have already. */
void mend_pick_lines(struct bytes lines, struct mend_field *fields, size_t count);

/* Whether mending leaves a JSON text (with its quotes) as it is. */
bool mend_is_exact(struct bytes text);

#endif
