/* wire: protobuf's encoding, field by field. Reading moves a reader; writing appends to a buf. Groups, which
 * proto3 does not have, are MALFORMED. Thread: any; no state. */
#ifndef CALLTRACE_OTLP_WIRE_H
#define CALLTRACE_OTLP_WIRE_H

#include "proto/base/arena.h"
#include "proto/base/buf.h"
#include "proto/base/reader.h"

enum wire_type {
    WIRE_VARINT = 0,
    WIRE_FIXED64 = 1,
    WIRE_BYTES = 2,
    WIRE_FIXED32 = 5,
};

struct wire_field {
    uint32_t number; /* at least 1 */
    enum wire_type type;
    uint64_t value;    /* varint and fixed */
    struct bytes data; /* bytes */
};

enum { WIRE_TAG_TYPE_BITS = 3, WIRE_TAG_TYPE_MASK = 7, WIRE_NUMBER_MAX = (1 << 29) - 1 };

/* Any field; wire_next is the way in. */
FALLIBLE wire_next_long(struct reader *reader, struct wire_field *ret_field);

/* The next field; the reader must not be done. Errors: TRUNCATED, MALFORMED; the reader may then have moved.
 * Most fields are length-delimited with a number below 16 and a length below 128: two octets and the data. */
static inline FALLIBLE wire_next(struct reader *reader, struct wire_field *ret_field)
{
    struct bytes rest = reader_rest(reader);
    if (rest.len < 2 || (rest.ptr[0] & (0x80u | WIRE_TAG_TYPE_MASK)) != WIRE_BYTES ||
        rest.ptr[0] <= WIRE_TAG_TYPE_MASK || rest.ptr[1] >= 0x80) {
        return wire_next_long(reader, ret_field);
    }
    struct bytes whole = {0};
    TRY(reader_take(reader, 2 + (size_t)rest.ptr[1], &whole));
    *ret_field = (struct wire_field){.number = (uint32_t)whole.ptr[0] >> WIRE_TAG_TYPE_BITS,
                                     .type = WIRE_BYTES,
                                     .value = whole.ptr[1],
                                     .data = bytes_of(whole.ptr + 2, whole.ptr[1])};
    return OK;
}

static inline size_t wire_varint_bytes(uint64_t value)
{
    size_t bytes = 1;
    while (value >= 0x80) {
        value >>= 7;
        bytes++;
    }
    return bytes;
}

/* Octets of a length-delimited field with a number below 16. */
static inline size_t wire_bytes_size(size_t len)
{
    return 1 + wire_varint_bytes(len) + len;
}

void wire_put_varint(struct buf *out, uint64_t value);
void wire_put_tag(struct buf *out, uint32_t number, enum wire_type type);
/* Tag and value of a varint field. */
void wire_put_u64(struct buf *out, uint32_t number, uint64_t value);
void wire_put_fixed32(struct buf *out, uint32_t number, uint32_t value);
void wire_put_fixed64(struct buf *out, uint32_t number, uint64_t value);
/* Tag and length; the caller appends `len` octets. */
void wire_put_head(struct buf *out, uint32_t number, size_t len);
void wire_put_bytes(struct buf *out, uint32_t number, struct bytes data);

/* A message whose length is known when it ends: wire_open writes room for a length of `width` octets and
 * returns where; wire_close puts the length there and moves the content when the width was not right. A
 * padded length (`may_pad`) saves the move and is not the shortest form. */
enum { WIRE_OPEN_MAX = 5 };
size_t wire_open(struct buf *out, size_t width);
void wire_close(struct buf *out, size_t at, size_t width, bool may_pad);

/* Gathers the fields of a message that are not `skipped` into one view: borrowed from the message when they
 * lie side by side, which is the rule, else copied. Errors: MALFORMED, TRUNCATED, NO_SPACE. */
FALLIBLE wire_head(struct arena *arena, struct bytes message, uint32_t skipped,
                   struct bytes *ret_head);

/* The length-delimited field `number` of a message, of several all joined, which for messages means merged;
 * empty when there is none. Errors as wire_head. */
FALLIBLE wire_join(struct arena *arena, struct bytes message, uint32_t number,
                   struct bytes *ret_data);

#endif
