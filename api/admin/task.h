/* task: one run of an administration command, and the steps that several commands share.
 *
 * Thread: the process' only one. Texts of the options borrow from the command line. */
#ifndef CALLTRACE_API_ADMIN_TASK_H
#define CALLTRACE_API_ADMIN_TASK_H

#include "api/admin/options.h"
#include "schema/db.h"

struct task {
    struct db *db; /* NULL for migrate */
    const char *conninfo;
    const char *secrets_key_file; /* empty: none */
    struct admin_options options;
    struct detail detail;
};

/* Gives `err` back and says what an administrator can do about it. `if_taken` may be NULL. */
FALLIBLE task_explain(struct task *task, err_t err, const char *if_taken);

/* The project of --project: by name, else by id. Errors: NOT_FOUND, BAD_VALUE. */
FALLIBLE task_project_find(struct task *task, struct uuid *ret_id);

/* "90s", "10m", "2h", "1d": from `least` seconds to TASK_SECONDS_MAX; NULL leaves *ret_s as it is. `option` names it for
 * people. Errors: BAD_VALUE. */
enum { TASK_SECONDS_MAX = 30 * 86400 };
FALLIBLE task_seconds_read(const char *option, const char *text, int64_t least,
                           struct detail *detail, int64_t *ret_s);

/* To stdout, which admin_run looks at once at the end. */
void task_print_text(struct bytes text);
/* "  label=TIME", nothing for NULL. */
void task_print_time(const struct db_rows *rows, int column, const char *label);

#endif
