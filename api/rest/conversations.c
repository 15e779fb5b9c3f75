#include "api/rest/conversation.h"
#include "api/rest/cursor.h"
#include "api/rest/page.h"
#include "api/rest/query.h"
#include "api/rest/rest.h"
#include "proto/base/check.h"

#include "proto/base/banned.h"

enum { SEARCH_CHARS_MAX = 255, LIST_VALUES = 8 };

/* What a list is sorted by decides the statement and what stands in its cursors. */
enum sort_form { SORT_TIME, SORT_NUMBER, SORT_TEXT };

struct sort {
    enum stmt down;
    enum stmt up;
    enum sort_form form;
};

/* In the order of call_sorts and chat_sorts. */
static const struct sort sorts[] = {
    {STMT_CONVERSATION_BY_CREATED_DOWN, STMT_CONVERSATION_BY_CREATED_UP, SORT_TIME},
    {STMT_CONVERSATION_BY_STARTED_DOWN, STMT_CONVERSATION_BY_STARTED_UP, SORT_TIME},
    {STMT_CONVERSATION_BY_ENDED_DOWN, STMT_CONVERSATION_BY_ENDED_UP, SORT_TIME},
    {STMT_CONVERSATION_BY_LENGTH_DOWN, STMT_CONVERSATION_BY_LENGTH_UP, SORT_NUMBER},
    {STMT_CONVERSATION_BY_TITLE_DOWN, STMT_CONVERSATION_BY_TITLE_UP, SORT_TEXT},
    {STMT_CONVERSATION_BY_STATUS_DOWN, STMT_CONVERSATION_BY_STATUS_UP, SORT_NUMBER},
};

static const char *const call_sorts[] = {"createdAt", "startedAt", "endedAt", "duration",
                                         "title",     "status",    NULL};
static const char *const chat_sorts[] = {"createdAt", "startTimestamp", "endTimestamp",
                                         "duration",  "title",          NULL};
static const char *const directions[] = {"desc", "asc", NULL};
static const char *const statuses[] = {"RINGING", "IN_PROGRESS", "ENDED", NULL};

enum { Q_LIMIT, Q_AFTER, Q_SORT, Q_DIRECTION, Q_SEARCH, Q_STATUS, Q_COUNT };

static const struct query_rule call_rules[Q_COUNT] = {
    [Q_LIMIT] = {.name = "limit", .type = QUERY_INTEGER, .least = 1, .most = PAGE_LIMIT_MAX},
    [Q_AFTER] = {.name = "after", .type = QUERY_CURSOR},
    [Q_SORT] = {.name = "sortBy", .type = QUERY_WORD, .words = call_sorts},
    [Q_DIRECTION] = {.name = "sortDirection", .type = QUERY_WORD, .words = directions},
    [Q_SEARCH] = {.name = "searchText", .type = QUERY_TEXT, .most = SEARCH_CHARS_MAX},
    [Q_STATUS] = {.name = "status", .type = QUERY_WORD, .words = statuses},
};

static const struct query_rule chat_rules[Q_COUNT] = {
    [Q_LIMIT] = {.name = "limit", .type = QUERY_INTEGER, .least = 1, .most = PAGE_LIMIT_MAX},
    [Q_AFTER] = {.name = "after", .type = QUERY_CURSOR},
    [Q_SORT] = {.name = "sortBy", .type = QUERY_WORD, .words = chat_sorts},
    [Q_DIRECTION] = {.name = "sortDirection", .type = QUERY_WORD, .words = directions},
    [Q_SEARCH] = {.name = "searchText", .type = QUERY_TEXT, .most = SEARCH_CHARS_MAX},
    /* Chats have no status: every word is let through. */
    [Q_STATUS] = {.name = "status", .type = QUERY_TEXT, .most = SEARCH_CHARS_MAX},
};

/* A text as it stands inside a JSON text, without the quotes; `flags` of jansson. NULL: no memory. */
static const char *escaped(struct bytes text, size_t flags, struct arena *arena)
{
    json_t *json = json_stringn((const char *)text.ptr, text.len);
    char *dump = json == NULL ? NULL : json_dumps(json, JSON_ENCODE_ANY | flags);
    const char *inner = NULL;
    if (dump != NULL) {
        inner = arena_text(arena, bytes_of(dump + 1, strlen(dump) - 2));
    }
    json_free_t free_json = NULL;
    json_get_alloc_funcs(NULL, &free_json);
    free_json(dump);
    json_decref(json);
    return inner;
}

