#include "correlator/reconcile.h"

#include <pthread.h>
#include <stdatomic.h>

#include "correlator/metrics.h"
#include "proto/base/clock.h"
#include "proto/base/log.h"
#include "proto/base/mem.h"
#include "schema/db.h"

#include "proto/base/banned.h"

enum { STATEMENT_TIMEOUT_MS = 60000, CONNECT_TIMEOUT_S = 2, TICK_MS = 100 };
static const int64_t window_ns = INT64_C(86400) * 1000000000;

struct reconciler {
    struct db *db;
    int64_t interval_ms;
    pthread_t thread;
    _Atomic bool is_stopping;
};

/* What one pass covers and did. */
struct pass {
    struct unix_ns from;
    struct unix_ns to;
    size_t repaired;
    size_t dangling;
};

static FALLIBLE read_flag(struct db *db, enum stmt stmt, struct detail *detail, bool *ret_flag)
{
    struct db_rows *rows = NULL;
    TRY(db_run(db, stmt, NULL, 0, detail, &rows));
    *ret_flag = db_next(rows) && !db_is_null(rows, 0) && db_get_bool(rows, 0);
    db_rows_free(rows);
    return OK;
}

static FALLIBLE pass_begin(struct db *db, struct detail *detail, struct pass *pass)
{
    struct db_rows *rows = NULL;
    TRY(db_run(db, STMT_RECONCILE_BEGIN, NULL, 0, detail, &rows));
    if (db_next(rows)) {
        pass->to = db_get_time(rows, 1);
        pass->from = db_is_null(rows, 0) ? pass->to : db_get_time(rows, 0);
    }
    db_rows_free(rows);
    return OK;
}

static FALLIBLE repair(struct reconciler *reconciler, enum stmt stmt, const struct pass *window,
                       size_t values_count, struct detail *detail, size_t *count)
{
    struct db_value values[2] = {db_time(window->from), db_time(window->to)};
    size_t affected = 0;
    TRY(db_do(reconciler->db, stmt, values, values_count, detail, &affected));
    *count += affected;
    return OK;
}

static FALLIBLE repair_window(struct reconciler *reconciler, const struct pass *window,
                              struct pass *pass, struct detail *detail)
{
    size_t segments = 0; /* leftovers of a skip that a crash cut short: no part of the equation */
    TRY(repair(reconciler, STMT_RECONCILE_LINKS, window, 2, detail, &pass->repaired));
    TRY(repair(reconciler, STMT_RECONCILE_ROOMS, window, 2, detail, &pass->repaired));
    TRY(repair(reconciler, STMT_RECONCILE_SKIPPED, window, 2, detail, &pass->repaired));
    TRY(repair(reconciler, STMT_RECONCILE_SEGMENTS, window, 1, detail, &segments));
    return repair(reconciler, STMT_RECONCILE_DANGLING, window, 1, detail, &pass->dangling);
}

static FALLIBLE run_pass(struct reconciler *reconciler, struct detail *detail, struct pass *pass)
{
    struct db *db = reconciler->db;
    TRY(pass_begin(db, detail, pass));
    struct pass window = {.from = pass->from};
    while (window.from.ns < pass->to.ns && !reconciler->is_stopping) {
        bool is_last = pass->to.ns - window.from.ns <= window_ns;
        window.to.ns = is_last ? pass->to.ns : window.from.ns + window_ns;
        TRY(repair_window(reconciler, &window, pass, detail));
        window.from = window.to;
    }
    if (reconciler->is_stopping) {
        return OK;
    }
    TRY(db_do(db, STMT_RECONCILE_HASHES, NULL, 0, detail, NULL));
    struct db_value values[] = {db_time(pass->to), db_int8((int64_t)pass->repaired)};
    TRY(db_do(db, STMT_RECONCILE_END, values, 2, detail, NULL));
    metric_add(METRIC_RECONCILE_RUNS, 1);
    return OK;
}

