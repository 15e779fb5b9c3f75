#include "tests/unit/expect.h"

#include <stdio.h>
#include <stdlib.h>

#include "correlator/core/plan.h"
#include "proto/base/limits.h"

enum { ARENA_BYTES = 8 << 20 };

#define TEXT(literal)                                   \
    {                                                   \
        (const uint8_t *)(literal), sizeof(literal) - 1 \
    }

/* One message with one trace; the test changes what it is about. */
struct one {
    struct bus_message message;
    struct bus_trace trace;
    struct match_key key;
    struct bus_tag tag;
    struct bus_word word;
};

static void one_init(struct one *one, uint8_t project, uint8_t trace)
{
    *one = (struct one){
        .key = {MATCH_KIND_EXTERNAL, TEXT("a")},
        .tag = {TEXT("env"), TEXT("prod")},
        .word = {WORD_KIND_SPAN_NAME, {NULL, 0}, TEXT("llm")},
        .trace = {.id = {{trace}},
                  .keys_count = 1,
                  .tags_count = 1,
                  .words_count = 1,
                  .start = {100},
                  .end = {200},
                  .spans_count = 3,
                  .service = TEXT("svc"),
                  .segment = TEXT("bytes"),
                  .segment_hash = {project, trace}},
        .message = {.what = BUS_WHAT_SPANS,
                    .spans = {.project = {{project}}, .traces_count = 1, .received = {1000}}},
    };
    one->trace.keys = &one->key;
    one->trace.tags = &one->tag;
    one->trace.words = &one->word;
    one->message.spans.traces = &one->trace;
}

static struct arena arena;

static int setup(void **state)
{
    (void)state;
    arena_init(&arena, ARENA_BYTES);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    arena_fini(&arena);
    return 0;
}

static struct plan plan_of(struct one *ones, size_t count)
{
    const struct bus_message *messages[16];
    struct plan plan;
    for (size_t i = 0; i < count; i++) {
        messages[i] = &ones[i].message;
    }
    EXPECT_OK(plan_make(messages, count, &arena, &plan));
    return plan;
}

static void test_nothing_gives_an_empty_plan(void **state)
{
    (void)state;
    struct bus_message call = {.what = BUS_WHAT_CALL};
    const struct bus_message *messages[] = {&call};
    struct plan plan;
    EXPECT_OK(plan_make(messages, 1, &arena, &plan));
    assert_int_equal(plan.traces_count + plan.keys_count + plan.segments_count, 0);
}

static void test_each_trace_has_its_own_id_as_a_key(void **state)
{
    (void)state;
    struct one one;
    one_init(&one, 1, 0xab);
    struct plan plan = plan_of(&one, 1);
    assert_int_equal(plan.keys_count, 2);
    assert_int_equal(plan.keys[0].key.kind, MATCH_KIND_EXTERNAL);
    assert_int_equal(plan.keys[1].key.kind, MATCH_KIND_TRACE);
    assert_true(bytes_equal_text(plan.keys[1].key.value, "ab000000000000000000000000000000"));
}

static void test_a_trace_of_many_exports_is_one_row(void **state)
{
    (void)state;
    struct one ones[3];
    for (size_t i = 0; i < 3; i++) {
        one_init(&ones[i], 1, 7);
        ones[i].trace.segment_hash[5] = (uint8_t)i;
    }
    ones[0].trace.start.ns = 50;
    ones[1].trace.end.ns = 900;
    ones[1].trace.errors_count = 1;
    ones[2].message.spans.received.ns = 2000;
    ones[2].trace.service = bytes_of_text("abc");
    ones[2].trace.keys_dropped = 4;
    ones[0].trace.service = bytes_of_text("");
    ones[1].key.value = bytes_of_text("b");
    struct plan plan = plan_of(ones, 3);
    assert_int_equal(plan.traces_count, 1);
    const struct plan_trace *trace = &plan.traces[0];
    assert_int_equal(trace->start.ns, 50);
    assert_int_equal(trace->end.ns, 900);
    assert_int_equal(trace->first_seen.ns, 1000);
    assert_int_equal(trace->last_seen.ns, 2000);
    assert_true(trace->has_error);
    assert_false(trace->is_skipping);
    assert_false(trace->has_root);
    assert_int_equal(trace->keys_dropped, 4);
    assert_int_equal(trace->spans_count, 9);
    assert_true(bytes_equal_text(trace->service, "abc"));
    assert_int_equal(plan.keys_count, 3);
    assert_int_equal(plan.segments_count, 3);
    assert_int_equal(plan.tags_count, 1);
    assert_int_equal(plan.words_count, 1);
}

