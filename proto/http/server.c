#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <utlist.h>

#include "proto/base/check.h"
#include "proto/base/limits.h"
#include "proto/base/log.h"
#include "proto/base/mem.h"
#include "proto/http/linger.h"
#include "proto/http/listen.h"
#include "proto/http/private.h"

#include "proto/base/banned.h"

enum {
    SWEEP_MS = 250,
    /* libmicrohttpd's memory of one connection: half of it is where a head is read. */
    CONNECTION_BYTES = LIMIT_HEAD_BYTES * 2,
    STOP_WAIT_MS = 30000,
    /* Between the time after which a handshake is cut off and the one from which nobody can be in it any more. */
    HANDSHAKE_MARGIN_S = 60,
};

/* TLS 1.2 with forward secrecy and authenticated encryption alone, which is what TLS 1.3 has by itself. */
static const char tls_priorities[] =
    "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2:-KX-ALL:+ECDHE-ECDSA:+ECDHE-RSA:"
    "-CIPHER-ALL:+AES-256-GCM:+CHACHA20-POLY1305:+AES-128-GCM:"
    "-SIGN-RSA-SHA1:-SIGN-ECDSA-SHA1:%SERVER_PRECEDENCE";

void connection_wait_for(struct connection *connection, enum wait_for what, int64_t within_ms)
{
    if (connection != NULL) {
        int64_t at = within_ms == 0 ? 0 : mono_after_ms(clock_mono(), within_ms).ns;
        atomic_store_explicit(&connection->wait_for, (int)what, memory_order_relaxed);
        atomic_store_explicit(&connection->deadline_ns, at, memory_order_relaxed);
    }
}

/* --- connections ---------------------------------------------------------------------------------- */

static enum MHD_Result on_accept(void *cls, const struct sockaddr *address, socklen_t address_len)
{
    struct http_server *server = cls;
    (void)address; /* libmicrohttpd itself counts per address */
    (void)address_len;
    if (atomic_load(&server->is_draining)) {
        return MHD_NO;
    }
    if (atomic_load(&server->connections_count) < server->connections_max) {
        return MHD_YES;
    }
    atomic_fetch_add(&server->cut_connections, 1);
    return MHD_NO;
}

static void connection_begin(struct http_server *server, struct MHD_Connection *mhd, void **slot)
{
    atomic_fetch_add(&server->connections_count, 1);
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CONNECTION_FD);
    struct connection *connection = mem_zero(1, sizeof *connection);
    if (connection == NULL || info == NULL) {
        mem_free(connection);
        return; /* libmicrohttpd's own idle timeout still holds */
    }
    connection->fd = info->connect_fd;
    connection_wait_for(connection, WAIT_FOR_HEAD, server->head_ms_max);
    (void)pthread_mutex_lock(&server->lock);
    DL_PREPEND(server->connections, connection);
    (void)pthread_mutex_unlock(&server->lock);
    *slot = connection;
}

static void connection_end(struct http_server *server, void **slot)
{
    atomic_fetch_sub(&server->connections_count, 1);
    struct connection *connection = *slot;
    *slot = NULL;
    if (connection != NULL) {
        (void)pthread_mutex_lock(&server->lock);
        DL_DELETE(server->connections, connection);
        (void)pthread_mutex_unlock(&server->lock);
        if (connection->is_unread && !connection->is_cut) {
            linger_add(server->linger, connection->fd,
                       mono_after_ms(clock_mono(), server->body_ms_max));
        }
        mem_free(connection);
    }
}

static void on_connection(void *cls, struct MHD_Connection *mhd, void **slot,
                          enum MHD_ConnectionNotificationCode code)
{
    if (code == MHD_CONNECTION_NOTIFY_STARTED) {
        connection_begin(cls, mhd, slot);
    } else {
        connection_end(cls, slot);
    }
}

/* libmicrohttpd closes a connection's socket only after connection_end took it off the list, so under the
 * lock the descriptor is still this connection's. */
static void sweep(struct http_server *server, int64_t now_ns)
{
    struct connection *connection = NULL;
    DL_FOREACH(server->connections, connection)
    {
        int64_t deadline = atomic_load_explicit(&connection->deadline_ns, memory_order_relaxed);
        if (deadline != 0 && deadline < now_ns && !connection->is_cut) {
            int what = atomic_load_explicit(&connection->wait_for, memory_order_relaxed);
            connection->is_cut = true;
            atomic_fetch_add(&server->cuts[what], 1);
            (void)shutdown(connection->fd, SHUT_RDWR); /* the peer may be gone already */
        }
    }
}

static void *sweeper_run(void *context)
{
    struct http_server *server = context;
    while (atomic_load(&server->is_sweeping)) {
        (void)pthread_mutex_lock(&server->lock);
        sweep(server, clock_mono().ns);
        (void)pthread_mutex_unlock(&server->lock);
        linger_run(server->linger, SWEEP_MS);
    }
    return NULL;
}

/* --- start ------------------------------------------------------------------------------------------ */

