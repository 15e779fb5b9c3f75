#include "api/admin/key.h"

#include <stdio.h>

#include "api/admin/task.h"
#include "api/http/key_text.h"

#include "proto/base/banned.h"

err_t admin_key_create(struct task *task)
{
    struct uuid project;
    struct uuid id = uuid_make();
    struct key_hash hash;
    char text[KEY_TEXT_BYTES];
    unsigned scopes = 0;
    TRY(admin_scopes_read(task->options.scopes, &task->detail, &scopes));
    TRY(admin_name_check("a key's name", task->options.name, &task->detail));
    TRY(task_project_find(task, &project));
    TRY(key_text_make(text));
    TRY(key_text_hash(bytes_of_text(text), &hash));
    const struct db_value values[] = {
        db_uuid(&project),
        db_uuid(&id),
        db_text(bytes_of_text(task->options.name)),
        db_text(bytes_of(text, KEY_HINT_CHARS)),
        db_bytes(bytes_of(hash.b, sizeof hash.b)),
        db_int4((int32_t)scopes),
    };
    TRY(task_explain(task, db_do(task->db, STMT_KEY_ADD, values, 6, &task->detail, NULL), NULL));
    (void)puts(text);
    return OK;
}

err_t admin_key_list(struct task *task)
{
    struct uuid project;
    struct db_rows *rows = NULL;
    TRY(task_project_find(task, &project));
    struct db_value value = db_uuid(&project);
    TRY(db_run(task->db, STMT_KEY_LIST, &value, 1, &task->detail, &rows));
    while (db_next(rows)) {
        char id[UUID_TEXT_BYTES];
        char scopes[ADMIN_SCOPES_BYTES];
        uuid_to_text(db_get_uuid(rows, 0), id);
        admin_scopes_write((unsigned)db_get_int(rows, 3), scopes);
        (void)printf("%s  ", id);
        task_print_text(db_get_bytes(rows, 2));
        (void)printf("...  %s  ", scopes);
        task_print_text(db_get_bytes(rows, 1));
        task_print_time(rows, 4, "created");
        task_print_time(rows, 5, "last_used");
        task_print_time(rows, 6, "revoked");
        (void)puts("");
    }
    db_rows_free(rows);
    return OK;
}

/* The key id of the command line. */
static FALLIBLE id_read(struct task *task, struct uuid *ret_id)
{
    if (!uuid_from_text(bytes_of_text(task->options.word), ret_id)) {
        detail_set(&task->detail, "'%s' is no key id; key list shows the ids", task->options.word);
        return FAIL(BAD_VALUE);
    }
    return OK;
}

static err_t not_there(struct task *task)
{
    detail_set(&task->detail, "there is no key %s that is not revoked yet", task->options.word);
    return FAIL(NOT_FOUND);
}

err_t admin_key_revoke(struct task *task)
{
    struct uuid id;
    size_t affected = 0;
    TRY(id_read(task, &id));
    struct db_value value = db_uuid(&id);
    TRY(task_explain(task, db_do(task->db, STMT_KEY_REVOKE, &value, 1, &task->detail, &affected),
                     NULL));
    return affected == 0 ? not_there(task) : OK;
}

static FALLIBLE project_of(struct task *task, struct uuid id, struct uuid *ret_project)
{
    struct db_rows *rows = NULL;
    struct db_value value = db_uuid(&id);
    TRY(task_explain(task, db_run(task->db, STMT_KEY_GET, &value, 1, &task->detail, &rows), NULL));
    bool is_there = db_next(rows);
    if (is_there) {
        *ret_project = db_get_uuid(rows, 0);
    }
    db_rows_free(rows);
    return is_there ? OK : not_there(task);
}

err_t admin_key_rotate(struct task *task)
{
    struct uuid old;
    struct uuid project;
    struct uuid id = uuid_make();
    struct key_hash hash;
    char text[KEY_TEXT_BYTES];
    int64_t grace_s = KEY_GRACE_S;
    size_t affected = 0;
    TRY(id_read(task, &old));
    TRY(task_seconds_read("--grace", task->options.grace, 0, &task->detail, &grace_s));
    TRY(project_of(task, old, &project));
    TRY(key_text_make(text));
    TRY(key_text_hash(bytes_of_text(text), &hash));
    struct unix_ns now = clock_unix();
    const struct db_value values[] = {
        db_uuid(&project),
        db_uuid(&id),
        db_text(bytes_of(text, KEY_HINT_CHARS)),
        db_bytes(bytes_of(hash.b, sizeof hash.b)),
        db_null(), /* no key asked for it */
        db_time(now),
        db_uuid(&old),
        db_time((struct unix_ns){now.ns + grace_s * NS_PER_S}),
    };
    TRY(db_do(task->db, STMT_KEY_ROTATE, values, 8, &task->detail, &affected));
    if (affected == 0) { /* revoked meanwhile */
        return not_there(task);
    }
    (void)puts(text);
    return OK;
}
