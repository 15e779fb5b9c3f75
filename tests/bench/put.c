#include "tests/bench/put.h"

#include "proto/otlp/wire.h"

#include "proto/base/banned.h"

/* The numbers of AnyValue's fields. */
enum { ANY_TEXT = 1, ANY_BOOL = 2, ANY_INT = 3, ANY_DOUBLE = 4 };

/* Everything of a KeyValue but its AnyValue's `value_len` octets, which the caller appends. */
static void put_key(struct buf *out, uint32_t field, const char *key, size_t value_len)
{
    size_t key_len = strlen(key);
    wire_put_head(out, field, wire_bytes_size(key_len) + wire_bytes_size(value_len));
    wire_put_bytes(out, 1, bytes_of(key, key_len));
    wire_put_head(out, 2, value_len);
}

void put_texts(struct buf *out, uint32_t field, const char *key, struct bytes first,
               struct bytes second)
{
    put_key(out, field, key, wire_bytes_size(first.len + second.len));
    wire_put_head(out, ANY_TEXT, first.len + second.len);
    buf_add(out, first);
    buf_add(out, second);
}

void put_text(struct buf *out, uint32_t field, const char *key, struct bytes text)
{
    put_texts(out, field, key, text, bytes_of(NULL, 0));
}

void put_int(struct buf *out, uint32_t field, const char *key, uint64_t value)
{
    put_key(out, field, key, 1 + wire_varint_bytes(value));
    wire_put_u64(out, ANY_INT, value);
}

void put_bool(struct buf *out, uint32_t field, const char *key, bool value)
{
    put_key(out, field, key, 2);
    wire_put_u64(out, ANY_BOOL, value);
}

void put_double(struct buf *out, uint32_t field, const char *key, double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof(bits));
    put_key(out, field, key, 1 + sizeof(bits));
    wire_put_fixed64(out, ANY_DOUBLE, bits);
}
