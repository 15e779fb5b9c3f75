/* The api's end. One req socket per correlator, so that the client and not nng picks the peer, and sends
 * again by itself: nng's own resending turns one stall into a storm of copies.
 *
 * A request has up to two tries, each a context and an aio; the first answer wins. A callback of an aio
 * changes the request's state under the client's lock and calls the api back outside of it. One minder
 * thread looks at the clock: after BUS_RESEND_MS without an answer it starts the second try at another
 * correlator; on a connection that lives, the same bytes need no second copy. Each aio carries the
 * request's deadline as its own timeout, so that nothing outlives BUS_ANSWER_MS. */
#include <nng/nng.h>
#include <nng/protocol/pubsub0/sub.h>
#include <nng/protocol/reqrep0/req.h>
#include <pthread.h>
#include <stdatomic.h>

#include "proto/base/bounded.h"
#include "proto/base/check.h"
#include "proto/base/clock.h"
#include "proto/base/log.h"
#include "proto/base/mem.h"
#include "proto/bus/bus.h"
#include "proto/bus/bus_address.h"
#include "proto/bus/bus_tls.h"

#include "proto/base/banned.h"

enum {
    TRIES_MAX = 2,
    MINDER_TICK_MS = 50,
    RECONNECT_MIN_MS = 20,
    RECONNECT_MAX_MS = 500,
    /* A correlator that was silent gets no first tries for this long. */
    SILENT_MS = 3000,
    SUB_BUFFER = 1024,
};

struct peer {
    nng_socket socket;
    bool has_socket;
    _Atomic int pipe;       /* of the connection that stands; 0: none */
    _Atomic bool is_silent; /* on this connection, when it was last asked */
    /* guarded by the client's lock */
    size_t outstanding;
    struct mono_ns silent_until;
};

/* A try's way: IDLE -> SENDING -> WAITING -> IDLE, moved under the client's lock. */
enum try_state { TRY_IDLE = 0, TRY_SENDING, TRY_WAITING };

struct request;

struct attempt {
    struct request *request;
    struct peer *peer;
    nng_aio *aio;
    nng_ctx ctx;
    bool has_ctx;
    enum try_state state;
};

struct request {
    struct bus_client *client;
    struct request *next; /* the list it is on: free or busy */
    struct request *previous;
    bus_answer_fn *on_answer;
    void *context;
    nng_msg *copy; /* for the second try */
    struct mono_ns began;
    unsigned tries_count;
    unsigned tries_running; /* without an end so far */
    unsigned references;    /* tries whose last callback has not returned */
    bool is_done;           /* the api was called back, or is being */
    bool is_resent;         /* the second try was made, or could not be */
    struct attempt tries[TRIES_MAX];
};

/* One run of a server, and its last announcement that came. */
struct source {
    bool is_known;
    uint8_t instance[BUS_INSTANCE_BYTES];
    uint64_t number;
};

struct bus_client {
    struct peer peers[BUS_ADDRESSES_MAX];
    size_t peers_count;
    pthread_mutex_t lock; /* guards the lists, the requests and the peers' counts */
    pthread_cond_t changed;
    struct request *free;
    struct request *busy_first; /* oldest first, so that the minder stops early */
    struct request *busy_last;
    size_t busy_count;
    size_t outstanding_max;
    bool is_closing;
    pthread_t minder;
    bool has_minder;
    nng_socket events;
    bool has_events;
    pthread_t listener;
    bool has_listener;
    bus_announcement_fn *on_announcement;
    bus_gap_fn *on_gap;
    void *announcement_context;
    struct source sources[BUS_ADDRESSES_MAX]; /* of the listener's thread */
    size_t sources_next;
};

/* --- the lists, with the lock held -------------------------------------------------------------------- */

static void busy_add(struct bus_client *client, struct request *request)
{
    request->next = NULL;
    request->previous = client->busy_last;
    if (client->busy_last != NULL) {
        client->busy_last->next = request;
    } else {
        client->busy_first = request;
    }
    client->busy_last = request;
    client->busy_count++;
}

static void busy_remove(struct bus_client *client, struct request *request)
{
    if (request->previous != NULL) {
        request->previous->next = request->next;
    } else {
        client->busy_first = request->next;
    }
    if (request->next != NULL) {
        request->next->previous = request->previous;
    } else {
        client->busy_last = request->previous;
    }
    client->busy_count--;
}

