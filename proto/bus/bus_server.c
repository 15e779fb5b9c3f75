/* The correlator's end. Each work is one context with one aio; an aio's callback only hands over. */
#include <nng/nng.h>
#include <nng/protocol/pubsub0/pub.h>
#include <nng/protocol/reqrep0/rep.h>
#include <pthread.h>

#include "proto/base/bounded.h"
#include "proto/base/check.h"
#include "proto/base/clock.h"
#include "proto/base/id.h"
#include "proto/base/log.h"
#include "proto/base/mem.h"
#include "proto/bus/bus.h"
#include "proto/bus/bus_address.h"
#include "proto/bus/bus_tls.h"

#include "proto/base/banned.h"

enum {
    IPC_MODE = 0660, /* one group: the launcher puts both daemons into it */
    /* nng's send is over when the transport has the bytes; closing at once would cut the last replies. */
    CLOSE_GRACE_MS = 50,
    EVENTS_QUEUED_MAX = 1024,
};

/* A work's way, moved under the server's lock:
 *
 *     IDLE -> RECEIVING -> HANDED -> REPLYING -> RECEIVING (or IDLE when draining)
 *
 * It waits in RECEIVING (for a request) and in HANDED (for bus_work_reply). */
enum work_state { WORK_IDLE = 0, WORK_RECEIVING, WORK_HANDED, WORK_REPLYING };

struct bus_work {
    struct bus_server *server;
    nng_ctx ctx;
    nng_aio *aio;
    nng_msg *request;
    struct mono_ns came;
    enum work_state state;
    bool has_ctx;
};

struct bus_server {
    bus_work_fn *on_work;
    void *context;
    nng_socket socket;
    nng_socket events;
    bool has_socket;
    bool has_events;
    pthread_mutex_t lock; /* guards what follows and every work's state */
    pthread_cond_t changed;
    size_t receiving; /* works in RECEIVING, or in their callback on the way out of it */
    size_t replying;
    bool is_draining;
    struct bus_work *works;
    size_t works_count;
    pthread_mutex_t
        announcing; /* guards `announced`; announcements go out in the order of their numbers */
    uint64_t announced;
    uint8_t instance[BUS_INSTANCE_BYTES];
};

/* With the lock held. */
static void receive_next(struct bus_work *work)
{
    struct bus_server *server = work->server;
    if (server->is_draining) {
        work->state = WORK_IDLE;
        pthread_cond_broadcast(&server->changed);
        return;
    }
    work->state = WORK_RECEIVING;
    server->receiving++;
    nng_ctx_recv(work->ctx, work->aio);
}

static void received(struct bus_work *work)
{
    struct bus_server *server = work->server;
    int result = nng_aio_result(work->aio);
    if (result == 0) {
        work->request = nng_aio_get_msg(work->aio);
        work->came = clock_mono();
        pthread_mutex_lock(&server->lock);
        work->state = WORK_HANDED;
        pthread_mutex_unlock(&server->lock);
        server->on_work(server->context, work);
    }
    pthread_mutex_lock(&server->lock);
    server->receiving--;
    if (result != 0) {
        /* Only closing or draining ends a receive; anything else would come back at once for ever. */
        if (result == NNG_ECANCELED || result == NNG_ECLOSED) {
            work->state = WORK_IDLE;
        } else {
            receive_next(work);
        }
    }
    pthread_cond_broadcast(&server->changed);
    pthread_mutex_unlock(&server->lock);
}

static void replied(struct bus_work *work)
{
    struct bus_server *server = work->server;
    if (nng_aio_result(work->aio) != 0) {
        nng_msg_free(nng_aio_get_msg(work->aio)); /* the peer is gone: nobody wants it */
    }
    pthread_mutex_lock(&server->lock);
    server->replying--;
    receive_next(work);
    pthread_mutex_unlock(&server->lock);
}

static void on_aio(void *context)
{
    struct bus_work *work = context;
    pthread_mutex_lock(&work->server->lock);
    enum work_state state = work->state;
    pthread_mutex_unlock(&work->server->lock);
    switch (state) {
    case WORK_RECEIVING:
        received(work);
        return;
    case WORK_REPLYING:
        replied(work);
        return;
    case WORK_IDLE:
    case WORK_HANDED:
        UNREACHABLE();
    }
}

