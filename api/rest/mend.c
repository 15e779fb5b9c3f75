#include "api/rest/mend.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "proto/otlp/jsonread.h"

#include "proto/base/banned.h"

enum {
    ESCAPE_U = 6,          /* \uXXXX */
    NUMBER_BYTES_MAX = 400 /* a double in full; longer ones are cut to the greatest */
};

static bool escape_read(struct bytes text, size_t at, unsigned *ret_unit)
{
    uint8_t unit[2];
    if (text.len - at < ESCAPE_U || text.ptr[at] != '\\' || text.ptr[at + 1] != 'u' ||
        !bytes_from_hex(bytes_of(text.ptr + at + 2, 4), unit, sizeof unit)) {
        return false;
    }
    *ret_unit = (unsigned)unit[0] << 8 | unit[1];
    return true;
}

/* How many octets at `at` stay together, and whether they are replaced. */
static size_t text_step(struct bytes text, size_t at, bool is_key, bool *ret_is_replaced)
{
    unsigned unit = 0;
    unsigned low = 0;
    *ret_is_replaced = false;
    if (text.ptr[at] != '\\') {
        return 1;
    }
    if (!escape_read(text, at, &unit)) {
        return 2;
    }
    if (unit >= 0xD800 && unit < 0xDC00 && text.len - at >= 2 * (size_t)ESCAPE_U &&
        escape_read(text, at + ESCAPE_U, &low) && low >= 0xDC00 && low < 0xE000) {
        return 2 * (size_t)ESCAPE_U;
    }
    *ret_is_replaced = (unit >= 0xD800 && unit < 0xE000) || (is_key && unit == 0);
    return ESCAPE_U;
}

static void text_mend(const struct json_token *token, struct buf *out)
{
    struct bytes text = token->text;
    buf_add_u8(out, '"');
    size_t kept = 0;
    for (size_t at = 0; token->has_escapes && at < text.len;) {
        bool is_replaced = false;
        size_t step = text_step(text, at, token->kind == JSONREAD_KEY, &is_replaced);
        if (is_replaced) {
            buf_add(out, bytes_of(text.ptr + kept, at - kept));
            buf_add_text(out, "\\ufffd");
            kept = at + step;
        }
        at += step;
    }
    buf_add(out, bytes_of(text.ptr + kept, text.len - kept));
    buf_add_u8(out, '"');
}

static void number_mend(struct bytes text, struct buf *out)
{
    bool is_integer = true;
    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = text.ptr[i];
        is_integer = is_integer && c != '.' && c != 'e' && c != 'E';
    }
    char digits[NUMBER_BYTES_MAX + 1];
    if (text.len > NUMBER_BYTES_MAX) {
        buf_add_text(out, text.ptr[0] == '-' ? "-1e308" : "1e308");
        return;
    }
    memcpy(digits, text.ptr, text.len);
    digits[text.len] = '\0';
    if (isinf(strtod(digits, NULL))) {
        buf_add_text(out, text.ptr[0] == '-' ? "-1e308" : "1e308");
        return;
    }
    buf_add(out, text);
    errno = 0;
    if (is_integer) {
        (void)strtoll(digits, NULL, 10); /* only errno matters */
        buf_add_text(out, errno == ERANGE ? ".0" : "");
    }
}

static void token_mend(const struct json_token *token, struct buf *out)
{
    switch (token->kind) {
    case JSONREAD_OBJECT:
        buf_add_u8(out, '{');
        break;
    case JSONREAD_OBJECT_END:
        buf_add_u8(out, '}');
        break;
    case JSONREAD_ARRAY:
        buf_add_u8(out, '[');
        break;
    case JSONREAD_ARRAY_END:
        buf_add_u8(out, ']');
        break;
    case JSONREAD_KEY:
    case JSONREAD_TEXT:
        text_mend(token, out);
        break;
    case JSONREAD_NUMBER:
        number_mend(token->text, out);
        break;
    case JSONREAD_TRUE:
        buf_add_text(out, "true");
        break;
    case JSONREAD_FALSE:
        buf_add_text(out, "false");
        break;
    case JSONREAD_NULL:
        buf_add_text(out, "null");
        break;
    case JSONREAD_END:
        break;
    }
}

