/* db: one connection to Postgres; with schema/db.c and db_rows.c the only code that includes libpq.
 *
 * Every statement stands once in schema/stmt.def: STMT(NAME, parameters, "SQL"). Statements are prepared
 * on first use of a connection, but for those of STMT_ANEW. Parameters and results are binary. A connection that broke is opened
 * again by db_ready; nothing else retries.
 *
 *     struct db_value values[] = {db_uuid(project), db_bytes(value)};
 *     TRY(db_run(db, STMT_KEY_HOLDER, values, 2, detail, &rows));
 *     while (db_next(rows)) { id = db_get_uuid(rows, 0); ... }
 *     db_rows_free(rows);
 *
 * Errors: DB_AWAY (SQLSTATE classes 08, 40, 53, 57 and a lost connection: try again), DB_REFUSED (22, 23 and
 * the rest; db_sqlstate tells), COMMIT_UNKNOWN (lost while committing, or committed here and perhaps not at a
 * synchronous standby).
 *
 * Owner thread: one at a time. Values borrow until the call returns; rows are given. */
#ifndef CALLTRACE_DB_H
#define CALLTRACE_DB_H

#include "proto/base/bytes.h"
#include "proto/base/clock.h"
#include "proto/base/err.h"
#include "proto/base/id.h"

struct db;
struct db_rows;

enum stmt {
#define STMT(name, parameters, sql) STMT_##name,
#include "schema/stmt.def"
#undef STMT
    STMT_COUNT
};

struct db_options {
    const char *conninfo;         /* libpq connection string */
    const char *application_name; /* shown by pg_stat_activity */
    bool is_read_only;
    unsigned statement_timeout_ms;
    unsigned idle_in_transaction_ms;
    unsigned work_mem_mib; /* for a sort or a hash of one statement; 0: the server's own */
    unsigned connect_timeout_s;
};

/* Gives an object without connecting. Errors: MEMORY. */
FALLIBLE db_new(const struct db_options *options, struct db **ret_db);
void db_free(struct db *db);

/* Connects when needed. `*ret_is_new` (may be NULL) is true when a new connection was made. */
FALLIBLE db_ready(struct db *db, struct detail *detail, bool *ret_is_new);
bool db_is_connected(const struct db *db);

/* Drops the connection; the next db_ready opens another. */
void db_close(struct db *db);

/* Of the last DB_REFUSED or DB_AWAY: five characters, or "". Borrowed until the next call. */
const char *db_sqlstate(const struct db *db);

/* --- values --------------------------------------------------------------------------------------- */

enum db_type {
    DB_TYPE_NULL = 0,
    DB_TYPE_BOOL,
    DB_TYPE_INT2,
    DB_TYPE_INT4,
    DB_TYPE_INT8,
    DB_TYPE_UUID,
    DB_TYPE_BYTEA,
    DB_TYPE_TEXT,
    DB_TYPE_TIME,  /* timestamptz; from nanoseconds, kept to the microsecond */
    DB_TYPE_ARRAY, /* a finished binary array, see db_array */
};

struct db_value {
    enum db_type type;
    int64_t number;
    struct bytes data;
};

static inline struct db_value db_null(void)
{
    return (struct db_value){.type = DB_TYPE_NULL};
}
static inline struct db_value db_bool(bool value)
{
    return (struct db_value){.type = DB_TYPE_BOOL, .number = value};
}
static inline struct db_value db_int2(int16_t value)
{
    return (struct db_value){.type = DB_TYPE_INT2, .number = value};
}
static inline struct db_value db_int4(int32_t value)
{
    return (struct db_value){.type = DB_TYPE_INT4, .number = value};
}
static inline struct db_value db_int8(int64_t value)
{
    return (struct db_value){.type = DB_TYPE_INT8, .number = value};
}
/* Borrows: the uuid must live until the call. */
static inline struct db_value db_uuid(const struct uuid *id)
{
    return (struct db_value){.type = DB_TYPE_UUID, .data = {id->b, sizeof id->b}};
}
static inline struct db_value db_bytes(struct bytes data)
{
    return (struct db_value){.type = DB_TYPE_BYTEA, .data = data};
}
/* Valid UTF-8 without NUL: db_text_is_storable. */
static inline struct db_value db_text(struct bytes text)
{
    return (struct db_value){.type = DB_TYPE_TEXT, .data = text};
}
static inline struct db_value db_time(struct unix_ns at)
{
    return (struct db_value){.type = DB_TYPE_TIME, .number = at.ns};
}

/* An array parameter for unnest($1): elements of one type, NULLs allowed, packed into memory of the
 * arena. Errors: NO_SPACE. */
struct arena;
FALLIBLE db_array(struct arena *arena, enum db_type element, const struct db_value *values,
                  size_t count, struct db_value *ret_array);

/* --- one statement -------------------------------------------------------------------------------- */

/* Gives rows (never NULL on success; free them). */
FALLIBLE db_run(struct db *db, enum stmt stmt, const struct db_value *values, size_t count,
                struct detail *detail, struct db_rows **ret_rows);

/* The same for statements whose rows nobody wants; *ret_affected may be NULL. */
FALLIBLE db_do(struct db *db, enum stmt stmt, const struct db_value *values, size_t count,
               struct detail *detail, size_t *ret_affected);

/* --- a pipeline: many statements, one turn ---------------------------------------------------------- */

/* From db_begin_pipeline to db_end_pipeline statements are only queued. A pipeline is one implicit
 * transaction unless it holds BEGIN and COMMIT statements of its own. */
FALLIBLE db_begin_pipeline(struct db *db, struct detail *detail);
FALLIBLE db_queue(struct db *db, enum stmt stmt, const struct db_value *values, size_t count,
                  struct detail *detail);

/* Sends what is queued and reads all results, in order. `*ret_results` has `count` entries (as many as were
 * queued), each to be freed, NULL for a statement that was not run because an earlier one failed.
 * On an SQL error `*ret_failed` is the index of the failing statement. The pipeline is over in every
 * case. Results array borrows from db until the next pipeline. Errors: as above. */
FALLIBLE db_end_pipeline(struct db *db, struct detail *detail, struct db_rows ***ret_results,
                         size_t *ret_count, size_t *ret_failed);

/* --- rows ----------------------------------------------------------------------------------------- */

size_t db_rows_count(const struct db_rows *rows);
size_t db_rows_affected(const struct db_rows *rows);
void db_rows_free(struct db_rows *rows);

/* Moves to the next row; false after the last. Begins before the first. */
bool db_next(struct db_rows *rows);
bool db_is_null(const struct db_rows *rows, int column);
/* The column must have that type and not be NULL (INVARIANT). Views borrow from rows. */
bool db_get_bool(const struct db_rows *rows, int column);
int64_t db_get_int(const struct db_rows *rows, int column); /* int2, int4, int8 */
struct uuid db_get_uuid(const struct db_rows *rows, int column);
struct bytes db_get_bytes(const struct db_rows *rows, int column); /* bytea, text */
struct unix_ns db_get_time(const struct db_rows *rows, int column);

/* Runs unprepared SQL text without parameters: migrations and session settings only. */
FALLIBLE db_script(struct db *db, const char *sql, struct detail *detail);

/* Lets a role log in, with this password (NULL: with what it has). `role` is a name that needs no quotes. The
 * password leaves this process as its verifier only, so that no log of the server can hold it. Errors: DB_AWAY,
 * DB_REFUSED. */
FALLIBLE db_role_login(struct db *db, const char *role, const char *password,
                       struct detail *detail);

bool db_text_is_storable(struct bytes text);

#endif
