/* A timeline as JSON: dictionaries and columns, so that 100,000 rows stay small. */
#include <stdlib.h>

#include "api/rest/conversation.h"
#include "api/rest/timeline.h"
#include "proto/base/limits.h"

#include "proto/base/banned.h"

/* A dictionary: each text once, in order. */
struct words {
    struct bytes *list;
    size_t count;
};

struct writing {
    const struct timeline *timeline;
    const struct axis *axis;
    struct arena *arena;
    struct out *out;
    struct words names;
    struct words services;
    struct words labels;
    uint32_t *place; /* where a row stands among those that are shown; AXIS_NONE: nowhere */
};

/* --- words ------------------------------------------------------------------------------------------ */

static int word_compare(const void *left, const void *right)
{
    return bytes_compare(*(const struct bytes *)left, *(const struct bytes *)right);
}

static void words_sort(struct words *words)
{
    size_t kept = 0;
    qsort(words->list, words->count, sizeof *words->list, word_compare);
    for (size_t i = 0; i < words->count; i++) {
        if (kept == 0 || !bytes_equal(words->list[kept - 1], words->list[i])) {
            words->list[kept++] = words->list[i];
        }
    }
    words->count = kept;
}

static int64_t word_at(const struct words *words, struct bytes text)
{
    const struct bytes *found =
        bsearch(&text, words->list, words->count, sizeof *words->list, word_compare);
    return found == NULL ? -1 : found - words->list;
}

static void words_write(struct out *out, const char *key, const struct words *words)
{
    out_array(out, key);
    for (size_t i = 0; i < words->count; i++) {
        out_text(out, NULL, words->list[i]);
    }
    out_end_array(out);
}

/* --- rows ------------------------------------------------------------------------------------------- */

static const struct otlp_span *span_of(const struct axis *axis, const struct axis_row *row)
{
    const struct axis_trace *trace = &axis->traces[row->trace];
    return row->span == AXIS_NONE ? NULL : &trace->view->spans[row->span - trace->first_span];
}

static struct bytes service_of(const struct axis *axis, const struct axis_row *row)
{
    const struct otlp_span *span = span_of(axis, row);
    return span == NULL ? bytes_of(NULL, 0)
                        : view_span_resource(axis->traces[row->trace].view, span)->service;
}

/* What makes one LLM or tool another: its model, its name. */
static struct bytes label_of(const struct axis *axis, const struct axis_row *row)
{
    if (row->span == AXIS_NONE) {
        return bytes_of(NULL, 0);
    }
    const struct voice_facts *facts = &axis->spans[row->span].facts;
    return facts->tool_name.len > 0 ? facts->tool_name : facts->model;
}

static FALLIBLE words_read(struct writing *writing)
{
    const struct axis *axis = writing->axis;
    struct words *all[] = {&writing->names, &writing->services, &writing->labels};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        all[i]->list = arena_zero(writing->arena, axis->rows_count + 1, sizeof *all[i]->list);
        if (all[i]->list == NULL) {
            return FAIL(NO_SPACE);
        }
    }
    writing->place = arena_zero(writing->arena, axis->rows_count + 1, sizeof *writing->place);
    if (writing->place == NULL) {
        return FAIL(NO_SPACE);
    }
    uint32_t shown = 0;
    for (size_t i = 0; i < axis->rows_count; i++) {
        const struct axis_row *row = &axis->rows[i];
        bool is_shown = writing->timeline->shown == NULL || writing->timeline->shown[i];
        writing->place[i] = is_shown ? shown++ : AXIS_NONE;
        if (is_shown && row->span != AXIS_NONE) {
            writing->names.list[writing->names.count++] = axis->spans[row->span].name;
            writing->services.list[writing->services.count++] = service_of(axis, row);
            struct bytes label = label_of(axis, row);
            if (label.len > 0) {
                writing->labels.list[writing->labels.count++] = label;
            }
        }
    }
    words_sort(&writing->names);
    words_sort(&writing->services);
    words_sort(&writing->labels);
    return OK;
}

