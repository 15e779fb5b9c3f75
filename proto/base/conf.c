#include "proto/base/conf.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <ini.h>

#include "proto/base/check.h"

#include "proto/base/banned.h"

struct loader {
    const struct conf_row *rows;
    size_t count;
    char *target;
    struct detail *detail;
    const char *file;
    err_t err;
};

static const struct conf_row *row_find(const struct loader *loader, const char *name, size_t len)
{
    for (size_t i = 0; i < loader->count; i++) {
        if (strlen(loader->rows[i].name) == len && memcmp(loader->rows[i].name, name, len) == 0) {
            return &loader->rows[i];
        }
    }
    return NULL;
}

static err_t set_number(struct loader *loader, const struct conf_row *row, const char *value,
                        const char *source)
{
    char *end = NULL;
    errno = 0;
    uint64_t number = strtoull(value, &end, 10);
    if (value[0] < '0' || value[0] > '9' || *end != '\0' || errno != 0) {
        detail_set(loader->detail, "%s: %s is '%s', not a whole number", source, row->name, value);
        return FAIL(BAD_CONFIG);
    }
    if (number < row->min || number > row->max) {
        detail_set(loader->detail,
                   "%s: %s is %s; it must lie between %" PRIu64 " and %" PRIu64 " %s", source,
                   row->name, value, row->min, row->max, row->unit);
        return FAIL(BAD_CONFIG);
    }
    memcpy(loader->target + row->offset, &number, sizeof number);
    return OK;
}

static err_t set_flag(struct loader *loader, const struct conf_row *row, const char *value,
                      const char *source)
{
    static const char *const yes[] = {"on", "true", "yes", "1"};
    static const char *const no[] = {"off", "false", "no", "0"};
    for (size_t i = 0; i < 4; i++) {
        bool is_yes = strcmp(value, yes[i]) == 0;
        if (is_yes || strcmp(value, no[i]) == 0) {
            memcpy(loader->target + row->offset, &is_yes, sizeof is_yes);
            return OK;
        }
    }
    detail_set(loader->detail, "%s: %s is '%s', not on or off", source, row->name, value);
    return FAIL(BAD_CONFIG);
}

static err_t set_row(struct loader *loader, const struct conf_row *row, const char *value,
                     const char *source)
{
    switch (row->kind) {
    case CONF_KIND_NUMBER:
        return set_number(loader, row, value, source);
    case CONF_KIND_FLAG:
        return set_flag(loader, row, value, source);
    case CONF_KIND_TEXT:
    case CONF_KIND_SECRET:
        break;
    }
    size_t len = strlen(value);
    if (len >= CONF_TEXT_BYTES) {
        detail_set(loader->detail, "%s: %s is longer than %d bytes", source, row->name,
                   CONF_TEXT_BYTES - 1);
        return FAIL(BAD_CONFIG);
    }
    memcpy(loader->target + row->offset, value, len + 1);
    return OK;
}

static int on_ini_row(void *user, const char *section, const char *name, const char *value)
{
    struct loader *loader = user;
    const struct conf_row *row = row_find(loader, name, strlen(name));
    if (section[0] != '\0') {
        detail_set(loader->detail, "%s: sections such as [%s] are not used", loader->file, section);
        loader->err = FAIL(BAD_CONFIG);
    } else if (row == NULL) {
        detail_set(loader->detail, "%s: there is no row named '%s'", loader->file, name);
        loader->err = FAIL(BAD_CONFIG);
    } else {
        loader->err = set_row(loader, row, value, loader->file);
    }
    return err_is_ok(loader->err);
}

static err_t load_file(struct loader *loader, const char *path)
{
    loader->file = path;
    loader->err = OK;
    int line = ini_parse(path, on_ini_row, loader);
    if (!err_is_ok(loader->err)) {
        return loader->err;
    }
    if (line == -1) {
        detail_set(loader->detail, "%s cannot be opened", path);
        return FAIL(BAD_CONFIG);
    }
    if (line != 0) {
        detail_set(loader->detail, "%s: line %d is not of the form 'row = value'", path, line);
        return FAIL(BAD_CONFIG);
    }
    return OK;
}

static err_t load_env(struct loader *loader)
{
    for (size_t i = 0; i < loader->count; i++) {
        char name[128] = "CALLTRACE_";
        size_t len = strlen(name);
        const char *from = loader->rows[i].name;
        INVARIANT(strlen(from) < sizeof name - len);
        for (; *from != '\0'; from++) {
            name[len++] = (char)toupper((unsigned char)*from);
        }
        const char *value = getenv(name); // NOLINT(concurrency-mt-unsafe): before threads
        if (value != NULL) {
            TRY(set_row(loader, &loader->rows[i], value, name));
        }
    }
    return OK;
}

static err_t load_flag(struct loader *loader, const char *argument)
{
    PRE(argument != NULL);
    const char *equals = strchr(argument, '=');
    if (strncmp(argument, "--", 2) != 0 || equals == NULL) {
        detail_set(loader->detail, "'%s' is not of the form --row=value", argument);
        return FAIL(BAD_CONFIG);
    }
    const char *name = argument + 2;
    const struct conf_row *row = row_find(loader, name, (size_t)(equals - name));
    if (row == NULL) {
        detail_set(loader->detail, "there is no row named '%.*s'", (int)(equals - name), name);
        return FAIL(BAD_CONFIG);
    }
    return set_row(loader, row, equals + 1, "command line");
}

/* Is argv[i] the file? 0: no; else the number of arguments it takes. */
static int config_argument(int argc, const char *const *argv, int i, const char **ret_path)
{
    PRE(argv[i] != NULL);
    if (strncmp(argv[i], "--config=", 9) == 0) {
        *ret_path = argv[i] + 9;
        return 1;
    }
    if (strcmp(argv[i], "--config") == 0 && i + 1 < argc) {
        *ret_path = argv[i + 1];
        return 2;
    }
    return 0;
}

err_t conf_load(const struct conf_row *rows, size_t count, void *target, int argc,
                const char *const *argv, struct detail *detail)
{
    struct loader loader = {.rows = rows, .count = count, .target = target, .detail = detail};
    const char *path = NULL;
    for (size_t i = 0; i < count; i++) {
        TRY(set_row(&loader, &rows[i], rows[i].initial, "default"));
    }
    for (int i = 0; i < argc; i++) {
        int taken = config_argument(argc, argv, i, &path);
        i += taken > 0 ? taken - 1 : 0;
    }
    if (path != NULL) {
        TRY(load_file(&loader, path));
    }
    TRY(load_env(&loader));
    for (int i = 0; i < argc; i++) {
        int taken = config_argument(argc, argv, i, &path);
        if (taken > 0) {
            i += taken - 1;
        } else {
            TRY(load_flag(&loader, argv[i]));
        }
    }
    return OK;
}

void conf_describe(const struct conf_row *rows, size_t count, FILE *out)
{
    for (size_t i = 0; i < count; i++) {
        const struct conf_row *row = &rows[i];
        (void)fprintf(out, "# %s\n", row->doc); /* a closed stdout is the reader's choice */
        if (row->kind == CONF_KIND_NUMBER) {
            (void)fprintf(out, "# %" PRIu64 " to %" PRIu64 " %s\n", row->min, row->max, row->unit);
        }
        (void)fprintf(out, "%s = %s\n\n", row->name, row->initial);
    }
}
