#include "api/admin/task.h"

#include <stdio.h>
#include <string.h>

#include "proto/base/banned.h"

err_t task_explain(struct task *task, err_t err, const char *if_taken)
{
    const char *state = err_is(err, ERR_DB_REFUSED) ? db_sqlstate(task->db) : "";
    if (strcmp(state, "42P01") == 0) {
        detail_set(&task->detail,
                   "the database has no calltrace tables: run calltrace-api migrate");
    } else if (strcmp(state, "23505") == 0 && if_taken != NULL) {
        detail_set(&task->detail, "%s", if_taken);
    }
    return err;
}

err_t task_project_find(struct task *task, struct uuid *ret_id)
{
    struct db_rows *rows = NULL;
    struct bytes name = bytes_of_text(task->options.project);
    TRY(admin_name_check("a project's name", task->options.project, &task->detail));
    struct db_value by_name = db_text(name);
    err_t err = db_run(task->db, STMT_PROJECT_BY_NAME, &by_name, 1, &task->detail, &rows);
    TRY(task_explain(task, err, NULL));
    bool is_found = db_next(rows);
    if (is_found) {
        *ret_id = db_get_uuid(rows, 0);
    }
    db_rows_free(rows);
    if (!is_found && uuid_from_text(name, ret_id)) {
        struct db_value by_id = db_uuid(ret_id);
        TRY(db_run(task->db, STMT_PROJECT_GET, &by_id, 1, &task->detail, &rows));
        is_found = db_rows_count(rows) > 0;
        db_rows_free(rows);
    }
    if (!is_found) {
        detail_set(&task->detail, "there is no project '%s'", task->options.project);
        return FAIL(NOT_FOUND);
    }
    return OK;
}

void task_print_text(struct bytes text)
{
    (void)fwrite(text.ptr, 1, text.len, stdout); /* admin_run looks at stdout once at the end */
}

void task_print_time(const struct db_rows *rows, int column, const char *label)
{
    if (!db_is_null(rows, column)) {
        char text[RFC3339_BYTES];
        unix_to_rfc3339(db_get_time(rows, column), 0, text);
        (void)printf("  %s=%s", label, text);
    }
}
