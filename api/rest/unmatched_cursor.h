/* unmatched_cursor: where a page of GET /v1/unmatched goes on: the time in nanoseconds, and the id as hex digits behind its
 * side's letter. PURE. Thread: any. */
#ifndef CALLTRACE_REST_UNMATCHED_CURSOR_H
#define CALLTRACE_REST_UNMATCHED_CURSOR_H

#include "api/doctor/unmatched.h"
#include "api/rest/cursor.h"

/* NULL: no space. */
const char *unmatched_cursor_write(const struct unmatched_place *place, struct arena *arena);

/* False: it is no cursor of this list. */
bool unmatched_cursor_read(const struct cursor *cursor, struct unmatched_place *ret_place);

#endif
