#include "api/doctor/examine.h"

#include <stdlib.h>

#include "api/rest/trace_row.h"
#include "proto/base/check.h"
#include "proto/base/limits.h"
#include "proto/bus/message.h"
#include "proto/otlp/segment.h"
#include "proto/otlp/term.h"
#include "schema/db.h"

#include "proto/base/banned.h"

enum {
    /* One trace's opened part: raw segments, heads of spans, clues. */
    OPENED_BYTES_MAX = 96 << 20,
    /* The first segment is opened even when it is longer than the part. */
    FIRST_RAW_BYTES_MAX = 32 << 20,
    /* Words of the dictionary among which names like a key's are sought. */
    WORDS_MAX = 2000,
    /* Segments that carry one of a batch's values. */
    CARRIERS_MAX = 100,
    DAY_S = 86400,
};

/* A value of which the other side is asked. */
struct asked {
    size_t row;
    size_t of; /* index as in struct doctor_near */
};

struct asking {
    struct db_value *values;
    struct asked *asked;
    size_t count;
    size_t room;
};

static FALLIBLE asking_init(struct asking *asking, struct arena *arena, size_t room)
{
    *asking = (struct asking){.room = room};
    asking->values = arena_zero(arena, room, sizeof *asking->values);
    asking->asked = arena_zero(arena, room, sizeof *asking->asked);
    return asking->values == NULL || asking->asked == NULL ? FAIL(NO_SPACE) : OK;
}

static void ask(struct asking *asking, size_t row, size_t of, struct bytes value)
{
    INVARIANT(asking->count < asking->room);
    asking->values[asking->count] = db_bytes(value);
    asking->asked[asking->count++] = (struct asked){.row = row, .of = of};
}

/* --- names like a key's ------------------------------------------------------------------------------ */

static bool is_common(struct bytes name)
{
    const char *const *common = doctor_common_names();
    for (size_t i = 0; common[i] != NULL; i++) {
        if (bytes_equal_text(name, common[i])) {
            return true;
        }
    }
    return false;
}

/* The attribute names of this project's traces that are, or look like, a key's; read once a walk. */
static FALLIBLE names_load(struct unmatched_walk *walk, struct detail *detail)
{
    struct db_rows *rows = NULL;
    if (walk->has_names) {
        return OK;
    }
    const struct db_value values[] = {db_uuid(&walk->query.project), db_int2(WORD_KIND_ATTRIBUTE),
                                      db_int4(WORDS_MAX)};
    TRY(db_run(walk->db, STMT_DOCTOR_NAMES, values, 3, detail, &rows));
    err_t err = OK;
    while (walk->names_count < UNMATCHED_NAMES && db_next(rows)) {
        struct bytes name = db_get_bytes(rows, 0);
        if (clue_name_is_like_a_key(name, NULL) || is_common(name)) {
            TRY_OUT(arena_copy(&walk->names_arena, name, &walk->names[walk->names_count]));
            walk->names_count++;
        }
    }
    walk->has_names = true;
out:
    db_rows_free(rows);
    return err;
}

static FALLIBLE terms_array(struct arena *arena, const uint64_t *terms, size_t count,
                            struct db_value *ret_array)
{
    struct db_value *cells = arena_zero(arena, count, sizeof *cells);
    if (cells == NULL) {
        return FAIL(NO_SPACE);
    }
    for (size_t i = 0; i < count; i++) {
        cells[i] = db_int8((int64_t)terms[i]);
    }
    return db_array(arena, DB_TYPE_INT8, cells, count, ret_array);
}

/* --- the spans of a trace ------------------------------------------------------------------------------ */

/* The segments worth opening: those with a name like a key's, and the root's. */
static FALLIBLE segments_run(struct unmatched_walk *walk, const uint8_t *id, struct bytes root_name,
                             struct arena *arena, struct detail *detail, struct db_rows **ret_rows)
{
    struct term_space space = term_space_of(walk->query.project);
    uint64_t like[UNMATCHED_NAMES];
    uint64_t root = term_name(space, root_name);
    struct db_value like_terms;
    struct db_value root_terms;
    for (size_t i = 0; i < walk->names_count; i++) {
        like[i] = term_exists(space, walk->names[i]);
    }
    TRY(terms_array(arena, like, walk->names_count, &like_terms));
    TRY(terms_array(arena, &root, 1, &root_terms));
    const struct db_value values[] = {db_uuid(&walk->query.project),
                                      db_bytes(bytes_of(id, 16)),
                                      like_terms,
                                      root_terms,
                                      db_int8(UNMATCHED_TRACE_RAW_BYTES),
                                      db_int8(FIRST_RAW_BYTES_MAX),
                                      db_int4(UNMATCHED_SEGMENTS)};
    return db_run(walk->db, STMT_DOCTOR_SEGMENTS, values, 7, detail, ret_rows);
}

