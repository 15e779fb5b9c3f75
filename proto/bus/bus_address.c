#include "proto/bus/bus_address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <nng/nng.h>
#include <stdio.h>
#include <string.h>

#include "proto/base/bytes.h"
#include "proto/bus/bus_tls.h"

#include "proto/base/banned.h"

/* "host:port" on this machine alone; a name that only looks like it is none. */
static bool is_loopback(const char *host)
{
    struct in_addr v4;
    char text[BUS_ADDRESS_BYTES];
    const char *colon = strrchr(host, ':');
    size_t len = colon == NULL ? strlen(host) : (size_t)(colon - host);
    memcpy(text, host, len); /* shorter than the address */
    text[len] = '\0';
    if (strcmp(text, "localhost") == 0 || strcmp(text, "[::1]") == 0) {
        return true;
    }
    return inet_pton(AF_INET, text, &v4) == 1 && ntohl(v4.s_addr) >> 24 == IN_LOOPBACKNET;
}

static bool is_there(const char *path)
{
    return path != NULL && path[0] != '\0';
}

static FALLIBLE check_address(const char *address, const struct bus_tls *tls, struct detail *detail)
{
    static const char tcp[] = "tcp://";
    struct bytes text = bytes_of_text(address);
    if (bus_tls_is_address(address)) {
        if (is_there(tls->cert) && is_there(tls->ca)) {
            return OK;
        }
        detail_set(
            detail,
            "bus address %s: TLS between machines needs bus_tls_cert (a certificate with its "
            "key) and bus_tls_ca (who signed the other side's)",
            address);
        return FAIL(BAD_CONFIG);
    }
    if (bytes_start_with(text, tcp)) {
        if (is_loopback(address + sizeof tcp - 1)) {
            return OK;
        }
        detail_set(detail,
                   "bus address %s: without TLS anybody on the network could send as an api; use "
                   "tls+tcp:// with bus_tls_cert and bus_tls_ca, or ipc:// on one machine",
                   address);
        return FAIL(BAD_CONFIG);
    }
    if (!bytes_start_with(text, "ipc://") && !bytes_start_with(text, "inproc://")) {
        detail_set(detail, "bus address '%s': it must begin with ipc://, tls+tcp:// or tcp://",
                   address);
        return FAIL(BAD_CONFIG);
    }
    return OK;
}

err_t bus_addresses_read(const char *list, const struct bus_tls *tls, struct detail *detail,
                         struct bus_addresses *ret_addresses)
{
    struct bus_addresses all = {.count = 0};
    while (list != NULL && *list != '\0') {
        size_t len = strcspn(list, ",");
        if (all.count == BUS_ADDRESSES_MAX || len >= BUS_ADDRESS_BYTES) {
            detail_set(detail, "bus addresses: at most %d of at most %d characters each",
                       BUS_ADDRESSES_MAX, BUS_ADDRESS_BYTES - 1);
            return FAIL(BAD_CONFIG);
        }
        memcpy(all.text[all.count], list, len);
        all.text[all.count][len] = '\0';
        TRY(check_address(all.text[all.count], tls, detail));
        all.count++;
        list += len + (list[len] == ',');
    }
    *ret_addresses = all;
    return OK;
}

err_t bus_open_failed(int result, const char *what, const char *address, struct detail *detail)
{
    detail_set(detail, "%s %s: %s", what, address, nng_strerror(result));
    switch (result) {
    case NNG_ENOMEM:
        return FAIL(MEMORY);
    case NNG_EADDRINVAL:
    case NNG_EINVAL:
    case NNG_ENOTSUP:
    case NNG_ENOENT: /* a file of TLS, whose results these are too */
    case NNG_EPERM:
    case NNG_ECRYPTO:
    case NNG_ENOFILES:
        return FAIL(BAD_CONFIG);
    default:
        return FAIL(SYSTEM);
    }
}
