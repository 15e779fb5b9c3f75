/* overlay: what several bodies say of one thing, put together. PURE.
 *
 * A call is told of by its create and by integrations, one body each. Most fields hold as the first body has them
 * (mend_pick_lines). `properties` are many things under one name: each of them holds so.
 *
 * Thread: any. */
#ifndef CALLTRACE_REST_OVERLAY_H
#define CALLTRACE_REST_OVERLAY_H

#include "proto/base/arena.h"

/* The objects `name` of `body` and of `lines` (bodies too, one a line) as one: each member as the first that has it
 * says. Members stand in the order in which they were found. What only one body has is given as it came. `ret_json`
 * is a view of the input or lives in the arena; its len is 0 when none has such an object. Errors: MEMORY,
 * NO_SPACE. */
FALLIBLE overlay_object(struct bytes body, struct bytes lines, const char *name,
                        struct arena *arena, struct bytes *ret_json);

#endif
