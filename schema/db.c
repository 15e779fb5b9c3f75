#include <libpq-fe.h>
#include <poll.h>
#include <stdio.h>

#include "proto/base/arena.h"
#include "proto/base/check.h"
#include "proto/base/mem.h"
#include "schema/db_private.h"

#include "proto/base/banned.h"

enum {
    PARAMETERS_MAX = 32,
    PIPELINE_FIRST = 64,
    /* The server's own statement timeout comes first; this is for a server that says nothing at all. */
    SILENCE_MS = 1000,
    /* A farewell, then the end of the stream. */
    IDLE_READS_MAX = 4,
    PLANS_MS_MIN = 1000,
    PLANS_MS_MAX = 600000,
};

struct statement {
    const char *name;
    const char *sql;
    int parameters;
    bool is_planned_anew;
};

static const struct statement statements[STMT_COUNT] = {
#define STMT(stmt_name, parameters, sql)      {#stmt_name, sql, parameters, false},
#define STMT_ANEW(stmt_name, parameters, sql) {#stmt_name, sql, parameters, true},
#include "schema/stmt.def"
#undef STMT
};

/* One entry of the running pipeline, in the order sent. */
struct entry {
    enum stmt stmt;
    bool is_prepare;
};

struct db {
    struct db_options options;
    PGconn *conn;
    bool is_prepared[STMT_COUNT];
    bool in_pipeline;
    struct mono_ns plans_made;
    int64_t plans_ms; /* until they are made anew */
    struct entry *entries;
    size_t entries_count;
    size_t entries_room;
    size_t queued; /* entries that are statements */
    struct db_rows **results;
    size_t results_room;
    bool is_unreplicated; /* a COMMIT of the running pipeline ended without its standby */
    char sqlstate[6];
};

/* --- connection ----------------------------------------------------------------------------------- */

err_t db_new(const struct db_options *options, struct db **ret_db)
{
    struct db *db = mem_zero(1, sizeof *db);
    if (db == NULL) {
        return FAIL(MEMORY);
    }
    db->options = *options;
    *ret_db = db;
    return OK;
}

void db_close(struct db *db)
{
    if (db->conn != NULL) {
        PQfinish(db->conn);
        db->conn = NULL;
    }
    memset(db->is_prepared, 0, sizeof db->is_prepared);
    db->in_pipeline = false;
    db->entries_count = 0;
    db->queued = 0;
}

void db_free(struct db *db)
{
    if (db == NULL) {
        return;
    }
    db_close(db);
    mem_free(db->entries);
    mem_free(db->results);
    mem_free(db);
}

bool db_is_connected(const struct db *db)
{
    return db->conn != NULL && PQstatus(db->conn) == CONNECTION_OK;
}

const char *db_sqlstate(const struct db *db)
{
    return db->sqlstate;
}

/* libpq's messages end in a line end and may hold several lines. */
static void detail_from_libpq(struct detail *detail, const char *what, const char *message)
{
    int len = 0;
    while (message[len] != '\0' && message[len] != '\n') {
        len++;
    }
    detail_set(detail, "%s: %.*s", what, len, message);
}

/* --- waiting -------------------------------------------------------------------------------------- */

static err_t connection_lost(struct db *db, struct detail *detail, const char *why)
{
    detail_from_libpq(detail, "Postgres", why != NULL ? why : PQerrorMessage(db->conn));
    db->sqlstate[0] = '\0';
    db_close(db);
    return FAIL(DB_AWAY);
}

/* Waits for the socket, at most until `deadline`. 0 as a timeout of the server (statement_timeout off) waits
 * without end. */
static err_t wait_socket(struct db *db, short events, struct mono_ns deadline,
                         struct detail *detail)
{
    int timeout_ms = -1;
    if (db->options.statement_timeout_ms > 0) {
        int64_t left = mono_ms_between(clock_mono(), deadline);
        timeout_ms = left < 0 ? 0 : (int)left;
    }
    struct pollfd poller = {.fd = PQsocket(db->conn), .events = events};
    int ready = poll(&poller, 1, timeout_ms);
    if (ready == 0) {
        return connection_lost(db, detail, "no answer in time");
    }
    return OK; /* an interrupted poll just turns the caller's loop */
}

static struct mono_ns deadline_of(const struct db *db)
{
    return mono_after_ms(clock_mono(), (int64_t)db->options.statement_timeout_ms + SILENCE_MS);
}

