#include "proto/base/bytes.h"

#include <unistr.h>
#include <xxhash.h>

#include "proto/base/banned.h"

int bytes_compare(struct bytes a, struct bytes b)
{
    size_t shared = a.len < b.len ? a.len : b.len;
    int order = shared == 0 ? 0 : memcmp(a.ptr, b.ptr, shared);
    if (order != 0) {
        return order;
    }
    return (a.len > b.len) - (a.len < b.len);
}

bool bytes_are_utf8(struct bytes text)
{
    return text.len == 0 || u8_check(text.ptr, text.len) == NULL;
}

size_t bytes_utf8_count(struct bytes text)
{
    size_t count = 0;
    for (size_t i = 0; i < text.len; i++) {
        count += (text.ptr[i] & 0xC0u) != 0x80u;
    }
    return count;
}

uint64_t bytes_hash64(struct bytes data, uint64_t seed)
{
    return XXH3_64bits_withSeed(data.ptr, data.len, seed);
}

void bytes_hash128(struct bytes data, uint8_t ret_hash[16])
{
    XXH128_canonical_t canonical;
    XXH128_canonicalFromHash(&canonical, XXH3_128bits(data.ptr, data.len));
    memcpy(ret_hash, canonical.digest, 16);
}

void bytes_to_hex(struct bytes data, char *ret_hex)
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < data.len; i++) {
        ret_hex[2 * i] = digits[data.ptr[i] >> 4];
        ret_hex[2 * i + 1] = digits[data.ptr[i] & 15];
    }
}

enum { NO_DIGIT = 16 };

static unsigned hex_digit(uint8_t c)
{
    if (c >= '0' && c <= '9') {
        return (unsigned)(c - '0');
    }
    if (c >= 'a' && c <= 'f') {
        return (unsigned)(c - 'a' + 10);
    }
    if (c >= 'A' && c <= 'F') {
        return (unsigned)(c - 'A' + 10);
    }
    return NO_DIGIT;
}

bool bytes_from_hex(struct bytes hex, uint8_t *ret_out, size_t out_len)
{
    if (hex.len != 2 * out_len) {
        return false;
    }
    for (size_t i = 0; i < out_len; i++) {
        if (hex_digit(hex.ptr[2 * i]) == NO_DIGIT || hex_digit(hex.ptr[2 * i + 1]) == NO_DIGIT) {
            return false;
        }
    }
    for (size_t i = 0; i < out_len; i++) {
        ret_out[i] = (uint8_t)(hex_digit(hex.ptr[2 * i]) * 16 + hex_digit(hex.ptr[2 * i + 1]));
    }
    return true;
}