/* Sets $4 and $5: the text as clients write it into JSON, plain or with \u escapes. False: answered. */
static bool search_fill(struct exchange *exchange, const struct query_value *search,
                        struct db_value *values)
{
    values[3] = db_null();
    values[4] = db_null();
    if (!search->has) {
        return true;
    }
    struct arena *arena = exchange_arena(exchange);
    const char *plain = escaped(search->text, 0, arena);
    const char *ascii = escaped(search->text, JSON_ENSURE_ASCII, arena);
    if (plain == NULL || ascii == NULL) {
        exchange_fail(exchange, FAIL(MEMORY), &(struct detail){0});
        return false;
    }
    values[3] = db_text(bytes_of_text(plain));
    values[4] = db_text(bytes_of_text(ascii));
    return true;
}

/* Where the first page begins: beyond everything that there may be. */
static const struct uuid uuid_least = {{0}};
static const struct uuid uuid_greatest = {{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
                                           0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}};
static const struct bytes text_greatest = {(const uint8_t *)"\xff", 1};

static void first_page(enum sort_form form, bool is_up, struct db_value *values)
{
    switch (form) {
    case SORT_TIME:
        values[5] = db_time((struct unix_ns){is_up ? INT64_MIN : INT64_MAX});
        break;
    case SORT_NUMBER:
        values[5] = db_int8(is_up ? INT64_MIN : INT64_MAX);
        break;
    case SORT_TEXT:
        values[5] = db_bytes(is_up ? bytes_of("", 0) : text_greatest);
        break;
    }
    values[6] = db_uuid(is_up ? &uuid_least : &uuid_greatest);
}

static bool number_read(struct bytes text, int64_t *ret_number)
{
    json_t *json = json_loadb((const char *)text.ptr, text.len, JSON_DECODE_ANY, NULL);
    bool is_it = json_is_integer(json);
    *ret_number = json_integer_value(json);
    json_decref(json);
    return is_it;
}

/* $6 and $7 from the cursor; false when it is none of this list. `id` must live as long as values. */
static bool next_page(enum sort_form form, const struct cursor *cursor, struct uuid *id,
                      struct db_value *values)
{
    struct unix_ns at;
    int64_t number = 0;
    if (!uuid_from_text(cursor->id, id)) {
        return false;
    }
    values[6] = db_uuid(id);
    switch (form) {
    case SORT_TIME:
        if (!unix_from_rfc3339(cursor->sort_value, &at)) {
            return false;
        }
        values[5] = db_time(at);
        return true;
    case SORT_NUMBER:
        if (!number_read(cursor->sort_value, &number)) {
            return false;
        }
        values[5] = db_int8(number);
        return true;
    case SORT_TEXT:
        values[5] = db_bytes(cursor->sort_value);
        return true;
    }
    return false;
}

/* The cursor behind the present row; NULL: no space. */
static const char *cursor_of_row(enum sort_form form, const struct db_rows *rows,
                                 struct arena *arena)
{
    char id[UUID_TEXT_BYTES];
    char at[RFC3339_BYTES];
    struct cursor cursor = {.sort_value = {(const uint8_t *)at, 0}};
    uuid_to_text(db_get_uuid(rows, 0), id);
    cursor.id = bytes_of_text(id);
    switch (form) {
    case SORT_TIME:
        unix_to_rfc3339(db_get_time(rows, CONVERSATION_COLUMN_SORT), 6, at);
        cursor.sort_value = bytes_of_text(at);
        break;
    case SORT_NUMBER: {
        const char *digits =
            arena_printf(arena, "%lld", (long long)db_get_int(rows, CONVERSATION_COLUMN_SORT));
        if (digits == NULL) {
            return NULL;
        }
        cursor.sort_value = bytes_of_text(digits);
        break;
    }
    case SORT_TEXT:
        cursor.sort_value = db_get_bytes(rows, CONVERSATION_COLUMN_SORT);
        break;
    }
    return cursor_write(&cursor, arena);
}

/* Writes the row; one whose body was too large for the list is read by itself. */
static FALLIBLE row_write(struct exchange *exchange, const struct db_rows *rows, struct out *out,
                          enum conversation_form form)
{
    struct arena *arena = exchange_arena(exchange);
    struct conversation it;
    struct db_rows *body = NULL;
    TRY(conversation_of_row(rows, exchange_project(exchange), arena, &it));
    if (db_is_null(rows, CONVERSATION_COLUMN_BODY)) {
        struct detail ignored;
        struct db *db = NULL;
        const struct db_value values[] = {db_uuid(&it.project), db_uuid(&it.id)};
        TRY(exchange_db(exchange, &db));
        TRY(db_run(db, STMT_CONVERSATION_BODY, values, 2, &ignored, &body));
        if (db_next(body)) {
            it.body = db_get_bytes(body, 0);
            it.parts = db_is_null(body, 1) ? bytes_of(NULL, 0) : db_get_bytes(body, 1);
        }
    }
    err_t err = conversation_write(out, NULL, &it, form, arena);
    db_rows_free(body);
    return err;
}

