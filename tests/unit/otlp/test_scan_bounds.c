#include "tests/unit/expect.h"

#include <stdlib.h>

#include "proto/base/limits.h"
#include "proto/otlp/segment.h"
#include "proto/otlp/term.h"
#include "tests/unit/otlp/scan_fixture.h"

/* --- what is rejected ------------------------------------------------------------------------------------------- */

struct reject_case {
    const char *what;
    enum scan_reject reject;
    uint32_t number; /* a field added behind a good span */
    enum wire_type type;
    const char *bytes;
    size_t len;
};

static const struct reject_case reject_cases[] = {
    {"trace id of 15", SCAN_REJECT_TRACE_ID, 1, WIRE_BYTES, "123456789012345", 15},
    {"trace id of 17", SCAN_REJECT_TRACE_ID, 1, WIRE_BYTES, "12345678901234567", 17},
    {"trace id of zeros", SCAN_REJECT_TRACE_ID, 1, WIRE_BYTES, "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0",
     16},
    {"empty trace id", SCAN_REJECT_TRACE_ID, 1, WIRE_BYTES, "", 0},
    {"span id of 7", SCAN_REJECT_SPAN_ID, 2, WIRE_BYTES, "1234567", 7},
    {"span id of 9", SCAN_REJECT_SPAN_ID, 2, WIRE_BYTES, "123456789", 9},
    {"span id of zeros", SCAN_REJECT_SPAN_ID, 2, WIRE_BYTES, "\0\0\0\0\0\0\0\0", 8},
    {"parent of 7", SCAN_REJECT_PARENT_ID, 4, WIRE_BYTES, "1234567", 7},
    {"parent of 16", SCAN_REJECT_PARENT_ID, 4, WIRE_BYTES, "1234567890123456", 16},
    {"varint name", SCAN_REJECT_TYPE, 5, WIRE_VARINT, "\1", 1},
    {"fixed64 trace id", SCAN_REJECT_TYPE, 1, WIRE_FIXED64, "12345678", 8},
    {"varint start", SCAN_REJECT_TYPE, 7, WIRE_VARINT, "\1", 1},
    {"fixed64 flags", SCAN_REJECT_TYPE, 16, WIRE_FIXED64, "12345678", 8},
    {"attribute with varint key", SCAN_REJECT_TYPE, 9, WIRE_BYTES, "\x08\x01", 2},
    {"attribute cut", SCAN_REJECT_WIRE, 9, WIRE_BYTES, "\x0A\x05k", 3},
    {"value with bytes in a bool", SCAN_REJECT_TYPE, 9, WIRE_BYTES, "\x12\x02\x12\x00", 4},
    {"value with group", SCAN_REJECT_WIRE, 9, WIRE_BYTES, "\x12\x01\x0B", 3},
    {"event with varint time", SCAN_REJECT_TYPE, 11, WIRE_BYTES, "\x08\x01", 2},
    {"event cut", SCAN_REJECT_WIRE, 11, WIRE_BYTES, "\x12\x05x", 3},
    {"link with varint id", SCAN_REJECT_TYPE, 13, WIRE_BYTES, "\x08\x01", 2},
    {"status with text code", SCAN_REJECT_TYPE, 15, WIRE_BYTES, "\x1A\x01x", 3},
    {"unknown field", SCAN_REJECT_NONE, 99, WIRE_BYTES, "anything", 8},
    {"unknown varint", SCAN_REJECT_NONE, 17, WIRE_VARINT, "\x7F", 1},
};

static void check_reject(struct fixture *f, const struct reject_case *row)
{
    make_reset(&f->make);
    make_frame(&f->make, "svc", "scope");
    make_span(&f->make, 1, 1, "good before");
    make_close(&f->make);
    make_span(&f->make, 2, 2, "odd");
    wire_put_tag(&f->make.out, row->number, row->type);
    if (row->type == WIRE_BYTES) {
        wire_put_varint(&f->make.out, row->len);
    }
    buf_add(&f->make.out, bytes_of(row->bytes, row->len));
    make_close(&f->make);
    make_span(&f->make, 3, 3, "good after");
    make_close(&f->make);
    frames_close(f);
    EXPECT_OK(scan(f));
    bool is_rejected = row->reject != SCAN_REJECT_NONE;
    if (f->result.traces_count != (is_rejected ? 2 : 3) ||
        f->result.rejected[row->reject] != is_rejected) {
        fail_msg("%s", row->what);
    }
    assert_int_equal(f->result.rejected_count, is_rejected);
    if (is_rejected) {
        struct detail text;
        assert_int_equal(f->result.rejected_first[row->reject], 1);
        scan_rejected_text(&f->result, &text);
        assert_non_null(strstr(text.text, "1 of 3 spans rejected"));
    }
}