/* null when it does not fit 64 bits. */
static void out_ns(struct out *out, const char *key, struct unix_ns from, struct unix_ns to)
{
    int64_t ns = 0;
    if (__builtin_sub_overflow(to.ns, from.ns, &ns)) {
        out_null(out, key);
    } else {
        out_int(out, key, ns);
    }
}

typedef void cell_fn(const struct writing *writing, const struct axis_row *row);

static void cell_trace(const struct writing *writing, const struct axis_row *row)
{
    out_int(writing->out, NULL, row->trace);
}

static void cell_id(const struct writing *writing, const struct axis_row *row)
{
    out_hex(writing->out, NULL, bytes_of(row->id.b, sizeof row->id.b));
}

static void cell_parent(const struct writing *writing, const struct axis_row *row)
{
    out_int(writing->out, NULL,
            row->parent == AXIS_NONE ? -1 : (int64_t)writing->place[row->parent]);
}

static void cell_name(const struct writing *writing, const struct axis_row *row)
{
    bool is_span = row->span != AXIS_NONE;
    out_int(writing->out, NULL,
            is_span ? word_at(&writing->names, writing->axis->spans[row->span].name) : -1);
}

static void cell_service(const struct writing *writing, const struct axis_row *row)
{
    bool is_span = row->span != AXIS_NONE;
    out_int(writing->out, NULL,
            is_span ? word_at(&writing->services, service_of(writing->axis, row)) : -1);
}

static void cell_label(const struct writing *writing, const struct axis_row *row)
{
    struct bytes label = label_of(writing->axis, row);
    out_int(writing->out, NULL, label.len > 0 ? word_at(&writing->labels, label) : -1);
}

static void cell_start(const struct writing *writing, const struct axis_row *row)
{
    out_ns(writing->out, NULL, writing->timeline->zero, row->start);
}

static void cell_length(const struct writing *writing, const struct axis_row *row)
{
    out_ns(writing->out, NULL, row->start, row->end);
}

static void cell_role(const struct writing *writing, const struct axis_row *row)
{
    out_int(writing->out, NULL, row->role);
}

static void cell_flags(const struct writing *writing, const struct axis_row *row)
{
    out_int(writing->out, NULL, row->flags);
}

static void cell_turn(const struct writing *writing, const struct axis_row *row)
{
    out_int(writing->out, NULL, row->turn == TURNS_NONE ? -1 : (int64_t)row->turn);
}

static void cell_attributes(const struct writing *writing, const struct axis_row *row)
{
    const struct otlp_span *span = span_of(writing->axis, row);
    out_int(writing->out, NULL, span == NULL ? 0 : span->attributes_count);
}

static void cell_events(const struct writing *writing, const struct axis_row *row)
{
    const struct otlp_span *span = span_of(writing->axis, row);
    out_int(writing->out, NULL, span == NULL ? 0 : span->events_count);
}

static void cell_links(const struct writing *writing, const struct axis_row *row)
{
    const struct otlp_span *span = span_of(writing->axis, row);
    out_int(writing->out, NULL, span == NULL ? 0 : span->links_count);
}

static const struct {
    const char *key;
    cell_fn *cell;
} columns[] = {
    {"trace", cell_trace},   {"id", cell_id},           {"parent", cell_parent},
    {"name", cell_name},     {"service", cell_service}, {"label", cell_label},
    {"startNs", cell_start}, {"lengthNs", cell_length}, {"role", cell_role},
    {"flags", cell_flags},   {"turn", cell_turn},       {"attributes", cell_attributes},
    {"events", cell_events}, {"links", cell_links},
};

