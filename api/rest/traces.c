#include "api/rest/conversation.h"
#include "api/rest/cursor.h"
#include "api/rest/page.h"
#include "api/rest/query.h"
#include "api/rest/rest.h"
#include "api/rest/trace_row.h"

#include "proto/base/banned.h"

enum {
    /* Of one call: SDKs that lose the context make dozens. */
    CALL_TRACES_MAX = 1000,
};

enum { Q_LIMIT, Q_AFTER, Q_OF_CALL };

static const struct query_rule of_call_rules[Q_OF_CALL] = {
    [Q_LIMIT] = {.name = "limit", .type = QUERY_INTEGER, .least = 1, .most = CALL_TRACES_MAX},
    [Q_AFTER] = {.name = "after", .type = QUERY_CURSOR},
};

static FALLIBLE matched_write(struct out *out, const struct db_rows *rows, struct arena *arena)
{
    struct match_key *keys = NULL;
    size_t count = 0;
    TRY(conversation_keys_of_text(db_get_bytes(rows, TRACE_COLUMN_MORE), arena, &keys, &count));
    conversation_write_keys(out, "matches", keys, count);
    return OK;
}

static const char *cursor_of_row(const struct db_rows *rows, struct arena *arena)
{
    struct trace_place place = {.start = db_get_int(rows, TRACE_COLUMN_START)};
    memcpy(place.id.b, db_get_bytes(rows, TRACE_COLUMN_ID).ptr, sizeof place.id.b);
    return trace_cursor_write(&place, arena);
}

static void list_answer(struct exchange *exchange, struct db_rows *rows, int64_t limit,
                        int64_t total)
{
    struct arena *arena = exchange_arena(exchange);
    struct unix_ns now = clock_unix();
    struct out out;
    const char *next = NULL;
    err_t err = OK;
    page_begin(&out);
    for (int64_t i = 0; i < limit && err_is_ok(err) && db_next(rows); i++) {
        out_object(&out, NULL);
        trace_row_write(&out, rows, now);
        err = matched_write(&out, rows, arena);
        out_end_object(&out);
        if (i + 1 == limit && db_rows_count(rows) > (size_t)limit && err_is_ok(err)) {
            next = cursor_of_row(rows, arena);
            err = next == NULL ? FAIL(NO_SPACE) : OK;
        }
    }
    if (!err_is_ok(err)) {
        out_fini(&out);
        exchange_fail(exchange, err, &(struct detail){0});
        return;
    }
    page_end(&out, total, 0, next);
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
    struct trace_place after = {.start = INT64_MIN};
    int64_t total = 0;
    if (!query_read(exchange, of_call_rules, Q_OF_CALL, query) ||
        !query_path_uuid(exchange, 0, conversation_kind_name(kind), &id)) {
        return;
    }
    if (query[Q_AFTER].has &&
        !trace_cursor_read(&query[Q_AFTER].cursor, exchange_arena(exchange), &after)) {
        (void)query_bad(exchange, "after", "is no nextCursor of this list");
        return;
    }
    int64_t limit = query[Q_LIMIT].has ? query[Q_LIMIT].number : CALL_TRACES_MAX;
    const struct db_value values[] = {db_uuid(&project), db_uuid(&id), db_int8(after.start),
                                      db_bytes(bytes_of(after.id.b, sizeof after.id.b)),
                                      db_int4((int32_t)limit + 1)};
    struct db_rows *rows = NULL;
    if (conversation_is_there(exchange, kind, &project, &id) &&
        page_count(exchange, STMT_CONVERSATION_TRACES_COUNT, values, 2, &total) &&
        page_run(exchange, STMT_CONVERSATION_TRACES, values, 5, &rows)) {
        list_answer(exchange, rows, limit, total);
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
