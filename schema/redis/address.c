#include <stdlib.h>

#include "schema/redis/rendezvous.h"

#include "proto/base/banned.h"

static bool read_port(const char *text, uint16_t *ret_port)
{
    char *end = NULL;
    unsigned long port = strtoul(text, &end, 10);
    if (*text < '0' || *text > '9' || *end != '\0' || port == 0 || port > UINT16_MAX) {
        return false;
    }
    *ret_port = (uint16_t)port;
    return true;
}

/* Copies [from, from + len) with a NUL; false when it is empty or too long. */
static bool copy_text(const char *from, size_t len, char *out, size_t room)
{
    if (len == 0 || len >= room) {
        return false;
    }
    memcpy(out, from, len);
    out[len] = '\0';
    return true;
}

static bool read_host_port(const char *text, struct rendezvous_address *address)
{
    const char *colon = strrchr(text, ':');
    if (colon == NULL || !read_port(colon + 1, &address->port)) {
        return false;
    }
    size_t len = (size_t)(colon - text);
    if (len > 2 && text[0] == '[' && colon[-1] == ']') {
        return copy_text(text + 1, len - 2, address->host, sizeof address->host);
    }
    return copy_text(text, len, address->host, sizeof address->host);
}

err_t rendezvous_address_read(const char *text, struct detail *detail,
                              struct rendezvous_address *ret_address)
{
    struct rendezvous_address address = {.is_none = text[0] == '\0'};
    struct bytes whole = bytes_of_text(text);
    if (bytes_start_with(whole, "rediss://")) {
        detail_set(detail,
                   "redis is '%s': rediss:// needs a hiredis with TLS, which this system's "
                   "is not; use unix:/path, or host:port inside a private network",
                   text);
        return FAIL(BAD_CONFIG);
    }
    if (bytes_start_with(whole, "redis://")) {
        text += strlen("redis://");
    }
    bool is_good = true;
    if (bytes_start_with(whole, "unix:")) {
        const char *path = text + strlen("unix:");
        address.is_unix = true;
        is_good = copy_text(path, strlen(path), address.host, sizeof address.host);
    } else if (!address.is_none) {
        is_good = read_host_port(text, &address);
    }
    if (!is_good) {
        detail_set(detail, "redis is '%s': it must be unix:/path or host:port", text);
        return FAIL(BAD_CONFIG);
    }
    *ret_address = address;
    return OK;
}
