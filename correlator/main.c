/* calltrace-correlator: the only writer of what a running system writes. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "correlator/conf.h"
#include "correlator/janitor.h"
#include "correlator/metrics.h"
#include "correlator/reconcile.h"
#include "correlator/retain.h"
#include "correlator/seal.h"
#include "correlator/tally.h"
#include "correlator/writer.h"
#include "proto/http/admin.h"

#include "proto/base/banned.h"

enum { EXIT_FINE = 0, EXIT_FAILED = 1, EXIT_USAGE = 2, WRITERS_MAX = 64, REPLY_BYTES = 256 };

static const struct metric_row metric_rows[METRIC_COUNT] = {
#define METRIC(id, what, metric_name, label_text, help_text) \
    {.name = (metric_name),                                  \
     .labels = (label_text),                                 \
     .help = (help_text),                                    \
     .kind = METRIC_KIND_##what},
#include "correlator/metric.def"
#undef METRIC
};

/* A packed reply that needs no memory. */
struct refusal {
    uint8_t octets[REPLY_BYTES];
    size_t len;
};

struct daemon {
    struct conf conf;
    struct intake *intake;
    struct bus_server *server;
    struct writer *writers[WRITERS_MAX];
    size_t writers_count;
    struct janitor *janitor;
    struct reconciler *reconciler;
    struct tally *tally;
    struct sealer *sealer;
    struct retainer *retainer;
    struct http_admin *admin;
    _Atomic unsigned connected; /* writers that have Postgres */
    struct refusal overload;    /* to whom the queue has no room for */
    struct refusal away;        /* to everybody while Postgres is away */
};

static void refuse(struct bus_work *work, const struct refusal *refusal)
{
    metric_add(METRIC_UNAVAILABLE, 1);
    bus_work_reply(work, bytes_of(refusal->octets, refusal->len));
}

/* A connection to a server that swallows packets takes seconds to fail. The janitor tries; nobody waits for it. */
static bool is_postgres_away(struct daemon *daemon)
{
    return daemon->connected == 0 && janitor_finds_postgres_away(daemon->janitor);
}

/* On a thread of the bus. */
static void on_work(void *context, struct bus_work *work)
{
    struct daemon *daemon = context;
    if (is_postgres_away(daemon)) {
        refuse(work, &daemon->away);
    } else if (!intake_put(daemon->intake, work)) {
        refuse(work, &daemon->overload);
    }
}

static bool has_redis(const struct daemon *daemon)
{
    for (size_t i = 0; i < daemon->writers_count; i++) {
        if (writer_has_redis(daemon->writers[i])) {
            return true;
        }
    }
    return false;
}

static void on_ready(void *context, struct http_ready *ready)
{
    const struct daemon *daemon = context;
    struct detail words;
    if (!janitor_is_ready(daemon->janitor, &words)) {
        http_ready_missing(ready, "postgres",
                           "nothing can be stored, the api is told to come back: %s", words.text);
    }
    if (daemon->conf.redis[0] != '\0' && metric_value(METRIC_REDIS_AWAY) > 0 &&
        !has_redis(daemon)) {
        http_ready_note(ready, "redis",
                        "the last turn to %s was not answered: links come from the look alone",
                        daemon->conf.redis);
    }
    if (intake_bytes(daemon->intake) >= daemon->conf.queue_bytes_max / 2) {
        http_ready_note(ready, "queue", "%zu messages wait, more than half of queue_bytes_max",
                        intake_count(daemon->intake));
    }
}

static void on_metrics(void *context)
{
    const struct daemon *daemon = context;
    struct detail words;
    metric_set(METRIC_QUEUE_BYTES, (int64_t)intake_bytes(daemon->intake));
    metric_set(METRIC_QUEUE_MESSAGES, (int64_t)intake_count(daemon->intake));
    metric_set(METRIC_POSTGRES, janitor_is_ready(daemon->janitor, &words));
    metric_set(METRIC_REDIS, has_redis(daemon));
}

/* --- put together and taken apart -------------------------------------------------------------------- */