static void request_release(struct request *request)
{
    struct bus_client *client = request->client;
    nng_msg_free(request->copy);
    request->copy = NULL;
    busy_remove(client, request);
    request->next = client->free;
    client->free = request;
    pthread_cond_broadcast(&client->changed);
}

/* --- choosing --------------------------------------------------------------------------------------- */

static bool peer_is_connected(const struct peer *peer)
{
    return atomic_load(&peer->pipe) != 0;
}

/* The connected peer with the fewest outstanding; a silent one, and `not_this`, only when there is no
 * other. NULL when none is connected. */
static struct peer *peer_choose(struct bus_client *client, const struct peer *not_this,
                                struct mono_ns now)
{
    struct peer *best = NULL;
    unsigned best_rank = 0;
    for (size_t i = 0; i < client->peers_count; i++) {
        struct peer *peer = &client->peers[i];
        if (!peer_is_connected(peer)) {
            continue;
        }
        unsigned rank = (peer == not_this ? 2U : 0U) + (now.ns < peer->silent_until.ns ? 1U : 0U);
        if (best == NULL || rank < best_rank ||
            (rank == best_rank && peer->outstanding < best->outstanding)) {
            best = peer;
            best_rank = rank;
        }
    }
    return best;
}

/* --- a try ------------------------------------------------------------------------------------------ */

static bool try_prepare(struct attempt *attempt, struct peer *peer)
{
    if (attempt->has_ctx && attempt->peer != peer) {
        nng_ctx_close(attempt->ctx);
        attempt->has_ctx = false;
    }
    if (!attempt->has_ctx) {
        attempt->has_ctx = nng_ctx_open(&attempt->ctx, peer->socket) == 0;
    }
    attempt->peer = peer;
    return attempt->has_ctx;
}

/* Takes `message` when it returns true. With the lock held. */
static bool try_start(struct request *request, struct peer *peer, nng_msg *message,
                      struct mono_ns now)
{
    struct attempt *attempt = &request->tries[request->tries_count];
    int64_t left_ms = BUS_ANSWER_MS - mono_ms_between(request->began, now);
    if (left_ms <= 0 || !try_prepare(attempt, peer)) {
        return false;
    }
    request->tries_count++;
    request->tries_running++;
    request->references++;
    peer->outstanding++;
    attempt->state = TRY_SENDING;
    nng_aio_set_timeout(attempt->aio, (nng_duration)left_ms);
    nng_aio_set_msg(attempt->aio, message);
    nng_ctx_send(attempt->ctx, attempt->aio);
    return true;
}

/* With the lock held. A copy is sent, to another correlator when one is there; `may_wait` allows the
 * same address, whose socket sends as soon as it is connected again. */
static void request_resend(struct request *request, bool may_wait, struct mono_ns now)
{
    struct bus_client *client = request->client;
    struct peer *failed = request->tries[0].peer;
    struct peer *peer = peer_choose(client, failed, now);
    if (!may_wait && (peer == NULL || peer == failed)) {
        return;
    }
    request->is_resent = true;
    if (request->copy != NULL &&
        try_start(request, peer == NULL ? failed : peer, request->copy, now)) {
        request->copy = NULL;
    }
}

static err_t failure_of(int result, bool is_closing)
{
    if (is_closing) {
        return FAIL(CLOSED);
    }
    return result == NNG_ETIMEDOUT ? FAIL(TIMEOUT) : FAIL(PEER_GONE);
}

