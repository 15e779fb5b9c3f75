#include "api/integrations/fetch.h"

#include <curl/curl.h>
#include <stdio.h>
#include <strings.h>

#include "api/integrations/address.h"
#include "proto/base/buf.h"
#include "proto/base/check.h"
#include "proto/base/clock.h"

#include "proto/base/banned.h"

enum { PORT_BYTES = 8, STATUS_FINE = 200, STATUS_REDIRECT = 300, STATUS_BAD = 400 };
enum { STATUS_TIMEOUT = 408, STATUS_TOO_MANY = 429, STATUS_BROKEN = 500 };
enum { RETRY_AFTER_S_MAX = 86400 };

struct origin {
    char host[FETCH_HOST_BYTES_MAX];
    char port[PORT_BYTES];
};

/* One fetch with its redirects. Owner: the calling thread; libcurl calls back on it. */
struct transfer {
    const struct fetch_options *options;
    struct detail *detail;
    CURL *easy;
    CURLU *url; /* what is asked for now: parsed once, checked and used as the same object */
    struct curl_slist *headers;
    struct buf body;
    struct origin origin;
    bool may_be_private; /* the host was allowed by name */
    bool is_refused;     /* an address was not public */
    bool has_bearer;     /* still at the host that it is for */
};

/* --- where it goes ------------------------------------------------------------------------------------ */

static bool part_copy(CURLU *url, CURLUPart part, unsigned flags, char *ret_text, size_t room)
{
    char *text = NULL;
    bool is_there = curl_url_get(url, part, &text, flags) == CURLUE_OK && strlen(text) < room;
    if (is_there) {
        memcpy(ret_text, text, strlen(text) + 1);
    }
    curl_free(text);
    return is_there;
}

/* Reads a URL into `url` and checks what can be seen without a connection. */
static err_t origin_read(CURLU *url, const char *text, bool may_be_http, struct detail *detail,
                         struct origin *ret_origin)
{
    struct origin origin;
    char scheme[16];
    if (strlen(text) > FETCH_URL_BYTES_MAX) {
        detail_set(detail, "the address is longer than %d characters", FETCH_URL_BYTES_MAX);
        return FAIL(BAD_VALUE);
    }
    CURLUcode code = curl_url_set(url, CURLUPART_URL, text, CURLU_DISALLOW_USER);
    if (code == CURLUE_OUT_OF_MEMORY) {
        return FAIL(MEMORY);
    }
    if (code == CURLUE_USER_NOT_ALLOWED) {
        detail_set(detail, "the address holds a user or a password");
        return FAIL(BAD_VALUE);
    }
    if (code != CURLUE_OK || !part_copy(url, CURLUPART_SCHEME, 0, scheme, sizeof scheme) ||
        !part_copy(url, CURLUPART_HOST, 0, origin.host, sizeof origin.host) ||
        !part_copy(url, CURLUPART_PORT, CURLU_DEFAULT_PORT, origin.port, sizeof origin.port)) {
        detail_set(detail, "the address is no https URL");
        return FAIL(BAD_VALUE);
    }
    if (strcmp(scheme, "https") != 0 && !(may_be_http && strcmp(scheme, "http") == 0)) {
        detail_set(detail, "%s: the address is not https", origin.host);
        return FAIL(BAD_VALUE);
    }
    *ret_origin = origin;
    return OK;
}

static bool host_is_allowed(const struct fetch_options *options, const char *host)
{
    for (size_t i = 0; i < options->hosts_count; i++) {
        if (strcasecmp(options->hosts_allowed[i], host) == 0) {
            return true;
        }
    }
    return false;
}

/* Turns the transfer to another URL. */
static err_t aim(struct transfer *transfer, const char *text)
{
    struct origin origin;
    TRY(origin_read(transfer->url, text, transfer->options->is_operators, transfer->detail,
                    &origin));
    bool is_same = strcasecmp(origin.host, transfer->origin.host) == 0 &&
                   strcmp(origin.port, transfer->origin.port) == 0;
    transfer->has_bearer = transfer->has_bearer && is_same;
    transfer->origin = origin;
    transfer->is_refused = false;
    transfer->may_be_private =
        transfer->options->is_operators || host_is_allowed(transfer->options, origin.host);
    if (!transfer->may_be_private && !address_text_may_be_public(origin.host)) {
        detail_set(transfer->detail, "%s: the address is not on the public internet", origin.host);
        return FAIL(BAD_VALUE);
    }
    return OK;
}