/* Sends all that libpq holds, reading what comes meanwhile so that neither side waits for the other. */
static err_t flush(struct db *db, struct detail *detail)
{
    struct mono_ns deadline = deadline_of(db);
    for (;;) {
        int left = PQflush(db->conn);
        if (left == 0) {
            return OK;
        }
        if (left < 0) {
            return connection_lost(db, detail, NULL);
        }
        TRY(wait_socket(db, POLLIN | POLLOUT, deadline, detail));
        if (PQconsumeInput(db->conn) == 0) {
            return connection_lost(db, detail, NULL);
        }
    }
}

/* The next result; *ret_result is NULL at the end of a statement's results. */
static err_t next_result(struct db *db, struct detail *detail, PGresult **ret_result)
{
    struct mono_ns deadline = deadline_of(db);
    while (PQisBusy(db->conn) != 0) {
        TRY(wait_socket(db, POLLIN, deadline, detail));
        if (PQconsumeInput(db->conn) == 0) {
            return connection_lost(db, detail, NULL);
        }
    }
    *ret_result = PQgetResult(db->conn);
    return OK;
}

/* --- errors --------------------------------------------------------------------------------------- */

static bool is_transient(const char *sqlstate)
{
    static const char *const classes[] = {"08", "40", "53", "57"};
    for (size_t i = 0; i < sizeof classes / sizeof classes[0]; i++) {
        if (strncmp(sqlstate, classes[i], 2) == 0) {
            return true;
        }
    }
    return false;
}

/* What a failed result means; remembers its SQLSTATE. */
static err_t result_err(struct db *db, const PGresult *result, const char *what,
                        struct detail *detail)
{
    const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    const char *message = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
    if (state == NULL) { /* libpq's own, such as a lost connection */
        return connection_lost(db, detail, NULL);
    }
    (void)snprintf(db->sqlstate, sizeof db->sqlstate, "%s",
                   state); /* five characters by contract */
    detail_from_libpq(detail, what, message == NULL ? "no message" : message);
    return is_transient(state) ? FAIL(DB_AWAY) : FAIL(DB_REFUSED);
}

static bool result_is_good(const PGresult *result)
{
    ExecStatusType status = PQresultStatus(result);
    return status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK;
}

/* Scripts are administration: they wait as long as the server does. */
static err_t script_run(struct db *db, const char *sql, struct detail *detail)
{
    PGresult *result = PQexec(db->conn, sql);
    err_t err = OK;
    if (result == NULL) {
        err = connection_lost(db, detail, NULL);
    } else if (!result_is_good(result)) {
        err = result_err(db, result, "script", detail);
    }
    PQclear(result);
    return err;
}

/* Of Postgres' notices one matters: a COMMIT whose wait for a synchronous standby was cancelled succeeds with a
 * warning, and a failover loses it. The words are translated, the function's name is not. The rest tells nothing
 * that an error does not, and a line of its own would break the log's form. */
static void notice_take(void *context, const PGresult *notice)
{
    struct db *db = context;
    const char *function = PQresultErrorField(notice, PG_DIAG_SOURCE_FUNCTION);
    if (function != NULL && strcmp(function, "SyncRepWaitForLSN") == 0) {
        db->is_unreplicated = true;
    }
}

static err_t connect_now(struct db *db, struct detail *detail)
{
    char timeout[16];
    (void)snprintf(timeout, sizeof timeout, "%u", db->options.connect_timeout_s); /* always fits */
    const char *keywords[] = {"dbname",          "application_name", "connect_timeout",
                              "client_encoding", "tcp_user_timeout", NULL};
    const char *values[] = {
        db->options.conninfo, db->options.application_name, timeout, "UTF8", "10000", NULL};
    db->conn = PQconnectdbParams(keywords, values, 1);
    if (db->conn == NULL) {
        return FAIL(MEMORY);
    }
    if (PQstatus(db->conn) != CONNECTION_OK) {
        detail_from_libpq(detail, "Postgres", PQerrorMessage(db->conn));
        db_close(db);
        return FAIL(DB_AWAY);
    }
    (void)PQsetNoticeReceiver(db->conn, notice_take, db); /* the one before is of no use */
    char work_mem[32] = "default";
    if (db->options.work_mem_mib > 0) {
        (void)snprintf(work_mem, sizeof work_mem, "'%uMB'", db->options.work_mem_mib);
    }
    char settings[256];
    (void)snprintf(
        settings, sizeof settings, /* a few numbers and words always fit */
        "set statement_timeout = %u; set idle_in_transaction_session_timeout = %u; "
        "set default_transaction_read_only = %s; set timezone = 'UTC'; set work_mem = %s",
        db->options.statement_timeout_ms, db->options.idle_in_transaction_ms,
        db->options.is_read_only ? "on" : "off", work_mem);
    err_t err = script_run(db, settings, detail);
    if (!err_is_ok(err) || PQsetnonblocking(db->conn, 1) != 0) {
        db_close(db);
        return FAIL(DB_AWAY);
    }
    return OK;
}

