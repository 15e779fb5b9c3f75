#include "tests/bench/http_client.h"

#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <unistd.h>

#include "proto/base/check.h"
#include "proto/base/mem.h"

#include "proto/base/banned.h"

enum { ANSWER_BYTES_MAX = 256 << 20, TEXT_BYTES_MAX = 1024, TIMEOUT_S = 10 };

/* Exporters wait 1 s, and each time half as long again, up to 5 s. */
static const int64_t retry_ms[] = {1000, 1500, 2250, 3375, 5000};
enum { RETRIES = sizeof(retry_ms) / sizeof(retry_ms[0]) };

enum { UPLOAD_BYTES_MIN = 16 << 10, UPLOAD_BYTES_MAX = 512 << 10 };
enum { DOWNLOAD_BYTES = 16 << 10, EVENTS_MAX = 256 };
enum { FILES_BESIDE = 512 }; /* descriptors that are not connections */

/* libcurl walks over all connections of a multi handle once a second and over some of its tables with every
 * request; so a handle gets only some lanes. */
enum { POOL_LANES = 128, POOLS_MAX = 512 };

struct pool {
    struct http_client *client;
    CURLM *multi;
    int64_t timer_ns; /* when libcurl wants to be called; 0: not at all */
    uint32_t number;
    unsigned lanes;
};

struct lane {
    struct http_client *client;
    struct lane *next;
    struct lane *next_waiting;
    struct pool *pool;
    CURL *easy;
    struct curl_slist *headers;
    struct curl_slist *connect_to;
    struct curl_slist *resolve;
    answer_fn *answered;
    void *owner;
    struct buf body;
    struct mono_ns first_sent;
    struct mono_ns again_at; /* of a waiting lane */
    unsigned tries;          /* of this request before */
    bool is_busy;            /* a request is under way or waiting to be sent again */
};

struct queue {
    struct lane *head;
    struct lane *tail;
};

struct http_client {
    const struct http_options *options;
    struct pool *pools[POOLS_MAX];
    unsigned pools_count;
    unsigned lanes_count;
    unsigned port;
    int epoll;
    struct lane *lanes;
    struct queue
        waiting[RETRIES]; /* in one of them all wait equally long, so the first is the next */
    unsigned busy;
    uint64_t retries;
    uint64_t bytes;
};

bool http_client_files_raise(unsigned connections)
{
    struct rlimit limit;
    rlim_t wanted = (rlim_t)connections + FILES_BESIDE;
    INVARIANT(getrlimit(RLIMIT_NOFILE, &limit) == 0);
    if (limit.rlim_cur < wanted) {
        limit.rlim_cur = limit.rlim_max < wanted ? limit.rlim_max : wanted;
        INVARIANT(setrlimit(RLIMIT_NOFILE, &limit) == 0);
    }
    return limit.rlim_cur >= wanted;
}

static unsigned port_of(const char *url)
{
    CURLU *parsed = curl_url();
    char *port = NULL;
    unsigned number = 0;
    if (parsed != NULL && curl_url_set(parsed, CURLUPART_URL, url, 0) == CURLUE_OK &&
        curl_url_get(parsed, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT) == CURLUE_OK) {
        number = (unsigned)strtoul(port, NULL, 10);
    }
    curl_free(port);
    curl_url_cleanup(parsed);
    return number;
}

struct http_client *http_client_new(const struct http_options *options)
{
    struct http_client *client = mem_zero(1, sizeof(*client));
    if (client == NULL) {
        return NULL;
    }
    client->options = options;
    client->port = port_of(options->url);
    client->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (client->epoll == -1) {
        mem_free(client);
        return NULL;
    }
    return client;
}

void http_client_free(struct http_client *client)
{
    if (client == NULL) {
        return;
    }
    while (client->lanes != NULL) {
        struct lane *lane = client->lanes;
        client->lanes = lane->next;
        /* Nothing to do when it fails. */
        (void)curl_multi_remove_handle(lane->pool->multi, lane->easy);
        curl_easy_cleanup(lane->easy);
        curl_slist_free_all(lane->headers);
        curl_slist_free_all(lane->connect_to);
        curl_slist_free_all(lane->resolve);
        buf_fini(&lane->body);
        mem_free(lane);
    }
    for (unsigned i = 0; i < client->pools_count; i++) {
        (void)curl_multi_cleanup(client->pools[i]->multi); /* the process ends next */
        mem_free(client->pools[i]);
    }
    (void)close(client->epoll); /* the process ends next */
    mem_free(client);
}

