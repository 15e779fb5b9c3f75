#include "api/integrations/observer/upload.h"

#include <gnutls/crypto.h>

#include "proto/base/banned.h"

enum { TIME_BYTES = 8, SIGNED_BYTES = 16 + TIME_BYTES };

/* Told apart from whatever else a key's hash may come to sign. */
static const char purpose[] = "calltrace upload 1";

static void signed_write(struct uuid key, int64_t until_s, uint8_t ret_signed[SIGNED_BYTES])
{
    memcpy(ret_signed, key.b, sizeof key.b);
    for (size_t i = 0; i < TIME_BYTES; i++) {
        ret_signed[sizeof key.b + i] = (uint8_t)((uint64_t)until_s >> (8 * (TIME_BYTES - 1 - i)));
    }
}

static FALLIBLE mac_make(struct uuid key, int64_t until_s, const struct key_hash *hash,
                         uint8_t ret_mac[UPLOAD_MAC_BYTES])
{
    uint8_t text[sizeof purpose + SIGNED_BYTES];
    memcpy(text, purpose, sizeof purpose);
    signed_write(key, until_s, text + sizeof purpose);
    return gnutls_hmac_fast(GNUTLS_MAC_SHA256, hash->b, sizeof hash->b, text, sizeof text,
                            ret_mac) == 0
               ? OK
               : FAIL(INTERNAL);
}

err_t upload_token_make(struct uuid key, const struct key_hash *hash, int64_t until_s,
                        char ret_text[UPLOAD_TOKEN_CHARS + 1])
{
    uint8_t all[SIGNED_BYTES + UPLOAD_MAC_BYTES];
    signed_write(key, until_s, all);
    TRY(mac_make(key, until_s, hash, all + SIGNED_BYTES));
    bytes_to_hex(bytes_of(all, sizeof all), ret_text);
    ret_text[UPLOAD_TOKEN_CHARS] = '\0';
    return OK;
}

bool upload_token_read(struct bytes text, struct upload_token *ret_token)
{
    uint8_t all[SIGNED_BYTES + UPLOAD_MAC_BYTES];
    uint64_t until_s = 0;
    if (text.len != UPLOAD_TOKEN_CHARS || !bytes_from_hex(text, all, sizeof all)) {
        return false;
    }
    for (size_t i = 0; i < TIME_BYTES; i++) {
        until_s = until_s << 8 | all[sizeof ret_token->key.b + i];
    }
    memcpy(ret_token->key.b, all, sizeof ret_token->key.b);
    memcpy(ret_token->mac, all + SIGNED_BYTES, sizeof ret_token->mac);
    ret_token->until_s = (int64_t)until_s;
    return true;
}

err_t upload_token_check(const struct upload_token *token, const struct key_hash *hash,
                         bool *ret_is_good)
{
    uint8_t mac[UPLOAD_MAC_BYTES];
    TRY(mac_make(token->key, token->until_s, hash, mac));
    *ret_is_good = gnutls_memcmp(mac, token->mac, sizeof mac) == 0;
    return OK;
}
