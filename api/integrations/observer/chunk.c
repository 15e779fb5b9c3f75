#include "api/api.h"
#include "api/http/key_store.h"
#include "api/integrations/observer/observer.h"
#include "api/integrations/observer/read.h"
#include "api/integrations/observer/upload.h"
#include "api/metric.h"
#include "api/rest/json_body.h"
#include "proto/base/log.h"

#include "proto/base/banned.h"

enum { HOST_CHARS_MAX = 255 + 6 };

static int64_t now_s(void)
{
    return clock_unix().ns / NS_PER_S;
}

/* --- handing out URLs ------------------------------------------------------------------------------------ */

/* A name or address with a port: what may stand between "//" and "/". */
static bool host_is_plain(const char *host)
{
    static const char allowed[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.-_:[]";
    size_t len = host == NULL ? 0 : strlen(host);
    return len > 0 && len <= HOST_CHARS_MAX && strspn(host, allowed) == len;
}

/* The URL's beginning, as this very client reached us unless the operator has said better. NULL: answered. */
static const char *base_url(struct exchange *exchange)
{
    const struct http_request *request = exchange_http(exchange);
    const char *configured = api_conf(exchange_api(exchange))->public_url;
    const char *host = http_header(request, "Host");
    if (configured[0] != '\0') {
        size_t len = strlen(configured);
        bool has_slash = configured[len - 1] == '/';
        return arena_printf(exchange_arena(exchange), "%.*s", (int)(has_slash ? len - 1 : len),
                            configured);
    }
    if (!host_is_plain(host)) {
        exchange_error(exchange, 400, "bad_request",
                       "the header Host must be a name or address, with a port if there is one");
        return NULL;
    }
    return arena_printf(exchange_arena(exchange), "%s://%s",
                        http_is_tls(request) ? "https" : "http", host);
}

static json_t *upload_json(const char *url, int64_t index, const char *type)
{
    json_t *number = index < 0 ? json_null() : json_integer(index);
    return json_pack("{s:s, s:s, s:s, s:i, s:o}", "uploadUrl", url, "method", "PUT", "contentType",
                     type, "expiresInSeconds", UPLOAD_TOKEN_S, "chunkIndex", number);
}

/* Beside `data` the same at the top: observers have looked in either place. Takes `fields`. */
static json_t *answer_json(json_t *fields)
{
    json_t *answer = json_deep_copy(fields);
    if (answer == NULL || json_object_set_new(answer, "data", fields) != 0) {
        json_decref(answer);
        return NULL;
    }
    return answer;
}

static void url_answer(struct exchange *exchange, int64_t index, const char *type)
{
    char token[UPLOAD_TOKEN_CHARS + 1];
    const struct key_hash *hash = exchange_key_hash(exchange);
    if (hash == NULL) {
        exchange_error(exchange, 403, "forbidden", "an upload is asked for with an API key");
        return;
    }
    const char *base = base_url(exchange);
    if (base == NULL) {
        return;
    }
    err_t err = upload_token_make(exchange_key(exchange), hash, now_s() + UPLOAD_TOKEN_S, token);
    const char *url =
        arena_printf(exchange_arena(exchange), "%s/v1/integrations/chunk?token=%s", base, token);
    if (!err_is_ok(err) || url == NULL) {
        exchange_fail(exchange, err_is_ok(err) ? FAIL(NO_SPACE) : err, &(struct detail){{0}});
        return;
    }
    exchange_json(exchange, 200, answer_json(upload_json(url, index, type)));
}

static void chunk_url(struct exchange *exchange, enum observer observer)
{
    struct arena *arena = exchange_arena(exchange);
    struct detail detail = {{0}};
    struct check_issues issues;
    int64_t index = 0;
    const char *type = NULL;
    if (!json_body_is_readable(exchange)) {
        return;
    }
    err_t err = observer_read_chunk(observer, http_body(exchange_http(exchange)), arena, &detail,
                                    &issues, &index, &type);
    if (!err_is_ok(err)) {
        json_body_refuse(exchange, err, &detail, "request for an upload");
    } else if (issues.count > 0) {
        exchange_json(exchange, 400, check_answer(&issues, arena));
    } else {
        url_answer(exchange, index, type);
    }
}

void observer_livekit_chunk_url(struct exchange *exchange)
{
    chunk_url(exchange, OBSERVER_LIVEKIT);
}

void observer_pipecat_chunk_url(struct exchange *exchange)
{
    chunk_url(exchange, OBSERVER_PIPECAT);
}

/* --- taking what comes ------------------------------------------------------------------------------------ */

static void chunk_refuse(struct exchange *exchange, unsigned status, const char *sentence)
{
    static struct log_limit limit;
    uint64_t left_out = 0;
    metric_add(API_METRIC_CHUNKS_REFUSED, 1);
    if (log_limit_pass(&limit, &left_out)) {
        log_warn("chunk_refused", "request=%s left_out=%llu reason=%s",
                 http_id(exchange_http(exchange)), (unsigned long long)left_out, sentence);
    }
    exchange_error(exchange, status, status == 401 ? "unauthorized" : "forbidden", "%s", sentence);
}

static FALLIBLE token_check(struct exchange *exchange, const struct upload_token *token,
                            struct detail *detail, bool *ret_is_good)
{
    struct db *db = NULL;
    struct key_hash hash;
    bool is_known = false;
    *ret_is_good = false;
    TRY(exchange_db(exchange, &db));
    TRY(key_store_hash(db, token->key, detail, &is_known, &hash));
    return is_known ? upload_token_check(token, &hash, ret_is_good) : OK;
}

void observer_chunk(struct exchange *exchange)
{
    const struct http_request *request = exchange_http(exchange);
    const char *text = http_parameter(request, "token");
    struct upload_token token;
    struct detail detail = {{0}};
    bool is_good = false;
    if (text == NULL) {
        chunk_refuse(exchange, 401,
                     "the token is missing: send to the uploadUrl that chunk-upload-url gave");
        return;
    }
    if (!upload_token_read(bytes_of_text(text), &token)) {
        chunk_refuse(exchange, 403, "the token is not valid: ask chunk-upload-url for a new URL");
        return;
    }
    err_t err = token_check(exchange, &token, &detail, &is_good);
    if (!err_is_ok(err)) {
        exchange_fail(exchange, err, &detail);
    } else if (!is_good) {
        chunk_refuse(exchange, 403, "the token is not valid: ask chunk-upload-url for a new URL");
    } else if (token.until_s < now_s()) {
        chunk_refuse(exchange, 403, "the token has expired: ask chunk-upload-url for a new URL");
    } else {
        metric_add(API_METRIC_CHUNKS_DISCARDED, 1);
        metric_add(API_METRIC_CHUNK_BYTES, http_body(request).len);
        exchange_bytes(exchange, 200, "application/json", bytes_of_text("{\"data\":{}}"));
    }
}