/* An idle connection has nothing to say but that its server went away: what can be read is read, so that the
 * next statement does not find out. */
static void idle_look(struct db *db)
{
    for (int i = 0; i < IDLE_READS_MAX && db_is_connected(db); i++) {
        struct pollfd poll_fd = {.fd = PQsocket(db->conn), .events = POLLIN};
        if (poll(&poll_fd, 1, 0) != 1) {
            return;
        }
        if (PQconsumeInput(db->conn) == 0) {
            db_close(db);
        }
    }
}

/* --- values --------------------------------------------------------------------------------------- */

static void put_be(uint8_t *out, uint64_t value, unsigned octets)
{
    for (unsigned i = 0; i < octets; i++) {
        out[i] = (uint8_t)(value >> (8 * (octets - 1 - i)));
    }
}

static int64_t time_to_wire(int64_t unix_ns)
{
    int64_t us = unix_ns / 1000 - (unix_ns % 1000 < 0 ? 1 : 0);
    return us - DB_EPOCH_S * INT64_C(1000000);
}

/* The value's octets: its own memory, or `number` filled with its binary form. */
static struct bytes value_octets(const struct db_value *value, uint8_t number[8])
{
    switch (value->type) {
    case DB_TYPE_NULL:
        break;
    case DB_TYPE_BOOL:
        number[0] = value->number != 0;
        return bytes_of(number, 1);
    case DB_TYPE_INT2:
        put_be(number, (uint64_t)value->number, 2);
        return bytes_of(number, 2);
    case DB_TYPE_INT4:
        put_be(number, (uint64_t)value->number, 4);
        return bytes_of(number, 4);
    case DB_TYPE_INT8:
        put_be(number, (uint64_t)value->number, 8);
        return bytes_of(number, 8);
    case DB_TYPE_TIME:
        put_be(number, (uint64_t)time_to_wire(value->number), 8);
        return bytes_of(number, 8);
    case DB_TYPE_UUID:
    case DB_TYPE_BYTEA:
    case DB_TYPE_TEXT:
    case DB_TYPE_ARRAY:
        /* An empty value is not NULL: it needs a pointer. */
        return bytes_of(value->data.ptr == NULL ? number : value->data.ptr, value->data.len);
    }
    return bytes_of(NULL, 0);
}

struct parameters {
    const char *values[PARAMETERS_MAX];
    int lengths[PARAMETERS_MAX];
    int formats[PARAMETERS_MAX];
    uint8_t numbers[PARAMETERS_MAX][8];
};

static void parameters_fill(struct parameters *out, const struct db_value *values, size_t count)
{
    PRE(count <= PARAMETERS_MAX);
    for (size_t i = 0; i < count; i++) {
        struct bytes octets = value_octets(&values[i], out->numbers[i]);
        PRE(octets.len <= INT32_MAX);
        out->values[i] = (const char *)octets.ptr;
        out->lengths[i] = (int)octets.len;
        out->formats[i] = 1;
    }
}

static uint32_t type_oid(enum db_type type)
{
    static const uint32_t oids[] = {
        [DB_TYPE_BOOL] = 16,   [DB_TYPE_BYTEA] = 17,  [DB_TYPE_INT8] = 20,
        [DB_TYPE_INT2] = 21,   [DB_TYPE_INT4] = 23,   [DB_TYPE_TEXT] = 25,
        [DB_TYPE_TIME] = 1184, [DB_TYPE_UUID] = 2950, [DB_TYPE_ARRAY] = 0,
    };
    PRE(oids[type] != 0);
    return oids[type];
}

