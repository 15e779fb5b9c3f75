#include "correlator/core/text.h"

#include "proto/base/banned.h"

/* The longest prefix of valid UTF-8 that has at most TEXT_SUMMARY_BYTES octets. */
static size_t cut_at(struct bytes text)
{
    size_t len = TEXT_SUMMARY_BYTES;
    while (len > 0 && (text.ptr[len] & 0xc0) == 0x80) {
        len--;
    }
    return len;
}

err_t text_for_summary(struct bytes text, struct arena *arena, struct bytes *ret_text)
{
    bool is_utf8 = bytes_are_utf8(text);
    if (text.len > TEXT_SUMMARY_BYTES) {
        text.len = is_utf8 ? cut_at(text) : TEXT_SUMMARY_BYTES;
    }
    bool has_nul = text.len > 0 && memchr(text.ptr, 0, text.len) != NULL;
    if (is_utf8 && !has_nul) {
        *ret_text = text;
        return OK;
    }
    uint8_t *copy = arena_alloc(arena, text.len);
    if (copy == NULL) {
        return FAIL(NO_SPACE);
    }
    for (size_t i = 0; i < text.len; i++) {
        uint8_t octet = text.ptr[i];
        copy[i] = octet == 0 || (!is_utf8 && octet >= 0x80) ? '?' : octet;
    }
    *ret_text = bytes_of(copy, text.len);
    return OK;
}
