#include "api/admin/secret_take.h"

#include <stdio.h>
#include <stdlib.h>
#include <termios.h>
#include <unistd.h>

#include "api/admin/task.h"

#include "proto/base/banned.h"

/* Who types it at a terminal must not leave it there. */
static err_t secret_ask(struct task *task, const char *what, struct secret *ret_secret)
{
    struct termios before;
    bool is_terminal = tcgetattr(STDIN_FILENO, &before) == 0;
    if (!is_terminal) {
        return secret_fd_read(STDIN_FILENO, "standard input", &task->detail, ret_secret);
    }
    struct termios silent = before;
    silent.c_lflag &= ~(tcflag_t)ECHO;
    (void)fprintf(stderr, "%s, then Enter and Ctrl-D: ", what);
    (void)tcsetattr(STDIN_FILENO, TCSAFLUSH, &silent); /* a terminal that echoes still works */
    err_t err = secret_fd_read(STDIN_FILENO, "standard input", &task->detail, ret_secret);
    (void)tcsetattr(STDIN_FILENO, TCSAFLUSH, &before);
    (void)fputs("\n", stderr);
    return err;
}

static err_t check(struct task *task, const struct secret_taking *taking,
                   const struct secret *secret)
{
    return taking->check == NULL ? OK : taking->check(secret, taking->context, &task->detail);
}

/* The api opens the file itself, from another directory: its whole path is kept, and that it can be read. */
static err_t file_take(struct task *task, const struct secret_taking *taking,
                       struct secret_stored *stored)
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
    err_t err = check(task, taking, &secret);
    secret_clear(&secret);
    stored->is_file = true;
    return err;
}

static err_t input_take(struct task *task, const struct secret_taking *taking,
                        struct secret_stored *stored)
{
    struct secret_key key;
    struct secret secret;
    TRY(secret_key_read(task->secrets_key_file, &task->detail, &key));
    if (!key.is_there) {
        detail_set(&task->detail,
                   "to keep a secret, --secrets_key_file (or CALLTRACE_SECRETS_KEY_FILE) must name "
                   "the key file that serve has; --secret-file PATH needs none");
        return FAIL(BAD_VALUE);
    }
    err_t err = secret_ask(task, taking->what, &secret);
    if (err_is_ok(err)) {
        err = check(task, taking, &secret);
        if (err_is_ok(err)) {
            err = secret_seal(&key, taking->bound_to, &secret, &task->detail, &stored->sealed);
        }
        secret_clear(&secret);
    }
    secret_key_clear(&key);
    return err;
}

err_t secret_take(struct task *task, const struct secret_taking *taking,
                  struct secret_stored *ret_stored)
{
    *ret_stored = (struct secret_stored){.is_file = false};
    return task->options.secret_file != NULL ? file_take(task, taking, ret_stored)
                                             : input_take(task, taking, ret_stored);
}

void secret_stored_values(const struct secret_stored *stored, struct db_value ret_values[2])
{
    ret_values[0] = stored->is_file ? db_null() : db_bytes(secret_sealed_bytes(&stored->sealed));
    ret_values[1] = stored->is_file ? db_text(bytes_of_text(stored->path)) : db_null();
}

void secret_stored_print(const struct db_rows *rows, int column_of_path)
{
    if (db_is_null(rows, column_of_path)) {
        (void)fputs("  secret=sealed", stdout);
    } else {
        (void)fputs("  secret_file=", stdout);
        task_print_text(db_get_bytes(rows, column_of_path));
    }
}
