/* migrate: brings a database to this program's schema, forward only.
 *
 * The files schema/migrations/NNNN_name.sql are part of the program. Each runs once, in order, in a
 * transaction of its own with its row in table `migration`; an advisory lock keeps two runs apart. Then
 * schema/grants.sql makes the roles and says what each may do. */
#ifndef CALLTRACE_MIGRATE_H
#define CALLTRACE_MIGRATE_H

#include "proto/base/err.h"

struct db;

struct migrate_result {
    unsigned applied; /* migrations, now */
    bool has_roles;   /* false: this user may not make them; detail says what Postgres said */
};

/* Runs what is missing. Errors: DB_AWAY, DB_REFUSED. */
FALLIBLE migrate_run(const char *conninfo, struct detail *detail,
                     struct migrate_result *ret_result);

/* Fails with DB_REFUSED when the database is older than this program needs; detail says what to run. A
 * newer one is fine: migrations are made so that the previous version keeps working. */
FALLIBLE migrate_check(struct db *db, struct detail *detail);

#endif
