#include "correlator/janitor.h"

#include <pthread.h>
#include <stdatomic.h>

#include "correlator/metrics.h"
#include "proto/base/clock.h"
#include "proto/base/log.h"
#include "proto/base/mem.h"
#include "schema/db.h"
#include "schema/migrate.h"

#include "proto/base/banned.h"

enum {
    TICK_MS = 100,
    /* Cleanings of the pending list, in ticks. Each visits a leaf of the index for each term; a search reads the
     * list. */
    CLEAN_EVERY = 5,
    PING_EVERY = 10,
    SWEEP_EVERY = 50,
    WAITS_EVERY = 49, /* not in the same tick */
    PARTITIONS_EVERY = 36000,
    DAYS_BACK = 1,
    DAYS_AHEAD = 7,
    STATEMENT_TIMEOUT_MS = 5000,
    CONNECT_TIMEOUT_S = 2,
};
static const int64_t day_ns = INT64_C(86400) * 1000000000;

struct janitor {
    struct janitor_options options;
    struct db *db;
    pthread_t thread;
    _Atomic bool is_stopping;
    pthread_mutex_t lock; /* guards the next three */
    bool is_ready;
    bool is_away;        /* it was asked and did not answer */
    struct detail words; /* why not */
    bool is_house_made;  /* schema checked and partitions made on this connection */
    bool may_clean;
    uint64_t ticks;
};

static FALLIBLE make_partitions(struct janitor *janitor, struct detail *detail)
{
    struct unix_ns now = clock_unix();
    for (int64_t day = -DAYS_BACK; day <= DAYS_AHEAD; day++) {
        struct db_value at = db_time((struct unix_ns){.ns = now.ns + day * day_ns});
        TRY(db_do(janitor->db, STMT_PARTITION_MAKE, &at, 1, detail, NULL));
    }
    return OK;
}

static FALLIBLE make_house(struct janitor *janitor, struct detail *detail)
{
    TRY(migrate_check(janitor->db, detail));
    TRY(make_partitions(janitor, detail));
    janitor->is_house_made = true;
    janitor->may_clean = true;
    return OK;
}

/* Cleaning belongs to the tables' owner; a correlator that is not says so once and goes on without. */
static void clean(struct janitor *janitor)
{
    struct detail detail = {.text = ""};
    err_t err = db_do(janitor->db, STMT_TERMS_CLEAN, NULL, 0, &detail, NULL);
    if (err_is(err, ERR_DB_REFUSED)) {
        janitor->may_clean = false;
        log_info("terms_not_cleaned", "detail=\"%s\"", detail.text);
    }
}

/* Several correlators may do it at once: each passes over rows that another has locked. */
static FALLIBLE sweep(struct janitor *janitor, struct detail *detail)
{
    struct db_value values[] = {db_int8((int64_t)janitor->options.room_empty_s * MS_PER_S),
                                db_int8((int64_t)janitor->options.call_silence_s * MS_PER_S)};
    size_t swept = 0;
    TRY(db_do(janitor->db, STMT_EVENT_SWEEP, values, 2, detail, &swept));
    metric_add(METRIC_SWEPT, swept);
    if (swept > 0) {
        log_info("calls_swept", "count=%zu", swept);
    }
    return OK;
}

/* Of connections that writers have given up: with a standby that is silent for long there would soon be none left.
 * Such a commit is unknown to its sender, which was told to come back (store_calls.c, known_is_durable). */
static FALLIBLE end_waits(struct janitor *janitor, struct detail *detail)
{
    size_t ended = 0;
    TRY(db_do(janitor->db, STMT_WAITS_END, NULL, 0, detail, &ended));
    if (ended > 0) {
        log_warn("standby_silent", "waits_ended=%zu", ended);
    }
    return OK;
}

