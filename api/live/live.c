#include "api/live/live.h"

#include <pthread.h>
#include <time.h>

#include <utlist.h>

#include "api/api.h"
#include "api/http/credential.h"
#include "api/live/ring.h"
#include "api/metric.h"
#include "proto/base/log.h"
#include "proto/base/mem.h"
#include "proto/base/table.h"

#include "proto/base/banned.h"

static const char type_events[] = "text/event-stream";
static const char comment[] = ": still here\n\n";

struct listener {
    struct listener *prev;
    struct listener *next;
    struct http_stream *stream;
    struct credential credential;
    struct mono_ns wrote_at;
    struct mono_ns known_at; /* its key was good */
    struct mono_ns asked_at;
};

/* What is kept of one project. */
struct channel {
    struct uuid project;
    struct ring ring;
    struct listener *listeners;
    size_t listeners_count;
    struct mono_ns left_at; /* the last listener went */
    UT_hash_handle hh;
};

struct live {
    struct live_options options;
    pthread_mutex_t lock; /* guards everything below; taken before any other */
    pthread_cond_t wake;
    pthread_t thread;
    bool has_thread;
    bool is_stopping;
    bool has_news;
    struct channel *channels; /* uthash, at most LIVE_PROJECTS_MAX */
    size_t listeners_count;
    struct buf text;
};

/* A number that no other run has. */
static uint64_t run_make(void)
{
    struct uuid id = uuid_make();
    uint64_t run = 0;
    memcpy(&run, id.b, sizeof run);
    return run;
}

/* --- listeners, with the lock held ------------------------------------------------------------------ */

static void listener_end(struct live *live, struct channel *channel, struct listener *listener)
{
    http_stream_end(listener->stream);
    // NOLINTNEXTLINE(clang-analyzer-core.NullDereference): it stands in the list
    DL_DELETE(channel->listeners, listener);
    mem_free(listener);
    channel->listeners_count--;
    channel->left_at = clock_mono();
    live->listeners_count--;
}

static void listener_write(struct live *live, struct channel *channel, struct listener *listener,
                           struct bytes text)
{
    listener->wrote_at = clock_mono();
    if (!http_stream_write(listener->stream, text)) {
        metric_add(API_METRIC_LIVE_CUT, 1);
        listener_end(live, channel, listener);
    }
}

static void channel_write(struct live *live, struct channel *channel)
{
    struct listener *listener = NULL;
    struct listener *after = NULL;
    struct bytes text = buf_bytes(&live->text);
    DL_FOREACH_SAFE(channel->listeners, listener, after)
    {
        listener_write(live, channel, listener, text);
    }
    buf_reset(&live->text);
}

/* --- dealing ---------------------------------------------------------------------------------------- */

static void channel_deal(struct live *live, struct channel *channel)
{
    struct ring_event event;
    struct ring *ring = &channel->ring;
    buf_reset(&live->text);
    while (ring_next(ring, run_make(), &event)) {
        if (!ring->is_lost) {
            ring_write(ring, ring->dealt, &live->text);
            metric_add(API_METRIC_LIVE_EVENTS, 1);
        }
    }
    if (ring->is_lost) {
        buf_reset(&live->text);
        ring->is_lost = false;
        metric_add(API_METRIC_LIVE_LOST, 1);
        ring_write_word(ring, "refetch", "{}", &live->text);
    }
    if (buf_bytes(&live->text).len > 0) {
        channel_write(live, channel);
    }
}

/* Is its key still good? Asks at most every LIVE_KEY_MS. */
static bool may_listen(struct live *live, struct listener *listener, struct mono_ns now)
{
    if (mono_ms_between(listener->asked_at, now) < LIVE_KEY_MS) {
        return true;
    }
    listener->asked_at = now;
    switch (credential_standing(live->options.api, &listener->credential, API_SCOPE_READ)) {
    case STANDING_GOOD:
        listener->known_at = now;
        return true;
    case STANDING_ENDED:
        return false;
    case STANDING_UNKNOWN:
        break;
    }
    return mono_ms_between(listener->known_at, now) < LIVE_UNKNOWN_MS;
}

static void channel_mind(struct live *live, struct channel *channel)
{
    struct listener *listener = NULL;
    struct listener *after = NULL;
    struct mono_ns now = clock_mono();
    DL_FOREACH_SAFE(channel->listeners, listener, after)
    {
        if (!may_listen(live, listener, now)) {
            buf_reset(&live->text);
            ring_write_word(&channel->ring, "end", "{\"code\":\"unauthorized\"}", &live->text);
            (void)http_stream_write(listener->stream, buf_bytes(&live->text));
            listener_end(live, channel, listener);
        } else if (http_stream_is_gone(listener->stream)) {
            listener_end(live, channel, listener);
        } else if (mono_ms_between(listener->wrote_at, now) >= LIVE_COMMENT_MS) {
            listener_write(live, channel, listener, bytes_of_text(comment));
        }
    }
}

