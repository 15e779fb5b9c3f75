/* The bench measures what its shapes say only if they are what they say. */
#include "tests/unit/expect.h"

#include <libdeflate.h>
#include <stdlib.h>

#include "proto/otlp/json.h"
#include "proto/otlp/view.h"
#include "tests/bench/encode.h"
#include "tests/bench/fleet.h"
#include "tests/bench/shape.h"

enum { SEED = 7, TRACE = 11, BYTES_MAX = 64 << 20, ID_BYTES = 8 };
static const int64_t start_ns = INT64_C(1700000000000000000);
static const char *const shape_names[] = {"fleet", "bulk", "small", "collector"};
enum { SHAPES = sizeof(shape_names) / sizeof(shape_names[0]) };

struct fixture {
    struct recipe recipe;
    struct buf out;
    struct buf scratch;
    struct arena arena;
    struct view view;
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    buf_init(&f->out, BYTES_MAX);
    buf_init(&f->scratch, BYTES_MAX);
    arena_init(&f->arena, BYTES_MAX);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    recipe_fini(&f->recipe);
    buf_fini(&f->out);
    buf_fini(&f->scratch);
    arena_fini(&f->arena);
    free(f);
    return 0;
}

static void use(struct fixture *f, const char *name, uint64_t seed)
{
    recipe_fini(&f->recipe);
    assert_non_null(shape_find(name));
    assert_true(recipe_init(&f->recipe, shape_find(name), seed, start_ns));
    buf_reset(&f->out);
    arena_reset(&f->arena);
}

/* One trace in pieces of so many spans, in f->out. */
static void make_trace(struct fixture *f, uint64_t trace, unsigned piece)
{
    unsigned all = f->recipe.shape->trace_spans;
    for (unsigned first = 0; first < all; first += piece) {
        unsigned count = all - first < piece ? all - first : piece;
        recipe_piece(&f->recipe, trace, first, count, &f->scratch, &f->out);
    }
    EXPECT_OK(buf_err(&f->out));
}

static void read_trace(struct fixture *f)
{
    struct bytes raw = buf_bytes(&f->out);
    EXPECT_OK(view_open(&raw, 1, &f->arena, &f->view));
}

static uint64_t hash_of(struct fixture *f, const char *name, uint64_t seed, uint64_t trace)
{
    use(f, name, seed);
    make_trace(f, trace, f->recipe.shape->piece_spans);
    return bytes_hash64(buf_bytes(&f->out), 0);
}

static void the_same_seed_makes_the_same_bytes(void **state)
{
    struct fixture *f = *state;
    for (unsigned i = 0; i < SHAPES; i++) {
        const char *name = shape_names[i];
        uint64_t once = hash_of(f, name, SEED, TRACE);
        assert_true(once == hash_of(f, name, SEED, TRACE));
        assert_true(once != hash_of(f, name, SEED + 1, TRACE));
        assert_true(once != hash_of(f, name, SEED, TRACE + 1));
    }
}

static void a_shape_that_is_not_there_is_not_found(void **state)
{
    (void)state;
    assert_null(shape_find(""));
    assert_null(shape_find("Bulk"));
    assert_null(shape_find("bulk2"));
}

static void a_call_has_817_spans_and_4_5_megabytes(void **state)
{
    struct fixture *f = *state;
    use(f, "fleet", SEED);
    for (uint64_t trace = 0; trace < 40; trace++) {
        buf_reset(&f->out);
        arena_reset(&f->arena);
        make_trace(f, trace, 8);
        read_trace(f);
        assert_int_equal(f->view.spans_count, 817);
        assert_int_equal(f->view.spans_twice, 0);
        assert_in_range(buf_bytes(&f->out).len, 4500000 * 97 / 100, 4500000 * 103 / 100);
    }
}

static const struct otlp_span *span_with(const struct view *view, struct span_id id)
{
    for (size_t i = 0; i < view->spans_count; i++) {
        if (memcmp(&view->spans[i].id, &id, ID_BYTES) == 0) {
            return &view->spans[i];
        }
    }
    return NULL;
}