err_t db_array(struct arena *arena, enum db_type element, const struct db_value *values,
               size_t count, struct db_value *ret_array)
{
    enum { HEAD = 20, EMPTY_HEAD = 12 };
    uint8_t number[8];
    size_t total = HEAD;
    for (size_t i = 0; i < count; i++) {
        PRE(values[i].type == element || values[i].type == DB_TYPE_NULL);
        total += 4 + value_octets(&values[i], number).len;
    }
    uint8_t *out = arena_alloc(arena, total);
    if (out == NULL) {
        return FAIL(NO_SPACE);
    }
    put_be(out, count == 0 ? 0 : 1, 4); /* dimensions */
    put_be(out + 4, 1, 4);              /* may hold NULLs */
    put_be(out + 8, type_oid(element), 4);
    put_be(out + 12, count, 4);
    put_be(out + 16, 1, 4); /* SQL counts from one */
    size_t at = HEAD;
    for (size_t i = 0; i < count; i++) {
        struct bytes octets = value_octets(&values[i], number);
        if (values[i].type == DB_TYPE_NULL) {
            put_be(out + at, UINT32_MAX, 4);
            at += 4;
            continue;
        }
        put_be(out + at, octets.len, 4);
        at += 4;
        if (octets.len > 0) {
            memcpy(out + at, octets.ptr, octets.len);
        }
        at += octets.len;
    }
    *ret_array = (struct db_value){
        .type = DB_TYPE_ARRAY,
        .data = bytes_of(out, count == 0 ? EMPTY_HEAD : at),
    };
    return OK;
}

bool db_text_is_storable(struct bytes text)
{
    return (text.len == 0 || memchr(text.ptr, 0, text.len) == NULL) && bytes_are_utf8(text);
}

/* --- pipeline ------------------------------------------------------------------------------------- */

static err_t entry_add(struct db *db, struct entry entry)
{
    if (db->entries_count == db->entries_room) {
        size_t room = db->entries_room == 0 ? PIPELINE_FIRST : db->entries_room * 2;
        struct entry *entries = mem_resize(db->entries, room * sizeof *entries);
        if (entries == NULL) {
            return FAIL(MEMORY);
        }
        db->entries = entries;
        db->entries_room = room;
    }
    db->entries[db->entries_count++] = entry;
    db->queued += !entry.is_prepare;
    return OK;
}

static err_t pipeline_begin(struct db *db, struct detail *detail)
{
    PRE(!db->in_pipeline);
    if (PQenterPipelineMode(db->conn) == 0) {
        return connection_lost(db, detail, NULL);
    }
    db->in_pipeline = true;
    db->is_unreplicated = false;
    db->entries_count = 0;
    db->queued = 0;
    return OK;
}

err_t db_queue(struct db *db, enum stmt stmt, const struct db_value *values, size_t count,
               struct detail *detail)
{
    const struct statement *statement = &statements[stmt];
    PRE(db->in_pipeline || !db_is_connected(db));
    PRE(count == (size_t)statement->parameters);
    if (!db_is_connected(db)) {
        detail_set(detail, "Postgres: the connection was lost");
        return FAIL(DB_AWAY);
    }
    if (!db->is_prepared[stmt] && !statement->is_planned_anew) {
        TRY(entry_add(db, (struct entry){.stmt = stmt, .is_prepare = true}));
        if (PQsendPrepare(db->conn, statement->name, statement->sql, 0, NULL) == 0) {
            return connection_lost(db, detail, NULL);
        }
        db->is_prepared[stmt] = true;
    }
    struct parameters parameters;
    parameters_fill(&parameters, values, count);
    TRY(entry_add(db, (struct entry){.stmt = stmt}));
    int is_sent =
        statement->is_planned_anew
            ? PQsendQueryParams(db->conn, statement->sql, (int)count, NULL, parameters.values,
                                parameters.lengths, parameters.formats, 1)
            : PQsendQueryPrepared(db->conn, statement->name, (int)count, parameters.values,
                                  parameters.lengths, parameters.formats, 1);
    if (is_sent == 0) {
        return connection_lost(db, detail, NULL);
    }
    return OK;
}

static err_t rows_new(PGresult *result, struct db_rows **ret_rows)
{
    struct db_rows *rows = mem_zero(1, sizeof *rows);
    if (rows == NULL) {
        PQclear(result);
        return FAIL(MEMORY);
    }
    rows->result = result;
    rows->row = -1;
    rows->count = PQntuples(result);
    *ret_rows = rows;
    return OK;
}

