#include "correlator/background.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

#include "proto/base/log.h"
#include "proto/base/mem.h"

#include "proto/base/banned.h"

enum {
    CONNECT_TIMEOUT_S = 2,
    TICK_MS = 100,
    LOCK_MS = 1000, /* between two tries to get the lock */
    NAME_BYTES_MAX = 64,
    PERCENT = 100,
};

struct background {
    struct background_options options;
    char application[NAME_BYTES_MAX];
    struct db *db;
    pthread_t thread;
    _Atomic bool is_stopping;
    bool is_mine; /* the lock is held by this connection */
    struct log_limit limit;
};

static void sleep_until_stopped(const struct background *background, int64_t ms)
{
    struct mono_ns end = mono_after_ms(clock_mono(), ms);
    while (!background->is_stopping && clock_mono().ns < end.ns) {
        clock_sleep_ms(ms < TICK_MS ? ms : TICK_MS);
    }
}

static FALLIBLE turn(struct background *background, struct detail *detail)
{
    struct db *db = background->db;
    bool is_new = false;
    TRY(db_ready(db, detail, &is_new));
    if (is_new) {
        background->is_mine = false;
        TRY(db_do(db, background->options.session, NULL, 0, detail, NULL));
    }
    if (!background->is_mine) {
        struct db_rows *rows = NULL;
        TRY(db_run(db, background->options.lock, NULL, 0, detail, &rows));
        background->is_mine = db_next(rows) && db_get_bool(rows, 0);
        db_rows_free(rows);
    }
    return background->is_mine
               ? background->options.work(background->options.context, background, detail)
               : OK;
}

static void *background_run(void *context)
{
    struct background *background = context;
    while (!background->is_stopping) {
        struct detail detail = {.text = ""};
        err_t err = turn(background, &detail);
        uint64_t left_out = 0;
        if (!err_is_ok(err) && log_limit_pass(&background->limit, &left_out)) {
            log_warn("background_failed", "work=%s err=%s detail=\"%s\" left_out=%llu",
                     background->options.name, err_name(err), detail_or_text(&detail, err),
                     (unsigned long long)left_out);
        }
        sleep_until_stopped(background,
                            background->is_mine ? background->options.pause_ms : LOCK_MS);
    }
    return NULL;
}

err_t background_start(const struct background_options *options, struct background **ret_background)
{
    struct background *background = mem_zero(1, sizeof *background);
    if (background == NULL) {
        return FAIL(MEMORY);
    }
    background->options = *options;
    (void)snprintf(background->application, sizeof background->application,
                   "calltrace-correlator %s", options->name);
    struct db_options db_options = {
        .conninfo = options->conninfo,
        .application_name = background->application,
        .statement_timeout_ms = options->statement_timeout_ms,
        .idle_in_transaction_ms = options->statement_timeout_ms,
        .connect_timeout_s = CONNECT_TIMEOUT_S,
    };
    err_t err = db_new(&db_options, &background->db);
    if (err_is_ok(err) &&
        pthread_create(&background->thread, NULL, background_run, background) != 0) {
        err = FAIL(SYSTEM);
    }
    if (!err_is_ok(err)) {
        db_free(background->db);
        mem_free(background);
        return err;
    }
    *ret_background = background;
    return OK;
}

void background_stop(struct background *background)
{
    if (background != NULL) {
        background->is_stopping = true;
        pthread_join(background->thread, NULL);
        db_free(background->db);
        mem_free(background);
    }
}

struct db *background_db(struct background *background)
{
    return background->db;
}

bool background_is_stopping(const struct background *background)
{
    return background->is_stopping;
}

void background_rest(struct background *background, struct mono_ns began, uint64_t share_percent)
{
    int64_t worked_ns = clock_mono().ns - began.ns;
    int64_t rest_ns = worked_ns * (int64_t)(PERCENT - share_percent) / (int64_t)share_percent;
    sleep_until_stopped(background, (rest_ns + NS_PER_MS - 1) / NS_PER_MS);
}
