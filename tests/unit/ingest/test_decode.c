#include "tests/unit/expect.h"

#include <stdlib.h>

#include <libdeflate.h>

#include "api/ingest/decode.h"

enum { LIMIT = 100000, ROOM = 1 << 20 };

struct fixture {
    struct inflater *inflater;
    struct libdeflate_compressor *compressor;
    struct buf out;
    struct detail detail;
    uint8_t packed[ROOM];
    size_t packed_len;
    struct bytes body;
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    f->inflater = inflater_new();
    f->compressor = libdeflate_alloc_compressor(6);
    assert_non_null(f->inflater);
    assert_non_null(f->compressor);
    buf_init(&f->out, LIMIT);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    inflater_free(f->inflater);
    libdeflate_free_compressor(f->compressor);
    buf_fini(&f->out);
    free(f);
    return 0;
}

static void pack(struct fixture *f, bool is_gzip, struct bytes data)
{
    uint8_t *to = f->packed + f->packed_len;
    size_t room = sizeof f->packed - f->packed_len;
    size_t len = is_gzip ? libdeflate_gzip_compress(f->compressor, data.ptr, data.len, to, room)
                         : libdeflate_zlib_compress(f->compressor, data.ptr, data.len, to, room);
    assert_true(len > 0);
    f->packed_len += len;
}

static err_t inflate(struct fixture *f, const char *encoding, struct bytes packed)
{
    buf_reset(&f->out);
    return ingest_inflate(f->inflater, encoding, packed, &f->out, &f->detail, &f->body);
}

static err_t inflate_packed(struct fixture *f, const char *encoding)
{
    return inflate(f, encoding, bytes_of(f->packed, f->packed_len));
}

static void test_content_types(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        enum ingest_encoding encoding;
    } cases[] = {
        {"application/x-protobuf", INGEST_ENCODING_PROTOBUF},
        {"application/json", INGEST_ENCODING_JSON},
        {"Application/JSON; charset=utf-8", INGEST_ENCODING_JSON},
        {" application/x-protobuf ;v=1", INGEST_ENCODING_PROTOBUF},
        {"application/protobuf", INGEST_ENCODING_OTHER},
        {"application/jsonl", INGEST_ENCODING_OTHER},
        {"application/jso", INGEST_ENCODING_OTHER},
        {"text/plain", INGEST_ENCODING_OTHER},
        {"", INGEST_ENCODING_OTHER},
        {NULL, INGEST_ENCODING_OTHER},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_int_equal(ingest_encoding_of(cases[i].text), cases[i].encoding);
    }
    assert_string_equal(ingest_content_type(INGEST_ENCODING_PROTOBUF), "application/x-protobuf");
    assert_string_equal(ingest_content_type(INGEST_ENCODING_OTHER), "application/json");
}

static void test_identity_is_borrowed(void **state)
{
    struct fixture *f = *state;
    static const char *const names[] = {NULL, "", "identity", "Identity"};
    struct bytes body = bytes_of_text("body");
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        EXPECT_OK(inflate(f, names[i], body));
        assert_ptr_equal(f->body.ptr, body.ptr);
    }
}

static void test_gzip_and_deflate_are_inflated(void **state)
{
    struct fixture *f = *state;
    struct bytes body = bytes_of_text("some body some body some body");
    pack(f, true, body);
    EXPECT_OK(inflate_packed(f, "gzip"));
    assert_true(bytes_equal(f->body, body));
    EXPECT_OK(inflate_packed(f, "X-GZIP"));
    f->packed_len = 0;
    pack(f, false, body);
    EXPECT_OK(inflate_packed(f, "deflate"));
    assert_true(bytes_equal(f->body, body));
    EXPECT_ERR(inflate_packed(f, "gzip"), MALFORMED);
}

static void test_gzip_members_are_joined(void **state)
{
    struct fixture *f = *state;
    pack(f, true, bytes_of_text("one "));
    pack(f, true, bytes_of("", 0));
    pack(f, true, bytes_of_text("two"));
    EXPECT_OK(inflate_packed(f, "gzip"));
    assert_true(bytes_equal_text(f->body, "one two"));
}