static void columns_write(const struct writing *writing)
{
    out_object(writing->out, "columns");
    for (size_t i = 0; i < sizeof columns / sizeof columns[0]; i++) {
        out_array(writing->out, columns[i].key);
        for (size_t n = 0; n < writing->axis->rows_count; n++) {
            if (writing->place[n] != AXIS_NONE) {
                columns[i].cell(writing, &writing->axis->rows[n]);
            }
        }
        out_end_array(writing->out);
    }
    out_end_object(writing->out);
}

/* --- turns ------------------------------------------------------------------------------------------ */

static void span_write(const struct writing *writing, uint32_t span)
{
    if (span == TURNS_NONE) {
        out_null(writing->out, "spanId");
        return;
    }
    const struct turns_span *it = &writing->axis->spans[span];
    out_int(writing->out, "trace", it->trace);
    out_hex(writing->out, "spanId", bytes_of(it->id.b, sizeof it->id.b));
}

/* At most TIMELINE_SAID_BYTES, whole characters. */
static struct bytes clipped(struct bytes text)
{
    size_t len = text.len < TIMELINE_SAID_BYTES ? text.len : TIMELINE_SAID_BYTES;
    while (len > 0 && len < text.len && (text.ptr[len] & 0xC0) == 0x80) {
        len--;
    }
    return bytes_of(text.ptr, len);
}

static void stage_write(const struct writing *writing, const struct turn_wait *wait,
                        const struct turn_stage *stage)
{
    struct out *out = writing->out;
    struct unix_ns from = stage->from.ns > wait->from.ns ? stage->from : wait->from;
    struct unix_ns to = stage->to.ns < wait->to.ns ? stage->to : wait->to;
    out_object(out, NULL);
    out_word(out, "stage", split_stage_name(stage->stage));
    span_write(writing, stage->span);
    if (wait->is_sums_only) {
        out_null(out, "inWaitNs");
    } else {
        out_ns(out, "inWaitNs", from, to);
    }
    if (stage->has_own) {
        out_int(out, "ownNs", stage->own_ns);
    } else {
        out_null(out, "ownNs");
    }
    if (stage->attribute != NULL) {
        out_word(out, "attribute", stage->attribute);
    } else {
        out_null(out, "attribute");
    }
    out_end_object(out);
}

static void figure_write(struct out *out, const char *key, bool has, int64_t ns)
{
    if (has) {
        out_int(out, key, ns);
    } else {
        out_null(out, key);
    }
}

static void wait_write(const struct writing *writing, const struct turn_wait *wait)
{
    struct out *out = writing->out;
    out_object(out, NULL);
    out_ns(out, "startNs", writing->timeline->zero, wait->from);
    out_ns(out, "lengthNs", wait->from, wait->to);
    out_word(out, "startBy", turn_anchor_name(wait->from_by));
    out_word(out, "endBy", turn_anchor_name(wait->to_by));
    figure_write(out, "reportedNs", wait->has_reported, wait->reported_ns);
    if (wait->has_reported && wait->reported_by != NULL) {
        out_word(out, "reportedBy", wait->reported_by);
    } else {
        out_null(out, "reportedBy");
    }
    figure_write(out, "measuredNs", wait->has_measured, wait->measured_ns);
    out_bool(out, "isSumsOnly", wait->is_sums_only);
    figure_write(out, "overlapNs", wait->is_over, wait->sums_ns);
    out_object(out, "parts");
    for (size_t i = 0; i < WAIT_STAGE_COUNT; i++) {
        out_int(out, split_stage_name((enum wait_stage)i), wait->split.parts_ns[i]);
    }
    out_end_object(out);
    out_array(out, "segments");
    for (size_t i = 0; i < wait->split.segments_count; i++) {
        const struct split_segment *segment = &wait->split.segments[i];
        out_array(out, NULL);
        out_word(out, NULL, split_stage_name(segment->stage));
        out_ns(out, NULL, wait->from, segment->from);
        out_ns(out, NULL, segment->from, segment->to);
        out_end_array(out);
    }
    out_end_array(out);
    out_array(out, "stages");
    for (size_t i = 0; i < wait->stages_count; i++) {
        stage_write(writing, wait, &wait->stages[i]);
    }
    out_end_array(out);
    out_end_object(out);
}

