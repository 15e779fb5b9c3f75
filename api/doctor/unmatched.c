#include "api/doctor/unmatched.h"

#include "api/doctor/examine.h"
#include "proto/base/check.h"
#include "proto/base/limits.h"
#include "schema/db.h"

#include "proto/base/banned.h"

enum { ROWS_BYTES_MAX = 64 << 20, NAMES_BYTES_MAX = 1 << 20 };

/* --- rows ------------------------------------------------------------------------------------------- */

/* Reads "kind:hex,kind:hex"; our own statement wrote it. */
static FALLIBLE keys_read(struct bytes text, struct arena *arena, struct unmatched *row)
{
    struct match_key *keys = arena_zero(arena, UNMATCHED_KEYS, sizeof *keys);
    const uint8_t *end = text.ptr + text.len;
    if (keys == NULL) {
        return FAIL(NO_SPACE);
    }
    row->keys = keys;
    for (const uint8_t *at = text.ptr; at < end && row->keys_count < UNMATCHED_KEYS;) {
        const uint8_t *comma = memchr(at, ',', (size_t)(end - at));
        size_t len = (size_t)((comma == NULL ? end : comma) - at);
        INVARIANT(len >= 2);
        size_t value_len = (len - 2) / 2;
        uint8_t *value = arena_alloc(arena, value_len + 1);
        if (value == NULL) {
            return FAIL(NO_SPACE);
        }
        INVARIANT(bytes_from_hex(bytes_of(at + 2, len - 2), value, value_len));
        keys[row->keys_count++] = (struct match_key){.kind = (enum match_kind)(at[0] - '0'),
                                                     .value = bytes_of(value, value_len)};
        at += len + 1;
    }
    return OK;
}

static FALLIBLE trace_of_row(const struct db_rows *rows, struct arena *arena, struct unmatched *row)
{
    struct bytes id = db_get_bytes(rows, 0);
    *row = (struct unmatched){
        .place = {.what = UNMATCHED_TRACE, .at = {db_get_int(rows, 1)}},
        .end = {db_get_int(rows, 2)},
        .has_error = db_get_bool(rows, 3),
        .has_root = db_get_bool(rows, 5),
        .first_seen = db_get_time(rows, 7),
        .last_seen = db_get_time(rows, 8),
        .spans = db_get_int(rows, 9),
        .is_skipped = db_get_bool(rows, 10),
        .skips_rooms = db_get_bool(rows, 11),
        .keys_dropped = db_get_int(rows, 12),
        .keys_total = db_get_int(rows, 13),
    };
    memcpy(row->place.id, id.ptr, sizeof row->place.id);
    TRY(arena_copy(arena, db_get_bytes(rows, 4), &row->service));
    TRY(arena_copy(arena, db_get_bytes(rows, 6), &row->root_name));
    return keys_read(db_get_bytes(rows, 14), arena, row);
}

static FALLIBLE call_of_row(const struct db_rows *rows, struct arena *arena, struct unmatched *row)
{
    struct uuid id = db_get_uuid(rows, 0);
    *row = (struct unmatched){
        .place = {.what = UNMATCHED_CALL, .at = db_get_time(rows, 1)},
        .kind = (unsigned)db_get_int(rows, 2),
        .source = (unsigned)db_get_int(rows, 3),
    };
    memcpy(row->place.id, id.b, sizeof row->place.id);
    TRY(arena_copy(arena, db_get_bytes(rows, 4), &row->title));
    return keys_read(db_get_bytes(rows, 5), arena, row);
}

/* --- one batch --------------------------------------------------------------------------------------- */

static struct bytes id_bytes(const struct unmatched_place *place)
{
    return bytes_of(place->id, sizeof place->id);
}

/* $1 to $6 of the statements that walk. `project` and the side must live as long as values. */
static void walk_values(const struct unmatched_walk *walk, const struct unmatched_side *side,
                        struct uuid *id, struct db_value *values)
{
    bool is_trace = side->what == UNMATCHED_TRACE;
    memcpy(id->b, side->behind.id, sizeof id->b);
    values[0] = db_uuid(&walk->query.project);
    values[1] = is_trace ? db_int8(walk->query.from.ns) : db_time(walk->query.from);
    values[2] = is_trace ? db_int8(walk->query.to.ns) : db_time(walk->query.to);
    values[3] = is_trace ? db_int8(side->behind.at.ns) : db_time(side->behind.at);
    values[4] = is_trace ? db_bytes(id_bytes(&side->behind)) : db_uuid(id);
    values[5] = db_int4(UNMATCHED_WALK_ROWS);
}