static void test_an_odd_span_is_rejected_by_itself(void **state)
{
    for (size_t i = 0; i < sizeof reject_cases / sizeof *reject_cases; i++) {
        check_reject(*state, &reject_cases[i]);
    }
}

static void test_a_span_cut_in_its_middle_is_rejected_by_itself(void **state)
{
    struct fixture *f = *state;
    make_frame(&f->make, "svc", "scope");
    make_span(&f->make, 1, 1, "good");
    make_close(&f->make);
    wire_put_bytes(&f->make.out, 2, bytes_of("\x0A\x10half", 6));
    frames_close(f);
    EXPECT_OK(scan(f));
    assert_int_equal(f->result.spans_count, 1);
    assert_int_equal(f->result.rejected[SCAN_REJECT_WIRE], 1);
}

static void test_values_nest_32_deep_and_no_deeper(void **state)
{
    struct fixture *f = *state;
    for (unsigned place = 0; place < 3; place++) {
        make_reset(&f->make);
        make_frame(&f->make, "svc", "scope");
        for (unsigned extra = 0; extra < 2; extra++) {
            make_span(&f->make, 1, (uint8_t)(extra + 1), "s");
            if (place > 0) {
                make_open(&f->make, place == 1 ? 11 : 13);
            }
            make_attribute_deep(&f->make,
                                place == 0   ? 9
                                : place == 1 ? 3
                                             : 4,
                                "k", LIMIT_ANYVALUE_DEPTH + extra);
            if (place > 0) {
                make_close(&f->make);
            }
            make_close(&f->make);
        }
        frames_close(f);
        EXPECT_OK(scan(f));
        assert_int_equal(f->result.spans_count, 1);
        assert_int_equal(f->result.rejected[SCAN_REJECT_DEEP], 1);
    }
}

static void test_5000_levels_cost_their_span_only(void **state)
{
    struct fixture *f = *state;
    make_frame(&f->make, "svc", "scope");
    make_span(&f->make, 1, 1, "attack");
    make_attribute_deep(&f->make, 9, "k", 5000);
    make_close(&f->make);
    make_span(&f->make, 1, 2, "good");
    make_close(&f->make);
    frames_close(f);
    EXPECT_OK(scan(f));
    assert_int_equal(f->result.spans_count, 1);
    assert_int_equal(f->result.rejected[SCAN_REJECT_DEEP], 1);
}

static void test_a_bad_resource_costs_its_spans_only(void **state)
{
    struct fixture *f = *state;
    make_open(&f->make, 1);
    make_open(&f->make, 1);
    make_attribute_deep(&f->make, 1, "k", 40);
    make_close(&f->make);
    make_open(&f->make, 2);
    make_span(&f->make, 1, 1, "s");
    make_close(&f->make);
    frames_close(f);
    make_frame(&f->make, "svc", "scope");
    make_span(&f->make, 2, 2, "good");
    make_close(&f->make);
    frames_close(f);
    EXPECT_OK(scan(f));
    assert_int_equal(f->result.spans_count, 1);
    assert_int_equal(f->result.rejected[SCAN_REJECT_RESOURCE], 1);
    assert_int_equal(f->result.traces[0].id.b[15], 2);
}