static void text_or_null(struct out *out, const char *key, struct bytes text)
{
    if (text.len == 0) {
        out_null(out, key);
    } else {
        out_text(out, key, text);
    }
}

/* `tops`: the rows of this turn whose parent is not of it, in their order. */
static void turn_write(const struct writing *writing, const struct turn *turn, const uint32_t *tops,
                       size_t tops_count)
{
    struct out *out = writing->out;
    out_object(out, NULL);
    out_int(out, "number", turn->number);
    out_word(out, "kind", turn_kind_name(turn->kind));
    out_word(out, "outcome", turn_outcome_name(turn->outcome));
    out_bool(out, "isInterrupted", turn->is_interrupted);
    out_bool(out, "hasError", turn->has_error);
    out_ns(out, "startNs", writing->timeline->zero, turn->start);
    out_ns(out, "lengthNs", turn->start, turn->end);
    out_int(out, "spanCount", turn->spans_count);
    text_or_null(out, "said", clipped(turn->said));
    text_or_null(out, "answer", clipped(turn->answer));
    out_array(out, "topTraces");
    for (size_t i = 0; i < tops_count; i++) {
        out_int(out, NULL, writing->axis->rows[tops[i]].trace);
    }
    out_end_array(out);
    out_array(out, "topSpans");
    for (size_t i = 0; i < tops_count; i++) {
        const struct axis_row *row = &writing->axis->rows[tops[i]];
        out_hex(out, NULL, bytes_of(row->id.b, sizeof row->id.b));
    }
    out_end_array(out);
    out_array(out, "waits");
    for (size_t i = 0; i < turn->waits_count; i++) {
        wait_write(writing, &turn->waits[i]);
    }
    out_end_array(out);
    out_end_object(out);
}

static bool is_top(const struct axis *axis, const struct axis_row *row)
{
    return row->turn != TURNS_NONE &&
           (row->parent == AXIS_NONE || axis->rows[row->parent].turn != row->turn);
}

static FALLIBLE turns_write(const struct writing *writing)
{
    const struct axis *axis = writing->axis;
    const struct turns *turns = &axis->turns;
    uint32_t *tops = arena_zero(writing->arena, axis->rows_count + 1, sizeof *tops);
    uint32_t *ends = arena_zero(writing->arena, turns->count + 2, sizeof *ends);
    if (tops == NULL || ends == NULL) {
        return FAIL(NO_SPACE);
    }
    /* Sorted by counting: ends[turn + 1] first counts, then tells where the next row of the turn goes. */
    for (size_t i = 0; i < axis->rows_count; i++) {
        if (is_top(axis, &axis->rows[i])) {
            ends[axis->rows[i].turn + 1]++;
        }
    }
    for (size_t i = 1; i <= turns->count; i++) {
        ends[i] += ends[i - 1];
    }
    for (size_t i = 0; i < axis->rows_count; i++) {
        if (is_top(axis, &axis->rows[i])) {
            tops[ends[axis->rows[i].turn]++] = (uint32_t)i;
        }
    }
    out_array(writing->out, "turns");
    for (size_t i = 0; i < turns->count; i++) {
        size_t first = i == 0 ? 0 : ends[i - 1];
        turn_write(writing, &turns->turns[i], tops + first, ends[i] - first);
    }
    out_end_array(writing->out);
    return OK;
}

static int ns_compare(const void *left, const void *right)
{
    int64_t a = *(const int64_t *)left;
    int64_t b = *(const int64_t *)right;
    return (a > b) - (a < b);
}

