/* GET /v1/conversations: calls and chats together. */
#include "api/rest/conversation.h"
#include "api/rest/cursor.h"
#include "api/rest/page.h"
#include "api/rest/query.h"
#include "api/rest/rest.h"

#include "proto/base/banned.h"

enum {
    Q_LIMIT,
    Q_AFTER,
    Q_KIND,
    Q_LINKED,
    Q_ERRORS,
    Q_SOURCE,
    Q_STATE,
    Q_FROM,
    Q_TO,
    Q_SEARCH,
    Q_COUNT,
};

enum { SEARCH_CHARS_MAX = 255 };

/* In the order of their numbers, which begin at one. */
static const char *const kinds[] = {"call", "chat", NULL};
static const char *const sources[] = {"api", "livekit", "vapi", "livekit-sdk", "pipecat", NULL};
static const char *const states[] = {"RINGING", "IN_PROGRESS", "ENDED", NULL};

static const struct query_rule rules[Q_COUNT] = {
    [Q_LIMIT] = {.name = "limit", .type = QUERY_INTEGER, .least = 1, .most = PAGE_LIMIT_MAX},
    [Q_AFTER] = {.name = "after", .type = QUERY_CURSOR},
    [Q_KIND] = {.name = "kind", .type = QUERY_WORD, .words = kinds},
    [Q_LINKED] = {.name = "linked", .type = QUERY_TRUTH},
    [Q_ERRORS] = {.name = "errors", .type = QUERY_TRUTH},
    [Q_SOURCE] = {.name = "source", .type = QUERY_WORD, .words = sources},
    [Q_STATE] = {.name = "state", .type = QUERY_WORD, .words = states},
    [Q_FROM] = {.name = "from", .type = QUERY_TIME},
    [Q_TO] = {.name = "to", .type = QUERY_TIME},
    [Q_SEARCH] = {.name = "q", .type = QUERY_TEXT, .most = SEARCH_CHARS_MAX},
};

/* Behind the columns that every list has. Errors and turns are null until the spans were tallied, the end while
 * there is no trace. */
enum {
    COLUMN_TRACES = CONVERSATION_COLUMN_SORT + 1,
    COLUMN_ERROR_TRACES,
    COLUMN_KINDS,
    COLUMN_ERRORS,
    COLUMN_TURNS,
    COLUMN_ANSWERED,
    COLUMN_SLOWEST,
    COLUMN_SLOWEST_TURN,
    COLUMN_TALLIED,
    COLUMN_OPEN_TRACES,
    COLUMN_TRACES_END,
};

static void int_or_null(struct out *out, const char *key, const struct db_rows *rows, int column)
{
    if (db_is_null(rows, column)) {
        out_null(out, key);
    } else {
        out_int(out, key, db_get_int(rows, column));
    }
}

/* "2,1" as ["external", "livekit"]: by number. */
static void kinds_write(struct out *out, const struct db_rows *rows)
{
    bool has[MATCH_KIND_COUNT] = {false};
    struct bytes text =
        db_is_null(rows, COLUMN_KINDS) ? bytes_of(NULL, 0) : db_get_bytes(rows, COLUMN_KINDS);
    for (size_t i = 0; i < text.len; i++) {
        unsigned kind = (unsigned)text.ptr[i] - '0'; /* all of them have one digit */
        if (kind < MATCH_KIND_COUNT) {
            has[kind] = true;
        }
    }
    out_array(out, "matchedKinds");
    for (unsigned kind = 0; kind < MATCH_KIND_COUNT; kind++) {
        if (has[kind]) {
            out_word(out, NULL, match_kind_name(kind));
        }
    }
    out_end_array(out);
}

static void tally_write(struct out *out, const struct db_rows *rows)
{
    int_or_null(out, "errorCount", rows, COLUMN_ERRORS);
    int_or_null(out, "turnCount", rows, COLUMN_TURNS);
    int_or_null(out, "answeredTurnCount", rows, COLUMN_ANSWERED);
    if (db_is_null(rows, COLUMN_SLOWEST)) {
        out_null(out, "slowestTurnMs");
    } else {
        out_ms_between(out, "slowestTurnMs", (struct unix_ns){0},
                       (struct unix_ns){db_get_int(rows, COLUMN_SLOWEST)});
    }
    int_or_null(out, "slowestTurn", rows, COLUMN_SLOWEST_TURN);
    if (db_is_null(rows, COLUMN_TALLIED)) {
        out_null(out, "talliedAt");
    } else {
        out_time(out, "talliedAt", db_get_time(rows, COLUMN_TALLIED), 3);
    }
}

