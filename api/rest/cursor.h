/* cursor: where a list goes on: base64 of {"sortValue": text, "id": text}, as the Customer API writes it.
 *
 * A client may send anything back, so a cursor is bounded, decoded and checked like every other input. PURE.
 *
 * Limits: CURSOR_BYTES_MAX characters. Thread: any. Results borrow from the arena. */
#ifndef CALLTRACE_REST_CURSOR_H
#define CALLTRACE_REST_CURSOR_H

#include "proto/base/arena.h"

enum {
    /* The longest of ours holds a link: two ids and a key's value in hex (2,040). */
    CURSOR_BYTES_MAX = 4096,
};

struct cursor {
    struct bytes sort_value;
    struct bytes id;
};

/* NULL: no space. */
const char *cursor_write(const struct cursor *cursor, struct arena *arena);

/* Errors: BAD_VALUE (not a cursor), NO_SPACE, MEMORY. */
FALLIBLE cursor_read(const char *text, struct arena *arena, struct cursor *ret_cursor);

#endif
