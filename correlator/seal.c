#include "correlator/seal.h"

#include <stdlib.h>

#include "correlator/background.h"
#include "correlator/core/pieces.h"
#include "correlator/metrics.h"
#include "correlator/params.h"
#include "proto/base/check.h"
#include "proto/base/fault.h"
#include "proto/base/limits.h"
#include "proto/base/log.h"
#include "proto/base/mem.h"
#include "proto/otlp/merge.h"
#include "proto/otlp/term.h"

#include "proto/base/banned.h"

enum {
    STATEMENT_TIMEOUT_MS = 10000,
    LOOK_MS = 1000,              /* between two looks for what is due */
    WHOLE_MS = 10000,            /* between two looks at all that is not sealed, under load */
    DUE_MAX = 500,               /* traces of one look */
    BATCH_MAX = 200,             /* pieces of one transaction */
    BATCH_BYTES = 4 << 20,       /* raw, unless one piece has more */
    BATCH_BYTES_MAX = 256 << 20, /* compressed segments and terms of it */
    DUE_BYTES_MAX = 256 << 20,
    MERGE_BYTES_MAX = 768 << 20, /* segments, heads and facts of one piece within LIMIT_SEALED_* */
    AT_SWAPS = 2,                /* of the transaction's results: BEGIN and the lock come before */
};

/* A trace that is quiet. */
struct due {
    struct uuid project;
    struct trace_id trace;
    struct unix_ns day;
    struct part *parts;
    size_t parts_count;
    /* What it will consist of, as far as pieces were made. */
    struct db_value *hashes; /* as many as parts at most */
    size_t hashes_count;
    bool is_exact;
    uint32_t spans;
    uint32_t errors;
};

/* One piece, read and merged. */
struct swap {
    const struct due *due;
    const struct part *parts;
    size_t parts_count;
    uint64_t raw_bytes;
    uint64_t bytes;          /* compressed, before */
    struct bus_trace merged; /* of the batch's arena */
};

/* What goes into one transaction. */
struct batch {
    struct arena arena;
    struct swap swaps[BATCH_MAX];
    size_t swaps_count;
    const struct due *ends[BATCH_MAX]; /* traces of which this is the last */
    size_t ends_count;
    uint64_t raw_bytes;
    struct mono_ns began; /* when the reading of its first piece began */
};

struct sealer {
    struct sealer_options options;
    struct background *background; /* main's */
    struct background *self;       /* the same, the thread's */
    struct segment_builder *builder;
    struct arena list;  /* what is due */
    struct arena merge; /* one piece */
    struct batch batch;
    struct unix_ns day;      /* of which the partition is known to be there */
    bool may_trim;           /* something was sealed since the last time */
    struct unix_ns from;     /* what is due began then or later, but for late spans */
    struct mono_ns whole_at; /* when it was last looked for everywhere */
};

/* --- what is due ------------------------------------------------------------------------------------ */

static void id_get(const struct db_rows *rows, int column, void *to, size_t len)
{
    struct bytes got = db_get_bytes(rows, column);
    INVARIANT(got.len == len);
    memcpy(to, got.ptr, len);
}

static struct part part_get(const struct db_rows *rows)
{
    struct part part = {.spans = (uint32_t)db_get_int(rows, 5),
                        .errors = (uint32_t)db_get_int(rows, 6),
                        .raw_bytes = (uint32_t)db_get_int(rows, 7),
                        .is_sealed = db_get_bool(rows, 8),
                        .seen = db_get_time(rows, 9)};
    id_get(rows, 4, part.hash, sizeof part.hash);
    return part;
}

static FALLIBLE due_room(struct sealer *sealer, size_t rows, struct due **ret_due,
                         struct part **ret_parts, struct db_value **ret_hashes)
{
    *ret_due = arena_zero(&sealer->list, rows + 1, sizeof **ret_due);
    *ret_parts = arena_zero(&sealer->list, rows + 1, sizeof **ret_parts);
    *ret_hashes = arena_zero(&sealer->list, rows + 1, sizeof **ret_hashes);
    return arena_is_full(&sealer->list) ? FAIL(NO_SPACE) : OK;
}

