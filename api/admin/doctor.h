/* doctor: prints what lately arrived in a project, and why what did not match did not: the set-up check for people.
 * Reads only. Outside texts are printed as doctor_plain writes them, so that no terminal obeys them.
 *
 * Thread: the process' only one. */
#ifndef CALLTRACE_API_ADMIN_DOCTOR_H
#define CALLTRACE_API_ADMIN_DOCTOR_H

#include "proto/base/err.h"

struct task;

enum {
    /* Unmatched traces, and calls, that are told one by one. */
    ADMIN_DOCTOR_ROWS = 20,
    ADMIN_DOCTOR_SINCE_S_DEFAULT = 600,
};

/* doctor --project NAME [--since 90s|10m|2h|1d]. Errors: BAD_VALUE, NOT_FOUND, those of the db, NO_SPACE, MEMORY. */
FALLIBLE admin_doctor(struct task *task);

#endif
