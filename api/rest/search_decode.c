#include <stdlib.h>

#include "api/rest/fold.h"
#include "api/rest/search_parts.h"
#include "proto/base/buf.h"
#include "proto/otlp/jsontext.h"
#include "proto/otlp/segment.h"

#include "proto/base/banned.h"

enum {
    /* Raw octets of one batch; a trace that is larger makes a batch of its own. */
    BATCH_BYTES_MAX = 8 << 20,
    /* A larger trace is passed over: nobody waits for it. */
    TRACE_BYTES_MAX = 128 << 20,
    /* An array or map that is shown whole. */
    JSON_BYTES_MAX = 2000,
};

/* One stored segment of a batch. */
struct piece {
    struct bytes body;
    size_t raw_bytes;
    bool is_chosen; /* its terms say that a span in it may fit */
};

/* --- what is shown of a span ------------------------------------------------------------------------ */

static FALLIBLE item_show(struct arena *arena, const struct otlp_item *item,
                          struct search_item *ret_item)
{
    struct otlp_value value = item->value;
    struct search_item shown = {.json = bytes_of("", 0)};
    struct buf json;
    if (value.kind == OTLP_VALUE_TEXT && value.text.len > SEARCH_VALUE_BYTES_MAX) {
        value.text = fold_begin(value.text, SEARCH_VALUE_BYTES_MAX);
        shown.is_cut = true;
    }
    buf_init(&json, JSON_BYTES_MAX);
    err_t err = arena_copy(arena, item->key, &shown.key);
    if (err_is_ok(err) && err_is_ok(otlp_value_plain_json(&value, &json))) {
        err = arena_copy(arena, buf_bytes(&json), &shown.json);
    } else {
        shown.is_cut = true;
    }
    buf_fini(&json);
    *ret_item = shown;
    return err;
}

static FALLIBLE span_show(struct arena *arena, const struct filter_view *view,
                          const struct otlp_span *span, struct search_span *ret_span)
{
    const struct filters *filters = view->filters;
    struct search_span shown = {.id = span->id, .start = span->start, .end = span->end};
    TRY(arena_copy(arena, span->name, &shown.name));
    shown.items = arena_zero(arena, filters->count, sizeof *shown.items);
    if (shown.items == NULL) {
        return FAIL(NO_SPACE);
    }
    for (size_t i = 0; i < filters->count; i++) {
        struct otlp_item item;
        if (filter_item(view, span, &filters->list[i], &item)) {
            TRY(item_show(arena, &item, &shown.items[shown.items_count++]));
        }
    }
    *ret_span = shown;
    return OK;
}

/* --- one trace -------------------------------------------------------------------------------------- */

static bool is_earlier(const struct otlp_span *a, const struct otlp_span *b)
{
    return a->start.ns != b->start.ns ? a->start.ns < b->start.ns
                                      : memcmp(a->id.b, b->id.b, sizeof a->id.b) < 0;
}

/* Puts the span among the earliest ones. */
static void first_put(const struct otlp_span **first, size_t *count, const struct otlp_span *span)
{
    size_t at = *count < SEARCH_SPANS_SHOWN ? (*count)++ : SEARCH_SPANS_SHOWN;
    while (at > 0 && is_earlier(span, first[at - 1])) {
        if (at < SEARCH_SPANS_SHOWN) {
            first[at] = first[at - 1];
        }
        at--;
    }
    if (at < SEARCH_SPANS_SHOWN) {
        first[at] = span;
    }
}

