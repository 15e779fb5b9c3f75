#include "proto/otlp/jsonread.h"

#include <stdio.h>

#include "proto/base/check.h"

#include "proto/base/banned.h"

/* What may come next. */
enum expect {
    EXPECT_VALUE, /* a value must come: at the start, after a key, after a comma in an array */
    EXPECT_VALUE_OR_END, /* just inside '[' */
    EXPECT_KEY,          /* after a comma in an object */
    EXPECT_KEY_OR_END,   /* just inside '{' */
    EXPECT_COMMA_OR_END, /* after a value inside something */
    EXPECT_END_OF_TEXT,  /* after the only value */
};

static const char too_deep[] = "nested deeper than the limit of"; /* the limit follows */

void jsonread_init(struct jsonread *json, struct bytes input, unsigned depth_max)
{
    *json = (struct jsonread){
        .reader = reader_of(input),
        .input = input,
        .depth_max = depth_max < JSONREAD_DEPTH_MAX ? depth_max : JSONREAD_DEPTH_MAX,
        .expect = EXPECT_VALUE,
    };
}

unsigned jsonread_depth(const struct jsonread *json)
{
    return json->depth;
}

size_t jsonread_offset(const struct jsonread *json)
{
    return json->input.len - reader_left(&json->reader);
}

static err_t problem(struct jsonread *json, const char *text)
{
    json->problem = text;
    return reader_is_done(&json->reader) ? FAIL(TRUNCATED) : FAIL(MALFORMED);
}

static bool is_in_object(const struct jsonread *json)
{
    unsigned level = json->depth - 1;
    return (json->is_object[level / 8] & 1u << level % 8) != 0;
}

static FALLIBLE level_open(struct jsonread *json, bool is_object)
{
    if (json->depth == json->depth_max) {
        json->problem = too_deep;
        return FAIL(TOO_DEEP);
    }
    unsigned level = json->depth++;
    uint8_t bit = (uint8_t)(1u << level % 8);
    if (is_object) {
        json->is_object[level / 8] |= bit;
    } else {
        json->is_object[level / 8] &= (uint8_t)~bit;
    }
    json->expect = is_object ? EXPECT_KEY_OR_END : EXPECT_VALUE_OR_END;
    return OK;
}

static void value_ended(struct jsonread *json)
{
    json->expect = json->depth == 0 ? EXPECT_END_OF_TEXT : EXPECT_COMMA_OR_END;
}

static void skip_octet(struct jsonread *json)
{
    uint8_t octet = 0;
    err_t err = reader_u8(&json->reader, &octet);
    INVARIANT(err_is_ok(err)); /* the caller has peeked */
}

static void skip_space(struct jsonread *json)
{
    int next = reader_peek(&json->reader);
    while (next == ' ' || next == '\n' || next == '\t' || next == '\r') {
        skip_octet(json);
        next = reader_peek(&json->reader);
    }
}

/* --- texts --------------------------------------------------------------------------------------------------- */

static bool is_hex(int octet)
{
    return (octet >= '0' && octet <= '9') || (octet >= 'a' && octet <= 'f') ||
           (octet >= 'A' && octet <= 'F');
}

/* Behind the backslash. */
static FALLIBLE escape_check(struct jsonread *json)
{
    int kind = reader_peek(&json->reader);
    if (kind != 'u') {
        if (kind < 0 || strchr("\"\\/bfnrt", kind) == NULL || kind == 0) {
            return problem(
                json, "an escape in a text must be one of \\\" \\\\ \\/ \\b \\f \\n \\r \\t \\u");
        }
        skip_octet(json);
        return OK;
    }
    skip_octet(json);
    for (unsigned i = 0; i < 4; i++) {
        if (!is_hex(reader_peek(&json->reader))) {
            return problem(json, "\\u must be followed by four hex digits");
        }
        skip_octet(json);
    }
    return OK;
}

/* How many octets at the front of `text` end no text, begin no escape and are no control character. */
static size_t plain_bytes(struct bytes text, bool *has_high)
{
    size_t at = 0;
    uint8_t high = 0;
    while (at < text.len && text.ptr[at] != '"' && text.ptr[at] != '\\' && text.ptr[at] >= 0x20) {
        high |= text.ptr[at];
        at++;
    }
    *has_high |= high >= 0x80;
    return at;
}

