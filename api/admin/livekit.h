/* livekit: the commands that tell which key pairs of LiveKit a project has. A secret is read from standard input or
 * stands in a file; it is never printed. */
#ifndef CALLTRACE_API_ADMIN_LIVEKIT_H
#define CALLTRACE_API_ADMIN_LIVEKIT_H

#include "proto/base/err.h"

struct task;

FALLIBLE admin_livekit_add(struct task *task);
FALLIBLE admin_livekit_list(struct task *task);
FALLIBLE admin_livekit_remove(struct task *task);

#endif