/* Opens the segments, all or the chosen ones, and counts the spans that fit; the earliest are shown. */
static FALLIBLE pieces_look(struct search *search, const struct piece *pieces, size_t count,
                            bool only_chosen, bool wants_spans, struct search_hit *hit)
{
    struct arena *arena = &search->opened;
    const struct otlp_span *first[SEARCH_SPANS_SHOWN] = {NULL};
    struct view view;
    struct filter_view fits;
    bool may_fit = false;
    size_t raws_count = 0;
    size_t first_count = 0;
    arena_reset(arena);
    struct bytes *raws = arena_zero(arena, count, sizeof *raws);
    if (raws == NULL) {
        return FAIL(NO_SPACE);
    }
    for (size_t i = 0; i < count; i++) {
        if (pieces[i].is_chosen || !only_chosen) {
            TRY(segment_inflate(pieces[i].body, pieces[i].raw_bytes, arena, &raws[raws_count]));
            may_fit = may_fit || filters_may_fit(&search->explore->filters, raws[raws_count]);
            raws_count++;
        }
    }
    hit->spans_count = 0;
    hit->shown_count = 0;
    if (!may_fit) {
        return OK;
    }
    TRY(view_open(raws, raws_count, arena, &view));
    TRY(filter_view_open(&search->explore->filters, &view, arena, &fits));
    for (size_t i = 0; i < view.spans_count; i++) {
        if (filter_fits(&fits, &view.spans[i])) {
            hit->spans_count++;
            first_put(first, &first_count, &view.spans[i]);
        }
    }
    for (size_t i = 0; i < first_count && wants_spans; i++) {
        TRY(span_show(&search->kept, &fits, first[i], &hit->spans[hit->shown_count++]));
    }
    return OK;
}

/* Does a span of the trace fit? The chosen segments are looked at first: mostly they say no. When they say yes the
 * whole trace is opened, because a later copy of the span may stand in another one. */
static FALLIBLE trace_look(struct search *search, const struct piece *pieces, size_t count,
                           bool wants_spans, struct search_hit *hit)
{
    size_t chosen = 0;
    for (size_t i = 0; i < count; i++) {
        chosen += pieces[i].is_chosen;
    }
    hit->spans_count = 0;
    if (chosen == 0) {
        return OK;
    }
    if (chosen < count) {
        TRY(pieces_look(search, pieces, count, true, false, hit));
        if (hit->spans_count == 0) {
            return OK;
        }
    }
    return pieces_look(search, pieces, count, false, wants_spans, hit);
}

/* --- a batch ---------------------------------------------------------------------------------------- */

struct batch {
    const struct search_candidate *candidates;
    size_t count;
    size_t raw_bytes[SEARCH_BATCH_MAX];
};

static FALLIBLE ids_pack(const struct batch *batch, struct arena *arena, struct db_value *ret_ids)
{
    struct db_value ids[SEARCH_BATCH_MAX];
    for (size_t i = 0; i < batch->count; i++) {
        const struct trace_id *id = &batch->candidates[i].place.id;
        ids[i] = db_bytes(bytes_of(id->b, sizeof id->b));
    }
    return db_array(arena, DB_TYPE_BYTEA, ids, batch->count, ret_ids);
}

/* Asks how large the candidates are and keeps as many as fit. */
static FALLIBLE batch_size(struct search *search, struct batch *batch, struct detail *detail)
{
    struct db_value ids;
    struct db_rows *rows = NULL;
    TRY(ids_pack(batch, &search->opened, &ids));
    const struct db_value values[] = {db_uuid(&search->explore->project), ids};
    TRY(db_run(search->db, STMT_SEARCH_SIZES, values, 2, detail, &rows));
    while (db_next(rows)) {
        batch->raw_bytes[db_get_int(rows, 0) - 1] = (size_t)db_get_int(rows, 1);
    }
    db_rows_free(rows);
    size_t total = 0;
    size_t kept = 0;
    while (kept < batch->count &&
           (kept == 0 || total + batch->raw_bytes[kept] <= BATCH_BYTES_MAX)) {
        total += batch->raw_bytes[kept++];
    }
    batch->count = kept;
    return OK;
}

static void hit_begin(const struct search_candidate *candidate, struct search_hit *ret_hit)
{
    *ret_hit = (struct search_hit){.place = candidate->place, .has_error = candidate->has_error};
}