/* --- libcurl's questions ------------------------------------------------------------------------------- */

/* Asked with the address that will be connected to. */
static curl_socket_t on_socket(void *context, curlsocktype purpose, struct curl_sockaddr *address)
{
    struct transfer *transfer = context;
    bool is_ours = transfer->may_be_private || transfer->options->proxy != NULL;
    if (purpose != CURLSOCKTYPE_IPCXN ||
        (!is_ours && !address_is_public(&address->addr, (socklen_t)address->addrlen))) {
        transfer->is_refused = true;
        return CURL_SOCKET_BAD;
    }
    return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

static size_t on_body(char *ptr, size_t size, size_t count, void *context)
{
    struct transfer *transfer = context;
    buf_add(&transfer->body, bytes_of(ptr, size * count));
    return err_is_ok(buf_err(&transfer->body)) ? size * count : 0;
}

/* --- one request --------------------------------------------------------------------------------------- */

static err_t headers_make(struct transfer *transfer, struct arena *arena, const char *type)
{
    struct curl_slist *more = NULL;
    curl_slist_free_all(transfer->headers);
    transfer->headers = curl_slist_append(NULL, "Expect:"); /* the body goes at once */
    if (transfer->headers == NULL) {
        return FAIL(MEMORY);
    }
    if (type != NULL) {
        more = curl_slist_append(transfer->headers, type);
        if (more == NULL) {
            return FAIL(MEMORY);
        }
    }
    if (transfer->options->header != NULL) {
        more = curl_slist_append(transfer->headers, transfer->options->header);
        if (more == NULL) {
            return FAIL(MEMORY);
        }
    }
    if (transfer->has_bearer) {
        char *line = arena_printf(arena, "Authorization: Bearer %s", transfer->options->bearer);
        more = line == NULL ? NULL : curl_slist_append(transfer->headers, line);
        if (more == NULL) {
            return FAIL(MEMORY);
        }
    }
    return OK;
}

/* Everything that does not change from hop to hop. False: libcurl lacks one of them, or memory. */
static bool easy_prepare(struct transfer *transfer)
{
    const struct fetch_options *options = transfer->options;
    CURL *easy = transfer->easy;
    const char *proxy = options->proxy == NULL ? "" : options->proxy;
    const char *no_proxy = options->proxy == NULL ? "*" : "";
    bool is_set =
        curl_easy_setopt(easy, CURLOPT_CURLU, transfer->url) == CURLE_OK &&
        curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR,
                         options->is_operators ? "http,https" : "https") == CURLE_OK &&
        curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L) == CURLE_OK &&
        curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 1L) == CURLE_OK &&
        curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 2L) == CURLE_OK &&
        curl_easy_setopt(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2) == CURLE_OK &&
        curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1) == CURLE_OK &&
        curl_easy_setopt(easy, CURLOPT_PROXY, proxy) == CURLE_OK &&
        curl_easy_setopt(easy, CURLOPT_NOPROXY, no_proxy) == CURLE_OK &&
        curl_easy_setopt(easy, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED) == CURLE_OK &&
        curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L) == CURLE_OK &&
        curl_easy_setopt(easy, CURLOPT_USERAGENT, "calltrace/" CALLTRACE_VERSION) == CURLE_OK &&
        curl_easy_setopt(easy, CURLOPT_MAXFILESIZE_LARGE, (curl_off_t)options->bytes_max) ==
            CURLE_OK &&
        curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)options->connect_ms) == CURLE_OK &&
        curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, on_socket) == CURLE_OK &&
        curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, transfer) == CURLE_OK &&
        curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body) == CURLE_OK &&
        curl_easy_setopt(easy, CURLOPT_WRITEDATA, transfer) == CURLE_OK;
    if (options->ca_file != NULL) {
        /* libcurl would look into the system's directory as well. */
        is_set = is_set && curl_easy_setopt(easy, CURLOPT_CAINFO, options->ca_file) == CURLE_OK &&
                 curl_easy_setopt(easy, CURLOPT_CAPATH, NULL) == CURLE_OK;
    }
    return is_set;
}

static err_t explain_large(const struct transfer *transfer)
{
    if (err_is(buf_err(&transfer->body), ERR_MEMORY)) {
        return FAIL(MEMORY);
    }
    detail_set(transfer->detail, "%s: the answer is larger than %zu bytes", transfer->origin.host,
               transfer->options->bytes_max);
    return FAIL(TOO_LARGE);
}

