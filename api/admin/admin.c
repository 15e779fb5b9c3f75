#include "api/admin/admin.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/admin/audit.h"
#include "api/admin/doctor.h"
#include "api/admin/key.h"
#include "api/admin/livekit.h"
#include "api/admin/role.h"
#include "api/admin/task.h"
#include "api/admin/vapi.h"
#include "schema/migrate.h"

#include "proto/base/banned.h"

enum { CONNECT_S = 10, STATEMENT_MS = 30000, IDLE_MS = 30000 };

/* --- the commands ------------------------------------------------------------------------------------ */

static err_t run_migrate(struct task *task)
{
    struct migrate_result result;
    TRY(migrate_run(task->conninfo, &task->detail, &result));
    (void)printf("migrations applied: %u\n", result.applied);
    if (!result.has_roles) {
        (void)fprintf(stderr,
                      "calltrace-api: this user may not make the roles calltrace_api, "
                      "calltrace_correlator and calltrace_admin (%s): let an administrator make "
                      "them, then migrate again; until then everything runs as this user\n",
                      task->detail.text);
    }
    return OK;
}

static err_t run_project_create(struct task *task)
{
    struct uuid id = uuid_make();
    char text[UUID_TEXT_BYTES];
    struct detail taken = {0};
    TRY(admin_name_check("a project's name", task->options.word, &task->detail));
    detail_set(&taken, "there is a project '%s' already", task->options.word);
    struct db_value values[] = {db_uuid(&id), db_text(bytes_of_text(task->options.word))};
    TRY(task_explain(task, db_do(task->db, STMT_PROJECT_ADD, values, 2, &task->detail, NULL),
                     taken.text));
    uuid_to_text(id, text);
    (void)puts(text);
    return OK;
}

static err_t run_project_list(struct task *task)
{
    struct db_rows *rows = NULL;
    TRY(task_explain(task, db_run(task->db, STMT_PROJECT_LIST, NULL, 0, &task->detail, &rows),
                     NULL));
    while (db_next(rows)) {
        char text[UUID_TEXT_BYTES];
        uuid_to_text(db_get_uuid(rows, 0), text);
        (void)printf("%s  ", text);
        task_print_text(db_get_bytes(rows, 1));
        task_print_time(rows, 2, "created");
        (void)puts("");
    }
    db_rows_free(rows);
    return OK;
}

static const struct command {
    const char *noun;
    const char *verb; /* NULL: the noun alone */
    unsigned takes;
    bool wants_db;
    err_t (*run)(struct task *task);
} commands[] = {
    {"migrate", NULL, 0, false, run_migrate},
    {"role", "login", ADMIN_TAKES_WORD | ADMIN_TAKES_PASSWORD, true, admin_role_login},
    {"project", "create", ADMIN_TAKES_WORD, true, run_project_create},
    {"project", "list", 0, true, run_project_list},
    {"key", "create", ADMIN_TAKES_PROJECT | ADMIN_TAKES_NAME | ADMIN_TAKES_SCOPES, true,
     admin_key_create},
    {"key", "list", ADMIN_TAKES_PROJECT, true, admin_key_list},
    {"key", "revoke", ADMIN_TAKES_WORD, true, admin_key_revoke},
    {"key", "rotate", ADMIN_TAKES_WORD | ADMIN_TAKES_GRACE, true, admin_key_rotate},
    {"audit", NULL, ADMIN_TAKES_PROJECT | ADMIN_TAKES_SINCE, true, admin_audit},
    {"livekit", "add", ADMIN_TAKES_PROJECT | ADMIN_TAKES_API_KEY | ADMIN_TAKES_SECRET, true,
     admin_livekit_add},
    {"livekit", "list", ADMIN_TAKES_PROJECT, true, admin_livekit_list},
    {"livekit", "remove", ADMIN_TAKES_PROJECT | ADMIN_TAKES_API_KEY, true, admin_livekit_remove},
    {"vapi", "secret add",
     ADMIN_TAKES_PROJECT | ADMIN_TAKES_NAME | ADMIN_TAKES_SECRET | ADMIN_TAKES_SIGNING, true,
     admin_vapi_secret_add},
    {"vapi", "secret list", ADMIN_TAKES_PROJECT, true, admin_vapi_secret_list},
    {"vapi", "secret remove", ADMIN_TAKES_PROJECT | ADMIN_TAKES_WORD, true,
     admin_vapi_secret_remove},
    {"vapi", "select", ADMIN_TAKES_PROJECT | ADMIN_TAKES_WORDS, true, admin_vapi_select},
    {"vapi", "unselect", ADMIN_TAKES_PROJECT | ADMIN_TAKES_WORDS, true, admin_vapi_unselect},
    {"vapi", "selected", ADMIN_TAKES_PROJECT, true, admin_vapi_selected},
    {"doctor", NULL, ADMIN_TAKES_PROJECT | ADMIN_TAKES_SINCE, true, admin_doctor},
};

