#include "api/rest/conversation.h"
#include "api/rest/cursor.h"
#include "api/rest/page.h"
#include "api/rest/query.h"
#include "api/rest/rest.h"
#include "proto/base/limits.h"

#include "proto/base/banned.h"

enum { Q_LIMIT, Q_AFTER, Q_CALL, Q_CHAT, Q_TRACE, Q_KIND, Q_SINCE, Q_COUNT };

/* In the order of their numbers, from 1: match_keys.def. */
static const char *const kinds[] = {
#define KIND(number, name, text, is_unique) text,
#include "proto/base/match_keys.def"
#undef KIND
    NULL};

static const struct query_rule rules[Q_COUNT] = {
    [Q_LIMIT] = {.name = "limit", .type = QUERY_INTEGER, .least = 1, .most = PAGE_LIMIT_MAX},
    [Q_AFTER] = {.name = "after", .type = QUERY_CURSOR},
    [Q_CALL] = {.name = "call", .type = QUERY_UUID},
    [Q_CHAT] = {.name = "chat", .type = QUERY_UUID},
    [Q_TRACE] = {.name = "trace", .type = QUERY_TRACE_ID},
    [Q_KIND] = {.name = "kind", .type = QUERY_WORD, .words = kinds},
    [Q_SINCE] = {.name = "since", .type = QUERY_TIME},
};

/* Where a page of links goes on: its whole primary key behind the time. */
struct place {
    struct unix_ns at;
    struct uuid conversation;
    struct trace_id trace;
    int16_t kind;
    struct bytes value;
};

enum {
    /* In a cursor's id, with one character between each: conversation, trace, kind, value in hex. */
    PLACE_TRACE = UUID_TEXT_BYTES,
    PLACE_KIND = PLACE_TRACE + TRACE_ID_HEX + 1,
    PLACE_VALUE = PLACE_KIND + 2,
};

static struct place place_of_row(const struct db_rows *rows)
{
    struct place place = {.at = db_get_time(rows, 5),
                          .conversation = db_get_uuid(rows, 0),
                          .kind = (int16_t)db_get_int(rows, 3),
                          .value = db_get_bytes(rows, 4)};
    struct bytes trace = db_get_bytes(rows, 2);
    memcpy(place.trace.b, trace.ptr, sizeof place.trace.b);
    return place;
}

/* NULL: no space. */
static const char *place_write(const struct place *place, struct arena *arena)
{
    size_t len = PLACE_VALUE + 2 * place->value.len;
    char at[RFC3339_BYTES];
    char *id = arena_alloc(arena, len + 1);
    if (id == NULL) {
        return NULL;
    }
    unix_to_rfc3339(place->at, 6, at);
    uuid_to_text(place->conversation, id);
    id[PLACE_TRACE - 1] = '/';
    bytes_to_hex(bytes_of(place->trace.b, sizeof place->trace.b), id + PLACE_TRACE);
    id[PLACE_KIND - 1] = '/';
    id[PLACE_KIND] = (char)('0' + place->kind);
    id[PLACE_VALUE - 1] = '/';
    bytes_to_hex(place->value, id + PLACE_VALUE);
    const struct cursor cursor = {bytes_of_text(at), bytes_of(id, len)};
    return cursor_write(&cursor, arena);
}

static bool place_read(const struct cursor *cursor, struct arena *arena, struct place *place)
{
    struct bytes id = cursor->id;
    if (id.len < PLACE_VALUE || id.len > PLACE_VALUE + 2 * LIMIT_KEY_BYTES) {
        return false;
    }
    size_t value_len = (id.len - PLACE_VALUE) / 2;
    uint8_t *value = arena_alloc(arena, value_len + 1);
    place->value = bytes_of(value, value_len);
    place->kind = (int16_t)(id.ptr[PLACE_KIND] - '0');
    return value != NULL && unix_from_rfc3339(cursor->sort_value, &place->at) &&
           uuid_from_text(bytes_of(id.ptr, UUID_TEXT_BYTES - 1), &place->conversation) &&
           bytes_from_hex(bytes_of(id.ptr + PLACE_TRACE, TRACE_ID_HEX), place->trace.b,
                          sizeof place->trace.b) &&
           bytes_from_hex(bytes_of(id.ptr + PLACE_VALUE, id.len - PLACE_VALUE), value, value_len);
}

