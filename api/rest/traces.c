#include "api/rest/conversation.h"
#include "api/rest/cursor.h"
#include "api/rest/page.h"
#include "api/rest/query.h"
#include "api/rest/rest.h"
#include "api/rest/trace.h"

#include "proto/base/banned.h"

enum {
    TRACES_LIMIT_DEFAULT = 50,
    SERVICE_CHARS_MAX = 255,
    /* Of one call: SDKs that lose the context make dozens. */
    CALL_TRACES_MAX = 1000,
    /* Columns of TRACE_COLUMNS in schema/stmt.def, and the one behind them. */
    COLUMN_ID = 0,
    COLUMN_START,
    COLUMN_END,
    COLUMN_HAS_ERROR,
    COLUMN_SERVICE,
    COLUMN_ROOT_ID,
    COLUMN_ROOT_NAME,
    COLUMN_FIRST_SEEN,
    COLUMN_LAST_SEEN,
    COLUMN_SPANS,
    COLUMN_ERRORS,
    COLUMN_SEGMENTS,
    COLUMN_MORE,
};

/* Three hundred years are more than any duration, and fit milliseconds times a million. */
#define DURATION_MS_MAX INT64_C(9223372036854)

const char *trace_root_state(bool has_root, struct unix_ns last_seen, struct unix_ns now)
{
    if (has_root) {
        return "root";
    }
    return (now.ns - last_seen.ns) / NS_PER_S < TRACE_QUIET_S ? "open" : "orphan-only";
}

static void text_or_null(struct out *out, const char *key, struct bytes text)
{
    if (text.len == 0) {
        out_null(out, key);
    } else {
        out_text(out, key, text);
    }
}

/* The members that every list of traces has. */
static void trace_write(struct out *out, const struct db_rows *rows, struct unix_ns now)
{
    bool has_root = !db_is_null(rows, COLUMN_ROOT_ID);
    struct unix_ns start = {db_get_int(rows, COLUMN_START)};
    struct unix_ns end = {db_get_int(rows, COLUMN_END)};
    struct unix_ns last_seen = db_get_time(rows, COLUMN_LAST_SEEN);
    out_hex(out, "traceId", db_get_bytes(rows, COLUMN_ID));
    out_word(out, "rootState", trace_root_state(has_root, last_seen, now));
    text_or_null(out, "rootName", db_get_bytes(rows, COLUMN_ROOT_NAME));
    if (has_root) {
        out_hex(out, "rootSpanId", db_get_bytes(rows, COLUMN_ROOT_ID));
    } else {
        out_null(out, "rootSpanId");
    }
    text_or_null(out, "service", db_get_bytes(rows, COLUMN_SERVICE));
    out_time(out, "startedAt", start, 9);
    out_time(out, "endedAt", end, 9);
    out_ms_between(out, "durationMs", start, end);
    out_int(out, "spanCount", db_get_int(rows, COLUMN_SPANS));
    out_int(out, "errorCount", db_get_int(rows, COLUMN_ERRORS));
    /* A span may stand in two segments when an export was repeated in other pieces. */
    out_bool(out, "countsApproximate", db_get_int(rows, COLUMN_SEGMENTS) > 1);
    out_bool(out, "hasError", db_get_bool(rows, COLUMN_HAS_ERROR));
    out_time(out, "firstSeenAt", db_get_time(rows, COLUMN_FIRST_SEEN), 3);
    out_time(out, "lastSeenAt", last_seen, 3);
}

/* Start in nanoseconds and trace id. NULL: no space. */
static const char *cursor_of_row(const struct db_rows *rows, struct arena *arena)
{
    char hex[TRACE_ID_HEX];
    const char *start = arena_printf(arena, "%lld", (long long)db_get_int(rows, COLUMN_START));
    if (start == NULL) {
        return NULL;
    }
    struct bytes id = db_get_bytes(rows, COLUMN_ID);
    bytes_to_hex(bytes_of(id.ptr, sizeof hex / 2), hex);
    const struct cursor cursor = {bytes_of_text(start), bytes_of(hex, sizeof hex)};
    return cursor_write(&cursor, arena);
}

static bool cursor_take(const struct cursor *cursor, int64_t *ret_start, struct trace_id *ret_id)
{
    json_t *json = json_loadb((const char *)cursor->sort_value.ptr, cursor->sort_value.len,
                              JSON_DECODE_ANY, NULL);
    bool is_number = json_is_integer(json);
    *ret_start = json_integer_value(json);
    json_decref(json);
    return is_number && cursor->id.len == TRACE_ID_HEX &&
           bytes_from_hex(cursor->id, ret_id->b, sizeof ret_id->b);
}