/* Fails only at what is stored or at space: then the trace is judged without its spans. */
static FALLIBLE segments_read(struct unmatched_walk *walk, struct db_rows *rows,
                              struct arena *arena, struct clues *clues)
{
    struct view view;
    struct bytes raws[UNMATCHED_SEGMENTS];
    size_t count = 0;
    while (count < UNMATCHED_SEGMENTS && db_next(rows)) {
        size_t raw_bytes = (size_t)db_get_int(rows, 0);
        walk->raw_bytes_left -= raw_bytes < walk->raw_bytes_left ? raw_bytes : walk->raw_bytes_left;
        TRY(segment_inflate(db_get_bytes(rows, 1), raw_bytes, arena, &raws[count]));
        count++;
    }
    if (count == 0) {
        return OK;
    }
    TRY(view_open(raws, count, arena, &view));
    return clues_find(&view, arena, clues);
}

/* Gives the clues of a trace; they live in `keep`. */
static FALLIBLE trace_clues(struct unmatched_walk *walk, const uint8_t *id, struct bytes root_name,
                            struct arena *keep, struct detail *detail, struct clues *ret_clues)
{
    struct arena opened;
    struct db_rows *rows = NULL;
    err_t err = OK;
    ret_clues->count = 0;
    arena_init(&opened, OPENED_BYTES_MAX);
    TRY_OUT(segments_run(walk, id, root_name, &opened, detail, &rows));
    if (!err_is_ok(segments_read(walk, rows, &opened, ret_clues))) {
        ret_clues->count = 0;
    }
    for (size_t i = 0; i < ret_clues->count; i++) {
        struct clue *clue = &ret_clues->all[i];
        TRY_OUT(arena_copy(keep, clue->attribute, &clue->attribute));
        TRY_OUT(arena_copy(keep, clue->value, &clue->value));
    }
out:
    db_rows_free(rows);
    arena_fini(&opened);
    return err;
}

/* --- traces -------------------------------------------------------------------------------------------- */

static bool clue_is_asked(const struct clue *clue)
{
    switch (clue->what) {
    case CLUE_NAME:
    case CLUE_PLACE:
    case CLUE_ROOM_NAME:
    case CLUE_OTHER:
        return clue->value.len > 0;
    case CLUE_KEY:
    case CLUE_EMPTY:
    case CLUE_LONG:
    case CLUE_TYPE:
        break;
    }
    return false;
}

static FALLIBLE near_calls(struct unmatched_walk *walk, const struct asking *asking,
                           struct arena *arena, struct detail *detail,
                           struct doctor_near **ret_nears, struct asked **ret_asked,
                           size_t *ret_count)
{
    struct db_rows *rows = NULL;
    struct db_value values[2] = {db_uuid(&walk->query.project)};
    *ret_count = 0;
    TRY(db_array(arena, DB_TYPE_BYTEA, asking->values, asking->count, &values[1]));
    TRY(db_run(walk->db, STMT_DOCTOR_NEAR_CALLS, values, 2, detail, &rows));
    err_t err = OK;
    struct doctor_near *nears = arena_zero(arena, db_rows_count(rows), sizeof *nears);
    struct asked *asked = arena_zero(arena, db_rows_count(rows), sizeof *asked);
    if (nears == NULL || asked == NULL) {
        err = FAIL(NO_SPACE);
        goto out;
    }
    for (size_t i = 0; db_next(rows); i++) {
        size_t n = (size_t)db_get_int(rows, 0) - 1;
        INVARIANT(n < asking->count);
        asked[i] = asking->asked[n];
        nears[i] = (struct doctor_near){
            .of = asked[i].of,
            .key = {.kind = (enum match_kind)db_get_int(rows, 1)},
            .call = db_get_uuid(rows, 3),
            .is_chat = db_get_int(rows, 4) == CONVERSATION_KIND_CHAT,
            .is_skipped = db_get_bool(rows, 5),
        };
        TRY_OUT(arena_copy(arena, db_get_bytes(rows, 2), &nears[i].key.value));
        *ret_count = i + 1;
    }
    *ret_nears = nears;
    *ret_asked = asked;
out:
    db_rows_free(rows);
    return err;
}

