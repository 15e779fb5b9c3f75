/* vapi: the commands that tell how VAPI signs its messages to a project, and of which assistants the project takes
 * them. A secret is read from standard input or stands in a file; it is never printed. */
#ifndef CALLTRACE_API_ADMIN_VAPI_H
#define CALLTRACE_API_ADMIN_VAPI_H

#include "proto/base/err.h"

struct task;

FALLIBLE admin_vapi_secret_add(struct task *task);
FALLIBLE admin_vapi_secret_list(struct task *task);
FALLIBLE admin_vapi_secret_remove(struct task *task);
FALLIBLE admin_vapi_select(struct task *task);
FALLIBLE admin_vapi_unselect(struct task *task);
FALLIBLE admin_vapi_selected(struct task *task);

#endif