/* Nearest rank; a 95th percentile of fewer than 20 is one of them by chance. */
static FALLIBLE responses_write(const struct writing *writing)
{
    enum { P95_LEAST = 20 };
    const struct turns *turns = &writing->axis->turns;
    const struct turn *slowest = turns_slowest(turns);
    struct out *out = writing->out;
    int64_t *lengths = arena_zero(writing->arena, turns->count + 1, sizeof *lengths);
    size_t count = 0;
    if (lengths == NULL) {
        return FAIL(NO_SPACE);
    }
    for (size_t i = 0; i < turns->count; i++) {
        if (turns->turns[i].waits_count > 0) {
            lengths[count++] = turn_response_ns(&turns->turns[i]);
        }
    }
    qsort(lengths, count, sizeof *lengths, ns_compare);
    out_object(out, "responses");
    out_int(out, "count", (int64_t)count);
    figure_write(out, "medianNs", count > 0, count > 0 ? lengths[(count + 1) / 2 - 1] : 0);
    figure_write(out, "p95Ns", count >= P95_LEAST,
                 count >= P95_LEAST ? lengths[(count * 95 + 99) / 100 - 1] : 0);
    figure_write(out, "slowestNs", slowest != NULL,
                 slowest != NULL ? turn_response_ns(slowest) : 0);
    figure_write(out, "slowestTurn", slowest != NULL, slowest != NULL ? slowest->number : 0);
    out_end_object(out);
    return OK;
}

/* --- traces, links, clocks -------------------------------------------------------------------------- */

static void trace_write(const struct writing *writing, size_t number)
{
    const struct timeline_trace *trace = &writing->timeline->traces[number];
    const struct axis_trace *axis = &writing->axis->traces[number];
    struct out *out = writing->out;
    out_object(out, NULL);
    out_hex(out, "traceId", bytes_of(trace->id.b, sizeof trace->id.b));
    text_or_null(out, "rootName", trace->root_name);
    if (trace->has_root) {
        out_hex(out, "rootSpanId", bytes_of(trace->root.b, sizeof trace->root.b));
    } else {
        out_null(out, "rootSpanId");
    }
    text_or_null(out, "service", trace->service);
    out_bool(out, "isOpen", trace->is_open);
    out_ns(out, "startNs", writing->timeline->zero, trace->start);
    out_ns(out, "lengthNs", trace->start, trace->end);
    out_time(out, "lastSeenAt", trace->last_seen, 3);
    out_int(out, "spanCount", (int64_t)axis->view->spans_count);
    out_int(out, "errorCount", axis->errors_count);
    out_int(out, "missingParents", axis->provisional_count);
    out_end_object(out);
}

static void link_write(const struct writing *writing, size_t trace,
                       const struct timeline_link *link)
{
    struct out *out = writing->out;
    out_object(out, NULL);
    out_int(out, "trace", (int64_t)trace);
    out_uuid(out, "conversationId", link->conversation);
    out_word(out, "conversationKind", conversation_kind_name(link->conversation_kind));
    out_word(out, "kind", match_kind_name(link->key.kind));
    out_text(out, "value", link->key.value);
    out_time(out, "linkedAt", link->linked_at, 6);
    if (!link->place.is_found) {
        out_null(out, "foundOn");
    } else {
        out_object(out, "foundOn");
        out_word(out, "attribute", link->place.attribute);
        out_bool(out, "isResource", link->place.is_resource);
        if (!link->place.is_resource) {
            out_hex(out, "spanId", bytes_of(link->place.span.b, sizeof link->place.span.b));
            out_text(out, "spanName", link->place.name);
        }
        out_end_object(out);
    }
    out_end_object(out);
}

static void clocks_write(const struct writing *writing)
{
    const struct clocks *clocks = &writing->timeline->clocks;
    struct out *out = writing->out;
    out_array(out, "clocks");
    for (size_t i = 0; i < clocks->count; i++) {
        const struct clocks_note *note = &clocks->notes[i];
        out_object(out, NULL);
        out_word(out, "about", note->about == CLOCKS_TRACE ? "trace" : "service");
        out_int(out, "trace", note->trace);
        text_or_null(out, "service", note->service);
        out_int(out, "aheadNs", note->ahead_ns);
        out_end_object(out);
    }
    out_end_array(out);
}

