/* Signatures of LiveKit's webhooks: what its own receivers take is taken, everything else is refused. */
#include "tests/unit/expect.h"

#include <stdio.h>
#include <stdlib.h>

#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <jansson.h>

#include "api/integrations/livekit/token.h"

#include "proto/base/banned.h"

#define HS256  "{\"alg\":\"HS256\",\"typ\":\"JWT\"}"
#define KEY    "APIdiVWrhLkLkpD"
#define SECRET "kNbQY6mWSgXPJlgxKWBk8qRQXaFd8pR1TnOCYbU4T2f"
#define BODY   "{\"event\":\"room_finished\"}"
/* Base64 of the SHA-256 of BODY, as another program says; it has a + in it. */
#define HASH "+IgaTFcZ8JkJU9BjAXUs1XP+bYNXkAlgrT7vV5zdDWI="

enum { NOW_S = 1790000000 };

static struct arena arena;

static void base64url(const void *data, size_t len, char *out)
{
    static const char alphabet[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    const uint8_t *octets = data;
    size_t at = 0;
    for (size_t bit = 0; bit < len * 8; bit += 6) {
        unsigned value = 0;
        for (size_t i = bit; i < bit + 6; i++) {
            value = value << 1 | (i < len * 8 ? octets[i / 8] >> (7 - i % 8) & 1U : 0U);
        }
        out[at++] = alphabet[value];
    }
    out[at] = '\0';
}

/* header.claims.signature in a buffer of its own. */
static const char *token_make(const char *header, const char *claims, const char *secret,
                              gnutls_mac_algorithm_t algorithm)
{
    static char token[4096];
    uint8_t mac[64];
    char part[2048];
    base64url(header, strlen(header), part);
    int len = snprintf(token, sizeof token, "%s.", part);
    base64url(claims, strlen(claims), part);
    len += snprintf(token + len, sizeof token - (size_t)len, "%s", part);
    assert_int_equal(gnutls_hmac_fast(algorithm, secret, strlen(secret), token, (size_t)len, mac),
                     0);
    base64url(mac, gnutls_hmac_get_len(algorithm), part);
    (void)snprintf(token + len, sizeof token - (size_t)len, ".%s", part);
    return token;
}

static const char *claims_make(const char *issuer, const char *times, const char *hash)
{
    static char claims[1024];
    (void)snprintf(claims, sizeof claims, "{\"iss\":\"%s\",%s,\"sha256\":\"%s\"}", issuer, times,
                   hash);
    return claims;
}

static int setup(void **state)
{
    (void)state;
    arena_init(&arena, 1 << 20);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    arena_fini(&arena);
    return 0;
}

/* Reads and checks as a request would be. */
static err_t judge(const char *authorization, const char *secret, const char *body,
                   struct detail *detail)
{
    struct livekit_token token;
    TRY(livekit_token_read(authorization, &arena, detail, &token));
    return livekit_token_check(&token, bytes_of_text(secret), bytes_of_text(body),
                               (struct unix_ns){NOW_S * NS_PER_S + 999999999}, detail);
}

static const char *good(void)
{
    return token_make(
        HS256, claims_make(KEY, "\"nbf\":1790000000,\"iat\":1790000000,\"exp\":1790000300", HASH),
        SECRET, GNUTLS_MAC_SHA256);
}

static void a_signed_body_is_taken_with_and_without_a_scheme(void **state)
{
    static const char *const schemes[] = {"", "Bearer ", "bearer ", "BEARER   ", "  "};
    (void)state;
    for (size_t i = 0; i < sizeof schemes / sizeof schemes[0]; i++) {
        char text[4200];
        struct detail detail = {0};
        struct livekit_token token;
        (void)snprintf(text, sizeof text, "%s%s", schemes[i], good());
        EXPECT_OK(judge(text, SECRET, BODY, &detail));
        EXPECT_OK(livekit_token_read(text, &arena, &detail, &token));
        assert_string_equal(token.issuer, KEY);
    }
}

static void the_type_may_be_left_out(void **state)
{
    struct detail detail = {0};
    (void)state;
    const char *claims = claims_make(KEY, "\"exp\":1790000300", HASH);
    EXPECT_OK(judge(token_make("{\"alg\":\"HS256\"}", claims, SECRET, GNUTLS_MAC_SHA256), SECRET,
                    BODY, &detail));
}

static void times_are_compared_with_leeway(void **state)
{
    static const struct {
        const char *times;
        const char *refused; /* NULL: fine */
    } cases[] = {
        {"\"exp\":1790000300", NULL},
        {"\"exp\":1790000000", NULL},
        {"\"exp\":1789999940", NULL},
        {"\"exp\":1789999939", "expired"},
        {"\"exp\":1789999940.5", NULL},
        {"\"exp\":1", "expired"},
        {"\"exp\":0", "expired"},
        {"\"exp\":-1", "expired"},
        {"\"iat\":1790000000", "no expiry"},
        {"\"exp\":\"1790000300\"", "no number"},
        {"\"exp\":null", "no number"},
        {"\"exp\":true", "no number"},
        {"\"exp\":1790000300,\"nbf\":1790000060", NULL},
        {"\"exp\":1790000300,\"nbf\":1790000061", "not valid yet"},
        {"\"exp\":1790000300,\"nbf\":1790000061.5", "not valid yet"},
        {"\"exp\":1790000300,\"nbf\":\"x\"", "no number"},
        {"\"exp\":1790000300,\"iat\":1790000061", "not valid yet"},
        {"\"exp\":1790000300,\"iat\":\"x\"", "no number"},
        {"\"exp\":1e300", NULL},
        {"\"exp\":1790000300,\"nbf\":1e300", "not valid yet"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct detail detail = {0};
        const char *claims = claims_make(KEY, cases[i].times, HASH);
        err_t err =
            judge(token_make(HS256, claims, SECRET, GNUTLS_MAC_SHA256), SECRET, BODY, &detail);
        print_message("%s: %s\n", cases[i].times, detail.text);
        if (cases[i].refused == NULL) {
            EXPECT_OK(err);
        } else {
            EXPECT_ERR(err, BAD_KEY);
            assert_non_null(strstr(detail.text, cases[i].refused));
        }
    }
}

static void another_body_or_hash_is_refused(void **state)
{
    char url_safe[64];
    char unpadded[64];
    (void)state;
    (void)snprintf(unpadded, sizeof unpadded, "%.43s", HASH);
    (void)snprintf(url_safe, sizeof url_safe, "%s", HASH);
    bool differs = false;
    for (char *c = url_safe; *c != '\0'; c++) {
        differs = differs || *c == '+' || *c == '/';
        *c = *c == '+' ? '-' : *c == '/' ? '_' : *c;
    }
    assert_true(differs); /* the body was chosen so that the two alphabets differ */
    const char *const hashes[] = {
        "",
        unpadded,
        url_safe,
        "w9NV0uLHjSON8P7eonnkKXDHY4ICORefbHDCviKIgX8=",
        "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
        "f8881a4c5719f0990953d06301752cd573fe6d8357900960ad3eef579cdd0d62"};
    for (size_t i = 0; i < sizeof hashes / sizeof hashes[0]; i++) {
        struct detail detail = {0};
        const char *claims = claims_make(KEY, "\"exp\":1790000300", hashes[i]);
        EXPECT_ERR(
            judge(token_make(HS256, claims, SECRET, GNUTLS_MAC_SHA256), SECRET, BODY, &detail),
            BAD_KEY);
        assert_null(strstr(detail.text, HASH));
    }
    static const char *const bodies[] = {"", BODY " ", "{\"event\": \"room_finished\"}",
                                         "{\"event\":\"room_finisheD\"}"};
    for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++) {
        struct detail detail = {0};
        EXPECT_ERR(judge(good(), SECRET, bodies[i], &detail), BAD_KEY);
        assert_non_null(strstr(detail.text, "another body"));
    }
}

static void another_secret_is_refused(void **state)
{
    static const char *const secrets[] = {"x", SECRET "x",
                                          "kNbQY6mWSgXPJlgxKWBk8qRQXaFd8pR1TnOCYbU4T2F"};
    (void)state;
    for (size_t i = 0; i < sizeof secrets / sizeof secrets[0]; i++) {
        struct detail detail = {0};
        EXPECT_ERR(judge(good(), secrets[i], BODY, &detail), BAD_KEY);
        assert_non_null(strstr(detail.text, "secret"));
        assert_null(strstr(detail.text, secrets[i]));
    }
}

static void other_algorithms_and_headers_are_refused(void **state)
{
    static const struct {
        const char *header;
        gnutls_mac_algorithm_t algorithm;
    } cases[] = {
        {"{\"alg\":\"HS384\",\"typ\":\"JWT\"}", GNUTLS_MAC_SHA384},
        {"{\"alg\":\"HS512\",\"typ\":\"JWT\"}", GNUTLS_MAC_SHA512},
        {"{\"alg\":\"HS512\",\"typ\":\"JWT\"}", GNUTLS_MAC_SHA256},
        {"{\"alg\":\"hs256\",\"typ\":\"JWT\"}", GNUTLS_MAC_SHA256},
        {"{\"alg\":\"RS256\",\"typ\":\"JWT\"}", GNUTLS_MAC_SHA256},
        {"{\"alg\":\"none\",\"typ\":\"JWT\"}", GNUTLS_MAC_SHA256},
        {"{\"alg\":\"\",\"typ\":\"JWT\"}", GNUTLS_MAC_SHA256},
        {"{\"alg\":256}", GNUTLS_MAC_SHA256},
        {"{\"typ\":\"JWT\"}", GNUTLS_MAC_SHA256},
        {"{\"alg\":\"HS256\",\"typ\":\"at+jwt\"}", GNUTLS_MAC_SHA256},
        {"{\"alg\":\"HS256\",\"crit\":[\"exp\"],\"exp\":1}", GNUTLS_MAC_SHA256},
        {"{\"alg\":\"HS256\",\"crit\":\"exp\"}", GNUTLS_MAC_SHA256},
        {"[]", GNUTLS_MAC_SHA256},
        {"", GNUTLS_MAC_SHA256},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct detail detail = {0};
        const char *claims = claims_make(KEY, "\"exp\":1790000300", HASH);
        const char *token = token_make(cases[i].header, claims, SECRET, cases[i].algorithm);
        print_message("%s\n", cases[i].header);
        EXPECT_ERR(judge(token, SECRET, BODY, &detail), BAD_KEY);
        assert_true(detail.text[0] != '\0');
    }
}

static void a_token_without_its_signature_is_refused(void **state)
{
    struct detail detail = {0};
    char token[4096];
    (void)state;
    (void)snprintf(token, sizeof token, "%s", good());
    char *signature = strrchr(token, '.');
    signature[1] = '\0';
    EXPECT_ERR(judge(token, SECRET, BODY, &detail), BAD_KEY);
    signature[0] = '\0';
    EXPECT_ERR(judge(token, SECRET, BODY, &detail), BAD_KEY);
    (void)snprintf(token, sizeof token, "%s=", good());
    EXPECT_ERR(judge(token, SECRET, BODY, &detail), BAD_KEY);
    (void)snprintf(token, sizeof token, "%s.x", good());
    EXPECT_ERR(judge(token, SECRET, BODY, &detail), BAD_KEY);
    (void)snprintf(token, sizeof token, "%s x", good());
    EXPECT_ERR(judge(token, SECRET, BODY, &detail), BAD_KEY);
}

static void what_is_no_token_is_refused(void **state)
{
    static const char *const texts[] = {
        NULL,
        "",
        " ",
        "Bearer",
        "Bearer ",
        "x",
        "a.b.c",
        "...",
        ".",
        "..",
        ".e30.c2ln",
        "eyJhbGciOiJIUzI1NiJ9..c2ln", /* Valgrind sees what libjwt does with an empty part */
        "Bearer ct_live_0123456789012345678901234567890123456789all",
        "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="};
    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct detail detail = {0};
        EXPECT_ERR(judge(texts[i], SECRET, BODY, &detail), BAD_KEY);
        assert_true(detail.text[0] != '\0');
    }
}

