/* role: `role login NAME`: lets one of the roles that migrate makes (schema/grants.sql) log in. What an operator would
 * otherwise say to Postgres by hand. Thread: the process' only one. */
#ifndef CALLTRACE_API_ADMIN_ROLE_H
#define CALLTRACE_API_ADMIN_ROLE_H

#include "proto/base/err.h"

struct task;

/* With --password-file the role gets that password, else it keeps what it has: peer or certificates may let it in.
 * Errors: BAD_VALUE (no such role), SYSTEM (the file), DB_AWAY, DB_REFUSED. */
FALLIBLE admin_role_login(struct task *task);

#endif
