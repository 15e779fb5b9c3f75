#include "correlator/store.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "correlator/metrics.h"
#include "correlator/params.h"
#include "proto/base/fault.h"
#include "proto/base/log.h"

#include "proto/base/banned.h"

enum { STATEMENT_TIMEOUT_MS = 5000, IDLE_IN_TRANSACTION_MS = 2000, CONNECT_TIMEOUT_S = 2 };

err_t store_init(struct store *store, const struct store_options *options)
{
    *store = (struct store){.look = options->look};
    arena_init(&store->work, STORE_ARENA_BYTES);
    struct db_options db_options = {
        .conninfo = options->conninfo,
        .application_name = "calltrace-correlator",
        .statement_timeout_ms = STATEMENT_TIMEOUT_MS,
        .idle_in_transaction_ms = IDLE_IN_TRANSACTION_MS,
        .connect_timeout_s = CONNECT_TIMEOUT_S,
    };
    TRY(db_new(&db_options, &store->db));
    TRY(rendezvous_new(&options->redis, &store->redis));
    TRY(memo_init(&store->looked, STORE_LOOKED));
    return memo_init(&store->words, STORE_WORDS);
}

void store_fini(struct store *store)
{
    db_free(store->db);
    store->db = NULL;
    rendezvous_free(store->redis);
    store->redis = NULL;
    memo_fini(&store->looked);
    memo_fini(&store->words);
    arena_fini(&store->work);
}

err_t store_begin(struct store *store, struct detail *detail)
{
    if (store->looks == NULL) {
        arena_reset(&store->work);
    }
    store->news = (struct news){.count = 0};
    bool is_new = false;
    TRY(db_ready(store->db, detail, &is_new));
    if (!is_new) {
        return OK;
    }
    /* What was seen on another connection may have been another server's past. */
    memo_clear(&store->looked);
    memo_clear(&store->words);
    err_t err = db_do(store->db, STMT_WRITER_SESSION, NULL, 0, detail, NULL);
    if (!err_is_ok(err)) {
        db_close(store->db);
    }
    return err;
}

bool store_meet(struct store *store, struct meet *meets, size_t count)
{
    static struct log_limit limit;
    struct detail detail = {.text = ""};
    if (count == 0) {
        return true;
    }
    struct mono_ns began = clock_mono();
    err_t err = rendezvous_turn(store->redis, meets, count, &store->work, &detail);
    metric_seconds(METRIC_REDIS_SECONDS, clock_mono().ns - began.ns);
    bool is_news = atomic_exchange(&store->has_redis, err_is_ok(err)) || !store->has_met;
    store->has_met = true;
    if (err_is_ok(err)) {
        return true;
    }
    metric_add(METRIC_REDIS_AWAY, 1);
    uint64_t left_out = 0;
    if (is_news && log_limit_pass(&limit, &left_out)) {
        log_warn("redis_away", "detail=\"%s\" left_out=%llu", detail_or_text(&detail, err),
                 (unsigned long long)left_out);
    }
    return false;
}

void store_news(struct store *store, const struct bus_announcement *item)
{
    struct news *news = &store->news;
    if (news->items == NULL) {
        news->items = arena_alloc(&store->work, STORE_NEWS_MAX * sizeof *news->items);
        news->room = news->items == NULL ? 0 : STORE_NEWS_MAX;
    }
    if (news->count < news->room) { /* live pages may miss some */
        news->items[news->count++] = *item;
    }
}

size_t store_news_links(struct store *store, struct db_rows *rows)
{
    int64_t waited_ns = clock_mono().ns - store->arrived.ns;
    while (db_next(rows)) {
        metric_seconds(METRIC_LINK_SECONDS, waited_ns);
        struct bytes trace = db_get_bytes(rows, 2);
        struct bus_announcement item = {.project = db_get_uuid(rows, 0),
                                        .what = ANNOUNCE_LINK,
                                        .has_conversation = true,
                                        .conversation = db_get_uuid(rows, 1),
                                        .has_trace = trace.len == sizeof item.trace.b};
        if (item.has_trace) {
            memcpy(item.trace.b, trace.ptr, sizeof item.trace.b);
        }
        store_news(store, &item);
    }
    return db_rows_count(rows);
}