static void an_issuer_that_is_no_key_is_refused(void **state)
{
    char long_issuer[300];
    (void)state;
    memset(long_issuer, 'x', sizeof long_issuer);
    long_issuer[256] = '\0';
    const char *const claims[] = {
        "{\"exp\":1790000300}",
        "{\"iss\":5,\"exp\":1790000300}",
        "{\"iss\":\"\",\"exp\":1790000300}",
        "{\"iss\":null}",
        "[]",
        "[\"iss\"]",
        "5",
        "",
        "{",
        claims_make(long_issuer, "\"exp\":1790000300", HASH),
    };
    for (size_t i = 0; i < sizeof claims / sizeof claims[0]; i++) {
        struct detail detail = {0};
        EXPECT_ERR(
            judge(token_make(HS256, claims[i], SECRET, GNUTLS_MAC_SHA256), SECRET, BODY, &detail),
            BAD_KEY);
    }
}

static void the_issuer_must_be_the_one_that_was_looked_up(void **state)
{
    struct detail detail = {0};
    (void)state;
    const struct livekit_token token = {.text = good(), .issuer = "APIother"};
    EXPECT_ERR(livekit_token_check(&token, bytes_of_text(SECRET), bytes_of_text(BODY),
                                   (struct unix_ns){NOW_S * NS_PER_S}, &detail),
               BAD_KEY);
}

