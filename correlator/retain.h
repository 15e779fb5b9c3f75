/* retain: a thread that keeps what is stored within bounds: removes what is older than retain_days, and closes
 * dictionaries of suggestions that grow without end.
 *
 * A trace's age is that of its first commit (trace.day): when its day is over the limit its links, keys, tags, segments
 * and row go, some hundred traces at a time, and at last the day's partition of sealed segments. Spans that come later
 * make the trace anew. Then calls and chats go that nothing was told of for so long and that no trace is linked to any
 * more, with their keys, parts and tallies: a key is then free again. So the link equation holds over what is retained.
 *
 * One correlator at a time does it (advisory lock). Each batch is one statement, so that a crash leaves whole traces and
 * whole calls; rows that somebody has locked are left for the next turn. It rests as long as it worked.
 * Owner thread: its own (background.h); retainer_* from main. */
#ifndef CALLTRACE_CORRELATOR_RETAIN_H
#define CALLTRACE_CORRELATOR_RETAIN_H

#include <stdint.h>

#include "proto/base/err.h"

struct retainer;

/* `days` 0: nothing is removed. Errors: MEMORY, SYSTEM. */
FALLIBLE retainer_start(const char *conninfo, uint64_t days, struct retainer **ret_retainer);
/* NULL is fine. */
void retainer_stop(struct retainer *retainer);

#endif