static bool sqlstate_is(const struct store *store, const char *prefix)
{
    return strncmp(db_sqlstate(store->db), prefix, strlen(prefix)) == 0;
}

bool store_is_connected(const struct store *store)
{
    return db_is_connected(store->db);
}

bool store_lacks_partition(const struct store *store)
{
    return sqlstate_is(store, "23514"); /* check violation: no partition takes the row */
}

bool store_is_bad_message(const struct store *store)
{
    return (sqlstate_is(store, "22") || sqlstate_is(store, "23")) && !store_lacks_partition(store);
}

err_t store_make_partition(struct store *store, struct detail *detail)
{
    TRY(store_begin(store, detail));
    struct db_value today = db_time(clock_unix());
    return db_do(store->db, STMT_PARTITION_MAKE, &today, 1, detail, NULL);
}

void store_results_free(struct db_rows **results, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        db_rows_free(results[i]);
        results[i] = NULL;
    }
}

err_t store_end(struct store *store, err_t queued, struct detail *detail,
                struct db_rows ***ret_results, size_t *ret_count)
{
    if (!err_is_ok(queued)) {
        db_close(store->db);
        return queued;
    }
    size_t failed = 0;
    return db_end_pipeline(store->db, detail, ret_results, ret_count, &failed);
}

/* --- skipping --------------------------------------------------------------------------------------- */

static int compare_skipped(const void *left, const void *right)
{
    const struct skipped *a = left;
    const struct skipped *b = right;
    int order = memcmp(a->project.b, b->project.b, sizeof a->project.b);
    return order != 0 ? order : memcmp(a->trace.b, b->trace.b, sizeof a->trace.b);
}

/* One row a trace; the spans of equal ones are added. */
static size_t merge_skipped(struct skipped *list, size_t count)
{
    qsort(list, count, sizeof *list, compare_skipped);
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        if (kept > 0 && compare_skipped(&list[kept - 1], &list[i]) == 0) {
            list[kept - 1].spans_count += list[i].spans_count;
        } else {
            list[kept++] = list[i];
        }
    }
    return kept;
}

static FALLIBLE queue_skip(struct store *store, const struct db_value *values,
                           struct detail *detail)
{
    TRY(db_queue(store->db, STMT_BEGIN, NULL, 0, detail));
    TRY(db_queue(store->db, STMT_TRACES_LOCK, values, 2, detail));
    TRY(db_queue(store->db, STMT_TRACES_SKIP, values, 3, detail));
    if (!fault_is(FAULT_FORGET_SKIP)) {
        TRY(db_queue(store->db, STMT_SEGMENTS_DROP, values, 2, detail));
        TRY(db_queue(store->db, STMT_LINKS_DROP, values, 2, detail));
    }
    return db_queue(store->db, STMT_COMMIT, NULL, 0, detail);
}

err_t store_skip(struct store *store, struct skipped *list, size_t count, struct detail *detail)
{
    static const enum db_type types[] = {DB_TYPE_UUID, DB_TYPE_BYTEA, DB_TYPE_INT8};
    if (count == 0) {
        return OK;
    }
    count = merge_skipped(list, count);
    struct params params;
    struct db_value values[3];
    TRY(params_init(&params, &store->work, types, 3, count));
    for (size_t i = 0; i < count; i++) {
        params_row(&params,
                   (struct db_value[]){db_uuid(&list[i].project), params_trace_id(&list[i].trace),
                                       db_int8((int64_t)list[i].spans_count)});
    }
    TRY(params_pack(&params, values));
    TRY(db_begin_pipeline(store->db, detail));
    struct db_rows **results = NULL;
    size_t results_count = 0;
    TRY(store_end(store, queue_skip(store, values, detail), detail, &results, &results_count));
    store_results_free(results, results_count);
    metric_add(METRIC_TRACES_SKIPPED, count);
    return OK;
}