static void test_100000_empty_spans_are_rejected_and_one_more_refused(void **state)
{
    struct fixture *f = *state;
    make_open(&f->make, 1);
    make_open(&f->make, 2);
    for (int i = 0; i < LIMIT_SPANS_PER_EXPORT; i++) {
        wire_put_head(&f->make.out, 2, 0);
    }
    frames_close(f);
    EXPECT_OK(scan(f));
    assert_int_equal(f->result.rejected[SCAN_REJECT_TRACE_ID], LIMIT_SPANS_PER_EXPORT);
    assert_int_equal(f->result.traces_count, 0);
    make_open(&f->make, 1);
    make_open(&f->make, 2);
    wire_put_head(&f->make.out, 2, 0);
    frames_close(f);
    EXPECT_ERR(scan(f), TOO_MANY);
    assert_non_null(strstr(f->detail.text, "100001 spans"));
}

static void test_a_broken_frame_refuses_the_body(void **state)
{
    struct fixture *f = *state;
    static const struct {
        const char *bytes;
        size_t len;
        enum err_code code;
    } cases[] = {
        {"{\"resourceSpans\":[]}", 20, ERR_MALFORMED},
        {"\x0A", 1, ERR_TRUNCATED},
        {"\x0A\x05\x12", 3, ERR_TRUNCATED},
        {"\x08\x01", 2, ERR_MALFORMED},                 /* resource_spans as varint */
        {"\x0A\x02\x10\x01", 4, ERR_MALFORMED},         /* scope_spans as varint */
        {"\x0A\x04\x12\x02\x10\x01", 6, ERR_MALFORMED}, /* spans as varint */
        {"\x0A\x02\x12\x05", 4, ERR_TRUNCATED},
        {"\x0B", 1, ERR_MALFORMED},     /* a group */
        {"\x02\x00", 2, ERR_MALFORMED}, /* field 0 */
        {"\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x01", 11, ERR_MALFORMED},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        f->detail.text[0] = '\0';
        err_t err = scan_export(&f->options, bytes_of(cases[i].bytes, cases[i].len), &f->arena,
                                &f->detail, &f->result);
        assert_int_equal(err.code, cases[i].code);
        assert_non_null(strstr(f->detail.text, "at octet"));
    }
}

/* --- bounds ------------------------------------------------------------------------------------------------------ */

static void rich_request(struct make *make)
{
    for (unsigned resource = 0; resource < 2; resource++) {
        make_frame(make, resource == 0 ? "one" : "two", "pipecat");
        for (unsigned i = 0; i < 6; i++) {
            make_span(make, (uint8_t)(1 + i % 3), (uint8_t)(1 + i + 6 * resource), "span");
            make_attribute(make, 9, "roark.external_id", i % 2 == 0 ? "a" : "b");
            make_attribute_int(make, 9, "conversation.id", i);
            make_attribute(make, 9, "roark.project.tag.env", "prod");
            make_attribute_deep(make, 9, "deep", 5);
            make_open(make, 11);
            make_text(make, 2, "event");
            make_close(make);
            make_close(make);
        }
        make_close(make);
        make_close(make);
    }
}

static void test_every_prefix_is_refused_or_scanned(void **state)
{
    struct fixture *f = *state;
    rich_request(&f->make);
    struct bytes whole = make_bytes(&f->make);
    for (size_t len = 0; len < whole.len; len++) {
        uint8_t *copy = malloc(len + 1); /* its own block, so that an overrun is seen */
        assert_non_null(copy);
        memcpy(copy, whole.ptr, len);
        arena_reset(&f->arena);
        err_t err =
            scan_export(&f->options, bytes_of(copy, len), &f->arena, &f->detail, &f->result);
        assert_true(err_is_ok(err) || err_is(err, ERR_TRUNCATED));
        free(copy);
    }
}

static void test_every_flipped_octet_is_survived(void **state)
{
    struct fixture *f = *state;
    rich_request(&f->make);
    struct bytes whole = make_bytes(&f->make);
    uint8_t *copy = malloc(whole.len);
    assert_non_null(copy);
    for (size_t i = 0; i < whole.len; i++) {
        for (unsigned bit = 0; bit < 8; bit++) {
            memcpy(copy, whole.ptr, whole.len);
            copy[i] ^= (uint8_t)(1u << bit);
            arena_reset(&f->arena);
            err_t err = scan_export(&f->options, bytes_of(copy, whole.len), &f->arena, &f->detail,
                                    &f->result);
            assert_true(err_is_ok(err) || err_class(err) == ERR_CLASS_INPUT);
        }
    }
    free(copy);
}

