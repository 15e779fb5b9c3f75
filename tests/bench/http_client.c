#include "tests/bench/http_client.h"

#include <curl/curl.h>
#include <stdio.h>

#include "proto/base/check.h"
#include "proto/base/mem.h"

#include "proto/base/banned.h"

enum { ANSWER_BYTES_MAX = 256 << 20, PATH_BYTES_MAX = 512, RETRY_MS = 1000, TIMEOUT_S = 10 };
enum { UPLOAD_BYTES = 512 << 10 };

struct lane {
    struct http_client *client;
    struct lane *next;
    CURL *easy;
    struct curl_slist *headers;
    answer_fn *answered;
    void *owner;
    struct buf body;
    struct mono_ns first_sent;
    struct mono_ns again_at; /* when is_waiting */
    bool is_busy;            /* a request is under way or waiting */
    bool is_waiting;         /* to be sent again */
};

struct http_client {
    const struct http_options *options;
    CURLM *multi;
    struct lane *lanes;
    unsigned busy;
    uint64_t retries;
    uint64_t bytes;
};

struct http_client *http_client_new(const struct http_options *options)
{
    struct http_client *client = mem_zero(1, sizeof(*client));
    if (client == NULL) {
        return NULL;
    }
    client->options = options;
    client->multi = curl_multi_init();
    if (client->multi == NULL) {
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
        (void)curl_multi_remove_handle(client->multi, lane->easy); /* nothing to do when it fails */
        curl_easy_cleanup(lane->easy);
        curl_slist_free_all(lane->headers);
        buf_fini(&lane->body);
        mem_free(lane);
    }
    (void)curl_multi_cleanup(client->multi); /* the process ends next */
    mem_free(client);
}

static size_t take_body(char *ptr, size_t size, size_t count, void *user)
{
    struct lane *lane = user;
    buf_add(&lane->body, bytes_of(ptr, size * count));
    return err_is_ok(buf_err(&lane->body)) ? size * count : 0;
}

struct lane *lane_new(struct http_client *client, answer_fn *answered, void *owner)
{
    struct lane *lane = mem_zero(1, sizeof(*lane));
    if (lane == NULL) {
        return NULL;
    }
    lane->easy = curl_easy_init();
    if (lane->easy == NULL) {
        mem_free(lane);
        return NULL;
    }
    lane->client = client;
    lane->answered = answered;
    lane->owner = owner;
    buf_init(&lane->body, ANSWER_BYTES_MAX);
    lane->next = client->lanes;
    client->lanes = lane;
    return lane;
}

static struct curl_slist *headers_of(const struct http_client *client, const char *type,
                                     bool is_get)
{
    char line[1024];
    struct curl_slist *headers = NULL;
    (void)snprintf(line, sizeof(line), "Authorization: Bearer %s", client->options->key);
    headers = curl_slist_append(headers, line);
    (void)snprintf(line, sizeof(line), "%s: %s", is_get ? "Accept" : "Content-Type", type);
    headers = curl_slist_append(headers, line);
    return curl_slist_append(headers, "Expect:"); /* exporters do not ask first */
}

static void start(struct lane *lane)
{
    buf_reset(&lane->body);
    lane->is_waiting = false;
    INVARIANT(curl_multi_add_handle(lane->client->multi, lane->easy) == CURLM_OK);
}

void lane_send(struct lane *lane, const char *path, const char *type, const struct buf *body)
{
    struct http_client *client = lane->client;
    CURL *easy = lane->easy;
    char url[PATH_BYTES_MAX];
    PRE(!lane->is_busy);
    (void)snprintf(url, sizeof(url), "%s%s", client->options->url, path);
    curl_slist_free_all(lane->headers);
    lane->headers = headers_of(client, type, body == NULL);

    curl_easy_reset(easy); /* keeps the connection */
    curl_easy_setopt(easy, CURLOPT_URL, url);
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, lane->headers);
    curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(easy, CURLOPT_NOPROXY, "*");
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_TCP_NODELAY, 1L);
    curl_easy_setopt(easy, CURLOPT_TIMEOUT, (long)TIMEOUT_S);
    curl_easy_setopt(easy, CURLOPT_UPLOAD_BUFFERSIZE, (long)UPLOAD_BYTES);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, take_body);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, lane);
    curl_easy_setopt(easy, CURLOPT_PRIVATE, lane);
    if (client->options->ca != NULL) {
        curl_easy_setopt(easy, CURLOPT_CAINFO, client->options->ca);
    }
    if (body != NULL) {
        struct bytes bytes = buf_bytes(body);
        curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)bytes.len);
        curl_easy_setopt(easy, CURLOPT_POSTFIELDS, (const char *)bytes.ptr);
        client->bytes += bytes.len;
    }
    lane->is_busy = true;
    client->busy++;
    lane->first_sent = clock_mono();
    start(lane);
}

static bool is_retryable(CURLcode code, long status)
{
    return code != CURLE_OK || status == 429 || status == 502 || status == 503 || status == 504;
}

static void finished(struct lane *lane, CURLcode code)
{
    struct http_client *client = lane->client;
    long status = 0;
    (void)curl_easy_getinfo(lane->easy, CURLINFO_RESPONSE_CODE, &status); /* stays 0 */
    INVARIANT(curl_multi_remove_handle(client->multi, lane->easy) == CURLM_OK);
    struct mono_ns now = clock_mono();
    if (is_retryable(code, status)) {
        if (client->retries++ == 0) {
            (void)fprintf(stderr, "loadgen: first request to be sent again: %s, status %ld: %.*s\n",
                          curl_easy_strerror(code), status, (int)buf_bytes(&lane->body).len,
                          (const char *)buf_bytes(&lane->body).ptr);
        }
        lane->is_waiting = true;
        lane->again_at = mono_after_ms(now, RETRY_MS);
        return;
    }
    lane->is_busy = false;
    client->busy--;
    struct answer answer = {
        .status = status, .body = buf_bytes(&lane->body), .at = now, .sent = lane->first_sent};
    lane->answered(lane, lane->owner, &answer);
}

unsigned http_client_turn(struct http_client *client, int ms)
{
    int running;
    int left;
    CURLMsg *message;
    INVARIANT(curl_multi_poll(client->multi, NULL, 0, ms, NULL) == CURLM_OK);
    INVARIANT(curl_multi_perform(client->multi, &running) == CURLM_OK);
    while ((message = curl_multi_info_read(client->multi, &left)) != NULL) {
        struct lane *lane = NULL;
        CURLcode code = message->data.result;
        INVARIANT(curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &lane) == CURLE_OK);
        finished(lane, code);
    }
    struct mono_ns now = clock_mono();
    for (struct lane *lane = client->lanes; lane != NULL; lane = lane->next) {
        if (lane->is_waiting && now.ns >= lane->again_at.ns) {
            start(lane);
        }
    }
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
