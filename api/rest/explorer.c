/* GET /v1/traces: all traces, newest first, with every filter of explore.h. */
#include <stdlib.h>

#include "api/rest/conversation.h"
#include "api/rest/page.h"
#include "api/rest/query.h"
#include "api/rest/rest.h"
#include "api/rest/search.h"
#include "api/rest/trace_row.h"
#include "proto/base/check.h"

#include "proto/base/banned.h"

enum {
    TRACES_LIMIT_DEFAULT = 50,
    /* What one page may cost: a second at most, which is time enough to walk so many rows. */
    PAGE_TRACES_MAX = 500000,
    PAGE_BYTES_MAX = 128 << 20,
    PAGE_MS_MAX = 1000,
    /* Time for the total when the page is full. */
    TOTAL_MS = 40,
    /* Tags that a row shows; the statement gives one more (TRACE_TAGS). */
    TAGS_SHOWN_MAX = 16,
};

enum { Q_LIMIT, Q_AFTER, Q_COUNT };

static const struct query_rule rules[Q_COUNT] = {
    [Q_LIMIT] = {.name = "limit", .type = QUERY_INTEGER, .least = 1, .most = PAGE_LIMIT_MAX},
    [Q_AFTER] = {.name = "after", .type = QUERY_CURSOR},
};

/* What was asked for, and where the page begins. */
struct asked {
    struct explore explore;
    int64_t limit;
    struct trace_place after;
};

static bool asked_read(struct exchange *exchange, struct asked *asked)
{
    struct query_value query[Q_COUNT];
    if (!query_read(exchange, rules, Q_COUNT, query) || !explore_read(exchange, &asked->explore)) {
        return false;
    }
    asked->limit = query[Q_LIMIT].has ? query[Q_LIMIT].number : TRACES_LIMIT_DEFAULT;
    asked->after = (struct trace_place){.start = search_beginning.start};
    if (query[Q_AFTER].has &&
        !trace_cursor_read(&query[Q_AFTER].cursor, exchange_arena(exchange), &asked->after)) {
        return query_bad(exchange, "after", "is no nextCursor of this list");
    }
    return true;
}

/* --- a row ----------------------------------------------------------------------------------------- */

/* One of "id:kind:source:start,...". */
static void conversation_of_text(struct out *out, const char *text)
{
    const size_t id_chars = UUID_TEXT_BYTES - 1;
    char *end = NULL;
    out_object(out, NULL);
    out_text(out, "id", bytes_of(text, id_chars));
    long kind = strtol(text + id_chars + 1, &end, 10);
    long source = strtol(end + 1, &end, 10);
    out_word(out, "kind", conversation_kind_name((unsigned)kind));
    out_word(out, "source", conversation_source_name((unsigned)source));
    if (end[1] == ',' || end[1] == '\0') {
        out_null(out, "startedAt");
    } else {
        out_time(out, "startedAt", (struct unix_ns){strtoll(end + 1, NULL, 10) * NS_PER_MS}, 3);
    }
    out_end_object(out);
}

/* The conversations that a trace is linked with. Our own statement wrote the text. */
static FALLIBLE linked_write(struct out *out, const struct db_rows *rows, struct arena *arena)
{
    bool is_linked = !db_is_null(rows, TRACE_COLUMN_MORE);
    const char *text = is_linked ? arena_text(arena, db_get_bytes(rows, TRACE_COLUMN_MORE)) : "";
    if (text == NULL) {
        return FAIL(NO_SPACE);
    }
    out_bool(out, "linked", is_linked);
    out_array(out, "conversations");
    for (const char *at = text; at != NULL && *at != '\0';) {
        conversation_of_text(out, at);
        at = strchr(at, ',');
        at = at == NULL ? NULL : at + 1;
    }
    out_end_array(out);
    return OK;
}

static FALLIBLE hex_write(struct out *out, const char *key, struct bytes hex, struct arena *arena)
{
    uint8_t *raw = arena_alloc(arena, hex.len / 2 + 1);
    if (raw == NULL) {
        return FAIL(NO_SPACE);
    }
    INVARIANT(bytes_from_hex(hex, raw, hex.len / 2));
    out_text(out, key, bytes_of(raw, hex.len / 2));
    return OK;
}

/* "key:value,..." in hex. */
static FALLIBLE tags_write(struct out *out, const struct db_rows *rows, struct arena *arena)
{
    struct bytes left = db_is_null(rows, TRACE_COLUMN_TAGS) ? bytes_of(NULL, 0)
                                                            : db_get_bytes(rows, TRACE_COLUMN_TAGS);
    size_t count = 0;
    out_array(out, "tags");
    for (; left.len > 0 && count < TAGS_SHOWN_MAX; count++) {
        const uint8_t *comma = memchr(left.ptr, ',', left.len);
        size_t len = comma == NULL ? left.len : (size_t)(comma - left.ptr);
        const uint8_t *colon = memchr(left.ptr, ':', len);
        INVARIANT(colon != NULL);
        size_t key_len = (size_t)(colon - left.ptr);
        out_object(out, NULL);
        TRY(hex_write(out, "key", bytes_of(left.ptr, key_len), arena));
        TRY(hex_write(out, "value", bytes_of(colon + 1, len - key_len - 1), arena));
        out_end_object(out);
        left = comma == NULL ? bytes_of(NULL, 0) : bytes_of(comma + 1, left.len - len - 1);
    }
    out_end_array(out);
    out_bool(out, "hasMoreTags", left.len > 0);
    return OK;
}

