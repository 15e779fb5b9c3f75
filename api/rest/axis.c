#include "api/rest/axis.h"

#include <stdlib.h>

#include "api/rest/tree.h"
#include "proto/base/check.h"

#include "proto/base/banned.h"

/* A span id that is asked for, with what hangs below it. */
struct missing {
    struct span_id id;
    struct unix_ns start;
    struct unix_ns end;
};

static int id_compare(const void *left, const void *right)
{
    return memcmp(left, right, sizeof(struct span_id));
}

static int missing_compare(const void *left, const void *right)
{
    const struct missing *a = left;
    const struct missing *b = right;
    return memcmp(a->id.b, b->id.b, sizeof a->id.b);
}

static struct unix_ns shown_end(const struct turns_span *span)
{
    return span->is_open ? span->start : span->end;
}

/* --- roles ------------------------------------------------------------------------------------------ */

static enum axis_role role_of(const struct turns_span *span)
{
    switch (span->facts.stage) {
    case VOICE_STAGE_USER:
    case VOICE_STAGE_STT:
        return AXIS_ROLE_USER;
    case VOICE_STAGE_END_OF_TURN:
        return AXIS_ROLE_END_OF_TURN;
    case VOICE_STAGE_LLM:
        return AXIS_ROLE_LLM;
    case VOICE_STAGE_TOOL:
        return AXIS_ROLE_TOOL;
    case VOICE_STAGE_TTS:
        return AXIS_ROLE_SPEECH;
    case VOICE_STAGE_AGENT:
        return bytes_equal_text(span->name, "agent_speaking") ? AXIS_ROLE_SPEECH : AXIS_ROLE_OTHER;
    case VOICE_STAGE_ANY:
    case VOICE_STAGE_SESSION:
        break;
    }
    return AXIS_ROLE_OTHER;
}

const char *axis_role_name(enum axis_role role)
{
    static const char *const names[AXIS_ROLE_COUNT] = {"other", "user", "endOfTurn",
                                                       "llm",   "tool", "speech"};
    return names[role];
}

static unsigned flags_of(const struct turns_span *span)
{
    bool is_interrupted = span->facts.has_is_interrupted && span->facts.is_interrupted;
    return (span->is_open ? AXIS_OPEN : 0U) | (span->has_error ? AXIS_ERROR : 0U) |
           (is_interrupted ? AXIS_INTERRUPTED : 0U);
}

/* --- parents that never came ------------------------------------------------------------------------ */

/* Each once, as long as what is below. */
static FALLIBLE missing_find(const struct turns_span *spans, size_t count, struct arena *arena,
                             struct missing **ret_list, size_t *ret_count)
{
    struct span_id *ids = arena_zero(arena, count + 1, sizeof *ids);
    struct missing *list = arena_zero(arena, count + 1, sizeof *list);
    if (ids == NULL || list == NULL) {
        return FAIL(NO_SPACE);
    }
    for (size_t i = 0; i < count; i++) {
        ids[i] = spans[i].id;
    }
    qsort(ids, count, sizeof *ids, id_compare);
    size_t asked = 0;
    for (size_t i = 0; i < count; i++) {
        const struct turns_span *span = &spans[i];
        if (span->has_parent &&
            bsearch(&span->parent, ids, count, sizeof *ids, id_compare) == NULL) {
            list[asked++] = (struct missing){span->parent, span->start, shown_end(span)};
        }
    }
    qsort(list, asked, sizeof *list, missing_compare);
    size_t kept = 0;
    for (size_t i = 0; i < asked; i++) {
        struct missing *last = kept == 0 ? NULL : &list[kept - 1];
        if (last == NULL || missing_compare(last, &list[i]) != 0) {
            list[kept++] = list[i];
            continue;
        }
        last->start = list[i].start.ns < last->start.ns ? list[i].start : last->start;
        last->end = list[i].end.ns > last->end.ns ? list[i].end : last->end;
    }
    *ret_list = list;
    *ret_count = kept;
    return OK;
}

/* --- rows ------------------------------------------------------------------------------------------- */

struct trace_work {
    const struct turns_span *spans;
    size_t count;
    struct missing *missing;
    size_t missing_count;
};

static FALLIBLE trace_tree(const struct trace_work *work, struct arena *arena,
                           struct tree *ret_tree)
{
    size_t count = work->count + work->missing_count;
    struct tree_span *nodes = arena_zero(arena, count + 1, sizeof *nodes);
    if (nodes == NULL) {
        return FAIL(NO_SPACE);
    }
    for (size_t i = 0; i < work->count; i++) {
        const struct turns_span *span = &work->spans[i];
        nodes[i] = (struct tree_span){.id = span->id,
                                      .parent = span->parent,
                                      .has_parent = span->has_parent,
                                      .start = span->start,
                                      .end = shown_end(span)};
    }
    for (size_t i = 0; i < work->missing_count; i++) {
        const struct missing *one = &work->missing[i];
        nodes[work->count + i] =
            (struct tree_span){.id = one->id, .start = one->start, .end = one->end};
    }
    return tree_build(nodes, count, arena, ret_tree);
}

