/* Content codings: what a client takes, and a body packed and unpacked. */
#include "tests/unit/expect.h"

#include <stdlib.h>

#include "proto/base/mem.h"
#include "proto/http/coding.h"

enum { LIMIT = 200000 };

static void gzip_is_sent_only_to_who_takes_it(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool takes;
    } cases[] = {
        {"gzip", true},
        {"gzip, deflate, br", true},
        {"br;q=1.0, GZip;q=0.5", true},
        {" \tgzip\t; q=0.001 ,br", true},
        {"x-gzip", true},
        {"*", true},
        {"identity;q=0.1, *;q=0.2", true},
        {",, gzip", true},
        {"*;q=0, gzip", true},
        {NULL, false},
        {"", false},
        {",", false},
        {"identity", false},
        {"br, zstd", false},
        {"gzip;q=0", false},
        {"gzip ; Q = 0.000", false},
        {"gzip;q=0, *", false},
        {"*, gzip;q=0", false},
        {"*;q=0", false},
        {"gzip;q=", false},
        {"gzip;q=-1", false},
        {"gzip;q=one", false},
        {"gzip;level=9", false},
        {"gzipped", false},
        {"not-gzip", false},
        {"gzi", false},
        {"deflate gzip", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        if (coding_accepts_gzip(cases[i].text) != cases[i].takes) {
            fail_msg("Accept-Encoding: %s", cases[i].text == NULL ? "(none)" : cases[i].text);
        }
    }
}

/* Packs and unpacks; the length of the packed form, 0 when it does not pay. */
static size_t there_and_back(struct bytes plain)
{
    size_t len = 0;
    size_t taken = 0;
    uint8_t *packed = coding_gzip(plain, &len);
    if (packed == NULL) {
        return 0;
    }
    struct buf out;
    struct inflater *inflater = inflater_new();
    assert_non_null(inflater);
    buf_init(&out, LIMIT);
    EXPECT_OK(inflater_run(inflater, CODING_GZIP, bytes_of(packed, len), &out, &taken));
    assert_int_equal(taken, len);
    assert_true(bytes_equal(buf_bytes(&out), plain));
    buf_fini(&out);
    inflater_free(inflater);
    mem_free(packed);
    return len;
}

static void what_was_packed_comes_back_as_it_was(void **state)
{
    (void)state;
    char *text = malloc(LIMIT);
    assert_non_null(text);
    for (size_t i = 0; i < LIMIT; i++) {
        text[i] = "{\"data\":[1,2,3]}"[i % 16];
    }
    static const size_t lens[] = {CODING_BYTES_MIN, CODING_BYTES_MIN + 1, 65535, 65536, LIMIT};
    for (size_t i = 0; i < sizeof lens / sizeof *lens; i++) {
        size_t len = there_and_back(bytes_of(text, lens[i]));
        assert_true(len > 0 && len < lens[i] / 2);
    }
    free(text);
}

static void what_does_not_get_shorter_is_not_packed(void **state)
{
    (void)state;
    uint8_t noise[4096];
    uint64_t seed = 1;
    for (size_t i = 0; i < sizeof noise; i++) {
        seed = seed * 6364136223846793005U + 1442695040888963407U;
        noise[i] = (uint8_t)(seed >> 56);
    }
    assert_int_equal(there_and_back(bytes_of(noise, sizeof noise)), 0);
    assert_int_equal(there_and_back(bytes_of(noise, 1)), 0);
    assert_int_equal(there_and_back(bytes_of(NULL, 0)), 0);
}

static void pack_once(void *context)
{
    const struct bytes *plain = context;
    size_t len = 0;
    mem_free(coding_gzip(*plain, &len));
}

static void a_failing_allocation_is_no_gzip(void **state)
{
    (void)state;
    static const char zeros[CODING_BYTES_MIN];
    struct bytes plain = bytes_of(zeros, sizeof zeros);
    assert_true(expect_survives_oom(pack_once, &plain) >= 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gzip_is_sent_only_to_who_takes_it),
        cmocka_unit_test(what_was_packed_comes_back_as_it_was),
        cmocka_unit_test(what_does_not_get_shorter_is_not_packed),
        cmocka_unit_test(a_failing_allocation_is_no_gzip),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