/* The reader stands where `text` ended; moves it back to the first octet that is not UTF-8. */
static err_t utf8_problem(struct jsonread *json, struct bytes text, struct reader start)
{
    size_t at = 0;
    for (size_t len = 1; len <= 4 && at + len <= text.len;) {
        if (bytes_are_utf8(bytes_of(text.ptr + at, len))) {
            at += len;
            len = 1;
        } else {
            len++;
        }
    }
    struct bytes ignored = {0};
    json->reader = start;
    err_t err = reader_take(&json->reader, at, &ignored);
    INVARIANT(err_is_ok(err));
    json->problem = "the text is not valid UTF-8";
    return FAIL(NOT_UTF8);
}

/* Behind the opening quote; passes the closing one. */
static FALLIBLE text_read(struct jsonread *json, struct json_token *token)
{
    struct reader start = json->reader;
    bool has_high = false;
    token->has_escapes = false;
    for (;;) {
        struct bytes plain = {0};
        TRY(reader_take(&json->reader, plain_bytes(reader_rest(&json->reader), &has_high), &plain));
        int stop = reader_peek(&json->reader);
        if (stop == '"') {
            break;
        }
        if (stop != '\\') {
            return problem(json, stop < 0 ? "the text has no closing quote"
                                          : "a control character in a text must be escaped");
        }
        token->has_escapes = true;
        skip_octet(json);
        TRY(escape_check(json));
    }
    token->text = reader_since(&json->reader, &start);
    if (has_high && !bytes_are_utf8(token->text)) {
        return utf8_problem(json, token->text, start);
    }
    skip_octet(json);
    return OK;
}

/* --- numbers and words ------------------------------------------------------------------------------------------ */

static bool digits_skip(struct jsonread *json)
{
    bool has_digits = false;
    for (int next = reader_peek(&json->reader); next >= '0' && next <= '9';
         next = reader_peek(&json->reader)) {
        skip_octet(json);
        has_digits = true;
    }
    return has_digits;
}

static FALLIBLE number_read(struct jsonread *json, struct json_token *token)
{
    struct reader start = json->reader;
    if (reader_peek(&json->reader) == '-') {
        skip_octet(json);
    }
    bool is_zero = reader_peek(&json->reader) == '0';
    if (is_zero) {
        skip_octet(json);
    } else if (!digits_skip(json)) {
        return problem(json, "expected a digit");
    }
    if (reader_peek(&json->reader) == '.') {
        skip_octet(json);
        if (!digits_skip(json)) {
            return problem(json, "expected a digit after the point");
        }
    }
    int next = reader_peek(&json->reader);
    if (next == 'e' || next == 'E') {
        skip_octet(json);
        next = reader_peek(&json->reader);
        if (next == '+' || next == '-') {
            skip_octet(json);
        }
        if (!digits_skip(json)) {
            return problem(json, "expected a digit in the exponent");
        }
    }
    next = reader_peek(&json->reader);
    if (next >= '0' && next <= '9') {
        return problem(json, "a number must not begin with 0");
    }
    token->kind = JSONREAD_NUMBER;
    token->text = reader_since(&json->reader, &start);
    return OK;
}

static FALLIBLE word_read(struct jsonread *json, const char *word, enum json_kind kind,
                          struct json_token *token)
{
    struct reader before = json->reader;
    struct bytes got = {0};
    size_t len = strlen(word);
    if (reader_left(&json->reader) < len) {
        len = reader_left(&json->reader);
    }
    TRY(reader_take(&json->reader, len, &got));
    if (!bytes_equal_text(got, word)) {
        bool is_cut = bytes_equal(got, bytes_of(word, len)) && reader_is_done(&json->reader);
        if (!is_cut) {
            json->reader = before;
        }
        return problem(json, "expected a value");
    }
    token->kind = kind;
    token->text = got;
    return OK;
}

/* --- tokens --------------------------------------------------------------------------------------------------------- */

static FALLIBLE value_read(struct jsonread *json, int next, struct json_token *token)
{
    switch (next) {
    case '{':
    case '[':
        TRY(level_open(json, next == '{'));
        skip_octet(json);
        token->kind = next == '{' ? JSONREAD_OBJECT : JSONREAD_ARRAY;
        return OK;
    case '"':
        skip_octet(json);
        token->kind = JSONREAD_TEXT;
        TRY(text_read(json, token));
        break;
    case 't':
        TRY(word_read(json, "true", JSONREAD_TRUE, token));
        break;
    case 'f':
        TRY(word_read(json, "false", JSONREAD_FALSE, token));
        break;
    case 'n':
        TRY(word_read(json, "null", JSONREAD_NULL, token));
        break;
    default:
        if (next != '-' && (next < '0' || next > '9')) {
            return problem(json, "expected a value");
        }
        TRY(number_read(json, token));
        break;
    }
    value_ended(json);
    return OK;
}

