#include "api/integrations/secret.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>

#include "proto/base/banned.h"

enum {
    FORM = 1, /* the first octet of what is sealed: a later form has another */
    NONCE_BYTES = 12,
    TAG_BYTES = 16,
    KEY_HEX_CHARS = SECRET_KEY_BYTES * 2,
    LINE_END_MAX = 2, /* CR LF */
};

/* --- files ------------------------------------------------------------------------------------------ */

/* Reads to the end, at most `room` octets: as many mean that there may be more. */
static err_t octets_read(int fd, uint8_t *octets, size_t room, size_t *ret_len)
{
    size_t len = 0;
    while (len < room) {
        ssize_t got = read(fd, octets + len, room - len);
        if (got == 0) {
            break;
        }
        if (got == -1 && errno != EINTR) {
            return FAIL(SYSTEM);
        }
        len += got == -1 ? 0 : (size_t)got;
    }
    *ret_len = len;
    return OK;
}

static size_t without_line_end(const uint8_t *octets, size_t len)
{
    if (len > 0 && octets[len - 1] == '\n') {
        len -= len > 1 && octets[len - 2] == '\r' ? 2 : 1;
    }
    return len;
}

err_t secret_fd_read(int fd, const char *what, struct detail *detail, struct secret *ret_secret)
{
    uint8_t octets[SECRET_BYTES_MAX + LINE_END_MAX + 1];
    size_t len = 0;
    err_t err = octets_read(fd, octets, sizeof octets, &len);
    len = without_line_end(octets, len);
    if (!err_is_ok(err)) {
        detail_set(detail, "the secret cannot be read from %s", what);
    } else if (len == 0 || len > SECRET_BYTES_MAX) {
        detail_set(detail, "the secret in %s must be 1 to %d octets", what, SECRET_BYTES_MAX);
        err = FAIL(BAD_VALUE);
    } else {
        memcpy(ret_secret->octets, octets, len);
        ret_secret->len = len;
    }
    gnutls_memset(octets, 0, sizeof octets);
    return err;
}

err_t secret_file_read(const char *path, struct detail *detail, struct secret *ret_secret)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a pipe must not hold up a request */
    if (fd == -1) {
        detail_set(detail, "the secret file %s cannot be opened", path);
        return FAIL(SYSTEM);
    }
    err_t err = secret_fd_read(fd, path, detail, ret_secret);
    (void)close(fd); /* it was only read */
    return err;
}

static err_t key_fd_read(int fd, const char *path, struct detail *detail,
                         struct secret_key *ret_key)
{
    uint8_t text[KEY_HEX_CHARS + LINE_END_MAX + 1];
    struct stat about;
    size_t len = 0;
    if (fstat(fd, &about) == -1 || !err_is_ok(octets_read(fd, text, sizeof text, &len))) {
        detail_set(detail, "secrets_key_file: %s cannot be read", path);
        return FAIL(BAD_CONFIG);
    }
    err_t err = OK;
    if ((about.st_mode & S_IRWXO) != 0) {
        detail_set(detail, "secrets_key_file: %s is open to every user: chmod 600 it", path);
        err = FAIL(BAD_CONFIG);
    } else if (!bytes_from_hex(bytes_of(text, without_line_end(text, len)), ret_key->octets,
                               SECRET_KEY_BYTES)) {
        detail_set(detail, "secrets_key_file: %s must hold %d hex digits (openssl rand -hex %d)",
                   path, KEY_HEX_CHARS, SECRET_KEY_BYTES);
        err = FAIL(BAD_CONFIG);
    }
    ret_key->is_there = err_is_ok(err);
    gnutls_memset(text, 0, sizeof text);
    return err;
}

err_t secret_key_read(const char *path, struct detail *detail, struct secret_key *ret_key)
{
    *ret_key = (struct secret_key){0};
    if (path[0] == '\0') {
        return OK;
    }
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd == -1) {
        detail_set(detail, "secrets_key_file: %s cannot be opened", path);
        return FAIL(BAD_CONFIG);
    }
    err_t err = key_fd_read(fd, path, detail, ret_key);
    (void)close(fd); /* it was only read */
    return err;
}

