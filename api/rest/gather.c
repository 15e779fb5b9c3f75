#include "api/rest/gather.h"

#include "api/http/exchange.h"
#include "api/rest/out.h"

#include "proto/base/banned.h"

enum {
    GATHER_TRACES_MAX = 200000,
    GATHER_BYTES_MAX = 256 << 20,
    GATHER_MS_MAX = 2000,
    GATHER_ARENA_MAX = 64 << 20,
};

static FALLIBLE all_find(struct search *search, struct gather *gather, struct detail *detail)
{
    bool has = true;
    gather->hits = arena_zero(&gather->arena, GATHER_FOUND_MAX, sizeof *gather->hits);
    if (gather->hits == NULL) {
        return FAIL(NO_SPACE);
    }
    while (gather->count < GATHER_FOUND_MAX) {
        struct search_hit hit;
        TRY(search_next(search, false, detail, &has, &hit));
        if (!has) {
            break;
        }
        gather->hits[gather->count++] =
            (struct search_candidate){.place = hit.place, .has_error = hit.has_error};
    }
    gather->is_found = true;
    gather->foot.is_partial = search->is_partial || has;
    gather->foot.to.ns = has ? gather->hits[gather->count - 1].place.start : search->reached.start;
    gather->foot.too_large = search->too_large;
    return OK;
}

static FALLIBLE gather_find(struct db *db, const struct explore *explore, struct gather *gather,
                            struct detail *detail)
{
    const struct search_bounds bounds = {
        .traces_max = GATHER_TRACES_MAX, .bytes_max = GATHER_BYTES_MAX, .ms_max = GATHER_MS_MAX};
    struct search search;
    bool is_whole = true;
    TRY(search_open(&search, db, explore, search_beginning, &bounds, detail));
    err_t err = OK;
    if (explore->filters.count == 0) {
        err = search_by_tag(&search, detail, &is_whole);
    }
    if (err_is_ok(err) && is_whole) {
        err = all_find(&search, gather, detail);
    }
    search_fini(&search);
    return err;
}

/* Postgres may count what starts behind the rows_max-th newest trace. */
static FALLIBLE rows_bound(struct db *db, const struct explore *explore, int32_t rows_max,
                           struct gather *gather, struct detail *detail)
{
    struct db_rows *rows = NULL;
    const struct db_value values[] = {explore->rows[0], explore->rows[1], explore->rows[2],
                                      db_int4(rows_max), explore->rows[4]};
    memcpy(gather->rows, explore->rows, sizeof gather->rows);
    TRY(db_run(db, STMT_GATHER_CUT, values, 5, detail, &rows));
    if (db_next(rows)) {
        gather->foot.is_partial = true;
        gather->foot.to.ns = db_get_int(rows, 0) + 1;
        gather->rows[1] = db_int8(gather->foot.to.ns);
    }
    db_rows_free(rows);
    return OK;
}

bool gather_init(struct exchange *exchange, const struct explore *explore, int32_t rows_max,
                 struct gather *gather)
{
    struct detail detail = {0};
    struct db *db = NULL;
    *gather = (struct gather){.is_found = false};
    arena_init(&gather->arena, GATHER_ARENA_MAX);
    err_t err = exchange_db(exchange, &db);
    if (err_is_ok(err) && !explore_is_of_rows(explore)) {
        err = gather_find(db, explore, gather, &detail);
    }
    if (err_is_ok(err) && !gather->is_found) {
        err = rows_bound(db, explore, rows_max, gather, &detail);
    }
    if (!err_is_ok(err)) {
        gather_fini(gather);
        exchange_fail(exchange, err, &detail);
        return false;
    }
    return true;
}

void gather_fini(struct gather *gather)
{
    arena_fini(&gather->arena);
}

err_t gather_ids(struct gather *gather, struct db_value *ret_ids)
{
    struct db_value *ids = arena_zero(&gather->arena, gather->count + 1, sizeof *ids);
    if (ids == NULL) {
        return FAIL(NO_SPACE);
    }
    for (size_t i = 0; i < gather->count; i++) {
        const struct trace_id *id = &gather->hits[i].place.id;
        ids[i] = db_bytes(bytes_of(id->b, sizeof id->b));
    }
    return db_array(&gather->arena, DB_TYPE_BYTEA, ids, gather->count, ret_ids);
}

void gather_foot_write(struct out *out, const struct gather_foot *foot)
{
    out_bool(out, "isPartial", foot->is_partial);
    if (foot->is_partial) {
        out_time(out, "searchedTo", foot->to, 9);
    }
    if (foot->too_large > 0) {
        out_int(out, "tooLarge", (int64_t)foot->too_large);
    }
}
