#include "api/rest/fold.h"

#include "proto/base/banned.h"

enum { CASE_BIT = 0x20, CONTINUATION_MASK = 0xc0, CONTINUATION = 0x80, CONTINUATIONS_MAX = 3 };

static uint8_t fold(uint8_t c)
{
    return c >= 'A' && c <= 'Z' ? c | CASE_BIT : c;
}

static bool is_here(const uint8_t *text, struct bytes needle)
{
    for (size_t i = 0; i < needle.len; i++) {
        if (fold(text[i]) != fold(needle.ptr[i])) {
            return false;
        }
    }
    return true;
}

bool fold_find(struct bytes text, struct bytes needle, size_t *ret_at)
{
    if (needle.len > text.len) {
        return false;
    }
    uint8_t first = needle.len > 0 ? fold(needle.ptr[0]) : 0;
    for (size_t at = 0; at <= text.len - needle.len; at++) {
        if (needle.len == 0 || (fold(text.ptr[at]) == first && is_here(text.ptr + at, needle))) {
            *ret_at = at;
            return true;
        }
    }
    return false;
}

static bool is_inside(struct bytes text, size_t at)
{
    return at < text.len && (text.ptr[at] & CONTINUATION_MASK) == CONTINUATION;
}

struct bytes fold_begin(struct bytes text, size_t bytes_max)
{
    if (text.len <= bytes_max) {
        return text;
    }
    size_t len = bytes_max;
    for (unsigned i = 0; i < CONTINUATIONS_MAX && len > 0 && is_inside(text, len); i++) {
        len--;
    }
    return bytes_of(text.ptr, len);
}

struct bytes fold_end(struct bytes text, size_t bytes_max)
{
    if (text.len <= bytes_max) {
        return text;
    }
    size_t at = text.len - bytes_max;
    for (unsigned i = 0; i < CONTINUATIONS_MAX && is_inside(text, at); i++) {
        at++;
    }
    return bytes_of(text.ptr + at, text.len - at);
}
