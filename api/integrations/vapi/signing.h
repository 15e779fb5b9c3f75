/* signing: whether a server message carries the signature that a VAPI credential (HMAC) makes. PURE but for GnuTLS.
 *
 *     TRY(vapi_signing_read(settings, detail, &signing));
 *     TRY(vapi_signing_verify(&signing, secret, &request, now, detail));
 *
 * The signature is compared in a time that does not depend on it. Where the time is signed, one that is more than
 * VAPI_SIGNING_LEEWAY_S off is refused, so that a recorded message is worth nothing later; where it is not, the same
 * message counts at any time, which changes nothing that it has not changed before.
 *
 * Thread: any. No secret stands in a detail. */
#ifndef CALLTRACE_VAPI_SIGNING_H
#define CALLTRACE_VAPI_SIGNING_H

#include "proto/base/bytes.h"
#include "proto/base/clock.h"
#include "proto/base/err.h"

enum {
    VAPI_SIGNING_LEEWAY_S = 300,
    VAPI_SIGNING_TEXT_BYTES = 512,
    VAPI_SIGNING_JSON_BYTES = 8192,
    /* Signatures in one header: a sender that changes its secret sends two. */
    VAPI_SIGNATURES_MAX = 8,
};

struct vapi_signing {
#define TEXT(field, name, option, initial, doc) char field[VAPI_SIGNING_TEXT_BYTES];
#define FLAG(field, name, option, initial, doc) bool field;
#include "api/integrations/vapi/signing.def"
#undef TEXT
#undef FLAG
};

/* What a request says; texts are NULL when a header is absent. */
struct vapi_signed {
    const char *signature;
    const char *timestamp;
    const char *message_id;
    const char *method;
    const char *url;
    struct bytes body;
};

/* With the initial values. */
void vapi_signing_init(struct vapi_signing *ret_signing);

/* Sets one by the name of its option; flags are on or off. Errors: NOT_FOUND (no such option), BAD_VALUE. */
FALLIBLE vapi_signing_set(struct vapi_signing *signing, const char *option, const char *value,
                          struct detail *detail);

/* Whether the values go together, and with the secret. Errors: BAD_VALUE; detail names the option. */
FALLIBLE vapi_signing_check(const struct vapi_signing *signing, struct bytes secret,
                            struct detail *detail);

/* As JSON, for vapi_credential.settings. Errors: MEMORY, TOO_LARGE. */
FALLIBLE vapi_signing_write(const struct vapi_signing *signing,
                            char ret_text[VAPI_SIGNING_JSON_BYTES]);
FALLIBLE vapi_signing_read(struct bytes text, struct detail *detail,
                           struct vapi_signing *ret_signing);

/* Errors: BAD_KEY (detail says what is wrong, naming the header), BAD_VALUE (settings or secret that cannot be used),
 * INTERNAL. */
FALLIBLE vapi_signing_verify(const struct vapi_signing *signing, struct bytes secret,
                             const struct vapi_signed *request, struct unix_ns now,
                             struct detail *detail);

#endif
