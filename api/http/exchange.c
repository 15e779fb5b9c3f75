#include "api/http/exchange.h"

#include <stdio.h>
#include <strings.h>

#include "api/http/exchange_private.h"
#include "api/http/refuse.h"
#include "proto/base/check.h"
#include "proto/base/mem.h"
#include "proto/http/coding.h"

#include "proto/base/banned.h"

struct api *exchange_api(struct exchange *exchange)
{
    return exchange->api;
}

struct http_request *exchange_http(struct exchange *exchange)
{
    return exchange->request;
}

struct arena *exchange_arena(struct exchange *exchange)
{
    return http_arena(exchange->request);
}

struct uuid exchange_project(const struct exchange *exchange)
{
    return exchange->facts.project;
}

struct uuid exchange_key(const struct exchange *exchange)
{
    return exchange->facts.key;
}

const struct key_hash *exchange_key_hash(const struct exchange *exchange)
{
    return exchange->credential.is_session ? NULL : &exchange->credential.hash;
}

unsigned exchange_scopes(const struct exchange *exchange)
{
    return exchange->facts.scopes;
}

const char *exchange_path_part(const struct exchange *exchange, size_t n)
{
    PRE(n < ROUTE_PARTS_MAX && exchange->match.parts[n] != NULL);
    return exchange->match.parts[n];
}

err_t exchange_db(struct exchange *exchange, struct db **ret_db)
{
    struct detail detail = {0};
    PRE(exchange->thread != NULL && exchange->match.route->pool == ROUTE_POOL_READ);
    return pool_db(exchange->thread, &detail, ret_db);
}

/* Sets it unless the answer says something else. */
static void header_default(struct http_answer *answer, const char *name, const char *value)
{
    for (size_t i = 0; i < HTTP_ANSWER_HEADERS_MAX; i++) {
        if (answer->headers[i].name == NULL) {
            answer->headers[i] = (struct http_header){name, value};
            return;
        }
        if (strcasecmp(answer->headers[i].name, name) == 0) {
            return;
        }
    }
}

/* Whatever answers: a browser neither guesses at its type nor keeps what somebody signed in for. */
void exchange_answer(struct exchange *exchange, const struct http_answer *answer)
{
    struct http_answer sent = *answer;
    header_default(&sent, "x-content-type-options", "nosniff");
    header_default(&sent, "cache-control", "no-store");
    http_answer(exchange->request, &sent);
}

static void header_add(struct http_answer *answer, const char *name, const char *value)
{
    size_t at = 0;
    while (at < HTTP_ANSWER_HEADERS_MAX && answer->headers[at].name != NULL) {
        at++;
    }
    PRE(at < HTTP_ANSWER_HEADERS_MAX);
    answer->headers[at] = (struct http_header){name, value};
}

void exchange_answer_packed(struct exchange *exchange, const struct http_answer *answer)
{
    struct http_answer packed = *answer;
    const char *accepted = http_header(exchange->request, "accept-encoding");
    size_t len = 0;
    uint8_t *body = NULL;
    PRE(answer->free_body == mem_free && answer->free_context == answer->body.ptr);
    if (answer->body.len >= CODING_BYTES_MIN && coding_accepts_gzip(accepted)) {
        body = coding_gzip(answer->body, &len);
    }
    header_add(&packed, "vary", "accept-encoding");
    if (body != NULL) {
        mem_free(answer->free_context);
        packed.body = bytes_of(body, len);
        packed.free_context = body;
        header_add(&packed, "content-encoding", "gzip");
    }
    exchange_answer(exchange, &packed);
}

const struct credential *exchange_credential(const struct exchange *exchange)
{
    return &exchange->credential;
}

err_t exchange_stream(struct exchange *exchange, const struct http_answer *head, size_t bytes_max,
                      struct http_stream **ret_stream)
{
    exchange->is_stream = true; /* before it begins: the exchange may be over when it has */
    err_t err = http_stream_begin(exchange->request, head, bytes_max, ret_stream);
    if (!err_is_ok(err)) {
        exchange->is_stream = false;
    }
    return err;
}

void exchange_json(struct exchange *exchange, unsigned status, json_t *json)
{
    char *text = json == NULL ? NULL : json_dumps(json, JSON_COMPACT);
    json_decref(json);
    if (text == NULL) {
        exchange_error(exchange, 503, "unavailable", "out of memory");
        return;
    }
    struct http_answer answer = {
        .status = status,
        .content_type = "application/json",
        .body = bytes_of_text(text),
        .free_body = mem_free,
        .free_context = text,
    };
    exchange_answer(exchange, &answer);
}

void exchange_bytes(struct exchange *exchange, unsigned status, const char *content_type,
                    struct bytes body)
{
    struct http_answer answer = {.status = status, .content_type = content_type, .body = body};
    exchange_answer(exchange, &answer);
}

void exchange_error(struct exchange *exchange, unsigned status, const char *code,
                    const char *format, ...)
{
    char message[1024];
    struct http_answer answer;
    va_list args;
    va_start(args, format);
    int len = vsnprintf(message, sizeof message, format, args);
    va_end(args);
    refuse_fill(exchange->request, status, code, len < 0 ? code : message, NULL, &answer);
    exchange_answer(exchange, &answer);
}

static unsigned status_of(err_t err)
{
    switch (err_class(err)) {
    case ERR_CLASS_INPUT:
        return err_is(err, ERR_NOT_FOUND) ? 404 : 400;
    case ERR_CLASS_LIMIT:
        return 413;
    case ERR_CLASS_AUTH:
        return err_is(err, ERR_NO_SCOPE) ? 403 : 401;
    case ERR_CLASS_CONFLICT:
        return 409;
    case ERR_CLASS_UNAVAILABLE:
    case ERR_CLASS_CLOSED:
        return 503;
    case ERR_CLASS_NONE:
    case ERR_CLASS_INTERNAL:
        break;
    }
    return 500;
}

void exchange_fail(struct exchange *exchange, err_t err, const struct detail *detail)
{
    unsigned status = status_of(err);
    /* What failed inside is logged by whoever failed; a client learns nothing of our tables. */
    const char *message = status == 500 ? "an internal error" : detail_or_text(detail, err);
    exchange_error(exchange, status, refuse_code(status), "%s", message);
}