static void trace_decide(const struct unmatched_walk *walk, struct unmatched *row,
                         const struct clues *clues, const struct doctor_near *nears, size_t count)
{
    bool is_open = (walk->query.now.ns - row->last_seen.ns) / NS_PER_S < TRACE_QUIET_S;
    const struct doctor_trace facts = {
        .is_skipped = row->is_skipped,
        .skips_rooms = row->skips_rooms,
        .has_root = row->has_root,
        .is_open = is_open,
        .has_keys_dropped = row->keys_dropped > 0,
        .is_full = row->keys_total >= LIMIT_KEYS_PER_TRACE,
        .keys = row->keys,
        .keys_count = row->keys_count,
        .clues = clues->all,
        .clues_count = clues->count,
        .nears = nears,
        .nears_count = count,
    };
    doctor_trace(&facts, &row->finding);
}

FALLIBLE examine_traces(struct unmatched_walk *walk, struct unmatched_side *side,
                        struct detail *detail)
{
    struct arena *arena = &side->arena;
    struct asking asking;
    struct doctor_near *nears = NULL;
    struct asked *asked = NULL;
    size_t nears_count = 0;
    struct clues *clues = arena_zero(arena, side->count, sizeof *clues);
    if (side->count == 0) {
        return OK;
    }
    if (clues == NULL) {
        return FAIL(NO_SPACE);
    }
    TRY(names_load(walk, detail));
    TRY(asking_init(&asking, arena, side->count * (UNMATCHED_KEYS + CLUES_MAX)));
    for (size_t i = 0; i < side->count; i++) {
        const struct unmatched *row = &side->rows[i];
        if (!row->is_skipped) {
            TRY(trace_clues(walk, row->place.id, row->root_name, arena, detail, &clues[i]));
        }
        for (size_t k = 0; k < row->keys_count; k++) {
            ask(&asking, i, k, row->keys[k].value);
        }
        for (size_t c = 0; c < clues[i].count; c++) {
            if (clue_is_asked(&clues[i].all[c])) {
                ask(&asking, i, row->keys_count + c, clues[i].all[c].value);
            }
        }
    }
    TRY(near_calls(walk, &asking, arena, detail, &nears, &asked, &nears_count));
    size_t at = 0;
    for (size_t i = 0; i < side->count; i++) {
        size_t first = at;
        while (at < nears_count && asked[at].row == i) {
            at++;
        }
        trace_decide(walk, &side->rows[i], &clues[i], nears + first, at - first);
    }
    return OK;
}

/* --- calls ---------------------------------------------------------------------------------------------- */

/* What is known of a batch of calls. */
struct calls_work {
    struct unmatched_walk *walk;
    struct unmatched_side *side;
    struct arena *arena;
    struct doctor_near *nears;
    struct asked *asked;
    size_t nears_count;
    struct doctor_carrier carriers[UNMATCHED_BATCH];
    bool has_carrier[UNMATCHED_BATCH];
};

static FALLIBLE nears_take(struct calls_work *work, const struct asking *asking,
                           struct db_rows *rows)
{
    size_t count = db_rows_count(rows);
    work->nears = arena_zero(work->arena, count, sizeof *work->nears);
    work->asked = arena_zero(work->arena, count, sizeof *work->asked);
    if (work->nears == NULL || work->asked == NULL) {
        return FAIL(NO_SPACE);
    }
    for (size_t i = 0; db_next(rows); i++) {
        size_t n = (size_t)db_get_int(rows, 0) - 1;
        INVARIANT(n < asking->count);
        struct doctor_near *near = &work->nears[i];
        work->asked[i] = asking->asked[n];
        *near = (struct doctor_near){
            .of = work->asked[i].of,
            .key = {.kind = (enum match_kind)db_get_int(rows, 1)},
            .is_skipped = db_get_bool(rows, 4),
        };
        struct bytes trace = db_get_bytes(rows, 3);
        memcpy(near->trace.b, trace.ptr, sizeof near->trace.b);
        TRY(arena_copy(work->arena, db_get_bytes(rows, 2), &near->key.value));
        work->nears_count = i + 1;
    }
    return OK;
}