static FALLIBLE row_write(struct exchange *exchange, const struct db_rows *rows, struct out *out)
{
    struct conversation it;
    TRY(conversation_of_row(rows, exchange_project(exchange), exchange_arena(exchange), &it));
    out_object(out, NULL);
    out_uuid(out, "id", it.id);
    out_word(out, "kind", conversation_kind_name(it.kind));
    out_word(out, "source", conversation_source_name(it.source));
    if (it.title.len > 0) {
        out_text(out, "title", it.title);
    } else {
        out_null(out, "title");
    }
    out_time(out, "createdAt", it.created, 3);
    if (it.status == CONVERSATION_STATUS_NONE) {
        out_null(out, "state");
    } else {
        out_word(out, "state", states[it.status - 1]);
    }
    if (it.has_started) {
        out_time(out, "startedAt", it.started, 3);
    } else {
        out_null(out, "startedAt");
    }
    if (it.has_ended) {
        out_time(out, "endedAt", it.ended, 3);
    } else {
        out_null(out, "endedAt");
    }
    conversation_write_keys(out, "keys", it.keys, it.keys_count);
    out_int(out, "traceCount", db_get_int(rows, COLUMN_TRACES));
    out_int(out, "openTraceCount", db_get_int(rows, COLUMN_OPEN_TRACES));
    out_int(out, "errorTraceCount", db_get_int(rows, COLUMN_ERROR_TRACES));
    if (db_is_null(rows, COLUMN_TRACES_END)) {
        out_null(out, "tracesEndedAt");
    } else {
        out_time(out, "tracesEndedAt", (struct unix_ns){db_get_int(rows, COLUMN_TRACES_END)}, 3);
    }
    kinds_write(out, rows);
    tally_write(out, rows);
    out_end_object(out);
    return OK;
}

static const char *cursor_of_row(const struct db_rows *rows, struct arena *arena)
{
    char at[RFC3339_BYTES];
    char id[UUID_TEXT_BYTES];
    unix_to_rfc3339(db_get_time(rows, CONVERSATION_COLUMN_SORT), 6, at);
    uuid_to_text(db_get_uuid(rows, 0), id);
    const struct cursor cursor = {bytes_of_text(at), bytes_of_text(id)};
    return cursor_write(&cursor, arena);
}

static void answer(struct exchange *exchange, struct db_rows *rows, int64_t limit, int64_t total)
{
    struct out out;
    const char *next = NULL;
    err_t err = OK;
    page_begin(&out);
    for (int64_t i = 0; i < limit && err_is_ok(err) && db_next(rows); i++) {
        err = row_write(exchange, rows, &out);
        if (i + 1 == limit && db_rows_count(rows) > (size_t)limit && err_is_ok(err)) {
            next = cursor_of_row(rows, exchange_arena(exchange));
            err = next == NULL ? FAIL(NO_SPACE) : OK;
        }
    }
    if (!err_is_ok(err)) {
        out_fini(&out);
        exchange_fail(exchange, err, &(struct detail){0});
        return;
    }
    page_end(&out, total, PAGE_TOTAL_MAX, next);
    out_answer(&out, exchange);
}

static struct db_value number_or_null(const struct query_value *value)
{
    return value->has ? db_int2((int16_t)(value->number + 1)) : db_null();
}

static struct db_value truth_or_null(const struct query_value *value)
{
    return value->has ? db_bool(value->number == 1) : db_null();
}

static struct db_value time_or_null(const struct query_value *value)
{
    return value->has ? db_time(value->at) : db_null();
}

void rest_conversations(struct exchange *exchange)
{
    enum { FILTERS = 9, VALUES = 12 };
    struct query_value query[Q_COUNT];
    struct uuid project = exchange_project(exchange);
    struct uuid after;
    struct unix_ns at = {INT64_MAX};
    if (!query_read(exchange, rules, Q_COUNT, query)) {
        return;
    }
    memset(after.b, 0xff, sizeof after.b);
    const struct cursor *cursor = &query[Q_AFTER].cursor;
    if (query[Q_AFTER].has &&
        !(unix_from_rfc3339(cursor->sort_value, &at) && uuid_from_text(cursor->id, &after))) {
        (void)query_bad(exchange, "after", "is no nextCursor of this list");
        return;
    }
    int64_t limit = query[Q_LIMIT].has ? query[Q_LIMIT].number : PAGE_LIMIT_DEFAULT;
    const struct db_value values[VALUES] = {
        db_uuid(&project),
        number_or_null(&query[Q_KIND]),
        truth_or_null(&query[Q_LINKED]),
        truth_or_null(&query[Q_ERRORS]),
        number_or_null(&query[Q_SOURCE]),
        number_or_null(&query[Q_STATE]),
        time_or_null(&query[Q_FROM]),
        time_or_null(&query[Q_TO]),
        query[Q_SEARCH].has ? db_text(query[Q_SEARCH].text) : db_null(),
        db_time(at),
        db_uuid(&after),
        db_int4((int32_t)limit + 1),
    };
    int64_t total = 0;
    struct db_rows *rows = NULL;
    if (page_count(exchange, STMT_CONVERSATIONS_COUNT, values, FILTERS, &total) &&
        page_run(exchange, STMT_CONVERSATIONS, values, VALUES, &rows)) {
        answer(exchange, rows, limit, total);
        db_rows_free(rows);
    }
}