/* A try is over; `answer` is NULL unless it got one. Takes `answer`. */
static void try_over(struct attempt *attempt, int result, nng_msg *answer)
{
    struct request *request = attempt->request;
    struct bus_client *client = request->client;
    struct mono_ns now = clock_mono();
    pthread_mutex_lock(&client->lock);
    attempt->state = TRY_IDLE;
    attempt->peer->outstanding--;
    if (answer != NULL) {
        attempt->peer->silent_until = (struct mono_ns){0};
        atomic_store(&attempt->peer->is_silent, false);
    }
    bool is_lost = answer == NULL && !request->is_done && !client->is_closing;
    if (is_lost && !request->is_resent && result != NNG_ETIMEDOUT) {
        request_resend(request, true, now);
    }
    request->tries_running--;
    bool is_mine = !request->is_done && (answer != NULL || request->tries_running == 0);
    request->is_done = request->is_done || is_mine;
    err_t err = answer != NULL ? OK : failure_of(result, client->is_closing);
    if (is_mine && request->tries_running > 0) {
        for (unsigned i = 0; i < request->tries_count; i++) {
            if (request->tries[i].state != TRY_IDLE) {
                nng_aio_cancel(request->tries[i].aio);
            }
        }
    }
    pthread_mutex_unlock(&client->lock);
    if (is_mine) {
        struct bytes reply = answer == NULL ? bytes_of(NULL, 0)
                                            : bytes_of(nng_msg_body(answer), nng_msg_len(answer));
        request->on_answer(request->context, err, reply);
    }
    nng_msg_free(answer);
    pthread_mutex_lock(&client->lock);
    request->references--;
    if (request->references == 0) {
        request_release(request);
    }
    pthread_mutex_unlock(&client->lock);
}

static void on_try(void *context)
{
    struct attempt *attempt = context;
    struct request *request = attempt->request;
    struct bus_client *client = request->client;
    int result = nng_aio_result(attempt->aio);
    pthread_mutex_lock(&client->lock);
    bool was_sending = attempt->state == TRY_SENDING;
    if (was_sending && result == 0 && !request->is_done && !client->is_closing) {
        int64_t left_ms = BUS_ANSWER_MS - mono_ms_between(request->began, clock_mono());
        attempt->state = TRY_WAITING;
        nng_aio_set_timeout(attempt->aio, left_ms < 1 ? 1 : (nng_duration)left_ms);
        nng_ctx_recv(attempt->ctx, attempt->aio);
        pthread_mutex_unlock(&client->lock);
        return;
    }
    pthread_mutex_unlock(&client->lock);
    nng_msg *answer = NULL;
    if (was_sending && result != 0) {
        nng_msg_free(nng_aio_get_msg(attempt->aio));
    } else if (!was_sending && result == 0) {
        answer = nng_aio_get_msg(attempt->aio);
    }
    try_over(attempt, result, answer);
}

/* --- the minder ------------------------------------------------------------------------------------- */

/* With the lock held. */
static void mind(struct bus_client *client, struct mono_ns now)
{
    for (struct request *request = client->busy_first; request != NULL; request = request->next) {
        if (mono_ms_between(request->began, now) < BUS_RESEND_MS) {
            return;
        }
        if (!request->is_resent && !request->is_done) {
            request->tries[0].peer->silent_until = mono_after_ms(now, SILENT_MS);
            atomic_store(&request->tries[0].peer->is_silent, true);
            request_resend(request, false, now);
        }
    }
}

static void *minder_run(void *context)
{
    struct bus_client *client = context;
    pthread_mutex_lock(&client->lock);
    while (!client->is_closing) {
        pthread_mutex_unlock(&client->lock);
        clock_sleep_ms(MINDER_TICK_MS);
        pthread_mutex_lock(&client->lock);
        mind(client, clock_mono());
    }
    pthread_mutex_unlock(&client->lock);
    return NULL;
}

/* --- sending ---------------------------------------------------------------------------------------- */

static void request_free(struct request *request)
{
    for (unsigned i = 0; i < TRIES_MAX; i++) {
        if (request->tries[i].has_ctx) {
            nng_ctx_close(request->tries[i].ctx);
        }
        if (request->tries[i].aio != NULL) {
            nng_aio_free(request->tries[i].aio);
        }
    }
    mem_free(request);
}

static struct request *request_make(struct bus_client *client)
{
    struct request *request = mem_zero(1, sizeof *request);
    if (request == NULL) {
        return NULL;
    }
    request->client = client;
    for (unsigned i = 0; i < TRIES_MAX; i++) {
        request->tries[i].request = request;
        if (nng_aio_alloc(&request->tries[i].aio, on_try, &request->tries[i]) != 0) {
            request_free(request);
            return NULL;
        }
    }
    return request;
}

