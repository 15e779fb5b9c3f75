/* secret_take: somebody else's secret on its way into a row: typed at a terminal without echo, read from standard input
 * and sealed, or left in a file (--secret-file) whose path is kept. It is never printed.
 *
 * Thread: the process' only one. */
#ifndef CALLTRACE_API_ADMIN_SECRET_TAKE_H
#define CALLTRACE_API_ADMIN_SECRET_TAKE_H

#include <limits.h>

#include "api/integrations/secret.h"
#include "schema/db.h"

struct task;

/* What stands in the two columns of the secret: one of them. */
struct secret_stored {
    struct secret_sealed sealed;
    char path[PATH_MAX];
    bool is_file;
};

struct secret_taking {
    const char *what;      /* "API secret of APIx", for who types it */
    struct bytes bound_to; /* the row, see secret.h */
    /* May refuse a secret that cannot be one; NULL: any can. */
    err_t (*check)(const struct secret *secret, void *context, struct detail *detail);
    void *context;
};

/* Errors: BAD_VALUE, SYSTEM, BAD_CONFIG, and those of the check; the task's detail says. */
FALLIBLE secret_take(struct task *task, const struct secret_taking *taking,
                     struct secret_stored *ret_stored);

/* The two columns: the sealed secret, the path. */
void secret_stored_values(const struct secret_stored *stored, struct db_value ret_values[2]);

/* "  secret=sealed" or "  secret_file=PATH" of a list's row, to stdout. */
void secret_stored_print(const struct db_rows *rows, int column_of_path);

#endif
