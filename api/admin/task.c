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

err_t task_seconds_read(const char *option, const char *text, int64_t least, struct detail *detail,
                        int64_t *ret_s)
{
    static const struct {
        char unit;
        int64_t seconds;
    } units[] = {{'s', 1}, {'m', 60}, {'h', 3600}, {'d', 86400}};
    enum { DIGITS_MAX = 7 };
    int64_t number = 0;
    size_t digits = 0;
    if (text == NULL) {
        return OK;
    }
    while (text[digits] >= '0' && text[digits] <= '9' && digits < DIGITS_MAX) {
        number = number * 10 + (text[digits] - '0');
        digits++;
    }
    for (size_t i = 0; i < sizeof units / sizeof units[0] && digits > 0; i++) {
        int64_t seconds = number * units[i].seconds;
        if (text[digits] == units[i].unit && text[digits + 1] == '\0' && seconds >= least &&
            seconds <= TASK_SECONDS_MAX) {
            *ret_s = seconds;
            return OK;
        }
    }
    detail_set(detail, "%s must be a number with s, m, h or d behind it, at most 30d", option);
    return FAIL(BAD_VALUE);
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
