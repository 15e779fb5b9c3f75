#include "proto/otlp/term.h"

#include "proto/base/banned.h"

/* The numbers stand in stored segments: never change one. */
enum term_kind {
    TERM_KIND_NAME = 1,
    TERM_KIND_SERVICE = 2,
    TERM_KIND_STATUS = 3,
    TERM_KIND_EXISTS = 4,
    TERM_KIND_VALUE = 5,
    TERM_KIND_OVERFLOW = 6,
    TERM_KIND_PARTIAL = 7,
    TERM_KIND_NUMBER = 8,
};

struct term_space term_space_of(struct uuid project)
{
    return (struct term_space){.seed = bytes_hash64(bytes_of(project.b, sizeof project.b), 0)};
}

/* The finalizer of splitmix64: every bit of the input moves every bit of the output. */
static uint64_t mix(uint64_t x)
{
    x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
    return x ^ x >> 31;
}

static uint64_t make(struct term_space space, enum term_kind kind, uint64_t a, uint64_t b)
{
    uint64_t x = mix(space.seed + (uint64_t)kind * UINT64_C(0x9e3779b97f4a7c15));
    return mix(mix(x ^ a) + b);
}

uint64_t term_hash(struct bytes data)
{
    return bytes_hash64(data, 0);
}

uint64_t term_name(struct term_space space, struct bytes span_name)
{
    return make(space, TERM_KIND_NAME, term_hash(span_name), 0);
}

uint64_t term_service(struct term_space space, struct bytes service)
{
    return make(space, TERM_KIND_SERVICE, term_hash(service), 0);
}

uint64_t term_status(struct term_space space, unsigned status_code)
{
    return make(space, TERM_KIND_STATUS, status_code, 0);
}

uint64_t term_exists_hashed(struct term_space space, uint64_t key_hash)
{
    return make(space, TERM_KIND_EXISTS, key_hash, 0);
}

uint64_t term_value_hashed(struct term_space space, uint64_t key_hash, uint64_t value_hash)
{
    return make(space, TERM_KIND_VALUE, key_hash, value_hash);
}

uint64_t term_overflow_hashed(struct term_space space, uint64_t key_hash)
{
    return make(space, TERM_KIND_OVERFLOW, key_hash, 0);
}

uint64_t term_number_hashed(struct term_space space, uint64_t key_hash)
{
    return make(space, TERM_KIND_NUMBER, key_hash, 0);
}

uint64_t term_exists(struct term_space space, struct bytes key)
{
    return term_exists_hashed(space, term_hash(key));
}

uint64_t term_value(struct term_space space, struct bytes key, struct bytes text)
{
    return term_value_hashed(space, term_hash(key), term_hash(text));
}

uint64_t term_overflow(struct term_space space, struct bytes key)
{
    return term_overflow_hashed(space, term_hash(key));
}

uint64_t term_number(struct term_space space, struct bytes key)
{
    return term_number_hashed(space, term_hash(key));
}

uint64_t term_partial(struct term_space space)
{
    return make(space, TERM_KIND_PARTIAL, 0, 0);
}