/* The rows come trace by trace; one without segments has one row without any. */
static FALLIBLE due_take(struct sealer *sealer, struct db_rows *rows, struct due **ret_due,
                         size_t *ret_count)
{
    struct due *due = NULL;
    struct part *parts = NULL;
    struct db_value *hashes = NULL;
    size_t count = 0;
    int64_t waited_ms = 0;
    TRY(due_room(sealer, db_rows_count(rows), &due, &parts, &hashes));
    while (db_next(rows)) {
        struct due next = {.project = db_get_uuid(rows, 0), .day = db_get_time(rows, 2)};
        struct due *last = count == 0 ? NULL : &due[count - 1];
        sealer->from = db_get_time(rows, 10);
        id_get(rows, 1, next.trace.b, sizeof next.trace.b);
        if (last == NULL || !trace_id_equal(last->trace, next.trace) ||
            memcmp(last->project.b, next.project.b, sizeof next.project.b) != 0) {
            last = &due[count++];
            *last = next;
            last->parts = parts;
            last->hashes = hashes;
            waited_ms = db_get_int(rows, 3) > waited_ms ? db_get_int(rows, 3) : waited_ms;
        }
        if (!db_is_null(rows, 4)) {
            *parts++ = part_get(rows);
            hashes++;
            last->parts_count++;
        }
    }
    waited_ms -= (int64_t)sealer->options.quiet_s * MS_PER_S;
    metric_set(METRIC_SEAL_LAG_S, count == 0 ? 0 : waited_ms / MS_PER_S);
    *ret_due = due;
    *ret_count = count;
    return OK;
}

/* Late spans open a trace again that began long ago: it comes up when nothing else is due, or from time to time. */
static void from_reset(struct sealer *sealer, bool is_idle)
{
    struct mono_ns now = clock_mono();
    if (is_idle || mono_ms_between(sealer->whole_at, now) >= WHOLE_MS) {
        sealer->whole_at = now;
        sealer->from.ns = 0;
    }
}

static FALLIBLE due_read(struct sealer *sealer, struct detail *detail, struct due **ret_due,
                         size_t *ret_count)
{
    const struct db_value values[] = {db_int8((int64_t)sealer->options.quiet_s * MS_PER_S),
                                      db_int4(DUE_MAX), db_time(sealer->from)};
    struct db_rows *rows = NULL;
    TRY(db_run(background_db(sealer->self), STMT_SEAL_DUE, values, 3, detail, &rows));
    err_t err = due_take(sealer, rows, ret_due, ret_count);
    db_rows_free(rows);
    return err;
}

/* --- one piece -------------------------------------------------------------------------------------- */

static FALLIBLE hashes_pack(const struct part *parts, size_t count, struct arena *arena,
                            struct db_value *ret_array)
{
    struct db_value *values = arena_zero(arena, count, sizeof *values);
    if (values == NULL) {
        return FAIL(NO_SPACE);
    }
    for (size_t i = 0; i < count; i++) {
        values[i] = db_bytes(bytes_of(parts[i].hash, sizeof parts[i].hash));
    }
    return db_array(arena, DB_TYPE_BYTEA, values, count, ret_array);
}

static bool has_term(const struct bus_trace *trace, uint64_t term)
{
    for (size_t i = 0; i < trace->terms_count; i++) {
        if (trace->terms[i] == term) {
            return true;
        }
    }
    return false;
}

/* Results move from the arena of the merge to that of the batch. The trace's row may have its root's name from a copy
 * of the span that the merge left out: the name stays a term, because it leads a search to the trace. */
