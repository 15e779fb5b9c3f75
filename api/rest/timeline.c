/* GET /v1/call/{id}/timeline and its like: all spans on one axis, in columns. */
#include "api/rest/timeline.h"

#include <stdlib.h>

#include "api/rest/conversation.h"
#include "api/rest/page.h"
#include "api/rest/query.h"
#include "api/rest/rest.h"
#include "api/rest/trace_row.h"
#include "proto/base/check.h"
#include "proto/base/limits.h"
#include "proto/otlp/segment.h"

#include "proto/base/banned.h"

enum {
    /* Raw segments, heads, rows and turns of LIMIT_DISPLAY_SPANS spans. */
    ARENA_BYTES_MAX = 1 << 30,
    /* Raw segments that are opened; what comes behind is cut as what is beyond LIMIT_DISPLAY_SPANS. */
    RAW_BYTES_MAX = 512 << 20,
    LINK_PARTS = 5,
};

/* Columns of TRACE_COLUMNS in schema/stmt.def, and those behind them. */
enum {
    COLUMN_ID = 0,
    COLUMN_START = 1,
    COLUMN_END = 2,
    COLUMN_SERVICE = 4,
    COLUMN_ROOT_ID = 5,
    COLUMN_ROOT_NAME = 6,
    COLUMN_LAST_SEEN = 8,
    COLUMN_SPANS = 9,
    COLUMN_LINKS = 12,
    COLUMN_ROOT_END = 13,
    COLUMN_NOW = 14,
};

/* A stored segment once it is open. */
struct opened {
    struct bytes raw;
    bool is_new;
};

struct reading {
    struct exchange *exchange;
    struct arena *arena;
    struct timeline *timeline;
    struct unix_ns since;
    struct opened *opened;
    size_t opened_count;
};

static struct unix_ns later(struct unix_ns a, struct unix_ns b)
{
    return a.ns > b.ns ? a : b;
}

static struct bytes copied(struct arena *arena, struct bytes text)
{
    const char *copy =
        arena_text(arena, text); /* without memory it is left out; the arena says so */
    return bytes_of(copy, copy == NULL ? 0 : text.len);
}

/* --- links ------------------------------------------------------------------------------------------ */

/* The next part of "a:b:c", up to the separator. */
static struct bytes part_next(struct bytes *text, char separator)
{
    const uint8_t *end = text->len == 0 ? NULL : memchr(text->ptr, separator, text->len);
    size_t len = end == NULL ? text->len : (size_t)(end - text->ptr);
    struct bytes part = bytes_of(text->ptr, len);
    size_t used = end == NULL ? len : len + 1;
    *text = bytes_of(text->ptr + used, text->len - used);
    return part;
}

static int64_t number_of(struct bytes digits)
{
    int64_t number = 0;
    for (size_t i = 0; i < digits.len && number < INT64_MAX / 100; i++) {
        number = number * 10 + (digits.ptr[i] - '0');
    }
    return number;
}

/* "conversation:its kind:kind:hex:microseconds", as TIMELINE_TRACES writes it. */
static bool link_read(struct bytes text, struct arena *arena, struct timeline_link *ret_link)
{
    struct bytes parts[LINK_PARTS];
    for (size_t i = 0; i < LINK_PARTS; i++) {
        parts[i] = part_next(&text, ':');
    }
    uint8_t *value = arena_alloc(arena, parts[3].len / 2 + 1);
    if (value == NULL || !uuid_from_text(parts[0], &ret_link->conversation) ||
        !bytes_from_hex(parts[3], value, parts[3].len / 2)) {
        return false;
    }
    ret_link->conversation_kind = (unsigned)number_of(parts[1]);
    ret_link->key.kind = (enum match_kind)number_of(parts[2]);
    ret_link->key.value = bytes_of(value, parts[3].len / 2);
    ret_link->linked_at.ns = number_of(parts[4]) * (NS_PER_MS / 1000);
    return true;
}

static size_t parts_count(struct bytes text)
{
    size_t count = text.len > 0;
    for (size_t i = 0; i < text.len; i++) {
        count += text.ptr[i] == ',';
    }
    return count;
}

static FALLIBLE links_read(struct reading *reading, struct bytes text, struct timeline_trace *trace)
{
    struct timeline *timeline = reading->timeline;
    trace->links = arena_zero(reading->arena, parts_count(text) + 1, sizeof *trace->links);
    if (trace->links == NULL) {
        return FAIL(NO_SPACE);
    }
    while (text.len > 0) {
        struct timeline_link link = {.conversation_kind = 0};
        if (!link_read(part_next(&text, ','), reading->arena, &link)) {
            return FAIL(NO_SPACE);
        }
        trace->links[trace->links_count++] = link;
        timeline->is_changed = timeline->is_changed || link.linked_at.ns > reading->since.ns;
    }
    return OK;
}

