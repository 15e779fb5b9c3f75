#include "proto/bus/bus_address.h"

#include <nng/nng.h>
#include <stdio.h>
#include <string.h>

#include "proto/base/bytes.h"

#include "proto/base/banned.h"

static FALLIBLE check_address(const char *address, struct detail *detail)
{
    struct bytes text = bytes_of_text(address);
    if (bytes_start_with(text, "tls+tcp://")) {
        detail_set(detail,
                   "bus address %s: TLS between machines is not supported by this version; use "
                   "ipc:// on one machine or tcp:// inside a private, encrypted network",
                   address);
        return FAIL(BAD_CONFIG);
    }
    if (!bytes_start_with(text, "ipc://") && !bytes_start_with(text, "tcp://") &&
        !bytes_start_with(text, "inproc://")) {
        detail_set(detail, "bus address '%s': it must begin with ipc:// or tcp://", address);
        return FAIL(BAD_CONFIG);
    }
    return OK;
}

err_t bus_addresses_read(const char *list, struct detail *detail,
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
        TRY(check_address(all.text[all.count], detail));
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
        return FAIL(BAD_CONFIG);
    default:
        return FAIL(SYSTEM);
    }
}