static FALLIBLE merged_keep(const struct bus_trace *merged, uint64_t root_term, struct arena *arena,
                            struct bus_trace *ret_kept)
{
    struct bus_trace kept = *merged;
    struct bytes terms = bytes_of(merged->terms, merged->terms_count * sizeof *merged->terms);
    kept.terms = arena_alloc(arena, terms.len + sizeof *kept.terms);
    if (kept.terms == NULL) {
        return FAIL(NO_SPACE);
    }
    if (terms.len > 0) {
        memcpy(kept.terms, terms.ptr, terms.len);
    }
    if (root_term != 0 && !has_term(merged, root_term)) {
        kept.terms[kept.terms_count++] = root_term;
    }
    TRY(arena_copy(arena, merged->segment, &kept.segment));
    *ret_kept = kept;
    return OK;
}

static FALLIBLE bodies_merge(struct sealer *sealer, struct db_rows *rows, struct swap *swap)
{
    struct arena *arena = &sealer->merge;
    struct bytes *raws = arena_zero(arena, db_rows_count(rows) + 1, sizeof *raws);
    struct bus_trace merged;
    struct term_space space = term_space_of(swap->due->project);
    uint64_t root_term = 0;
    size_t count = 0;
    if (raws == NULL) {
        return FAIL(NO_SPACE);
    }
    while (db_next(rows)) {
        struct bytes body = db_get_bytes(rows, 1);
        struct bytes root_name = db_get_bytes(rows, 2);
        root_term = root_name.len == 0 ? 0 : term_name(space, root_name);
        swap->bytes += body.len;
        TRY(segment_inflate(body, (size_t)db_get_int(rows, 0), arena, &raws[count++]));
    }
    count -= count > 1 && fault_is(FAULT_SEAL_FORGET_SEGMENT);
    TRY(merge_segments(sealer->builder, swap->due->project, raws, count, arena, &merged));
    return merged_keep(&merged, root_term, &sealer->batch.arena, &swap->merged);
}

/* False in `ret_is_merged`: it cannot be read, or is larger than it may be, and stays as it is. */
static FALLIBLE piece_merge(struct sealer *sealer, struct swap *swap, struct detail *detail,
                            bool *ret_is_merged)
{
    const struct due *due = swap->due;
    struct db_value values[] = {db_uuid(&due->project),
                                db_bytes(bytes_of(due->trace.b, sizeof due->trace.b)), db_null()};
    struct db_rows *rows = NULL;
    arena_reset(&sealer->merge);
    TRY(hashes_pack(swap->parts, swap->parts_count, &sealer->merge, &values[2]));
    TRY(db_run(background_db(sealer->self), STMT_SEAL_BODIES, values, 3, detail, &rows));
    err_t err = bodies_merge(sealer, rows, swap);
    db_rows_free(rows);
    *ret_is_merged = err_is_ok(err);
    if (!err_is_ok(err) && !err_is(err, ERR_MEMORY)) {
        char hex[TRACE_ID_HEX];
        bytes_to_hex(bytes_of(due->trace.b, sizeof due->trace.b), hex);
        log_warn("seal_unread", "trace=%.*s err=%s", (int)sizeof hex, hex, err_name(err));
        return OK;
    }
    return err;
}

/* --- the transaction -------------------------------------------------------------------------------- */

static FALLIBLE queue_lock(struct sealer *sealer, struct detail *detail)
{
    static const enum db_type types[] = {DB_TYPE_UUID, DB_TYPE_BYTEA};
    struct batch *batch = &sealer->batch;
    struct params params;
    TRY(params_init(&params, &batch->arena, types, 2, batch->swaps_count + batch->ends_count));
    for (size_t i = 0; i < batch->swaps_count + batch->ends_count; i++) {
        const struct due *due =
            i < batch->swaps_count ? batch->swaps[i].due : batch->ends[i - batch->swaps_count];
        params_row(&params,
                   (struct db_value[]){db_uuid(&due->project), params_trace_id(&due->trace)});
    }
    return params_queue(&params, background_db(sealer->self), STMT_TRACES_LOCK, detail);
}