static void test_a_full_arena_is_a_clean_refusal(void **state)
{
    struct fixture *f = *state;
    rich_request(&f->make);
    EXPECT_OK(scan(f));
    size_t whole = arena_bytes_used(&f->arena);
    for (size_t room = 0; room < whole; room += 64) {
        struct arena small;
        arena_init(&small, room);
        err_t err = scan_export(&f->options, make_bytes(&f->make), &small, &f->detail, &f->result);
        assert_true(err_is_ok(err) || err_is(err, ERR_NO_SPACE));
        arena_fini(&small);
    }
}

static void scan_and_build(void *context)
{
    struct fixture *f = context;
    struct arena arena;
    struct scan_result result;
    struct segment_builder *builder = segment_builder_new(SEGMENT_EFFORT_INGEST);
    arena_init(&arena, LIMIT_SCAN_BYTES);
    err_t err = scan_export(&f->options, make_bytes(&f->make), &arena, &f->detail, &result);
    for (size_t i = 0; builder != NULL && err_is_ok(err) && i < result.traces_count; i++) {
        err = segment_build(builder, &result, i, &arena);
    }
    arena_fini(&arena);
    segment_builder_free(builder);
}

static void test_failing_allocations_leave_nothing_behind(void **state)
{
    struct fixture *f = *state;
    rich_request(&f->make);
    assert_true(expect_survives_oom(scan_and_build, f) > 5);
}

static void test_many_traces_under_a_large_resource_do_not_explode(void **state)
{
    struct fixture *f = *state;
    char *large = malloc(1 << 20);
    assert_non_null(large);
    memset(large, 'x', 1 << 20);
    large[(1 << 20) - 1] = '\0';
    make_frame(&f->make, large, "scope");
    for (unsigned i = 0; i < 1000; i++) {
        uint8_t id[16] = {1, (uint8_t)(i >> 8), (uint8_t)i};
        make_open(&f->make, 2);
        wire_put_bytes(&f->make.out, 1, bytes_of(id, 16));
        wire_put_bytes(&f->make.out, 2, bytes_of(id, 8));
        make_close(&f->make);
    }
    frames_close(f);
    EXPECT_OK(scan(f));
    assert_int_equal(f->result.traces_count, 1000);
    assert_true(arena_bytes_used(&f->arena) < 16 << 20);
    struct segment_builder *builder = segment_builder_new(SEGMENT_EFFORT_INGEST);
    assert_non_null(builder);
    err_t err = OK;
    size_t built = 0;
    while (err_is_ok(err) && built < 1000) {
        err = segment_build(builder, &f->result, built, &f->arena);
        built += err_is_ok(err);
    }
    EXPECT_ERR(err, TOO_LARGE);
    assert_int_equal(built, 191);
    segment_builder_free(builder);
    free(large);
}

static bool has_term(const struct bus_trace *trace, uint64_t term)
{
    for (size_t i = 0; i < trace->terms_count; i++) {
        if (trace->terms[i] == term) {
            return true;
        }
    }
    return false;
}

/* 2,048 spans of 1,024 attributes use up what one export may have indexed; the attribute behind them is kept
 * and its segment says that it is not indexed in full. */
static void test_attributes_of_an_export_are_indexed_up_to_the_limit(void **state)
{
    struct fixture *f = *state;
    uint64_t partial = term_partial(term_space_of(f->options.project));
    enum { SPANS = LIMIT_ATTRIBUTES_PER_EXPORT / LIMIT_ATTRIBUTES_INDEXED };
    make_open(&f->make, 1);
    make_open(&f->make, 2);
    for (int i = 0; i < SPANS; i++) {
        make_span(&f->make, 1, (uint8_t)(1 + i % 200), "s");
        for (int n = 0; n < LIMIT_ATTRIBUTES_INDEXED; n++) {
            make_attribute(&f->make, 9, "k", "v");
        }
        make_close(&f->make);
    }
    make_span(&f->make, 2, 1, "s");
    make_attribute(&f->make, 9, "roark.external_id", "still a key");
    make_close(&f->make);
    frames_close(f);
    EXPECT_OK(scan(f));
    assert_false(has_term(&f->result.traces[0], partial));
    assert_true(has_term(&f->result.traces[1], partial));
    assert_int_equal(f->result.traces[1].keys_count, 1);
}

