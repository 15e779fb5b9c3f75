/* reader: a bounded cursor over octets that came from outside. All parsing of ours moves through it;
 * nothing else does arithmetic on input pointers. A failed read leaves the cursor where it was.
 * Owner thread: the caller's. Views it returns borrow from the input. */
#ifndef CALLTRACE_READER_H
#define CALLTRACE_READER_H

#include "proto/base/bytes.h"
#include "proto/base/err.h"

struct reader {
    /* private */
    const uint8_t *at;
    const uint8_t *end;
};

static inline struct reader reader_of(struct bytes input)
{
    /* An empty view may hold NULL, to which not even 0 may be added. */
    static const uint8_t nothing[1] = {0};
    const uint8_t *start = input.ptr == NULL ? nothing : input.ptr;
    return (struct reader){.at = start, .end = start + input.len};
}

static inline size_t reader_left(const struct reader *reader)
{
    return (size_t)(reader->end - reader->at);
}

static inline bool reader_is_done(const struct reader *reader)
{
    return reader->at == reader->end;
}

/* Where the cursor stands, as a view of all that is left. */
static inline struct bytes reader_rest(const struct reader *reader)
{
    return bytes_of(reader->at, reader_left(reader));
}

/* What lies between an earlier copy of this cursor and now. */
static inline struct bytes reader_since(const struct reader *reader, const struct reader *earlier)
{
    return bytes_of(earlier->at, (size_t)(reader->at - earlier->at));
}

/* The next octet without taking it; -1 at the end. */
static inline int reader_peek(const struct reader *reader)
{
    return reader->at == reader->end ? -1 : *reader->at;
}

static inline FALLIBLE reader_u8(struct reader *reader, uint8_t *ret_value)
{
    if (reader->at == reader->end) {
        return FAIL(TRUNCATED);
    }
    // The analyzer takes a view of nothing for one that can be read.
    // NOLINTNEXTLINE(clang-analyzer-core.uninitialized.Assign)
    *ret_value = *reader->at++;
    return OK;
}

static inline FALLIBLE reader_take(struct reader *reader, size_t len, struct bytes *ret_view)
{
    if (reader_left(reader) < len) {
        return FAIL(TRUNCATED);
    }
    *ret_view = bytes_of(reader->at, len);
    reader->at += len;
    return OK;
}

static inline FALLIBLE reader_fixed32(struct reader *reader, uint32_t *ret_value)
{
    if (reader_left(reader) < 4) {
        return FAIL(TRUNCATED);
    }
    const uint8_t *p = reader->at;
    *ret_value = (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
    reader->at += 4;
    return OK;
}

static inline FALLIBLE reader_fixed64(struct reader *reader, uint64_t *ret_value)
{
    if (reader_left(reader) < 8) {
        return FAIL(TRUNCATED);
    }
    uint64_t value = 0;
    for (unsigned i = 0; i < 8; i++) {
        value |= (uint64_t)reader->at[i] << (8 * i);
    }
    *ret_value = value;
    reader->at += 8;
    return OK;
}

/* Base-128 varint of at most ten octets (protocol buffers encoding). Bits beyond 64 are dropped as
 * every protobuf reader does; an eleventh octet is MALFORMED. */
FALLIBLE reader_varint_long(struct reader *reader, uint64_t *ret_value);

static inline FALLIBLE reader_varint(struct reader *reader, uint64_t *ret_value)
{
    // NOLINTNEXTLINE(clang-analyzer-core.UndefinedBinaryOperatorResult): as in reader_u8
    if (reader->at != reader->end && *reader->at < 0x80) {
        *ret_value = *reader->at++;
        return OK;
    }
    return reader_varint_long(reader, ret_value);
}

#endif
