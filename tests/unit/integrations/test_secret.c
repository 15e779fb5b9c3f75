/* Secrets of others: sealed and opened, or read from files; what was altered does not open. */
#include "tests/unit/expect.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "api/integrations/secret.h"

#include "proto/base/banned.h"

static const char hex[] = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
static char folder[] = "/tmp/calltrace-secret-XXXXXX";
static char path[64];

static int setup(void **state)
{
    (void)state;
    if (mkdtemp(folder) == NULL) {
        return 1;
    }
    (void)snprintf(path, sizeof path, "%s/file", folder);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    (void)unlink(path);
    return rmdir(folder);
}

static void file_write(const void *data, size_t len, mode_t mode)
{
    (void)unlink(path);
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(data, 1, len, file), len);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(chmod(path, mode), 0);
}

static struct secret_key key_make(uint8_t first)
{
    struct secret_key key = {.is_there = true};
    for (size_t i = 0; i < sizeof key.octets; i++) {
        key.octets[i] = (uint8_t)(first + i);
    }
    return key;
}

static struct secret secret_make(const char *text)
{
    struct secret secret = {.len = strlen(text)};
    memcpy(secret.octets, text, secret.len);
    return secret;
}

/* --- sealing ---------------------------------------------------------------------------------------- */

static void what_is_sealed_opens_again(void **state)
{
    static const size_t lens[] = {1, 2, 16, 43, 1000, SECRET_BYTES_MAX};
    const struct secret_key key = key_make(1);
    (void)state;
    for (size_t i = 0; i < sizeof lens / sizeof lens[0]; i++) {
        struct detail detail = {0};
        struct secret_sealed sealed;
        struct secret again = {0};
        struct secret secret = {.len = lens[i]};
        memset(secret.octets, (int)i, lens[i]);
        EXPECT_OK(secret_seal(&key, bytes_of_text("row"), &secret, &detail, &sealed));
        assert_int_equal(sealed.len, lens[i] + 29);
        EXPECT_OK(secret_get(&key, bytes_of_text("row"), secret_sealed_bytes(&sealed), NULL,
                             &detail, &again));
        assert_true(bytes_equal(secret_bytes(&secret), secret_bytes(&again)));
    }
}

static void the_same_secret_is_never_sealed_the_same(void **state)
{
    const struct secret_key key = key_make(1);
    const struct secret secret = secret_make("a secret of thirty-two characters");
    struct detail detail = {0};
    struct secret_sealed one;
    struct secret_sealed two;
    (void)state;
    EXPECT_OK(secret_seal(&key, bytes_of_text("row"), &secret, &detail, &one));
    EXPECT_OK(secret_seal(&key, bytes_of_text("row"), &secret, &detail, &two));
    assert_false(bytes_equal(secret_sealed_bytes(&one), secret_sealed_bytes(&two)));
    assert_null(memmem(one.octets, one.len, "secret", 6));
}

static void one_altered_bit_anywhere_does_not_open(void **state)
{
    const struct secret_key key = key_make(1);
    const struct secret secret = secret_make("hunter2");
    struct detail detail = {0};
    struct secret_sealed sealed;
    (void)state;
    EXPECT_OK(secret_seal(&key, bytes_of_text("row"), &secret, &detail, &sealed));
    for (size_t bit = 0; bit < sealed.len * 8; bit++) {
        struct secret again = secret_make("untouched");
        sealed.octets[bit / 8] ^= (uint8_t)(1U << bit % 8);
        EXPECT_ERR(
            secret_open(&key, bytes_of_text("row"), secret_sealed_bytes(&sealed), &detail, &again),
            MALFORMED);
        sealed.octets[bit / 8] ^= (uint8_t)(1U << bit % 8);
        assert_true(bytes_equal_text(secret_bytes(&again), "untouched"));
    }
    assert_null(strstr(detail.text, "hunter2"));
}