static FALLIBLE make_refusal(const char *reason, struct refusal *ret_refusal)
{
    struct bus_reply reply = {.outcome = BUS_OUTCOME_UNAVAILABLE, .reason = bytes_of_text(reason)};
    struct arena scratch;
    struct buf packed;
    arena_init(&scratch, (size_t)REPLY_BYTES * 4);
    buf_init(&packed, REPLY_BYTES);
    err_t err = bus_reply_pack(&reply, &scratch, &packed);
    if (err_is_ok(err)) {
        ret_refusal->len = buf_bytes(&packed).len;
        memcpy(ret_refusal->octets, buf_bytes(&packed).ptr, ret_refusal->len);
    }
    buf_fini(&packed);
    arena_fini(&scratch);
    return err;
}

static FALLIBLE start_writers(struct daemon *daemon, struct detail *detail)
{
    struct writer_options options = {
        .store = {.conninfo = daemon->conf.postgres,
                  .redis = {.user = daemon->conf.redis_user,
                            .password = daemon->conf.redis_password,
                            .timeout_ms = (int64_t)daemon->conf.redis_timeout_ms},
                  .look = daemon->conf.look},
        .intake = daemon->intake,
        .server = daemon->server,
        .connected = &daemon->connected};
    TRY(rendezvous_address_read(daemon->conf.redis, detail, &options.store.redis.address));
    for (uint64_t i = 0; i < daemon->conf.writers; i++) {
        TRY(writer_start(&options, &daemon->writers[daemon->writers_count]));
        daemon->writers_count++;
    }
    return OK;
}

static FALLIBLE start_admin(struct daemon *daemon, struct detail *detail)
{
    struct http_admin_options options = {.address = daemon->conf.admin_listen,
                                         .on_ready = on_ready,
                                         .on_metrics = on_metrics,
                                         .context = daemon};
    return daemon->conf.admin_listen[0] == '\0'
               ? OK
               : http_admin_start(&options, detail, &daemon->admin);
}

static FALLIBLE start_housekeeping(struct daemon *daemon)
{
    const struct conf *conf = &daemon->conf;
    if (conf->reconcile) {
        TRY(reconciler_start(conf->postgres, conf->reconcile_interval_s, &daemon->reconciler));
    }
    if (conf->seal_share_percent > 0) {
        TRY(sealer_start(&(struct sealer_options){.conninfo = conf->postgres,
                                                  .quiet_s = conf->seal_quiet_s,
                                                  .share_percent = conf->seal_share_percent},
                         &daemon->sealer));
    }
    return retainer_start(conf->postgres, conf->retain_days, &daemon->retainer);
}

/* Everything that may hold work is there before the bus gives any. */
static FALLIBLE daemon_start(struct daemon *daemon, struct detail *detail)
{
    TRY(metric_start(metric_rows, METRIC_COUNT));
    TRY(make_refusal("the correlator's queue is full", &daemon->overload));
    TRY(make_refusal("Postgres is away", &daemon->away));
    TRY(intake_new(daemon->conf.queue_bytes_max, (int64_t)daemon->conf.gather_ms, &daemon->intake));
    TRY(janitor_start(&(struct janitor_options){.conninfo = daemon->conf.postgres,
                                                .room_empty_s = daemon->conf.room_empty_s,
                                                .call_silence_s = daemon->conf.call_silence_s},
                      &daemon->janitor));
    struct bus_server_options options = {
        .address = daemon->conf.bus,
        .event_address = daemon->conf.bus_events,
        .tls = {daemon->conf.bus_tls_cert, daemon->conf.bus_tls_ca},
        .on_work = on_work,
        .context = daemon};
    TRY(bus_server_open(&options, detail, &daemon->server));
    TRY(start_writers(daemon, detail));
    TRY(tally_start(&(struct tally_options){.conninfo = daemon->conf.postgres,
                                            .server = daemon->server,
                                            .quiet_s = daemon->conf.tally_quiet_s,
                                            .again_s = daemon->conf.tally_again_s,
                                            .sealed_after_s = daemon->conf.seal_quiet_s},
                    &daemon->tally));
    TRY(start_housekeeping(daemon));
    return start_admin(daemon, detail);
}