static err_t explain(const struct transfer *transfer, CURLcode code)
{
    const char *host = transfer->origin.host;
    struct detail *detail = transfer->detail;
    if (transfer->is_refused && code == CURLE_COULDNT_CONNECT) {
        detail_set(detail, "%s: its address is not on the public internet", host);
        return FAIL(BAD_VALUE);
    }
    switch ((int)code) {    /* a hundred codes, of which these mean something here */
    case CURLE_WRITE_ERROR: /* on_body took no more */
    case CURLE_FILESIZE_EXCEEDED:
        return explain_large(transfer);
    case CURLE_OUT_OF_MEMORY:
        return FAIL(MEMORY);
    case CURLE_OPERATION_TIMEDOUT:
        detail_set(detail, "%s: no whole answer in time", host);
        return FAIL(TIMEOUT);
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
        detail_set(detail, "%s: its certificate is not trusted: %s", host,
                   curl_easy_strerror(code));
        return FAIL(BAD_VALUE);
    default:
        detail_set(detail, "%s: %s", host, curl_easy_strerror(code));
        return FAIL(PEER_GONE);
    }
}

/* One request to where the transfer aims, within what is left of the time. */
static err_t perform(struct transfer *transfer, struct mono_ns deadline)
{
    CURL *easy = transfer->easy;
    int64_t left_ms = mono_ms_between(clock_mono(), deadline);
    if (left_ms <= 0) {
        return explain(transfer, CURLE_OPERATION_TIMEDOUT); /* 0 would be no bound to libcurl */
    }
    if (curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)left_ms) != CURLE_OK ||
        curl_easy_setopt(easy, CURLOPT_HTTPHEADER, transfer->headers) != CURLE_OK) {
        return FAIL(MEMORY);
    }
    buf_reset(&transfer->body);
    CURLcode code = curl_easy_perform(easy);
    return code == CURLE_OK ? OK : explain(transfer, code);
}

/* --- a fetch ------------------------------------------------------------------------------------------- */

/* A key goes into a head: what would end its line must not be in it. */
static err_t bearer_check(const char *bearer, struct detail *detail)
{
    for (const char *at = bearer; at != NULL && *at != '\0'; at++) {
        if (*at <= ' ' || *at > '~') {
            detail_set(detail, "the key holds a character that no key has");
            return FAIL(BAD_VALUE);
        }
    }
    return OK;
}

static err_t transfer_open(struct transfer *transfer, const char *url)
{
    const struct fetch_options *options = transfer->options;
    PRE(options->bytes_max > 0 && options->connect_ms > 0 && options->total_ms > 0);
    TRY(bearer_check(options->bearer, transfer->detail));
    buf_init(&transfer->body, options->bytes_max);
    transfer->url = curl_url();
    transfer->easy = curl_easy_init();
    if (transfer->url == NULL || transfer->easy == NULL) {
        return FAIL(MEMORY);
    }
    TRY(aim(transfer, url));
    transfer->has_bearer = options->bearer != NULL;
    return easy_prepare(transfer) ? OK : FAIL(MEMORY);
}

static void transfer_close(struct transfer *transfer)
{
    curl_easy_cleanup(transfer->easy);
    curl_url_cleanup(transfer->url);
    curl_slist_free_all(transfer->headers);
    buf_fini(&transfer->body);
}

static err_t answer_read(struct transfer *transfer, struct arena *arena,
                         struct fetch_answer *ret_answer)
{
    long status = 0;
    curl_off_t retry_after = 0;
    struct fetch_answer answer = {0};
    if (curl_easy_getinfo(transfer->easy, CURLINFO_RESPONSE_CODE, &status) != CURLE_OK ||
        curl_easy_getinfo(transfer->easy, CURLINFO_RETRY_AFTER, &retry_after) != CURLE_OK) {
        return FAIL(INTERNAL);
    }
    answer.status = (unsigned)status;
    if (retry_after > 0) {
        answer.retry_after_s =
            (unsigned)(retry_after < RETRY_AFTER_S_MAX ? retry_after : RETRY_AFTER_S_MAX);
    }
    TRY(arena_copy(arena, buf_bytes(&transfer->body), &answer.body));
    *ret_answer = answer;
    return OK;
}