static FALLIBLE tick(struct janitor *janitor, struct detail *detail)
{
    bool is_new = false;
    TRY(db_ready(janitor->db, detail, &is_new));
    if (is_new || !janitor->is_house_made) {
        janitor->is_house_made = false;
        TRY(make_house(janitor, detail));
    } else if (janitor->ticks % PARTITIONS_EVERY == 0) {
        TRY(make_partitions(janitor, detail));
    } else if (janitor->ticks % SWEEP_EVERY == 0) {
        TRY(sweep(janitor, detail));
    } else if (janitor->ticks % WAITS_EVERY == 0) {
        TRY(end_waits(janitor, detail));
    } else if (janitor->ticks % PING_EVERY == 0) {
        TRY(db_do(janitor->db, STMT_PING, NULL, 0, detail, NULL));
    }
    if (janitor->may_clean && janitor->ticks % CLEAN_EVERY == 0) {
        clean(janitor);
    }
    return db_is_connected(janitor->db) ? OK : FAIL(DB_AWAY);
}

/* Gives what it was before. */
static bool ready_set(struct janitor *janitor, err_t err, struct detail *detail)
{
    if (!err_is_ok(err) && detail->text[0] == '\0') {
        detail_set(detail, "%s", err_text(err));
    }
    pthread_mutex_lock(&janitor->lock);
    bool was_ready = janitor->is_ready;
    janitor->is_ready = err_is_ok(err);
    janitor->is_away = err_is(err, ERR_DB_AWAY);
    janitor->words = *detail;
    pthread_mutex_unlock(&janitor->lock);
    return was_ready;
}

static void *janitor_run(void *context)
{
    static struct log_limit limit;
    struct janitor *janitor = context;
    while (!janitor->is_stopping) {
        struct detail detail = {.text = ""};
        err_t err = tick(janitor, &detail);
        bool was_ready = ready_set(janitor, err, &detail);
        uint64_t left_out = 0;
        if (!err_is_ok(err) && log_limit_pass(&limit, &left_out)) {
            log_warn("postgres_not_ready", "err=%s detail=\"%s\" left_out=%llu", err_name(err),
                     detail_or_text(&detail, err), (unsigned long long)left_out);
        } else if (err_is_ok(err) && !was_ready) {
            log_info("postgres_ready", "days_ahead=%d", DAYS_AHEAD);
        }
        janitor->ticks++;
        clock_sleep_ms(TICK_MS);
    }
    return NULL;
}

err_t janitor_start(const struct janitor_options *janitor_options, struct janitor **ret_janitor)
{
    struct janitor *janitor = mem_zero(1, sizeof *janitor);
    if (janitor == NULL) {
        return FAIL(MEMORY);
    }
    janitor->options = *janitor_options;
    pthread_mutex_init(&janitor->lock, NULL); /* cannot fail on Linux */
    detail_set(&janitor->words, "it was not asked yet");
    struct db_options options = {
        .conninfo = janitor_options->conninfo,
        .application_name = "calltrace-correlator janitor",
        .statement_timeout_ms = STATEMENT_TIMEOUT_MS,
        .idle_in_transaction_ms = STATEMENT_TIMEOUT_MS,
        .connect_timeout_s = CONNECT_TIMEOUT_S,
    };
    err_t err = db_new(&options, &janitor->db);
    if (err_is_ok(err) && pthread_create(&janitor->thread, NULL, janitor_run, janitor) != 0) {
        err = FAIL(SYSTEM);
    }
    if (!err_is_ok(err)) {
        db_free(janitor->db);
        pthread_mutex_destroy(&janitor->lock);
        mem_free(janitor);
        return err;
    }
    *ret_janitor = janitor;
    return OK;
}

void janitor_stop(struct janitor *janitor)
{
    if (janitor != NULL) {
        janitor->is_stopping = true;
        pthread_join(janitor->thread, NULL);
        db_free(janitor->db);
        pthread_mutex_destroy(&janitor->lock);
        mem_free(janitor);
    }
}

bool janitor_is_ready(struct janitor *janitor, struct detail *ret_detail)
{
    pthread_mutex_lock(&janitor->lock);
    bool is_ready = janitor->is_ready;
    *ret_detail = janitor->words;
    pthread_mutex_unlock(&janitor->lock);
    return is_ready;
}

bool janitor_finds_postgres_away(struct janitor *janitor)
{
    pthread_mutex_lock(&janitor->lock);
    bool is_away = janitor->is_away;
    pthread_mutex_unlock(&janitor->lock);
    return is_away;
}
