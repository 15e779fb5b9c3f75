/* key: the commands about a project's API keys. A key is printed once, when it is made. Each change leaves a line in the
 * audit. Thread: the process' only one. */
#ifndef CALLTRACE_API_ADMIN_KEY_H
#define CALLTRACE_API_ADMIN_KEY_H

#include "proto/base/err.h"

struct task;

/* Errors: BAD_VALUE (options), NOT_FOUND (the project or key), DB_AWAY, DB_REFUSED; the task's detail says. */
FALLIBLE admin_key_create(struct task *task);
FALLIBLE admin_key_list(struct task *task);
FALLIBLE admin_key_revoke(struct task *task);

/* A new key with the name and scopes of an old one, which works until --grace is over. */
FALLIBLE admin_key_rotate(struct task *task);

#endif