/* Follows redirects. */
static err_t get_follow(struct transfer *transfer, struct arena *arena, struct mono_ns deadline)
{
    for (unsigned turns = 0;; turns++) {
        char *next = NULL;
        TRY(headers_make(transfer, arena, NULL));
        TRY(perform(transfer, deadline));
        if (curl_easy_getinfo(transfer->easy, CURLINFO_REDIRECT_URL, &next) != CURLE_OK) {
            return FAIL(INTERNAL);
        }
        if (next == NULL) {
            return OK;
        }
        if (turns == FETCH_REDIRECTS_MAX) {
            detail_set(transfer->detail, "%s: more than %d redirects", transfer->origin.host,
                       FETCH_REDIRECTS_MAX);
            return FAIL(BAD_VALUE);
        }
        /* The text is libcurl's and goes with the next request. */
        char *copy = arena_text(arena, bytes_of_text(next));
        if (copy == NULL) {
            return FAIL(NO_SPACE);
        }
        err_t err = aim(transfer, copy);
        if (!err_is_ok(err)) {
            detail_prefix(transfer->detail, "after a redirect");
            return err;
        }
    }
}

/* `ret_last` is the host that answered. */
static err_t get(const struct fetch_options *options, const char *url, struct arena *arena,
                 struct detail *detail, struct origin *ret_last, struct fetch_answer *ret_answer)
{
    err_t err = OK;
    struct transfer transfer = {.options = options, .detail = detail};
    struct mono_ns deadline = mono_after_ms(clock_mono(), options->total_ms);
    TRY_OUT(transfer_open(&transfer, url));
    TRY_OUT(get_follow(&transfer, arena, deadline));
    TRY_OUT(answer_read(&transfer, arena, ret_answer));
    *ret_last = transfer.origin;
out:
    transfer_close(&transfer);
    return err;
}

err_t fetch_get_answer(const struct fetch_options *options, const char *url, struct arena *arena,
                       struct detail *detail, struct fetch_answer *ret_answer)
{
    struct origin last;
    return get(options, url, arena, detail, &last, ret_answer);
}

/* Whether asking again later could bring something else. */
static bool status_is_final(unsigned status)
{
    return status >= STATUS_BAD && status < STATUS_BROKEN && status != STATUS_TIMEOUT &&
           status != STATUS_TOO_MANY;
}

err_t fetch_get(const struct fetch_options *options, const char *url, struct arena *arena,
                struct detail *detail, struct bytes *ret_body)
{
    struct origin last;
    struct fetch_answer answer;
    TRY(get(options, url, arena, detail, &last, &answer));
    if (answer.status >= STATUS_FINE && answer.status < STATUS_REDIRECT) {
        *ret_body = answer.body;
        return OK;
    }
    detail_set(detail, "%s: answered with status %u", last.host, answer.status);
    return status_is_final(answer.status) ? FAIL(NOT_FOUND) : FAIL(PEER_GONE);
}

err_t fetch_post_json(const struct fetch_options *options, const char *url, struct bytes body,
                      struct arena *arena, struct detail *detail, struct fetch_answer *ret_answer)
{
    err_t err = OK;
    struct transfer transfer = {.options = options, .detail = detail};
    struct mono_ns deadline = mono_after_ms(clock_mono(), options->total_ms);
    PRE(body.len > 0);
    TRY_OUT(transfer_open(&transfer, url));
    TRY_OUT(headers_make(&transfer, arena, "Content-Type: application/json"));
    if (curl_easy_setopt(transfer.easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)body.len) !=
            CURLE_OK ||
        curl_easy_setopt(transfer.easy, CURLOPT_POSTFIELDS, body.ptr) != CURLE_OK) {
        err = FAIL(MEMORY);
        goto out;
    }
    TRY_OUT(perform(&transfer, deadline));
    TRY_OUT(answer_read(&transfer, arena, ret_answer));
out:
    transfer_close(&transfer);
    return err;
}

err_t fetch_url_check(const char *url, struct detail *detail, char ret_host[FETCH_HOST_BYTES_MAX])
{
    struct origin origin;
    CURLU *parsed = curl_url();
    if (parsed == NULL) {
        return FAIL(MEMORY);
    }
    err_t err = origin_read(parsed, url, false, detail, &origin);
    curl_url_cleanup(parsed);
    TRY(err);
    memcpy(ret_host, origin.host, sizeof origin.host);
    return OK;
}

err_t fetch_operators_url_check(const char *url, struct detail *detail)
{
    struct origin origin;
    CURLU *parsed = curl_url();
    if (parsed == NULL) {
        return FAIL(MEMORY);
    }
    err_t err = origin_read(parsed, url, true, detail, &origin);
    curl_url_cleanup(parsed);
    return err;
}
