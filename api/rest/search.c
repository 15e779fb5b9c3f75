#include "api/rest/search.h"

#include <stdlib.h>

#include "api/rest/fold.h"
#include "api/rest/search_parts.h"
#include "proto/bus/message.h"

#include "proto/base/banned.h"

enum {
    /* The first step of the walk tells how selective the filter is; later ones grow. */
    CHUNK_FIRST = 250,
    CHUNK_GROWTH = 4,
    CHUNK_MAX = 4000,
    /* Where no segments are looked at: Postgres hashes what it asks of so many rows. */
    CHUNK_ROWS_MAX = 64000,
    /* The indexes are asked when fewer than one in so many traces fits. */
    RARE_ONE_IN = 20,
    /* Names of a filter that become terms: comparing a segment's terms with more costs more than decoding it. */
    NAMES_MAX = 100,
    /* Names of a project that are looked through. */
    NAMES_LOOKED_MAX = 100000,
    /* Candidates and what hits show of their spans. */
    KEPT_BYTES_MAX = 64 << 20,
    /* One decoded trace with its spans' heads. */
    OPENED_BYTES_MAX = 384 << 20,
    SEARCH_VALUES = 18,
    /* Of TRACE_FILTERS, behind them: start and id of a place, how many, groups of terms. */
    AT_PLACE = EXPLORE_VALUES,
    AT_COUNT = AT_PLACE + 2,
    AT_GROUPS = AT_COUNT + 1,
};

_Static_assert(AT_GROUPS + SEARCH_GROUPS_MAX == SEARCH_VALUES, "as in schema/stmt.def");

const struct search_place search_beginning = {.start = INT64_MAX};

/* --- terms ----------------------------------------------------------------------------------------- */

struct groups {
    struct db_value list[SEARCH_GROUPS_MAX];
    size_t count;
};

static FALLIBLE group_add(struct search *search, struct groups *groups, const uint64_t *terms,
                          size_t count)
{
    struct db_value *values = arena_zero(&search->kept, count, sizeof *values);
    if (values == NULL) {
        return FAIL(NO_SPACE);
    }
    for (size_t i = 0; i < count; i++) {
        values[i] = db_int8((int64_t)terms[i]);
    }
    return db_array(&search->kept, DB_TYPE_INT8, values, count, &groups->list[groups->count++]);
}

/* The terms of the project's span names that contain the text. None when there are too many of them: then the
 * decoded spans decide alone. */
static FALLIBLE names_add(struct search *search, struct groups *groups, struct bytes text,
                          struct detail *detail)
{
    struct term_space space = term_space_of(search->explore->project);
    uint64_t terms[NAMES_MAX + 1] = {term_partial(space)};
    size_t count = 1;
    bool is_whole = false;
    const struct db_value values[] = {db_uuid(&search->explore->project),
                                      db_int2(WORD_KIND_SPAN_NAME), db_bytes(text),
                                      db_int4(NAMES_LOOKED_MAX), db_int4(NAMES_MAX)};
    struct db_rows *rows = NULL;
    TRY(db_run(search->db, STMT_SEARCH_NAMES, values, 5, detail, &rows));
    while (db_next(rows)) {
        size_t at = 0;
        if (db_is_null(rows, 0)) {
            is_whole = db_get_int(rows, 1) < NAMES_LOOKED_MAX;
        } else if (count <= NAMES_MAX && fold_find(db_get_bytes(rows, 0), text, &at)) {
            terms[count++] = term_name(space, db_get_bytes(rows, 0));
        }
    }
    is_whole = is_whole && db_rows_count(rows) <= NAMES_MAX;
    db_rows_free(rows);
    return is_whole ? group_add(search, groups, terms, count) : OK;
}