/* --- the traces of a call or chat ------------------------------------------------------------------ */

enum { Q_LIMIT, Q_AFTER, Q_OF_CALL };

static const struct query_rule of_call_rules[Q_OF_CALL] = {
    [Q_LIMIT] = {.name = "limit", .type = QUERY_INTEGER, .least = 1, .most = CALL_TRACES_MAX},
    [Q_AFTER] = {.name = "after", .type = QUERY_CURSOR},
};

static FALLIBLE matched_write(struct out *out, const struct db_rows *rows, struct arena *arena)
{
    struct match_key *keys = NULL;
    size_t count = 0;
    TRY(conversation_keys_of_text(db_get_bytes(rows, COLUMN_MORE), arena, &keys, &count));
    conversation_write_keys(out, "matches", keys, count);
    return OK;
}

/* The conversations "id:kind,id:kind" that a trace is linked with. */
static void linked_write(struct out *out, const struct db_rows *rows)
{
    struct bytes text =
        db_is_null(rows, COLUMN_MORE) ? bytes_of(NULL, 0) : db_get_bytes(rows, COLUMN_MORE);
    const size_t id_chars = UUID_TEXT_BYTES - 1;
    const size_t part = id_chars + 2;
    out_bool(out, "linked", text.len > 0);
    out_array(out, "conversations");
    for (size_t at = 0; at + part <= text.len; at += part + 1) {
        out_object(out, NULL);
        out_text(out, "id", bytes_of(text.ptr + at, id_chars));
        out_word(out, "kind",
                 conversation_kind_name((unsigned)(text.ptr[at + id_chars + 1] - '0')));
        out_end_object(out);
    }
    out_end_array(out);
}

struct list {
    int64_t limit;
    int64_t total;
    int64_t total_max;
    bool is_of_call;
};

static void list_answer(struct exchange *exchange, struct db_rows *rows, const struct list *list)
{
    struct arena *arena = exchange_arena(exchange);
    struct unix_ns now = clock_unix();
    struct out out;
    const char *next = NULL;
    err_t err = OK;
    page_begin(&out);
    for (int64_t i = 0; i < list->limit && err_is_ok(err) && db_next(rows); i++) {
        out_object(&out, NULL);
        trace_write(&out, rows, now);
        if (list->is_of_call) {
            err = matched_write(&out, rows, arena);
        } else {
            linked_write(&out, rows);
        }
        out_end_object(&out);
        if (i + 1 == list->limit && db_rows_count(rows) > (size_t)list->limit && err_is_ok(err)) {
            next = cursor_of_row(rows, arena);
            err = next == NULL ? FAIL(NO_SPACE) : OK;
        }
    }
    if (!err_is_ok(err)) {
        out_fini(&out);
        exchange_fail(exchange, err, &(struct detail){0});
        return;
    }
    page_end(&out, list->total, list->total_max, next);
    out_answer(&out, exchange);
}

static bool conversation_is_there(struct exchange *exchange, enum conversation_kind kind,
                                  const struct uuid *project, const struct uuid *id)
{
    const struct db_value values[] = {db_uuid(project), db_int2((int16_t)kind), db_uuid(id)};
    struct db_rows *rows = NULL;
    if (!page_run(exchange, STMT_CONVERSATION_EXISTS, values, 3, &rows)) {
        return false;
    }
    bool is_there = db_next(rows);
    db_rows_free(rows);
    if (!is_there) {
        exchange_error(exchange, 404, "not_found", "there is no %s with this id in the project",
                       conversation_kind_name(kind));
    }
    return is_there;
}

static void traces_of(struct exchange *exchange, enum conversation_kind kind)
{
    struct query_value query[Q_OF_CALL];
    struct uuid id;
    struct uuid project = exchange_project(exchange);
    struct trace_id after = {{0}};
    int64_t start = INT64_MIN;
    if (!query_read(exchange, of_call_rules, Q_OF_CALL, query) ||
        !query_path_uuid(exchange, 0, conversation_kind_name(kind), &id)) {
        return;
    }
    if (query[Q_AFTER].has && !cursor_take(&query[Q_AFTER].cursor, &start, &after)) {
        (void)query_bad(exchange, "after", "is no nextCursor of this list");
        return;
    }
    struct list list = {.limit = query[Q_LIMIT].has ? query[Q_LIMIT].number : CALL_TRACES_MAX,
                        .is_of_call = true};
    const struct db_value values[] = {db_uuid(&project), db_uuid(&id), db_int8(start),
                                      db_bytes(bytes_of(after.b, sizeof after.b)),
                                      db_int4((int32_t)list.limit + 1)};
    struct db_rows *rows = NULL;
    if (conversation_is_there(exchange, kind, &project, &id) &&
        page_count(exchange, STMT_CONVERSATION_TRACES_COUNT, values, 2, &list.total) &&
        page_run(exchange, STMT_CONVERSATION_TRACES, values, 5, &rows)) {
        list_answer(exchange, rows, &list);
        db_rows_free(rows);
    }
}

