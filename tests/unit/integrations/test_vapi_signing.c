/* Signatures of VAPI: digests that other programs made, and everything that must not pass. */
#include "tests/unit/expect.h"

#include "api/integrations/vapi/signing.h"

#include "proto/base/banned.h"

static const char body[] = "{\"message\":{}}";
static const struct unix_ns now = {1772000000000000000};

/* HMACs over "1772000000." and the body, or the body alone, with the key "key"; made with Python's hmac. */
#define SHA256_TIMED "f0dd9c59e2b625f9b4b399048ad9f990295558741abc5ff90e692129f8aa86fa"

static struct vapi_signing signing_of(const char *const options[][2])
{
    struct vapi_signing signing;
    struct detail detail = {0};
    vapi_signing_init(&signing);
    for (size_t i = 0; options[i][0] != NULL; i++) {
        EXPECT_OK(vapi_signing_set(&signing, options[i][0], options[i][1], &detail));
    }
    return signing;
}

static err_t verify(const struct vapi_signing *signing, const char *secret,
                    const struct vapi_signed *request, struct detail *detail)
{
    struct vapi_signed whole = *request;
    if (whole.body.ptr == NULL) {
        whole.body = bytes_of_text(body);
    }
    *detail = (struct detail){0};
    return vapi_signing_verify(signing, bytes_of_text(secret), &whole, now, detail);
}

static const struct {
    const char *options[6][2];
    const char *secret;
    struct vapi_signed request;
} known[] = {
    {{{NULL, NULL}},
     "key",
     {.signature = "f0dd9c59e2b625f9b4b399048ad9f990295558741abc5ff90e692129f8aa86fa",
      .timestamp = "1772000000"}},
    {{{NULL, NULL}},
     "key",
     {.signature = "F0DD9C59E2B625F9B4B399048AD9F990295558741ABC5FF90E692129F8AA86FA",
      .timestamp = "1772000000"}},
    {{{NULL, NULL}},
     "key",
     {.signature = "00 f0dd9c59e2b625f9b4b399048ad9f990295558741abc5ff90e692129f8aa86fa",
      .timestamp = "1772000000"}},
    {{{"algorithm", "sha512"}, {NULL, NULL}},
     "key",
     {.signature = "ec880cd17990c93a1bf7c1618dee58f27fd9f86e7ecdcfa5724732ac8a1c9e09d09ec73082b"
                   "e8dd01e054a2d26620ca20181bee8d7129d6ef51dbe4c46858231",
      .timestamp = "1772000000"}},
    {{{"algorithm", "sha1"}, {NULL, NULL}},
     "key",
     {.signature = "f7c0bb0b09b7ad441f5a22af129b32d1285b837d", .timestamp = "1772000000"}},
    {{{"encoding", "base64"}, {NULL, NULL}},
     "key",
     {.signature = "8N2cWeK2Jfm0s5kEitn5kClVWHQavF/5DmkhKfiqhvo=", .timestamp = "1772000000"}},
    {{{"encoding", "base64"}, {NULL, NULL}},
     "key",
     {.signature = "8N2cWeK2Jfm0s5kEitn5kClVWHQavF/5DmkhKfiqhvo", .timestamp = "1772000000"}},
    {{{"include-timestamp", "off"}, {NULL, NULL}},
     "key",
     {.signature = "666d1472aaba636b837b538b92f4839884a3782352ddcfd07776f126db7599b6"}},
    {{{"payload-format", "{body}"}, {NULL, NULL}},
     "key",
     {.signature = "666d1472aaba636b837b538b92f4839884a3782352ddcfd07776f126db7599b6"}},
    {{{"payload-format", "{method}{url}{body}{nothing}{"}, {NULL, NULL}},
     "key",
     {.signature = "9ab1079672d49717f0761758bd9d2466b803b5c824f744ddaa45b1ac1f2a5d2c",
      .method = "POST",
      .url = "https://h/p"}},
    {{{"payload-format", "{url}{body}"}, {"url", "https://set/x"}, {NULL, NULL}},
     "key",
     {.signature = "72fd95855d85e4e8d46bde25914f30351d2f455178f3695d4acd3c5cc329896f",
      .method = "POST",
      .url = "https://h/p"}},
    {{{"secret-base64", "on"},
      {"payload-format", "{svix-id}.{timestamp}.{body}"},
      {"encoding", "base64"},
      {"signature-prefix", "v1,"},
      {NULL, NULL}},
     "b2N0ZXRz/w==",
     {.signature = "v1,x v1,zvUGfc4oddQeDPEhCga3mq2CHOIu38i5rcsbbslYDac=",
      .message_id = "msg_1",
      .timestamp = "1772000000"}},
    {{{NULL, NULL}},
     "key",
     {.signature = "bd410ffa24f1c2069b5e2ce962b54ed1fe614f48276b2c0e9dd61a5805872760",
      .timestamp = "2026-02-25T06:13:20Z"}},
    {{{NULL, NULL}},
     "key",
     {.signature = "5acb0178b8ef5faaaed783abf579e2d2d7a134908c2f5d73034e5b49e1fb9883",
      .timestamp = "1772000000123"}},
};