/* Traces whose keys, or whose own id, are what the calls hold. */
static FALLIBLE near_traces(struct calls_work *work, struct detail *detail)
{
    const struct unmatched_side *side = work->side;
    struct asking asking;
    struct db_rows *rows = NULL;
    struct db_value values[4] = {db_uuid(&work->walk->query.project)};
    size_t room = side->count * UNMATCHED_KEYS;
    size_t ids = 0;
    TRY(asking_init(&asking, work->arena, room));
    struct db_value *numbers = arena_zero(work->arena, room, sizeof *numbers);
    struct db_value *traces = arena_zero(work->arena, room, sizeof *traces);
    struct trace_id *decoded = arena_zero(work->arena, room, sizeof *decoded);
    if (numbers == NULL || traces == NULL || decoded == NULL) {
        return FAIL(NO_SPACE);
    }
    for (size_t i = 0; i < side->count; i++) {
        for (size_t k = 0; k < side->rows[i].keys_count; k++) {
            struct bytes value = side->rows[i].keys[k].value;
            ask(&asking, i, k, value);
            if (value.len == TRACE_ID_HEX &&
                bytes_from_hex(value, decoded[ids].b, sizeof decoded[ids].b)) {
                numbers[ids] = db_int4((int32_t)asking.count);
                traces[ids] = db_bytes(bytes_of(decoded[ids].b, sizeof decoded[ids].b));
                ids++;
            }
        }
    }
    TRY(db_array(work->arena, DB_TYPE_BYTEA, asking.values, asking.count, &values[1]));
    TRY(db_array(work->arena, DB_TYPE_INT4, numbers, ids, &values[2]));
    TRY(db_array(work->arena, DB_TYPE_BYTEA, traces, ids, &values[3]));
    TRY(db_run(work->walk->db, STMT_DOCTOR_NEAR_TRACES, values, 4, detail, &rows));
    err_t err = nears_take(work, &asking, rows);
    db_rows_free(rows);
    return err;
}

/* A search term, and whose value it stands for. */
struct sought {
    uint64_t term;
    struct asked asked;
};

static int sought_compare(const void *a, const void *b)
{
    const struct sought *x = a;
    const struct sought *y = b;
    return (x->term > y->term) - (x->term < y->term);
}

static FALLIBLE sought_make(const struct calls_work *work, struct sought **ret_sought,
                            size_t *ret_count)
{
    const struct unmatched_walk *walk = work->walk;
    const struct unmatched_side *side = work->side;
    struct term_space space = term_space_of(walk->query.project);
    size_t count = 0;
    struct sought *sought =
        arena_zero(work->arena, side->count * UNMATCHED_KEYS * UNMATCHED_NAMES, sizeof *sought);
    if (sought == NULL) {
        return FAIL(NO_SPACE);
    }
    for (size_t i = 0; i < side->count; i++) {
        for (size_t k = 0; k < side->rows[i].keys_count; k++) {
            struct bytes value = side->rows[i].keys[k].value;
            for (size_t n = 0; n < walk->names_count && value.len <= LIMIT_TERM_BYTES; n++) {
                sought[count++] = (struct sought){.term = term_value(space, walk->names[n], value),
                                                  .asked = {.row = i, .of = k}};
            }
        }
    }
    if (count > 0) {
        qsort(sought, count, sizeof *sought, sought_compare);
    }
    *ret_sought = sought;
    *ret_count = count;
    return OK;
}

/* The days around the creation of each call: its traces were first stored then. */
static FALLIBLE days_make(const struct calls_work *work, struct db_value *ret_days)
{
    const struct unmatched_side *side = work->side;
    enum { AROUND = 3 };
    struct db_value *days = arena_zero(work->arena, side->count * AROUND, sizeof *days);
    if (days == NULL) {
        return FAIL(NO_SPACE);
    }
    for (size_t i = 0; i < side->count * AROUND; i++) {
        int64_t offset = ((int64_t)(i % AROUND) - 1) * DAY_S * NS_PER_S;
        days[i] = db_time((struct unix_ns){side->rows[i / AROUND].place.at.ns + offset});
    }
    return db_array(work->arena, DB_TYPE_TIME, days, side->count * AROUND, ret_days);
}