static void a_cut_or_longer_text_does_not_open(void **state)
{
    const struct secret_key key = key_make(1);
    const struct secret secret = secret_make("hunter2");
    struct detail detail = {0};
    struct secret_sealed sealed;
    struct secret again;
    uint8_t huge[SECRET_SEALED_BYTES_MAX + 1] = {1};
    (void)state;
    EXPECT_OK(secret_seal(&key, bytes_of_text("row"), &secret, &detail, &sealed));
    for (size_t len = 0; len < sealed.len; len++) {
        EXPECT_ERR(
            secret_open(&key, bytes_of_text("row"), bytes_of(sealed.octets, len), &detail, &again),
            MALFORMED);
    }
    EXPECT_ERR(secret_open(&key, bytes_of_text("row"), bytes_of(sealed.octets, sealed.len + 1),
                           &detail, &again),
               MALFORMED);
    EXPECT_ERR(
        secret_open(&key, bytes_of_text("row"), bytes_of(huge, sizeof huge), &detail, &again),
        MALFORMED);
}

static void another_row_or_key_does_not_open(void **state)
{
    const struct secret_key key = key_make(1);
    const struct secret_key other = key_make(2);
    const struct secret_key none = {0};
    const struct secret secret = secret_make("hunter2");
    struct detail detail = {0};
    struct secret_sealed sealed;
    struct secret again;
    (void)state;
    EXPECT_OK(secret_seal(&key, bytes_of_text("row 1"), &secret, &detail, &sealed));
    struct bytes octets = secret_sealed_bytes(&sealed);
    EXPECT_ERR(secret_open(&key, bytes_of_text("row 2"), octets, &detail, &again), MALFORMED);
    EXPECT_ERR(secret_open(&key, bytes_of_text(""), octets, &detail, &again), MALFORMED);
    EXPECT_ERR(secret_open(&other, bytes_of_text("row 1"), octets, &detail, &again), MALFORMED);
    EXPECT_ERR(secret_open(&none, bytes_of_text("row 1"), octets, &detail, &again), BAD_CONFIG);
    assert_non_null(strstr(detail.text, "secrets_key_file"));
    EXPECT_ERR(secret_seal(&none, bytes_of_text("row 1"), &secret, &detail, &sealed), BAD_CONFIG);
}

static void cleared_is_zero(void **state)
{
    struct secret_key key = key_make(1);
    struct secret secret = secret_make("hunter2");
    static const struct secret nothing;
    (void)state;
    secret_clear(&secret);
    assert_memory_equal(&secret, &nothing, sizeof secret);
    secret_key_clear(&key);
    assert_false(key.is_there);
    assert_memory_equal(key.octets, nothing.octets, sizeof key.octets);
}

/* --- files ------------------------------------------------------------------------------------------ */

static void key_files_are_read(void **state)
{
    static const char *const ends[] = {"", "\n", "\r\n"};
    const struct secret_key wanted = key_make(0);
    (void)state;
    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++) {
        char text[80];
        struct detail detail = {0};
        struct secret_key key;
        (void)snprintf(text, sizeof text, "%s%s", hex, ends[i]);
        file_write(text, strlen(text), i == 0 ? 0640 : 0600);
        EXPECT_OK(secret_key_read(path, &detail, &key));
        assert_true(key.is_there);
        assert_memory_equal(key.octets, wanted.octets, sizeof key.octets);
    }
}

