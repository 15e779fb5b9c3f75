#include <math.h>
#include <stdlib.h>

#include "proto/otlp/json_parts.h"

#include "proto/base/banned.h"

static const char wants_text[] = "must be a text";
static const char wants_bool[] = "must be true or false";
static const char wants_integer[] = "must be an integer, as a number or a text";
static const char wants_number[] = "must be a number, or a text that holds one";
static const char wants_base64[] = "must be a text in base64";
static const char wants_range[] = "is outside the range of 64 bits";

/* --- numbers ---------------------------------------------------------------------------------------------- */

struct number {
    bool is_integer; /* magnitude holds it exactly */
    bool is_negative;
    uint64_t magnitude;
    double value;
};

static bool is_number_char(uint8_t c)
{
    return (c >= '0' && c <= '9') || c == '-' || c == '+' || c == '.' || c == 'e' || c == 'E';
}

/* Optional sign and digits that fit 64 bits. */
static bool integer_read(struct bytes text, struct number *number)
{
    size_t at = text.len > 0 && (text.ptr[0] == '-' || text.ptr[0] == '+');
    uint64_t value = 0;
    if (at == text.len) {
        return false;
    }
    number->is_negative = text.ptr[0] == '-';
    for (; at < text.len; at++) {
        unsigned digit = text.ptr[at] - (unsigned)'0';
        if (digit > 9 || __builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, digit, &value)) {
            return false;
        }
    }
    number->magnitude = value;
    return true;
}

/* A number, or a text that holds one; a double's exact integer counts as integer. */
static bool number_read(const struct json_token *token, struct buf *scratch,
                        struct number *ret_number)
{
    static const double two_63 = 9223372036854775808.0;
    struct number number = {0};
    if (token->kind != JSONREAD_NUMBER && token->kind != JSONREAD_TEXT) {
        return false;
    }
    buf_reset(scratch);
    jsonread_unescape(token, scratch);
    struct bytes text = buf_bytes(scratch);
    for (size_t i = 0; i < text.len; i++) {
        if (!is_number_char(text.ptr[i])) {
            return false;
        }
    }
    buf_add_u8(scratch, '\0');
    if (!err_is_ok(buf_err(scratch)) || text.len == 0) {
        return false;
    }
    text.ptr = buf_bytes(scratch).ptr;
    char *end = NULL;
    number.is_integer = integer_read(text, &number);
    number.value = strtod((const char *)text.ptr, &end);
    if (end != (const char *)text.ptr + text.len) {
        return false;
    }
    if (!number.is_integer && fabs(number.value) < 2 * two_63 &&
        trunc(number.value) == number.value) {
        number.is_integer = true;
        number.is_negative = number.value < 0;
        number.magnitude = (uint64_t)fabs(number.value);
    }
    *ret_number = number;
    return true;
}

static bool fits_int64(const struct number *number)
{
    return number->is_integer &&
           number->magnitude <= (uint64_t)INT64_MAX + (number->is_negative ? 1 : 0);
}

static uint64_t twos_complement(const struct number *number)
{
    return number->is_negative ? 0 - number->magnitude : number->magnitude;
}

static uint32_t clamp_u32(const struct number *number)
{
    if (number->is_negative) {
        return 0;
    }
    return number->magnitude > UINT32_MAX ? UINT32_MAX : (uint32_t)number->magnitude;
}