static void channel_free(struct live *live, struct channel *channel)
{
    HASH_DEL(live->channels, channel);
    mem_free(channel);
}

static void deal(struct live *live)
{
    struct channel *channel = NULL;
    struct channel *after = NULL;
    struct mono_ns now = clock_mono();
    live->has_news = false;
    HASH_ITER(hh, live->channels, channel, after)
    {
        channel_deal(live, channel);
        channel_mind(live, channel);
        if (channel->listeners == NULL &&
            mono_ms_between(channel->left_at, now) > (int64_t)LIVE_KEPT_S * MS_PER_S) {
            channel_free(live, channel);
        }
    }
}

/* A burst is dealt as a whole: after the first announcement the next deal waits LIVE_DEAL_MS. */
static void *live_run(void *context)
{
    struct live *live = context;
    struct mono_ns minded = clock_mono();
    (void)pthread_mutex_lock(&live->lock);
    while (!live->is_stopping) {
        int64_t until = mono_after_ms(clock_mono(), LIVE_DEAL_MS).ns;
        struct timespec at = {.tv_sec = until / NS_PER_S, .tv_nsec = until % NS_PER_S};
        while (!live->is_stopping && pthread_cond_timedwait(&live->wake, &live->lock, &at) == 0) {
        }
        bool is_time = mono_ms_between(minded, clock_mono()) >= LIVE_KEY_MS;
        if (!live->is_stopping && (live->has_news || is_time)) {
            minded = is_time ? clock_mono() : minded;
            deal(live);
        }
    }
    (void)pthread_mutex_unlock(&live->lock);
    return NULL;
}

/* --- the bus' side ---------------------------------------------------------------------------------- */

static struct channel *channel_find(struct live *live, struct uuid project)
{
    struct channel *channel = NULL;
    HASH_FIND(hh, live->channels, &project, sizeof project, channel);
    return channel;
}

void live_announced(void *context, struct bytes wire)
{
    struct live *live = context;
    struct bus_announcement told;
    struct detail detail = {0};
    err_t err = bus_announcement_unpack(wire, &detail, &told);
    (void)pthread_mutex_lock(&live->lock);
    if (err_is_ok(err)) {
        const struct ring_event event = {.what = told.what,
                                         .has_conversation = told.has_conversation,
                                         .has_trace = told.has_trace,
                                         .conversation = told.conversation,
                                         .trace = told.trace};
        struct channel *channel = channel_find(live, told.project);
        live->has_news = (channel != NULL && ring_put(&channel->ring, &event)) || live->has_news;
    }
    (void)pthread_mutex_unlock(&live->lock);
    if (!err_is_ok(err)) {
        log_debug("announcement_unread", "detail=%s", detail_or_text(&detail, err));
    }
}

void live_lost(void *context)
{
    struct live *live = context;
    metric_add(API_METRIC_LIVE_GAPS, 1);
    struct channel *channel = NULL;
    struct channel *after = NULL;
    (void)pthread_mutex_lock(&live->lock);
    HASH_ITER(hh, live->channels, channel, after)
    {
        ring_lose(&channel->ring, run_make());
        live->has_news = true;
    }
    (void)pthread_mutex_unlock(&live->lock);
}

/* --- a listener comes -------------------------------------------------------------------------------- */

/* Makes room by the channel that was left longest ago. */
static bool make_room(struct live *live)
{
    struct channel *channel = NULL;
    struct channel *after = NULL;
    struct channel *oldest = NULL;
    if (HASH_COUNT(live->channels) < LIVE_PROJECTS_MAX) {
        return true;
    }
    HASH_ITER(hh, live->channels, channel, after)
    {
        bool is_older = oldest == NULL || channel->left_at.ns < oldest->left_at.ns;
        oldest = channel->listeners == NULL && is_older ? channel : oldest;
    }
    if (oldest == NULL) {
        return false;
    }
    channel_free(live, oldest);
    return true;
}

/* NULL: no room or memory. */
static struct channel *channel_of(struct live *live, struct uuid project)
{
    struct channel *channel = channel_find(live, project);
    if (channel != NULL || !make_room(live)) {
        return channel;
    }
    channel = mem_zero(1, sizeof *channel);
    if (channel == NULL) {
        return NULL;
    }
    channel->project = project;
    channel->left_at = clock_mono();
    ring_init(&channel->ring, run_make());
    TABLE_OOM;
    HASH_ADD(hh, live->channels, project, sizeof channel->project, channel);
    if (table_oom) {
        mem_free(channel);
        return NULL;
    }
    return channel;
}