static FALLIBLE message_make(struct bytes wire, nng_msg **ret_message)
{
    nng_msg *message = NULL;
    if (nng_msg_alloc(&message, 0) != 0) {
        return FAIL(MEMORY);
    }
    if (nng_msg_append(message, wire.ptr, wire.len) != 0) {
        nng_msg_free(message);
        return FAIL(MEMORY);
    }
    *ret_message = message;
    return OK;
}

/* With the lock held. Takes nothing on failure. */
static FALLIBLE request_start(struct bus_client *client, nng_msg *message, nng_msg *copy,
                              bus_answer_fn *on_answer, void *context)
{
    struct mono_ns now = clock_mono();
    struct peer *peer = peer_choose(client, NULL, now);
    if (client->is_closing) {
        return FAIL(CLOSED);
    }
    if (peer == NULL) {
        return FAIL(PEER_GONE);
    }
    if (client->busy_count >= client->outstanding_max) {
        return FAIL(OVERLOAD);
    }
    struct request *request = client->free;
    if (request == NULL) {
        request = request_make(client);
        if (request == NULL) {
            return FAIL(MEMORY);
        }
    } else {
        client->free = request->next;
    }
    request->began = now;
    request->tries_count = 0;
    request->is_done = false;
    request->is_resent = false;
    request->on_answer = on_answer;
    request->context = context;
    if (!try_start(request, peer, message, now)) {
        request->next = client->free;
        client->free = request;
        return FAIL(MEMORY);
    }
    request->copy = copy;
    busy_add(client, request);
    return OK;
}

err_t bus_client_send(struct bus_client *client, struct bytes wire, bus_answer_fn *on_answer,
                      void *context)
{
    if (wire.len > LIMIT_BUS_BYTES) {
        return FAIL(TOO_LARGE);
    }
    nng_msg *message = NULL;
    nng_msg *copy = NULL;
    err_t err = OK;
    TRY_OUT(message_make(wire, &message));
    TRY_OUT(message_make(wire, &copy));
    pthread_mutex_lock(&client->lock);
    err = request_start(client, message, copy, on_answer, context);
    pthread_mutex_unlock(&client->lock);
    if (err_is_ok(err)) {
        return OK;
    }
out:
    nng_msg_free(message);
    nng_msg_free(copy);
    return err;
}

size_t bus_client_peers(const struct bus_client *client)
{
    size_t connected = 0;
    for (size_t i = 0; i < client->peers_count; i++) {
        connected += peer_is_connected(&client->peers[i]);
    }
    return connected;
}

size_t bus_client_answering(const struct bus_client *client)
{
    size_t answering = 0;
    for (size_t i = 0; i < client->peers_count; i++) {
        const struct peer *peer = &client->peers[i];
        answering += peer_is_connected(peer) && !atomic_load(&peer->is_silent);
    }
    return answering;
}

size_t bus_client_addresses(const struct bus_client *client)
{
    return client->peers_count;
}

size_t bus_client_outstanding(const struct bus_client *client)
{
    /* The lock is no part of what a caller sees as constant. */
    pthread_mutex_t *lock = (pthread_mutex_t *)(uintptr_t)&client->lock;
    pthread_mutex_lock(lock);
    size_t count = client->busy_count;
    pthread_mutex_unlock(lock);
    return count;
}

/* --- announcements ---------------------------------------------------------------------------------- */

static void gap_tell(struct bus_client *client)
{
    if (client->on_gap != NULL) {
        client->on_gap(client->announcement_context);
    }
}

/* Did nothing get lost before this number? The first of a run is taken as it comes: its connection told. */
static bool is_next(struct bus_client *client, const uint8_t *instance, uint64_t number)
{
    for (size_t i = 0; i < BUS_ADDRESSES_MAX; i++) {
        struct source *source = &client->sources[i];
        if (source->is_known && memcmp(source->instance, instance, sizeof source->instance) == 0) {
            bool is_it = number == source->number + 1;
            source->number = number;
            return is_it;
        }
    }
    struct source *oldest = &client->sources[client->sources_next++ % BUS_ADDRESSES_MAX];
    *oldest = (struct source){.is_known = true, .number = number};
    memcpy(oldest->instance, instance, sizeof oldest->instance);
    return true;
}

static bool is_closing(struct bus_client *client)
{
    pthread_mutex_lock(&client->lock);
    bool is_it = client->is_closing;
    pthread_mutex_unlock(&client->lock);
    return is_it;
}