/* What was taken is finished: no further request, the queue worked off, every reply sent. */
static void daemon_stop(struct daemon *daemon)
{
    if (daemon->server != NULL) {
        bus_server_drain(daemon->server);
    }
    if (daemon->intake != NULL) {
        intake_close(daemon->intake);
    }
    http_admin_stop(daemon->admin); /* its numbers are read off the writers */
    for (size_t i = 0; i < daemon->writers_count; i++) {
        writer_join(daemon->writers[i]);
    }
    if (daemon->writers_count == 0 && daemon->intake != NULL) {
        struct bus_work *left = NULL;
        while (intake_take(daemon->intake, &left, 1, 1) > 0) {
            bus_work_drop(left);
        }
    }
    reconciler_stop(daemon->reconciler);
    sealer_stop(daemon->sealer);
    retainer_stop(daemon->retainer);
    tally_stop(daemon->tally);
    janitor_stop(daemon->janitor);
    bus_server_close(daemon->server);
    intake_free(daemon->intake);
    metric_stop();
}

/* SIGTERM and SIGINT are waited for, not handled: every thread inherits the mask. */
static void block_signals(sigset_t *ret_set)
{
    (void)sigemptyset(ret_set);
    (void)sigaddset(ret_set, SIGTERM);
    (void)sigaddset(ret_set, SIGINT);
    (void)pthread_sigmask(SIG_BLOCK, ret_set, NULL); /* cannot fail with these */
    (void)signal(SIGPIPE, SIG_IGN); /* a peer that is gone is an error, not an end */
}

static int serve(int argc, const char *const *argv)
{
    static struct daemon daemon;
    struct detail detail = {.text = ""};
    enum log_level level = LOG_LEVEL_INFO;
    err_t err = correlator_conf_load(argc, argv, &detail, &daemon.conf, &level);
    if (!err_is_ok(err)) {
        (void)fprintf(stderr, "calltrace-correlator: %s\n", detail_or_text(&detail, err));
        return EXIT_USAGE;
    }
    log_set_level(level);
    sigset_t signals;
    block_signals(&signals);
    err = daemon_start(&daemon, &detail);
    if (err_is_ok(err)) {
        log_info("started", "version=%s bus=%s writers=%llu look=%d reconcile=%d",
                 CALLTRACE_VERSION, daemon.conf.bus, (unsigned long long)daemon.conf.writers,
                 daemon.conf.look, daemon.conf.reconcile);
        int number = 0;
        (void)sigwait(&signals, &number); /* fails only for a bad set */
        log_info("stopping", "signal=%d waiting=%zu", number, intake_count(daemon.intake));
    } else {
        log_error("start_failed", "err=%s detail=\"%s\"", err_name(err),
                  detail_or_text(&detail, err));
    }
    daemon_stop(&daemon);
    if (!err_is_ok(err)) {
        return err_is(err, ERR_BAD_CONFIG) ? EXIT_USAGE : EXIT_FAILED;
    }
    log_info("stopped", "clean=yes");
    return EXIT_FINE;
}

static int usage(const char *problem, const char *word)
{
    (void)fprintf(stderr, "%s%s%s\n", problem, word[0] == '\0' ? "" : " ", word);
    (void)fputs("usage: calltrace-correlator serve [--config FILE] [--ROW=VALUE ...]\n"
                "       calltrace-correlator config     every row with its documentation\n"
                "       calltrace-correlator version\n",
                stderr);
    return EXIT_USAGE;
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        return usage("a command is missing", "");
    }
    if (strcmp(argv[1], "serve") == 0) {
        return serve(argc - 2, (const char *const *)argv + 2);
    }
    if (strcmp(argv[1], "config") == 0 && argc == 2) {
        correlator_conf_describe(stdout);
        return EXIT_FINE;
    }
    if (strcmp(argv[1], "version") == 0 && argc == 2) {
        (void)printf("calltrace-correlator %s\n", CALLTRACE_VERSION);
        return EXIT_FINE;
    }
    return usage("there is no command", argv[1]);
}
