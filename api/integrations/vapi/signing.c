#include "api/integrations/vapi/signing.h"

#include <stdio.h>
#include <strings.h>

#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>

#include "api/integrations/vapi/json.h"
#include "api/rest/intake.h"
#include "proto/base/mem.h"

#include "proto/base/banned.h"

enum {
    DIGEST_BYTES_MAX = 64,
    SIGNATURE_BYTES_MAX = 2 * DIGEST_BYTES_MAX,
};

struct setting {
    const char *name;
    const char *option;
    const char *initial; /* NULL: a flag */
    bool is_on;
    size_t offset;
};

static const struct setting settings[] = {
#define TEXT(field, name, option, initial, doc) \
    {name, option, initial, false, offsetof(struct vapi_signing, field)},
#define FLAG(field, name, option, initial, doc) \
    {name, option, NULL, initial, offsetof(struct vapi_signing, field)},
#include "api/integrations/vapi/signing.def"
#undef TEXT
#undef FLAG
};

enum { SETTINGS = sizeof settings / sizeof settings[0] };

static const struct {
    const char *name;
    gnutls_mac_algorithm_t mac;
    size_t bytes;
} algorithms[] = {{"sha256", GNUTLS_MAC_SHA256, 32},
                  {"sha512", GNUTLS_MAC_SHA512, 64},
                  {"sha1", GNUTLS_MAC_SHA1, 20}};

enum { ALGORITHMS = sizeof algorithms / sizeof algorithms[0] };

/* --- settings ----------------------------------------------------------------------------------------- */

static char *text_at(struct vapi_signing *signing, const struct setting *setting)
{
    return (char *)signing + setting->offset;
}

static FALLIBLE text_set(struct vapi_signing *signing, const struct setting *setting,
                         struct bytes text, struct detail *detail)
{
    bool has_control = false;
    for (size_t i = 0; i < text.len; i++) {
        has_control = has_control || text.ptr[i] < ' ' || text.ptr[i] == 0x7F;
    }
    if (text.len >= VAPI_SIGNING_TEXT_BYTES || has_control) {
        detail_set(detail, "%s must be less than %d characters, none of them control characters",
                   setting->name, VAPI_SIGNING_TEXT_BYTES);
        return FAIL(BAD_VALUE);
    }
    char *to = text_at(signing, setting);
    if (text.len > 0) {
        memcpy(to, text.ptr, text.len);
    }
    to[text.len] = '\0';
    return OK;
}

static void flag_set(struct vapi_signing *signing, const struct setting *setting, bool is_on)
{
    memcpy(text_at(signing, setting), &is_on, sizeof is_on);
}

void vapi_signing_init(struct vapi_signing *ret_signing)
{
    struct detail ignored;
    *ret_signing = (struct vapi_signing){0};
    for (size_t i = 0; i < SETTINGS; i++) {
        if (settings[i].initial == NULL) {
            flag_set(ret_signing, &settings[i], settings[i].is_on);
        } else { /* the initial values of our own table fit */
            (void)text_set(ret_signing, &settings[i], bytes_of_text(settings[i].initial), &ignored)
                .code;
        }
    }
}

err_t vapi_signing_set(struct vapi_signing *signing, const char *option, const char *value,
                       struct detail *detail)
{
    for (size_t i = 0; i < SETTINGS; i++) {
        if (strcmp(settings[i].option, option) != 0) {
            continue;
        }
        if (settings[i].initial != NULL) {
            return text_set(signing, &settings[i], bytes_of_text(value), detail);
        }
        bool is_on = strcmp(value, "on") == 0 || strcmp(value, "true") == 0;
        if (!is_on && strcmp(value, "off") != 0 && strcmp(value, "false") != 0) {
            detail_set(detail, "--%s must be on or off", option);
            return FAIL(BAD_VALUE);
        }
        flag_set(signing, &settings[i], is_on);
        return OK;
    }
    return FAIL(NOT_FOUND);
}

