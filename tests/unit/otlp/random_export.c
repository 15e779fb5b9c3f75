#include "tests/unit/otlp/random_export.h"

#include <string.h>

#include "proto/base/limits.h"
#include "proto/otlp/wire.h"

enum { TRACES = 4, RANDOM_BYTES_MAX = 1 << 20 };

uint32_t random_below(struct random *random, uint32_t limit)
{
    random->state = random->state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(random->state >> 33) % limit;
}

static void random_text(struct random *random, struct make *make, uint32_t number)
{
    static const char *const texts[] = {"",     "a",       "roark.external_id", "room_id",
                                        "RM_x", "é€😀",     "quote\"\\/\n",      "service.name",
                                        "k",    "\x01\x1F"};
    make_text(make, number, texts[random_below(random, sizeof texts / sizeof *texts)]);
}

static void random_value(struct random *random, struct make *make, unsigned depth)
{
    static const double doubles[] = {0, -0.0, 1.5, 1e300, -2.25, 4.9e-324, 3};
    uint64_t bits = 0;
    memcpy(&bits, &doubles[random_below(random, sizeof doubles / sizeof *doubles)], sizeof bits);
    make_open(make, 2);
    switch (random_below(random, depth > 3 ? 6 : 8)) {
    case 0:
        break; /* empty */
    case 1:
        random_text(random, make, 1);
        break;
    case 2:
        wire_put_u64(&make->out, 2, random_below(random, 2));
        break;
    case 3:
        wire_put_u64(&make->out, 3, (uint64_t)0 - random_below(random, 1000));
        break;
    case 4:
        wire_put_fixed64(&make->out, 4, bits);
        break;
    case 5:
        wire_put_bytes(&make->out, 7, bytes_of("\0\xFF\x80", random_below(random, 4)));
        break;
    default: /* a map of one or two */
        make_open(make, 6);
        for (unsigned i = 0; i <= random_below(random, 2); i++) {
            make_open(make, 1);
            random_text(random, make, 1);
            random_value(random, make, depth + 1);
            make_close(make);
        }
        make_close(make);
        break;
    }
    make_close(make);
}

static void random_attributes(struct random *random, struct make *make, uint32_t number)
{
    for (unsigned i = random_below(random, 4); i > 0; i--) {
        make_open(make, number);
        random_text(random, make, 1);
        random_value(random, make, 0);
        make_close(make);
    }
}

static void random_id(struct random *random, struct make *make, uint32_t number, size_t len,
                      uint8_t last)
{
    uint8_t id[32] = {0};
    id[len - 1] = last;
    if (random_below(random, 40) == 0) {
        len = random_below(random, 20);
    }
    wire_put_bytes(&make->out, number, bytes_of(id, len));
}

static void random_span(struct random *random, struct make *make)
{
    make_open(make, 2);
    random_id(random, make, 1, 16, (uint8_t)random_below(random, TRACES + 1));
    random_id(random, make, 2, 8, (uint8_t)(1 + random_below(random, 200)));
    if (random_below(random, 2) == 0) {
        random_id(random, make, 4, 8, (uint8_t)random_below(random, 5));
    }
    random_text(random, make, 5);
    wire_put_u64(&make->out, 6, random_below(random, 6));
    wire_put_fixed64(&make->out, 7, (uint64_t)random_below(random, 100) - 10);
    wire_put_fixed64(&make->out, 8, (uint64_t)random_below(random, 100) - 10);
    random_attributes(random, make, 9);
    if (random->goes_deep && random_below(random, 20) == 0) {
        make_attribute_deep(make, 9, "deep", LIMIT_ANYVALUE_DEPTH - 2 + random_below(random, 5));
    }
    if (random_below(random, 3) == 0) {
        make_open(make, 11);
        wire_put_fixed64(&make->out, 1, random_below(random, 100));
        random_text(random, make, 2);
        random_attributes(random, make, 3);
        make_close(make);
    }
    if (random_below(random, 3) == 0) {
        make_open(make, 13);
        random_id(random, make, 1, 16, 1);
        random_id(random, make, 2, 8, 1);
        random_attributes(random, make, 4);
        make_close(make);
    }
    if (random_below(random, 3) == 0) {
        make_open(make, 15);
        wire_put_u64(&make->out, 3, random_below(random, 3));
        make_close(make);
    }
    wire_put_fixed32(&make->out, 16, random_below(random, 1000));
    make_close(make);
}

void random_export(struct random *random, struct make *make)
{
    for (unsigned resources = random_below(random, 4); resources > 0; resources--) {
        make_open(make, 1);
        make_open(make, 1);
        random_attributes(random, make, 1);
        make_close(make);
        for (unsigned scopes = random_below(random, 3); scopes > 0; scopes--) {
            make_open(make, 2);
            make_open(make, 1);
            random_text(random, make, 1);
            make_close(make);
            for (unsigned spans = random_below(random, 8); spans > 0; spans--) {
                random_span(random, make);
            }
            make_close(make);
        }
        if (random_below(random, 2) == 0) {
            random_text(random, make, 3);
        }
        make_close(make);
    }
}

/* Takes `len` octets at `at` out and puts `more` in their place. */
static void replace(struct buf *octets, size_t at, size_t len, struct bytes more)
{
    struct buf out;
    struct bytes old = buf_bytes(octets);
    buf_init(&out, RANDOM_BYTES_MAX);
    buf_add(&out, bytes_of(old.ptr, at));
    buf_add(&out, more);
    buf_add(&out, bytes_of(old.ptr + at + len, old.len - at - len));
    buf_fini(octets);
    *octets = out;
}

void random_damage(struct random *random, struct buf *octets)
{
    /* Octets that mean something: wire types, long varints, field zero, groups. */
    static const uint8_t telling[] = {0x00, 0x01, 0x02, 0x03, 0x07, 0x08, 0x09, 0x0a, 0x0b,
                                      0x0d, 0x12, 0x1a, 0x4a, 0x7f, 0x80, 0xff, 0x5a, 0x6a};
    struct bytes all = buf_bytes(octets);
    if (all.len == 0) {
        return;
    }
    size_t at = random_below(random, (uint32_t)all.len);
    size_t len = 1 + random_below(random, (uint32_t)(all.len - at < 12 ? all.len - at : 12));
    uint8_t octet = random_below(random, 2) == 0
                        ? telling[random_below(random, sizeof telling)]
                        : (uint8_t)(all.ptr[at] ^ (1U << random_below(random, 8)));
    uint8_t copy[12];
    memcpy(copy, all.ptr + at, len);
    switch (random_below(random, 8)) {
    case 0:
        replace(octets, at, len, bytes_of("", 0));
        break;
    case 1:
        replace(octets, at, 0, bytes_of(copy, len));
        break;
    case 2:
        replace(octets, at, 0, bytes_of(&octet, 1));
        break;
    case 3:
        replace(octets, at, all.len - at, bytes_of("", 0));
        break;
    default:
        replace(octets, at, 1, bytes_of(&octet, 1));
        break;
    }
}
