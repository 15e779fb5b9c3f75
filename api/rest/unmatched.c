/* GET /v1/unmatched: traces without a call and calls without a trace, each with the doctor's reason. */
#include "api/doctor/unmatched.h"

#include <inttypes.h>

#include "api/rest/conversation.h"
#include "api/rest/page.h"
#include "api/rest/query.h"
#include "api/rest/rest.h"
#include "api/rest/trace_row.h"
#include "api/rest/unmatched_cursor.h"

#include "proto/base/banned.h"

enum { Q_LIMIT, Q_AFTER, Q_SIDE, Q_REASON, Q_FROM, Q_TO, Q_COUNTS, Q_COUNT };

enum {
    /* Unmatched rows that one answer looks at: for its page, a reason that is rare, and the counts. */
    EXAMINED_MAX = 500,
    SIDE_TRACES = 0,
    SIDE_CALLS = 1,
};

static const char *const sides[] = {"traces", "calls", NULL};

/* --- one row ------------------------------------------------------------------------------------------ */

static void text_or_null(struct out *out, const char *key, struct bytes text)
{
    if (text.len == 0) {
        out_null(out, key);
    } else {
        out_text(out, key, text);
    }
}

static void trace_write(struct out *out, const struct unmatched *row, struct unix_ns now)
{
    if (row->place.what != UNMATCHED_TRACE) {
        out_null(out, "trace");
        return;
    }
    out_object(out, "trace");
    out_hex(out, "traceId", bytes_of(row->place.id, sizeof row->place.id));
    out_word(out, "rootState", trace_root_state(row->has_root, row->last_seen, now));
    text_or_null(out, "rootName", row->root_name);
    text_or_null(out, "service", row->service);
    out_time(out, "startedAt", row->place.at, 9);
    out_time(out, "endedAt", row->end, 9);
    out_int(out, "spanCount", row->spans);
    out_bool(out, "hasError", row->has_error);
    out_time(out, "firstSeenAt", row->first_seen, 3);
    out_time(out, "lastSeenAt", row->last_seen, 3);
    out_end_object(out);
}

static struct uuid call_id(const struct unmatched *row)
{
    struct uuid id;
    memcpy(id.b, row->place.id, sizeof id.b);
    return id;
}

static void call_write(struct out *out, const struct unmatched *row)
{
    if (row->place.what != UNMATCHED_CALL) {
        out_null(out, "conversation");
        return;
    }
    out_object(out, "conversation");
    out_uuid(out, "id", call_id(row));
    out_word(out, "kind", conversation_kind_name(row->kind));
    out_word(out, "source", conversation_source_name(row->source));
    text_or_null(out, "title", row->title);
    out_time(out, "createdAt", row->place.at, 3);
    out_end_object(out);
}

/* What the trace carries. */
static void carried_write(struct out *out, const struct unmatched *row)
{
    const struct doctor_finding *finding = &row->finding;
    if (finding->attribute.len == 0) {
        out_null(out, "trace");
        return;
    }
    out_object(out, "trace");
    if (row->place.what == UNMATCHED_TRACE) {
        out_hex(out, "traceId", bytes_of(row->place.id, sizeof row->place.id));
    } else if (finding->has_trace) {
        out_hex(out, "traceId", bytes_of(finding->trace.b, sizeof finding->trace.b));
    } else {
        out_null(out, "traceId");
    }
    out_text(out, "attribute", finding->attribute);
    if (finding->place != (enum clue_place)0) {
        out_word(out, "place", clue_place_name(finding->place));
    } else {
        out_null(out, "place");
    }
    text_or_null(out, "value", finding->carried.value);
    out_end_object(out);
}

/* What the call or chat holds. */
static void held_write(struct out *out, const struct unmatched *row)
{
    const struct doctor_finding *finding = &row->finding;
    if (finding->held.kind == (enum match_kind)0) {
        out_null(out, "conversation");
        return;
    }
    out_object(out, "conversation");
    if (row->place.what == UNMATCHED_CALL) {
        out_uuid(out, "id", call_id(row));
    } else if (finding->has_call) {
        out_uuid(out, "id", finding->call);
    } else {
        out_null(out, "id");
    }
    out_word(out, "kind", finding->is_chat ? "chat" : "call");
    out_word(out, "field", doctor_field(finding->held.kind));
    out_text(out, "value", finding->held.value);
    out_end_object(out);
}