static void row_fill(const struct axis *axis, const struct trace_work *work, uint32_t trace,
                     const struct tree_row *from, struct axis_row *row)
{
    uint32_t base = axis->traces[trace].first_row;
    *row = (struct axis_row){.trace = trace, .span = AXIS_NONE, .turn = TURNS_NONE};
    row->parent = from->parent == TREE_NONE ? AXIS_NONE : base + from->parent;
    if (from->span < work->count) {
        const struct turns_span *span = &work->spans[from->span];
        row->span = axis->traces[trace].first_span + from->span;
        row->id = span->id;
        row->start = span->start;
        row->end = shown_end(span);
        row->role = role_of(span);
        row->flags = flags_of(span) | (from->is_cut ? AXIS_CUT : 0U);
        row->turn = axis->turns.turn_of[row->span];
        return;
    }
    row->flags = AXIS_PROVISIONAL;
    if (from->span != TREE_NONE) {
        const struct missing *one = &work->missing[from->span - work->count];
        row->id = one->id;
        row->start = one->start;
        row->end = one->end;
    }
}

/* What a row's parent says about it. Parents stand before their children. */
static void row_relate(struct axis *axis, struct axis_row *row)
{
    if (row->parent == AXIS_NONE) {
        return;
    }
    struct axis_row *parent = &axis->rows[row->parent];
    bool is_stage = row->role == AXIS_ROLE_LLM || row->role == AXIS_ROLE_SPEECH;
    row->flags |= (parent->flags & AXIS_PROVISIONAL) != 0 ? AXIS_ORPHAN : 0U;
    row->flags |= is_stage && parent->role == row->role ? AXIS_INNER : 0U;
    /* Where a circle was opened there is no parent to tell how long its row is. */
    bool is_unknown = span_id_is_zero(parent->id);
    if (is_unknown && (parent->end.ns == 0 || row->end.ns > parent->end.ns)) {
        parent->start = parent->end.ns == 0 ? row->start : parent->start;
        parent->end = row->end;
    }
}

static FALLIBLE trace_rows(struct axis *axis, uint32_t trace, struct arena *arena)
{
    struct axis_trace *it = &axis->traces[trace];
    struct tree tree;
    struct trace_work work = {.spans = axis->spans + it->first_span,
                              .count = it->view->spans_count};
    TRY(missing_find(work.spans, work.count, arena, &work.missing, &work.missing_count));
    TRY(trace_tree(&work, arena, &tree));
    it->first_row = (uint32_t)axis->rows_count;
    it->rows_count = (uint32_t)tree.count;
    for (size_t i = 0; i < tree.count; i++) {
        struct axis_row *row = &axis->rows[axis->rows_count++];
        row_fill(axis, &work, trace, &tree.rows[i], row);
        row_relate(axis, row);
        it->errors_count += (row->flags & AXIS_ERROR) != 0;
        it->provisional_count += (row->flags & AXIS_PROVISIONAL) != 0;
    }
    return OK;
}

err_t axis_make(const struct view *views, size_t views_count, const struct turns_options *options,
                struct arena *arena, struct axis *ret_axis)
{
    struct axis axis = {.traces_count = views_count};
    TRY(voice_spans_read(views, views_count, arena, &axis.spans, &axis.spans_count));
    TRY(turns_make(axis.spans, axis.spans_count, options, arena, &axis.turns));
    axis.traces = arena_zero(arena, views_count + 1, sizeof *axis.traces);
    /* A row for each span, for each missing parent, and one for circles. */
    axis.rows = arena_zero(arena, 2 * axis.spans_count + views_count + 1, sizeof *axis.rows);
    if (axis.traces == NULL || axis.rows == NULL) {
        return FAIL(NO_SPACE);
    }
    size_t first = 0;
    for (size_t i = 0; i < views_count; i++) {
        axis.traces[i] = (struct axis_trace){.view = &views[i], .first_span = (uint32_t)first};
        first += views[i].spans_count;
        TRY(trace_rows(&axis, (uint32_t)i, arena));
    }
    POST(first == axis.spans_count);
    *ret_axis = axis;
    return OK;
}

err_t axis_changed(const struct axis *axis, const bool *is_new, struct arena *arena,
                   bool **ret_rows)
{
    bool *rows = arena_zero(arena, axis->rows_count + 1, sizeof *rows);
    if (rows == NULL) {
        return FAIL(NO_SPACE);
    }
    for (size_t i = axis->rows_count; i > 0; i--) {
        const struct axis_row *row = &axis->rows[i - 1];
        rows[i - 1] = rows[i - 1] || (row->span != AXIS_NONE && is_new[row->span]);
        if (rows[i - 1] && row->parent != AXIS_NONE) {
            rows[row->parent] = true; /* it stands before */
        }
    }
    *ret_rows = rows;
    return OK;
}