static void link_write(struct out *out, const struct db_rows *rows)
{
    unsigned kind = (unsigned)db_get_int(rows, 1);
    bool is_call = kind == CONVERSATION_KIND_CALL;
    out_object(out, NULL);
    out_uuid(out, "conversationId", db_get_uuid(rows, 0));
    out_word(out, "conversationKind", conversation_kind_name(kind));
    if (is_call) {
        out_uuid(out, "callId", db_get_uuid(rows, 0));
        out_null(out, "chatId");
    } else {
        out_null(out, "callId");
        out_uuid(out, "chatId", db_get_uuid(rows, 0));
    }
    out_hex(out, "traceId", db_get_bytes(rows, 2));
    out_word(out, "kind", match_kind_name((unsigned)db_get_int(rows, 3)));
    out_text(out, "value", db_get_bytes(rows, 4));
    out_time(out, "linkedAt", db_get_time(rows, 5), 6);
    out_end_object(out);
}

static void links_answer(struct exchange *exchange, struct db_rows *rows, int64_t limit,
                         int64_t total)
{
    struct out out;
    const char *next = NULL;
    page_begin(&out);
    for (int64_t i = 0; i < limit && db_next(rows); i++) {
        link_write(&out, rows);
        if (i + 1 == limit && db_rows_count(rows) > (size_t)limit) {
            const struct place place = place_of_row(rows);
            next = place_write(&place, exchange_arena(exchange));
            if (next == NULL) {
                out_fini(&out);
                exchange_fail(exchange, FAIL(NO_SPACE), &(struct detail){0});
                return;
            }
        }
    }
    page_end(&out, total, PAGE_TOTAL_MAX, next);
    out_answer(&out, exchange);
}

void rest_links(struct exchange *exchange)
{
    enum { FILTERS = 5, VALUES = 11 };
    struct query_value query[Q_COUNT];
    struct uuid project = exchange_project(exchange);
    if (!query_read(exchange, rules, Q_COUNT, query)) {
        return;
    }
    if (query[Q_CALL].has && query[Q_CHAT].has) {
        (void)query_bad(exchange, "chat", "and call exclude each other");
        return;
    }
    struct place after = {.at = {INT64_MAX}};
    if (query[Q_AFTER].has &&
        !place_read(&query[Q_AFTER].cursor, exchange_arena(exchange), &after)) {
        (void)query_bad(exchange, "after", "is no nextCursor of this list");
        return;
    }
    const struct query_value *conversation = &query[query[Q_CHAT].has ? Q_CHAT : Q_CALL];
    int64_t limit = query[Q_LIMIT].has ? query[Q_LIMIT].number : PAGE_LIMIT_DEFAULT;
    const struct trace_id *trace = &query[Q_TRACE].trace;
    const struct db_value values[VALUES] = {
        db_uuid(&project),
        conversation->has ? db_uuid(&conversation->uuid) : db_null(),
        query[Q_TRACE].has ? db_bytes(bytes_of(trace->b, sizeof trace->b)) : db_null(),
        query[Q_KIND].has ? db_int2((int16_t)(query[Q_KIND].number + 1)) : db_null(),
        db_time(query[Q_SINCE].has ? query[Q_SINCE].at : (struct unix_ns){INT64_MIN}),
        db_time(after.at),
        db_uuid(&after.conversation),
        db_bytes(bytes_of(after.trace.b, sizeof after.trace.b)),
        db_int2(after.kind),
        db_bytes(after.value),
        db_int4((int32_t)limit + 1),
    };
    int64_t total = 0;
    struct db_rows *rows = NULL;
    if (page_count(exchange, STMT_LINKS_COUNT, values, FILTERS, &total) &&
        page_run(exchange, STMT_LINKS, values, VALUES, &rows)) {
        links_answer(exchange, rows, limit, total);
        db_rows_free(rows);
    }
}