static uint64_t double_bits(double value)
{
    uint64_t bits = 0;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

enum { ANY_INT = 3, ANY_DOUBLE = 4 };

/* An integer beyond int64, or a fraction, where an integer should stand: SDKs of JavaScript send both. */
static const char *int64_write(uint32_t number, const struct json_token *token, struct buf *scratch,
                               struct buf *out)
{
    struct number got = {0};
    if (!number_read(token, scratch, &got)) {
        return wants_integer;
    }
    if (fits_int64(&got)) {
        wire_put_u64(out, number, twos_complement(&got));
    } else {
        wire_put_fixed64(out, ANY_DOUBLE, double_bits(got.value));
    }
    return NULL;
}

static const char *fixed64_write(uint32_t number, const struct json_token *token,
                                 struct buf *scratch, struct buf *out)
{
    struct number got = {0};
    if (!number_read(token, scratch, &got)) {
        return wants_integer;
    }
    if (!got.is_integer) {
        double whole = trunc(got.value);
        if (!(fabs(whole) < 9223372036854775808.0)) {
            return wants_range;
        }
        got.is_negative = whole < 0;
        got.magnitude = (uint64_t)fabs(whole);
    }
    if (got.is_negative && !(got.magnitude <= (uint64_t)INT64_MAX + 1)) {
        return wants_range;
    }
    wire_put_fixed64(out, number, twos_complement(&got));
    return NULL;
}

static const char *integer_write(enum schema_type type, uint32_t number,
                                 const struct json_token *token, struct buf *scratch,
                                 struct buf *out)
{
    struct number got = {0};
    if (!number_read(token, scratch, &got) || !got.is_integer) {
        return wants_integer;
    }
    if (type == SCHEMA_TYPE_FIXED32) {
        wire_put_fixed32(out, number, clamp_u32(&got));
    } else if (type == SCHEMA_TYPE_UINT32) {
        wire_put_u64(out, number, clamp_u32(&got));
    } else {
        if (got.magnitude > INT32_MAX) {
            return wants_integer;
        }
        wire_put_u64(out, number, twos_complement(&got));
    }
    return NULL;
}

static const char *double_write(uint32_t number, const struct json_token *token,
                                struct buf *scratch, struct buf *out)
{
    struct number got = {0};
    if (token->kind == JSONREAD_NULL || jsonread_equals(token, "NaN")) {
        got.value = (double)NAN;
    } else if (jsonread_equals(token, "Infinity")) {
        got.value = (double)INFINITY;
    } else if (jsonread_equals(token, "-Infinity")) {
        got.value = -(double)INFINITY;
    } else if (!number_read(token, scratch, &got)) {
        return wants_number;
    }
    wire_put_fixed64(out, number, double_bits(got.value));
    return NULL;
}

/* --- texts --------------------------------------------------------------------------------------------------- */

static const char *text_write(uint32_t number, const struct json_token *token, struct buf *out)
{
    if (token->kind != JSONREAD_TEXT) {
        return wants_text;
    }
    if (!token->has_escapes) {
        wire_put_bytes(out, number, token->text);
        return NULL;
    }
    wire_put_tag(out, number, WIRE_BYTES);
    size_t at = wire_open(out, 1);
    jsonread_unescape(token, out);
    wire_close(out, at, 1, false);
    return NULL;
}

static struct bytes plain_text(const struct json_token *token, struct buf *scratch)
{
    if (!token->has_escapes) {
        return token->text;
    }
    buf_reset(scratch);
    jsonread_unescape(token, scratch);
    return buf_bytes(scratch);
}

/* A span's id that is no hex becomes one octet, so that the scan rejects the span for its length; one of a
 * link is left out. */
static const char *id_write(enum schema_message message, uint32_t number,
                            const struct json_token *token, struct buf *scratch, struct buf *out)
{
    if (token->kind != JSONREAD_TEXT) {
        return wants_text;
    }
    struct bytes hex = plain_text(token, scratch);
    size_t before = buf_bytes(out).len;
    size_t len = hex.len / 2;
    wire_put_head(out, number, len);
    size_t start = buf_bytes(out).len;
    for (size_t at = 0; at < len; at++) {
        uint8_t octet = 0;
        if (!bytes_from_hex(bytes_of(hex.ptr + 2 * at, 2), &octet, 1)) {
            break;
        }
        buf_add_u8(out, octet);
    }
    if (!err_is_ok(buf_err(out))) {
        return NULL;
    }
    if (hex.len % 2 != 0 || buf_bytes(out).len - start != len) {
        buf_cut(out, before);
        if (message == SCHEMA_SPAN) {
            wire_put_bytes(out, number, bytes_of("", 1));
        }
    }
    return NULL;
}

static int base64_digit(uint8_t c)
{
    if (c >= 'A' && c <= 'Z') {
        return c - 'A';
    }
    if (c >= 'a' && c <= 'z') {
        return c - 'a' + 26;
    }
    if (c >= '0' && c <= '9') {
        return c - '0' + 52;
    }
    if (c == '+' || c == '-') {
        return 62;
    }
    return c == '/' || c == '_' ? 63 : -1;
}

/* Standard or URL alphabet, padded or not. */
static const char *base64_write(uint32_t number, const struct json_token *token,
                                struct buf *scratch, struct buf *out)
{
    if (token->kind != JSONREAD_TEXT) {
        return wants_base64;
    }
    struct bytes text = plain_text(token, scratch);
    for (unsigned pads = 0; pads < 2 && text.len > 0 && text.ptr[text.len - 1] == '='; pads++) {
        text.len--;
    }
    for (size_t i = 0; i < text.len; i++) {
        if (base64_digit(text.ptr[i]) < 0) {
            return wants_base64;
        }
    }
    if (text.len % 4 == 1) {
        return wants_base64;
    }
    wire_put_head(out, number, text.len * 3 / 4);
    uint32_t bits = 0;
    unsigned count = 0;
    for (size_t i = 0; i < text.len; i++) {
        bits = bits << 6 | (uint32_t)base64_digit(text.ptr[i]);
        count += 6;
        if (count >= 8) {
            count -= 8;
            buf_add_u8(out, (uint8_t)(bits >> count));
        }
    }
    return NULL;
}

static const char *bool_write(uint32_t number, const struct json_token *token, struct buf *out)
{
    if (token->kind != JSONREAD_TRUE && token->kind != JSONREAD_FALSE) {
        return wants_bool;
    }
    wire_put_u64(out, number, token->kind == JSONREAD_TRUE);
    return NULL;
}

void json_value(enum schema_message message, uint32_t number, const struct json_token *token,
                struct buf *scratch, struct buf *out, const char **ret_wrong)
{
    enum schema_type type = schema_field(message, number)->type;
    *ret_wrong = NULL;
    switch (type) {
    case SCHEMA_TYPE_TEXT:
        *ret_wrong = text_write(number, token, out);
        return;
    case SCHEMA_TYPE_ID:
        *ret_wrong = id_write(message, number, token, scratch, out);
        return;
    case SCHEMA_TYPE_BYTES:
        *ret_wrong = base64_write(number, token, scratch, out);
        return;
    case SCHEMA_TYPE_BOOL:
        *ret_wrong = bool_write(number, token, out);
        return;
    case SCHEMA_TYPE_INT64:
        *ret_wrong = int64_write(number, token, scratch, out);
        return;
    case SCHEMA_TYPE_DOUBLE:
        *ret_wrong = double_write(number, token, scratch, out);
        return;
    case SCHEMA_TYPE_FIXED64:
        *ret_wrong = fixed64_write(number, token, scratch, out);
        return;
    case SCHEMA_TYPE_UINT32:
    case SCHEMA_TYPE_ENUM:
    case SCHEMA_TYPE_FIXED32:
        *ret_wrong = integer_write(type, number, token, scratch, out);
        return;
    case SCHEMA_TYPE_MESSAGE:
    case SCHEMA_TYPE_NONE:
        return;
    }
}
