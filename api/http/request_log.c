#include "api/http/request_log.h"

#include "api/http/exchange_private.h"
#include "proto/base/log.h"

#include "proto/base/banned.h"

enum { STATUS_BROKEN = 500, STATUS_UNAVAILABLE = 503 };

static const char *method_of(enum http_method method)
{
    switch (method) {
    case HTTP_METHOD_GET:
        return "GET";
    case HTTP_METHOD_HEAD:
        return "HEAD";
    case HTTP_METHOD_POST:
        return "POST";
    case HTTP_METHOD_PUT:
        return "PUT";
    case HTTP_METHOD_PATCH:
        return "PATCH";
    case HTTP_METHOD_DELETE:
        return "DELETE";
    case HTTP_METHOD_OPTIONS:
        return "OPTIONS";
    case HTTP_METHOD_OTHER:
        break;
    }
    return "OTHER";
}

/* The row's path, never the request's: that holds ids, and whatever a stranger sends. */
static const char *route_of(const struct exchange *exchange)
{
    const struct route *route = exchange == NULL ? NULL : exchange->match.route;
    return route == NULL ? "none" : route->path;
}

void request_log_begin(struct exchange *exchange)
{
    if (exchange->api->tracing != NULL) {
        struct http_request *request = exchange->request;
        exchange->is_untraced = http_header(request, TRACING_HEADER) != NULL;
        exchange->has_parent =
            context_parent_read(http_header(request, "traceparent"), &exchange->parent);
    }
}

/* Overload comes in floods, and clients that leave do, too: one line a second tells of them. */
static bool is_wanted(const struct api *api, unsigned status, uint64_t *ret_left_out)
{
    static struct log_limit limit;
    *ret_left_out = 0;
    switch (api->request_log) {
    case REQUEST_LOG_NONE:
        return false;
    case REQUEST_LOG_ALL:
        return true;
    case REQUEST_LOG_FAILED:
        break;
    }
    if (status == 0 || status == STATUS_UNAVAILABLE) {
        return log_limit_pass(&limit, ret_left_out);
    }
    return status >= STATUS_BROKEN;
}

static void span_add(struct api *api, const struct exchange *exchange, struct http_request *request,
                     unsigned status, int64_t lasted_ns)
{
    struct unix_ns now = clock_unix();
    struct tracing_span span = {
        .has_parent = exchange->has_parent,
        .parent = exchange->parent,
        .method = method_of(http_method(request)),
        .route = route_of(exchange),
        .status = status,
        .start = {.ns = now.ns - lasted_ns},
        .end = now,
    };
    memcpy(span.request_id, http_id(request), strlen(http_id(request)) + 1);
    tracing_add(api->tracing, &span);
}

void request_log_end(struct api *api, const struct exchange *exchange, struct http_request *request,
                     unsigned status)
{
    uint64_t left_out = 0;
    int64_t lasted_ns = clock_mono().ns - http_began(request).ns;
    if (is_wanted(api, status, &left_out)) {
        log_info("request", "request=%s method=%s route=%s status=%u ms=%lld left_out=%llu",
                 http_id(request), method_of(http_method(request)), route_of(exchange), status,
                 (long long)(lasted_ns / NS_PER_MS), (unsigned long long)left_out);
    }
    if (api->tracing != NULL && exchange != NULL && !exchange->is_untraced) {
        span_add(api, exchange, request, status, lasted_ns);
    }
}
