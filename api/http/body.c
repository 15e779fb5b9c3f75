#include "api/http/body.h"

#include "proto/base/banned.h"

/* JSON, or nothing said. */
static bool is_json(const struct http_request *request)
{
    const char *type = http_header(request, "Content-Type");
    if (type == NULL) {
        return true;
    }
    struct bytes head = bytes_of(type, strcspn(type, "; \t"));
    static const char wanted[] = "application/json";
    bool is_it = head.len == sizeof wanted - 1;
    for (size_t i = 0; is_it && i < head.len; i++) {
        is_it = (head.ptr[i] | (head.ptr[i] >= 'A' && head.ptr[i] <= 'Z' ? 0x20 : 0)) == wanted[i];
    }
    return is_it || (head.len > 5 && memcmp(head.ptr + head.len - 5, "+json", 5) == 0);
}

bool body_is_readable(struct exchange *exchange)
{
    const struct http_request *request = exchange_http(exchange);
    const char *encoding = http_header(request, "Content-Encoding");
    if (!is_json(request)) {
        exchange_error(exchange, 415, "unsupported_media_type",
                       "the body must be JSON: Content-Type: application/json");
        return false;
    }
    if (encoding != NULL && encoding[0] != '\0' && strcmp(encoding, "identity") != 0) {
        exchange_error(exchange, 415, "unsupported_media_type",
                       "the body must come without Content-Encoding");
        return false;
    }
    return true;
}