err_t vapi_signing_write(const struct vapi_signing *signing, char ret_text[VAPI_SIGNING_JSON_BYTES])
{
    struct vapi_signing copy = *signing;
    json_t *json = json_object();
    bool is_fine = json != NULL;
    for (size_t i = 0; i < SETTINGS; i++) {
        const char *at = text_at(&copy, &settings[i]);
        bool is_on = false;
        memcpy(&is_on, at, sizeof is_on);
        json_t *value = settings[i].initial == NULL ? json_boolean(is_on) : json_string(at);
        is_fine = json_object_set_new(json, settings[i].name, value) == 0 && is_fine;
    }
    size_t len =
        is_fine ? json_dumpb(json, ret_text, VAPI_SIGNING_JSON_BYTES - 1, JSON_COMPACT) : 0;
    json_decref(json);
    if (!is_fine || len == 0) {
        return FAIL(MEMORY);
    }
    if (len >= VAPI_SIGNING_JSON_BYTES) {
        return FAIL(TOO_LARGE);
    }
    ret_text[len] = '\0';
    return OK;
}

static FALLIBLE setting_read(const json_t *json, const struct setting *setting,
                             struct detail *detail, struct vapi_signing *signing)
{
    const json_t *value = json_object_get(json, setting->name);
    if (value == NULL || json_is_null(value)) {
        return OK;
    }
    if (setting->initial == NULL && json_is_boolean(value)) {
        flag_set(signing, setting, json_is_true(value));
        return OK;
    }
    if (setting->initial != NULL && json_is_string(value)) {
        return text_set(signing, setting, vapi_json_text(json, setting->name), detail);
    }
    detail_set(detail, "%s must be a %s", setting->name,
               setting->initial == NULL ? "boolean" : "text");
    return FAIL(BAD_VALUE);
}

err_t vapi_signing_read(struct bytes text, struct detail *detail, struct vapi_signing *ret_signing)
{
    json_t *json = NULL;
    struct vapi_signing signing;
    vapi_signing_init(&signing);
    TRY(intake_json(text, detail, &json));
    err_t err = json_is_object(json) ? OK : FAIL(MALFORMED);
    for (size_t i = 0; i < SETTINGS && err_is_ok(err); i++) {
        err = setting_read(json, &settings[i], detail, &signing);
    }
    json_decref(json);
    if (err_is_ok(err)) {
        *ret_signing = signing;
    }
    return err;
}

/* --- what is signed ----------------------------------------------------------------------------------- */

static const char *format_of(const struct vapi_signing *signing)
{
    if (signing->format[0] != '\0') {
        return signing->format;
    }
    return signing->has_timestamp ? "{timestamp}.{body}" : "{body}";
}

struct part {
    const char *name;
    struct bytes value;
    bool is_there;
    const char *header; /* that should have told it */
};

enum { PARTS = 5 };

static bool starts_with(const char *text, const char *start)
{
    return strncmp(text, start, strlen(start)) == 0;
}

/* The placeholder that the text begins with; NULL: none. */
static const struct part *part_at(const struct part parts[PARTS], const char *text)
{
    for (size_t i = 0; i < PARTS; i++) {
        if (starts_with(text, parts[i].name)) {
            return &parts[i];
        }
    }
    return NULL;
}

static FALLIBLE format_feed(const char *format, const struct part parts[PARTS],
                            gnutls_hmac_hd_t hmac, struct detail *detail)
{
    for (const char *at = format; *at != '\0';) {
        const struct part *part = *at == '{' ? part_at(parts, at) : NULL;
        struct bytes piece = bytes_of(at, 1 + strcspn(at + 1, "{"));
        at += part == NULL ? piece.len : strlen(part->name);
        if (part != NULL && !part->is_there) {
            detail_set(detail, "the header %s is missing: it is signed, too", part->header);
            return FAIL(BAD_KEY);
        }
        piece = part == NULL ? piece : part->value;
        if (piece.len > 0 && gnutls_hmac(hmac, piece.ptr, piece.len) != GNUTLS_E_SUCCESS) {
            return FAIL(INTERNAL);
        }
    }
    return OK;
}

static struct part part_of(const char *name, const char *value, const char *header)
{
    return (struct part){.name = name,
                         .value = value == NULL ? bytes_of(NULL, 0) : bytes_of_text(value),
                         .is_there = value != NULL,
                         .header = header};
}

