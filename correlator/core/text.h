/* text: PURE. Makes octets that came from outside into what a Postgres text column takes. Thread: any. */
#ifndef CALLTRACE_CORE_TEXT_H
#define CALLTRACE_CORE_TEXT_H

#include "proto/base/arena.h"

enum { TEXT_SUMMARY_BYTES = 1024 }; /* of a name in a summary; the whole stands in the segment */

/* The text itself when it fits, else a copy in the arena: cut on a character's border, NUL and (when it is
 * not UTF-8) every octet beyond ASCII as '?'. Errors: NO_SPACE. */
FALLIBLE text_for_summary(struct bytes text, struct arena *arena, struct bytes *ret_text);

#endif