static FALLIBLE count_unmatched(struct db *db, struct detail *detail)
{
    struct db_rows *rows = NULL;
    TRY(db_run(db, STMT_RECONCILE_UNMATCHED, NULL, 0, detail, &rows));
    if (db_next(rows)) {
        metric_set(METRIC_UNMATCHED_TRACES, db_get_int(rows, 0));
        metric_set(METRIC_UNMATCHED_CALLS, db_get_int(rows, 1));
    }
    db_rows_free(rows);
    return OK;
}

static FALLIBLE run_locked(struct reconciler *reconciler, struct detail *detail)
{
    bool is_mine = false;
    bool was_mine = false;
    TRY(read_flag(reconciler->db, STMT_RECONCILE_LOCK, detail, &is_mine));
    if (!is_mine) { /* another correlator is at it, and tells */
        metric_set(METRIC_UNMATCHED_TRACES, 0);
        metric_set(METRIC_UNMATCHED_CALLS, 0);
        return OK;
    }
    struct pass pass = {.repaired = 0};
    err_t err = run_pass(reconciler, detail, &pass);
    if (err_is_ok(err)) {
        err = count_unmatched(reconciler->db, detail);
    }
    metric_add(METRIC_REPAIRS, pass.repaired);
    metric_add(METRIC_DANGLING, pass.dangling);
    if (pass.repaired > 0 || pass.dangling > 0) {
        log_warn("reconciled", "repaired=%zu dangling=%zu", pass.repaired, pass.dangling);
    }
    if (db_is_connected(reconciler->db)) {
        struct detail ignored = {.text = ""};
        err_t unlocked = read_flag(reconciler->db, STMT_RECONCILE_UNLOCK, &ignored, &was_mine);
        if (!err_is_ok(unlocked)) {
            db_close(reconciler->db); /* the session's end unlocks too */
        }
    }
    return err;
}

static void rest(struct reconciler *reconciler)
{
    struct mono_ns end = mono_after_ms(clock_mono(), reconciler->interval_ms);
    while (!reconciler->is_stopping && clock_mono().ns < end.ns) {
        clock_sleep_ms(TICK_MS);
    }
}

static void *reconciler_run(void *context)
{
    struct reconciler *reconciler = context;
    while (!reconciler->is_stopping) {
        struct detail detail = {.text = ""};
        err_t err = db_ready(reconciler->db, &detail, NULL);
        if (err_is_ok(err)) {
            err = run_locked(reconciler, &detail);
        }
        if (!err_is_ok(err)) {
            log_warn("reconcile_failed", "err=%s detail=\"%s\"", err_name(err),
                     detail_or_text(&detail, err));
        }
        rest(reconciler);
    }
    return NULL;
}

err_t reconciler_start(const char *conninfo, uint64_t interval_s,
                       struct reconciler **ret_reconciler)
{
    struct reconciler *reconciler = mem_zero(1, sizeof *reconciler);
    if (reconciler == NULL) {
        return FAIL(MEMORY);
    }
    reconciler->interval_ms = (int64_t)interval_s * MS_PER_S;
    struct db_options options = {
        .conninfo = conninfo,
        .application_name = "calltrace-correlator reconciler",
        .statement_timeout_ms = STATEMENT_TIMEOUT_MS,
        .idle_in_transaction_ms = STATEMENT_TIMEOUT_MS,
        .connect_timeout_s = CONNECT_TIMEOUT_S,
    };
    err_t err = db_new(&options, &reconciler->db);
    if (err_is_ok(err) &&
        pthread_create(&reconciler->thread, NULL, reconciler_run, reconciler) != 0) {
        err = FAIL(SYSTEM);
    }
    if (!err_is_ok(err)) {
        db_free(reconciler->db);
        mem_free(reconciler);
        return err;
    }
    *ret_reconciler = reconciler;
    return OK;
}

void reconciler_stop(struct reconciler *reconciler)
{
    if (reconciler != NULL) {
        reconciler->is_stopping = true;
        pthread_join(reconciler->thread, NULL);
        db_free(reconciler->db);
        mem_free(reconciler);
    }
}