/* --- all of it -------------------------------------------------------------------------------------- */

static void flags_write(struct out *out)
{
    out_object(out, "flagBits");
    out_int(out, "open", AXIS_OPEN);
    out_int(out, "error", AXIS_ERROR);
    out_int(out, "orphan", AXIS_ORPHAN);
    out_int(out, "interrupted", AXIS_INTERRUPTED);
    out_int(out, "provisional", AXIS_PROVISIONAL);
    out_int(out, "cut", AXIS_CUT);
    out_int(out, "inner", AXIS_INNER);
    out_end_object(out);
    out_array(out, "roles");
    for (size_t i = 0; i < AXIS_ROLE_COUNT; i++) {
        out_word(out, NULL, axis_role_name((enum axis_role)i));
    }
    out_end_array(out);
}

static void head_write(const struct writing *writing)
{
    const struct timeline *timeline = writing->timeline;
    struct out *out = writing->out;
    out_word(out, "kind", timeline->what);
    if (timeline->is_conversation) {
        out_uuid(out, "id", timeline->conversation);
    } else {
        out_hex(out, "id", bytes_of(timeline->trace.b, sizeof timeline->trace.b));
    }
    out_time(out, "zero", timeline->zero, 9);
    if (timeline->call.has_ended) {
        out_ns(out, "endNs", timeline->zero, timeline->call.ended);
    } else {
        out_null(out, "endNs");
    }
    out_bool(out, "isLive", timeline->is_live);
    out_int(out, "revision", timeline->revision.ns / NS_PER_MS);
    out_bool(out, "isChanges", timeline->is_since);
    out_bool(out, "isChanged", timeline->is_changed);
}

static FALLIBLE spans_write(struct writing *writing)
{
    const struct timeline *timeline = writing->timeline;
    const struct axis *axis = writing->axis;
    struct out *out = writing->out;
    int64_t shown = (int64_t)axis->spans_count;
    int64_t errors = 0;
    for (size_t i = 0; i < axis->traces_count; i++) {
        errors += axis->traces[i].errors_count;
    }
    /* A repeated export counts twice in the store, so that only beyond the limit the total says something. */
    bool is_cut = timeline->has_more_traces || timeline->is_cut;
    out_int(out, "spanCount", shown);
    out_int(out, "spanTotal", is_cut ? timeline->spans_total : shown);
    out_bool(out, "isCut", is_cut);
    out_int(out, "errorCount", errors);
    flags_write(out);
    TRY(words_read(writing));
    words_write(out, "names", &writing->names);
    words_write(out, "services", &writing->services);
    words_write(out, "labels", &writing->labels);
    out_array(out, "traces");
    for (size_t i = 0; i < axis->traces_count; i++) {
        trace_write(writing, i);
    }
    out_end_array(out);
    columns_write(writing);
    TRY(turns_write(writing));
    TRY(responses_write(writing));
    out_array(out, "links");
    for (size_t i = 0; i < timeline->traces_count; i++) {
        for (size_t n = 0; n < timeline->traces[i].links_count; n++) {
            link_write(writing, i, &timeline->traces[i].links[n]);
        }
    }
    out_end_array(out);
    clocks_write(writing);
    return OK;
}

err_t timeline_write(const struct timeline *timeline, struct arena *arena, struct out *out)
{
    struct writing writing = {
        .timeline = timeline, .axis = &timeline->axis, .arena = arena, .out = out};
    out_object(out, NULL);
    out_object(out, "data");
    head_write(&writing);
    if (timeline->is_changed) {
        TRY(spans_write(&writing));
    }
    out_end_object(out);
    out_end_object(out);
    return OK;
}