/* The filters whose terms choose best come first: exact values, names, then mere keys. */
static FALLIBLE groups_make(struct search *search, struct detail *detail)
{
    static const enum filter_kind order[] = {FILTER_KIND_EQUAL, FILTER_KIND_NAME_IS,
                                             FILTER_KIND_NAME,  FILTER_KIND_EXISTS,
                                             FILTER_KIND_LESS,  FILTER_KIND_GREATER};
    const struct filters *filters = &search->explore->filters;
    struct term_space space = term_space_of(search->explore->project);
    struct groups groups = {.count = 0};
    for (size_t n = 0; n < sizeof order / sizeof order[0]; n++) {
        for (size_t i = 0; i < filters->count && groups.count < SEARCH_GROUPS_MAX; i++) {
            uint64_t terms[FILTER_TERMS_MAX];
            const struct filter *filter = &filters->list[i];
            if (filter->kind != order[n]) {
                continue;
            }
            if (filter->kind == FILTER_KIND_NAME) {
                TRY(names_add(search, &groups, filter->text, detail));
            } else {
                TRY(group_add(search, &groups, terms, filter_terms(filter, space, terms)));
            }
        }
    }
    search->has_groups = groups.count > 0;
    for (size_t i = 0; i < SEARCH_GROUPS_MAX; i++) {
        search->groups[i] = groups.count == 0 ? db_null() : groups.list[i < groups.count ? i : 0];
    }
    return OK;
}

/* --- candidates ------------------------------------------------------------------------------------ */

/* $1 to $18 but for the count. The place must live as long as values. */
static void values_fill(const struct search *search, struct db_value *values)
{
    memcpy(values, search->explore->rows, sizeof search->explore->rows);
    values[AT_PLACE] = db_int8(search->walked.start);
    values[AT_PLACE + 1] = db_bytes(bytes_of(search->walked.id.b, sizeof search->walked.id.b));
    memcpy(values + AT_GROUPS, search->groups, sizeof search->groups);
}

static struct search_candidate candidate_of(const struct db_rows *rows)
{
    struct search_candidate candidate = {.place.start = db_get_int(rows, 1),
                                         .has_error = db_get_bool(rows, 2)};
    struct bytes id = db_get_bytes(rows, 0);
    memcpy(candidate.place.id.b, id.ptr, sizeof candidate.place.id.b);
    return candidate;
}

static FALLIBLE candidates_room(struct search *search, size_t count)
{
    search->candidates = arena_zero(&search->kept, count + 1, sizeof *search->candidates);
    search->candidates_count = 0;
    search->candidates_next = 0;
    return search->candidates == NULL ? FAIL(NO_SPACE) : OK;
}

static int candidate_compare(const void *a, const void *b)
{
    const struct search_candidate *x = a;
    const struct search_candidate *y = b;
    if (x->place.start != y->place.start) {
        return x->place.start > y->place.start ? -1 : 1;
    }
    return memcmp(x->place.id.b, y->place.id.b, sizeof x->place.id.b);
}

static void candidates_sort(struct search *search)
{
    qsort(search->candidates, search->candidates_count, sizeof *search->candidates,
          candidate_compare);
}

static FALLIBLE walk(struct search *search, struct detail *detail)
{
    struct db_value values[SEARCH_VALUES];
    struct db_rows *rows = NULL;
    size_t next = search->chunk * CHUNK_GROWTH;
    next = next == 0 ? CHUNK_FIRST : next;
    size_t most = search->has_groups ? CHUNK_MAX : CHUNK_ROWS_MAX;
    search->chunk = next < most ? next : most;
    values_fill(search, values);
    values[AT_COUNT] = db_int4((int32_t)search->chunk);
    TRY(db_run(search->db, STMT_SEARCH_WALK, values, SEARCH_VALUES, detail, &rows));
    size_t walked = 0;
    err_t err = candidates_room(search, db_rows_count(rows));
    while (err_is_ok(err) && db_next(rows)) {
        struct search_candidate candidate = candidate_of(rows);
        if (db_is_null(rows, 3)) {
            search->candidates[search->candidates_count++] = candidate;
        } else {
            walked = (size_t)db_get_int(rows, 3);
            search->walked = candidate.place;
        }
    }
    db_rows_free(rows);
    TRY(err);
    candidates_sort(search);
    search->traces_walked += walked;
    search->is_walked_out = walked < search->chunk;
    return OK;
}

/* All candidates behind the walk from an index; `*ret_is_whole` is false when it gives too many of them. */
static FALLIBLE drive(struct search *search, enum stmt stmt, struct detail *detail,
                      bool *ret_is_whole)
{
    struct db_value values[SEARCH_VALUES];
    struct db_rows *rows = NULL;
    bool is_whole = false;
    values_fill(search, values);
    values[AT_COUNT] = db_int4(SEARCH_DRIVEN_MAX);
    TRY(db_run(search->db, stmt, values, SEARCH_VALUES, detail, &rows));
    err_t err = candidates_room(search, db_rows_count(rows));
    while (err_is_ok(err) && db_next(rows)) {
        if (db_is_null(rows, 0)) {
            is_whole = db_get_int(rows, 1) < SEARCH_DRIVEN_MAX;
        } else {
            search->candidates[search->candidates_count++] = candidate_of(rows);
        }
    }
    db_rows_free(rows);
    TRY(err);
    candidates_sort(search);
    search->is_walked_out = is_whole;
    *ret_is_whole = is_whole;
    return OK;
}