static FALLIBLE row_write(struct out *out, const struct unmatched *row, struct unix_ns now,
                          struct arena *arena)
{
    const char *sentence = doctor_sentence(&row->finding, arena);
    const char *change = doctor_change(&row->finding, arena);
    if (sentence == NULL || change == NULL) {
        return FAIL(NO_SPACE);
    }
    out_object(out, NULL);
    out_word(out, "what",
             row->place.what == UNMATCHED_TRACE ? "trace" : conversation_kind_name(row->kind));
    out_word(out, "reason", doctor_code(row->finding.reason));
    out_word(out, "sentence", sentence);
    out_word(out, "change", change);
    trace_write(out, row, now);
    call_write(out, row);
    conversation_write_keys(out, "keys", row->keys, row->keys_count);
    out_object(out, "evidence");
    carried_write(out, row);
    held_write(out, row);
    out_int(out, "alike", (int64_t)row->finding.alike);
    out_end_object(out);
    out_end_object(out);
    return OK;
}

/* --- the page ------------------------------------------------------------------------------------------- */

struct pass {
    struct unmatched_walk walk;
    struct out out;
    struct arena *arena;
    const char *code; /* only these; NULL: all */
    int64_t limit;
    int64_t listed;
    int64_t matched;
    int64_t examined;
    bool wants_counts;
    bool has_more; /* a row behind the page is known */
    bool is_whole; /* the list was gone through to its end */
    int64_t counts[DOCTOR_REASON_COUNT];
    struct unmatched_place last; /* listed */
};

static FALLIBLE row_pass(struct pass *pass, const struct unmatched *row)
{
    pass->examined++;
    pass->counts[row->finding.reason]++;
    if (pass->code != NULL && strcmp(pass->code, doctor_code(row->finding.reason)) != 0) {
        return OK;
    }
    pass->matched++;
    if (pass->listed == pass->limit) {
        pass->has_more = true;
        return OK;
    }
    pass->listed++;
    pass->last = row->place;
    return row_write(&pass->out, row, pass->walk.query.now, pass->arena);
}

static FALLIBLE rows_pass(struct pass *pass, struct detail *detail)
{
    while (pass->examined < EXAMINED_MAX && (pass->wants_counts || !pass->has_more)) {
        const struct unmatched *row = NULL;
        TRY(unmatched_next(&pass->walk, detail, &row));
        if (row == NULL) {
            pass->is_whole = !unmatched_is_cut(&pass->walk);
            return OK;
        }
        TRY(row_pass(pass, row));
    }
    return OK;
}

/* Of all reasons with the code and side of this one; 0 when an earlier one has told them already. */
static int64_t count_of(const struct pass *pass, enum doctor_reason reason)
{
    int64_t count = 0;
    for (unsigned i = 1; i < DOCTOR_REASON_COUNT; i++) {
        enum doctor_reason other = (enum doctor_reason)i;
        if (doctor_side_of(other) == doctor_side_of(reason) &&
            strcmp(doctor_code(other), doctor_code(reason)) == 0) {
            if (other < reason) {
                return 0;
            }
            count += pass->counts[other];
        }
    }
    return count;
}

static void counts_write(const struct pass *pass, struct out *out)
{
    out_array(out, "reasons");
    for (unsigned i = 1; i < DOCTOR_REASON_COUNT; i++) {
        enum doctor_reason reason = (enum doctor_reason)i;
        int64_t count = count_of(pass, reason);
        if (count > 0) {
            bool is_trace = doctor_side_of(reason) == DOCTOR_SIDE_TRACE;
            out_object(out, NULL);
            out_word(out, "side", sides[is_trace ? SIDE_TRACES : SIDE_CALLS]);
            out_word(out, "reason", doctor_code(reason));
            out_int(out, "count", count);
            out_end_object(out);
        }
    }
    out_end_array(out);
    out_int(out, "examined", pass->examined);
    out_bool(out, "isComplete", pass->is_whole);
}

static FALLIBLE page_finish(struct pass *pass, bool is_first)
{
    struct out *out = &pass->out;
    const char *next = NULL;
    bool is_more = pass->has_more || !pass->is_whole;
    if (is_more) {
        const struct unmatched_place place =
            pass->has_more ? pass->last : unmatched_place(&pass->walk);
        next = unmatched_cursor_write(&place, pass->arena);
        if (next == NULL) {
            return FAIL(NO_SPACE);
        }
    }
    out_end_array(out);
    if (pass->wants_counts) {
        counts_write(pass, out);
    }
    out_object(out, "pagination");
    if (is_first && pass->is_whole) {
        out_int(out, "total", pass->matched);
    } else {
        out_null(out, "total");
        out_int(out, "atLeast", pass->matched);
    }
    out_bool(out, "hasMore", next != NULL);
    if (next == NULL) {
        out_null(out, "nextCursor");
    } else {
        out_word(out, "nextCursor", next);
    }
    out_end_object(out);
    out_end_object(out);
    return OK;
}

