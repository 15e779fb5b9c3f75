/* bounded: a call that may never return, because a library has a fault, waited for so long and no longer.
 *
 * `fn` runs on a thread of its own. When it has not returned after `ms` the call gives false and leaves it behind:
 * `context` and all that hangs on it belong to it for ever. Without a thread `fn` runs on the caller's, without a bound.
 * Thread: any. */
#ifndef CALLTRACE_PROTO_BASE_BOUNDED_H
#define CALLTRACE_PROTO_BASE_BOUNDED_H

#include <stdbool.h>
#include <stdint.h>

bool bounded_call(void (*fn)(void *context), void *context, int64_t ms);

#endif