err_t search_by_tag(struct search *search, struct detail *detail, bool *ret_is_whole)
{
    search->has_tried_indexes = true;
    return drive(search, STMT_SEARCH_BY_TAG, detail, ret_is_whole);
}

/* Is what the walk has met so far so seldom that an index is worth asking? */
static bool is_rare(const struct search *search)
{
    return !search->has_tried_indexes && search->candidates_count * RARE_ONE_IN < search->chunk;
}

static FALLIBLE candidates_more(struct search *search, struct detail *detail)
{
    const struct explore *explore = search->explore;
    const struct {
        bool leads;
        enum stmt stmt;
    } indexes[] = {{search->has_groups, STMT_SEARCH_BY_TERMS},
                   {explore->tags_count > 0, STMT_SEARCH_BY_TAG},
                   {explore->is_linked, STMT_SEARCH_BY_LINK},
                   {explore->has_duration, STMT_SEARCH_BY_DURATION},
                   {explore->has_root, STMT_SEARCH_BY_ROOT}};
    bool is_whole = false;
    if (search->chunk > 0 && is_rare(search)) {
        search->has_tried_indexes = true;
        for (size_t i = 0; i < sizeof indexes / sizeof indexes[0] && !is_whole; i++) {
            if (indexes[i].leads) {
                TRY(drive(search, indexes[i].stmt, detail, &is_whole));
            }
        }
    }
    return is_whole ? OK : walk(search, detail);
}

/* --- one by one ------------------------------------------------------------------------------------ */

err_t search_open(struct search *search, struct db *db, const struct explore *explore,
                  struct search_place after, const struct search_bounds *bounds,
                  struct detail *detail)
{
    *search = (struct search){.db = db,
                              .explore = explore,
                              .bounds = *bounds,
                              .began = clock_mono(),
                              .reached = after,
                              .walked = after};
    arena_init(&search->kept, KEPT_BYTES_MAX);
    arena_init(&search->opened, OPENED_BYTES_MAX);
    err_t err = groups_make(search, detail);
    if (!err_is_ok(err)) {
        search_fini(search);
    }
    return err;
}

void search_fini(struct search *search)
{
    arena_fini(&search->kept);
    arena_fini(&search->opened);
}

void search_hurry(struct search *search, int64_t ms)
{
    int64_t left = mono_ms_between(search->began, clock_mono()) + ms;
    search->bounds.ms_max = left < search->bounds.ms_max ? left : search->bounds.ms_max;
}

static bool is_at_bound(const struct search *search, bool is_walk)
{
    return (is_walk && search->traces_walked >= search->bounds.traces_max) ||
           search->bytes_decoded >= search->bounds.bytes_max ||
           mono_ms_between(search->began, clock_mono()) >= search->bounds.ms_max;
}

/* The next hits, or candidates; false: nothing is left. */
static FALLIBLE advance(struct search *search, bool wants_spans, struct detail *detail,
                        bool *ret_goes_on)
{
    bool has_candidates = search->candidates_next < search->candidates_count;
    *ret_goes_on = false;
    if (!has_candidates) {
        search->reached =
            search->chunk > 0 && !search->is_walked_out ? search->walked : search->reached;
        if (search->is_walked_out) {
            return OK;
        }
    }
    if (is_at_bound(search, !has_candidates)) {
        search->is_partial = true;
        return OK;
    }
    *ret_goes_on = true;
    return has_candidates ? search_decode(search, wants_spans, detail)
                          : candidates_more(search, detail);
}

err_t search_next(struct search *search, bool wants_spans, struct detail *detail, bool *ret_has,
                  struct search_hit *ret_hit)
{
    bool goes_on = true;
    while (search->hits_next == search->hits_count && goes_on) {
        TRY(advance(search, wants_spans, detail, &goes_on));
    }
    *ret_has = search->hits_next < search->hits_count;
    if (*ret_has) {
        *ret_hit = search->hits[search->hits_next++];
    }
    return OK;
}
