#include "tests/unit/expect.h"

#include <stdlib.h>

#include "proto/base/limits.h"
#include "proto/otlp/merge.h"
#include "proto/otlp/term.h"
#include "proto/otlp/view.h"
#include "tests/unit/otlp/make.h"

enum { SEGMENTS_MAX = 8, ROUNDS = 300, ARENA_BYTES = 256 << 20 };

static const struct uuid project = {.b = {1, 2, 3}};

struct fixture {
    struct make makes[SEGMENTS_MAX];
    struct bytes raws[SEGMENTS_MAX];
    size_t count;
    struct arena arena;
    struct segment_builder *builder;
    struct bus_trace merged;
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    for (size_t i = 0; i < SEGMENTS_MAX; i++) {
        make_init(&f->makes[i]);
    }
    arena_init(&f->arena, ARENA_BYTES);
    f->builder = segment_builder_new(SEGMENT_EFFORT_SEAL);
    assert_non_null(f->builder);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    for (size_t i = 0; i < SEGMENTS_MAX; i++) {
        make_fini(&f->makes[i]);
    }
    segment_builder_free(f->builder);
    arena_fini(&f->arena);
    free(f);
    return 0;
}

/* A new segment with one frame. */
static struct make *segment(struct fixture *f, const char *service)
{
    struct make *make = &f->makes[f->count++];
    make_frame(make, service, "tests");
    return make;
}

static void frames_close(struct make *make)
{
    make_close(make);
    make_close(make);
}

static void span_put(struct make *make, uint8_t span, const char *name, uint64_t end, int status)
{
    make_span(make, 1, span, name);
    buf_add_u8(&make->out, 8 << 3 | WIRE_FIXED64);
    buf_add(&make->out, bytes_of(&end, sizeof end));
    make_attribute(make, 9, "name", name);
    if (status != 0) {
        make_open(make, 15);
        buf_add_u8(&make->out, 3 << 3 | WIRE_VARINT);
        buf_add_u8(&make->out, (uint8_t)status);
        make_close(make);
    }
    make_close(make);
}

static err_t merge(struct fixture *f)
{
    for (size_t i = 0; i < f->count; i++) {
        f->raws[i] = make_bytes(&f->makes[i]);
    }
    return merge_segments(f->builder, project, f->raws, f->count, &f->arena, &f->merged);
}

