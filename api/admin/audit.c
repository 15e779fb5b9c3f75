#include "api/admin/audit.h"

#include <inttypes.h>
#include <stdio.h>

#include "api/admin/task.h"

#include "proto/base/banned.h"

static void line_print(const struct db_rows *rows)
{
    char at[RFC3339_BYTES];
    char id[UUID_TEXT_BYTES];
    unix_to_rfc3339(db_get_time(rows, 0), 3, at);
    (void)printf("%s  ", at); /* admin_run looks at stdout once at the end */
    task_print_text(db_get_bytes(rows, 1));
    if (!db_is_null(rows, 2)) {
        uuid_to_text(db_get_uuid(rows, 2), id);
        (void)printf("  %s", id);
    }
    if (!db_is_null(rows, 3)) {
        (void)fputs("  ", stdout);
        task_print_text(db_get_bytes(rows, 3));
    }
    if (db_is_null(rows, 4)) {
        (void)puts("  by the command line");
        return;
    }
    uuid_to_text(db_get_uuid(rows, 4), id);
    (void)printf("  by key %s", id);
    if (!db_is_null(rows, 5)) {
        (void)fputs(" ", stdout);
        task_print_text(db_get_bytes(rows, 5));
    }
    (void)puts("");
}

err_t admin_audit(struct task *task)
{
    struct uuid project;
    struct db_rows *rows = NULL;
    struct unix_ns since = {0};
    int64_t since_s = 0;
    TRY(task_seconds_read("--since", task->options.since, 1, &task->detail, &since_s));
    if (since_s > 0) {
        since.ns = clock_unix().ns - since_s * NS_PER_S;
    }
    TRY(task_project_find(task, &project));
    const struct db_value values[] = {db_uuid(&project), db_time(since)};
    TRY(task_explain(task, db_run(task->db, STMT_AUDIT_LIST, values, 2, &task->detail, &rows),
                     NULL));
    while (db_next(rows)) {
        line_print(rows);
    }
    db_rows_free(rows);
    return OK;
}
