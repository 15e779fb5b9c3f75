/* API keys as text, in headers and in the cache. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "api/http/key_cache.h"
#include "api/http/key_text.h"
#include "proto/base/mem.h"

#include "proto/base/banned.h"

#define GOOD "ct_live_0123456789012345678901234567890123456789abc"

static struct mono_ns at_ms(int64_t ms)
{
    return (struct mono_ns){.ns = (1000 + ms) * NS_PER_MS};
}

static void made_keys_are_plausible_and_differ(void **state)
{
    char one[KEY_TEXT_BYTES];
    char two[KEY_TEXT_BYTES];
    (void)state;
    assert_true(err_is_ok(key_text_make(one)));
    assert_true(err_is_ok(key_text_make(two)));
    assert_int_equal(strlen(one), KEY_TEXT_CHARS);
    assert_true(key_text_is_plausible(bytes_of_text(one)));
    assert_string_not_equal(one, two);
}

static void the_hash_is_sha256_of_the_whole_text(void **state)
{
    /* printf %s ct_live_01... | sha256sum */
    static const char want[] = "f6266879030e7af16b0a887f709e8c2f9aab44de57fa6d744bc5ece1bfa56304";
    struct key_hash hash;
    char hex[KEY_HASH_BYTES * 2 + 1] = {0};
    (void)state;
    assert_true(err_is_ok(key_text_hash(bytes_of_text(GOOD), &hash)));
    bytes_to_hex(bytes_of(hash.b, sizeof hash.b), hex);
    assert_string_equal(hex, want);
}

static void other_forms_are_not_plausible(void **state)
{
    static const char *const texts[] = {
        "",
        "ct_live_",
        "rk_live_x",
        "x" GOOD,
        GOOD "x",
        "CT_LIVE_0123456789012345678901234567890123456789abc",
        "ct_live_012345678901234567890123456789012345678 abc",
        "ct_live_012345678901234567890123456789012345678+abc",
        "ct_live_012345678901234567890123456789012345678\xff"
        "abc",
    };
    (void)state;
    assert_true(key_text_is_plausible(bytes_of_text(GOOD)));
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        assert_false(key_text_is_plausible(bytes_of_text(texts[i])));
    }
}

static void headers_are_read_in_their_order(void **state)
{
    static const struct {
        const char *authorization;
        const char *roark;
        const char *plain;
        const char *key; /* NULL: none */
        const char *vapi;
    } cases[] = {
        {NULL, NULL, NULL, NULL, NULL},        {NULL, NULL, NULL, "v", "v"},
        {NULL, NULL, NULL, "v", "Bearer v"},   {NULL, NULL, "p", "p", "v"},
        {"Bearer k", NULL, NULL, "k", "v"},    {"Basic k", NULL, NULL, "v", "v"},
        {NULL, NULL, NULL, NULL, ""},          {NULL, NULL, NULL, NULL, "Bearer "},
        {"Bearer k", NULL, NULL, "k", NULL},   {"bearer k", NULL, NULL, "k", NULL},
        {"BEARER   k", NULL, NULL, "k", NULL}, {"Bearer k", "r", "p", "k", NULL},
        {NULL, "r", "p", "r", NULL},           {NULL, NULL, "p", "p", NULL},
        {"Basic k", NULL, "p", "p", NULL},     {"Bearer k x", NULL, NULL, "k x", NULL},
        {"Bearer", NULL, NULL, NULL, NULL},    {"Bearer ", NULL, NULL, NULL, NULL},
        {"Bearerk", NULL, NULL, NULL, NULL},   {"Basic k", NULL, NULL, NULL, NULL},
        {"k", NULL, NULL, NULL, NULL},         {"", NULL, NULL, NULL, NULL},
        {NULL, "", NULL, NULL, NULL},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct bytes text = {0};
        const struct key_headers headers = {cases[i].authorization, cases[i].roark, cases[i].plain,
                                            cases[i].vapi};
        bool has_key = key_text_of_headers(&headers, &text);
        assert_int_equal(has_key, cases[i].key != NULL);
        if (has_key) {
            assert_true(bytes_equal_text(text, cases[i].key));
        }
    }
}

/* --- the cache -------------------------------------------------------------------------------------- */

static struct key_hash hash_of(unsigned n)
{
    struct key_hash hash = {{0}};
    memcpy(hash.b, &n, sizeof n);
    return hash;
}

static const struct key_facts valid = {.is_valid = true, .scopes = 3};
static const struct key_facts refused = {.is_valid = false};

