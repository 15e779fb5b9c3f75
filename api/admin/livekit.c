#include "api/admin/livekit.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <termios.h>
#include <unistd.h>

#include "api/admin/task.h"
#include "api/integrations/livekit/keys.h"
#include "proto/base/match_key.h"

#include "proto/base/banned.h"

/* What stands in the two columns of the secret: one of them. */
struct stored {
    struct secret_sealed sealed;
    char path[PATH_MAX];
    bool is_file;
};

static err_t api_key_check(struct task *task)
{
    return admin_name_check("an API key of LiveKit", task->options.api_key, &task->detail);
}

/* Who types it at a terminal must not leave it there. */
static err_t secret_ask(struct task *task, struct secret *ret_secret)
{
    struct termios before;
    bool is_terminal = tcgetattr(STDIN_FILENO, &before) == 0;
    if (!is_terminal) {
        return secret_fd_read(STDIN_FILENO, "standard input", &task->detail, ret_secret);
    }
    struct termios silent = before;
    silent.c_lflag &= ~(tcflag_t)ECHO;
    (void)fprintf(stderr, "API secret of %s, then Enter and Ctrl-D: ", task->options.api_key);
    (void)tcsetattr(STDIN_FILENO, TCSAFLUSH, &silent); /* a terminal that echoes still works */
    err_t err = secret_fd_read(STDIN_FILENO, "standard input", &task->detail, ret_secret);
    (void)tcsetattr(STDIN_FILENO, TCSAFLUSH, &before);
    (void)fputs("\n", stderr);
    return err;
}

/* The api opens the file itself, from another directory: its whole path is kept, and that it can be read. */
static err_t file_take(struct task *task, struct stored *stored)
{
    struct secret secret;
    if (realpath(task->options.secret_file, stored->path) == NULL) {
        detail_set(&task->detail, "the secret file %s cannot be opened", task->options.secret_file);
        return FAIL(SYSTEM);
    }
    if (!db_text_is_storable(bytes_of_text(stored->path))) {
        detail_set(&task->detail, "the path of the secret file is not UTF-8");
        return FAIL(BAD_VALUE);
    }
    TRY(secret_file_read(stored->path, &task->detail, &secret));
    secret_clear(&secret);
    stored->is_file = true;
    return OK;
}

static err_t input_take(struct task *task, struct uuid project, struct stored *stored)
{
    char room[LIVEKIT_ROW_NAME_BYTES];
    struct secret_key key;
    struct secret secret;
    TRY(secret_key_read(task->secrets_key_file, &task->detail, &key));
    if (!key.is_there) {
        detail_set(&task->detail,
                   "to keep a secret, --secrets_key_file (or CALLTRACE_SECRETS_KEY_FILE) must name "
                   "the key file that serve has; --secret-file PATH needs none");
        return FAIL(BAD_VALUE);
    }
    err_t err = secret_ask(task, &secret);
    if (err_is_ok(err)) {
        err = secret_seal(&key, livekit_row_name(project, task->options.api_key, room), &secret,
                          &task->detail, &stored->sealed);
        secret_clear(&secret);
    }
    secret_key_clear(&key);
    return err;
}

err_t admin_livekit_add(struct task *task)
{
    struct uuid project;
    struct stored stored = {0};
    size_t affected = 0;
    TRY(api_key_check(task));
    TRY(task_project_find(task, &project));
    TRY(task->options.secret_file != NULL ? file_take(task, &stored)
                                          : input_take(task, project, &stored));
    struct db_value values[] = {
        db_uuid(&project),
        db_text(bytes_of_text(task->options.api_key)),
        stored.is_file ? db_null() : db_bytes(secret_sealed_bytes(&stored.sealed)),
        stored.is_file ? db_text(bytes_of_text(stored.path)) : db_null(),
    };
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
        if (db_is_null(rows, 1)) {
            (void)fputs("  secret=sealed", stdout);
        } else {
            (void)fputs("  secret_file=", stdout);
            task_print_text(db_get_bytes(rows, 1));
        }
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