/* --- libcurl's wishes ----------------------------------------------------------------------------- */

static int socket_wanted(CURL *easy, curl_socket_t fd, int what, void *user, void *socket_user)
{
    struct pool *pool = user;
    struct epoll_event event = {.events = 0,
                                .data.u64 = (uint64_t)pool->number << 32 | (uint32_t)fd};
    (void)easy;
    (void)socket_user;
    if (what == CURL_POLL_REMOVE) {
        /* It may be closed already, and then it is gone from the set. */
        (void)epoll_ctl(pool->client->epoll, EPOLL_CTL_DEL, fd, NULL);
        return 0;
    }
    event.events |= (what & CURL_POLL_IN) != 0 ? EPOLLIN : 0;
    event.events |= (what & CURL_POLL_OUT) != 0 ? EPOLLOUT : 0;
    if (epoll_ctl(pool->client->epoll, EPOLL_CTL_ADD, fd, &event) == -1) {
        INVARIANT(epoll_ctl(pool->client->epoll, EPOLL_CTL_MOD, fd, &event) == 0);
    }
    return 0;
}

static int timer_wanted(CURLM *multi, long ms, void *user)
{
    struct pool *pool = user;
    (void)multi;
    pool->timer_ns = ms < 0 ? 0 : mono_after_ms(clock_mono(), ms).ns;
    return 0;
}

static struct pool *pool_new(struct http_client *client)
{
    struct pool *pool = client->pools_count == POOLS_MAX ? NULL : mem_zero(1, sizeof(*pool));
    if (pool == NULL) {
        return NULL;
    }
    pool->client = client;
    pool->number = client->pools_count;
    pool->multi = curl_multi_init();
    if (pool->multi == NULL) {
        mem_free(pool);
        return NULL;
    }
    curl_multi_setopt(pool->multi, CURLMOPT_SOCKETFUNCTION, socket_wanted);
    curl_multi_setopt(pool->multi, CURLMOPT_SOCKETDATA, pool);
    curl_multi_setopt(pool->multi, CURLMOPT_TIMERFUNCTION, timer_wanted);
    curl_multi_setopt(pool->multi, CURLMOPT_TIMERDATA, pool);
    curl_multi_setopt(pool->multi, CURLMOPT_MAXCONNECTS, 2L * POOL_LANES);
    client->pools[client->pools_count++] = pool;
    return pool;
}

/* --- lanes ---------------------------------------------------------------------------------------- */

static size_t take_body(char *ptr, size_t size, size_t count, void *user)
{
    struct lane *lane = user;
    buf_add(&lane->body, bytes_of(ptr, size * count));
    return err_is_ok(buf_err(&lane->body)) ? size * count : 0;
}

/* libcurl gives a request any idle connection to its host. A name for each lane, all of the same address,
 * ties the lane to its own; the host that the server is asked for and verified by stays the URL's. */
static void name_lane(struct lane *lane, unsigned number)
{
    char text[TEXT_BYTES_MAX];
    (void)snprintf(text, sizeof(text), "::lane%u.invalid:", number);
    lane->connect_to = curl_slist_append(NULL, text);
    (void)snprintf(text, sizeof(text), "lane%u.invalid:%u:127.0.0.1", number, lane->client->port);
    lane->resolve = curl_slist_append(NULL, text);
}

struct lane *lane_new(struct http_client *client, answer_fn *answered, void *owner)
{
    struct lane *lane = mem_zero(1, sizeof(*lane));
    if (lane == NULL) {
        return NULL;
    }
    lane->easy = curl_easy_init();
    lane->pool = client->lanes_count % POOL_LANES == 0 ? pool_new(client)
                                                       : client->pools[client->pools_count - 1];
    if (lane->easy == NULL || lane->pool == NULL) {
        curl_easy_cleanup(lane->easy);
        mem_free(lane);
        return NULL;
    }
    lane->client = client;
    lane->answered = answered;
    lane->owner = owner;
    buf_init(&lane->body, ANSWER_BYTES_MAX);
    name_lane(lane, client->lanes_count++);
    lane->next = client->lanes;
    client->lanes = lane;
    return lane;
}