static void judge_once(void *context)
{
    struct detail detail = {0};
    (void)context;
    struct arena small;
    struct livekit_token token;
    arena_init(&small, 4096);
    if (err_is_ok(livekit_token_read(good(), &small, &detail, &token))) {
        err_t err = livekit_token_check(&token, bytes_of_text(SECRET), bytes_of_text(BODY),
                                        (struct unix_ns){NOW_S * NS_PER_S}, &detail);
        (void)err; /* any outcome is fine without memory; the sanitizers watch */
    }
    arena_fini(&small);
}

static void no_memory_is_no_crash_and_no_pass(void **state)
{
    (void)state;
    json_set_alloc_funcs(mem_alloc, mem_free);
    assert_true(expect_survives_oom(judge_once, NULL) > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_signed_body_is_taken_with_and_without_a_scheme),
        cmocka_unit_test(the_type_may_be_left_out),
        cmocka_unit_test(times_are_compared_with_leeway),
        cmocka_unit_test(another_body_or_hash_is_refused),
        cmocka_unit_test(another_secret_is_refused),
        cmocka_unit_test(other_algorithms_and_headers_are_refused),
        cmocka_unit_test(a_token_without_its_signature_is_refused),
        cmocka_unit_test(what_is_no_token_is_refused),
        cmocka_unit_test(an_issuer_that_is_no_key_is_refused),
        cmocka_unit_test(the_issuer_must_be_the_one_that_was_looked_up),
        cmocka_unit_test(no_memory_is_no_crash_and_no_pass),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