/* What a listener hears first: how long to wait before it comes again, then where it goes on. */
static void greeting_write(struct live *live, const struct channel *channel, const char *last_id)
{
    const struct ring *ring = &channel->ring;
    uint64_t after = 0;
    buf_reset(&live->text);
    buf_add_text(&live->text, "retry: 2000\n\n");
    if (last_id == NULL || last_id[0] == '\0') {
        ring_write_word(ring, "ready", "{}", &live->text);
    } else if (!ring_find(ring, bytes_of_text(last_id), &after)) {
        ring_write_word(ring, "refetch", "{}", &live->text);
    } else {
        ring_write_word(ring, "ready", "{}", &live->text);
        for (uint64_t n = after + 1; n <= ring->dealt; n++) {
            ring_write(ring, n, &live->text);
        }
    }
}

/* With the lock held. False: answered with a refusal. */
static bool listener_add(struct live *live, struct exchange *exchange)
{
    static const struct http_answer head = {
        .status = 200,
        .content_type = type_events,
        .headers = {{"cache-control", "no-store"},
                    {"x-content-type-options", "nosniff"},
                    {"x-accel-buffering", "no"}},
    };
    struct channel *channel = channel_of(live, exchange_project(exchange));
    struct listener *listener = mem_zero(1, sizeof *listener);
    bool has_room = !live->is_stopping && channel != NULL && listener != NULL &&
                    live->listeners_count < live->options.listeners_max &&
                    channel->listeners_count < live->options.listeners_per_project_max;
    if (!has_room) {
        mem_free(listener);
        exchange_error(exchange, 503, "too_many_listeners",
                       "too many pages listen to this project or server, try again later");
        return false;
    }
    struct mono_ns now = clock_mono();
    listener->credential = *exchange_credential(exchange);
    listener->wrote_at = now;
    listener->known_at = now;
    listener->asked_at = now;
    greeting_write(live, channel, http_header(exchange_http(exchange), "last-event-id"));
    err_t err = exchange_stream(exchange, &head, LIVE_BYTES_MAX, &listener->stream);
    if (!err_is_ok(err)) {
        mem_free(listener);
        exchange_fail(exchange, err, &(struct detail){0});
        return false;
    }
    DL_APPEND(channel->listeners, listener);
    channel->listeners_count++;
    live->listeners_count++;
    listener_write(live, channel, listener, buf_bytes(&live->text));
    return true;
}

void live_get(struct exchange *exchange)
{
    struct live *live = exchange_api(exchange)->live;
    if (http_method(exchange_http(exchange)) == HTTP_METHOD_HEAD) {
        exchange_bytes(exchange, 200, type_events, bytes_of(NULL, 0));
        return;
    }
    (void)pthread_mutex_lock(&live->lock);
    (void)listener_add(live, exchange); /* a refusal is answered */
    (void)pthread_mutex_unlock(&live->lock);
}

size_t live_listeners(struct live *live)
{
    (void)pthread_mutex_lock(&live->lock);
    size_t count = live->listeners_count;
    (void)pthread_mutex_unlock(&live->lock);
    return count;
}

/* --- start and end ------------------------------------------------------------------------------------ */

err_t live_start(const struct live_options *options, struct live **ret_live)
{
    enum { TEXT_BYTES_MAX = 1 << 20 }; /* of one deal: RING_EVENTS of 150 bytes */
    struct live *live = mem_zero(1, sizeof *live);
    pthread_condattr_t attributes;
    if (live == NULL) {
        return FAIL(MEMORY);
    }
    live->options = *options;
    buf_init(&live->text, TEXT_BYTES_MAX);
    (void)pthread_mutex_init(&live->lock, NULL); /* these cannot fail on Linux */
    (void)pthread_condattr_init(&attributes);
    (void)pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&live->wake, &attributes);
    (void)pthread_condattr_destroy(&attributes);
    if (pthread_create(&live->thread, NULL, live_run, live) != 0) {
        live_free(live);
        return FAIL(SYSTEM);
    }
    live->has_thread = true;
    *ret_live = live;
    return OK;
}

void live_stop(struct live *live)
{
    if (live == NULL) {
        return;
    }
    (void)pthread_mutex_lock(&live->lock);
    live->is_stopping = true;
    (void)pthread_cond_signal(&live->wake);
    struct channel *channel = NULL;
    struct channel *after = NULL;
    HASH_ITER(hh, live->channels, channel, after)
    {
        while (channel->listeners != NULL) {
            listener_end(live, channel, channel->listeners);
        }
    }
    bool has_thread = live->has_thread;
    live->has_thread = false;
    (void)pthread_mutex_unlock(&live->lock);
    if (has_thread) {
        (void)pthread_join(live->thread, NULL);
    }
}

void live_free(struct live *live)
{
    if (live == NULL) {
        return;
    }
    struct channel *channel = NULL;
    struct channel *after = NULL;
    HASH_ITER(hh, live->channels, channel, after)
    {
        channel_free(live, channel);
    }
    buf_fini(&live->text);
    (void)pthread_cond_destroy(&live->wake);
    (void)pthread_mutex_destroy(&live->lock);
    mem_free(live);
}