static void span_write(struct out *out, const struct search_span *span, struct unix_ns start)
{
    out_object(out, NULL);
    out_hex(out, "spanId", bytes_of(span->id.b, sizeof span->id.b));
    out_text(out, "name", span->name);
    out_time(out, "startedAt", span->start, 9);
    out_ms_between(out, "startOffsetMs", start, span->start);
    out_ms_between(out, "durationMs", span->start, span->end);
    out_array(out, "attributes");
    for (size_t i = 0; i < span->items_count; i++) {
        const struct search_item *item = &span->items[i];
        out_object(out, NULL);
        out_text(out, "key", item->key);
        if (item->json.len > 0) {
            out_raw(out, "value", item->json);
        } else {
            out_null(out, "value");
        }
        out_bool(out, "isCut", item->is_cut);
        out_end_object(out);
    }
    out_end_array(out);
    out_end_object(out);
}

/* The spans that fit: the first of them, and how many more. */
static void spans_write(struct out *out, const struct search_hit *hit)
{
    struct unix_ns start = {hit->place.start};
    out_array(out, "matchedSpans");
    for (size_t i = 0; i < hit->shown_count; i++) {
        span_write(out, &hit->spans[i], start);
    }
    out_end_array(out);
    out_int(out, "matchedSpansMore", (int64_t)(hit->spans_count - hit->shown_count));
}

static FALLIBLE row_write(struct out *out, const struct db_rows *rows, struct unix_ns now,
                          const struct search_hit *hit, struct arena *arena)
{
    out_object(out, NULL);
    trace_row_write(out, rows, now);
    TRY(tags_write(out, rows, arena));
    TRY(linked_write(out, rows, arena));
    if (hit != NULL && hit->spans_count > 0) {
        spans_write(out, hit);
    }
    out_end_object(out);
    return OK;
}

/* --- rows decide alone, and an index leads to them ------------------------------------------------------------------------------ */

static FALLIBLE plain_rows_write(struct out *out, struct db_rows *rows, const struct asked *asked,
                                 struct arena *arena, const char **ret_next)
{
    struct unix_ns now = clock_unix();
    for (int64_t i = 0; i < asked->limit && db_next(rows); i++) {
        TRY(row_write(out, rows, now, NULL, arena));
        if (i + 1 == asked->limit && db_rows_count(rows) > (size_t)asked->limit) {
            struct trace_place place = {.start = db_get_int(rows, TRACE_COLUMN_START)};
            memcpy(place.id.b, db_get_bytes(rows, TRACE_COLUMN_ID).ptr, sizeof place.id.b);
            *ret_next = trace_cursor_write(&place, arena);
            return *ret_next == NULL ? FAIL(NO_SPACE) : OK;
        }
    }
    return OK;
}

static void plain_list(struct exchange *exchange, const struct asked *asked)
{
    enum { VALUES = EXPLORE_VALUES + 3 };
    bool is_error = asked->explore.is_error;
    struct db_value values[VALUES];
    struct db_rows *rows = NULL;
    struct page_foot foot = {.total = 0};
    struct out out;
    memcpy(values, asked->explore.rows, sizeof asked->explore.rows);
    values[EXPLORE_VALUES] = db_int8(asked->after.start);
    values[EXPLORE_VALUES + 1] = db_bytes(bytes_of(asked->after.id.b, sizeof asked->after.id.b));
    values[EXPLORE_VALUES + 2] = db_int4((int32_t)asked->limit + 1);
    if (!page_count(exchange, is_error ? STMT_TRACES_ERROR_COUNT : STMT_TRACES_COUNT, values,
                    EXPLORE_VALUES, &foot.total) ||
        !page_run(exchange, is_error ? STMT_TRACES_ERROR : STMT_TRACES, values, VALUES, &rows)) {
        return;
    }
    foot.is_exact = foot.total <= PAGE_TOTAL_MAX;
    foot.total = foot.is_exact ? foot.total : PAGE_TOTAL_MAX;
    page_begin(&out);
    err_t err = plain_rows_write(&out, rows, asked, exchange_arena(exchange), &foot.next);
    db_rows_free(rows);
    if (err_is_ok(err)) {
        page_end_bounded(&out, &foot);
        out_answer(&out, exchange);
    } else {
        out_fini(&out);
        exchange_fail(exchange, err, &(struct detail){0});
    }
}

/* --- what has to be searched -------------------------------------------------------------------------- */

