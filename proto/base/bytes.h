/* bytes: a borrowed view of octets, pointer first, length second. Never NUL-terminated by contract.
 * Whoever holds a view borrows; what it points to must outlive it. Thread: any. */
#ifndef CALLTRACE_BYTES_H
#define CALLTRACE_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct bytes {
    const uint8_t *ptr; /* may be NULL when len is 0 */
    size_t len;
};

static inline struct bytes bytes_of(const void *ptr, size_t len)
{
    return (struct bytes){.ptr = ptr, .len = len};
}

static inline struct bytes bytes_of_text(const char *text)
{
    return bytes_of(text, strlen(text));
}

static inline bool bytes_equal(struct bytes a, struct bytes b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

static inline bool bytes_equal_text(struct bytes a, const char *text)
{
    return bytes_equal(a, bytes_of_text(text));
}

static inline bool bytes_start_with(struct bytes a, const char *prefix)
{
    size_t len = strlen(prefix);
    return a.len >= len && memcmp(a.ptr, prefix, len) == 0;
}

/* Total order: by content, then by length. */
int bytes_compare(struct bytes a, struct bytes b);

/* Valid UTF-8 without surrogates (RFC 3629); U+0000 is valid. */
bool bytes_are_utf8(struct bytes text);

/* Number of Unicode characters of valid UTF-8. */
size_t bytes_utf8_count(struct bytes text);

/* XXH3-64 and XXH3-128 (canonical byte order). For identity of content, not for secrets. */
uint64_t bytes_hash64(struct bytes data, uint64_t seed);
void bytes_hash128(struct bytes data, uint8_t ret_hash[16]);

/* Lower-case hex; writes 2*len characters, no NUL. */
void bytes_to_hex(struct bytes data, char *ret_hex);

/* Reads exactly 2*out_len hex digits of either case. False on anything else. */
bool bytes_from_hex(struct bytes hex, uint8_t *ret_out, size_t out_len);

#endif
