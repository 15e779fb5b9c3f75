#include "api/rest/clocks.h"

#include "proto/base/banned.h"

/* What the spans of one resource need to fit into their parents of other resources. */
struct shift {
    size_t count;
    bool is_apart; /* one fits as it is, or they need different signs */
    int64_t least; /* by size */
    int64_t most;
};

static int64_t size_of(int64_t ns)
{
    return ns < 0 ? -ns : ns;
}

/* How far a span lies ahead of its parent; 0: it may be right. Children may outlive their parents, but not begin
 * before them nor after their end. False: no clock differs so much. */
static bool ahead_of(const struct axis_row *row, const struct axis_row *parent, int64_t *ret_ns)
{
    int64_t ns = 0;
    bool is_before = row->start.ns < parent->start.ns;
    bool is_behind = row->start.ns > parent->end.ns;
    if (is_before && __builtin_sub_overflow(row->start.ns, parent->start.ns, &ns)) {
        return false;
    }
    if (is_behind && __builtin_sub_overflow(row->start.ns, parent->end.ns, &ns)) {
        return false;
    }
    *ret_ns = ns;
    return ns > -CLOCKS_MOST_NS && ns < CLOCKS_MOST_NS;
}

static uint32_t resource_of(const struct axis *axis, const struct axis_row *row)
{
    const struct axis_trace *trace = &axis->traces[row->trace];
    const struct otlp_span *span = &trace->view->spans[row->span - trace->first_span];
    return trace->view->scopes[span->scope].resource;
}

static void shift_add(struct shift *shift, bool is_known, int64_t ns)
{
    bool is_first = shift->count++ == 0;
    shift->is_apart = shift->is_apart || !is_known || size_of(ns) < CLOCKS_LEAST_NS ||
                      (!is_first && (ns < 0) != (shift->most < 0));
    shift->least = is_first || size_of(ns) < size_of(shift->least) ? ns : shift->least;
    shift->most = is_first || size_of(ns) > size_of(shift->most) ? ns : shift->most;
}

/* One amount: they differ by less than a quarter of it. */
static bool is_one_amount(const struct shift *shift)
{
    return shift->count > 0 && !shift->is_apart &&
           size_of(shift->most) - size_of(shift->least) <=
               size_of(shift->most) / 4 + CLOCKS_LEAST_NS;
}

static void note_add(struct clocks *clocks, const struct clocks_note *note)
{
    if (clocks->count < CLOCKS_NOTES_MAX) {
        clocks->notes[clocks->count++] = *note;
    }
}

static FALLIBLE read_services(const struct axis *axis, uint32_t number, struct arena *arena,
                              struct clocks *clocks)
{
    const struct axis_trace *trace = &axis->traces[number];
    size_t count = trace->view->resources_count;
    struct shift *shifts = arena_zero(arena, count + 1, sizeof *shifts);
    if (shifts == NULL) {
        return FAIL(NO_SPACE);
    }
    for (uint32_t i = 0; i < trace->rows_count && count > 1; i++) {
        const struct axis_row *row = &axis->rows[trace->first_row + i];
        const struct axis_row *parent = row->parent == AXIS_NONE ? NULL : &axis->rows[row->parent];
        bool is_edge = row->span != AXIS_NONE && parent != NULL && parent->span != AXIS_NONE &&
                       (parent->flags & AXIS_OPEN) == 0 &&
                       resource_of(axis, row) != resource_of(axis, parent);
        if (is_edge) {
            int64_t ns = 0;
            bool is_known = ahead_of(row, parent, &ns);
            shift_add(&shifts[resource_of(axis, row)], is_known, ns);
        }
    }
    for (size_t i = 0; i < count; i++) {
        if (is_one_amount(&shifts[i])) {
            note_add(clocks, &(struct clocks_note){.about = CLOCKS_SERVICE,
                                                   .trace = number,
                                                   .service = trace->view->resources[i].service,
                                                   .ahead_ns = shifts[i].most});
        }
    }
    return OK;
}

/* A trace that ended before its call began, or began after its end, and would fit into it. */
static void read_trace(const struct axis *axis, uint32_t number, const struct clocks_call *call,
                       struct clocks *clocks)
{
    const struct axis_trace *trace = &axis->traces[number];
    struct unix_ns start = {INT64_MAX};
    struct unix_ns end = {INT64_MIN};
    for (uint32_t i = 0; i < trace->rows_count; i++) {
        const struct axis_row *row = &axis->rows[trace->first_row + i];
        start = row->start.ns < start.ns ? row->start : start;
        end = row->end.ns > end.ns ? row->end : end;
    }
    bool is_before = end.ns < call->started.ns;
    bool is_after = call->has_ended && start.ns > call->ended.ns;
    int64_t ahead = 0;
    int64_t length = 0;
    bool is_known = trace->rows_count > 0 && call->has_started &&
                    !__builtin_sub_overflow(start.ns, call->started.ns, &ahead) &&
                    !__builtin_sub_overflow(end.ns, start.ns, &length) &&
                    size_of(ahead) >= CLOCKS_LEAST_NS && ahead > -CLOCKS_MOST_NS &&
                    ahead < CLOCKS_MOST_NS;
    bool is_fitting =
        is_known && (!call->has_ended || length <= call->ended.ns - call->started.ns + NS_PER_S);
    if (is_fitting && (is_before || is_after)) {
        note_add(clocks,
                 &(struct clocks_note){.about = CLOCKS_TRACE, .trace = number, .ahead_ns = ahead});
    }
}

err_t clocks_read(const struct axis *axis, const struct clocks_call *call, struct arena *arena,
                  struct clocks *ret_clocks)
{
    struct clocks clocks = {.notes = arena_zero(arena, CLOCKS_NOTES_MAX, sizeof *clocks.notes)};
    if (clocks.notes == NULL) {
        return FAIL(NO_SPACE);
    }
    for (uint32_t i = 0; i < axis->traces_count; i++) {
        read_trace(axis, i, call, &clocks);
        TRY(read_services(axis, i, arena, &clocks));
    }
    *ret_clocks = clocks;
    return OK;
}
