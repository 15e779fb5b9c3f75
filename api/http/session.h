/* session: the pages' cookie. It names an API key and a time, and carries a MAC under that key's stored hash, so that
 * it needs no table and no secret of its own, every api of an installation knows it, and revoking the key ends it.
 *
 *     <key id, 32 hex digits>.<end, seconds since 1970>.<HMAC-SHA256, 64 hex digits>
 *
 * A page's script never sees it (HttpOnly). SameSite=Strict keeps it out of requests from other sites; a request that
 * changes something must carry the header x-calltrace-page as well, which no form can send.
 *
 * Thread: any. */
#ifndef CALLTRACE_API_SESSION_H
#define CALLTRACE_API_SESSION_H

#include "api/http/key_cache.h"
#include "proto/base/bytes.h"

enum {
    SESSION_MAC_BYTES = 32,
    SESSION_TEXT_BYTES = 32 + 1 + 20 + 1 + 2 * SESSION_MAC_BYTES + 1,
    SESSION_COOKIE_BYTES = SESSION_TEXT_BYTES + 128,
    SESSION_S = 12 * 3600,
};

/* What a cookie says, not yet believed. */
struct session_claim {
    struct uuid key;
    int64_t ends_s;
    uint8_t mac[SESSION_MAC_BYTES];
};

/* Writes the cookie's value. `stored` is SHA-256 of the key's text. Errors: INTERNAL. */
FALLIBLE session_make(struct uuid key, const struct key_hash *stored, int64_t ends_s,
                      char ret_text[SESSION_TEXT_BYTES]);

/* Finds and reads the session in a Cookie header (NULL: absent). False: there is none of the right form.
 * `*ret_text` borrows from the header. */
bool session_of_cookie(const char *cookie, struct bytes *ret_text, struct session_claim *ret_claim);

/* Is it the holder of the stored hash who was given this claim, and is it not over? */
bool session_is_valid(const struct session_claim *claim, const struct key_hash *stored,
                      int64_t now_s);

/* The Set-Cookie header: a session, or with text NULL its end. */
void session_cookie(const char *text, int64_t seconds, bool is_secure,
                    char ret_header[SESSION_COOKIE_BYTES]);

#endif