static void known_signatures_pass(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        struct detail detail;
        struct vapi_signing signing = signing_of(known[i].options);
        err_t err = verify(&signing, known[i].secret, &known[i].request, &detail);
        if (!err_is_ok(err)) {
            fail_msg("case %zu: %s", i, detail_or_text(&detail, err));
        }
        /* The same under another secret, or over another body, never. */
        EXPECT_ERR(verify(&signing,
                          known[i].options[0][0] != NULL &&
                                  strcmp(known[i].options[0][0], "secret-base64") == 0
                              ? "b3RoZXI="
                              : "other",
                          &known[i].request, &detail),
                   BAD_KEY);
        struct vapi_signed changed = known[i].request;
        changed.body = bytes_of_text("{\"message\":{} }");
        EXPECT_ERR(verify(&signing, known[i].secret, &changed, &detail), BAD_KEY);
    }
}

static void what_is_wrong_is_named(void **state)
{
    static const struct {
        struct vapi_signed request;
        const char *word;
    } cases[] = {
        {{.timestamp = "1772000000"}, "x-signature is missing"},
        {{.signature = "", .timestamp = "1772000000"}, "does not fit"},
        {{.signature = " ", .timestamp = "1772000000"}, "does not fit"},
        {{.signature = SHA256_TIMED "0", .timestamp = "1772000000"}, "does not fit"},
        {{.signature = SHA256_TIMED}, "x-timestamp is missing"},
        {{.signature = SHA256_TIMED, .timestamp = ""}, "no time"},
        {{.signature = SHA256_TIMED, .timestamp = "now"}, "no time"},
        {{.signature = SHA256_TIMED, .timestamp = "1772000301"}, "5 minutes"},
        {{.signature = SHA256_TIMED, .timestamp = "1771999699"}, "5 minutes"},
        {{.signature = SHA256_TIMED, .timestamp = "1772000300"}, "does not fit"},
        {{.signature = SHA256_TIMED, .timestamp = "1771999700"}, "does not fit"},
        {{.signature = SHA256_TIMED, .timestamp = "1772000000000"}, "does not fit"},
        {{.signature = "a b c d e f g h " SHA256_TIMED, .timestamp = "1772000000"}, "does not fit"},
    };
    static const char *const none[][2] = {{NULL, NULL}};
    struct vapi_signing signing = signing_of(none);
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct detail detail;
        EXPECT_ERR(verify(&signing, "key", &cases[i].request, &detail), BAD_KEY);
        if (strstr(detail.text, cases[i].word) == NULL) {
            fail_msg("case %zu: %s", i, detail.text);
        }
    }
}

static void a_prefix_must_be_there(void **state)
{
    static const char *const options[][2] = {{"signature-prefix", "sha256="}, {NULL, NULL}};
    struct vapi_signing signing = signing_of(options);
    struct detail detail;
    (void)state;
    struct vapi_signed request = {.signature = SHA256_TIMED, .timestamp = "1772000000"};
    EXPECT_ERR(verify(&signing, "key", &request, &detail), BAD_KEY);
    request.signature = "sha256=" SHA256_TIMED;
    EXPECT_OK(verify(&signing, "key", &request, &detail));
    request.signature = "sha1=x sha256=" SHA256_TIMED;
    EXPECT_OK(verify(&signing, "key", &request, &detail));
}