static FALLIBLE digest_make(const struct vapi_signing *signing, gnutls_mac_algorithm_t mac,
                            struct bytes key, const struct vapi_signed *request,
                            struct detail *detail, uint8_t ret_digest[DIGEST_BYTES_MAX])
{
    const struct part parts[PARTS] = {
        {"{body}", request->body, true, NULL},
        part_of("{timestamp}", request->timestamp, signing->timestamp_header),
        part_of("{svix-id}", request->message_id, signing->message_id_header),
        part_of("{method}", request->method, "method"),
        part_of("{url}", signing->url[0] != '\0' ? signing->url : request->url, "host"),
    };
    gnutls_hmac_hd_t hmac;
    if (gnutls_hmac_init(&hmac, mac, key.ptr, key.len) != GNUTLS_E_SUCCESS) {
        return FAIL(INTERNAL);
    }
    err_t err = format_feed(format_of(signing), parts, hmac, detail);
    gnutls_hmac_deinit(hmac, ret_digest);
    return err;
}

/* --- the signature ------------------------------------------------------------------------------------ */

/* Lower-case hex, or base64 without its padding. */
static FALLIBLE digest_text(const struct vapi_signing *signing, struct bytes digest,
                            char text[SIGNATURE_BYTES_MAX + 1], size_t *ret_len)
{
    if (strcmp(signing->encoding, "hex") == 0) {
        bytes_to_hex(digest, text);
        *ret_len = digest.len * 2;
        return OK;
    }
    unsigned char copy[DIGEST_BYTES_MAX]; /* GnuTLS takes no const */
    memcpy(copy, digest.ptr, digest.len);
    const gnutls_datum_t raw = {.data = copy, .size = (unsigned)digest.len};
    gnutls_datum_t encoded = {0};
    if (gnutls_base64_encode2(&raw, &encoded) != GNUTLS_E_SUCCESS) {
        return FAIL(INTERNAL);
    }
    size_t len = encoded.size;
    while (len > 0 && encoded.data[len - 1] == '=') {
        len--;
    }
    len = len > SIGNATURE_BYTES_MAX ? SIGNATURE_BYTES_MAX : len;
    memcpy(text, encoded.data, len);
    gnutls_free(encoded.data);
    *ret_len = len;
    return OK;
}

/* One signature of the header, without its prefix, in the form of digest_text. */
static bool signature_equals(const struct vapi_signing *signing, struct bytes given,
                             struct bytes expected)
{
    char text[SIGNATURE_BYTES_MAX];
    bool is_hex = strcmp(signing->encoding, "hex") == 0;
    while (!is_hex && given.len > 0 && given.ptr[given.len - 1] == '=') {
        given.len--;
    }
    if (given.len != expected.len || given.len > sizeof text) {
        return false;
    }
    for (size_t i = 0; i < given.len; i++) {
        uint8_t octet = given.ptr[i];
        bool is_upper = is_hex && octet >= 'A' && octet <= 'F';
        text[i] = (char)(is_upper ? octet + ('a' - 'A') : octet);
    }
    return gnutls_memcmp(text, expected.ptr, expected.len) == 0;
}

/* Any of several signatures, separated by spaces, may fit. */
static bool header_fits(const struct vapi_signing *signing, const char *header,
                        struct bytes expected)
{
    bool is_fitting = false;
    size_t prefix_len = strlen(signing->prefix);
    const char *at = header;
    for (size_t i = 0; i < VAPI_SIGNATURES_MAX && *at != '\0'; i++) {
        at += strspn(at, " ");
        size_t len = strcspn(at, " ");
        if (len >= prefix_len && strncmp(at, signing->prefix, prefix_len) == 0) {
            struct bytes given = bytes_of(at + prefix_len, len - prefix_len);
            is_fitting = signature_equals(signing, given, expected) || is_fitting;
        }
        at += len;
    }
    return is_fitting;
}

static bool is_time_signed(const struct vapi_signing *signing)
{
    return strstr(format_of(signing), "{timestamp}") != NULL;
}

static FALLIBLE time_check(const struct vapi_signing *signing, const char *timestamp,
                           struct unix_ns now, struct detail *detail)
{
    struct unix_ns at = {0};
    if (!is_time_signed(signing)) {
        return OK;
    }
    if (timestamp == NULL) {
        detail_set(detail, "the header %s is missing: it is signed, too",
                   signing->timestamp_header);
        return FAIL(BAD_KEY);
    }
    if (!vapi_time_of_text(bytes_of_text(timestamp), &at)) {
        detail_set(detail, "the header %s holds no time", signing->timestamp_header);
        return FAIL(BAD_KEY);
    }
    int64_t off_s = (at.ns - now.ns) / NS_PER_S;
    if (off_s > VAPI_SIGNING_LEEWAY_S || off_s < -VAPI_SIGNING_LEEWAY_S) {
        detail_set(detail, "the time in the header %s is more than %d minutes off",
                   signing->timestamp_header, VAPI_SIGNING_LEEWAY_S / 60);
        return FAIL(BAD_KEY);
    }
    return OK;
}