/* Reads the result of one entry and the NULL that ends it. A later entry of a failed pipeline yields none. */
static err_t read_entry(struct db *db, size_t index, struct db_rows **ret_rows,
                        struct detail *detail, bool *ret_was_run)
{
    PGresult *result = NULL;
    PGresult *end = NULL;
    const struct entry *entry = &db->entries[index];
    TRY(next_result(db, detail, &result));
    if (result == NULL) {
        return connection_lost(db, detail, "the answer ended early");
    }
    err_t err = OK;
    bool was_run = PQresultStatus(result) != PGRES_PIPELINE_ABORTED;
    if (was_run && result_is_good(result)) {
        if (!entry->is_prepare) {
            err = rows_new(result, ret_rows);
            result = NULL;
        }
    } else {
        if (entry->is_prepare) {
            db->is_prepared[entry->stmt] = false;
        }
        if (was_run) {
            err = result_err(db, result, statements[entry->stmt].name, detail);
        }
    }
    PQclear(result);
    *ret_was_run = was_run;
    if (db->conn == NULL) {
        return err;
    }
    err_t ended = next_result(db, detail, &end);
    PQclear(end);
    return err_is_ok(err) ? ended : err;
}

static err_t read_all(struct db *db, struct detail *detail, size_t *ret_failed)
{
    err_t first = OK;
    size_t at = 0;
    for (size_t i = 0; i < db->entries_count; i++) {
        bool was_run = false;
        struct detail later = {0};
        err_t err =
            read_entry(db, i, &db->results[at], err_is_ok(first) ? detail : &later, &was_run);
        if (!err_is_ok(err) && err_is_ok(first)) {
            first = err;
            *ret_failed = at;
        }
        if (db->conn == NULL) {
            return first;
        }
        at += !db->entries[i].is_prepare;
    }
    PGresult *sync = NULL;
    TRY(next_result(db, detail, &sync));
    bool is_sync = PQresultStatus(sync) == PGRES_PIPELINE_SYNC;
    PQclear(sync);
    if (!is_sync || PQexitPipelineMode(db->conn) == 0) {
        return connection_lost(db, detail, "the pipeline did not end");
    }
    return first;
}

static bool holds_commit(const struct db *db)
{
    for (size_t i = 0; i < db->entries_count; i++) {
        if (db->entries[i].stmt == STMT_COMMIT && !db->entries[i].is_prepare) {
            return true;
        }
    }
    return false;
}

static err_t results_room(struct db *db)
{
    if (db->queued > db->results_room) {
        struct db_rows **results = mem_resize(db->results, db->queued * sizeof(struct db_rows *));
        if (results == NULL) {
            return FAIL(MEMORY);
        }
        db->results = results;
        db->results_room = db->queued;
    }
    for (size_t i = 0; i < db->queued; i++) {
        db->results[i] = NULL;
    }
    return OK;
}

err_t db_end_pipeline(struct db *db, struct detail *detail, struct db_rows ***ret_results,
                      size_t *ret_count, size_t *ret_failed)
{
    if (!db->in_pipeline) {
        detail_set(detail, "Postgres: the connection was lost");
        return FAIL(DB_AWAY);
    }
    *ret_failed = SIZE_MAX;
    bool has_commit = holds_commit(db);
    size_t queued = db->queued;
    err_t err = results_room(db);
    if (err_is_ok(err) && PQpipelineSync(db->conn) == 0) {
        err = connection_lost(db, detail, NULL);
    }
    if (err_is_ok(err)) {
        err = flush(db, detail);
    }
    if (err_is_ok(err)) {
        err = read_all(db, detail, ret_failed);
    } else if (db->conn != NULL) {
        db_close(db);
    }
    db->in_pipeline = false;
    if (err_is_ok(err) && db->is_unreplicated) {
        detail_set(detail, "Postgres: the wait for a synchronous standby was cancelled");
        db->sqlstate[0] = '\0';
        err = FAIL(COMMIT_UNKNOWN);
    }
    if (err_is_ok(err)) {
        *ret_results = db->results;
        *ret_count = queued;
        return OK;
    }
    for (size_t i = 0; i < queued && i < db->results_room; i++) {
        db_rows_free(db->results[i]);
        db->results[i] = NULL;
    }
    if (db->conn == NULL) {
        *ret_failed = SIZE_MAX;
        return has_commit ? FAIL(COMMIT_UNKNOWN) : err;
    }
    if (PQtransactionStatus(db->conn) != PQTRANS_IDLE) {
        struct detail ignored = {0};
        (void)script_run(db, "rollback", &ignored).code; /* a lost connection rolls back */
    }
    return err;
}

