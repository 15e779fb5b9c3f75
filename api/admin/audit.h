/* audit: prints who changed what of a project's keys and settings, the oldest first. Only reads.
 * Thread: the process' only one. */
#ifndef CALLTRACE_API_ADMIN_AUDIT_H
#define CALLTRACE_API_ADMIN_AUDIT_H

#include "proto/base/err.h"

struct task;

/* One line a change; --since looks so far back, without it everything is shown. Errors: BAD_VALUE, NOT_FOUND, DB_AWAY,
 * DB_REFUSED. */
FALLIBLE admin_audit(struct task *task);

#endif
