/* jsonread: a bounded pull reader of JSON text (RFC 8259), the first thing that any JSON from outside passes.
 *
 * It checks syntax, nesting and UTF-8 as it goes and needs no memory. It allows what jansson refuses and
 * clients send: U+0000 and lone surrogates as escapes, numbers of any size, duplicate keys.
 *
 *     struct jsonread json;
 *     jsonread_init(&json, body, 64);
 *     TRY(jsonread_next(&json, &token));          first token of the value
 *     ...
 *     TRY(jsonread_next(&json, &token));          JSONREAD_END after the only value
 *     jsonread_where(&json, &detail);             after an error: the sentence with the place
 *
 * Errors of every call: TRUNCATED, MALFORMED, NOT_UTF8, TOO_DEEP; the reader then stays where it failed.
 * Owner thread: the caller's. Views borrow from the input. */
#ifndef CALLTRACE_OTLP_JSONREAD_H
#define CALLTRACE_OTLP_JSONREAD_H

#include "proto/base/buf.h"
#include "proto/base/reader.h"

/* More nesting than this is refused whatever the caller asks for: one bit each is kept. */
enum { JSONREAD_DEPTH_MAX = 8192 };

enum json_kind {
    JSONREAD_END = 0, /* after the value: nothing but white space is left */
    JSONREAD_OBJECT,
    JSONREAD_OBJECT_END,
    JSONREAD_ARRAY,
    JSONREAD_ARRAY_END,
    JSONREAD_KEY, /* the value follows */
    JSONREAD_TEXT,
    JSONREAD_NUMBER,
    JSONREAD_TRUE,
    JSONREAD_FALSE,
    JSONREAD_NULL,
};

struct json_token {
    enum json_kind kind;
    bool has_escapes;  /* text and key: jsonread_unescape is needed */
    struct bytes text; /* text and key: between the quotes; number: its characters */
};

struct jsonread {
    /* private */
    struct reader reader;
    struct bytes input;
    const char *problem;
    unsigned depth;
    unsigned depth_max;
    unsigned char expect;
    uint8_t is_object[JSONREAD_DEPTH_MAX / 8];
};

/* `depth_max` counts objects and arrays around a value. Keeps `input`. */
void jsonread_init(struct jsonread *json, struct bytes input, unsigned depth_max);

FALLIBLE jsonread_next(struct jsonread *json, struct json_token *ret_token);

/* After a key, or where a value begins: passes over the whole value. */
FALLIBLE jsonread_skip(struct jsonread *json);

/* After `token` opened an object or array, passes to behind its end; nothing to do for other tokens. */
FALLIBLE jsonread_skip_rest(struct jsonread *json, const struct json_token *token);

/* How many objects and arrays are open. */
unsigned jsonread_depth(const struct jsonread *json);

/* Where the reader stands, in octets from the start. */
size_t jsonread_offset(const struct jsonread *json);

/* After an error: "expected ',' or '}' at line 3, column 14 (offset 57)". */
void jsonread_where(const struct jsonread *json, struct detail *detail);

/* Writes the text that `token` (text or key) stands for. Surrogate pairs become one character; a lone
 * surrogate becomes the three octets that UTF-8's pattern gives it (not valid UTF-8; jsontext_add turns
 * them back). At most token->text.len octets. */
void jsonread_unescape(const struct json_token *token, struct buf *out);

/* Whether the key or text, unescaped, equals `text`. */
bool jsonread_equals(const struct json_token *token, const char *text);

/* Reads one whole JSON text to its end and says what is wrong with it. */
FALLIBLE jsonread_check(struct bytes input, unsigned depth_max, struct detail *detail);

#endif
