#include "api/http/front.h"

#include "api/api.h"
#include "api/http/exchange_private.h"
#include "api/http/key_store.h"
#include "api/http/key_text.h"
#include "api/http/refuse.h"
#include "api/http/request_log.h"
#include "api/metric.h"
#include "proto/base/check.h"
#include "proto/base/log.h"
#include "proto/base/mem.h"

#include "proto/base/banned.h"

enum {
    /* A head that waited this long for its key's lookup is refused: its client has little patience left. */
    PARKED_MS_MAX = 3000,
};

static void refuse(struct exchange *exchange, enum api_metric reason, unsigned status,
                   const char *code, const char *message)
{
    struct http_answer answer;
    metric_add(reason, 1);
    refuse_fill(exchange->request, status, code, message, NULL, &answer);
    http_answer(exchange->request, &answer);
}

/* --- who may do what -------------------------------------------------------------------------------- */

static void refuse_route(struct exchange *exchange)
{
    struct http_answer answer;
    struct http_request *request = exchange->request;
    metric_add(API_METRIC_REFUSED_ROUTE, 1);
    bool is_post = http_method(request) == HTTP_METHOD_POST;
    /* An exporter that was given no path posts to "/", where a browser finds the pages: it is told the path. */
    if (exchange->match.methods == 0 || (is_post && strcmp(http_path(request), "/") == 0)) {
        const char *sentence = is_post
                                   ? "there is nothing at this path; traces are sent to /v1/traces"
                                   : "there is nothing at this path";
        refuse_fill(request, 404, "not_found", sentence, NULL, &answer);
    } else {
        const char *allow = route_allow(http_arena(request), exchange->match.methods);
        const char *sentence = arena_printf(http_arena(request), "this path takes only %s",
                                            allow == NULL ? "" : allow);
        refuse_fill(request, 405, "method_not_allowed",
                    allow == NULL || sentence == NULL ? "this path does not take this method"
                                                      : sentence,
                    allow, &answer);
    }
    http_answer(request, &answer);
}

static const char *scope_sentence(enum api_scope scope)
{
    switch (scope) {
    case API_SCOPE_INGEST:
        return "the API key lacks the scope ingest";
    case API_SCOPE_READ:
        return "the API key lacks the scope read";
    case API_SCOPE_WRITE:
        return "the API key lacks the scope write";
    case API_SCOPE_MANAGE:
        return "the API key lacks the scope manage";
    case API_SCOPE_NONE:
    case API_SCOPE_ANY:
    case API_SCOPE_SIGNED:
        break;
    }
    return "the API key may not do this";
}

static void head_accept(struct exchange *exchange)
{
    size_t bytes_max = exchange->match.route->body_bytes_max;
    size_t configured = (size_t)exchange->api->conf->body_bytes_max;
    http_accept(exchange->request, bytes_max < configured ? bytes_max : configured);
}

/* Whoever signs has no key of ours, whose share of the bytes in flight its body could count against: all of them
 * together may hold one share, because nobody has looked at a signature before the body is there. */
static void head_accept_signed(struct exchange *exchange)
{
    struct api *api = exchange->api;
    http_set_share(exchange->request, &api->signed_inflight_bytes, api->share_bytes_max);
    head_accept(exchange);
}

/* Exporters send again after 503, all of them, and some drop their batch at 429 or when they are to wait for long; other
 * clients know what 429 means. */
static void refuse_rate(struct exchange *exchange, enum rate_verdict verdict, int64_t wait_ms)
{
    struct http_answer answer;
    struct http_request *request = exchange->request;
    bool is_bytes = verdict == RATE_BYTES;
    const char *sentence = is_bytes
                               ? "the API key has sent more bytes than it may, send again later"
                               : "the API key has sent more requests than it may, send again later";
    metric_add(is_bytes ? API_METRIC_REFUSED_BYTES_PER_S : API_METRIC_REFUSED_REQUESTS_PER_S, 1);
    if (refuse_is_to_exporter(request)) {
        refuse_fill(request, 503, "unavailable", sentence, NULL, &answer);
    } else {
        int64_t seconds = (wait_ms + MS_PER_S - 1) / MS_PER_S;
        const char *text = arena_printf(http_arena(request), "%lld", (long long)seconds);
        refuse_fill(request, 429, refuse_code(429), sentence, NULL, &answer);
        for (size_t i = 0; text != NULL && i < HTTP_ANSWER_HEADERS_MAX; i++) {
            if (answer.headers[i].name == NULL) {
                answer.headers[i] = (struct http_header){"retry-after", text};
                break;
            }
        }
    }
    http_answer(request, &answer);
}