static void test_projects_are_apart(void **state)
{
    (void)state;
    struct one ones[2];
    one_init(&ones[0], 2, 7);
    one_init(&ones[1], 1, 7);
    struct plan plan = plan_of(ones, 2);
    assert_int_equal(plan.traces_count, 2);
    assert_int_equal(plan.traces[0].project.b[0], 1);
    assert_int_equal(plan.traces[1].project.b[0], 2);
    assert_int_equal(plan.keys_count, 4);
    assert_int_equal(plan.tags_count, 2);
    assert_int_equal(plan.words_count, 2);
    assert_int_equal(plan.segments_count, 2);
}

static void test_a_service_is_kept_as_a_tag_without_a_key(void **state)
{
    (void)state;
    struct one ones[3];
    one_init(&ones[0], 1, 7);
    one_init(&ones[1], 1, 7);
    one_init(&ones[2], 1, 8);
    ones[0].word = (struct bus_word){WORD_KIND_SERVICE, {NULL, 0}, TEXT("agent")};
    ones[1].word = ones[0].word;
    ones[2].word = (struct bus_word){WORD_KIND_ATTRIBUTE, TEXT("agent"), {NULL, 0}};
    struct plan plan = plan_of(ones, 3);
    assert_int_equal(plan.tags_count, 3);
    assert_int_equal(plan.tags[0].tag.key.len, 0);
    assert_true(bytes_equal_text(plan.tags[0].tag.value, "agent"));
    assert_int_equal(plan.tags[0].trace.b[0], 7);
    assert_true(bytes_equal_text(plan.tags[1].tag.key, "env"));
    assert_true(bytes_equal_text(plan.tags[2].tag.key, "env"));
}

static int compare_plan_keys(const struct plan_key *a, const struct plan_key *b)
{
    int order = memcmp(a->project.b, b->project.b, sizeof a->project.b);
    order = order != 0 ? order : match_key_compare(&a->key, &b->key);
    return order != 0 ? order : memcmp(a->trace.b, b->trace.b, sizeof a->trace.b);
}

/* Every order of arrival gives the same rows in the same order: that is what keeps writers from waiting for
 * each other in a ring. */
static void test_rows_are_sorted_whatever_came_first(void **state)
{
    (void)state;
    struct one ones[12];
    char values[12][8];
    srand(1); // NOLINT: a fixed sequence is wanted
    for (int round = 0; round < 50; round++) {
        for (size_t i = 0; i < 12; i++) {
            one_init(&ones[i], (uint8_t)(rand() % 2), (uint8_t)(rand() % 4));
            (void)snprintf(values[i], sizeof values[i], "v%d", rand() % 5);
            ones[i].key =
                (struct match_key){(enum match_kind)(1 + rand() % 5), bytes_of_text(values[i])};
            ones[i].trace.segment_hash[3] = (uint8_t)(rand() % 3);
        }
        struct plan plan = plan_of(ones, 12);
        for (size_t i = 1; i < plan.traces_count; i++) {
            const struct plan_trace *a = &plan.traces[i - 1];
            const struct plan_trace *b = &plan.traces[i];
            int order = memcmp(a->project.b, b->project.b, 16);
            assert_true(order < 0 || (order == 0 && memcmp(a->id.b, b->id.b, 16) < 0));
        }
        for (size_t i = 1; i < plan.keys_count; i++) {
            assert_true(compare_plan_keys(&plan.keys[i - 1], &plan.keys[i]) < 0);
        }
        arena_reset(&arena);
    }
}

static void test_the_same_export_twice_is_one_segment(void **state)
{
    (void)state;
    struct one ones[2];
    one_init(&ones[0], 1, 7);
    one_init(&ones[1], 1, 7);
    struct plan plan = plan_of(ones, 2);
    assert_int_equal(plan.segments_count, 1);
    assert_int_equal(plan.keys_count, 2);
}

static void test_a_skip_in_one_export_flags_the_rooms_of_all(void **state)
{
    (void)state;
    struct one ones[3];
    one_init(&ones[0], 1, 7);
    ones[0].key = (struct match_key){MATCH_KIND_LIVEKIT, TEXT("RM_1")};
    one_init(&ones[1], 1, 7);
    ones[1].trace.is_skipped = true;
    one_init(&ones[2], 1, 8);
    ones[2].key = ones[0].key;
    struct plan plan = plan_of(ones, 3);
    assert_true(plan.traces[0].is_skipping);
    assert_false(plan.traces[1].is_skipping);
    size_t flagged = 0;
    for (size_t i = 0; i < plan.keys_count; i++) {
        if (plan.keys[i].is_skipping) {
            assert_int_equal(plan.keys[i].key.kind, MATCH_KIND_LIVEKIT);
            assert_int_equal(plan.keys[i].trace.b[0], 7);
            flagged++;
        }
    }
    assert_int_equal(flagged, 1);
}