static struct curl_slist *headers_of(const struct http_client *client,
                                     const struct request *request)
{
    char line[TEXT_BYTES_MAX];
    struct curl_slist *headers = NULL;
    (void)snprintf(line, sizeof(line), "Authorization: Bearer %s", client->options->key);
    headers = curl_slist_append(headers, line);
    (void)snprintf(line, sizeof(line), "%s: %s", request->body == NULL ? "Accept" : "Content-Type",
                   request->type);
    headers = curl_slist_append(headers, line);
    if (request->encoding != NULL) {
        (void)snprintf(line, sizeof(line), "Content-Encoding: %s", request->encoding);
        headers = curl_slist_append(headers, line);
    }
    return curl_slist_append(headers, "Expect:"); /* exporters do not ask first */
}

static void start(struct lane *lane)
{
    buf_reset(&lane->body);
    INVARIANT(curl_multi_add_handle(lane->pool->multi, lane->easy) == CURLM_OK);
}

/* A whole body at a time, if it is not large; each request under way has such a buffer. */
static long upload_bytes(size_t body)
{
    if (body > UPLOAD_BYTES_MAX) {
        return UPLOAD_BYTES_MAX;
    }
    return body < UPLOAD_BYTES_MIN ? UPLOAD_BYTES_MIN : (long)body;
}

void lane_send(struct lane *lane, const struct request *request)
{
    struct http_client *client = lane->client;
    CURL *easy = lane->easy;
    char url[TEXT_BYTES_MAX];
    PRE(!lane->is_busy);
    (void)snprintf(url, sizeof(url), "%s%s", client->options->url, request->path);
    curl_slist_free_all(lane->headers);
    lane->headers = headers_of(client, request);

    curl_easy_reset(easy); /* keeps the connection */
    curl_easy_setopt(easy, CURLOPT_URL, url);
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, lane->headers);
    curl_easy_setopt(easy, CURLOPT_CONNECT_TO, lane->connect_to);
    curl_easy_setopt(easy, CURLOPT_RESOLVE, lane->resolve);
    curl_easy_setopt(easy, CURLOPT_DNS_CACHE_TIMEOUT, -1L);
    curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(easy, CURLOPT_NOPROXY, "*");
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_TCP_NODELAY, 1L);
    curl_easy_setopt(easy, CURLOPT_TIMEOUT, (long)TIMEOUT_S);
    curl_easy_setopt(easy, CURLOPT_BUFFERSIZE, (long)DOWNLOAD_BYTES);
    curl_easy_setopt(easy, CURLOPT_SSL_SESSIONID_CACHE, 0L); /* another call is another process */
    curl_easy_setopt(easy, CURLOPT_FORBID_REUSE, request->is_last ? 1L : 0L);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, take_body);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, lane);
    curl_easy_setopt(easy, CURLOPT_PRIVATE, lane);
    if (client->options->ca != NULL) {
        curl_easy_setopt(easy, CURLOPT_CAINFO, client->options->ca);
        curl_easy_setopt(easy, CURLOPT_CAPATH, NULL); /* else it reads the system's, each time */
    }
    if (request->body != NULL) {
        struct bytes bytes = buf_bytes(request->body);
        curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)bytes.len);
        curl_easy_setopt(easy, CURLOPT_POSTFIELDS, (const char *)bytes.ptr);
        curl_easy_setopt(easy, CURLOPT_UPLOAD_BUFFERSIZE, upload_bytes(bytes.len));
        client->bytes += bytes.len;
    }
    lane->tries = 0;
    lane->is_busy = true;
    client->busy++;
    lane->first_sent = clock_mono();
    start(lane);
}

static bool is_retryable(CURLcode code, long status)
{
    return code != CURLE_OK || status == 429 || status == 502 || status == 503 || status == 504;
}