void secret_key_clear(struct secret_key *key)
{
    gnutls_memset(key, 0, sizeof *key);
}

void secret_clear(struct secret *secret)
{
    gnutls_memset(secret, 0, sizeof *secret);
}

/* --- sealing ---------------------------------------------------------------------------------------- */

static err_t cipher_begin(const struct secret_key *key, struct detail *detail,
                          gnutls_aead_cipher_hd_t *ret_cipher)
{
    unsigned char copy[SECRET_KEY_BYTES]; /* GnuTLS takes no const */
    if (!key->is_there) {
        detail_set(detail, "a secret in the database needs the row secrets_key_file");
        return FAIL(BAD_CONFIG);
    }
    memcpy(copy, key->octets, sizeof copy);
    const gnutls_datum_t datum = {.data = copy, .size = sizeof copy};
    int code = gnutls_aead_cipher_init(ret_cipher, GNUTLS_CIPHER_AES_256_GCM, &datum);
    gnutls_memset(copy, 0, sizeof copy);
    return code == GNUTLS_E_SUCCESS ? OK : FAIL(INTERNAL);
}

err_t secret_seal(const struct secret_key *key, struct bytes bound_to, const struct secret *secret,
                  struct detail *detail, struct secret_sealed *ret_sealed)
{
    gnutls_aead_cipher_hd_t cipher;
    struct secret_sealed sealed = {.octets = {FORM}};
    uint8_t *nonce = sealed.octets + 1;
    uint8_t *text = nonce + NONCE_BYTES;
    size_t text_len = sizeof sealed.octets - 1 - NONCE_BYTES;
    TRY(cipher_begin(key, detail, &cipher));
    int code = gnutls_rnd(GNUTLS_RND_RANDOM, nonce, NONCE_BYTES);
    if (code == GNUTLS_E_SUCCESS) {
        code = gnutls_aead_cipher_encrypt(cipher, nonce, NONCE_BYTES, bound_to.ptr, bound_to.len,
                                          TAG_BYTES, secret->octets, secret->len, text, &text_len);
    }
    gnutls_aead_cipher_deinit(cipher);
    if (code != GNUTLS_E_SUCCESS) {
        return FAIL(INTERNAL);
    }
    sealed.len = 1 + NONCE_BYTES + text_len;
    *ret_sealed = sealed;
    return OK;
}

err_t secret_open(const struct secret_key *key, struct bytes bound_to, struct bytes sealed,
                  struct detail *detail, struct secret *ret_secret)
{
    gnutls_aead_cipher_hd_t cipher;
    struct secret secret = {.len = SECRET_BYTES_MAX};
    int code = GNUTLS_E_DECRYPTION_FAILED;
    TRY(cipher_begin(key, detail, &cipher));
    if (sealed.len > 1 + NONCE_BYTES + TAG_BYTES && sealed.len <= SECRET_SEALED_BYTES_MAX &&
        sealed.ptr[0] == FORM) {
        code = gnutls_aead_cipher_decrypt(cipher, sealed.ptr + 1, NONCE_BYTES, bound_to.ptr,
                                          bound_to.len, TAG_BYTES, sealed.ptr + 1 + NONCE_BYTES,
                                          sealed.len - 1 - NONCE_BYTES, secret.octets, &secret.len);
    }
    gnutls_aead_cipher_deinit(cipher);
    if (code != GNUTLS_E_SUCCESS) {
        secret_clear(&secret);
        detail_set(detail,
                   "a sealed secret does not open: it was sealed under another key than that "
                   "of secrets_key_file, or altered");
        return FAIL(MALFORMED);
    }
    *ret_secret = secret;
    secret_clear(&secret);
    return OK;
}

err_t secret_get(const struct secret_key *key, struct bytes bound_to, struct bytes sealed,
                 const char *path, struct detail *detail, struct secret *ret_secret)
{
    return path != NULL ? secret_file_read(path, detail, ret_secret)
                        : secret_open(key, bound_to, sealed, detail, ret_secret);
}
