/* bus_address: what client and server of the bus share: addresses and nng's errors. Internal to proto/bus.
 * Thread: any. */
#ifndef CALLTRACE_BUS_ADDRESS_H
#define CALLTRACE_BUS_ADDRESS_H

#include <stdbool.h>

#include "proto/base/err.h"
#include "proto/base/limits.h"
#include "proto/bus/bus.h"

enum {
    BUS_ADDRESS_BYTES = 256,
    BUS_ADDRESSES_MAX = 16,
    /* A message and nng's own header. */
    BUS_WIRE_BYTES_MAX = LIMIT_BUS_BYTES + 64,
    /* Before an announcement: which run of a server it is from (drawn at random), and its number as 64 bits. */
    BUS_INSTANCE_BYTES = 8,
    BUS_ANNOUNCEMENT_HEAD = BUS_INSTANCE_BYTES + 8,
};

struct bus_addresses {
    char text[BUS_ADDRESSES_MAX][BUS_ADDRESS_BYTES];
    size_t count;
};

/* Splits a comma list and checks each address: plain tcp:// stays on loopback, tls+tcp:// needs its files. NULL and ""
 * give none. Errors: BAD_CONFIG, detail says. */
FALLIBLE bus_addresses_read(const char *list, const struct bus_tls *tls, struct detail *detail,
                            struct bus_addresses *ret_addresses);

/* Translates nng's result of opening `address`: BAD_CONFIG, MEMORY or SYSTEM. */
err_t bus_open_failed(int result, const char *what, const char *address, struct detail *detail);

#endif
