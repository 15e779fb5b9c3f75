/* token: the signature of a LiveKit webhook, checked as LiveKit's own receivers check it.
 *
 * The header Authorization carries a JWT as it is (`Bearer JWT` is taken, too). Its issuer names the API key whose
 * secret signed it with HS256, its claim `sha256` is the hash of the very octets of the body. So the order is:
 *
 *     TRY(livekit_token_read(http_header(request, "authorization"), arena, detail, &token));
 *     ... look up the secrets of token.issuer ...
 *     TRY(livekit_token_check(&token, secret, body, now, detail));
 *
 * libjwt compares the signature and nothing else; everything else is checked here. PURE. Thread: any. Views borrow
 * from the arena. */
#ifndef CALLTRACE_LIVEKIT_TOKEN_H
#define CALLTRACE_LIVEKIT_TOKEN_H

#include "proto/base/arena.h"
#include "proto/base/clock.h"

enum {
    /* By how much two clocks may differ: what LiveKit's receivers allow. */
    LIVEKIT_LEEWAY_S = 60,
};

struct livekit_token {
    const char *text;   /* the JWT */
    const char *issuer; /* what it says of itself; nothing is proven yet */
};

/* `authorization` may be NULL. Errors: BAD_KEY (no such header, no JWT, not HS256, no usable issuer), NO_SPACE,
 * MEMORY. */
FALLIBLE livekit_token_read(const char *authorization, struct arena *arena, struct detail *detail,
                            struct livekit_token *ret_token);

/* Did the holder of `secret` (not empty) sign this body, lately? Errors: BAD_KEY; detail says what does not fit.
 * MEMORY, INTERNAL: nothing is proven. */
FALLIBLE livekit_token_check(const struct livekit_token *token, struct bytes secret,
                             struct bytes body, struct unix_ns now, struct detail *detail);

#endif
