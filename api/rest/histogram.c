/* GET /v1/traces/histogram: how many traces, with and without errors, over time. */
#include "api/rest/buckets.h"
#include "api/rest/gather.h"
#include "api/rest/page.h"
#include "api/rest/rest.h"

#include "proto/base/banned.h"

struct bucket {
    int64_t ok;
    int64_t error;
};

struct histogram {
    bool has_range;
    int64_t from;
    int64_t to; /* exclusive */
    struct buckets cut;
    struct bucket list[BUCKETS_MAX + 2];
    struct bucket all;
};

/* From and to where they were given, else from the first to the last trace. False: answered. */
static bool range_find(struct exchange *exchange, const struct explore *explore,
                       struct histogram *histogram)
{
    struct db_rows *rows = NULL;
    int64_t from = explore->from.ns;
    int64_t to = explore->to.ns;
    if (from == INT64_MIN || to == INT64_MAX) {
        if (!page_run(exchange, STMT_HISTOGRAM_RANGE, explore->rows, 3, &rows)) {
            return false;
        }
        bool has = db_next(rows) && !db_is_null(rows, 0);
        if (has && from == INT64_MIN) {
            from = db_get_int(rows, 0);
        }
        if (has && to == INT64_MAX) {
            to = db_get_int(rows, 1) + 1;
        }
        db_rows_free(rows);
        if (!has) {
            return true;
        }
    }
    histogram->has_range = from < to;
    histogram->from = from;
    histogram->to = to;
    if (histogram->has_range) {
        histogram->cut = buckets_cut(from, to);
    }
    return true;
}

static void count(struct histogram *histogram, int64_t number, int64_t ok, int64_t error)
{
    int64_t n = number - histogram->cut.first;
    if (n >= 0 && n < (int64_t)histogram->cut.count) {
        histogram->list[n].ok += ok;
        histogram->list[n].error += error;
        histogram->all.ok += ok;
        histogram->all.error += error;
    }
}

static void found_count(const struct gather *gather, struct histogram *histogram)
{
    for (size_t i = 0; i < gather->count; i++) {
        const struct search_candidate *hit = &gather->hits[i];
        count(histogram, buckets_number(histogram->cut.length, hit->place.start), !hit->has_error,
              hit->has_error);
    }
}

/* False: answered. */
static bool rows_count(struct exchange *exchange, const struct gather *gather,
                       struct histogram *histogram)
{
    struct db_value values[EXPLORE_VALUES + 1];
    struct db_rows *rows = NULL;
    memcpy(values, gather->rows, sizeof gather->rows);
    values[EXPLORE_VALUES] = db_int8(histogram->cut.length);
    if (!page_run(exchange, STMT_HISTOGRAM, values, EXPLORE_VALUES + 1, &rows)) {
        return false;
    }
    while (db_next(rows)) {
        count(histogram, db_get_int(rows, 0), db_get_int(rows, 1), db_get_int(rows, 2));
    }
    db_rows_free(rows);
    return true;
}

static void bucket_write(struct out *out, const char *key, const struct bucket *bucket)
{
    out_object(out, key);
    out_int(out, "ok", bucket->ok);
    out_int(out, "error", bucket->error);
    out_end_object(out);
}

static void histogram_answer(struct exchange *exchange, const struct histogram *histogram,
                             const struct gather_foot *foot)
{
    struct out out;
    out_init(&out);
    out_object(&out, NULL);
    out_object(&out, "data");
    if (histogram->has_range) {
        out_time(&out, "from", (struct unix_ns){histogram->from}, 9);
        out_time(&out, "to", (struct unix_ns){histogram->to}, 9);
    } else {
        out_null(&out, "from");
        out_null(&out, "to");
    }
    out_int(&out, "bucketMs", histogram->cut.length / NS_PER_MS);
    out_array(&out, "buckets");
    for (size_t i = 0; i < histogram->cut.count; i++) {
        out_object(&out, NULL);
        out_time(&out, "start", (struct unix_ns){buckets_start(&histogram->cut, i)}, 3);
        out_int(&out, "ok", histogram->list[i].ok);
        out_int(&out, "error", histogram->list[i].error);
        out_end_object(&out);
    }
    out_end_array(&out);
    bucket_write(&out, "total", &histogram->all);
    gather_foot_write(&out, foot);
    out_end_object(&out);
    out_end_object(&out);
    out_answer(&out, exchange);
}

void rest_traces_histogram(struct exchange *exchange)
{
    struct explore explore;
    struct histogram histogram = {.has_range = false};
    struct gather gather;
    if (!explore_read(exchange, &explore) || !range_find(exchange, &explore, &histogram)) {
        return;
    }
    if (!histogram.has_range) {
        histogram_answer(exchange, &histogram, &(struct gather_foot){.is_partial = false});
        return;
    }
    if (!gather_init(exchange, &explore, GATHER_ROWS_MAX, &gather)) {
        return;
    }
    bool is_counted = true;
    if (gather.is_found) {
        found_count(&gather, &histogram);
    } else {
        is_counted = rows_count(exchange, &gather, &histogram);
    }
    if (is_counted) {
        histogram_answer(exchange, &histogram, &gather.foot);
    }
    gather_fini(&gather);
}