/* Where this thread wants libmicrohttpd's complaints while it starts a server; the workers' go to the log. */
static _Thread_local struct detail *start_detail;

__attribute__((format(printf, 2, 0))) static void on_mhd_log(void *cls, const char *format,
                                                             va_list args)
{
    static struct log_limit limit;
    char text[256];
    (void)cls;
    if (vsnprintf(text, sizeof text, format, args) < 0) {
        return;
    }
    text[strcspn(text, "\n")] = '\0';
    uint64_t left_out = 0;
    if (start_detail != NULL) {
        detail_set(start_detail, "%s", text);
    } else if (log_limit_pass(&limit, &left_out)) {
        log_debug("http_library", "left_out=%llu says=%s", (unsigned long long)left_out, text);
    }
}

static err_t daemon_start(struct http_server *server, const struct http_options *options, int fd)
{
    unsigned flags = MHD_USE_EPOLL_INTERNAL_THREAD | MHD_USE_SUSPEND_RESUME | MHD_USE_ERROR_LOG;
    struct MHD_OptionItem items[8];
    size_t count = 0;
    if (server->tls != NULL) {
        flags |= MHD_USE_TLS;
    }
    if (options->threads > 1) {
        items[count++] =
            (struct MHD_OptionItem){MHD_OPTION_THREAD_POOL_SIZE, (intptr_t)options->threads, NULL};
    }
    if (options->connections_per_address_max > 0) {
        items[count++] =
            (struct MHD_OptionItem){MHD_OPTION_PER_IP_CONNECTION_LIMIT,
                                    (intptr_t)options->connections_per_address_max, NULL};
    }
    items[count] = (struct MHD_OptionItem){MHD_OPTION_END, 0, NULL};
    char priorities[sizeof tls_priorities];
    memcpy(priorities, tls_priorities, sizeof priorities);
    struct MHD_OptionItem secure[] = {
        {MHD_OPTION_HTTPS_PRIORITIES, 0, priorities},
        {MHD_OPTION_END, 0, NULL},
    };
    /* Each thread of the pool takes an even part of the limit and one may get more than its part of the
     * clients: on_accept holds the true bound. */
    struct MHD_Daemon *daemon = MHD_start_daemon(
        flags, 0, on_accept, server, request_step, server, MHD_OPTION_EXTERNAL_LOGGER, on_mhd_log,
        server, MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_CONNECTION_LIMIT,
        server->connections_max * (options->threads > 1 ? 2U : 1U) + 16U,
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)CONNECTION_BYTES, MHD_OPTION_CONNECTION_TIMEOUT,
        server->idle_s, MHD_OPTION_NOTIFY_CONNECTION, on_connection, server,
        MHD_OPTION_NOTIFY_COMPLETED, request_over, server, MHD_OPTION_URI_LOG_CALLBACK, request_new,
        server, MHD_OPTION_SIGPIPE_HANDLED_BY_APP, 1, MHD_OPTION_STRICT_FOR_CLIENT, 1,
        MHD_OPTION_ARRAY, items, server->tls != NULL ? MHD_OPTION_ARRAY : MHD_OPTION_END, secure,
        MHD_OPTION_HTTPS_CERT_CALLBACK, tls_retrieve, MHD_OPTION_END);
    if (daemon == NULL) {
        return FAIL(BAD_CONFIG);
    }
    server->daemons[server->daemons_count++] = daemon;
    return OK;
}

static err_t addresses_start(struct http_server *server, const struct http_options *options,
                             struct detail *detail)
{
    char address[LISTEN_ADDRESS_BYTES];
    const char *list = options->addresses;
    while (listen_next(&list, address)) {
        if (server->daemons_count == HTTP_ADDRESSES_MAX) {
            detail_set(detail, "there are more than %d addresses to listen on", HTTP_ADDRESSES_MAX);
            return FAIL(BAD_CONFIG);
        }
        int fd = -1;
        TRY(listen_open(address, detail, &fd));
        unsigned port = listen_port(fd);
        err_t err = daemon_start(server, options, fd);
        if (!err_is_ok(err)) {
            (void)close(fd); /* nothing was accepted from it */
            detail_prefix(detail, "cannot serve on %s", address);
            return err;
        }
        server->port = server->port == 0 ? port : server->port;
    }
    if (server->daemons_count == 0) {
        detail_set(detail, "there is no address to listen on");
        return FAIL(BAD_CONFIG);
    }
    return OK;
}

static err_t tls_open(struct http_server *server, const struct http_options *options,
                      struct detail *detail)
{
    if (options->tls_cert == NULL && options->tls_key == NULL) {
        return OK;
    }
    if (options->tls_cert == NULL || options->tls_key == NULL) {
        detail_set(detail, "a certificate needs its key, and a key its certificate");
        return FAIL(BAD_CONFIG);
    }
    return tls_new(options->tls_cert, options->tls_key,
                   (unsigned)(server->head_ms_max / MS_PER_S) + HANDSHAKE_MARGIN_S, detail,
                   &server->tls);
}