static void every_span_hangs_below_one_root(void **state)
{
    struct fixture *f = *state;
    for (unsigned i = 0; i < SHAPES; i++) {
        use(f, shape_names[i], SEED);
        make_trace(f, TRACE, f->recipe.shape->piece_spans);
        read_trace(f);
        size_t roots = 0;
        for (size_t n = 0; n < f->view.spans_count; n++) {
            const struct otlp_span *span = &f->view.spans[n];
            roots += span->has_parent ? 0 : 1;
            assert_true(!span->has_parent || span_with(&f->view, span->parent) != NULL);
        }
        assert_int_equal(roots, 1);
    }
}

static void the_session_of_a_call_comes_last(void **state)
{
    struct fixture *f = *state;
    use(f, "fleet", SEED);
    make_trace(f, TRACE, 8);
    read_trace(f);
    const struct otlp_span *last = &f->view.spans[816];
    assert_false(last->has_parent);
    assert_true(bytes_equal_text(last->name, "agent_session"));
    /* Innermost first: nothing comes before what it contains. */
    for (size_t n = 0; n < 816; n++) {
        assert_true(span_with(&f->view, f->view.spans[n].parent) > &f->view.spans[n]);
    }
}

static void contexts_grow_with_the_turns(void **state)
{
    struct fixture *f = *state;
    struct otlp_value value;
    size_t before = 0;
    size_t first = 0;
    unsigned nodes = 0;
    use(f, "fleet", SEED);
    make_trace(f, TRACE, 8);
    read_trace(f);
    for (size_t n = 0; n < f->view.spans_count; n++) {
        const struct otlp_span *span = &f->view.spans[n];
        if (bytes_equal_text(span->name, "llm_node")) {
            assert_true(otlp_items_find(otlp_span_attributes(span), "lk.pii.chat_ctx", &value));
            assert_true(value.text.len > before);
            before = value.text.len;
            first = first == 0 ? before : first;
            nodes++;
        }
    }
    assert_int_equal(nodes, 90);
    assert_true(before > 8 * first);
}

static void a_bulk_span_has_about_500_bytes(void **state)
{
    struct fixture *f = *state;
    use(f, "bulk", SEED);
    for (uint64_t trace = 0; trace < 10; trace++) {
        make_trace(f, trace, 50);
    }
    assert_in_range(buf_bytes(&f->out).len / 500, 450, 550);
}

static void a_small_span_has_two_attributes(void **state)
{
    struct fixture *f = *state;
    use(f, "small", SEED);
    make_trace(f, TRACE, 50);
    read_trace(f);
    assert_int_equal(f->view.spans_count, 50);
    for (size_t n = 0; n < f->view.spans_count; n++) {
        assert_int_equal(f->view.spans[n].attributes_count, 2);
    }
}

/* A trace comes back as the same spans however it was cut, so that it can be checked after any run. */
static void pieces_do_not_change_spans(void **state)
{
    struct fixture *f = *state;
    struct buf span;
    buf_init(&span, SHAPE_SPAN_BYTES_MAX);
    for (unsigned i = 0; i < SHAPES; i++) {
        use(f, shape_names[i], SEED);
        make_trace(f, TRACE, 7);
        read_trace(f);
        assert_int_equal(f->view.spans_count, f->recipe.shape->trace_spans);
        for (unsigned n = 0; n < f->recipe.shape->trace_spans; n++) {
            buf_reset(&span);
            f->recipe.shape->span(&f->recipe, TRACE, n, &span);
            assert_true(bytes_equal(buf_bytes(&span), f->view.spans[n].raw));
        }
    }
    buf_fini(&span);
}

