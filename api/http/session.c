#include "api/http/session.h"

#include <inttypes.h>
#include <stdio.h>

#include <gnutls/crypto.h>

#include "proto/base/banned.h"

static const char cookie_name[] = "calltrace_session";
static const char mac_label[] = "calltrace session 1";

enum { KEY_HEX = 32, ENDS_CHARS_MAX = 12, MAC_HEX = 2 * SESSION_MAC_BYTES };

/* MAC over label, key and end; each has a fixed length. */
static FALLIBLE mac_make(struct uuid key, int64_t ends_s, const struct key_hash *stored,
                         uint8_t ret_mac[SESSION_MAC_BYTES])
{
    uint8_t said[sizeof mac_label + sizeof key.b + 8];
    memcpy(said, mac_label, sizeof mac_label);
    memcpy(said + sizeof mac_label, key.b, sizeof key.b);
    for (size_t i = 0; i < 8; i++) {
        said[sizeof mac_label + sizeof key.b + i] = (uint8_t)((uint64_t)ends_s >> (56 - 8 * i));
    }
    int code = gnutls_hmac_fast(GNUTLS_MAC_SHA256, stored->b, sizeof stored->b, said, sizeof said,
                                ret_mac);
    return code == 0 ? OK : FAIL(INTERNAL);
}

err_t session_make(struct uuid key, const struct key_hash *stored, int64_t ends_s,
                   char ret_text[SESSION_TEXT_BYTES])
{
    uint8_t mac[SESSION_MAC_BYTES];
    char key_hex[KEY_HEX + 1] = {0};
    char mac_hex[MAC_HEX + 1] = {0};
    TRY(mac_make(key, ends_s, stored, mac));
    bytes_to_hex(bytes_of(key.b, sizeof key.b), key_hex);
    bytes_to_hex(bytes_of(mac, sizeof mac), mac_hex);
    (void)snprintf(ret_text, SESSION_TEXT_BYTES, "%s.%" PRId64 ".%s", key_hex, ends_s, mac_hex);
    return OK;
}

static bool ends_read(struct bytes text, int64_t *ret_ends_s)
{
    int64_t value = 0;
    if (text.len == 0 || text.len > ENDS_CHARS_MAX) {
        return false;
    }
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] < '0' || text.ptr[i] > '9') {
            return false;
        }
        value = value * 10 + (text.ptr[i] - '0');
    }
    *ret_ends_s = value;
    return true;
}

static bool claim_read(struct bytes text, struct session_claim *ret_claim)
{
    if (text.len < KEY_HEX + 3 + MAC_HEX || text.ptr[KEY_HEX] != '.' ||
        text.ptr[text.len - MAC_HEX - 1] != '.') {
        return false;
    }
    struct bytes ends = bytes_of(text.ptr + KEY_HEX + 1, text.len - KEY_HEX - MAC_HEX - 2);
    struct bytes mac = bytes_of(text.ptr + text.len - MAC_HEX, MAC_HEX);
    return bytes_from_hex(bytes_of(text.ptr, KEY_HEX), ret_claim->key.b, sizeof ret_claim->key.b) &&
           ends_read(ends, &ret_claim->ends_s) &&
           bytes_from_hex(mac, ret_claim->mac, sizeof ret_claim->mac);
}

bool session_of_cookie(const char *cookie, struct bytes *ret_text, struct session_claim *ret_claim)
{
    size_t name_len = sizeof cookie_name - 1;
    for (const char *at = cookie; at != NULL && *at != '\0';) {
        at += strspn(at, "; ");
        size_t len = strcspn(at, ";");
        if (len > name_len && strncmp(at, cookie_name, name_len) == 0 && at[name_len] == '=') {
            struct bytes text = bytes_of(at + name_len + 1, len - name_len - 1);
            if (claim_read(text, ret_claim)) {
                *ret_text = text;
                return true;
            }
        }
        at += len;
    }
    return false;
}

bool session_is_valid(const struct session_claim *claim, const struct key_hash *stored,
                      int64_t now_s)
{
    uint8_t mac[SESSION_MAC_BYTES];
    return now_s < claim->ends_s && err_is_ok(mac_make(claim->key, claim->ends_s, stored, mac)) &&
           gnutls_memcmp(mac, claim->mac, sizeof mac) == 0;
}

void session_cookie(const char *text, int64_t seconds, bool is_secure,
                    char ret_header[SESSION_COOKIE_BYTES])
{
    (void)snprintf(ret_header, SESSION_COOKIE_BYTES,
                   "%s=%s; Path=/; Max-Age=%" PRId64 "; HttpOnly; SameSite=Strict%s", cookie_name,
                   text == NULL ? "" : text, text == NULL ? 0 : seconds,
                   is_secure ? "; Secure" : "");
}