/* --- traces ----------------------------------------------------------------------------------------- */

static FALLIBLE trace_read(struct reading *reading, const struct db_rows *rows)
{
    struct timeline *timeline = reading->timeline;
    struct timeline_trace *trace = &timeline->traces[timeline->traces_count];
    struct bytes id = db_get_bytes(rows, COLUMN_ID);
    INVARIANT(id.len == sizeof trace->id.b);
    memcpy(trace->id.b, id.ptr, sizeof trace->id.b);
    trace->start.ns = db_get_int(rows, COLUMN_START);
    trace->end.ns = db_get_int(rows, COLUMN_END);
    trace->last_seen = db_get_time(rows, COLUMN_LAST_SEEN);
    trace->service = copied(reading->arena, db_get_bytes(rows, COLUMN_SERVICE));
    trace->spans_count = db_get_int(rows, COLUMN_SPANS);
    trace->has_root = !db_is_null(rows, COLUMN_ROOT_ID);
    if (trace->has_root) {
        struct bytes root = db_get_bytes(rows, COLUMN_ROOT_ID);
        INVARIANT(root.len == sizeof trace->root.b);
        memcpy(trace->root.b, root.ptr, sizeof trace->root.b);
        trace->root_name = copied(reading->arena, db_get_bytes(rows, COLUMN_ROOT_NAME));
    }
    timeline->now = db_get_time(rows, COLUMN_NOW);
    bool has_ended = trace->has_root && db_get_int(rows, COLUMN_ROOT_END) != 0;
    int64_t quiet_s = (timeline->now.ns - trace->last_seen.ns) / NS_PER_S;
    trace->is_open = quiet_s < TIMELINE_OPEN_S || (!has_ended && quiet_s < TRACE_QUIET_S);
    timeline->is_live = timeline->is_live || trace->is_open;
    timeline->spans_total += trace->spans_count;
    if (!db_is_null(rows, COLUMN_LINKS)) {
        TRY(links_read(reading, db_get_bytes(rows, COLUMN_LINKS), trace));
    }
    timeline->traces_count++;
    return OK;
}

static FALLIBLE traces_read(struct reading *reading, struct db_rows *rows)
{
    struct timeline *timeline = reading->timeline;
    size_t count = db_rows_count(rows);
    timeline->has_more_traces = count > TIMELINE_TRACES_MAX;
    timeline->traces = arena_zero(reading->arena, count + 1, sizeof *timeline->traces);
    if (timeline->traces == NULL) {
        return FAIL(NO_SPACE);
    }
    while (timeline->traces_count < TIMELINE_TRACES_MAX && db_next(rows)) {
        TRY(trace_read(reading, rows));
    }
    return OK;
}

/* --- spans ------------------------------------------------------------------------------------------ */

/* The segments of one trace stand together: opens it. `first` is the first of them. */
static FALLIBLE view_add(struct reading *reading, size_t first, struct view *ret_view)
{
    size_t count = reading->opened_count - first;
    if (count == 0) {
        *ret_view = (struct view){.spans_count = 0}; /* cut */
        return OK;
    }
    struct bytes *raws = arena_zero(reading->arena, count, sizeof *raws);
    if (raws == NULL) {
        return FAIL(NO_SPACE);
    }
    for (size_t i = 0; i < count; i++) {
        raws[i] = reading->opened[first + i].raw;
    }
    return view_open(raws, count, reading->arena, ret_view);
}

static bool is_trace(const struct db_rows *rows, const struct trace_id *id)
{
    return bytes_equal(db_get_bytes(rows, 2), bytes_of(id->b, sizeof id->b));
}

/* Segments come in the order of the traces; those of a trace that came meanwhile come next time. */
static FALLIBLE segments_read(struct reading *reading, struct db_rows *rows, struct view *views)
{
    struct timeline *timeline = reading->timeline;
    reading->opened = arena_zero(reading->arena, db_rows_count(rows) + 1, sizeof *reading->opened);
    if (reading->opened == NULL) {
        return FAIL(NO_SPACE);
    }
    int64_t spans = 0;
    bool has_row = db_next(rows);
    for (size_t i = 0; i < timeline->traces_count; i++) {
        size_t first = reading->opened_count;
        while (has_row && is_trace(rows, &timeline->traces[i].id)) {
            struct opened *opened = &reading->opened[reading->opened_count++];
            opened->is_new = db_get_bool(rows, 3);
            spans += db_get_int(rows, 4);
            timeline->is_changed = timeline->is_changed || opened->is_new;
            TRY(segment_inflate(db_get_bytes(rows, 1), (size_t)db_get_int(rows, 0), reading->arena,
                                &opened->raw));
            has_row = db_next(rows);
        }
        TRY(view_add(reading, first, &views[i]));
    }
    timeline->is_cut = spans < timeline->spans_total;
    return OK;
}