static err_t server_new(const struct http_options *options, struct http_server **ret_server)
{
    struct http_server *server = mem_zero(1, sizeof *server);
    if (server == NULL) {
        return FAIL(MEMORY);
    }
    server->handlers = options->handlers;
    server->connections_max = listen_files_raise(options->connections_max);
    server->idle_s = options->idle_s;
    server->head_ms_max = options->head_ms_max > 0 ? (int64_t)options->head_ms_max
                                                   : (int64_t)options->idle_s * MS_PER_S;
    server->body_ms_max = options->body_ms_max;
    server->arena_bytes_max = options->arena_bytes_max;
    server->inflight_bytes_max = options->inflight_bytes_max;
    if (getrandom(&server->id_seed, sizeof server->id_seed, 0) != (ssize_t)sizeof server->id_seed) {
        server->id_seed = (uint64_t)clock_mono().ns;
    }
    (void)pthread_mutex_init(&server->lock, NULL); /* does not fail on Linux */
    if (server->connections_max < options->connections_max) {
        log_warn("connections_lowered", "wanted=%u allowed=%u reason=RLIMIT_NOFILE",
                 options->connections_max, server->connections_max);
    }
    *ret_server = server;
    return OK;
}

err_t http_server_start(const struct http_options *options, struct detail *detail,
                        struct http_server **ret_server)
{
    struct http_server *server = NULL;
    err_t err = OK;
    TRY_OUT(server_new(options, &server));
    TRY_OUT(tls_open(server, options, detail));
    TRY_OUT(linger_new(&server->linger));
    start_detail = detail;
    err = addresses_start(server, options, detail);
    start_detail = NULL;
    TRY_OUT(err);
    atomic_store(&server->is_sweeping, true);
    if (pthread_create(&server->sweeper, NULL, sweeper_run, server) != 0) {
        detail_set(detail, "cannot start a thread");
        err = FAIL(SYSTEM);
        goto out;
    }
    server->has_sweeper = true;
    *ret_server = server;
    server = NULL;
out:
    http_server_stop(server);
    return err;
}

/* --- the end ---------------------------------------------------------------------------------------- */

void http_server_drain(struct http_server *server)
{
    if (server == NULL || atomic_exchange(&server->is_draining, true)) {
        return;
    }
    /* Not MHD_quiesce_daemon: it takes the listener out of each thread's epoll set while that thread, seeing
     * the flag, does the same, and whoever comes second aborts the process (0.9.75). */
    for (size_t i = 0; i < server->daemons_count; i++) {
        const union MHD_DaemonInfo *info =
            MHD_get_daemon_info(server->daemons[i], MHD_DAEMON_INFO_LISTEN_FD);
        if (info == NULL || !listen_end(info->listen_fd)) {
            log_warn("listener_stays", "reason=descriptors"); /* on_accept turns everyone away */
        }
    }
}

void http_server_stop(struct http_server *server)
{
    if (server == NULL) {
        return;
    }
    atomic_store(&server->is_stopping, true);
    http_server_drain(server);
    /* libmicrohttpd cannot stop while a connection is suspended; every owner must answer. */
    for (int64_t waited = 0; atomic_load(&server->suspended_count) > 0; waited++) {
        INVARIANT(waited < STOP_WAIT_MS);
        clock_sleep_ms(1);
    }
    for (size_t i = 0; i < server->daemons_count; i++) {
        MHD_stop_daemon(server->daemons[i]);
    }
    if (server->has_sweeper) {
        atomic_store(&server->is_sweeping, false);
        (void)pthread_join(server->sweeper, NULL);
    }
    linger_free(server->linger);
    tls_free(server->tls);
    (void)pthread_mutex_destroy(&server->lock);
    mem_free(server);
}

err_t http_server_renew(struct http_server *server, bool is_asked, struct detail *detail,
                        bool *ret_is_read)
{
    bool is_wanted = server->tls != NULL && (is_asked || tls_is_changed(server->tls));
    *ret_is_read = is_wanted;
    return is_wanted ? tls_reload(server->tls, detail) : OK;
}

int64_t http_server_cert_ends_s(struct http_server *server)
{
    return server->tls == NULL ? 0 : tls_ends_s(server->tls);
}

size_t http_server_inflight_bytes(const struct http_server *server)
{
    return atomic_load(&server->inflight_bytes);
}

unsigned http_server_connections(const struct http_server *server)
{
    return atomic_load(&server->connections_count);
}

unsigned http_server_requests(const struct http_server *server)
{
    return atomic_load(&server->requests_count);
}

struct http_cuts http_server_cuts(const struct http_server *server)
{
    return (struct http_cuts){
        .connections = atomic_load(&server->cut_connections),
        .head = atomic_load(&server->cuts[WAIT_FOR_HEAD]),
        .body = atomic_load(&server->cuts[WAIT_FOR_BODY]),
        .answer = atomic_load(&server->cuts[WAIT_FOR_READER]),
    };
}

unsigned http_server_port(const struct http_server *server)
{
    return server->port;
}