static void facts_live_two_seconds_and_are_refreshed_ahead(void **state)
{
    struct key_cache *cache = NULL;
    struct key_hash hash = hash_of(1);
    struct key_facts facts;
    struct key_entry *entry = NULL;
    bool wants = false;
    (void)state;
    assert_true(err_is_ok(key_cache_new(16, &cache)));
    assert_false(key_cache_find(cache, &hash, at_ms(0), &facts, &entry, &wants));
    assert_true(err_is_ok(key_cache_put(cache, &hash, at_ms(0), &valid, NULL)));
    static const struct {
        int64_t ms;
        bool is_found;
        bool wants;
    } cases[] = {{0, true, false},
                 {KEY_REFRESH_MS - 1, true, false},
                 {KEY_REFRESH_MS, true, true},
                 {KEY_REFRESH_MS + 1, true, false}, /* one caller asks */
                 {KEY_LIFETIME_MS - 1, true, false},
                 {KEY_LIFETIME_MS, false, false}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        wants = false;
        entry = NULL;
        assert_int_equal(key_cache_find(cache, &hash, at_ms(cases[i].ms), &facts, &entry, &wants),
                         cases[i].is_found);
        assert_int_equal(wants, cases[i].wants);
        if (cases[i].is_found) {
            assert_true(facts.is_valid && facts.scopes == 3);
            assert_non_null(entry);
            key_entry_release(cache, entry);
        }
    }
    key_cache_free(cache);
}

static void failed_refresh_lets_another_try(void **state)
{
    struct key_cache *cache = NULL;
    struct key_hash hash = hash_of(1);
    struct key_facts facts;
    struct key_entry *entry = NULL;
    bool wants = false;
    (void)state;
    assert_true(err_is_ok(key_cache_new(16, &cache)));
    assert_true(err_is_ok(key_cache_put(cache, &hash, at_ms(0), &valid, NULL)));
    for (int i = 0; i < 2; i++) {
        assert_true(key_cache_find(cache, &hash, at_ms(1500), &facts, &entry, &wants));
        key_entry_release(cache, entry);
        assert_true(wants);
        key_cache_refresh_failed(cache, &hash);
    }
    key_cache_free(cache);
}

static void revocation_replaces_facts_and_refusals_give_no_reference(void **state)
{
    struct key_cache *cache = NULL;
    struct key_hash hash = hash_of(1);
    struct key_facts facts;
    struct key_entry *held = NULL;
    struct key_entry *entry = NULL;
    bool wants = false;
    (void)state;
    assert_true(err_is_ok(key_cache_new(16, &cache)));
    assert_true(err_is_ok(key_cache_put(cache, &hash, at_ms(0), &valid, &held)));
    assert_non_null(held);
    assert_true(err_is_ok(key_cache_put(cache, &hash, at_ms(10), &refused, NULL)));
    assert_true(key_cache_find(cache, &hash, at_ms(20), &facts, &entry, &wants));
    assert_false(facts.is_valid);
    assert_null(entry);
    key_entry_release(cache, held);
    key_cache_free(cache);
}

static void full_cache_evicts_the_oldest_free_entry(void **state)
{
    enum { MAX = 16 };
    struct key_cache *cache = NULL;
    struct key_entry *held[MAX] = {0};
    struct key_entry *entry = NULL;
    struct key_facts facts;
    bool wants = false;
    (void)state;
    assert_true(err_is_ok(key_cache_new(MAX, &cache)));
    for (unsigned i = 0; i < MAX; i++) {
        struct key_hash hash = hash_of(i);
        assert_true(err_is_ok(key_cache_put(cache, &hash, at_ms(0), &valid, &held[i])));
    }
    struct key_hash one_more = hash_of(MAX);
    assert_true(err_is(key_cache_put(cache, &one_more, at_ms(0), &valid, &entry), ERR_OVERLOAD));
    key_entry_release(cache, held[3]);
    assert_true(err_is_ok(key_cache_put(cache, &one_more, at_ms(0), &refused, NULL)));
    assert_int_equal(key_cache_count(cache), MAX);
    struct key_hash gone = hash_of(3);
    assert_false(key_cache_find(cache, &gone, at_ms(0), &facts, &entry, &wants));
    for (unsigned i = 0; i < MAX; i++) {
        if (i != 3) {
            key_entry_release(cache, held[i]);
        }
    }
    key_cache_free(cache);
}