/* A term may collide: only what the decoded spans say counts. */
static FALLIBLE carrier_verify(struct calls_work *work, struct asked asked, const uint8_t *trace,
                               struct clues *clues, struct detail *detail)
{
    const struct match_key *key = &work->side->rows[asked.row].keys[asked.of];
    if (work->has_carrier[asked.row] || work->walk->raw_bytes_left == 0) {
        return OK;
    }
    TRY(trace_clues(work->walk, trace, bytes_of(NULL, 0), work->arena, detail, clues));
    for (size_t i = 0; i < clues->count && !work->has_carrier[asked.row]; i++) {
        if (clue_is_asked(&clues->all[i]) && bytes_equal(clues->all[i].value, key->value)) {
            struct doctor_carrier *carrier = &work->carriers[asked.row];
            *carrier = (struct doctor_carrier){.of = asked.of, .clue = clues->all[i]};
            memcpy(carrier->trace.b, trace, sizeof carrier->trace.b);
            work->has_carrier[asked.row] = true;
        }
    }
    return OK;
}

static FALLIBLE carriers_take(struct calls_work *work, struct db_rows *rows,
                              const struct sought *sought, size_t count, struct detail *detail)
{
    struct clues *clues = arena_zero(work->arena, 1, sizeof *clues);
    if (clues == NULL) {
        return FAIL(NO_SPACE);
    }
    while (db_next(rows)) {
        struct bytes id = db_get_bytes(rows, 0);
        const struct sought wanted = {.term = (uint64_t)db_get_int(rows, 1)};
        const struct sought *found =
            bsearch(&wanted, sought, count, sizeof *sought, sought_compare);
        if (found != NULL) {
            TRY(carrier_verify(work, found->asked, id.ptr, clues, detail));
        }
    }
    return OK;
}

/* Traces that carry what a call holds in an attribute that is no key, found by their search terms. */
static FALLIBLE carriers_find(struct calls_work *work, struct detail *detail)
{
    struct sought *sought = NULL;
    struct db_rows *rows = NULL;
    size_t count = 0;
    TRY(names_load(work->walk, detail));
    TRY(sought_make(work, &sought, &count));
    if (count == 0) {
        return OK;
    }
    uint64_t *terms = arena_zero(work->arena, count, sizeof *terms);
    struct db_value values[4] = {db_uuid(&work->walk->query.project)};
    if (terms == NULL) {
        return FAIL(NO_SPACE);
    }
    for (size_t i = 0; i < count; i++) {
        terms[i] = sought[i].term;
    }
    TRY(days_make(work, &values[1]));
    TRY(terms_array(work->arena, terms, count, &values[2]));
    values[3] = db_int4(CARRIERS_MAX);
    TRY(db_run(work->walk->db, STMT_DOCTOR_CARRIERS, values, 4, detail, &rows));
    err_t err = carriers_take(work, rows, sought, count, detail);
    db_rows_free(rows);
    return err;
}

FALLIBLE examine_calls(struct unmatched_walk *walk, struct unmatched_side *side,
                       struct detail *detail)
{
    struct calls_work work = {.walk = walk, .side = side, .arena = &side->arena};
    size_t at = 0;
    if (side->count == 0) {
        return OK;
    }
    TRY(near_traces(&work, detail));
    TRY(carriers_find(&work, detail));
    for (size_t i = 0; i < side->count; i++) {
        struct unmatched *row = &side->rows[i];
        size_t first = at;
        while (at < work.nears_count && work.asked[at].row == i) {
            at++;
        }
        const struct doctor_call facts = {
            .is_chat = row->kind == CONVERSATION_KIND_CHAT,
            .keys = row->keys,
            .keys_count = row->keys_count,
            .nears = work.nears + first,
            .nears_count = at - first,
            .carriers = &work.carriers[i],
            .carriers_count = work.has_carrier[i],
        };
        doctor_call(&facts, &row->finding);
    }
    return OK;
}