static void test_garbage_is_refused(void **state)
{
    struct fixture *f = *state;
    pack(f, true, bytes_of_text("some body"));
    for (size_t len = 0; len < f->packed_len; len++) {
        EXPECT_ERR(inflate(f, "gzip", bytes_of(f->packed, len)), MALFORMED);
    }
    f->packed[f->packed_len++] = 'x';
    EXPECT_ERR(inflate_packed(f, "gzip"), MALFORMED);
    f->packed[12] ^= 0x55;
    EXPECT_ERR(inflate_packed(f, "gzip"), MALFORMED);
    f->packed_len = 0;
    pack(f, false, bytes_of_text("some body"));
    f->packed[f->packed_len++] = 'x';
    EXPECT_ERR(inflate_packed(f, "deflate"), MALFORMED);
    assert_non_null(strstr(f->detail.text, "follow the end"));
}

static void test_the_limit_holds_for_what_comes_out(void **state)
{
    struct fixture *f = *state;
    uint8_t *zeros = calloc(1, LIMIT + 1);
    assert_non_null(zeros);
    for (unsigned is_gzip = 0; is_gzip < 2; is_gzip++) {
        const char *name = is_gzip ? "gzip" : "deflate";
        f->packed_len = 0;
        pack(f, is_gzip, bytes_of(zeros, LIMIT));
        EXPECT_OK(inflate_packed(f, name));
        assert_int_equal(f->body.len, LIMIT);
        f->packed_len = 0;
        pack(f, is_gzip, bytes_of(zeros, LIMIT + 1));
        EXPECT_ERR(inflate_packed(f, name), TOO_LARGE);
        assert_non_null(strstr(f->detail.text, "100000 bytes"));
    }
    f->packed_len = 0;
    pack(f, true, bytes_of(zeros, LIMIT));
    pack(f, true, bytes_of("", 0));
    EXPECT_OK(inflate_packed(f, "gzip"));
    pack(f, true, bytes_of(zeros, 1));
    EXPECT_ERR(inflate_packed(f, "gzip"), TOO_LARGE);
    free(zeros);
}

static void test_a_lying_trailer_costs_nothing(void **state)
{
    struct fixture *f = *state;
    uint8_t *zeros = calloc(1, LIMIT);
    assert_non_null(zeros);
    pack(f, true, bytes_of(zeros, LIMIT));
    memset(f->packed + f->packed_len - 4, 0xFF, 4);
    EXPECT_ERR(inflate_packed(f, "gzip"), MALFORMED);
    memset(f->packed + f->packed_len - 4, 0x00, 4);
    EXPECT_ERR(inflate_packed(f, "gzip"), MALFORMED);
    free(zeros);
}

static void test_other_encodings_are_named(void **state)
{
    struct fixture *f = *state;
    static const char *const names[] = {"br", "zstd", "gzip, gzip", "gzi"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        EXPECT_ERR(inflate(f, names[i], bytes_of_text("x")), BAD_VALUE);
        assert_non_null(strstr(f->detail.text, names[i]));
    }
}

static void inflate_once(void *context)
{
    struct fixture *f = context;
    struct buf out;
    struct bytes body;
    buf_init(&out, LIMIT);
    struct inflater *inflater = inflater_new();
    if (inflater != NULL) {
        err_t err = ingest_inflate(inflater, "gzip", bytes_of(f->packed, f->packed_len), &out,
                                   &f->detail, &body);
        assert_true(err_is_ok(err) || err_is(err, ERR_MEMORY));
    }
    inflater_free(inflater);
    buf_fini(&out);
}

static void test_failing_allocations_leave_nothing_behind(void **state)
{
    struct fixture *f = *state;
    pack(f, true, bytes_of_text("some body"));
    assert_true(expect_survives_oom(inflate_once, f) > 1);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_content_types),
        TEST(test_identity_is_borrowed),
        TEST(test_gzip_and_deflate_are_inflated),
        TEST(test_gzip_members_are_joined),
        TEST(test_garbage_is_refused),
        TEST(test_the_limit_holds_for_what_comes_out),
        TEST(test_a_lying_trailer_costs_nothing),
        TEST(test_other_encodings_are_named),
        TEST(test_failing_allocations_leave_nothing_behind),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
