#include "api/http/refuse.h"

#include <stdio.h>
#include <strings.h>

#include <jansson.h>

#include "api/api.h"
#include "api/http/exchange_private.h"
#include "api/ingest/ingest.h"
#include "proto/base/mem.h"

#include "proto/base/banned.h"

const char *refuse_code(unsigned status)
{
    static const struct {
        unsigned status;
        const char *code;
    } codes[] = {
        {400, "bad_request"},   {401, "unauthorized"},       {403, "forbidden"},
        {404, "not_found"},     {405, "method_not_allowed"}, {406, "not_acceptable"},
        {409, "conflict"},      {413, "too_large"},          {415, "unsupported_media_type"},
        {422, "unprocessable"}, {429, "too_many_requests"},  {431, "head_too_large"},
        {500, "internal"},      {503, "unavailable"},        {505, "http_version_not_supported"},
    };
    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++) {
        if (codes[i].status == status) {
            return codes[i].code;
        }
    }
    return status < 500 ? "bad_request" : "internal";
}

/* OTLP paths, but not the explorer that shares /v1/traces; where an exporter goes that was given no path, or
 * that sends a signal still in development; and whoever sends protobuf. */
bool refuse_is_to_exporter(struct http_request *request)
{
    static const char development[] = "/v1development/";
    static const char protobuf[] = "application/x-protobuf";
    const char *path = http_path(request);
    const char *type = http_header(request, "content-type");
    bool is_read =
        http_method(request) == HTTP_METHOD_GET || http_method(request) == HTTP_METHOD_HEAD;
    return !is_read && (ingest_is_otlp_path(path) || strcmp(path, "/") == 0 ||
                        strncmp(path, development, sizeof development - 1) == 0 ||
                        (type != NULL && strncasecmp(type, protobuf, sizeof protobuf - 1) == 0));
}

static struct bytes json_body(struct arena *arena, const char *code, const char *message)
{
    static const char fallback[] = "{\"code\":\"unavailable\",\"message\":\"out of memory\"}";
    struct bytes body = bytes_of_text(fallback);
    json_t *json = json_pack("{s:s, s:s}", "code", code, "message", message);
    char *text = json == NULL ? NULL : json_dumps(json, JSON_COMPACT);
    if (text != NULL) {
        char *copy = arena_text(arena, bytes_of_text(text));
        body = copy == NULL ? body : bytes_of_text(copy);
    }
    mem_free(text);
    json_decref(json);
    return body;
}

static size_t headers_begin(struct http_answer *answer)
{
    answer->headers[0] = (struct http_header){"x-content-type-options", "nosniff"};
    answer->headers[1] = (struct http_header){"cache-control", "no-store"};
    return 2;
}

/* A program that sends traces, or tries to, at a wrong path. People at the pages see their refusals themselves. */
static bool is_export(struct http_request *request, const struct exchange *exchange)
{
    return http_method(request) == HTTP_METHOD_POST && !exchange->credential.is_session &&
           (exchange->match.route == NULL || exchange->match.route->scope == API_SCOPE_INGEST ||
            refuse_is_to_exporter(request));
}

/* The set-up page shows it (GET /v1/refusal). Only what its sender has to change: not an overload. */
static void refusal_note(struct http_request *request, unsigned status, const char *message)
{
    struct exchange *exchange = http_user(request);
    if (exchange == NULL || exchange->entry == NULL || status >= 500 ||
        !is_export(request, exchange)) {
        return;
    }
    struct key_refusal refusal = {.at = clock_unix(), .status = status};
    (void)snprintf(refusal.path, sizeof refusal.path, "%s", http_path(request));
    (void)snprintf(refusal.text, sizeof refusal.text, "%s", message);
    key_entry_refused(exchange->api->keys, exchange->entry, &refusal);
}

void refuse_fill(struct http_request *request, unsigned status, const char *code,
                 const char *message, const char *allow, struct http_answer *ret_answer)
{
    refusal_note(request, status, message);
    if (refuse_is_to_exporter(request)) {
        ingest_status_answer(request, status, message, ret_answer);
        return;
    }
    *ret_answer = (struct http_answer){
        .status = status,
        .content_type = "application/json",
        .body = json_body(http_arena(request), code, message),
    };
    size_t count = headers_begin(ret_answer);
    if (allow != NULL) {
        ret_answer->headers[count++] = (struct http_header){"allow", allow};
    }
    if (status == 401) {
        ret_answer->headers[count++] = (struct http_header){"www-authenticate", "Bearer"};
    } else if (status == 409) {
        ret_answer->headers[count++] = (struct http_header){"x-should-retry", "false"};
    } else if (status == 503) {
        ret_answer->headers[count++] = (struct http_header){"retry-after", "1"};
    }
}