static void request_free(struct bus_work *work)
{
    nng_msg_free(work->request);
    work->request = NULL;
}

struct mono_ns bus_work_came(const struct bus_work *work)
{
    return work->came;
}

struct bytes bus_work_bytes(const struct bus_work *work)
{
    return bytes_of(nng_msg_body(work->request), nng_msg_len(work->request));
}

void bus_work_reply(struct bus_work *work, struct bytes reply)
{
    PRE(work->request != NULL);
    nng_msg *answer = NULL;
    if (nng_msg_alloc(&answer, 0) != 0 || nng_msg_append(answer, reply.ptr, reply.len) != 0) {
        nng_msg_free(answer); /* out of memory: as if the answer had been lost on its way */
        bus_work_drop(work);
        return;
    }
    request_free(work);
    nng_aio_set_msg(work->aio, answer);
    pthread_mutex_lock(&work->server->lock);
    INVARIANT(work->state == WORK_HANDED);
    work->state = WORK_REPLYING;
    work->server->replying++;
    nng_ctx_send(work->ctx, work->aio);
    pthread_mutex_unlock(&work->server->lock);
}

void bus_work_drop(struct bus_work *work)
{
    request_free(work);
    pthread_mutex_lock(&work->server->lock);
    INVARIANT(work->state == WORK_HANDED);
    receive_next(work);
    pthread_mutex_unlock(&work->server->lock);
}

/* Instance and number stand before the announcement itself. */
void bus_server_announce(struct bus_server *server, struct bytes wire)
{
    nng_msg *message = NULL;
    if (!server->has_events || nng_msg_alloc(&message, 0) != 0) {
        return;
    }
    pthread_mutex_lock(&server->announcing);
    if (nng_msg_append(message, server->instance, sizeof server->instance) != 0 ||
        nng_msg_append_u64(message, ++server->announced) != 0 ||
        nng_msg_append(message, wire.ptr, wire.len) != 0 ||
        nng_sendmsg(server->events, message, NNG_FLAG_NONBLOCK) != 0) {
        nng_msg_free(message);
    }
    pthread_mutex_unlock(&server->announcing);
}

static FALLIBLE listen_on(nng_socket socket, const char *address, const struct bus_tls *tls,
                          struct detail *detail)
{
    nng_listener listener = NNG_LISTENER_INITIALIZER;
    int result = nng_listener_create(&listener, socket, address);
    if (result == 0 && bytes_start_with(bytes_of_text(address), "ipc://")) {
        result = nng_listener_set_int(listener, NNG_OPT_IPC_PERMISSIONS, IPC_MODE);
    }
    if (result == 0) {
        TRY(bus_tls_listener(listener, address, tls, detail)); /* the socket closes it */
        result = nng_listener_set_size(listener, NNG_OPT_RECVMAXSZ, BUS_WIRE_BYTES_MAX);
    }
    if (result == 0) {
        result = nng_listener_start(listener, 0);
    }
    return result == 0 ? OK : bus_open_failed(result, "listening on", address, detail);
}

static FALLIBLE open_sockets(struct bus_server *server, const struct bus_server_options *options,
                             struct detail *detail)
{
    struct bus_addresses addresses = {.count = 0};
    TRY(bus_addresses_read(options->address, &options->tls, detail, &addresses));
    if (addresses.count != 1) {
        detail_set(detail, "a correlator listens on one bus address, not on %zu", addresses.count);
        return FAIL(BAD_CONFIG);
    }
    int result = nng_rep0_open(&server->socket);
    if (result != 0) {
        return bus_open_failed(result, "opening", options->address, detail);
    }
    server->has_socket = true;
    TRY(listen_on(server->socket, addresses.text[0], &options->tls, detail));
    TRY(bus_addresses_read(options->event_address, &options->tls, detail, &addresses));
    if (addresses.count == 0) {
        return OK;
    }
    result = nng_pub0_open(&server->events);
    if (result != 0) {
        return bus_open_failed(result, "opening", options->event_address, detail);
    }
    server->has_events = true;
    result = nng_socket_set_int(server->events, NNG_OPT_SENDBUF, EVENTS_QUEUED_MAX);
    if (result != 0) {
        return bus_open_failed(result, "opening", options->event_address, detail);
    }
    return listen_on(server->events, addresses.text[0], &options->tls, detail);
}

