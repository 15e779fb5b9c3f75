/* secret: somebody else's secret that calltrace must be able to use, such as the API secret of a LiveKit project
 * or the key of an HMAC. Unlike an API key of ours it cannot be kept as a hash.
 *
 * In Postgres it stands either sealed with AES-256-GCM under the key of the installation (the file that the row
 * secrets_key_file names, which is never in the database), or as the path of a file that holds it. A sealed secret
 * is bound to its row: `bound_to` names the row (project and name), and what was sealed for one row does not open
 * in another. So neither a dump of the database nor a writer of it gives or forges one.
 *
 *     TRY(secret_key_read(conf->secrets_key_file, detail, &key));
 *     TRY(secret_get(&key, bound_to, sealed, path, detail, &secret));
 *     ... use secret_bytes(&secret) ...
 *     secret_clear(&secret);
 *
 * Sealed form: octet 1, nonce of 12 octets, ciphertext, tag of 16 octets. No secret ever stands in a detail.
 *
 * Thread: any. The caller owns every struct and clears it. */
#ifndef CALLTRACE_INTEGRATIONS_SECRET_H
#define CALLTRACE_INTEGRATIONS_SECRET_H

#include "proto/base/bytes.h"
#include "proto/base/err.h"

enum {
    SECRET_KEY_BYTES = 32,
    /* Providers give 32 to 64 characters; a secret of somebody's own making may be a passphrase. */
    SECRET_BYTES_MAX = 1024,
    SECRET_SEALED_BYTES_MAX = 1 + 12 + SECRET_BYTES_MAX + 16,
};

/* The key of the installation. Zero-initialised there is none. */
struct secret_key {
    uint8_t octets[SECRET_KEY_BYTES];
    bool is_there;
};

struct secret {
    uint8_t octets[SECRET_BYTES_MAX];
    size_t len;
};

struct secret_sealed {
    uint8_t octets[SECRET_SEALED_BYTES_MAX];
    size_t len;
};

/* Reads a key file: 64 hex digits and at most a line end, readable to nobody but its owner and group. An empty path
 * is no key, and no error. Errors: BAD_CONFIG; detail names the row and the file. */
FALLIBLE secret_key_read(const char *path, struct detail *detail, struct secret_key *ret_key);
void secret_key_clear(struct secret_key *key);

static inline struct bytes secret_bytes(const struct secret *secret)
{
    return bytes_of(secret->octets, secret->len);
}

static inline struct bytes secret_sealed_bytes(const struct secret_sealed *sealed)
{
    return bytes_of(sealed->octets, sealed->len);
}

void secret_clear(struct secret *secret);

/* Errors: BAD_CONFIG (there is no key), INTERNAL. */
FALLIBLE secret_seal(const struct secret_key *key, struct bytes bound_to,
                     const struct secret *secret, struct detail *detail,
                     struct secret_sealed *ret_sealed);

/* Errors: BAD_CONFIG (there is no key), MALFORMED (sealed under another key, for another row, or altered). */
FALLIBLE secret_open(const struct secret_key *key, struct bytes bound_to, struct bytes sealed,
                     struct detail *detail, struct secret *ret_secret);

/* Reads a secret to the end of `fd`, one line end at its end left out: 1 to SECRET_BYTES_MAX octets. `what` names
 * the place for people. Errors: SYSTEM (it cannot be read), BAD_VALUE (empty or too long). */
FALLIBLE secret_fd_read(int fd, const char *what, struct detail *detail, struct secret *ret_secret);

/* The same of a file. Errors: as above. */
FALLIBLE secret_file_read(const char *path, struct detail *detail, struct secret *ret_secret);

/* A row's secret: of the file at `path`, or when that is NULL by opening `sealed`. Errors: of both. */
FALLIBLE secret_get(const struct secret_key *key, struct bytes bound_to, struct bytes sealed,
                    const char *path, struct detail *detail, struct secret *ret_secret);

#endif
