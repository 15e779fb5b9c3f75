#include "correlator/retain.h"

#include "correlator/background.h"
#include "correlator/metrics.h"
#include "proto/base/log.h"
#include "proto/base/mem.h"

#include "proto/base/banned.h"

enum {
    STATEMENT_TIMEOUT_MS = 30000,
    LOOK_MS = 60000,
    WORDS_MS = 3600000, /* between two counts of the dictionaries */
    BATCH_TRACES = 500, /* some 10,000 rows of keys, tags and links */
    BATCH_CALLS = 500,
    SHARE_PERCENT = 50,
};
static const int64_t day_ns = INT64_C(86400) * 1000000000;

struct retainer {
    uint64_t days;
    struct background *background;
    struct mono_ns words_closed; /* when the dictionaries were last counted; 0: never */
};

/* Runs the statement until it finds less than a batch; how many rows went. */
static FALLIBLE remove_all(struct background *background, enum stmt stmt, struct unix_ns before,
                           int32_t batch, enum metric_id metric, struct detail *detail,
                           size_t *ret_count)
{
    const struct db_value values[] = {db_time(before), db_int4(batch)};
    size_t affected = (size_t)batch;
    *ret_count = 0;
    while (affected == (size_t)batch && !background_is_stopping(background)) {
        struct mono_ns began = clock_mono();
        TRY(db_do(background_db(background), stmt, values, 2, detail, &affected));
        metric_add(metric, affected);
        *ret_count += affected;
        background_rest(background, began, SHARE_PERCENT);
    }
    return OK;
}

/* Partitions of whose days no trace is left, one at a time; one that readers hold is tried again later. */
static FALLIBLE drop_days(struct background *background, struct unix_ns before,
                          struct detail *detail, size_t *ret_count)
{
    const struct db_value value = db_time(before);
    bool was_dropped = true;
    *ret_count = 0;
    while (was_dropped && !background_is_stopping(background)) {
        struct db_rows *rows = NULL;
        TRY(db_run(background_db(background), STMT_RETAIN_PARTITION, &value, 1, detail, &rows));
        was_dropped = db_next(rows) && !db_is_null(rows, 0);
        db_rows_free(rows);
        *ret_count += was_dropped;
        metric_add(METRIC_RETAINED_DAYS, was_dropped);
    }
    return OK;
}

static FALLIBLE words_close(struct retainer *retainer, struct background *background,
                            struct detail *detail)
{
    struct mono_ns now = clock_mono();
    if (retainer->words_closed.ns != 0 && mono_ms_between(retainer->words_closed, now) < WORDS_MS) {
        return OK;
    }
    size_t full = 0;
    retainer->words_closed = now;
    TRY(db_do(background_db(background), STMT_RETAIN_WORDS, NULL, 0, detail, &full));
    if (full > 0) {
        log_warn("words_full", "dictionaries=%zu", full);
    }
    return OK;
}

static FALLIBLE days_remove(const struct retainer *retainer, struct background *background,
                            struct detail *detail)
{
    struct unix_ns before = {clock_unix().ns - (int64_t)retainer->days * day_ns};
    size_t traces = 0;
    size_t days = 0;
    size_t calls = 0;
    TRY(remove_all(background, STMT_RETAIN_TRACES, before, BATCH_TRACES, METRIC_RETAINED_TRACES,
                   detail, &traces));
    TRY(remove_all(background, STMT_RETAIN_CALLS, before, BATCH_CALLS, METRIC_RETAINED_CALLS,
                   detail, &calls));
    TRY(drop_days(background, before, detail, &days));
    if (traces + days + calls > 0) {
        log_info("retention_removed", "traces=%zu calls=%zu days=%zu", traces, calls, days);
    }
    return OK;
}

static err_t work(void *context, struct background *background, struct detail *detail)
{
    struct retainer *retainer = context;
    TRY(words_close(retainer, background, detail));
    return retainer->days == 0 ? OK : days_remove(retainer, background, detail);
}

err_t retainer_start(const char *conninfo, uint64_t days, struct retainer **ret_retainer)
{
    struct retainer *retainer = mem_zero(1, sizeof *retainer);
    if (retainer == NULL) {
        return FAIL(MEMORY);
    }
    retainer->days = days;
    const struct background_options options = {.name = "retain",
                                               .conninfo = conninfo,
                                               .statement_timeout_ms = STATEMENT_TIMEOUT_MS,
                                               .session = STMT_RETAIN_SESSION,
                                               .lock = STMT_RETAIN_LOCK,
                                               .pause_ms = LOOK_MS,
                                               .work = work,
                                               .context = retainer};
    err_t err = background_start(&options, &retainer->background);
    if (!err_is_ok(err)) {
        mem_free(retainer);
        return err;
    }
    *ret_retainer = retainer;
    return OK;
}

void retainer_stop(struct retainer *retainer)
{
    if (retainer != NULL) {
        background_stop(retainer->background);
        mem_free(retainer);
    }
}