static FALLIBLE rows_run(const struct unmatched_walk *walk, const struct unmatched_side *side,
                         struct detail *detail, struct db_rows **ret_rows)
{
    enum { VALUES = 7 };
    struct db_value values[VALUES];
    struct uuid id;
    if (side->what == UNMATCHED_TRACE && walk->query.is_by_arrival) {
        const struct db_value by_arrival[] = {
            db_uuid(&walk->query.project), db_time(walk->query.from), db_int4(UNMATCHED_ARRIVALS),
            db_int4(UNMATCHED_BATCH)};
        return db_run(walk->db, STMT_UNMATCHED_ARRIVED, by_arrival, 4, detail, ret_rows);
    }
    if (side->what == UNMATCHED_TRACE && walk->query.traces != NULL) {
        const struct db_value of_these[] = {
            db_uuid(&walk->query.project), *walk->query.traces, db_int8(side->behind.at.ns),
            db_bytes(id_bytes(&side->behind)), db_int4(UNMATCHED_BATCH)};
        return db_run(walk->db, STMT_UNMATCHED_OF, of_these, 5, detail, ret_rows);
    }
    walk_values(walk, side, &id, values);
    values[6] = db_int4(UNMATCHED_BATCH);
    return db_run(walk->db,
                  side->what == UNMATCHED_TRACE ? STMT_UNMATCHED_TRACES : STMT_UNMATCHED_CALLS,
                  values, VALUES, detail, ret_rows);
}

/* Where the walk of the last statement ended, when rows lie behind it. */
static FALLIBLE edge_find(struct unmatched_walk *walk, struct unmatched_side *side,
                          struct detail *detail)
{
    enum { VALUES = 6 };
    struct db_value values[VALUES];
    struct db_rows *rows = NULL;
    struct uuid id;
    bool is_trace = side->what == UNMATCHED_TRACE;
    walk_values(walk, side, &id, values);
    TRY(db_run(walk->db, is_trace ? STMT_UNMATCHED_TRACES_EDGE : STMT_UNMATCHED_CALLS_EDGE, values,
               VALUES, detail, &rows));
    side->is_done = !db_next(rows);
    if (!side->is_done && is_trace) {
        struct bytes at_id = db_get_bytes(rows, 1);
        side->behind.at.ns = db_get_int(rows, 0);
        memcpy(side->behind.id, at_id.ptr, sizeof side->behind.id);
    } else if (!side->is_done) {
        struct uuid at_id = db_get_uuid(rows, 1);
        side->behind.at = db_get_time(rows, 0);
        memcpy(side->behind.id, at_id.b, sizeof side->behind.id);
    }
    db_rows_free(rows);
    return OK;
}

static FALLIBLE rows_take(struct unmatched_side *side, struct db_rows *rows)
{
    side->count = 0;
    side->next = 0;
    while (side->count < UNMATCHED_BATCH && db_next(rows)) {
        struct unmatched *row = &side->rows[side->count];
        if (side->what == UNMATCHED_TRACE) {
            TRY(trace_of_row(rows, &side->arena, row));
        } else {
            TRY(call_of_row(rows, &side->arena, row));
        }
        side->count++;
    }
    return OK;
}

/* Fills the side with what follows: rows, or the knowledge that there are none. */
static FALLIBLE batch_read(struct unmatched_walk *walk, struct unmatched_side *side,
                           struct detail *detail)
{
    struct db_rows *rows = NULL;
    if (side->walks == UNMATCHED_WALKS || walk->raw_bytes_left == 0) {
        side->is_cut = true;
        return OK;
    }
    arena_reset(&side->arena);
    TRY(rows_run(walk, side, detail, &rows));
    err_t err = rows_take(side, rows);
    db_rows_free(rows);
    TRY(err);
    bool is_full = side->count == UNMATCHED_BATCH;
    /* Arrivals are one batch, and of given traces nothing is walked. */
    bool is_last = side->what == UNMATCHED_TRACE &&
                   (walk->query.is_by_arrival || (walk->query.traces != NULL && !is_full));
    if (is_last) {
        side->is_done = true;
    } else if (is_full) {
        side->behind = side->rows[side->count - 1].place;
    } else {
        side->walks++; /* a full batch is what the walk is for: only others count */
        TRY(edge_find(walk, side, detail));
    }
    return side->what == UNMATCHED_TRACE ? examine_traces(walk, side, detail)
                                         : examine_calls(walk, side, detail);
}

