#include "proto/http/context.h"

#include "proto/base/banned.h"

enum { TRACE_AT = 3, SPAN_AT = 36, FLAGS_AT = 53, FLAG_SAMPLED = 1 };

bool context_id_is_good(const char *text)
{
    static const char others[] = "-_.:/";
    size_t len = text == NULL ? 0 : strnlen(text, CONTEXT_ID_CHARS_MAX + 1);
    bool is_good = len > 0 && len <= CONTEXT_ID_CHARS_MAX;
    for (size_t i = 0; i < len; i++) {
        uint8_t lower = (uint8_t)((uint8_t)text[i] | 0x20U);
        bool is_digit = text[i] >= '0' && text[i] <= '9';
        bool is_letter = lower >= 'a' && lower <= 'z';
        is_good = is_good && (is_digit || is_letter || strchr(others, text[i]) != NULL);
    }
    return is_good;
}

/* The specification writes hex in lower case alone. */
static bool hex_read(struct bytes text, size_t at, uint8_t *ret_out, size_t out_len)
{
    struct bytes hex = bytes_of(text.ptr + at, out_len * 2);
    for (size_t i = 0; i < hex.len; i++) {
        if (hex.ptr[i] >= 'A' && hex.ptr[i] <= 'Z') {
            return false;
        }
    }
    return bytes_from_hex(hex, ret_out, out_len);
}

bool context_parent_read(const char *text, struct context_parent *ret_parent)
{
    struct context_parent parent = {0};
    uint8_t version = 0;
    uint8_t flags = 0;
    struct bytes given = text == NULL ? bytes_of(NULL, 0) : bytes_of_text(text);
    if (given.len < CONTEXT_PARENT_CHARS || given.ptr[TRACE_AT - 1] != '-' ||
        given.ptr[SPAN_AT - 1] != '-' || given.ptr[FLAGS_AT - 1] != '-' ||
        !hex_read(given, 0, &version, 1) || version == UINT8_MAX ||
        !hex_read(given, TRACE_AT, parent.trace.b, sizeof parent.trace.b) ||
        !hex_read(given, SPAN_AT, parent.span.b, sizeof parent.span.b) ||
        !hex_read(given, FLAGS_AT, &flags, 1)) {
        return false;
    }
    bool is_longer = given.len > CONTEXT_PARENT_CHARS;
    if (is_longer && (version == 0 || given.ptr[CONTEXT_PARENT_CHARS] != '-')) {
        return false;
    }
    if (trace_id_is_zero(parent.trace) || span_id_is_zero(parent.span)) {
        return false;
    }
    parent.is_sampled = (flags & FLAG_SAMPLED) != 0;
    *ret_parent = parent;
    return true;
}
