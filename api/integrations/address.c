#include "api/integrations/address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdint.h>
#include <string.h>

#include "proto/base/banned.h"

struct range4 {
    uint8_t first[4];
    unsigned bits;
};

struct range6 {
    uint8_t first[8]; /* the rest of the range's address is zero */
    unsigned bits;
};

static const struct range4 not_public4[] = {
#define RANGE4(a, b, c, d, bits, what) {{a, b, c, d}, bits},
#include "api/integrations/address_ranges.def"
#undef RANGE4
};

/* Global unicast; everything else of IPv6 is loopback, local, multicast, mapped or not given out. */
static const struct range6 global6 = {{0x20}, 3};

/* Parts of it that are not: protocol assignments with Teredo in them, documentation (twice), 6to4. */
static const struct range6 not_public6[] = {
    {{0x20, 0x01, 0x00, 0x00}, 23},
    {{0x20, 0x01, 0x0D, 0xB8}, 32},
    {{0x3F, 0xFF, 0x00, 0x00}, 20},
    {{0x20, 0x02}, 16},
};

static const uint8_t nat64[12] = {0x00, 0x64, 0xFF, 0x9B};

/* Whether the first `bits` bits are the same. */
static bool starts_alike(const uint8_t *a, const uint8_t *b, unsigned bits)
{
    unsigned octets = bits / 8;
    unsigned rest = bits % 8;
    if (memcmp(a, b, octets) != 0) {
        return false;
    }
    return rest == 0 || (a[octets] ^ b[octets]) >> (8 - rest) == 0;
}

static bool is_public4(const uint8_t octets[4])
{
    for (size_t i = 0; i < sizeof not_public4 / sizeof not_public4[0]; i++) {
        if (starts_alike(octets, not_public4[i].first, not_public4[i].bits)) {
            return false;
        }
    }
    return true;
}

static bool is_public6(const uint8_t octets[16])
{
    if (memcmp(octets, nat64, sizeof nat64) == 0) {
        return is_public4(octets + sizeof nat64);
    }
    if (!starts_alike(octets, global6.first, global6.bits)) {
        return false;
    }
    for (size_t i = 0; i < sizeof not_public6 / sizeof not_public6[0]; i++) {
        if (starts_alike(octets, not_public6[i].first, not_public6[i].bits)) {
            return false;
        }
    }
    return true;
}

bool address_is_public(const struct sockaddr *address, socklen_t len)
{
    if (address->sa_family == AF_INET && len >= sizeof(struct sockaddr_in)) {
        struct sockaddr_in in;
        uint8_t octets[4];
        memcpy(&in, address, sizeof in);
        memcpy(octets, &in.sin_addr, sizeof octets);
        return is_public4(octets);
    }
    if (address->sa_family == AF_INET6 && len >= sizeof(struct sockaddr_in6)) {
        struct sockaddr_in6 in6;
        memcpy(&in6, address, sizeof in6);
        return is_public6(in6.sin6_addr.s6_addr);
    }
    return false;
}

bool address_text_may_be_public(const char *host)
{
    uint8_t octets[16];
    char inner[INET6_ADDRSTRLEN];
    size_t len = strcspn(host + (host[0] == '['), "%]");
    if (inet_pton(AF_INET, host, octets) == 1) {
        return is_public4(octets);
    }
    if (host[0] != '[') {
        return true;
    }
    if (len >= sizeof inner) {
        return false;
    }
    memcpy(inner, host + 1, len);
    inner[len] = '\0';
    return inet_pton(AF_INET6, inner, octets) == 1 && is_public6(octets);
}