static void *listener_run(void *context)
{
    struct bus_client *client = context;
    nng_msg *message = NULL;
    while (nng_recvmsg(client->events, &message, 0) == 0) {
        if (is_closing(client)) {
            nng_msg_free(message);
            return NULL;
        }
        uint8_t instance[BUS_INSTANCE_BYTES];
        uint64_t number = 0;
        if (nng_msg_len(message) >= BUS_ANNOUNCEMENT_HEAD) {
            memcpy(instance, nng_msg_body(message), sizeof instance);
            (void)nng_msg_trim(message, sizeof instance); /* it is that long */
            (void)nng_msg_trim_u64(message, &number);
            if (!is_next(client, instance, number)) {
                gap_tell(client);
            }
        } else {
            nng_msg_clear(message); /* nobody of ours */
        }
        if (nng_msg_len(message) > 0) {
            client->on_announcement(client->announcement_context,
                                    bytes_of(nng_msg_body(message), nng_msg_len(message)));
        }
        nng_msg_free(message);
    }
    return NULL;
}

/* --- open and close --------------------------------------------------------------------------------- */

static FALLIBLE dial(nng_socket socket, const char *address, const struct bus_tls *tls,
                     struct detail *detail)
{
    nng_dialer dialer = NNG_DIALER_INITIALIZER;
    int result = nng_dialer_create(&dialer, socket, address);
    if (result == 0) {
        TRY(bus_tls_dialer(dialer, address, tls, detail)); /* the socket closes its dialers */
        result = nng_dialer_set_ms(dialer, NNG_OPT_RECONNMINT, RECONNECT_MIN_MS);
    }
    if (result == 0) {
        result = nng_dialer_set_ms(dialer, NNG_OPT_RECONNMAXT, RECONNECT_MAX_MS);
    }
    if (result == 0) {
        result = nng_dialer_set_size(dialer, NNG_OPT_RECVMAXSZ, BUS_WIRE_BYTES_MAX);
    }
    if (result == 0) {
        result = nng_dialer_start(dialer, NNG_FLAG_NONBLOCK);
    }
    return result == 0 ? OK : bus_open_failed(result, "dialing", address, detail);
}

/* A socket with one dialer has one connection at most. One that ended before it stood is removed without having been
 * added, and the end of an old one may be told after its successor. */
static void on_pipe(nng_pipe pipe, nng_pipe_ev event, void *context)
{
    struct peer *peer = context;
    int id = nng_pipe_id(pipe);
    if (event == NNG_PIPE_EV_ADD_POST) {
        atomic_store(&peer->is_silent, false);
        atomic_store(&peer->pipe, id);
    } else {
        (void)atomic_compare_exchange_strong(&peer->pipe, &id, 0); /* another one stands */
    }
}

/* What was announced before this connection was there is not known. */
static void on_events_pipe(nng_pipe pipe, nng_pipe_ev event, void *context)
{
    (void)pipe;
    (void)event;
    gap_tell(context);
}

static FALLIBLE peer_open(struct peer *peer, const char *address, const struct bus_tls *tls,
                          struct detail *detail)
{
    int result = nng_req0_open(&peer->socket);
    if (result != 0) {
        return bus_open_failed(result, "opening", address, detail);
    }
    peer->has_socket = true;
    result = nng_socket_set_ms(peer->socket, NNG_OPT_REQ_RESENDTIME, NNG_DURATION_INFINITE);
    if (result == 0) {
        result = nng_pipe_notify(peer->socket, NNG_PIPE_EV_ADD_POST, on_pipe, peer);
    }
    if (result == 0) {
        result = nng_pipe_notify(peer->socket, NNG_PIPE_EV_REM_POST, on_pipe, peer);
    }
    if (result != 0) {
        return bus_open_failed(result, "opening", address, detail);
    }
    return dial(peer->socket, address, tls, detail);
}

static FALLIBLE open_peers(struct bus_client *client, const struct bus_client_options *options,
                           struct detail *detail)
{
    struct bus_addresses addresses = {.count = 0};
    TRY(bus_addresses_read(options->addresses, &options->tls, detail, &addresses));
    if (addresses.count == 0) {
        detail_set(detail, "the bus needs the address of at least one correlator");
        return FAIL(BAD_CONFIG);
    }
    for (size_t i = 0; i < addresses.count; i++) {
        client->peers_count = i + 1;
        TRY(peer_open(&client->peers[i], addresses.text[i], &options->tls, detail));
    }
    return OK;
}