static FALLIBLE key_read(struct jsonread *json, int next, struct json_token *token)
{
    if (next != '"') {
        return problem(json, json->expect == EXPECT_KEY ? "expected a key in quotes"
                                                        : "expected a key in quotes or '}'");
    }
    skip_octet(json);
    token->kind = JSONREAD_KEY;
    TRY(text_read(json, token));
    skip_space(json);
    if (reader_peek(&json->reader) != ':') {
        return problem(json, "expected ':'");
    }
    skip_octet(json);
    json->expect = EXPECT_VALUE;
    return OK;
}

static void level_close(struct jsonread *json, struct json_token *token)
{
    token->kind = is_in_object(json) ? JSONREAD_OBJECT_END : JSONREAD_ARRAY_END;
    skip_octet(json);
    json->depth--;
    value_ended(json);
}

/* Inside something, after one of its values. */
static FALLIBLE comma_read(struct jsonread *json, int *next)
{
    bool is_object = is_in_object(json);
    if (*next != ',') {
        return problem(json, is_object ? "expected ',' or '}'" : "expected ',' or ']'");
    }
    skip_octet(json);
    skip_space(json);
    json->expect = is_object ? EXPECT_KEY : EXPECT_VALUE;
    *next = reader_peek(&json->reader);
    return OK;
}

err_t jsonread_next(struct jsonread *json, struct json_token *ret_token)
{
    struct json_token token = {.kind = JSONREAD_END};
    skip_space(json);
    int next = reader_peek(&json->reader);
    if (json->expect == EXPECT_END_OF_TEXT) {
        if (next >= 0) {
            return problem(json, "expected nothing more after the value");
        }
        *ret_token = token;
        return OK;
    }
    bool may_end = json->expect == EXPECT_COMMA_OR_END || json->expect == EXPECT_KEY_OR_END ||
                   json->expect == EXPECT_VALUE_OR_END;
    if (may_end && next == (is_in_object(json) ? '}' : ']')) {
        level_close(json, &token);
        *ret_token = token;
        return OK;
    }
    if (json->expect == EXPECT_COMMA_OR_END) {
        TRY(comma_read(json, &next));
    }
    if (json->expect == EXPECT_KEY || json->expect == EXPECT_KEY_OR_END) {
        TRY(key_read(json, next, &token));
    } else {
        TRY(value_read(json, next, &token));
    }
    *ret_token = token;
    return OK;
}

err_t jsonread_skip_rest(struct jsonread *json, const struct json_token *token)
{
    if (token->kind != JSONREAD_OBJECT && token->kind != JSONREAD_ARRAY) {
        return OK;
    }
    unsigned outside = json->depth - 1;
    struct json_token inner = {0};
    while (json->depth > outside) {
        TRY(jsonread_next(json, &inner));
    }
    return OK;
}

err_t jsonread_skip(struct jsonread *json)
{
    struct json_token token = {0};
    TRY(jsonread_next(json, &token));
    return jsonread_skip_rest(json, &token);
}

void jsonread_where(const struct jsonread *json, struct detail *detail)
{
    size_t offset = jsonread_offset(json);
    size_t line = 1;
    size_t column = 1;
    for (size_t i = 0; i < offset; i++) {
        column++;
        if (json->input.ptr[i] == '\n') {
            line++;
            column = 1;
        }
    }
    char limit[16] = "";
    if (json->problem == too_deep) {
        (void)snprintf(limit, sizeof limit, " %u", json->depth_max); /* at most ten digits */
    }
    detail_set(detail, "%s%s at line %zu, column %zu (octet %zu)%s",
               json->problem == NULL ? "the JSON is not valid" : json->problem, limit, line, column,
               offset, offset == json->input.len ? ", where the text ends" : "");
}

err_t jsonread_check(struct bytes input, unsigned depth_max, struct detail *detail)
{
    struct jsonread json;
    struct json_token token = {.kind = JSONREAD_NULL};
    jsonread_init(&json, input, depth_max);
    while (token.kind != JSONREAD_END) {
        err_t err = jsonread_next(&json, &token);
        if (!err_is_ok(err)) {
            jsonread_where(&json, detail);
            return err;
        }
    }
    return OK;
}

/* --- what a text stands for -------------------------------------------------------------------------------------- */

static unsigned hex_value(uint8_t digit)
{
    return digit <= '9' ? digit - (unsigned)'0' : (digit | 0x20u) - (unsigned)'a' + 10;
}

