#include "api/admin/vapi.h"

#include <stdio.h>

#include "api/admin/secret_take.h"
#include "api/admin/task.h"
#include "api/integrations/vapi/store.h"

#include "proto/base/banned.h"

/* --- credentials ---------------------------------------------------------------------------------------- */

static err_t signing_read(struct task *task, struct vapi_signing *ret_signing)
{
    const struct {
        const char *option;
        const char *value;
    } given[] = {
#define TEXT(field, name, option, initial, doc) {option, task->options.signing.field},
#define FLAG(field, name, option, initial, doc) {option, task->options.signing.field},
#include "api/integrations/vapi/signing.def"
#undef TEXT
#undef FLAG
    };
    vapi_signing_init(ret_signing);
    for (size_t i = 0; i < sizeof given / sizeof given[0]; i++) {
        if (given[i].value != NULL) {
            TRY(vapi_signing_set(ret_signing, given[i].option, given[i].value, &task->detail));
        }
    }
    return OK;
}

static err_t secret_check(const struct secret *secret, void *context, struct detail *detail)
{
    const struct vapi_signing *signing = context;
    return vapi_signing_check(signing, secret_bytes(secret), detail);
}

err_t admin_vapi_secret_add(struct task *task)
{
    char room[VAPI_ROW_NAME_BYTES];
    char settings[VAPI_SIGNING_JSON_BYTES];
    char text[UUID_TEXT_BYTES];
    struct uuid project;
    struct uuid id = uuid_make();
    struct vapi_signing signing;
    struct secret_stored stored;
    TRY(admin_name_check("a credential's name", task->options.name, &task->detail));
    TRY(signing_read(task, &signing));
    TRY(vapi_signing_write(&signing, settings));
    TRY(task_project_find(task, &project));
    const struct secret_taking taking = {.what = "secret key of the VAPI credential",
                                         .bound_to = vapi_row_name(project, id, room),
                                         .check = secret_check,
                                         .context = &signing};
    TRY(secret_take(task, &taking, &stored));
    struct db_value values[6] = {db_uuid(&project), db_uuid(&id),
                                 db_text(bytes_of_text(task->options.name))};
    secret_stored_values(&stored, values + 3);
    values[5] = db_text(bytes_of_text(settings));
    TRY(task_explain(
        task, db_do(task->db, STMT_VAPI_CREDENTIAL_ADD, values, 6, &task->detail, NULL), NULL));
    uuid_to_text(id, text);
    (void)printf("/v1/integrations/vapi/%s\n", text);
    return OK;
}

err_t admin_vapi_secret_list(struct task *task)
{
    struct uuid project;
    struct db_rows *rows = NULL;
    TRY(task_project_find(task, &project));
    struct db_value value = db_uuid(&project);
    TRY(task_explain(
        task, db_run(task->db, STMT_VAPI_CREDENTIAL_LIST, &value, 1, &task->detail, &rows), NULL));
    while (db_next(rows)) {
        char id[UUID_TEXT_BYTES];
        uuid_to_text(db_get_uuid(rows, 0), id);
        (void)printf("%s  ", id);
        task_print_text(db_get_bytes(rows, 1));
        secret_stored_print(rows, 2);
        task_print_time(rows, 4, "created");
        (void)fputs("  ", stdout);
        task_print_text(db_get_bytes(rows, 3));
        (void)puts("");
    }
    db_rows_free(rows);
    return OK;
}

err_t admin_vapi_secret_remove(struct task *task)
{
    struct uuid project;
    struct uuid id;
    size_t affected = 0;
    if (!uuid_from_text(bytes_of_text(task->options.word), &id)) {
        detail_set(&task->detail, "'%s' is no credential's id; vapi secret list shows the ids",
                   task->options.word);
        return FAIL(BAD_VALUE);
    }
    TRY(task_project_find(task, &project));
    const struct db_value values[] = {db_uuid(&project), db_uuid(&id)};
    TRY(task_explain(
        task, db_do(task->db, STMT_VAPI_CREDENTIAL_REMOVE, values, 2, &task->detail, &affected),
        NULL));
    if (affected == 0) {
        detail_set(&task->detail, "the project has no VAPI credential %s", task->options.word);
        return FAIL(NOT_FOUND);
    }
    return OK;
}

/* --- assistants ----------------------------------------------------------------------------------------- */

/* Every word must be an id before the first one counts. */
static err_t assistants_check(struct task *task)
{
    for (size_t i = 0; i < task->options.words_count; i++) {
        TRY(admin_name_check("an assistant's id", task->options.words[i], &task->detail));
    }
    return OK;
}

static err_t assistants_do(struct task *task, enum stmt stmt, const char *if_unknown)
{
    struct uuid project;
    TRY(assistants_check(task));
    TRY(task_project_find(task, &project));
    for (size_t i = 0; i < task->options.words_count; i++) {
        size_t affected = 0;
        const struct db_value values[] = {db_uuid(&project),
                                          db_text(bytes_of_text(task->options.words[i]))};
        TRY(task_explain(task, db_do(task->db, stmt, values, 2, &task->detail, &affected), NULL));
        if (affected == 0 && if_unknown != NULL) {
            detail_set(&task->detail, "%s '%s'", if_unknown, task->options.words[i]);
            return FAIL(NOT_FOUND);
        }
    }
    return OK;
}

err_t admin_vapi_select(struct task *task)
{
    return assistants_do(task, STMT_VAPI_ASSISTANT_ADD, NULL);
}

err_t admin_vapi_unselect(struct task *task)
{
    return assistants_do(task, STMT_VAPI_ASSISTANT_REMOVE,
                         "the project has not selected the assistant");
}

err_t admin_vapi_selected(struct task *task)
{
    struct uuid project;
    struct db_rows *rows = NULL;
    TRY(task_project_find(task, &project));
    struct db_value value = db_uuid(&project);
    TRY(task_explain(
        task, db_run(task->db, STMT_VAPI_ASSISTANT_LIST, &value, 1, &task->detail, &rows), NULL));
    if (db_rows_count(rows) == 0) {
        (void)puts("none is selected: calls of every assistant are taken");
    }
    while (db_next(rows)) {
        task_print_text(db_get_bytes(rows, 0));
        task_print_time(rows, 1, "selected");
        (void)puts("");
    }
    db_rows_free(rows);
    return OK;
}