/* --- the walk ----------------------------------------------------------------------------------------- */

/* Where a side begins: behind `after`, which may be a row of the other side. At one time traces come first. */
static struct unmatched_place side_start(const struct unmatched_query *query,
                                         enum unmatched_what what)
{
    struct unmatched_place place = {.what = what, .at = {INT64_MAX}};
    memset(place.id, what == UNMATCHED_TRACE ? 0 : 0xff, sizeof place.id);
    if (!query->has_after) {
        return place;
    }
    if (query->after.what == what) {
        return query->after;
    }
    place.at = query->after.at;
    /* Behind a call: traces that started earlier. Behind a trace: calls of its time and earlier. */
    memset(place.id, 0xff, sizeof place.id);
    return place;
}

void unmatched_init(struct unmatched_walk *walk, struct db *db, const struct unmatched_query *query)
{
    memset(walk, 0, sizeof *walk);
    walk->db = db;
    walk->query = *query;
    walk->raw_bytes_left = UNMATCHED_RAW_BYTES;
    arena_init(&walk->names_arena, NAMES_BYTES_MAX);
    for (size_t i = 0; i < 2; i++) {
        struct unmatched_side *side = &walk->sides[i];
        side->what = i == 0 ? UNMATCHED_TRACE : UNMATCHED_CALL;
        side->is_done = i == 0 ? !query->wants_traces : !query->wants_calls;
        side->behind = side_start(query, side->what);
        arena_init(&side->arena, ROWS_BYTES_MAX);
    }
}

FALLIBLE unmatched_begin(struct db *db, struct detail *detail)
{
    TRY(db_do(db, STMT_BEGIN, NULL, 0, detail, NULL));
    err_t err = db_do(db, STMT_DOCTOR_SESSION, NULL, 0, detail, NULL);
    if (!err_is_ok(err)) {
        unmatched_end(db);
    }
    return err;
}

void unmatched_end(struct db *db)
{
    struct detail unused = {0};
    /* Nothing was written; a connection that is lost has no transaction either. */
    (void)err_is_ok(db_do(db, STMT_COMMIT, NULL, 0, &unused, NULL));
}

void unmatched_fini(struct unmatched_walk *walk)
{
    if (walk->has_begun) {
        unmatched_end(walk->db);
        walk->has_begun = false;
    }
    arena_fini(&walk->names_arena);
    arena_fini(&walk->sides[0].arena);
    arena_fini(&walk->sides[1].arena);
}

static bool has_row(const struct unmatched_side *side)
{
    return side->next < side->count;
}

/* The side whose next row, or cut, is the newest; NULL: nothing is left. */
static struct unmatched_side *newest(struct unmatched_walk *walk)
{
    struct unmatched_side *best = NULL;
    struct unix_ns best_at = {0};
    for (size_t i = 0; i < 2; i++) {
        struct unmatched_side *side = &walk->sides[i];
        if (!has_row(side) && !side->is_cut) {
            continue;
        }
        struct unix_ns at = has_row(side) ? side->rows[side->next].place.at : side->behind.at;
        if (best == NULL || at.ns > best_at.ns) {
            best = side;
            best_at = at;
        }
    }
    return best;
}

FALLIBLE unmatched_next(struct unmatched_walk *walk, struct detail *detail,
                        const struct unmatched **ret_row)
{
    if (!walk->has_begun) {
        TRY(unmatched_begin(walk->db, detail));
        walk->has_begun = true;
    }
    for (size_t i = 0; i < 2; i++) {
        struct unmatched_side *side = &walk->sides[i];
        while (!has_row(side) && !side->is_done && !side->is_cut) {
            TRY(batch_read(walk, side, detail));
        }
    }
    struct unmatched_side *side = newest(walk);
    if (side == NULL || !has_row(side)) {
        walk->is_cut = side != NULL;
        walk->place = side != NULL ? side->behind : walk->place;
        *ret_row = NULL;
        return OK;
    }
    const struct unmatched *row = &side->rows[side->next++];
    walk->place = row->place;
    *ret_row = row;
    return OK;
}

bool unmatched_is_cut(const struct unmatched_walk *walk)
{
    return walk->is_cut;
}

struct unmatched_place unmatched_place(const struct unmatched_walk *walk)
{
    return walk->place;
}