static int by_place(const void *left, const void *right)
{
    const struct opened *a = left;
    const struct opened *b = right;
    uintptr_t at = (uintptr_t)a->raw.ptr;
    uintptr_t other = (uintptr_t)b->raw.ptr;
    return (at > other) - (at < other);
}

/* A span's octets lie in the segment that brought it. */
static bool is_new_span(const struct reading *reading, const struct otlp_span *span)
{
    uintptr_t at = (uintptr_t)span->raw.ptr;
    size_t low = 0;
    size_t high = reading->opened_count;
    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;
        if ((uintptr_t)reading->opened[middle].raw.ptr <= at) {
            low = middle;
        } else {
            high = middle;
        }
    }
    return reading->opened_count > 0 && reading->opened[low].is_new;
}

static FALLIBLE shown_find(struct reading *reading)
{
    struct timeline *timeline = reading->timeline;
    const struct axis *axis = &timeline->axis;
    bool *is_new = arena_zero(reading->arena, axis->spans_count + 1, sizeof *is_new);
    bool *shown = NULL;
    if (is_new == NULL) {
        return FAIL(NO_SPACE);
    }
    qsort(reading->opened, reading->opened_count, sizeof *reading->opened, by_place);
    for (size_t i = 0; i < axis->traces_count; i++) {
        const struct axis_trace *trace = &axis->traces[i];
        for (size_t n = 0; n < trace->view->spans_count; n++) {
            is_new[trace->first_span + n] = is_new_span(reading, &trace->view->spans[n]);
        }
    }
    TRY(axis_changed(axis, is_new, reading->arena, &shown));
    timeline->shown = shown;
    return OK;
}

static FALLIBLE places_read(struct reading *reading)
{
    struct timeline *timeline = reading->timeline;
    for (size_t i = 0; i < timeline->traces_count; i++) {
        struct timeline_trace *trace = &timeline->traces[i];
        struct match_key *keys = arena_zero(reading->arena, trace->links_count + 1, sizeof *keys);
        struct place *places = arena_zero(reading->arena, trace->links_count + 1, sizeof *places);
        if (keys == NULL || places == NULL) {
            return FAIL(NO_SPACE);
        }
        for (size_t n = 0; n < trace->links_count; n++) {
            keys[n] = trace->links[n].key;
        }
        places_find(timeline->axis.traces[i].view, keys, trace->links_count, places);
        for (size_t n = 0; n < trace->links_count; n++) {
            trace->links[n].place = places[n];
        }
    }
    return OK;
}

/* --- all of it -------------------------------------------------------------------------------------- */

static bool is_chat(const struct timeline *timeline)
{
    bool has_chat = strcmp(timeline->what, "chat") == 0;
    for (size_t i = 0; !timeline->is_conversation && i < timeline->traces_count; i++) {
        for (size_t n = 0; n < timeline->traces[i].links_count; n++) {
            has_chat = has_chat ||
                       timeline->traces[i].links[n].conversation_kind == CONVERSATION_KIND_CHAT;
        }
    }
    return has_chat;
}

/* From the segments to everything that is written. */
static FALLIBLE spans_take(struct reading *reading, struct db_rows *rows)
{
    struct timeline *timeline = reading->timeline;
    struct view *views = arena_zero(reading->arena, timeline->traces_count + 1, sizeof *views);
    if (views == NULL) {
        return FAIL(NO_SPACE);
    }
    TRY(segments_read(reading, rows, views));
    if (timeline->is_since && !timeline->is_changed) {
        return OK;
    }
    const struct turns_options options = {.is_chat = is_chat(timeline),
                                          .is_live = timeline->is_live};
    TRY(axis_make(views, timeline->traces_count, &options, reading->arena, &timeline->axis));
    if (timeline->is_since) {
        TRY(shown_find(reading));
    }
    TRY(places_read(reading));
    return clocks_read(&timeline->axis, &timeline->call, reading->arena, &timeline->clocks);
}

static void answer_failure(struct exchange *exchange, err_t err)
{
    struct detail detail = {0};
    bool is_input = err_class(err) == ERR_CLASS_INPUT;
    detail_set(&detail, "the timeline cannot be shown: %s", err_text(err));
    /* What is stored is ours; a client did nothing wrong by asking for it. */
    exchange_fail(exchange, is_input ? FAIL(INTERNAL) : err, &detail);
}