static void test_the_root_is_the_earliest_by_start_then_id(void **state)
{
    (void)state;
    struct bus_root early = {{{5}}, {10}, {20}, TEXT("early"), TEXT("s")};
    struct bus_root late = {{{1}}, {11}, {90}, TEXT("late"), TEXT("s")};
    struct bus_root same_start = {{{6}}, {10}, {99}, TEXT("other"), TEXT("s")};
    struct bus_root ended_later = {{{5}}, {10}, {30}, TEXT("early, closed"), TEXT("s")};
    assert_true(root_is_before(&early, &late));
    assert_false(root_is_before(&late, &early));
    assert_true(root_is_before(&early, &same_start));
    assert_true(root_is_before(&ended_later, &early));
    assert_false(root_is_before(&early, &early));
    struct one ones[4];
    const struct bus_root *roots[] = {&late, &same_start, &early, &ended_later};
    for (size_t i = 0; i < 4; i++) {
        one_init(&ones[i], 1, 7);
        ones[i].trace.has_root = true;
        ones[i].trace.root = *roots[i];
    }
    struct plan plan = plan_of(ones, 4);
    assert_true(plan.traces[0].has_root);
    assert_true(bytes_equal_text(plan.traces[0].root.name, "early, closed"));
}

static void test_texts_become_storable(void **state)
{
    (void)state;
    struct one one;
    one_init(&one, 1, 7);
    one.trace.has_root = true;
    one.trace.root = (struct bus_root){.name = TEXT("a\0b"), .service = TEXT("c\xff")};
    one.trace.service = (struct bytes)TEXT("\xed\xa0\x80");
    struct plan plan = plan_of(&one, 1);
    assert_true(bytes_equal_text(plan.traces[0].root.name, "a?b"));
    assert_true(bytes_equal_text(plan.traces[0].root.service, "c?"));
    assert_true(bytes_equal_text(plan.traces[0].service, "???"));
}

static void test_words_too_long_for_an_index_are_left_out(void **state)
{
    (void)state;
    static uint8_t longest[1025];
    struct one one;
    one_init(&one, 1, 7);
    one.word.value = bytes_of(longest, 1024);
    assert_int_equal(plan_of(&one, 1).words_count, 1);
    one.word.value = bytes_of(longest, 1025);
    assert_int_equal(plan_of(&one, 1).words_count, 0);
}

static void test_a_full_arena_is_said(void **state)
{
    (void)state;
    struct one ones[2];
    one_init(&ones[0], 1, 7);
    one_init(&ones[1], 1, 8);
    const struct bus_message *messages[] = {&ones[0].message, &ones[1].message};
    bool was_made = false;
    for (size_t bytes = 0; bytes < 65536 && !was_made; bytes += 64) {
        struct arena small;
        struct plan plan;
        arena_init(&small, bytes);
        err_t err = plan_make(messages, 2, &small, &plan);
        was_made = err_is_ok(err);
        assert_true(was_made || err_is(err, ERR_NO_SPACE));
        arena_fini(&small);
    }
    assert_true(was_made);
}

static void make_once(void *context)
{
    const struct bus_message *const *messages = context;
    struct arena own;
    struct plan plan;
    arena_init(&own, ARENA_BYTES);
    err_t err = plan_make(messages, 2, &own, &plan);
    assert_true(err_is_ok(err) || err_is(err, ERR_NO_SPACE));
    arena_fini(&own);
}

static void test_survives_running_out_of_memory(void **state)
{
    (void)state;
    struct one ones[2];
    one_init(&ones[0], 1, 7);
    one_init(&ones[1], 1, 8);
    const struct bus_message *messages[] = {&ones[0].message, &ones[1].message};
    assert_true(expect_survives_oom(make_once, messages) > 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_nothing_gives_an_empty_plan),
        TEST(test_each_trace_has_its_own_id_as_a_key),
        TEST(test_a_trace_of_many_exports_is_one_row),
        TEST(test_projects_are_apart),
        TEST(test_a_service_is_kept_as_a_tag_without_a_key),
        TEST(test_rows_are_sorted_whatever_came_first),
        TEST(test_the_same_export_twice_is_one_segment),
        TEST(test_a_skip_in_one_export_flags_the_rooms_of_all),
        TEST(test_the_root_is_the_earliest_by_start_then_id),
        TEST(test_texts_become_storable),
        TEST(test_words_too_long_for_an_index_are_left_out),
        TEST(test_a_full_arena_is_said),
        TEST(test_survives_running_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