/* Whether a comma stands between two tokens that follow each other. */
static bool comma_between(enum json_kind before, enum json_kind after)
{
    bool is_opening =
        before == JSONREAD_END || before == JSONREAD_OBJECT || before == JSONREAD_ARRAY;
    bool is_closing =
        after == JSONREAD_OBJECT_END || after == JSONREAD_ARRAY_END || after == JSONREAD_END;
    return !is_opening && before != JSONREAD_KEY && !is_closing;
}

static bool is_value(enum json_kind kind)
{
    return kind != JSONREAD_KEY && kind != JSONREAD_OBJECT_END && kind != JSONREAD_ARRAY_END &&
           kind != JSONREAD_END;
}

FALLIBLE mend_body(struct bytes body, struct buf *out, struct detail *detail)
{
    struct jsonread reader;
    jsonread_init(&reader, body, MEND_DEPTH_MAX);
    enum json_kind before = JSONREAD_END;
    size_t values = 0;
    for (;;) {
        struct json_token token;
        err_t err = jsonread_next(&reader, &token);
        if (!err_is_ok(err)) {
            jsonread_where(&reader, detail);
            return err;
        }
        if (token.kind == JSONREAD_END) {
            return buf_err(out);
        }
        values += is_value(token.kind);
        if (values > MEND_VALUES_MAX) {
            detail_set(detail, "it has more than %d values", MEND_VALUES_MAX);
            return FAIL(TOO_MANY);
        }
        if (comma_between(before, token.kind)) {
            buf_add_u8(out, ',');
        }
        token_mend(&token, out);
        if (token.kind == JSONREAD_KEY) {
            buf_add_u8(out, ':');
        }
        before = token.kind;
    }
}

/* Cuts white space and the colon before a value. */
static struct bytes value_trim(struct bytes value)
{
    while (value.len > 0 && (value.ptr[0] <= ' ' || value.ptr[0] == ':')) {
        value = bytes_of(value.ptr + 1, value.len - 1);
    }
    return value;
}

/* Fills those that have no value yet. */
static void pick_missing(struct bytes body, struct mend_field *fields, size_t count)
{
    struct jsonread reader;
    struct json_token token;
    jsonread_init(&reader, body, MEND_DEPTH_MAX);
    if (!err_is_ok(jsonread_next(&reader, &token)) || token.kind != JSONREAD_OBJECT) {
        return;
    }
    while (err_is_ok(jsonread_next(&reader, &token)) && token.kind == JSONREAD_KEY) {
        size_t start = jsonread_offset(&reader);
        if (!err_is_ok(jsonread_skip(&reader))) {
            return;
        }
        size_t end = jsonread_offset(&reader);
        for (size_t i = 0; i < count; i++) {
            if (fields[i].value.len == 0 && jsonread_equals(&token, fields[i].name)) {
                fields[i].value = value_trim(bytes_of(body.ptr + start, end - start));
            }
        }
    }
}

void mend_pick(struct bytes body, struct mend_field *fields, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        fields[i].value = bytes_of(NULL, 0);
    }
    pick_missing(body, fields, count);
}

void mend_pick_lines(struct bytes lines, struct mend_field *fields, size_t count)
{
    while (lines.len > 0) {
        const uint8_t *feed = memchr(lines.ptr, '\n', lines.len);
        size_t len = feed == NULL ? lines.len : (size_t)(feed - lines.ptr);
        size_t step = feed == NULL ? len : len + 1;
        pick_missing(bytes_of(lines.ptr, len), fields, count);
        lines = bytes_of(lines.ptr + step, lines.len - step);
    }
}

bool mend_is_exact(struct bytes text)
{
    for (size_t at = 0; at < text.len;) {
        bool is_replaced = false;
        at += text_step(text, at, false, &is_replaced);
        if (is_replaced) {
            return false;
        }
    }
    return true;
}
