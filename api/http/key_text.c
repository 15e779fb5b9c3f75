#include "api/http/key_text.h"

#include <strings.h>

#include <gnutls/crypto.h>

#include "proto/base/banned.h"

static const char prefix[] = "ct_live_";
static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

enum {
    PREFIX_CHARS = sizeof prefix - 1,
    RANDOM_CHARS = KEY_TEXT_CHARS - PREFIX_CHARS,
    NAME_CHARS_MAX = 255
};

err_t key_text_make(char ret_text[KEY_TEXT_BYTES])
{
    uint8_t random[32];
    if (gnutls_rnd(GNUTLS_RND_KEY, random, sizeof random) != 0) {
        return FAIL(SYSTEM);
    }
    memcpy(ret_text, prefix, PREFIX_CHARS);
    for (size_t i = 0; i < RANDOM_CHARS; i++) {
        /* Six bits a character, most significant first, zero bits behind the last: base64url unpadded. */
        unsigned value = 0;
        for (size_t bit = i * 6; bit < i * 6 + 6; bit++) {
            unsigned is_set = bit < sizeof random * 8 ? random[bit / 8] >> (7 - bit % 8) & 1U : 0U;
            value = value << 1 | is_set;
        }
        ret_text[PREFIX_CHARS + i] = alphabet[value];
    }
    ret_text[KEY_TEXT_CHARS] = '\0';
    gnutls_memset(random, 0, sizeof random);
    return OK;
}

bool key_text_is_plausible(struct bytes text)
{
    if (text.len != KEY_TEXT_CHARS || !bytes_start_with(text, prefix)) {
        return false;
    }
    for (size_t i = PREFIX_CHARS; i < text.len; i++) {
        if (memchr(alphabet, text.ptr[i], sizeof alphabet - 1) == NULL) {
            return false;
        }
    }
    return true;
}

err_t key_text_hash(struct bytes text, struct key_hash *ret_hash)
{
    return gnutls_hash_fast(GNUTLS_DIG_SHA256, text.ptr, text.len, ret_hash->b) == 0
               ? OK
               : FAIL(INTERNAL);
}

bool key_name_is_good(struct bytes name)
{
    bool is_good = name.len > 0 && bytes_are_utf8(name) && bytes_utf8_count(name) <= NAME_CHARS_MAX;
    for (size_t i = 0; i < name.len && is_good; i++) {
        is_good = name.ptr[i] >= 0x20 && name.ptr[i] != 0x7F;
    }
    return is_good;
}

/* "Bearer KEY", the scheme in any case, one or more spaces, nothing behind. */
static bool bearer_read(const char *authorization, struct bytes *ret_text)
{
    static const char scheme[] = "bearer";
    size_t len = sizeof scheme - 1;
    if (strncasecmp(authorization, scheme, len) != 0 || authorization[len] != ' ') {
        return false;
    }
    const char *text = authorization + len + strspn(authorization + len, " ");
    *ret_text = bytes_of_text(text);
    return true;
}

bool key_text_of_headers(const struct key_headers *headers, struct bytes *ret_text)
{
    struct bytes text = {0};
    const char *vapi_secret = headers->vapi_secret;
    if (headers->authorization != NULL && bearer_read(headers->authorization, &text)) {
        *ret_text = text;
    } else if (headers->roark_key != NULL) {
        *ret_text = bytes_of_text(headers->roark_key);
    } else if (headers->api_key != NULL) {
        *ret_text = bytes_of_text(headers->api_key);
    } else if (vapi_secret != NULL) { /* VAPI puts its word before it when it is told to */
        *ret_text = bearer_read(vapi_secret, &text) ? text : bytes_of_text(vapi_secret);
    } else {
        return false;
    }
    return ret_text->len > 0;
}
