#include "api/rest/page.h"

#include "api/http/exchange.h"

#include "proto/base/banned.h"

bool page_run(struct exchange *exchange, enum stmt stmt, const struct db_value *values,
              size_t count, struct db_rows **ret_rows)
{
    struct detail detail = {0};
    struct db *db = NULL;
    err_t err = exchange_db(exchange, &db);
    if (err_is_ok(err)) {
        err = db_run(db, stmt, values, count, &detail, ret_rows);
    }
    if (!err_is_ok(err)) {
        exchange_fail(exchange, err, &detail);
        return false;
    }
    return true;
}

bool page_count(struct exchange *exchange, enum stmt stmt, const struct db_value *values,
                size_t count, int64_t *ret_count)
{
    struct db_rows *rows = NULL;
    if (!page_run(exchange, stmt, values, count, &rows)) {
        return false;
    }
    *ret_count = db_next(rows) ? db_get_int(rows, 0) : 0;
    db_rows_free(rows);
    return true;
}

void page_begin(struct out *out)
{
    out_init(out);
    out_object(out, NULL);
    out_array(out, "data");
}

static void foot_begin(struct out *out, int64_t total, bool is_exact, const char *next)
{
    out_end_array(out);
    out_object(out, "pagination");
    if (is_exact) {
        out_int(out, "total", total);
    } else {
        out_null(out, "total");
        out_int(out, "atLeast", total);
    }
    out_bool(out, "hasMore", next != NULL);
    if (next == NULL) {
        out_null(out, "nextCursor");
    } else {
        out_word(out, "nextCursor", next);
    }
}

void page_end(struct out *out, int64_t total, int64_t total_max, const char *next)
{
    bool is_more = total_max > 0 && total > total_max;
    foot_begin(out, is_more ? total_max : total, !is_more, next);
    out_end_object(out);
    out_end_object(out);
}

void page_end_bounded(struct out *out, const struct page_foot *foot)
{
    foot_begin(out, foot->total, foot->is_exact, foot->next);
    out_bool(out, "isPartial", foot->is_partial);
    if (foot->is_partial) {
        out_time(out, "searchedTo", foot->to, 9);
    }
    if (foot->too_large > 0) {
        out_int(out, "tooLarge", (int64_t)foot->too_large);
    }
    out_end_object(out);
    out_end_object(out);
}