/* The algorithm's row; ALGORITHMS: there is none. */
static size_t algorithm_find(const struct vapi_signing *signing)
{
    size_t row = 0;
    while (row < ALGORITHMS && strcmp(algorithms[row].name, signing->algorithm) != 0) {
        row++;
    }
    return row;
}

/* The key: the secret, or what its base64 stands for (gives `decoded`, to be freed by gnutls_free). */
static FALLIBLE key_of(const struct vapi_signing *signing, struct bytes secret,
                       struct detail *detail, gnutls_datum_t *decoded, struct bytes *ret_key)
{
    unsigned char copy[2048]; /* GnuTLS takes no const */
    *ret_key = secret;
    if (!signing->is_secret_base64) {
        return OK;
    }
    bool is_fine = secret.len <= sizeof copy;
    if (is_fine) {
        memcpy(copy, secret.ptr, secret.len);
        const gnutls_datum_t text = {.data = copy, .size = (unsigned)secret.len};
        is_fine = gnutls_base64_decode2(&text, decoded) == GNUTLS_E_SUCCESS && decoded->size > 0;
        gnutls_memset(copy, 0, sizeof copy);
    }
    if (!is_fine) {
        detail_set(detail, "secretIsBase64 is on, but the secret is no base64");
        return FAIL(BAD_VALUE);
    }
    *ret_key = bytes_of(decoded->data, decoded->size);
    return OK;
}

static void key_forget(gnutls_datum_t *decoded)
{
    if (decoded->data != NULL) {
        gnutls_memset(decoded->data, 0, decoded->size);
        gnutls_free(decoded->data);
    }
}

err_t vapi_signing_check(const struct vapi_signing *signing, struct bytes secret,
                         struct detail *detail)
{
    gnutls_datum_t decoded = {0};
    struct bytes key = {0};
    if (algorithm_find(signing) == ALGORITHMS) {
        detail_set(detail, "algorithm must be sha256, sha512 or sha1");
        return FAIL(BAD_VALUE);
    }
    if (strcmp(signing->encoding, "hex") != 0 && strcmp(signing->encoding, "base64") != 0) {
        detail_set(detail, "signatureEncoding must be hex or base64");
        return FAIL(BAD_VALUE);
    }
    if (signing->signature_header[0] == '\0') {
        detail_set(detail, "signatureHeader is empty");
        return FAIL(BAD_VALUE);
    }
    if (strstr(format_of(signing), "{body}") == NULL) {
        detail_set(detail, "payloadFormat has no {body}: what is not signed cannot be trusted");
        return FAIL(BAD_VALUE);
    }
    err_t err = key_of(signing, secret, detail, &decoded, &key);
    key_forget(&decoded);
    return err;
}

static FALLIBLE compare(const struct vapi_signing *signing, struct bytes key,
                        const struct vapi_signed *request, struct detail *detail)
{
    size_t row = algorithm_find(signing);
    uint8_t digest[DIGEST_BYTES_MAX];
    char text[SIGNATURE_BYTES_MAX + 1];
    size_t len = 0;
    TRY(digest_make(signing, algorithms[row].mac, key, request, detail, digest));
    TRY(digest_text(signing, bytes_of(digest, algorithms[row].bytes), text, &len));
    if (!header_fits(signing, request->signature, bytes_of(text, len))) {
        detail_set(detail, "the signature in the header %s does not fit",
                   signing->signature_header);
        return FAIL(BAD_KEY);
    }
    return OK;
}

err_t vapi_signing_verify(const struct vapi_signing *signing, struct bytes secret,
                          const struct vapi_signed *request, struct unix_ns now,
                          struct detail *detail)
{
    gnutls_datum_t decoded = {0};
    struct bytes key = {0};
    TRY(vapi_signing_check(signing, secret, detail));
    if (request->signature == NULL) {
        detail_set(detail, "the header %s is missing: the message must be signed",
                   signing->signature_header);
        return FAIL(BAD_KEY);
    }
    TRY(time_check(signing, request->timestamp, now, detail));
    err_t err = key_of(signing, secret, detail, &decoded, &key);
    if (err_is_ok(err)) {
        err = compare(signing, key, request, detail);
    }
    key_forget(&decoded);
    return err;
}