/* The key's facts are known: let the request in or not. */
static void head_decide(struct exchange *exchange)
{
    const struct route *route = exchange->match.route;
    struct api *api = exchange->api;
    int64_t wait_ms = 0;
    enum rate_verdict verdict = RATE_FINE;
    if (exchange->facts.is_valid && rate_is_limited(&api->key_limits)) {
        verdict =
            key_entry_ask(api->keys, exchange->entry, &api->key_limits, clock_mono(), &wait_ms);
    }
    if (verdict != RATE_FINE) {
        refuse_rate(exchange, verdict, wait_ms);
    } else if (!exchange->facts.is_valid) {
        refuse(exchange, API_METRIC_REFUSED_BAD_KEY, 401, "unauthorized",
               exchange->credential.is_session ? "the session has ended, sign in again"
                                               : "the API key is not valid");
    } else if (route == NULL) {
        refuse_route(exchange);
    } else if (route->scope != API_SCOPE_ANY &&
               (exchange->facts.scopes & (unsigned)route->scope) == 0) {
        refuse(exchange, API_METRIC_REFUSED_SCOPE, 403, "forbidden", scope_sentence(route->scope));
    } else {
        http_set_share(exchange->request, key_entry_inflight(exchange->entry),
                       api->share_bytes_max);
        head_accept(exchange);
    }
}

/* --- asking Postgres -------------------------------------------------------------------------------- */

static err_t key_ask(struct pool_thread *thread, struct api *api,
                     const struct credential *credential, struct key_facts *ret_facts,
                     struct key_entry **ret_entry)
{
    static struct log_limit limit;
    struct detail detail = {0};
    struct db *db = NULL;
    uint64_t left_out = 0;
    metric_add(API_METRIC_KEY_MISSES, 1);
    struct mono_ns asked_at = clock_mono(); /* before the question: revocations after it count */
    err_t err = pool_db(thread, &detail, &db);
    if (err_is_ok(err)) {
        err = credential->is_session
                  ? key_store_session(db, &credential->claim, clock_unix().ns / NS_PER_S, &detail,
                                      ret_facts)
                  : key_store_find(db, &credential->hash, &detail, ret_facts);
    }
    if (err_is_ok(err)) {
        err = key_cache_put(api->keys, &credential->hash, asked_at, ret_facts, ret_entry);
    }
    if (!err_is_ok(err) && log_limit_pass(&limit, &left_out)) {
        log_warn("key_lookup_failed", "error=%s left_out=%llu detail=%s", err_name(err),
                 (unsigned long long)left_out, detail_or_text(&detail, err));
    }
    return err;
}

static void key_ask_parked(struct pool_thread *thread, void *context)
{
    struct exchange *exchange = context;
    err_t err = FAIL(TIMEOUT);
    if (mono_ms_between(exchange->parked_at, clock_mono()) < PARKED_MS_MAX) {
        err = key_ask(thread, exchange->api, &exchange->credential, &exchange->facts,
                      &exchange->entry);
    }
    if (err_is_ok(err)) {
        head_decide(exchange);
    } else {
        refuse(exchange, API_METRIC_REFUSED_KEY_UNKNOWABLE, 503, "unavailable",
               "the API key cannot be checked now, send again");
    }
}

struct refresh {
    struct api *api;
    struct credential credential;
};

static void key_ask_ahead(struct pool_thread *thread, void *context)
{
    struct refresh *refresh = context;
    struct key_facts facts;
    if (!err_is_ok(key_ask(thread, refresh->api, &refresh->credential, &facts, NULL))) {
        key_cache_refresh_failed(refresh->api->keys, &refresh->credential.hash);
    }
    mem_free(refresh);
}

static void refresh_begin(struct api *api, const struct credential *credential)
{
    struct refresh *refresh = mem_alloc(sizeof *refresh);
    if (refresh != NULL) {
        *refresh = (struct refresh){api, *credential};
        if (pool_put(api->auth, key_ask_ahead, refresh)) {
            return;
        }
        mem_free(refresh);
    }
    key_cache_refresh_failed(api->keys, &credential->hash);
}