/* Asks for the traces and their segments. False: answered. */
static bool rows_get(struct reading *reading, struct db_rows **ret_segments)
{
    struct timeline *timeline = reading->timeline;
    struct uuid project = exchange_project(reading->exchange);
    const struct db_value id =
        timeline->is_conversation ? db_null()
                                  : db_bytes(bytes_of(timeline->trace.b, sizeof timeline->trace.b));
    const struct db_value values[] = {
        db_uuid(&project),
        timeline->is_conversation ? db_uuid(&timeline->conversation) : db_null(),
        id,
        db_time(reading->since),
        db_int8(LIMIT_DISPLAY_SPANS),
        db_int8(RAW_BYTES_MAX),
    };
    struct db_rows *rows = NULL;
    if (!page_run(reading->exchange, STMT_TIMELINE_TRACES, values, 3, &rows)) {
        return false;
    }
    err_t err = traces_read(reading, rows);
    db_rows_free(rows);
    if (!err_is_ok(err)) {
        answer_failure(reading->exchange, err);
        return false;
    }
    if (!timeline->is_conversation && timeline->traces_count == 0) {
        exchange_error(reading->exchange, 404, "not_found",
                       "there is no trace with this id in the project");
        return false;
    }
    return page_run(reading->exchange, STMT_TIMELINE_SEGMENTS, values, 6, ret_segments);
}

static void timeline_answer(struct reading *reading)
{
    struct timeline *timeline = reading->timeline;
    struct db_rows *segments = NULL;
    struct out out;
    if (!rows_get(reading, &segments)) {
        return;
    }
    bool has_start = timeline->is_conversation && timeline->call.has_started;
    timeline->zero = has_start                    ? timeline->call.started
                     : timeline->traces_count > 0 ? timeline->traces[0].start
                                                  : timeline->now;
    timeline->revision.ns = timeline->now.ns - (int64_t)TIMELINE_OVERLAP_MS * NS_PER_MS;
    timeline->revision = later(timeline->revision, reading->since);
    err_t err = spans_take(reading, segments);
    db_rows_free(segments);
    out_init(&out);
    if (err_is_ok(err)) {
        err = timeline_write(timeline, reading->arena, &out);
    }
    if (err_is_ok(err)) {
        out_answer(&out, reading->exchange);
    } else {
        out_fini(&out);
        answer_failure(reading->exchange, err);
    }
}

enum { Q_SINCE, Q_COUNT };

static const struct query_rule rules[Q_COUNT] = {
    [Q_SINCE] = {.name = "since", .type = QUERY_INTEGER, .most = INT64_MAX / NS_PER_MS},
};

static void timeline_get(struct exchange *exchange, struct timeline *timeline)
{
    struct query_value query[Q_COUNT];
    struct arena arena;
    if (!query_read(exchange, rules, Q_COUNT, query)) {
        return;
    }
    arena_init(&arena, ARENA_BYTES_MAX);
    struct reading reading = {.exchange = exchange, .arena = &arena, .timeline = timeline};
    timeline->is_since = query[Q_SINCE].has;
    if (timeline->is_since) {
        reading.since.ns = query[Q_SINCE].number * NS_PER_MS;
    }
    timeline->is_changed = !timeline->is_since || timeline->updated.ns > reading.since.ns;
    timeline_answer(&reading);
    arena_fini(&arena);
}

static void conversation_timeline(struct exchange *exchange, enum conversation_kind kind)
{
    struct timeline timeline = {.what = conversation_kind_name(kind), .is_conversation = true};
    struct uuid project = exchange_project(exchange);
    struct db_rows *rows = NULL;
    if (!query_path_uuid(exchange, 0, timeline.what, &timeline.conversation)) {
        return;
    }
    const struct db_value values[] = {db_uuid(&project), db_int2((int16_t)kind),
                                      db_uuid(&timeline.conversation)};
    if (!page_run(exchange, STMT_TIMELINE_CALL, values, 3, &rows)) {
        return;
    }
    bool is_there = db_next(rows);
    if (is_there) {
        timeline.call.has_started = !db_is_null(rows, 0);
        timeline.call.has_ended = !db_is_null(rows, 1);
        timeline.call.started =
            timeline.call.has_started ? db_get_time(rows, 0) : (struct unix_ns){0};
        timeline.call.ended = timeline.call.has_ended ? db_get_time(rows, 1) : (struct unix_ns){0};
        timeline.updated = db_get_time(rows, 2);
        timeline.now = db_get_time(rows, 3);
    }
    db_rows_free(rows);
    if (!is_there) {
        exchange_error(exchange, 404, "not_found", "there is no %s with this id in the project",
                       timeline.what);
        return;
    }
    timeline_get(exchange, &timeline);
}

void rest_call_timeline(struct exchange *exchange)
{
    conversation_timeline(exchange, CONVERSATION_KIND_CALL);
}

void rest_chat_timeline(struct exchange *exchange)
{
    conversation_timeline(exchange, CONVERSATION_KIND_CHAT);
}

void rest_trace_timeline(struct exchange *exchange)
{
    struct timeline timeline = {.what = "trace"};
    if (query_path_trace(exchange, 0, &timeline.trace)) {
        timeline_get(exchange, &timeline);
    }
}
