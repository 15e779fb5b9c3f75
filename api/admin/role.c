#include "api/admin/role.h"

#include <stdio.h>
#include <string.h>

#include "api/admin/task.h"
#include "api/integrations/secret.h"

#include "proto/base/banned.h"

/* The words of the command line, and the roles of schema/grants.sql. */
static const struct {
    const char *word;
    const char *role;
} roles[] = {
    {"api", "calltrace_api"},
    {"correlator", "calltrace_correlator"},
    {"admin", "calltrace_admin"},
};

static const char *role_of(const char *word)
{
    for (size_t i = 0; i < sizeof roles / sizeof roles[0]; i++) {
        if (strcmp(word, roles[i].word) == 0) {
            return roles[i].role;
        }
    }
    return NULL;
}

err_t admin_role_login(struct task *task)
{
    struct secret secret = {.len = 0};
    char password[SECRET_BYTES_MAX + 1] = "";
    const char *role = role_of(task->options.word);
    const char *path = task->options.password_file;
    if (role == NULL) {
        detail_set(&task->detail, "'%s' is no role; they are api, correlator and admin",
                   task->options.word);
        return FAIL(BAD_VALUE);
    }
    if (path != NULL) {
        TRY(secret_file_read(path, &task->detail, &secret));
        if (memchr(secret.octets, '\0', secret.len) != NULL) {
            detail_set(&task->detail, "the password in %s holds a NUL", path);
            return FAIL(BAD_VALUE);
        }
        memcpy(password, secret.octets, secret.len);
        secret_clear(&secret);
    }
    err_t err = db_role_login(task->db, role, path == NULL ? NULL : password, &task->detail);
    explicit_bzero(password, sizeof password);
    return err;
}
