#include "proto/otlp/jsontext.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "proto/base/banned.h"

static const char hex_digits[] = "0123456789abcdef";

static void add_escape(struct buf *out, unsigned unit)
{
    const char text[] = {'\\',
                         'u',
                         hex_digits[unit >> 12 & 15],
                         hex_digits[unit >> 8 & 15],
                         hex_digits[unit >> 4 & 15],
                         hex_digits[unit & 15]};
    buf_add(out, bytes_of(text, sizeof text));
}

static void add_ascii(struct buf *out, uint8_t octet)
{
    switch (octet) {
    case '"':
        buf_add_text(out, "\\\"");
        return;
    case '\\':
        buf_add_text(out, "\\\\");
        return;
    case '\n':
        buf_add_text(out, "\\n");
        return;
    case '\r':
        buf_add_text(out, "\\r");
        return;
    case '\t':
        buf_add_text(out, "\\t");
        return;
    default:
        add_escape(out, octet);
        return;
    }
}

/* Octets of the character at the front of `text` when it is valid UTF-8; 0 when it is not. */
static size_t char_bytes(struct bytes text)
{
    uint8_t lead = text.ptr[0];
    size_t len = lead < 0x80 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
    return len <= text.len && bytes_are_utf8(bytes_of(text.ptr, len)) ? len : 0;
}

static bool is_plain(uint8_t octet)
{
    return octet >= 0x20 && octet < 0x80 && octet != '"' && octet != '\\';
}

/* The character at the front of `text`, which is not plain; how many octets it took. */
static size_t add_odd(struct buf *out, struct bytes text)
{
    enum { SURROGATE_BYTES = 3 };
    const uint8_t *at = text.ptr;
    if (at[0] < 0x80) {
        add_ascii(out, at[0]);
        return 1;
    }
    size_t len = char_bytes(text);
    if (len > 0) {
        buf_add(out, bytes_of(at, len));
        return len;
    }
    if (text.len >= SURROGATE_BYTES && at[0] == 0xED && at[1] >= 0xA0 && at[1] <= 0xBF &&
        (at[2] & 0xC0u) == 0x80) {
        add_escape(out, 0xD000u | (at[1] & 0x3Fu) << 6 | (at[2] & 0x3Fu));
        return SURROGATE_BYTES;
    }
    buf_add_text(out, "\xEF\xBF\xBD");
    return 1;
}

void jsontext_add(struct buf *out, struct bytes text)
{
    buf_add_u8(out, '"');
    size_t at = 0;
    while (at < text.len) {
        size_t plain = at;
        while (plain < text.len && is_plain(text.ptr[plain])) {
            plain++;
        }
        buf_add(out, bytes_of(text.ptr + at, plain - at));
        at = plain;
        if (at < text.len) {
            at += add_odd(out, bytes_of(text.ptr + at, text.len - at));
        }
    }
    buf_add_u8(out, '"');
}

void jsontext_add_double(struct buf *out, double value)
{
    enum { DIGITS_LEAST = 15, DIGITS_MOST = 17, ROOM = 32 };
    char text[ROOM];
    if (isnan(value)) {
        buf_add_text(out, "\"NaN\"");
        return;
    }
    if (isinf(value)) {
        buf_add_text(out, value > 0 ? "\"Infinity\"" : "\"-Infinity\"");
        return;
    }
    for (int digits = DIGITS_LEAST; digits <= DIGITS_MOST; digits++) {
        (void)snprintf(text, sizeof text, "%.*g", digits, value); /* 24 characters at most */
        if (strtod(text, NULL) == value) {
            break;
        }
    }
    buf_add_text(out, text);
}

void jsontext_add_base64(struct buf *out, struct bytes data)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    buf_add_u8(out, '"');
    for (size_t at = 0; at < data.len; at += 3) {
        size_t count = data.len - at < 3 ? data.len - at : 3;
        unsigned bits = (unsigned)data.ptr[at] << 16;
        bits |= count > 1 ? (unsigned)data.ptr[at + 1] << 8 : 0;
        bits |= count > 2 ? data.ptr[at + 2] : 0;
        char four[] = {digits[bits >> 18 & 63], digits[bits >> 12 & 63], digits[bits >> 6 & 63],
                       digits[bits & 63]};
        for (size_t i = count + 1; i < sizeof four; i++) {
            four[i] = '=';
        }
        buf_add(out, bytes_of(four, sizeof four));
    }
    buf_add_u8(out, '"');
}

void jsontext_add_hex(struct buf *out, struct bytes data)
{
    buf_add_u8(out, '"');
    for (size_t i = 0; i < data.len; i++) {
        const char two[] = {hex_digits[data.ptr[i] >> 4], hex_digits[data.ptr[i] & 15]};
        buf_add(out, bytes_of(two, sizeof two));
    }
    buf_add_u8(out, '"');
}
