/* What db.c (connections, statements) and db_rows.c (what they answered) share; with them the only code that includes
 * libpq. Included by nothing else. Owner thread: that of the db. */
#ifndef CALLTRACE_DB_PRIVATE_H
#define CALLTRACE_DB_PRIVATE_H

#include "schema/db.h"

enum {
    /* Postgres counts from 2000-01-01. */
    DB_EPOCH_S = 946684800,
};

struct pg_result; /* libpq's PGresult */

struct db_rows {
    struct pg_result *result;
    int row; /* -1 before the first */
    int count;
};

#endif