/* Four checked hex digits. */
static unsigned unit_read(struct reader *reader)
{
    unsigned unit = 0;
    for (unsigned i = 0; i < 4; i++) {
        uint8_t digit = 0;
        err_t err = reader_u8(reader, &digit);
        INVARIANT(err_is_ok(err));
        unit = unit << 4 | hex_value(digit);
    }
    return unit;
}

static size_t utf8_write(unsigned code, uint8_t octets[4])
{
    if (code < 0x80) {
        octets[0] = (uint8_t)code;
        return 1;
    }
    if (code < 0x800) {
        octets[0] = (uint8_t)(0xC0 | code >> 6);
        octets[1] = (uint8_t)(0x80 | (code & 0x3F));
        return 2;
    }
    if (code < 0x10000) {
        octets[0] = (uint8_t)(0xE0 | code >> 12);
        octets[1] = (uint8_t)(0x80 | (code >> 6 & 0x3F));
        octets[2] = (uint8_t)(0x80 | (code & 0x3F));
        return 3;
    }
    octets[0] = (uint8_t)(0xF0 | code >> 18);
    octets[1] = (uint8_t)(0x80 | (code >> 12 & 0x3F));
    octets[2] = (uint8_t)(0x80 | (code >> 6 & 0x3F));
    octets[3] = (uint8_t)(0x80 | (code & 0x3F));
    return 4;
}

/* Behind "\u"; takes the second half of a surrogate pair along. */
static size_t unicode_read(struct reader *reader, uint8_t octets[4])
{
    enum { PAIR_REST = 6 };
    unsigned code = unit_read(reader);
    if (code >= 0xD800 && code < 0xDC00 && reader_left(reader) >= PAIR_REST) {
        struct reader ahead = *reader;
        uint8_t backslash = 0;
        uint8_t u = 0;
        bool is_escape = err_is_ok(reader_u8(&ahead, &backslash)) && backslash == '\\' &&
                         err_is_ok(reader_u8(&ahead, &u)) && u == 'u';
        unsigned low = is_escape ? unit_read(&ahead) : 0;
        if (low >= 0xDC00 && low < 0xE000) {
            *reader = ahead;
            code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
        }
    }
    return utf8_write(code, octets);
}

/* Behind a backslash. */
static size_t escape_read(struct reader *reader, uint8_t octets[4])
{
    static const char from[] = "\"\\/bfnrt";
    static const char to[] = "\"\\/\b\f\n\r\t";
    uint8_t kind = 0;
    err_t err = reader_u8(reader, &kind);
    INVARIANT(err_is_ok(err));
    if (kind == 'u') {
        return unicode_read(reader, octets);
    }
    const char *at = strchr(from, kind);
    INVARIANT(at != NULL);
    octets[0] = (uint8_t)to[at - from];
    return 1;
}

/* The next piece of a text: a stretch without escapes, or one escape in `octets`. */
static struct bytes piece_next(struct reader *reader, uint8_t octets[4])
{
    struct bytes rest = reader_rest(reader);
    const uint8_t *backslash = memchr(rest.ptr, '\\', rest.len);
    size_t plain = backslash == NULL ? rest.len : (size_t)(backslash - rest.ptr);
    struct bytes piece = {0};
    err_t err = reader_take(reader, plain > 0 ? plain : 1, &piece);
    INVARIANT(err_is_ok(err));
    return plain > 0 ? piece : bytes_of(octets, escape_read(reader, octets));
}

void jsonread_unescape(const struct json_token *token, struct buf *out)
{
    if (!token->has_escapes) {
        buf_add(out, token->text);
        return;
    }
    struct reader reader = reader_of(token->text);
    uint8_t octets[4];
    while (!reader_is_done(&reader)) {
        buf_add(out, piece_next(&reader, octets));
    }
}

bool jsonread_equals(const struct json_token *token, const char *text)
{
    if (!token->has_escapes) {
        return bytes_equal_text(token->text, text);
    }
    struct reader reader = reader_of(token->text);
    struct bytes rest = bytes_of_text(text);
    uint8_t octets[4];
    while (!reader_is_done(&reader)) {
        struct bytes piece = piece_next(&reader, octets);
        if (rest.len < piece.len || memcmp(rest.ptr, piece.ptr, piece.len) != 0) {
            return false;
        }
        rest = bytes_of(rest.ptr + piece.len, rest.len - piece.len);
    }
    return rest.len == 0;
}