static void json_says_the_same(void **state)
{
    struct fixture *f = *state;
    struct encoder *encoder = encoder_new(ENCODING_JSON);
    struct json_rejected rejected;
    struct detail detail;
    struct buf json;
    struct buf again;
    assert_non_null(encoder);
    assert_string_equal(encoder_type(encoder), "application/json");
    assert_null(encoder_content(encoder));
    buf_init(&json, 0);
    buf_init(&again, BYTES_MAX);
    for (unsigned i = 0; i < SHAPES; i++) {
        use(f, shape_names[i], SEED);
        recipe_piece(&f->recipe, TRACE, 0, 40, &f->scratch, &f->out);
        EXPECT_OK(encoder_write(encoder, buf_bytes(&f->out), &json));
        buf_reset(&again);
        EXPECT_OK(json_to_protobuf(buf_bytes(&json), &again, &detail, &rejected));
        assert_int_equal(rejected.spans_count, 0);
        struct bytes raws[] = {buf_bytes(&again), buf_bytes(&f->out)};
        struct view view;
        arena_reset(&f->arena);
        EXPECT_OK(view_open(&raws[0], 1, &f->arena, &view));
        EXPECT_OK(view_open(&raws[1], 1, &f->arena, &f->view));
        assert_int_equal(view.spans_count, 40);
        for (unsigned n = 0; n < 40; n++) {
            assert_true(bytes_equal(view.spans[n].raw, f->view.spans[n].raw));
        }
    }
    buf_fini(&json);
    buf_fini(&again);
    encoder_free(encoder);
}

static void gzip_holds_the_same(void **state)
{
    struct fixture *f = *state;
    struct encoder *encoder = encoder_new(ENCODING_GZIP);
    struct libdeflate_decompressor *inflate = libdeflate_alloc_decompressor();
    struct buf packed;
    size_t len = 0;
    assert_non_null(encoder);
    assert_non_null(inflate);
    assert_string_equal(encoder_content(encoder), "gzip");
    buf_init(&packed, 0);
    use(f, "bulk", SEED);
    make_trace(f, TRACE, 50);
    EXPECT_OK(encoder_write(encoder, buf_bytes(&f->out), &packed));
    size_t sent = buf_bytes(&f->out).len;
    assert_true(buf_bytes(&packed).len < sent / 2);
    uint8_t *plain = malloc(sent);
    assert_non_null(plain);
    assert_int_equal(libdeflate_gzip_decompress(inflate, buf_bytes(&packed).ptr,
                                                buf_bytes(&packed).len, plain, sent, &len),
                     LIBDEFLATE_SUCCESS);
    assert_true(bytes_equal(bytes_of(plain, len), buf_bytes(&f->out)));
    free(plain);
    buf_fini(&packed);
    libdeflate_free_decompressor(inflate);
    encoder_free(encoder);
}

static void what_is_no_export_cannot_be_json(void **state)
{
    struct encoder *encoder = encoder_new(ENCODING_JSON);
    struct buf json;
    (void)state;
    assert_non_null(encoder);
    buf_init(&json, 0);
    EXPECT_ERR(encoder_write(encoder, bytes_of("\x0a\x7f", 2), &json), TRUNCATED);
    buf_fini(&json);
    encoder_free(encoder);
}

static void make_fleet(void *context)
{
    struct fleet *fleet = fleet_new(SEED);
    (void)context;
    fleet_free(fleet);
}

static void a_fleet_survives_every_failing_allocation(void **state)
{
    (void)state;
    assert_true(expect_survives_oom(make_fleet, NULL) > 16);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_same_seed_makes_the_same_bytes, setup, teardown),
        cmocka_unit_test(a_shape_that_is_not_there_is_not_found),
        cmocka_unit_test_setup_teardown(a_call_has_817_spans_and_4_5_megabytes, setup, teardown),
        cmocka_unit_test_setup_teardown(every_span_hangs_below_one_root, setup, teardown),
        cmocka_unit_test_setup_teardown(the_session_of_a_call_comes_last, setup, teardown),
        cmocka_unit_test_setup_teardown(contexts_grow_with_the_turns, setup, teardown),
        cmocka_unit_test_setup_teardown(a_bulk_span_has_about_500_bytes, setup, teardown),
        cmocka_unit_test_setup_teardown(a_small_span_has_two_attributes, setup, teardown),
        cmocka_unit_test_setup_teardown(pieces_do_not_change_spans, setup, teardown),
        cmocka_unit_test_setup_teardown(json_says_the_same, setup, teardown),
        cmocka_unit_test_setup_teardown(gzip_holds_the_same, setup, teardown),
        cmocka_unit_test(what_is_no_export_cannot_be_json),
        cmocka_unit_test(a_fleet_survives_every_failing_allocation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