static void wait_to_retry(struct lane *lane, CURLcode code, long status, struct mono_ns now)
{
    struct http_client *client = lane->client;
    if (client->retries++ == 0) {
        (void)fprintf(stderr, "loadgen: first request to be sent again: %s, status %ld: %.*s\n",
                      curl_easy_strerror(code), status, (int)buf_bytes(&lane->body).len,
                      (const char *)buf_bytes(&lane->body).ptr);
    }
    /* As the API's clients tell it, so that a create is known again; exporters' routes pass over it. */
    lane->headers = curl_slist_append(lane->headers, "X-Stainless-Retry-Count: 1");
    unsigned nth = lane->tries < RETRIES ? lane->tries : RETRIES - 1;
    struct queue *queue = &client->waiting[nth];
    lane->tries++;
    lane->again_at = mono_after_ms(now, retry_ms[nth]);
    lane->next_waiting = NULL;
    if (queue->head == NULL) {
        queue->head = lane;
    } else {
        queue->tail->next_waiting = lane;
    }
    queue->tail = lane;
}

static void finished(struct lane *lane, CURLcode code)
{
    struct http_client *client = lane->client;
    long status = 0;
    (void)curl_easy_getinfo(lane->easy, CURLINFO_RESPONSE_CODE, &status); /* stays 0 */
    INVARIANT(curl_multi_remove_handle(lane->pool->multi, lane->easy) == CURLM_OK);
    struct mono_ns now = clock_mono();
    if (is_retryable(code, status)) {
        wait_to_retry(lane, code, status, now);
        return;
    }
    lane->is_busy = false;
    client->busy--;
    struct answer answer = {
        .status = status, .body = buf_bytes(&lane->body), .at = now, .sent = lane->first_sent};
    lane->answered(lane, lane->owner, &answer);
}

/* --- the turn ------------------------------------------------------------------------------------- */

static void act(struct pool *pool, curl_socket_t fd, int what)
{
    int running;
    int left;
    CURLMsg *message;
    INVARIANT(curl_multi_socket_action(pool->multi, fd, what, &running) == CURLM_OK);
    while ((message = curl_multi_info_read(pool->multi, &left)) != NULL) {
        struct lane *lane = NULL;
        CURLcode code = message->data.result;
        INVARIANT(curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &lane) == CURLE_OK);
        finished(lane, code);
    }
}

static int64_t next_ns(const struct http_client *client, int64_t until)
{
    for (unsigned i = 0; i < RETRIES; i++) {
        const struct lane *lane = client->waiting[i].head;
        until = lane != NULL && lane->again_at.ns < until ? lane->again_at.ns : until;
    }
    for (unsigned i = 0; i < client->pools_count; i++) {
        int64_t timer = client->pools[i]->timer_ns;
        until = timer != 0 && timer < until ? timer : until;
    }
    return until;
}

static void run_timers(struct http_client *client)
{
    struct mono_ns now = clock_mono();
    for (unsigned i = 0; i < client->pools_count; i++) {
        struct pool *pool = client->pools[i];
        if (pool->timer_ns != 0 && pool->timer_ns <= now.ns) {
            pool->timer_ns = 0;
            act(pool, CURL_SOCKET_TIMEOUT, 0);
        }
    }
    for (unsigned i = 0; i < RETRIES; i++) {
        struct queue *queue = &client->waiting[i];
        while (queue->head != NULL && queue->head->again_at.ns <= now.ns) {
            struct lane *lane = queue->head;
            queue->head = lane->next_waiting;
            start(lane);
        }
    }
}

unsigned http_client_turn(struct http_client *client, struct mono_ns until)
{
    struct epoll_event events[EVENTS_MAX];
    int64_t left = next_ns(client, until.ns) - clock_mono().ns;
    left = left < 0 ? 0 : left;
    const struct timespec wait = {.tv_sec = left / NS_PER_S, .tv_nsec = left % NS_PER_S};
    int count = epoll_pwait2(client->epoll, events, EVENTS_MAX, &wait, NULL);
    for (int i = 0; i < count; i++) {
        uint32_t what = events[i].events;
        int flags = ((what & EPOLLIN) != 0 ? CURL_CSELECT_IN : 0) |
                    ((what & EPOLLOUT) != 0 ? CURL_CSELECT_OUT : 0) |
                    ((what & (EPOLLERR | EPOLLHUP)) != 0 ? CURL_CSELECT_ERR : 0);
        act(client->pools[events[i].data.u64 >> 32], (curl_socket_t)(uint32_t)events[i].data.u64,
            flags);
    }
    run_timers(client);
    return client->busy;
}

uint64_t http_client_retries(const struct http_client *client)
{
    return client->retries;
}

uint64_t http_client_bytes(const struct http_client *client)
{
    return client->bytes;
}