/* The candidate with these segments: a hit, none, or too large. */
static FALLIBLE candidate_decide(struct search *search, const struct search_candidate *candidate,
                                 const struct piece *pieces, size_t count, bool wants_spans)
{
    struct search_hit hit;
    hit_begin(candidate, &hit);
    err_t err = trace_look(search, pieces, count, wants_spans, &hit);
    if (err_class(err) == ERR_CLASS_LIMIT && !search->kept.is_full) {
        search->too_large++;
        return OK;
    }
    TRY(err);
    if (hit.spans_count > 0) {
        search->hits[search->hits_count++] = hit;
    }
    return OK;
}

/* The rows come trace by trace; one without rows has vanished meanwhile. */
static FALLIBLE batch_decide(struct search *search, const struct batch *batch, struct db_rows *rows,
                             bool wants_spans)
{
    size_t room = db_rows_count(rows);
    struct arena arena;
    arena_init(&arena, (room + 1) * sizeof(struct piece) * 2);
    struct piece *pieces = arena_zero(&arena, room + 1, sizeof *pieces);
    err_t err = pieces == NULL ? FAIL(NO_SPACE) : OK;
    size_t count = 0;
    int64_t at = 0;
    while (err_is_ok(err) && db_next(rows)) {
        int64_t n = db_get_int(rows, 0);
        if (n != at && count > 0) {
            err = candidate_decide(search, &batch->candidates[at - 1], pieces, count, wants_spans);
            count = 0;
        }
        at = n;
        pieces[count++] = (struct piece){.raw_bytes = (size_t)db_get_int(rows, 1),
                                         .body = db_get_bytes(rows, 2),
                                         .is_chosen = db_get_bool(rows, 3)};
    }
    if (err_is_ok(err) && count > 0) {
        err = candidate_decide(search, &batch->candidates[at - 1], pieces, count, wants_spans);
    }
    arena_fini(&arena);
    return err;
}

static FALLIBLE batch_decode(struct search *search, const struct batch *batch, bool wants_spans,
                             struct detail *detail)
{
    struct db_value values[2 + SEARCH_GROUPS_MAX];
    struct db_rows *rows = NULL;
    if (batch->raw_bytes[0] > TRACE_BYTES_MAX) {
        search->too_large++;
        return OK;
    }
    values[0] = db_uuid(&search->explore->project);
    TRY(ids_pack(batch, &search->opened, &values[1]));
    memcpy(values + 2, search->groups, sizeof search->groups);
    TRY(db_run(search->db, STMT_SEARCH_SEGMENTS, values, 2 + SEARCH_GROUPS_MAX, detail, &rows));
    err_t err = batch_decide(search, batch, rows, wants_spans);
    db_rows_free(rows);
    return err;
}

/* A batch of candidates whose rows and tags decide alone. */
static void batch_take(struct search *search, const struct batch *batch)
{
    for (size_t i = 0; i < batch->count; i++) {
        hit_begin(&batch->candidates[i], &search->hits[search->hits_count++]);
    }
}

err_t search_decode(struct search *search, bool wants_spans, struct detail *detail)
{
    size_t left = search->candidates_count - search->candidates_next;
    struct batch batch = {.candidates = search->candidates + search->candidates_next,
                          .count = left < SEARCH_BATCH_MAX ? left : SEARCH_BATCH_MAX};
    search->hits_count = 0;
    search->hits_next = 0;
    if (search->explore->filters.count == 0) {
        batch_take(search, &batch);
    } else {
        arena_reset(&search->opened);
        TRY(batch_size(search, &batch, detail));
        TRY(batch_decode(search, &batch, wants_spans, detail));
    }
    for (size_t i = 0; i < batch.count; i++) {
        search->bytes_decoded += batch.raw_bytes[i];
    }
    search->candidates_next += batch.count;
    search->reached = batch.candidates[batch.count - 1].place;
    return OK;
}
