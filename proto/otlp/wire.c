#include "proto/otlp/wire.h"

#include "proto/base/check.h"

#include "proto/base/banned.h"

enum { VARINT_BYTES_MAX = 10 };

static FALLIBLE payload_read(struct reader *reader, struct wire_field *field)
{
    uint32_t fixed = 0;
    switch (field->type) {
    case WIRE_VARINT:
        return reader_varint(reader, &field->value);
    case WIRE_FIXED64:
        return reader_fixed64(reader, &field->value);
    case WIRE_FIXED32:
        TRY(reader_fixed32(reader, &fixed));
        field->value = fixed;
        return OK;
    case WIRE_BYTES:
        TRY(reader_varint(reader, &field->value));
        if (field->value > reader_left(reader)) {
            return FAIL(TRUNCATED);
        }
        return reader_take(reader, (size_t)field->value, &field->data);
    }
    return FAIL(MALFORMED);
}

err_t wire_next_long(struct reader *reader, struct wire_field *ret_field)
{
    uint64_t tag = 0;
    TRY(reader_varint(reader, &tag));
    uint64_t number = tag >> WIRE_TAG_TYPE_BITS;
    if (number == 0 || number > WIRE_NUMBER_MAX) {
        return FAIL(MALFORMED);
    }
    *ret_field = (struct wire_field){.number = (uint32_t)number,
                                     .type = (enum wire_type)(tag & WIRE_TAG_TYPE_MASK)};
    return payload_read(reader, ret_field);
}

void wire_put_varint(struct buf *out, uint64_t value)
{
    uint8_t octets[VARINT_BYTES_MAX];
    size_t count = 0;
    while (value >= 0x80) {
        octets[count++] = (uint8_t)(value | 0x80);
        value >>= 7;
    }
    octets[count++] = (uint8_t)value;
    buf_add(out, bytes_of(octets, count));
}

void wire_put_tag(struct buf *out, uint32_t number, enum wire_type type)
{
    wire_put_varint(out, (uint64_t)number << WIRE_TAG_TYPE_BITS | (uint64_t)type);
}

void wire_put_u64(struct buf *out, uint32_t number, uint64_t value)
{
    wire_put_tag(out, number, WIRE_VARINT);
    wire_put_varint(out, value);
}

static void put_little_endian(struct buf *out, uint64_t value, size_t count)
{
    uint8_t octets[8];
    for (size_t i = 0; i < count; i++) {
        octets[i] = (uint8_t)(value >> (8 * i));
    }
    buf_add(out, bytes_of(octets, count));
}

void wire_put_fixed32(struct buf *out, uint32_t number, uint32_t value)
{
    wire_put_tag(out, number, WIRE_FIXED32);
    put_little_endian(out, value, 4);
}

void wire_put_fixed64(struct buf *out, uint32_t number, uint64_t value)
{
    wire_put_tag(out, number, WIRE_FIXED64);
    put_little_endian(out, value, 8);
}

void wire_put_head(struct buf *out, uint32_t number, size_t len)
{
    wire_put_tag(out, number, WIRE_BYTES);
    wire_put_varint(out, len);
}

void wire_put_bytes(struct buf *out, uint32_t number, struct bytes data)
{
    wire_put_head(out, number, data.len);
    buf_add(out, data);
}

size_t wire_open(struct buf *out, size_t width)
{
    static const uint8_t nothing[WIRE_OPEN_MAX] = {0};
    PRE(width > 0 && width <= WIRE_OPEN_MAX);
    size_t at = buf_bytes(out).len;
    buf_add(out, bytes_of(nothing, width));
    return at;
}

void wire_close(struct buf *out, size_t at, size_t width, bool may_pad)
{
    if (!err_is_ok(buf_err(out))) {
        return;
    }
    size_t len = buf_bytes(out).len - at - width;
    size_t need = wire_varint_bytes(len);
    size_t final = may_pad && need < width ? width : need;
    if (final > width && !buf_reserve(out, final - width)) {
        return;
    }
    uint8_t *start = out->ptr + at; /* the one place that patches what a buf already holds */
    if (final != width) {
        memmove(start + final, start + width, len);
    }
    for (size_t i = 0; i < final; i++) {
        start[i] = (uint8_t)((len >> (7 * i) & 0x7F) | (i + 1 < final ? 0x80 : 0));
    }
    if (final > width) {
        buf_wrote(out, final - width);
    } else {
        buf_cut(out, at + final + len);
    }
}

err_t wire_head(struct arena *arena, struct bytes message, uint32_t skipped, struct bytes *ret_head)
{
    struct reader reader = reader_of(message);
    struct bytes head = {0};
    uint8_t *copy = NULL;
    while (!reader_is_done(&reader)) {
        struct reader before = reader;
        struct wire_field got = {0};
        TRY(wire_next(&reader, &got));
        struct bytes raw = reader_since(&reader, &before);
        if (got.number == skipped) {
            continue;
        }
        if (head.len == 0) {
            head = raw;
            continue;
        }
        bool is_adjacent = copy == NULL && head.ptr + head.len == raw.ptr;
        if (copy == NULL && !is_adjacent) {
            /* Room for all that can still come: the copy is made once. */
            copy = arena_alloc(arena, head.len + raw.len + reader_left(&reader));
            if (copy == NULL) {
                return FAIL(NO_SPACE);
            }
            memcpy(copy, head.ptr, head.len);
            head.ptr = copy;
        }
        if (copy != NULL) {
            memcpy(copy + head.len, raw.ptr, raw.len);
        }
        head.len += raw.len;
    }
    *ret_head = head;
    return OK;
}

err_t wire_join(struct arena *arena, struct bytes message, uint32_t number, struct bytes *ret_data)
{
    struct reader reader = reader_of(message);
    struct bytes joined = {0};
    uint8_t *copy = NULL;
    while (!reader_is_done(&reader)) {
        struct wire_field got = {0};
        TRY(wire_next(&reader, &got));
        if (got.number != number || got.type != WIRE_BYTES) {
            continue;
        }
        if (joined.len == 0) {
            joined = got.data;
            continue;
        }
        if (copy == NULL) { /* room for all that can still come: the copy is made once */
            copy = arena_alloc(arena, joined.len + got.data.len + reader_left(&reader));
            if (copy == NULL) {
                return FAIL(NO_SPACE);
            }
            memcpy(copy, joined.ptr, joined.len);
            joined.ptr = copy;
        }
        if (got.data.len > 0) {
            memcpy(copy + joined.len, got.data.ptr, got.data.len);
        }
        joined.len += got.data.len;
    }
    *ret_data = joined;
    return OK;
}