static void use_is_told_once_a_minute(void **state)
{
    struct key_cache *cache = NULL;
    struct key_hash hash = hash_of(1);
    struct key_hash bad = hash_of(2);
    struct key_use uses[KEY_USES_MAX];
    struct key_entry *entry = NULL;
    struct unix_ns now = {.ns = NS_PER_S};
    (void)state;
    assert_true(err_is_ok(key_cache_new(16, &cache)));
    assert_true(err_is_ok(key_cache_put(cache, &hash, at_ms(0), &valid, NULL)));
    assert_true(err_is_ok(key_cache_put(cache, &bad, at_ms(0), &refused, NULL)));
    assert_int_equal(key_cache_uses(cache, at_ms(1), now, uses), 0); /* known, not used */
    assert_true(err_is_ok(key_cache_put(cache, &hash, at_ms(2), &valid, &entry)));
    key_entry_release(cache, entry);
    assert_int_equal(key_cache_uses(cache, at_ms(12), now, uses), 1);
    assert_int_equal(uses[0].at.ns, now.ns - 10 * NS_PER_MS);
    assert_int_equal(key_cache_uses(cache, at_ms(13), now, uses), 0);
    assert_true(err_is_ok(key_cache_put(cache, &hash, at_ms(20), &valid, &entry)));
    key_entry_release(cache, entry);
    assert_int_equal(key_cache_uses(cache, at_ms(KEY_USE_MS + 11), now, uses), 0);
    assert_int_equal(key_cache_uses(cache, at_ms(KEY_USE_MS + 12), now, uses), 1);
    key_cache_free(cache);
}

static void a_refusal_is_told_at_once_and_the_last_one_counts(void **state)
{
    struct key_cache *cache = NULL;
    struct key_hash hash = hash_of(1);
    struct key_use uses[KEY_USES_MAX];
    struct key_entry *entry = NULL;
    struct unix_ns now = {.ns = NS_PER_S};
    struct key_refusal refusal = {.at = {.ns = 5}, .status = 413, .path = "/v1/traces"};
    (void)state;
    assert_true(err_is_ok(key_cache_new(16, &cache)));
    assert_true(err_is_ok(key_cache_put(cache, &hash, at_ms(0), &valid, &entry)));
    assert_int_equal(key_cache_uses(cache, at_ms(1), now, uses), 1);
    assert_null(uses[0].refusal);
    for (unsigned i = 0; i < 10000; i++) {
        key_entry_refused(cache, entry, &refusal);
    }
    refusal.status = 400;
    key_entry_refused(cache, entry, &refusal);
    assert_int_equal(key_cache_uses(cache, at_ms(2), now, uses), 1);
    assert_non_null(uses[0].refusal);
    assert_int_equal(uses[0].refusal->status, 400);
    assert_string_equal(uses[0].refusal->path, "/v1/traces");
    mem_free(uses[0].refusal);
    assert_int_equal(key_cache_uses(cache, at_ms(3), now, uses), 0); /* told */
    (void)mem_fail_at(1, 1);
    key_entry_refused(cache, entry, &refusal);
    (void)mem_fail_at(0, 0);
    assert_int_equal(key_cache_uses(cache, at_ms(4), now, uses), 0); /* forgotten */
    key_entry_refused(cache, entry, &refusal); /* never told: goes with the cache */
    key_entry_release(cache, entry);
    key_cache_free(cache);
}

static void every_allocation_may_fail(void **state)
{
    (void)state;
    bool has_succeeded = false;
    for (uint64_t n = 1; n < 32 && !has_succeeded; n++) {
        struct key_cache *cache = NULL;
        struct key_hash hash = hash_of(1);
        struct key_entry *entry = NULL;
        (void)mem_fail_at(n, 1);
        err_t err = key_cache_new(16, &cache);
        if (err_is_ok(err)) {
            err = key_cache_put(cache, &hash, at_ms(0), &valid, &entry);
        }
        (void)mem_fail_at(0, 0);
        has_succeeded = err_is_ok(err);
        assert_true(has_succeeded || err_is(err, ERR_MEMORY));
        if (cache != NULL) {
            assert_int_equal(key_cache_count(cache), has_succeeded ? 1 : 0);
            key_entry_release(cache, entry);
        }
        key_cache_free(cache);
    }
    assert_true(has_succeeded);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(made_keys_are_plausible_and_differ),
        cmocka_unit_test(the_hash_is_sha256_of_the_whole_text),
        cmocka_unit_test(other_forms_are_not_plausible),
        cmocka_unit_test(headers_are_read_in_their_order),
        cmocka_unit_test(facts_live_two_seconds_and_are_refreshed_ahead),
        cmocka_unit_test(failed_refresh_lets_another_try),
        cmocka_unit_test(revocation_replaces_facts_and_refusals_give_no_reference),
        cmocka_unit_test(full_cache_evicts_the_oldest_free_entry),
        cmocka_unit_test(use_is_told_once_a_minute),
        cmocka_unit_test(a_refusal_is_told_at_once_and_the_last_one_counts),
        cmocka_unit_test(every_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
