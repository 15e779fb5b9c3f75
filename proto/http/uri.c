#include "proto/http/uri.h"

#include <strings.h>

#include "proto/base/banned.h"

static int hex_value(uint8_t c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    uint8_t lower = (uint8_t)(c | 0x20);
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

/* One octet of the decoded text. */
static err_t decode_one(struct bytes text, size_t *at, bool plus_is_space, char *ret_octet)
{
    uint8_t c = text.ptr[*at];
    if (c != '%') {
        *ret_octet = (char)c;
        if (plus_is_space && c == '+') {
            *ret_octet = ' ';
        }
        *at += 1;
        return OK;
    }
    if (text.len - *at < 3) {
        return FAIL(MALFORMED);
    }
    int high = hex_value(text.ptr[*at + 1]);
    int low = hex_value(text.ptr[*at + 2]);
    if (high < 0 || low < 0 || (high == 0 && low == 0)) {
        return FAIL(MALFORMED);
    }
    *ret_octet = (char)(high << 4 | low);
    *at += 3;
    return OK;
}

err_t http_percent_decode(struct arena *arena, struct bytes text, bool plus_is_space,
                          const char **ret_text)
{
    char *out = arena_alloc(arena, text.len + 1);
    if (out == NULL) {
        return FAIL(NO_SPACE);
    }
    size_t len = 0;
    for (size_t at = 0; at < text.len;) {
        TRY(decode_one(text, &at, plus_is_space, &out[len]));
        len++;
    }
    out[len] = '\0';
    if (!bytes_are_utf8(bytes_of(out, len))) {
        return FAIL(MALFORMED);
    }
    *ret_text = out;
    return OK;
}

/* The absolute form ("GET http://host/path") is legal towards any server: what counts begins at the path. */
static const char *without_authority(const char *target)
{
    static const char *const schemes[] = {"http://", "https://"};
    for (size_t i = 0; i < 2; i++) {
        size_t len = strlen(schemes[i]);
        if (strncasecmp(target, schemes[i], len) == 0) {
            const char *rest = target + len + strcspn(target + len, "/?");
            return *rest == '\0' ? "/" : rest;
        }
    }
    return target;
}

static size_t pieces_count(const char *query)
{
    size_t count = 1;
    for (const char *at = query; *at != '\0'; at++) {
        count += *at == '&';
    }
    return count;
}

static err_t parameter_read(struct arena *arena, struct bytes piece,
                            struct http_parameter *ret_parameter)
{
    const uint8_t *equals = memchr(piece.ptr, '=', piece.len);
    size_t name_len = equals == NULL ? piece.len : (size_t)(equals - piece.ptr);
    size_t value_at = equals == NULL ? piece.len : name_len + 1;
    TRY(http_percent_decode(arena, bytes_of(piece.ptr, name_len), true, &ret_parameter->name));
    return http_percent_decode(arena, bytes_of(piece.ptr + value_at, piece.len - value_at), true,
                               &ret_parameter->value);
}

static err_t query_read(struct arena *arena, const char *query, struct detail *detail,
                        struct uri *ret_uri)
{
    size_t room = pieces_count(query);
    if (room > URI_PARAMETERS_MAX) {
        detail_set(detail, "the query has more than %d parameters", URI_PARAMETERS_MAX);
        return FAIL(TOO_MANY);
    }
    struct http_parameter *all = arena_zero(arena, room, sizeof *all);
    if (all == NULL) {
        return FAIL(NO_SPACE);
    }
    size_t count = 0;
    const char *at = query;
    for (size_t i = 0; i < room; i++) {
        size_t len = strcspn(at, "&");
        if (len > 0) {
            err_t err = parameter_read(arena, bytes_of(at, len), &all[count]);
            if (!err_is_ok(err)) {
                detail_set(
                    detail,
                    "parameter %zu of the query%s%s is not percent-encoded UTF-8 without NUL",
                    count + 1, all[count].name == NULL ? "" : ", ",
                    all[count].name == NULL ? "" : all[count].name);
                return err;
            }
            count++;
        }
        at += len + 1; /* past the NUL only after the last piece, when nobody looks any more */
    }
    ret_uri->parameters = all;
    ret_uri->parameters_count = count;
    return OK;
}

err_t uri_parse(struct arena *arena, const char *target, struct detail *detail, struct uri *ret_uri)
{
    *ret_uri = (struct uri){0};
    const char *start = without_authority(target);
    size_t path_len = strcspn(start, "?#");
    ret_uri->raw_path = arena_text(arena, bytes_of(start, path_len));
    if (ret_uri->raw_path == NULL) {
        return FAIL(NO_SPACE);
    }
    ret_uri->path = ret_uri->raw_path;
    err_t err = http_percent_decode(arena, bytes_of(start, path_len), false, &ret_uri->path);
    if (!err_is_ok(err)) {
        detail_set(detail, "the path is not percent-encoded UTF-8 without NUL");
        return err;
    }
    if (start[path_len] != '?') {
        return OK;
    }
    const char *query = start + path_len + 1;
    char *copy = arena_text(arena, bytes_of(query, strcspn(query, "#")));
    if (copy == NULL) {
        return FAIL(NO_SPACE);
    }
    return *copy == '\0' ? OK : query_read(arena, copy, detail, ret_uri);
}
