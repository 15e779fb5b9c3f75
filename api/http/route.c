#include "api/http/route.h"

#include "proto/base/banned.h"

struct segments {
    const char *part[ROUTE_SEGMENTS_MAX];
    size_t count;
    bool is_too_long;
};

/* "/a/b" has two segments, "/a/" has "a" and "". */
static err_t segments_read(struct arena *arena, const char *raw_path, struct segments *ret_segments)
{
    *ret_segments = (struct segments){0};
    const char *at = raw_path;
    while (*at == '/') {
        at++;
        size_t len = strcspn(at, "/");
        if (ret_segments->count == ROUTE_SEGMENTS_MAX) {
            ret_segments->is_too_long = true;
            return OK;
        }
        TRY(http_percent_decode(arena, bytes_of(at, len), false,
                                &ret_segments->part[ret_segments->count]));
        ret_segments->count++;
        at += len;
    }
    return OK;
}

static bool route_fits(const struct route *route, const struct segments *segments,
                       const char *parts[ROUTE_PARTS_MAX])
{
    const char *at = route->path;
    size_t parts_count = 0;
    for (size_t i = 0; i < segments->count; i++) {
        if (*at != '/') {
            return false;
        }
        at++;
        size_t len = strcspn(at, "/");
        const char *part = segments->part[i];
        if (*at == '{' && *part != '\0' && parts_count < ROUTE_PARTS_MAX) {
            parts[parts_count++] = part;
        } else if (strlen(part) != len || memcmp(part, at, len) != 0) {
            return false;
        }
        at += len;
    }
    return *at == '\0' && segments->count > 0;
}

err_t route_find(const struct route *routes, size_t count, struct arena *arena,
                 enum http_method method, const char *raw_path, struct route_match *ret_match)
{
    struct segments segments;
    *ret_match = (struct route_match){0};
    TRY(segments_read(arena, raw_path, &segments));
    if (segments.is_too_long) {
        return OK;
    }
    enum http_method wanted = method == HTTP_METHOD_HEAD ? HTTP_METHOD_GET : method;
    for (size_t i = 0; i < count; i++) {
        const char *parts[ROUTE_PARTS_MAX] = {0};
        if (!route_fits(&routes[i], &segments, parts)) {
            continue;
        }
        ret_match->methods |= 1U << routes[i].method;
        if (routes[i].method == wanted && ret_match->route == NULL) {
            ret_match->route = &routes[i];
            memcpy(ret_match->parts, parts, sizeof parts);
        }
    }
    if ((ret_match->methods & 1U << HTTP_METHOD_GET) != 0) {
        ret_match->methods |= 1U << HTTP_METHOD_HEAD;
    }
    return OK;
}

const char *route_allow(struct arena *arena, unsigned methods)
{
    static const char *const names[] = {
        [HTTP_METHOD_GET] = "GET",         [HTTP_METHOD_HEAD] = "HEAD",
        [HTTP_METHOD_POST] = "POST",       [HTTP_METHOD_PUT] = "PUT",
        [HTTP_METHOD_PATCH] = "PATCH",     [HTTP_METHOD_DELETE] = "DELETE",
        [HTTP_METHOD_OPTIONS] = "OPTIONS",
    };
    const char *text = "";
    for (size_t i = HTTP_METHOD_GET; i <= HTTP_METHOD_OPTIONS && text != NULL; i++) {
        if ((methods & 1U << i) != 0) {
            text = arena_printf(arena, "%s%s%s", text, *text == '\0' ? "" : ", ", names[i]);
        }
    }
    return text;
}
