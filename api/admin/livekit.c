#include "api/admin/livekit.h"

#include <stdio.h>

#include "api/admin/secret_take.h"
#include "api/admin/task.h"
#include "api/integrations/livekit/keys.h"
#include "proto/base/match_key.h"

#include "proto/base/banned.h"

static err_t api_key_check(struct task *task)
{
    return admin_name_check("an API key of LiveKit", task->options.api_key, &task->detail);
}

err_t admin_livekit_add(struct task *task)
{
    char room[LIVEKIT_ROW_NAME_BYTES];
    char what[LIVEKIT_ROW_NAME_BYTES];
    struct uuid project;
    struct secret_stored stored;
    struct secret_taking taking = {.what = what};
    size_t affected = 0;
    TRY(api_key_check(task));
    TRY(task_project_find(task, &project));
    (void)snprintf(what, sizeof what, "API secret of %s", task->options.api_key);
    taking.bound_to = livekit_row_name(project, task->options.api_key, room);
    TRY(secret_take(task, &taking, &stored));
    struct db_value values[4] = {db_uuid(&project), db_text(bytes_of_text(task->options.api_key))};
    secret_stored_values(&stored, values + 2);
    TRY(task_explain(
        task, db_do(task->db, STMT_LIVEKIT_KEY_ADD, values, 4, &task->detail, &affected), NULL));
    if (affected == 0) {
        detail_set(&task->detail, "%d projects have this API key already, and no more may",
                   LIVEKIT_KEY_PROJECTS_MAX);
        return FAIL(TOO_MANY);
    }
    return OK;
}

err_t admin_livekit_list(struct task *task)
{
    struct uuid project;
    struct db_rows *rows = NULL;
    TRY(task_project_find(task, &project));
    struct db_value value = db_uuid(&project);
    TRY(task_explain(task, db_run(task->db, STMT_LIVEKIT_KEY_LIST, &value, 1, &task->detail, &rows),
                     NULL));
    while (db_next(rows)) {
        task_print_text(db_get_bytes(rows, 0));
        secret_stored_print(rows, 1);
        task_print_time(rows, 2, "created");
        (void)puts("");
    }
    db_rows_free(rows);
    return OK;
}

err_t admin_livekit_remove(struct task *task)
{
    struct uuid project;
    size_t affected = 0;
    TRY(api_key_check(task));
    TRY(task_project_find(task, &project));
    struct db_value values[] = {db_uuid(&project), db_text(bytes_of_text(task->options.api_key))};
    TRY(task_explain(
        task, db_do(task->db, STMT_LIVEKIT_KEY_REMOVE, values, 2, &task->detail, &affected), NULL));
    if (affected == 0) {
        detail_set(&task->detail, "the project has no API key '%s' of LiveKit",
                   task->options.api_key);
        return FAIL(NOT_FOUND);
    }
    return OK;
}