void rest_call_traces(struct exchange *exchange)
{
    traces_of(exchange, CONVERSATION_KIND_CALL);
}

void rest_chat_traces(struct exchange *exchange)
{
    traces_of(exchange, CONVERSATION_KIND_CHAT);
}

/* --- all traces ------------------------------------------------------------------------------------ */

enum {
    X_LIMIT,
    X_AFTER,
    X_FROM,
    X_TO,
    X_LINKED,
    X_SERVICE,
    X_STATUS,
    X_LEAST,
    X_MOST,
    X_COUNT,
};

static const char *const trace_statuses[] = {"error", NULL};

static const struct query_rule explorer_rules[X_COUNT] = {
    [X_LIMIT] = {.name = "limit", .type = QUERY_INTEGER, .least = 1, .most = PAGE_LIMIT_MAX},
    [X_AFTER] = {.name = "after", .type = QUERY_CURSOR},
    [X_FROM] = {.name = "from", .type = QUERY_TIME},
    [X_TO] = {.name = "to", .type = QUERY_TIME},
    [X_LINKED] = {.name = "linked", .type = QUERY_TRUTH},
    [X_SERVICE] = {.name = "service", .type = QUERY_TEXT, .most = SERVICE_CHARS_MAX},
    [X_STATUS] = {.name = "status", .type = QUERY_WORD, .words = trace_statuses},
    [X_LEAST] = {.name = "minDurationMs", .type = QUERY_INTEGER, .most = DURATION_MS_MAX},
    [X_MOST] = {.name = "maxDurationMs", .type = QUERY_INTEGER, .most = DURATION_MS_MAX},
};

static const char *const explorer_refused[] = {"name", "attr", "tag", NULL};

/* $1 to $8. `project` must live as long as values. */
static void filters_fill(const struct query_value *query, const struct uuid *project,
                         struct db_value *values)
{
    values[0] = db_uuid(project);
    values[1] = db_int8(query[X_FROM].has ? query[X_FROM].at.ns : INT64_MIN);
    values[2] = db_int8(query[X_TO].has ? query[X_TO].at.ns : INT64_MAX);
    values[3] = query[X_LINKED].has ? db_bool(query[X_LINKED].number == 1) : db_null();
    values[4] = query[X_SERVICE].has ? db_text(query[X_SERVICE].text) : db_null();
    values[5] = db_bool(query[X_STATUS].has);
    /* Clocks run apart: an end may lie before its start. */
    values[6] = db_int8(query[X_LEAST].has ? query[X_LEAST].number * NS_PER_MS : INT64_MIN);
    values[7] = db_int8(query[X_MOST].has ? query[X_MOST].number * NS_PER_MS : INT64_MAX);
}

void rest_traces(struct exchange *exchange)
{
    enum { FILTERS = 8, VALUES = 11 };
    struct query_value query[X_COUNT];
    struct db_value values[VALUES];
    struct uuid project = exchange_project(exchange);
    struct trace_id after = {{0}};
    int64_t start = INT64_MAX;
    if (!query_refuse(exchange, explorer_refused) ||
        !query_read(exchange, explorer_rules, X_COUNT, query)) {
        return;
    }
    if (query[X_AFTER].has && !cursor_take(&query[X_AFTER].cursor, &start, &after)) {
        (void)query_bad(exchange, "after", "is no nextCursor of this list");
        return;
    }
    struct list list = {.limit = query[X_LIMIT].has ? query[X_LIMIT].number : TRACES_LIMIT_DEFAULT,
                        .total_max = PAGE_TOTAL_MAX};
    filters_fill(query, &project, values);
    values[8] = db_int8(start);
    values[9] = db_bytes(bytes_of(after.b, sizeof after.b));
    values[10] = db_int4((int32_t)list.limit + 1);
    struct db_rows *rows = NULL;
    if (page_count(exchange, STMT_TRACES_COUNT, values, FILTERS, &list.total) &&
        page_run(exchange, STMT_TRACES, values, VALUES, &rows)) {
        list_answer(exchange, rows, &list);
        db_rows_free(rows);
    }
}