static void test_names_up_to_1024_octets_are_words(void **state)
{
    struct fixture *f = *state;
    uint64_t partial = term_partial(term_space_of(f->options.project));
    char name[LIMIT_NAME_BYTES + 2] = {0};
    memset(name, 'n', LIMIT_NAME_BYTES);
    make_frame(&f->make, "svc", "scope");
    make_span(&f->make, 1, 1, name);
    make_close(&f->make);
    name[LIMIT_NAME_BYTES] = 'n';
    make_span(&f->make, 2, 2, name);
    make_close(&f->make);
    frames_close(f);
    EXPECT_OK(scan(f));
    assert_false(has_term(&f->result.traces[0], partial));
    assert_true(has_term(&f->result.traces[1], partial));
    assert_int_equal(f->result.traces[0].root.name.len, LIMIT_NAME_BYTES);
    assert_int_equal(f->result.traces[1].root.name.len, LIMIT_NAME_BYTES);
}

/* --- segments ------------------------------------------------------------------------------------------------------ */

static void test_a_segment_holds_its_spans_as_they_came(void **state)
{
    struct fixture *f = *state;
    struct bytes raw = {0};
    make_open(&f->make, 1);
    make_text(&f->make, 3, "schema before");
    make_open(&f->make, 2);
    make_span(&f->make, 1, 1, "a");
    wire_put_u64(&f->make.out, 99, 5);
    make_close(&f->make);
    make_span(&f->make, 2, 2, "other trace");
    make_close(&f->make);
    make_text(&f->make, 3, "scope schema behind");
    make_close(&f->make);
    wire_put_u64(&f->make.out, 77, 1);
    make_close(&f->make);
    EXPECT_OK(scan(f));
    struct segment_builder *builder = segment_builder_new(SEGMENT_EFFORT_INGEST);
    EXPECT_OK(segment_build(builder, &f->result, 0, &f->arena));
    EXPECT_OK(segment_inflate(f->result.traces[0].segment, f->result.traces[0].segment_raw_bytes,
                              &f->arena, &raw));
    struct make wanted;
    make_init(&wanted);
    make_open(&wanted, 1);
    make_text(&wanted, 3, "schema before");
    wire_put_u64(&wanted.out, 77, 1);
    make_open(&wanted, 2);
    make_text(&wanted, 3, "scope schema behind");
    make_span(&wanted, 1, 1, "a");
    wire_put_u64(&wanted.out, 99, 5);
    make_close(&wanted);
    make_close(&wanted);
    make_close(&wanted);
    assert_true(bytes_equal(raw, make_bytes(&wanted)));
    uint8_t hash[16];
    bytes_hash128(raw, hash);
    assert_memory_equal(hash, f->result.traces[0].segment_hash, sizeof hash);
    EXPECT_ERR(segment_inflate(f->result.traces[0].segment, raw.len - 1, &f->arena, &raw),
               TOO_LARGE);
    EXPECT_ERR(segment_inflate(bytes_of_text("no zstd"), 100, &f->arena, &raw), MALFORMED);
    make_fini(&wanted);
    segment_builder_free(builder);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_an_odd_span_is_rejected_by_itself),
        TEST(test_a_span_cut_in_its_middle_is_rejected_by_itself),
        TEST(test_values_nest_32_deep_and_no_deeper),
        TEST(test_5000_levels_cost_their_span_only),
        TEST(test_a_bad_resource_costs_its_spans_only),
        TEST(test_100000_empty_spans_are_rejected_and_one_more_refused),
        TEST(test_a_broken_frame_refuses_the_body),
        TEST(test_every_prefix_is_refused_or_scanned),
        TEST(test_every_flipped_octet_is_survived),
        TEST(test_a_full_arena_is_a_clean_refusal),
        TEST(test_failing_allocations_leave_nothing_behind),
        TEST(test_many_traces_under_a_large_resource_do_not_explode),
        TEST(test_attributes_of_an_export_are_indexed_up_to_the_limit),
        TEST(test_names_up_to_1024_octets_are_words),
        TEST(test_a_segment_holds_its_spans_as_they_came),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
