/* key_text: an API key as text: "ct_live_" and 43 characters of base64url, 256 random bits. Thread: any. */
#ifndef CALLTRACE_API_KEY_TEXT_H
#define CALLTRACE_API_KEY_TEXT_H

#include "api/http/key_cache.h"
#include "proto/base/bytes.h"

enum { KEY_TEXT_CHARS = 51, KEY_TEXT_BYTES = KEY_TEXT_CHARS + 1, KEY_HINT_CHARS = 12 };

/* Errors: SYSTEM (no randomness). */
FALLIBLE key_text_make(char ret_text[KEY_TEXT_BYTES]);

/* Could this be a key of ours? What could not is refused without a lookup. */
bool key_text_is_plausible(struct bytes text);

/* SHA-256 of the whole text: what is stored. Errors: INTERNAL. */
FALLIBLE key_text_hash(struct bytes text, struct key_hash *ret_hash);

/* How long a key that was rotated works on, unless somebody says otherwise: a day to hand the new one to everybody. */
enum { KEY_GRACE_S = 86400, KEY_GRACE_S_MAX = 30 * 86400 };

/* A key's name: 1 to 255 characters of UTF-8 without control characters. */
bool key_name_is_good(struct bytes name);

/* The headers that may hold a key; each NULL when absent. */
struct key_headers {
    const char *authorization; /* Authorization: Bearer KEY */
    const char *roark_key;     /* x-roark-api-key */
    const char *api_key;       /* x-api-key */
    const char *vapi_secret;   /* X-Vapi-Secret, with or without Bearer */
};

/* The key in a request's headers, in their order. False when there is none or its form is wrong. */
bool key_text_of_headers(const struct key_headers *headers, struct bytes *ret_text);

#endif