enum standing credential_standing(struct api *api, const struct credential *credential,
                                  enum api_scope scope)
{
    struct key_facts facts = {.is_valid = false};
    struct key_entry *entry = NULL;
    bool wants_refresh = false;
    bool is_known =
        key_cache_find(api->keys, &credential->hash, clock_mono(), &facts, &entry, &wants_refresh);
    key_entry_release(api->keys, entry);
    if (!is_known || wants_refresh) {
        refresh_begin(api, credential);
    }
    if (!is_known) {
        return STANDING_UNKNOWN;
    }
    bool is_good = facts.is_valid && (facts.scopes & (unsigned)scope) != 0;
    return is_good ? STANDING_GOOD : STANDING_ENDED;
}

/* A session may change something only for a script of the pages: other sites can send no header of their own. */
static bool is_from_page(struct http_request *request)
{
    enum http_method method = http_method(request);
    return method == HTTP_METHOD_GET || method == HTTP_METHOD_HEAD ||
           http_header(request, "x-calltrace-page") != NULL;
}

/* False: refused. */
static bool credential_read(struct exchange *exchange)
{
    struct http_request *request = exchange->request;
    struct credential *credential = &exchange->credential;
    struct bytes text;
    const struct key_headers headers = {
        .authorization = http_header(request, "authorization"),
        .roark_key = http_header(request, "x-roark-api-key"),
        .api_key = http_header(request, "x-api-key"),
        .vapi_secret = http_header(request, "x-vapi-secret"),
    };
    if (key_text_of_headers(&headers, &text)) {
        if (!key_text_is_plausible(text) || !err_is_ok(key_text_hash(text, &credential->hash))) {
            refuse(exchange, API_METRIC_REFUSED_BAD_KEY, 401, "unauthorized",
                   "the API key is not valid");
            return false;
        }
        return true;
    }
    if (!session_of_cookie(http_header(request, "cookie"), &text, &credential->claim) ||
        !err_is_ok(key_text_hash(text, &credential->hash))) {
        refuse(exchange, API_METRIC_REFUSED_NO_KEY, 401, "unauthorized",
               "an API key is required: Authorization: Bearer KEY");
        return false;
    }
    credential->is_session = true;
    if (!is_from_page(request)) {
        refuse(exchange, API_METRIC_REFUSED_SCOPE, 403, "forbidden",
               "a session changes nothing without the header x-calltrace-page");
        return false;
    }
    return true;
}

static void head_authenticate(struct exchange *exchange)
{
    struct api *api = exchange->api;
    const struct credential *credential = &exchange->credential;
    if (!credential_read(exchange)) {
        return;
    }
    bool wants_refresh = false;
    struct mono_ns now = clock_mono();
    if (key_cache_find(api->keys, &credential->hash, now, &exchange->facts, &exchange->entry,
                       &wants_refresh)) {
        metric_add(API_METRIC_KEY_HITS, 1);
        if (wants_refresh) {
            refresh_begin(api, credential);
        }
        head_decide(exchange);
        return;
    }
    exchange->parked_at = now;
    http_park(exchange->request);
    if (!pool_put(api->auth, key_ask_parked, exchange)) {
        refuse(exchange, API_METRIC_REFUSED_QUEUE_FULL, 503, "unavailable",
               "too many requests are waiting, send again");
    }
}

/* --- the handlers ----------------------------------------------------------------------------------- */

/* Senders have no business at the listener of the pages, which is plain HTTP. */
static bool is_for_pages(const struct route *route)
{
    switch (route->scope) {
    case API_SCOPE_INGEST:
    case API_SCOPE_WRITE:
    case API_SCOPE_SIGNED:
        return false;
    case API_SCOPE_NONE:
    case API_SCOPE_READ:
    case API_SCOPE_MANAGE:
    case API_SCOPE_ANY:
        break;
    }
    return true;
}