static struct bytes merged_raw(struct fixture *f)
{
    struct bytes raw = {0};
    EXPECT_OK(segment_inflate(f->merged.segment, f->merged.segment_raw_bytes, &f->arena, &raw));
    assert_int_equal(raw.len, f->merged.segment_raw_bytes);
    return raw;
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

/* What readers see of the segments is what they see of the one. */
static void expect_same_view(struct fixture *f)
{
    struct view before;
    struct view after;
    struct bytes raw = merged_raw(f);
    EXPECT_OK(view_open(f->raws, f->count, &f->arena, &before));
    EXPECT_OK(view_open(&raw, 1, &f->arena, &after));
    assert_int_equal(after.spans_count, before.spans_count);
    assert_int_equal(after.spans_twice, 0);
    for (size_t i = 0; i < before.spans_count; i++) {
        const struct otlp_span *a = &before.spans[i];
        const struct otlp_span *b = &after.spans[i];
        assert_int_equal(bytes_compare(a->raw, b->raw), 0);
        assert_int_equal(bytes_compare(before.scopes[a->scope].head, after.scopes[b->scope].head),
                         0);
        assert_int_equal(bytes_compare(view_span_resource(&before, a)->head,
                                       view_span_resource(&after, b)->head),
                         0);
    }
}

static void test_segments_become_one(void **state)
{
    struct fixture *f = *state;
    struct make *make = segment(f, "voice");
    span_put(make, 1, "one", 10, 0);
    frames_close(make);
    make = segment(f, "speech");
    span_put(make, 2, "two", 20, 2);
    frames_close(make);
    make = segment(f, "voice");
    span_put(make, 3, "three", 30, 2);
    frames_close(make);
    EXPECT_OK(merge(f));
    assert_int_equal(f->merged.spans_count, 3);
    assert_int_equal(f->merged.errors_count, 2);
    expect_same_view(f);
}

static void test_of_two_copies_the_later_end_then_the_greater_bytes(void **state)
{
    struct fixture *f = *state;
    const struct {
        const char *name;
        uint64_t end;
        int status;
    } copies[] = {{"kept not", 10, 2}, {"later", 30, 0}, {"lates", 30, 0}, {"zzzzz", 20, 2}};
    for (size_t i = 0; i < 4; i++) {
        struct make *make = segment(f, "voice");
        span_put(make, 1, copies[i].name, copies[i].end, copies[i].status);
        frames_close(make);
    }
    EXPECT_OK(merge(f));
    struct view view;
    struct bytes raw = merged_raw(f);
    EXPECT_OK(view_open(&raw, 1, &f->arena, &view));
    assert_int_equal(view.spans_count, 1);
    assert_true(bytes_equal_text(view.spans[0].name, "lates"));
    assert_int_equal(f->merged.spans_count, 1);
    assert_int_equal(f->merged.errors_count, 0); /* its errors were those of older copies */
    struct term_space space = term_space_of(project);
    assert_true(has_term(&f->merged, term_name(space, bytes_of_text("lates"))));
    assert_false(has_term(&f->merged, term_name(space, bytes_of_text("zzzzz"))));
}

static void test_four_values_of_a_key_are_terms_and_a_fifth_overflows(void **state)
{
    struct fixture *f = *state;
    static const char *const names[] = {"a", "b", "c", "d", "e"};
    struct term_space space = term_space_of(project);
    struct bytes key = bytes_of_text("name");
    for (uint8_t i = 0; i < 5; i++) {
        struct make *make = segment(f, "voice");
        span_put(make, (uint8_t)(i + 1), names[i], i, 0);
        frames_close(make);
        EXPECT_OK(merge(f));
        bool is_over = i == LIMIT_TERM_VALUES;
        assert_int_equal(has_term(&f->merged, term_overflow(space, key)), is_over);
        for (uint8_t n = 0; n <= i; n++) {
            assert_int_equal(has_term(&f->merged, term_value(space, key, bytes_of_text(names[n]))),
                             !is_over);
        }
        assert_true(has_term(&f->merged, term_exists(space, key)));
    }
}

static void test_merging_again_gives_the_same(void **state)
{
    struct fixture *f = *state;
    uint8_t hash[16];
    for (uint8_t i = 1; i <= 3; i++) {
        struct make *make = segment(f, i == 2 ? "speech" : "voice");
        span_put(make, i, "span", i, 0);
        span_put(make, 1, "again", 1, 0);
        frames_close(make);
    }
    EXPECT_OK(merge(f));
    memcpy(hash, f->merged.segment_hash, sizeof hash);
    struct bytes raws[] = {merged_raw(f), f->raws[1], f->raws[0]};
    EXPECT_OK(merge_segments(f->builder, project, raws, 3, &f->arena, &f->merged));
    assert_memory_equal(f->merged.segment_hash, hash, sizeof hash);
    EXPECT_OK(merge_segments(f->builder, project, raws, 1, &f->arena, &f->merged));
    assert_memory_equal(f->merged.segment_hash, hash, sizeof hash);
}

static void test_texts_that_are_not_utf8_stay_as_they_came(void **state)
{
    struct fixture *f = *state;
    struct make *make = segment(f, "voice");
    span_put(make, 1, "odd \xff\xfe\xed\xa0\x80", 10, 0);
    make_span(make, 1, 2, "unknown");
    make_text(make, 99, "a field that nobody knows");
    make_close(make);
    frames_close(make);
    EXPECT_OK(merge(f));
    expect_same_view(f);
}

static void test_what_is_no_segment_is_refused(void **state)
{
    struct fixture *f = *state;
    const struct bytes broken[] = {bytes_of_text("\x0a\x7f")};
    EXPECT_ERR(merge_segments(f->builder, project, broken, 1, &f->arena, &f->merged), TRUNCATED);
    EXPECT_ERR(merge_segments(f->builder, project, broken, 0, &f->arena, &f->merged), MALFORMED);
    struct make *make = segment(f, "voice");
    span_put(make, 1, "mine", 1, 0);
    make_span(make, 2, 2, "another trace's");
    make_close(make);
    frames_close(make);
    EXPECT_ERR(merge(f), MALFORMED);
}

static void test_a_small_arena_is_a_refusal(void **state)
{
    struct fixture *f = *state;
    struct make *make = segment(f, "voice");
    span_put(make, 1, "span", 1, 0);
    frames_close(make);
    EXPECT_OK(merge(f));
    for (size_t bytes = 64; bytes < 1 << 14; bytes += 64) {
        struct arena small;
        struct bus_trace merged = {.spans_count = 77};
        arena_init(&small, bytes);
        err_t err = merge_segments(f->builder, project, f->raws, 1, &small, &merged);
        assert_true(err_is_ok(err) || err_is(err, ERR_NO_SPACE));
        assert_int_equal(merged.spans_count, err_is_ok(err) ? 1 : 77);
        arena_fini(&small);
    }
}

static void oom_body(void *context)
{
    struct fixture *f = context;
    struct arena arena;
    struct bus_trace merged;
    struct segment_builder *builder = segment_builder_new(SEGMENT_EFFORT_SEAL);
    arena_init(&arena, ARENA_BYTES);
    if (builder != NULL) {
        err_t err = merge_segments(builder, project, f->raws, f->count, &arena, &merged);
        assert_true(err_is_ok(err) || err_is(err, ERR_MEMORY) || err_is(err, ERR_NO_SPACE));
    }
    segment_builder_free(builder);
    arena_fini(&arena);
}

static void test_memory_may_end_anywhere(void **state)
{
    struct fixture *f = *state;
    for (uint8_t i = 1; i <= 2; i++) {
        struct make *make = segment(f, "voice");
        span_put(make, i, "span", i, 0);
        frames_close(make);
    }
    EXPECT_OK(merge(f));
    assert_true(expect_survives_oom(oom_body, f) > 5);
}

/* Random segments with copies of spans, in some resources: nothing that is read of them changes. */
static void test_random_traces(void **state)
{
    struct fixture *f = *state;
    static const char *const services[] = {"voice", "speech", "tools"};
    static const char *const names[] = {"a", "b", "c", "d", "e", "f", "g"};
    srand(20261125);
    for (int round = 0; round < ROUNDS; round++) {
        f->count = 0;
        arena_reset(&f->arena);
        for (size_t i = 0; i < SEGMENTS_MAX; i++) {
            make_reset(&f->makes[i]);
        }
        size_t wanted = 1 + (size_t)rand() % SEGMENTS_MAX;
        while (f->count < wanted) {
            struct make *make = segment(f, services[rand() % 3]);
            for (int n = 1 + rand() % 6; n > 0; n--) {
                span_put(make, (uint8_t)(1 + rand() % 20), names[rand() % 7], (uint64_t)rand() % 4,
                         rand() % 3);
            }
            frames_close(make);
        }
        EXPECT_OK(merge(f));
        expect_same_view(f);
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_segments_become_one),
        TEST(test_of_two_copies_the_later_end_then_the_greater_bytes),
        TEST(test_four_values_of_a_key_are_terms_and_a_fifth_overflows),
        TEST(test_merging_again_gives_the_same),
        TEST(test_texts_that_are_not_utf8_stay_as_they_came),
        TEST(test_what_is_no_segment_is_refused),
        TEST(test_a_small_arena_is_a_refusal),
        TEST(test_memory_may_end_anywhere),
        TEST(test_random_traces),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