/* --- one statement -------------------------------------------------------------------------------- */

static err_t run_connected(struct db *db, enum stmt stmt, const struct db_value *values,
                           size_t count, struct detail *detail, struct db_rows **ret_rows)
{
    struct db_rows **results = NULL;
    size_t results_count = 0;
    size_t failed = 0;
    TRY(pipeline_begin(db, detail));
    err_t queued = db_queue(db, stmt, values, count, detail);
    if (!err_is_ok(queued)) {
        db_close(db);
        return queued;
    }
    TRY(db_end_pipeline(db, detail, &results, &results_count, &failed));
    *ret_rows = results[0];
    return OK;
}

/* --- a connection that is ready --------------------------------------------------------------------- */

/* A plan that was made for an empty table may walk all rows for each one that it looks up, and is kept until somebody
 * gathers statistics. So plans are made anew after 1 s, 2 s, 4 s, ...: no table outgrows its plans by far. */
static void plans_forget(struct db *db)
{
    struct mono_ns now = clock_mono();
    if (!db_is_connected(db) || mono_ms_between(db->plans_made, now) < db->plans_ms) {
        return;
    }
    db->plans_made = now;
    db->plans_ms = db->plans_ms < PLANS_MS_MAX / 2 ? db->plans_ms * 2 : PLANS_MS_MAX;
    struct detail detail = {.text = ""};
    struct db_rows *rows = NULL;
    if (!err_is_ok(run_connected(db, STMT_PLANS_FORGET, NULL, 0, &detail, &rows))) {
        db_close(db); /* connecting tells why */
    }
    db_rows_free(rows);
}

err_t db_ready(struct db *db, struct detail *detail, bool *ret_is_new)
{
    bool is_new = false;
    idle_look(db);
    plans_forget(db);
    if (!db_is_connected(db)) {
        db_close(db);
        TRY(connect_now(db, detail));
        db->plans_made = clock_mono();
        db->plans_ms = PLANS_MS_MIN;
        is_new = true;
    }
    if (ret_is_new != NULL) {
        *ret_is_new = is_new;
    }
    return OK;
}

err_t db_begin_pipeline(struct db *db, struct detail *detail)
{
    TRY(db_ready(db, detail, NULL));
    return pipeline_begin(db, detail);
}

err_t db_run(struct db *db, enum stmt stmt, const struct db_value *values, size_t count,
             struct detail *detail, struct db_rows **ret_rows)
{
    TRY(db_ready(db, detail, NULL));
    return run_connected(db, stmt, values, count, detail, ret_rows);
}

err_t db_do(struct db *db, enum stmt stmt, const struct db_value *values, size_t count,
            struct detail *detail, size_t *ret_affected)
{
    struct db_rows *rows = NULL;
    TRY(db_run(db, stmt, values, count, detail, &rows));
    if (ret_affected != NULL) {
        *ret_affected = db_rows_affected(rows);
    }
    db_rows_free(rows);
    return OK;
}

err_t db_script(struct db *db, const char *sql, struct detail *detail)
{
    TRY(db_ready(db, detail, NULL));
    return script_run(db, sql, detail);
}

/* "alter role NAME login [password VERIFIER]". False: out of memory, or libpq cannot make a verifier. */
static bool role_write(PGconn *conn, const char *role, const char *password, char *out, size_t room)
{
    if (password == NULL) {
        return snprintf(out, room, "alter role %s login", role) < (int)room;
    }
    char *verifier = PQencryptPasswordConn(conn, password, role, NULL);
    char *quoted = verifier == NULL ? NULL : PQescapeLiteral(conn, verifier, strlen(verifier));
    bool is_written = quoted != NULL && snprintf(out, room, "alter role %s login password %s", role,
                                                 quoted) < (int)room;
    PQfreemem(quoted);
    PQfreemem(verifier);
    return is_written;
}

err_t db_role_login(struct db *db, const char *role, const char *password, struct detail *detail)
{
    char sql[512];
    TRY(db_ready(db, detail, NULL));
    if (!role_write(db->conn, role, password, sql, sizeof sql)) {
        detail_from_libpq(detail, "the password", PQerrorMessage(db->conn));
        return FAIL(DB_REFUSED);
    }
    return script_run(db, sql, detail);
}
