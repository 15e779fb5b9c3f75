#include "api/integrations/livekit/token.h"

#include <errno.h>
#include <limits.h>
#include <strings.h>

#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <jansson.h>
#include <jwt.h>

#include "proto/base/check.h"
#include "proto/base/match_key.h"
#include "proto/base/mem.h"

#include "proto/base/banned.h"

enum {
    SHA256_BYTES = 32,
    SHA256_TEXT_CHARS = 44, /* base64 with its padding */
};

static err_t refuse(struct detail *detail, const char *sentence)
{
    detail_set(detail, "%s", sentence);
    return FAIL(BAD_KEY);
}

/* --- reading ---------------------------------------------------------------------------------------- */

static const char *without_scheme(const char *authorization)
{
    static const char scheme[] = "bearer ";
    size_t len = sizeof scheme - 1;
    const char *text = authorization + strspn(authorization, " ");
    return strncasecmp(text, scheme, len) == 0 ? text + len + strspn(text + len, " ") : text;
}

/* Is the header one of exactly HS256? libjwt would take other algorithms, and names of them in any case; newer ones
 * take any type. */
static bool is_hs256(jwt_t *jwt)
{
    const char *algorithm = jwt_get_header(jwt, "alg");
    const char *type = jwt_get_header(jwt, "typ");
    return algorithm != NULL && strcmp(algorithm, "HS256") == 0 &&
           (type == NULL || strcasecmp(type, "JWT") == 0);
}

/* libjwt 1.10 writes an octet behind the memory of a part that is empty. */
static bool has_parts(const char *text)
{
    size_t header = strcspn(text, ".");
    return header > 0 && text[header] == '.' && strcspn(text + header + 1, ".") > 0;
}

err_t livekit_token_read(const char *authorization, struct arena *arena, struct detail *detail,
                         struct livekit_token *ret_token)
{
    jwt_t *jwt = NULL;
    struct livekit_token token = {0};
    if (authorization == NULL) {
        return refuse(detail, "the webhook is not signed: there is no header Authorization");
    }
    token.text = without_scheme(authorization);
    if (!has_parts(token.text)) {
        return refuse(detail, "the header Authorization holds no JWT");
    }
    int code = jwt_decode(&jwt, token.text, NULL, 0); /* without a key nothing is verified */
    if (code != 0) {
        return code == ENOMEM ? FAIL(MEMORY)
                              : refuse(detail, "the header Authorization holds no JWT");
    }
    const char *issuer = jwt_get_grant(jwt, "iss");
    err_t err = OK;
    if (!is_hs256(jwt)) {
        err = refuse(detail, "the JWT is not signed with HS256");
    } else if (issuer == NULL || !match_value_is_valid(bytes_of_text(issuer))) {
        err = refuse(detail, "the JWT names no API key as its issuer");
    } else {
        token.issuer = arena_text(arena, bytes_of_text(issuer));
        err = token.issuer == NULL ? FAIL(NO_SPACE) : OK;
    }
    jwt_free(jwt);
    if (err_is_ok(err)) {
        *ret_token = token;
    }
    return err;
}

/* --- checking --------------------------------------------------------------------------------------- */

/* A time of the claims, in seconds; false when it is there and no number. */
static bool time_read(const json_t *claims, const char *name, bool *ret_is_there, double *ret_s)
{
    const json_t *value = json_object_get(claims, name);
    *ret_is_there = value != NULL;
    *ret_s = json_number_value(value);
    return value == NULL || json_is_number(value);
}