static FALLIBLE queue_swap(struct sealer *sealer, const struct swap *swap, struct detail *detail)
{
    struct arena *arena = &sealer->batch.arena;
    const struct bus_trace *merged = &swap->merged;
    struct unix_ns seen = swap->parts[0].seen;
    struct db_value gone = db_null();
    struct db_value array = db_null();
    struct db_value *terms = arena_zero(arena, merged->terms_count, sizeof *terms);
    if (terms == NULL) {
        return FAIL(NO_SPACE);
    }
    for (size_t i = 0; i < merged->terms_count; i++) {
        terms[i] = db_int8((int64_t)merged->terms[i]);
    }
    for (size_t i = 0; i < swap->parts_count; i++) {
        seen.ns = swap->parts[i].seen.ns > seen.ns ? swap->parts[i].seen.ns : seen.ns;
    }
    TRY(db_array(arena, DB_TYPE_INT8, terms, merged->terms_count, &array));
    TRY(hashes_pack(swap->parts, swap->parts_count, arena, &gone));
    const struct db_value values[] = {
        db_uuid(&swap->due->project),
        params_trace_id(&swap->due->trace),
        gone,
        db_bytes(bytes_of(merged->segment_hash, sizeof merged->segment_hash)),
        db_int4((int32_t)merged->spans_count),
        db_int4((int32_t)merged->errors_count),
        db_int4((int32_t)merged->segment_raw_bytes),
        array,
        db_bytes(merged->segment),
        db_time(seen),
    };
    return db_queue(background_db(sealer->self), STMT_SEAL_SWAP, values,
                    sizeof values / sizeof values[0], detail);
}

static int hash_compare(const void *a, const void *b)
{
    const struct db_value *x = a;
    const struct db_value *y = b;
    return bytes_compare(x->data, y->data);
}

static FALLIBLE queue_end(struct sealer *sealer, const struct due *due, struct detail *detail)
{
    struct db_value hashes = db_null();
    qsort(due->hashes, due->hashes_count, sizeof *due->hashes, hash_compare);
    TRY(db_array(&sealer->batch.arena, DB_TYPE_BYTEA, due->hashes, due->hashes_count, &hashes));
    const struct db_value values[] = {db_uuid(&due->project), params_trace_id(&due->trace), hashes,
                                      due->is_exact ? db_int4((int32_t)due->spans) : db_null(),
                                      due->is_exact ? db_int4((int32_t)due->errors) : db_null()};
    return db_queue(background_db(sealer->self), STMT_SEAL_END, values, 5, detail);
}

static FALLIBLE queue_all(struct sealer *sealer, struct detail *detail)
{
    struct db *db = background_db(sealer->self);
    const struct batch *batch = &sealer->batch;
    TRY(db_queue(db, STMT_BEGIN, NULL, 0, detail));
    TRY(queue_lock(sealer, detail));
    for (size_t i = 0; i < batch->swaps_count; i++) {
        TRY(queue_swap(sealer, &batch->swaps[i], detail));
    }
    for (size_t i = 0; i < batch->ends_count; i++) {
        TRY(queue_end(sealer, batch->ends[i], detail));
    }
    return db_queue(db, STMT_COMMIT, NULL, 0, detail);
}

static void swapped_count(const struct swap *swap)
{
    metric_add(METRIC_SEALED_SEGMENTS, swap->parts_count);
    metric_add(METRIC_SEALED_BYTES_BEFORE, swap->bytes);
    metric_add(METRIC_SEALED_BYTES_AFTER, swap->merged.segment.len);
}

static void results_read(const struct batch *batch, struct db_rows **results)
{
    for (size_t i = 0; i < batch->swaps_count; i++) {
        if (db_rows_affected(results[AT_SWAPS + i]) > 0) {
            swapped_count(&batch->swaps[i]);
        }
    }
    for (size_t i = 0; i < batch->ends_count; i++) {
        bool is_sealed = db_rows_affected(results[AT_SWAPS + batch->swaps_count + i]) > 0;
        metric_add(is_sealed ? METRIC_SEALED_TRACES : METRIC_SEAL_OVERTAKEN, 1);
    }
}

