/* fold: texts compared without the case of ASCII letters, as searches of the explorer compare them. Other letters
 * count as they are: Postgres and this program must agree on every octet. PURE. Thread: any. */
#ifndef CALLTRACE_REST_FOLD_H
#define CALLTRACE_REST_FOLD_H

#include "proto/base/arena.h"

/* Where `needle` first stands in `text`; false: nowhere. An empty needle stands everywhere. */
bool fold_find(struct bytes text, struct bytes needle, size_t *ret_at);

/* The beginning of a text, at most so many octets and never half a character. */
struct bytes fold_begin(struct bytes text, size_t bytes_max);
/* The same from its end. */
struct bytes fold_end(struct bytes text, size_t bytes_max);

#endif
