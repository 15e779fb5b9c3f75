#include "schema/migrate.h"

#include "proto/base/log.h"
#include "schema/db.h"

#include "proto/base/banned.h"

/* The files' octets, NUL behind: calltrace_embed in schema/CMakeLists.txt. */
#define MIGRATION(version, symbol) extern const unsigned char migration_##symbol[];
#include "schema/migrations.def"
#undef MIGRATION

extern const unsigned char schema_grants[];

static const struct {
    int32_t version;
    const char *name;
    const unsigned char *sql;
} migrations[] = {
#define MIGRATION(version, symbol) {version, #symbol, migration_##symbol},
#include "schema/migrations.def"
#undef MIGRATION
};
enum { MIGRATIONS = sizeof migrations / sizeof migrations[0] };

static err_t version_now(struct db *db, struct detail *detail, int64_t *ret_version)
{
    struct db_rows *rows = NULL;
    TRY(db_run(db, STMT_MIGRATION_VERSION, NULL, 0, detail, &rows));
    (void)db_next(rows); /* an aggregate always has its row */
    *ret_version = db_get_int(rows, 0);
    db_rows_free(rows);
    return OK;
}

static err_t run_one(struct db *db, size_t index, struct detail *detail)
{
    struct db_value values[] = {
        db_int4(migrations[index].version),
        db_text(bytes_of_text(migrations[index].name)),
    };
    TRY(db_script(db, "begin", detail));
    err_t err = db_script(db, (const char *)migrations[index].sql, detail);
    if (err_is_ok(err)) {
        err = db_do(db, STMT_MIGRATION_ADD, values, 2, detail, NULL);
    }
    if (err_is_ok(err)) {
        return db_script(db, "commit", detail);
    }
    detail_prefix(detail, "migration %d", migrations[index].version);
    db_close(db); /* rolls back */
    return err;
}

/* Who may not make roles still gets a database; it is served as its owner then. */
static err_t grants_run(struct db *db, struct detail *detail, bool *ret_has_roles)
{
    err_t err = db_script(db, (const char *)schema_grants, detail);
    bool may_not = err_is(err, ERR_DB_REFUSED) && strcmp(db_sqlstate(db), "42501") == 0;
    *ret_has_roles = err_is_ok(err);
    return may_not ? OK : err;
}

err_t migrate_run(const char *conninfo, struct detail *detail, struct migrate_result *ret_result)
{
    struct db *db = NULL;
    struct migrate_result result = {.applied = 0};
    int64_t version = 0;
    TRY(db_new(&(struct db_options){.conninfo = conninfo,
                                    .application_name = "calltrace migrate",
                                    .connect_timeout_s = 10},
               &db));
    err_t err = db_ready(db, detail, NULL);
    if (err_is_ok(err)) {
        err = db_do(db, STMT_MIGRATION_LOCK, NULL, 0, detail, NULL);
    }
    if (err_is_ok(err)) {
        err = db_script(db,
                        "set client_min_messages = warning;"
                        "create table if not exists migration (version int4 primary key,"
                        " name text not null, applied_at timestamptz not null default now())",
                        detail);
    }
    if (err_is_ok(err)) {
        err = version_now(db, detail, &version);
    }
    for (size_t i = 0; i < MIGRATIONS && err_is_ok(err); i++) {
        if (migrations[i].version > version) {
            err = run_one(db, i, detail);
            result.applied += err_is_ok(err);
        }
    }
    if (err_is_ok(err)) {
        err = grants_run(db, detail, &result.has_roles);
    }
    db_free(db); /* the lock goes with the session */
    if (err_is_ok(err)) {
        *ret_result = result;
    }
    return err;
}

err_t migrate_check(struct db *db, struct detail *detail)
{
    int64_t version = 0;
    int32_t wanted = migrations[MIGRATIONS - 1].version;
    err_t err = version_now(db, detail, &version);
    if (err_is(err, ERR_DB_REFUSED) && strcmp(db_sqlstate(db), "42P01") == 0) {
        version = 0; /* no table `migration` yet */
    } else {
        TRY(err);
    }
    if (version < wanted) {
        detail_set(detail, "the database is at schema %d, %d is needed: run calltrace-api migrate",
                   (int)version, (int)wanted);
        return FAIL(DB_REFUSED);
    }
    return OK;
}