struct found {
    struct search_hit hits[PAGE_LIMIT_MAX];
    size_t count;
    struct page_foot foot;
};

/* Behind a full page: does anything follow, and how much, while there is time. */
static FALLIBLE rest_count(struct search *search, struct detail *detail, int64_t *total,
                           bool *ret_has_more)
{
    struct search_hit hit;
    bool has = false;
    TRY(search_next(search, false, detail, &has, &hit));
    *ret_has_more = has || search->is_partial;
    search_hurry(search, TOTAL_MS);
    while (has) {
        (*total)++;
        if (*total > PAGE_TOTAL_MAX) {
            return OK;
        }
        TRY(search_next(search, false, detail, &has, &hit));
    }
    return OK;
}

static FALLIBLE page_find(struct search *search, const struct asked *asked, struct arena *arena,
                          struct detail *detail, struct found *found)
{
    bool has = true;
    bool has_more = false;
    size_t limit = (size_t)asked->limit;
    struct page_foot *foot = &found->foot;
    while (has && found->count < limit) {
        TRY(search_next(search, true, detail, &has, &found->hits[found->count]));
        found->count += has;
    }
    int64_t seen = asked->after.seen + (int64_t)found->count;
    struct search_place place = search->reached;
    foot->total = seen;
    if (found->count == limit) {
        place = found->hits[limit - 1].place;
        TRY(rest_count(search, detail, &foot->total, &has_more));
    } else {
        foot->is_partial = search->is_partial;
        foot->to.ns = place.start;
        has_more = search->is_partial;
    }
    foot->is_exact = !search->is_partial && foot->total <= PAGE_TOTAL_MAX;
    foot->total = foot->total <= PAGE_TOTAL_MAX ? foot->total : PAGE_TOTAL_MAX;
    foot->too_large = search->too_large;
    if (has_more) {
        struct trace_place next = {.start = place.start, .id = place.id, .seen = seen};
        foot->next = trace_cursor_write(&next, arena);
        return foot->next == NULL ? FAIL(NO_SPACE) : OK;
    }
    return OK;
}

/* The rows of the hits, in their order; one that was skipped meanwhile has none. */
static FALLIBLE found_write(struct exchange *exchange, struct db *db, const struct asked *asked,
                            const struct found *found, struct detail *detail, struct out *out)
{
    struct db_value ids[PAGE_LIMIT_MAX];
    struct db_rows *rows = NULL;
    struct unix_ns now = clock_unix();
    for (size_t i = 0; i < found->count; i++) {
        const struct trace_id *id = &found->hits[i].place.id;
        ids[i] = db_bytes(bytes_of(id->b, sizeof id->b));
    }
    struct db_value values[] = {db_uuid(&asked->explore.project), db_null()};
    TRY(db_array(exchange_arena(exchange), DB_TYPE_BYTEA, ids, found->count, &values[1]));
    TRY(db_run(db, STMT_SEARCH_TRACES, values, 2, detail, &rows));
    err_t err = OK;
    while (err_is_ok(err) && db_next(rows)) {
        err = row_write(out, rows, now, &found->hits[db_get_int(rows, TRACE_COLUMN_PLACE) - 1],
                        exchange_arena(exchange));
    }
    db_rows_free(rows);
    return err;
}

static FALLIBLE searched(struct exchange *exchange, const struct asked *asked,
                         struct search *search, struct detail *detail, struct out *out)
{
    struct arena *arena = exchange_arena(exchange);
    struct found *found = arena_zero(arena, 1, sizeof *found);
    if (found == NULL) {
        return FAIL(NO_SPACE);
    }
    TRY(page_find(search, asked, arena, detail, found));
    page_begin(out);
    TRY(found_write(exchange, search->db, asked, found, detail, out));
    page_end_bounded(out, &found->foot);
    return OK;
}

static void searched_list(struct exchange *exchange, const struct asked *asked)
{
    const struct search_bounds bounds = {
        .traces_max = PAGE_TRACES_MAX, .bytes_max = PAGE_BYTES_MAX, .ms_max = PAGE_MS_MAX};
    const struct search_place after = {.start = asked->after.start, .id = asked->after.id};
    struct detail detail = {0};
    struct search search;
    struct db *db = NULL;
    struct out out;
    out_init(&out);
    err_t err = exchange_db(exchange, &db);
    if (err_is_ok(err)) {
        err = search_open(&search, db, &asked->explore, after, &bounds, &detail);
    }
    if (err_is_ok(err)) {
        err = searched(exchange, asked, &search, &detail, &out);
        search_fini(&search);
    }
    if (err_is_ok(err)) {
        out_answer(&out, exchange);
    } else {
        out_fini(&out);
        exchange_fail(exchange, err, &detail);
    }
}

void rest_traces(struct exchange *exchange)
{
    struct asked asked;
    if (!asked_read(exchange, &asked)) {
        return;
    }
    if (explore_is_plain(&asked.explore)) {
        plain_list(exchange, &asked);
    } else {
        searched_list(exchange, &asked);
    }
}