static FALLIBLE open_events(struct bus_client *client, const struct bus_client_options *options,
                            struct detail *detail)
{
    struct bus_addresses addresses = {.count = 0};
    TRY(bus_addresses_read(options->event_addresses, &options->tls, detail, &addresses));
    if (addresses.count == 0 || options->on_announcement == NULL) {
        return OK;
    }
    client->on_announcement = options->on_announcement;
    client->on_gap = options->on_gap;
    client->announcement_context = options->context;
    int result = nng_sub0_open(&client->events);
    if (result != 0) {
        return bus_open_failed(result, "opening", options->event_addresses, detail);
    }
    client->has_events = true;
    result = nng_socket_set(client->events, NNG_OPT_SUB_SUBSCRIBE, "", 0);
    if (result == 0) {
        result = nng_socket_set_int(client->events, NNG_OPT_RECVBUF, SUB_BUFFER);
    }
    if (result == 0) {
        result = nng_pipe_notify(client->events, NNG_PIPE_EV_ADD_POST, on_events_pipe, client);
    }
    if (result != 0) {
        return bus_open_failed(result, "opening", options->event_addresses, detail);
    }
    for (size_t i = 0; i < addresses.count; i++) {
        TRY(dial(client->events, addresses.text[i], &options->tls, detail));
    }
    if (pthread_create(&client->listener, NULL, listener_run, client) != 0) {
        return FAIL(SYSTEM);
    }
    client->has_listener = true;
    return OK;
}

err_t bus_client_open(const struct bus_client_options *options, struct detail *detail,
                      struct bus_client **ret_client)
{
    struct bus_client *client = mem_zero(1, sizeof *client);
    if (client == NULL) {
        return FAIL(MEMORY);
    }
    client->outstanding_max =
        options->outstanding_max == 0 ? BUS_OUTSTANDING_MAX : options->outstanding_max;
    pthread_mutex_init(&client->lock, NULL);
    pthread_cond_init(&client->changed, NULL);
    err_t err = OK;
    TRY_OUT(open_peers(client, options, detail));
    TRY_OUT(open_events(client, options, detail));
    if (pthread_create(&client->minder, NULL, minder_run, client) != 0) {
        TRY_OUT(FAIL(SYSTEM));
    }
    client->has_minder = true;
    *ret_client = client;
    return OK;
out:
    bus_client_close(client);
    return err;
}

/* Every aio is stopped before any is freed. */
static void stop_requests(struct bus_client *client)
{
    pthread_mutex_lock(&client->lock);
    client->is_closing = true;
    for (struct request *request = client->busy_first; request != NULL; request = request->next) {
        for (unsigned i = 0; i < request->tries_count; i++) {
            if (request->tries[i].state != TRY_IDLE) {
                nng_aio_cancel(request->tries[i].aio);
            }
        }
    }
    while (client->busy_count > 0) {
        pthread_cond_wait(&client->changed, &client->lock);
    }
    pthread_mutex_unlock(&client->lock);
}

static void client_end(void *context)
{
    struct bus_client *client = context;
    if (client->has_events) {
        nng_close(client->events);
    }
    if (client->has_listener) {
        pthread_join(client->listener, NULL);
    }
    while (client->free != NULL) {
        struct request *request = client->free;
        client->free = request->next;
        request_free(request);
    }
    for (size_t i = 0; i < client->peers_count; i++) {
        if (client->peers[i].has_socket) {
            nng_close(client->peers[i].socket);
        }
    }
    pthread_cond_destroy(&client->changed);
    pthread_mutex_destroy(&client->lock);
    mem_free(client);
}

void bus_client_close(struct bus_client *client)
{
    if (client == NULL) {
        return;
    }
    stop_requests(client);
    if (client->has_minder) {
        pthread_join(client->minder, NULL);
    }
    if (!bounded_call(client_end, client, BUS_CLOSE_MS)) {
        log_warn("bus_left_open", "waited_ms=%d", BUS_CLOSE_MS);
    }
}