static void batch_reset(struct batch *batch)
{
    arena_reset(&batch->arena);
    batch->swaps_count = 0;
    batch->ends_count = 0;
    batch->raw_bytes = 0;
    batch->began = clock_mono();
}

static FALLIBLE batch_commit(struct sealer *sealer, struct detail *detail)
{
    struct db *db = background_db(sealer->self);
    struct batch *batch = &sealer->batch;
    struct db_rows **results = NULL;
    size_t count = 0;
    size_t failed = 0;
    if (batch->swaps_count + batch->ends_count == 0) {
        return OK;
    }
    TRY(db_begin_pipeline(db, detail));
    err_t queued = queue_all(sealer, detail);
    if (!err_is_ok(queued)) {
        db_close(db);
        return queued;
    }
    TRY(db_end_pipeline(db, detail, &results, &count, &failed));
    results_read(batch, results);
    for (size_t i = 0; i < count; i++) {
        db_rows_free(results[i]);
        results[i] = NULL;
    }
    metric_seconds(METRIC_SEAL_SECONDS, clock_mono().ns - batch->began.ns);
    sealer->may_trim = true;
    segment_builder_trim(sealer->builder);
    background_rest(sealer->self, batch->began, sealer->options.share_percent);
    batch_reset(batch);
    return OK;
}

/* --- trace by trace --------------------------------------------------------------------------------- */

static bool batch_has_room(const struct batch *batch, uint64_t raw_bytes)
{
    return batch->swaps_count < BATCH_MAX && batch->ends_count < BATCH_MAX &&
           (batch->swaps_count == 0 || batch->raw_bytes + raw_bytes <= BATCH_BYTES);
}

/* What the trace will consist of, when the piece stays as it is. */
static void piece_pass(struct due *due, const struct piece *piece)
{
    for (size_t i = piece->first; i < piece->next; i++) {
        struct part *part = &due->parts[i];
        due->hashes[due->hashes_count++] = db_bytes(bytes_of(part->hash, sizeof part->hash));
        due->is_exact = due->is_exact && part->is_sealed;
        due->spans += part->spans;
        due->errors += part->errors;
    }
}

static FALLIBLE piece_seal(struct sealer *sealer, struct due *due, const struct piece *piece,
                           struct detail *detail)
{
    struct batch *batch = &sealer->batch;
    struct swap *swap = &batch->swaps[batch->swaps_count];
    struct bytes hash = {0};
    bool is_merged = false;
    *swap = (struct swap){.due = due,
                          .parts = due->parts + piece->first,
                          .parts_count = piece->next - piece->first,
                          .raw_bytes = piece->raw_bytes};
    TRY(piece_merge(sealer, swap, detail, &is_merged));
    if (!is_merged) {
        piece_pass(due, piece);
        return OK;
    }
    const struct bus_trace *merged = &swap->merged;
    TRY(arena_copy(&sealer->list, bytes_of(merged->segment_hash, sizeof merged->segment_hash),
                   &hash));
    due->hashes[due->hashes_count++] = db_bytes(hash);
    due->spans += merged->spans_count;
    due->errors += merged->errors_count;
    batch->raw_bytes += piece->raw_bytes;
    batch->swaps_count++;
    return OK;
}

static FALLIBLE trace_seal(struct sealer *sealer, struct due *due, struct detail *detail)
{
    struct batch *batch = &sealer->batch;
    struct piece piece = {.next = 0};
    size_t count = pieces_unique(due->parts, due->parts_count);
    size_t pieces = 0;
    due->is_exact = true;
    for (size_t at = 0; at < count && !background_is_stopping(sealer->self); at = piece.next) {
        piece = piece_at(due->parts, count, at);
        if (!batch_has_room(batch, piece.raw_bytes)) {
            TRY(batch_commit(sealer, detail));
        }
        if (piece.is_due) {
            TRY(piece_seal(sealer, due, &piece, detail));
        } else {
            piece_pass(due, &piece);
        }
        pieces++;
    }
    due->is_exact = due->is_exact && pieces <= 1; /* of several, one span may stand in two */
    if (piece.next == count) {
        batch->ends[batch->ends_count++] = due;
    }
    return OK;
}

