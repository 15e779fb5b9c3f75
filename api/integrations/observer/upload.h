/* upload: the token in the URL of an upload. PURE but for GnuTLS.
 *
 * The observers send pieces of recordings by PUT to a URL that they were given, without any header of ours, so the
 * URL itself tells who may. Its token names the API key that asked, until when it holds, and a MAC of both under
 * the key's stored hash: a secret that is in Postgres already, so that every api behind a balancer knows it, a
 * restart changes nothing and revoking the key ends its URLs. Nothing is stored for a token.
 *
 *     TRY(upload_token_make(key, hash, now_s + UPLOAD_TOKEN_S, text));
 *     if (!upload_token_read(text, &token) || token.until_s < now_s) { 403 }
 *     ... hash of token.key from Postgres ...
 *     TRY(upload_token_check(&token, hash, &is_good));
 *
 * Thread: any. */
#ifndef CALLTRACE_INTEGRATIONS_OBSERVER_UPLOAD_H
#define CALLTRACE_INTEGRATIONS_OBSERVER_UPLOAD_H

#include "api/http/key_cache.h"

enum {
    UPLOAD_MAC_BYTES = 32,
    /* Key, time and MAC in hex. */
    UPLOAD_TOKEN_CHARS = 2 * (16 + 8 + UPLOAD_MAC_BYTES),
    /* Observers use a URL at once and ask for a new one when they try again. */
    UPLOAD_TOKEN_S = 900,
};

struct upload_token {
    struct uuid key;
    int64_t until_s; /* Unix seconds */
    uint8_t mac[UPLOAD_MAC_BYTES];
};

/* Errors: INTERNAL. */
FALLIBLE upload_token_make(struct uuid key, const struct key_hash *hash, int64_t until_s,
                           char ret_text[UPLOAD_TOKEN_CHARS + 1]);

/* The form alone; nothing is believed yet. */
bool upload_token_read(struct bytes text, struct upload_token *ret_token);

/* Did this installation make it? In constant time. Errors: INTERNAL. */
FALLIBLE upload_token_check(const struct upload_token *token, const struct key_hash *hash,
                            bool *ret_is_good);

#endif