static void settings_go_through_json(void **state)
{
    static const char *const options[][2] = {{"algorithm", "sha512"},
                                             {"payload-format", "{\"x\":{body}}"},
                                             {"secret-base64", "on"},
                                             {"include-timestamp", "off"},
                                             {NULL, NULL}};
    struct vapi_signing signing = signing_of(options);
    struct vapi_signing again;
    struct detail detail = {0};
    char text[VAPI_SIGNING_JSON_BYTES];
    (void)state;
    EXPECT_OK(vapi_signing_write(&signing, text));
    EXPECT_OK(vapi_signing_read(bytes_of_text(text), &detail, &again));
    assert_memory_equal(&signing, &again, sizeof signing);
    assert_false(again.has_timestamp);
    EXPECT_OK(
        vapi_signing_read(bytes_of_text("{\"algorithm\":null,\"other\":1}"), &detail, &again));
    assert_string_equal(again.algorithm, "sha256");
    assert_true(again.has_timestamp);
}

static void bad_settings_are_named(void **state)
{
    static const char *const texts[][2] = {
        {"{\"algorithm\":1}", "algorithm"},
        {"{\"includeTimestamp\":\"yes\"}", "includeTimestamp"},
        {"{\"signatureHeader\":\"a\\nb\"}", "signatureHeader"},
        {"{", ""},
        {"7", ""},
    };
    static const char *const options[][3] = {
        {"algorithm", "md5", "algorithm"},
        {"encoding", "hex ", "signatureEncoding"},
        {"signature-header", "", "signatureHeader"},
        {"payload-format", "{timestamp}", "payloadFormat"},
        {"secret-base64", "on", "base64"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct detail detail = {0};
        struct vapi_signing signing;
        assert_false(err_is_ok(vapi_signing_read(bytes_of_text(texts[i][0]), &detail, &signing)));
        assert_non_null(strstr(detail.text, texts[i][1]));
    }
    for (size_t i = 0; i < sizeof options / sizeof options[0]; i++) {
        struct detail detail = {0};
        struct vapi_signing signing;
        vapi_signing_init(&signing);
        EXPECT_OK(vapi_signing_set(&signing, options[i][0], options[i][1], &detail));
        EXPECT_ERR(vapi_signing_check(&signing, bytes_of_text("?!"), &detail), BAD_VALUE);
        assert_non_null(strstr(detail.text, options[i][2]));
        const struct vapi_signed request = {.signature = "x", .timestamp = "1772000000"};
        EXPECT_ERR(verify(&signing, "?!", &request, &detail), BAD_VALUE);
    }
    struct detail detail = {0};
    struct vapi_signing signing;
    vapi_signing_init(&signing);
    EXPECT_ERR(vapi_signing_set(&signing, "nonsense", "x", &detail), NOT_FOUND);
    EXPECT_ERR(vapi_signing_set(&signing, "secret-base64", "maybe", &detail), BAD_VALUE);
}

static void settings_have_a_bound(void **state)
{
    char text[VAPI_SIGNING_TEXT_BYTES + 1];
    struct vapi_signing signing;
    struct detail detail = {0};
    (void)state;
    memset(text, 'x', sizeof text);
    text[VAPI_SIGNING_TEXT_BYTES] = '\0';
    vapi_signing_init(&signing);
    EXPECT_ERR(vapi_signing_set(&signing, "url", text, &detail), BAD_VALUE);
    text[VAPI_SIGNING_TEXT_BYTES - 1] = '\0';
    EXPECT_OK(vapi_signing_set(&signing, "url", text, &detail));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_signatures_pass),  cmocka_unit_test(what_is_wrong_is_named),
        cmocka_unit_test(a_prefix_must_be_there), cmocka_unit_test(settings_go_through_json),
        cmocka_unit_test(bad_settings_are_named), cmocka_unit_test(settings_have_a_bound),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
