#include "proto/base/reader.h"

#include "proto/base/banned.h"

enum { VARINT_BYTES_MAX = 10 };

err_t reader_varint_long(struct reader *reader, uint64_t *ret_value)
{
    uint64_t value = 0;
    size_t left = reader_left(reader);
    for (unsigned i = 0; i < VARINT_BYTES_MAX; i++) {
        if (i == left) {
            return FAIL(TRUNCATED);
        }
        uint8_t octet = reader->at[i];
        value |= (uint64_t)(octet & 0x7Fu) << (7 * i);
        if (octet < 0x80) {
            reader->at += i + 1;
            *ret_value = value;
            return OK;
        }
    }
    return FAIL(MALFORMED);
}