static FALLIBLE make_works(struct bus_server *server, size_t count, struct detail *detail)
{
    server->works = mem_zero(count, sizeof *server->works);
    if (server->works == NULL) {
        return FAIL(MEMORY);
    }
    server->works_count = count;
    for (size_t i = 0; i < count; i++) {
        struct bus_work *work = &server->works[i];
        work->server = server;
        int result = nng_aio_alloc(&work->aio, on_aio, work);
        if (result == 0) {
            result = nng_ctx_open(&work->ctx, server->socket);
            work->has_ctx = result == 0;
        }
        if (result != 0) {
            return bus_open_failed(result, "opening", "a context", detail);
        }
        nng_aio_set_timeout(work->aio, NNG_DURATION_INFINITE);
    }
    return OK;
}

/* With no work handed out. */
static void server_free(void *context)
{
    struct bus_server *server = context;
    if (server->has_socket) {
        nng_close(server->socket);
    }
    if (server->has_events) {
        nng_close(server->events);
    }
    for (size_t i = 0; i < server->works_count; i++) {
        if (server->works[i].aio != NULL) {
            nng_aio_stop(server->works[i].aio);
            nng_aio_free(server->works[i].aio);
        }
    }
    mem_free(server->works);
    pthread_cond_destroy(&server->changed);
    pthread_mutex_destroy(&server->lock);
    pthread_mutex_destroy(&server->announcing);
    mem_free(server);
}

err_t bus_server_open(const struct bus_server_options *options, struct detail *detail,
                      struct bus_server **ret_server)
{
    struct bus_server *server = mem_zero(1, sizeof *server);
    if (server == NULL) {
        return FAIL(MEMORY);
    }
    server->on_work = options->on_work;
    server->context = options->context;
    struct uuid instance = uuid_make();
    memcpy(server->instance, instance.b, sizeof server->instance);
    pthread_mutex_init(&server->lock, NULL);
    pthread_mutex_init(&server->announcing, NULL);
    pthread_cond_init(&server->changed, NULL);
    err_t err = OK;
    TRY_OUT(open_sockets(server, options, detail));
    TRY_OUT(make_works(server, options->contexts == 0 ? BUS_SERVER_CONTEXTS : options->contexts,
                       detail));
    pthread_mutex_lock(&server->lock);
    for (size_t i = 0; i < server->works_count; i++) {
        receive_next(&server->works[i]);
    }
    pthread_mutex_unlock(&server->lock);
    *ret_server = server;
    return OK;
out:
    server_free(server);
    return err;
}

void bus_server_drain(struct bus_server *server)
{
    pthread_mutex_lock(&server->lock);
    server->is_draining = true;
    pthread_mutex_unlock(&server->lock);
    /* A work that is handed out just now is not RECEIVING any more, and cancelling an idle aio is
     * nothing; one that is REPLYING must not lose its reply. */
    for (size_t i = 0; i < server->works_count; i++) {
        pthread_mutex_lock(&server->lock);
        if (server->works[i].state == WORK_RECEIVING) {
            nng_aio_cancel(server->works[i].aio);
        }
        pthread_mutex_unlock(&server->lock);
    }
    pthread_mutex_lock(&server->lock);
    while (server->receiving > 0) {
        pthread_cond_wait(&server->changed, &server->lock);
    }
    pthread_mutex_unlock(&server->lock);
}

void bus_server_close(struct bus_server *server)
{
    if (server == NULL) {
        return;
    }
    bus_server_drain(server);
    pthread_mutex_lock(&server->lock);
    while (server->replying > 0) {
        pthread_cond_wait(&server->changed, &server->lock);
    }
    for (size_t i = 0; i < server->works_count; i++) {
        PRE(server->works[i].state == WORK_IDLE);
    }
    pthread_mutex_unlock(&server->lock);
    clock_sleep_ms(CLOSE_GRACE_MS);
    if (!bounded_call(server_free, server, BUS_CLOSE_MS)) {
        log_warn("bus_left_open", "waited_ms=%d", BUS_CLOSE_MS);
    }
}