/* A partition that is there already costs a look-up. */
static FALLIBLE partition_make(struct sealer *sealer, const struct due *due, struct detail *detail)
{
    if (due->day.ns == sealer->day.ns) {
        return OK;
    }
    const struct db_value day = db_time(due->day);
    TRY(db_do(background_db(sealer->self), STMT_PARTITION_MAKE, &day, 1, detail, NULL));
    sealer->day = due->day;
    return OK;
}

static FALLIBLE due_seal(struct sealer *sealer, struct detail *detail, size_t *ret_count)
{
    struct due *due = NULL;
    batch_reset(&sealer->batch);
    TRY(due_read(sealer, detail, &due, ret_count));
    from_reset(sealer, *ret_count == 0);
    for (size_t i = 0; i < *ret_count && !background_is_stopping(sealer->self); i++) {
        TRY(partition_make(sealer, &due[i], detail));
        TRY(trace_seal(sealer, &due[i], detail));
    }
    return batch_commit(sealer, detail);
}

/* After a burst; it takes until the vacuum has been there. */
static FALLIBLE trim(struct sealer *sealer, struct detail *detail)
{
    struct db_rows *rows = NULL;
    TRY(db_run(background_db(sealer->self), STMT_SEAL_TRIM, NULL, 0, detail, &rows));
    sealer->may_trim = !(db_next(rows) && db_get_bool(rows, 0));
    db_rows_free(rows);
    return OK;
}

static FALLIBLE look(struct sealer *sealer, struct background *background, struct detail *detail)
{
    size_t count = DUE_MAX;
    sealer->self = background;
    sealer->day.ns = 0; /* it may have been dropped meanwhile */
    while (count == DUE_MAX && !background_is_stopping(background)) {
        arena_reset(&sealer->list);
        TRY(due_seal(sealer, detail, &count));
    }
    return count == 0 && sealer->may_trim ? trim(sealer, detail) : OK;
}

static err_t work(void *context, struct background *background, struct detail *detail)
{
    struct sealer *sealer = context;
    err_t err = look(sealer, background, detail);
    arena_fini(&sealer->list);
    arena_fini(&sealer->merge);
    arena_fini(&sealer->batch.arena);
    return err;
}

/* --- start and end ------------------------------------------------------------------------------------ */

err_t sealer_start(const struct sealer_options *sealer_options, struct sealer **ret_sealer)
{
    struct sealer *sealer = mem_zero(1, sizeof *sealer);
    if (sealer == NULL) {
        return FAIL(MEMORY);
    }
    sealer->options = *sealer_options;
    arena_init(&sealer->list, DUE_BYTES_MAX);
    arena_init(&sealer->merge, MERGE_BYTES_MAX);
    arena_init(&sealer->batch.arena, BATCH_BYTES_MAX);
    sealer->builder = segment_builder_new(SEGMENT_EFFORT_SEAL);
    const struct background_options options = {.name = "seal",
                                               .conninfo = sealer_options->conninfo,
                                               .statement_timeout_ms = STATEMENT_TIMEOUT_MS,
                                               .session = STMT_WRITER_SESSION,
                                               .lock = STMT_SEAL_LOCK,
                                               .pause_ms = LOOK_MS,
                                               .work = work,
                                               .context = sealer};
    err_t err =
        sealer->builder == NULL ? FAIL(MEMORY) : background_start(&options, &sealer->background);
    if (!err_is_ok(err)) {
        segment_builder_free(sealer->builder);
        mem_free(sealer);
        return err;
    }
    *ret_sealer = sealer;
    return OK;
}

void sealer_stop(struct sealer *sealer)
{
    if (sealer != NULL) {
        background_stop(sealer->background);
        segment_builder_free(sealer->builder);
        mem_free(sealer);
    }
}