/* Writes at most `limit` rows and ends the page; one more row tells that there is a next one. */
static void list_answer(struct exchange *exchange, struct db_rows *rows, enum sort_form form,
                        int64_t limit, int64_t total)
{
    struct out out;
    const char *next = NULL;
    err_t err = OK;
    page_begin(&out);
    for (int64_t i = 0; i < limit && err_is_ok(err) && db_next(rows); i++) {
        err = row_write(exchange, rows, &out, CONVERSATION_FORM_LISTED);
        if (i + 1 == limit && db_rows_count(rows) > (size_t)limit && err_is_ok(err)) {
            next = cursor_of_row(form, rows, exchange_arena(exchange));
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

static void list(struct exchange *exchange, enum conversation_kind kind,
                 const struct query_rule *rules)
{
    struct query_value query[Q_COUNT];
    struct db_value values[LIST_VALUES];
    struct uuid project = exchange_project(exchange);
    struct uuid after = uuid_least;
    if (!query_read(exchange, rules, Q_COUNT, query) ||
        !search_fill(exchange, &query[Q_SEARCH], values)) {
        return;
    }
    bool is_up = query[Q_DIRECTION].has && query[Q_DIRECTION].number == 1;
    bool is_call = kind == CONVERSATION_KIND_CALL;
    const struct sort *sort = &sorts[query[Q_SORT].has ? query[Q_SORT].number : 0];
    int64_t limit = query[Q_LIMIT].has ? query[Q_LIMIT].number : PAGE_LIMIT_DEFAULT;
    values[0] = db_uuid(&project);
    values[1] = db_int2((int16_t)kind);
    values[2] =
        is_call && query[Q_STATUS].has ? db_int2((int16_t)(query[Q_STATUS].number + 1)) : db_null();
    values[7] = db_int4((int32_t)limit + 1);
    first_page(sort->form, is_up, values);
    if (query[Q_AFTER].has && !next_page(sort->form, &query[Q_AFTER].cursor, &after, values)) {
        (void)query_bad(exchange, "after", "is no nextCursor of a list sorted like this");
        return;
    }
    int64_t total = 0;
    struct db_rows *rows = NULL;
    if (page_count(exchange, STMT_CONVERSATION_COUNT, values, 5, &total) &&
        page_run(exchange, is_up ? sort->up : sort->down, values, LIST_VALUES, &rows)) {
        list_answer(exchange, rows, sort->form, limit, total);
        db_rows_free(rows);
    }
}

void rest_call_list(struct exchange *exchange)
{
    list(exchange, CONVERSATION_KIND_CALL, call_rules);
}

void rest_chat_list(struct exchange *exchange)
{
    list(exchange, CONVERSATION_KIND_CHAT, chat_rules);
}

/* --- one ------------------------------------------------------------------------------------------ */

bool conversation_find(struct exchange *exchange, enum conversation_kind kind,
                       struct db_rows **ret_rows)
{
    struct uuid id;
    const char *what = conversation_kind_name(kind);
    if (!query_path_uuid(exchange, 0, what, &id)) {
        return false;
    }
    struct uuid project = exchange_project(exchange);
    const struct db_value values[] = {db_uuid(&project), db_int2((int16_t)kind), db_uuid(&id)};
    struct db_rows *rows = NULL;
    if (!page_run(exchange, STMT_CONVERSATION_GET, values, 3, &rows)) {
        return false;
    }
    if (!db_next(rows)) {
        db_rows_free(rows);
        exchange_error(exchange, 404, "not_found", "there is no %s with this id in the project",
                       what);
        return false;
    }
    *ret_rows = rows;
    return true;
}

static void get(struct exchange *exchange, enum conversation_kind kind)
{
    struct db_rows *rows = NULL;
    if (!conversation_find(exchange, kind, &rows)) {
        return;
    }
    struct arena *arena = exchange_arena(exchange);
    struct out out;
    struct conversation it;
    out_init(&out);
    out_object(&out, NULL);
    err_t err = conversation_of_row(rows, exchange_project(exchange), arena, &it);
    if (err_is_ok(err)) {
        err = conversation_write(&out, "data", &it, CONVERSATION_FORM_WHOLE, arena);
    }
    if (err_is_ok(err)) {
        out_end_object(&out);
        out_answer(&out, exchange);
    } else {
        out_fini(&out);
        exchange_fail(exchange, err, &(struct detail){0});
    }
    db_rows_free(rows);
}

void rest_call_get(struct exchange *exchange)
{
    get(exchange, CONVERSATION_KIND_CALL);
}

void rest_chat_get(struct exchange *exchange)
{
    get(exchange, CONVERSATION_KIND_CHAT);
}