static void on_head(void *context, struct http_request *request)
{
    const struct door *door = context;
    struct api *api = door->api;
    struct exchange *exchange = arena_zero(http_arena(request), 1, sizeof *exchange);
    if (exchange == NULL) {
        http_answer(request,
                    &(struct http_answer){.status = 503, .headers = {{"retry-after", "1"}}});
        return;
    }
    *exchange = (struct exchange){.api = api, .request = request};
    http_set_user(request, exchange);
    request_log_begin(exchange);
    err_t err = route_find(api->routes, api->routes_count, http_arena(request),
                           http_method(request), http_raw_path(request), &exchange->match);
    if (!err_is_ok(err)) {
        refuse(exchange, API_METRIC_REFUSED_MALFORMED, 400, "bad_request", "the path is malformed");
    } else if (door->is_pages_only && exchange->match.route != NULL &&
               !is_for_pages(exchange->match.route)) {
        refuse(exchange, API_METRIC_REFUSED_ROUTE, 404, "not_found",
               "this listener serves the web pages alone; send to the HTTPS address");
    } else if (exchange->match.route != NULL && exchange->match.route->scope == API_SCOPE_NONE) {
        head_accept(exchange);
    } else if (exchange->match.route != NULL && exchange->match.route->scope == API_SCOPE_SIGNED) {
        head_accept_signed(exchange);
    } else {
        head_authenticate(exchange);
    }
}

static void route_run(struct pool_thread *thread, void *context)
{
    struct exchange *exchange = context;
    exchange->thread = thread;
    exchange->match.route->fn(exchange);
}

static void on_request(void *context, struct http_request *request)
{
    const struct door *door = context;
    struct api *api = door->api;
    struct exchange *exchange = http_user(request);
    if (exchange->entry != NULL && rate_is_limited(&api->key_limits)) {
        key_entry_charge(api->keys, exchange->entry, &api->key_limits, clock_mono(),
                         http_body(request).len);
    }
    if (!pool_put(api->pools[exchange->match.route->pool], route_run, exchange)) {
        refuse(exchange, API_METRIC_REFUSED_QUEUE_FULL, 503, "unavailable",
               "too many requests are waiting, send again");
    }
}

static void on_refuse(void *context, struct http_request *request, unsigned status,
                      const char *sentence, struct http_answer *ret_answer)
{
    (void)context;
    metric_add(status == 413   ? API_METRIC_REFUSED_TOO_LARGE
               : status == 503 ? API_METRIC_REFUSED_BYTES_IN_FLIGHT
                               : API_METRIC_REFUSED_MALFORMED,
               1);
    refuse_fill(request, status, refuse_code(status), sentence, NULL, ret_answer);
}

/* Rows of metric.def: four statuses for each of these, in this order. */
enum route_class { CLASS_INGEST = 0, CLASS_READ, CLASS_WRITE, CLASS_SIGNED, CLASS_OTHER };

static enum route_class class_of(const struct exchange *exchange)
{
    const struct route *route = exchange == NULL ? NULL : exchange->match.route;
    if (route == NULL) {
        return CLASS_OTHER;
    }
    switch (route->scope) {
    case API_SCOPE_INGEST:
        return CLASS_INGEST;
    case API_SCOPE_READ:
        return CLASS_READ;
    case API_SCOPE_WRITE:
        return CLASS_WRITE;
    case API_SCOPE_SIGNED:
        return CLASS_SIGNED;
    case API_SCOPE_NONE:
    case API_SCOPE_MANAGE:
    case API_SCOPE_ANY:
        break;
    }
    return CLASS_OTHER;
}

static void on_done(void *context, struct http_request *request, unsigned status)
{
    const struct door *door = context;
    struct api *api = door->api;
    struct exchange *exchange = http_user(request);
    unsigned class = (unsigned)class_of(exchange);
    unsigned column = status == 0 ? 3U : status < 400 ? 0U : status < 500 ? 1U : 2U;
    metric_add(API_METRIC_REQUESTS_INGEST_2XX + class * 4U + column, 1);
    request_log_end(api, exchange, request, status);
    if (exchange == NULL || !exchange->is_stream) {
        metric_seconds(API_METRIC_SECONDS_INGEST + class, clock_mono().ns - http_began(request).ns);
    }
    if (exchange != NULL) {
        key_entry_release(api->keys, exchange->entry);
        exchange->entry = NULL;
    }
}

struct http_handlers front_handlers(struct door *door)
{
    return (struct http_handlers){
        .on_head = on_head,
        .on_request = on_request,
        .on_refuse = on_refuse,
        .on_done = on_done,
        .context = door,
    };
}
