/* admin: the commands that change projects and keys: migrate, project create|list, key create|list|revoke|rotate, role
 * login; and audit and doctor, which only look. They talk to Postgres themselves, need no running daemon, and print results on stdout,
 * sentences on stderr. */
#ifndef CALLTRACE_API_ADMIN_H
#define CALLTRACE_API_ADMIN_H

#include "proto/base/err.h"

enum {
    ADMIN_EXIT_FINE = 0,
    ADMIN_EXIT_FAILED = 1,
    ADMIN_EXIT_USAGE = 2,
};

/* Runs the command that the words begin with. False when there is none of that name. */
bool admin_run(int argc, const char *const *words, int *ret_code);

#endif