static void answer(struct exchange *exchange, struct pass *pass, bool is_first)
{
    struct detail detail = {0};
    page_begin(&pass->out);
    err_t err = rows_pass(pass, &detail);
    if (err_is_ok(err)) {
        err = page_finish(pass, is_first);
    }
    unmatched_fini(&pass->walk);
    if (err_is_ok(err)) {
        out_answer(&pass->out, exchange);
    } else {
        out_fini(&pass->out);
        exchange_fail(exchange, err, &detail);
    }
}

/* `trace`, repeated: an array of ids, or none at all. False: answered. */
static bool traces_read(struct exchange *exchange, struct db_value *ret_array, bool *ret_has)
{
    struct db_value ids[PAGE_LIMIT_MAX];
    const struct http_parameter *parameters = NULL;
    struct arena *arena = exchange_arena(exchange);
    size_t count = http_parameters(exchange_http(exchange), &parameters);
    size_t found = 0;
    for (size_t i = 0; i < count; i++) {
        struct bytes hex = bytes_of_text(parameters[i].value);
        if (strcmp(parameters[i].name, "trace") != 0) {
            continue;
        }
        uint8_t *id = arena_alloc(arena, TRACE_ID_HEX / 2);
        if (found == PAGE_LIMIT_MAX) {
            return query_bad(exchange, "trace", "may be given at most 100 times");
        }
        if (id == NULL || hex.len != TRACE_ID_HEX || !bytes_from_hex(hex, id, TRACE_ID_HEX / 2)) {
            return query_bad(exchange, "trace", "must be 32 hex digits");
        }
        ids[found++] = db_bytes(bytes_of(id, TRACE_ID_HEX / 2));
    }
    *ret_has = found > 0;
    err_t err = db_array(arena, DB_TYPE_BYTEA, ids, found, ret_array);
    if (!err_is_ok(err)) {
        exchange_fail(exchange, err, &(struct detail){0});
    }
    return err_is_ok(err);
}

void rest_unmatched(struct exchange *exchange)
{
    const char *codes[DOCTOR_REASON_COUNT];
    doctor_codes(codes);
    const struct query_rule rules[Q_COUNT] = {
        [Q_LIMIT] = {.name = "limit", .type = QUERY_INTEGER, .least = 1, .most = PAGE_LIMIT_MAX},
        [Q_AFTER] = {.name = "after", .type = QUERY_CURSOR},
        [Q_SIDE] = {.name = "side", .type = QUERY_WORD, .words = sides},
        [Q_REASON] = {.name = "reason", .type = QUERY_WORD, .words = codes},
        [Q_FROM] = {.name = "from", .type = QUERY_TIME},
        [Q_TO] = {.name = "to", .type = QUERY_TIME},
        [Q_COUNTS] = {.name = "counts", .type = QUERY_TRUTH},
    };
    struct query_value query[Q_COUNT];
    struct unmatched_query wanted = {
        .project = exchange_project(exchange), .now = clock_unix(), .from = {INT64_MIN}};
    struct db_value traces;
    bool is_of_traces = false;
    if (!query_read(exchange, rules, Q_COUNT, query) ||
        !traces_read(exchange, &traces, &is_of_traces)) {
        return;
    }
    wanted.traces = is_of_traces ? &traces : NULL;
    wanted.has_after = query[Q_AFTER].has;
    if (wanted.has_after && !unmatched_cursor_read(&query[Q_AFTER].cursor, &wanted.after)) {
        (void)query_bad(exchange, "after", "is no nextCursor of this list");
        return;
    }
    wanted.wants_traces = !query[Q_SIDE].has || query[Q_SIDE].number == SIDE_TRACES;
    wanted.wants_calls =
        !is_of_traces && (!query[Q_SIDE].has || query[Q_SIDE].number == SIDE_CALLS);
    wanted.from.ns = query[Q_FROM].has ? query[Q_FROM].at.ns : INT64_MIN;
    wanted.to.ns = query[Q_TO].has ? query[Q_TO].at.ns : INT64_MAX;
    struct detail detail = {0};
    struct db *db = NULL;
    err_t err = exchange_db(exchange, &db);
    struct pass *pass = arena_zero(exchange_arena(exchange), 1, sizeof *pass);
    if (!err_is_ok(err) || pass == NULL) {
        exchange_fail(exchange, err_is_ok(err) ? FAIL(NO_SPACE) : err, &detail);
        return;
    }
    pass->arena = exchange_arena(exchange);
    pass->code = query[Q_REASON].has ? codes[query[Q_REASON].number] : NULL;
    pass->limit = query[Q_LIMIT].has ? query[Q_LIMIT].number : PAGE_LIMIT_DEFAULT;
    pass->wants_counts = query[Q_COUNTS].has && query[Q_COUNTS].number == 1;
    unmatched_init(&pass->walk, db, &wanted);
    answer(exchange, pass, !wanted.has_after);
}