/* --- running one --------------------------------------------------------------------------------------- */

static err_t task_run(const struct command *command, struct task *task)
{
    const struct db_options options = {
        .conninfo = task->conninfo,
        .application_name = "calltrace-api admin",
        .statement_timeout_ms = STATEMENT_MS,
        .idle_in_transaction_ms = IDLE_MS,
        .connect_timeout_s = CONNECT_S,
    };
    if (!command->wants_db) {
        return command->run(task);
    }
    TRY(db_new(&options, &task->db));
    err_t err = db_ready(task->db, &task->detail, NULL);
    if (err_is_ok(err)) {
        err = command->run(task);
    }
    db_free(task->db);
    task->db = NULL;
    return err;
}

static const char *option_or_env(const char *option, const char *name)
{
    const char *env = getenv(name); // NOLINT(concurrency-mt-unsafe): one thread
    const char *text = option != NULL ? option : env;
    return text == NULL ? "" : text;
}

static int command_run(const struct command *command, int argc, const char *const *words)
{
    struct task task = {0};
    err_t err = admin_options_read(argc, words, command->takes, &task.detail, &task.options);
    if (err_is_ok(err)) {
        task.conninfo = option_or_env(task.options.postgres, "CALLTRACE_POSTGRES");
        task.secrets_key_file =
            option_or_env(task.options.secrets_key_file, "CALLTRACE_SECRETS_KEY_FILE");
        err = task_run(command, &task);
    }
    if (err_is_ok(err) && fflush(stdout) != 0) {
        detail_set(&task.detail, "the result cannot be written");
        err = FAIL(SYSTEM);
    }
    if (err_is_ok(err)) {
        return ADMIN_EXIT_FINE;
    }
    (void)fprintf(stderr, "calltrace-api: %s\n", detail_or_text(&task.detail, err));
    return err_is(err, ERR_BAD_VALUE) ? ADMIN_EXIT_USAGE : ADMIN_EXIT_FAILED;
}

/* How many words a command's name takes when the words begin with it; 0: they do not. A verb may be two words. */
static int name_words(const struct command *command, int argc, const char *const *words)
{
    int used = 1;
    const char *at = command->verb;
    while (at != NULL && *at != '\0') {
        size_t len = strcspn(at, " ");
        if (used >= argc || strlen(words[used]) != len || memcmp(words[used], at, len) != 0) {
            return 0;
        }
        used++;
        at += len + strspn(at + len, " ");
    }
    return used;
}

bool admin_run(int argc, const char *const *words, int *ret_code)
{
    bool is_noun = false;
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
        if (strcmp(words[0], commands[i].noun) != 0) {
            continue;
        }
        is_noun = true;
        int used = name_words(&commands[i], argc, words);
        if (used > 0) {
            *ret_code = command_run(&commands[i], argc - used, words + used);
            return true;
        }
    }
    if (is_noun) {
        (void)fprintf(stderr, "calltrace-api: %s needs one of its verbs; see calltrace-api help\n",
                      words[0]);
        *ret_code = ADMIN_EXIT_USAGE;
    }
    return is_noun;
}