static err_t times_check(const json_t *claims, struct unix_ns now, struct detail *detail)
{
    const int64_t whole_s = now.ns / NS_PER_S; /* the claims are whole seconds, too */
    const double now_s = (double)whole_s;
    bool has_begin = false;
    bool has_issued = false;
    bool has_end = false;
    double begin_s = 0;
    double issued_s = 0;
    double end_s = 0;
    if (!time_read(claims, "nbf", &has_begin, &begin_s) ||
        !time_read(claims, "iat", &has_issued, &issued_s) ||
        !time_read(claims, "exp", &has_end, &end_s)) {
        return refuse(detail, "a time in the JWT is no number");
    }
    if (!has_end) {
        return refuse(detail, "the JWT has no expiry");
    }
    if (end_s + LIVEKIT_LEEWAY_S < now_s) {
        return refuse(detail, "the JWT has expired");
    }
    if ((has_begin && begin_s - LIVEKIT_LEEWAY_S > now_s) ||
        (has_issued && issued_s - LIVEKIT_LEEWAY_S > now_s)) {
        return refuse(detail, "the JWT is not valid yet: the two clocks differ");
    }
    return OK;
}

/* The claim `sha256` against the octets of the body, in a time that does not depend on them. */
static err_t hash_check(const json_t *claims, struct bytes body, struct detail *detail)
{
    uint8_t hash[SHA256_BYTES];
    const json_t *claimed = json_object_get(claims, "sha256");
    const gnutls_datum_t raw = {.data = hash, .size = sizeof hash};
    gnutls_datum_t text = {0};
    if (!json_is_string(claimed) || json_string_length(claimed) != SHA256_TEXT_CHARS) {
        return refuse(detail, "the JWT has no hash of the body");
    }
    if (gnutls_hash_fast(GNUTLS_DIG_SHA256, body.ptr, body.len, hash) != GNUTLS_E_SUCCESS ||
        gnutls_base64_encode2(&raw, &text) != GNUTLS_E_SUCCESS) {
        return FAIL(INTERNAL);
    }
    bool is_equal = text.size == SHA256_TEXT_CHARS &&
                    gnutls_memcmp(text.data, json_string_value(claimed), SHA256_TEXT_CHARS) == 0;
    gnutls_free(text.data);
    return is_equal ? OK : refuse(detail, "the JWT was made for another body");
}

static err_t claims_check(const json_t *claims, const char *issuer, struct bytes body,
                          struct unix_ns now, struct detail *detail)
{
    const char *signed_issuer = json_string_value(json_object_get(claims, "iss"));
    if (signed_issuer == NULL || strcmp(signed_issuer, issuer) != 0) {
        return refuse(detail, "the JWT names another API key as its issuer");
    }
    TRY(times_check(claims, now, detail));
    return hash_check(claims, body, detail);
}

/* A header `crit` names extensions without which the token must not be taken: we know none. */
static bool has_extension(jwt_t *jwt)
{
    char *extensions = jwt_get_headers_json(jwt, "crit");
    bool is_there = extensions != NULL || jwt_get_header(jwt, "crit") != NULL;
    mem_free(extensions);
    return is_there;
}

err_t livekit_token_check(const struct livekit_token *token, struct bytes secret, struct bytes body,
                          struct unix_ns now, struct detail *detail)
{
    jwt_t *jwt = NULL;
    PRE(secret.len > 0 && secret.len <= INT_MAX); /* an empty key would verify nothing */
    int code = jwt_decode(&jwt, token->text, secret.ptr, (int)secret.len);
    if (code != 0) {
        return code == ENOMEM ? FAIL(MEMORY)
                              : refuse(detail, "the signature does not fit the API key's secret");
    }
    err_t err = OK;
    char *text = NULL;
    json_t *claims = NULL;
    if (jwt_get_alg(jwt) != JWT_ALG_HS256 || !is_hs256(jwt)) {
        err = refuse(detail, "the JWT is not signed with HS256");
    } else if (has_extension(jwt)) {
        err = refuse(detail, "the JWT demands an extension");
    } else {
        text = jwt_get_grants_json(jwt, NULL);
        claims = text == NULL ? NULL : json_loads(text, JSON_REJECT_DUPLICATES, NULL);
        err =
            claims == NULL ? FAIL(MEMORY) : claims_check(claims, token->issuer, body, now, detail);
    }
    json_decref(claims);
    mem_free(text);
    jwt_free(jwt);
    return err;
}
