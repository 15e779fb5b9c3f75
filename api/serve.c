#include "api/serve.h"

#include <signal.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include <jansson.h>

#include "api/admin/admin.h"
#include "api/api.h"
#include "api/metric.h"
#include "proto/base/log.h"
#include "proto/base/mem.h"

#include "proto/base/banned.h"

enum { DRAIN_MS_MAX = 10000 };

static struct api_conf conf; /* frozen before the first thread */
static struct api api;

/* SIGTERM, SIGINT and SIGHUP are blocked in every thread and taken one by one by the main thread. */
static void signals_block(sigset_t *ret_taken)
{
    (void)sigemptyset(ret_taken); /* none of these fails with signals that exist */
    (void)sigaddset(ret_taken, SIGTERM);
    (void)sigaddset(ret_taken, SIGINT);
    (void)sigaddset(ret_taken, SIGHUP);
    (void)pthread_sigmask(SIG_BLOCK, ret_taken, NULL);
    (void)signal(SIGPIPE, SIG_IGN); /* a peer that went away is an error of write, not our end */
}

static bool is_signal_waiting(void)
{
    sigset_t ends;
    (void)sigemptyset(&ends);
    (void)sigaddset(&ends, SIGTERM);
    (void)sigaddset(&ends, SIGINT);
    const struct timespec at_once = {0};
    return sigtimedwait(&ends, NULL, &at_once) > 0;
}

/* The signal that ends the process. SIGHUP is about the certificate. */
static int signals_take(const sigset_t *taken)
{
    int signal_number = 0;
    while (sigwait(taken, &signal_number) != 0 || signal_number == SIGHUP) {
        if (signal_number == SIGHUP) {
            api_renew(&api);
        }
    }
    return signal_number;
}

static int started_run(const sigset_t *taken)
{
    log_info("started",
             "version=%s pid=%ld body_bytes_max=%llu inflight_bytes_max=%llu connections_max=%llu",
             CALLTRACE_VERSION, (long)getpid(), (unsigned long long)conf.body_bytes_max,
             (unsigned long long)conf.inflight_bytes_max, (unsigned long long)conf.connections_max);
    int signal_number = signals_take(taken);
    log_info("draining", "signal=%d", signal_number);
    api_drain(&api, DRAIN_MS_MAX, is_signal_waiting);
    api_stop(&api);
    log_info("stopped", "%s", "");
    return ADMIN_EXIT_FINE;
}

int serve_run(int argc, const char *const *argv)
{
    struct detail detail = {0};
    enum log_level level = LOG_LEVEL_INFO;
    size_t routes_count = 0;
    const struct route *routes = route_table(&routes_count);
    sigset_t taken;
    err_t err = api_conf_load(&conf, argc, argv, &detail);
    if (err_is_ok(err)) {
        err = api_conf_check(&conf, &detail);
    }
    if (!err_is_ok(err)) {
        (void)fprintf(stderr, "calltrace-api: %s\n", detail_or_text(&detail, err));
        return ADMIN_EXIT_USAGE;
    }
    (void)log_level_from_text(conf.log_level, &level); /* api_conf_load has checked it */
    log_set_level(level);
    json_set_alloc_funcs(mem_alloc, mem_free);
    signals_block(&taken);
    err = api_metric_start();
    if (err_is_ok(err)) {
        err = api_start(&api, &conf, routes, routes_count, &detail);
    }
    int code = ADMIN_EXIT_FINE;
    if (err_is_ok(err)) {
        code = started_run(&taken);
    } else {
        (void)fprintf(stderr, "calltrace-api: %s\n", detail_or_text(&detail, err));
        code = err_is(err, ERR_BAD_CONFIG) ? ADMIN_EXIT_USAGE : ADMIN_EXIT_FAILED;
    }
    metric_stop();
    return code;
}