static void wrong_key_files_are_named(void **state)
{
    char long_text[80];
    (void)snprintf(long_text, sizeof long_text, "%s00", hex);
    const struct {
        const char *text;
        mode_t mode;
        const char *named;
    } cases[] = {
        {"", 0600, "64 hex digits"},     {"\n", 0600, "64 hex digits"},
        {"0011", 0600, "64 hex digits"}, {long_text, 0600, "64 hex digits"},
        {"this is no key", 0600, "hex"}, {hex, 0604, "every user"},
        {hex, 0666, "chmod 600"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct detail detail = {0};
        struct secret_key key;
        file_write(cases[i].text, strlen(cases[i].text), cases[i].mode);
        EXPECT_ERR(secret_key_read(path, &detail, &key), BAD_CONFIG);
        assert_false(key.is_there);
        assert_non_null(strstr(detail.text, cases[i].named));
        assert_non_null(strstr(detail.text, path));
        assert_null(strstr(detail.text, hex));
    }
}

static void no_path_is_no_key_and_no_file_is_an_error(void **state)
{
    struct detail detail = {0};
    struct secret_key key = key_make(1);
    (void)state;
    EXPECT_OK(secret_key_read("", &detail, &key));
    assert_false(key.is_there);
    EXPECT_ERR(secret_key_read("/nonexistent/key", &detail, &key), BAD_CONFIG);
    assert_non_null(strstr(detail.text, "/nonexistent/key"));
    EXPECT_ERR(secret_key_read("/tmp", &detail, &key), BAD_CONFIG);
}

static void secret_files_lose_one_line_end(void **state)
{
    static const struct {
        const char *text;
        const char *secret;
    } cases[] = {{"hunter2", "hunter2"},       {"hunter2\n", "hunter2"},
                 {"hunter2\r\n", "hunter2"},   {"hunter2\n\n", "hunter2\n"},
                 {" hunter2 \n", " hunter2 "}, {"hunter2\r", "hunter2\r"}};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct detail detail = {0};
        struct secret secret = {0};
        file_write(cases[i].text, strlen(cases[i].text), 0600);
        EXPECT_OK(secret_get(&(struct secret_key){0}, bytes_of_text("row"), (struct bytes){0}, path,
                             &detail, &secret));
        assert_true(bytes_equal_text(secret_bytes(&secret), cases[i].secret));
    }
}

static void secret_files_are_bounded(void **state)
{
    static char text[SECRET_BYTES_MAX + 100];
    struct detail detail = {0};
    struct secret secret = {0};
    (void)state;
    memset(text, 'x', sizeof text);
    text[SECRET_BYTES_MAX] = '\r';
    text[SECRET_BYTES_MAX + 1] = '\n';
    file_write(text, SECRET_BYTES_MAX + 2, 0600);
    EXPECT_OK(secret_file_read(path, &detail, &secret));
    assert_int_equal(secret.len, SECRET_BYTES_MAX);
    memset(text, 'x', sizeof text);
    static const size_t bad[] = {0, SECRET_BYTES_MAX + 1, SECRET_BYTES_MAX + 3,
                                 SECRET_BYTES_MAX + 100};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        file_write(text, bad[i], 0600);
        EXPECT_ERR(secret_file_read(path, &detail, &secret), BAD_VALUE);
        assert_null(strstr(detail.text, "xxx"));
    }
    file_write("\n", 1, 0600);
    EXPECT_ERR(secret_file_read(path, &detail, &secret), BAD_VALUE);
    EXPECT_ERR(secret_file_read("/nonexistent/secret", &detail, &secret), SYSTEM);
    EXPECT_ERR(secret_file_read("/tmp", &detail, &secret), SYSTEM);
    EXPECT_ERR(secret_fd_read(-1, "nowhere", &detail, &secret), SYSTEM);
    assert_non_null(strstr(detail.text, "nowhere"));
}

static void a_secret_comes_through_a_pipe_in_pieces(void **state)
{
    int ends[2];
    struct detail detail = {0};
    struct secret secret = {0};
    (void)state;
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(write(ends[1], "hun", 3), 3);
    assert_int_equal(write(ends[1], "ter2\n", 5), 5);
    assert_int_equal(close(ends[1]), 0);
    EXPECT_OK(secret_fd_read(ends[0], "standard input", &detail, &secret));
    assert_true(bytes_equal_text(secret_bytes(&secret), "hunter2"));
    assert_int_equal(close(ends[0]), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_sealed_opens_again),
        cmocka_unit_test(the_same_secret_is_never_sealed_the_same),
        cmocka_unit_test(one_altered_bit_anywhere_does_not_open),
        cmocka_unit_test(a_cut_or_longer_text_does_not_open),
        cmocka_unit_test(another_row_or_key_does_not_open),
        cmocka_unit_test(cleared_is_zero),
        cmocka_unit_test(key_files_are_read),
        cmocka_unit_test(wrong_key_files_are_named),
        cmocka_unit_test(no_path_is_no_key_and_no_file_is_an_error),
        cmocka_unit_test(secret_files_lose_one_line_end),
        cmocka_unit_test(secret_files_are_bounded),
        cmocka_unit_test(a_secret_comes_through_a_pipe_in_pieces),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
