#include "tests/unit/expect.h"

#include <stdio.h>

#include "proto/base/limits.h"
#include "proto/otlp/term.h"
#include "tests/unit/otlp/scan_fixture.h"

static bool has_key(const struct bus_trace *trace, enum match_kind kind, const char *value)
{
    for (size_t i = 0; i < trace->keys_count; i++) {
        if (trace->keys[i].kind == kind && bytes_equal_text(trace->keys[i].value, value)) {
            return true;
        }
    }
    return false;
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

static bool has_word(const struct bus_trace *trace, enum word_kind kind, const char *key,
                     const char *value)
{
    for (size_t i = 0; i < trace->words_count; i++) {
        const struct bus_word *word = &trace->words[i];
        if (word->kind == kind && bytes_equal_text(word->key, key) &&
            bytes_equal_text(word->value, value)) {
            return true;
        }
    }
    return false;
}

/* --- facts --------------------------------------------------------------------------------------------------- */

static void test_an_empty_request_has_no_traces(void **state)
{
    struct fixture *f = *state;
    EXPECT_OK(scan(f));
    assert_int_equal(f->result.traces_count, 0);
    make_open(&f->make, 1); /* empty ResourceSpans */
    make_close(&f->make);
    EXPECT_OK(scan(f));
    assert_int_equal(f->result.traces_count, 0);
}

static void test_spans_are_cut_by_trace_with_their_summary(void **state)
{
    struct fixture *f = *state;
    const uint8_t parent[8] = {1};
    make_frame(&f->make, "svc", "scope");
    make_span(&f->make, 1, 3, "child");
    wire_put_bytes(&f->make.out, 4, bytes_of(parent, sizeof parent));
    make_open(&f->make, 15);
    wire_put_u64(&f->make.out, 3, 2);
    make_close(&f->make);
    make_close(&f->make);
    make_span(&f->make, 2, 9, "other");
    make_close(&f->make);
    make_span(&f->make, 1, 8, "later root");
    make_close(&f->make);
    make_span(&f->make, 1, 5, "root");
    make_close(&f->make);
    frames_close(f);
    EXPECT_OK(scan(f));
    assert_int_equal(f->result.traces_count, 2);
    const struct bus_trace *one = &f->result.traces[0];
    assert_int_equal(one->id.b[15], 1);
    assert_int_equal(one->spans_count, 3);
    assert_int_equal(one->errors_count, 1);
    assert_int_equal(one->start.ns, 1003);
    assert_int_equal(one->end.ns, 2008);
    assert_true(one->has_root);
    assert_int_equal(one->root.span_id.b[7], 5);
    assert_true(bytes_equal_text(one->root.name, "root"));
    assert_true(bytes_equal_text(one->root.service, "svc"));
    assert_true(bytes_equal_text(one->service, "svc"));
    assert_int_equal(f->result.traces[1].spans_count, 1);
    assert_int_equal(f->result.spans_count, 4);
    assert_int_equal(f->result.rejected_count, 0);
}

static void test_times_before_1970_are_negative(void **state)
{
    struct fixture *f = *state;
    make_frame(&f->make, "svc", "scope");
    make_span(&f->make, 1, 1, "old");
    wire_put_fixed64(&f->make.out, 7, (uint64_t)-5000);
    make_close(&f->make);
    frames_close(f);
    EXPECT_OK(scan(f));
    assert_int_equal(f->result.traces[0].start.ns, -5000);
    assert_int_equal(f->result.traces[0].end.ns, 2001);
}

static void test_eight_zeros_are_no_parent(void **state)
{
    struct fixture *f = *state;
    const uint8_t zeros[8] = {0};
    make_frame(&f->make, "svc", "scope");
    make_span(&f->make, 1, 1, "root");
    wire_put_bytes(&f->make.out, 4, bytes_of(zeros, sizeof zeros));
    make_close(&f->make);
    frames_close(f);
    EXPECT_OK(scan(f));
    assert_true(f->result.traces[0].has_root);
}

struct key_case {
    const char *attribute;
    const char *value;
    const char *scope;
    enum match_kind on_resource; /* 0: no key */
    enum match_kind on_span;
};

static const struct key_case key_cases[] = {
    {"roark.external_id", "x", "s", MATCH_KIND_EXTERNAL, MATCH_KIND_EXTERNAL},
    {"livekit.room.id", "any", "s", MATCH_KIND_LIVEKIT, MATCH_KIND_LIVEKIT},
    {"room_id", "RM_1", "s", MATCH_KIND_LIVEKIT, MATCH_KIND_LIVEKIT},
    {"room_id", "rm_1", "s", 0, 0},
    {"lk.room_sid", "RM_", "s", MATCH_KIND_LIVEKIT, MATCH_KIND_LIVEKIT},
    {"lk.room_sid", "room", "s", 0, 0},
    {"gen_ai.conversation.id", "RM_x", "s", MATCH_KIND_LIVEKIT, MATCH_KIND_LIVEKIT},
    {"gen_ai.conversation.id", "x", "s", 0, 0},
    {"vapi.call.id", "v", "s", MATCH_KIND_VAPI, 0},
    {"conversation.id", "c", "pipecat", 0, MATCH_KIND_PIPECAT},
    {"conversation.id", "c", "pipecat.turn", 0, MATCH_KIND_PIPECAT},
    {"conversation.id", "c", "Pipecat", 0, 0},
    {"conversation.id", "c", "", 0, 0},
    {"Roark.external_id", "x", "s", 0, 0},
    {"roark.external_id ", "x", "s", 0, 0},
    {"external_id", "x", "s", 0, 0},
    {"roark.external_id", "", "s", 0, 0},
};

static void check_key(struct fixture *f, const struct key_case *row, bool on_resource)
{
    make_reset(&f->make);
    make_open(&f->make, 1);
    make_open(&f->make, 1);
    make_attribute(&f->make, 1, on_resource ? row->attribute : "a", row->value);
    make_close(&f->make);
    make_open(&f->make, 2);
    make_open(&f->make, 1);
    make_text(&f->make, 1, row->scope);
    make_attribute(&f->make, 3, row->attribute, "RM_scope attributes are no keys");
    make_close(&f->make);
    make_span(&f->make, 1, 1, "s");
    make_attribute(&f->make, 9, on_resource ? "a" : row->attribute, row->value);
    make_close(&f->make);
    frames_close(f);
    EXPECT_OK(scan(f));
    enum match_kind wanted = on_resource ? row->on_resource : row->on_span;
    const struct bus_trace *trace = &f->result.traces[0];
    assert_int_equal(trace->keys_count, wanted != 0);
    assert_int_equal(trace->keys_dropped, 0);
    if (wanted != 0) {
        assert_true(has_key(trace, wanted, row->value));
    }
}

static void test_keys_stand_where_the_table_says(void **state)
{
    for (size_t i = 0; i < sizeof key_cases / sizeof *key_cases; i++) {
        check_key(*state, &key_cases[i], true);
        check_key(*state, &key_cases[i], false);
    }
}

static void test_an_integer_key_counts_as_its_digits(void **state)
{
    struct fixture *f = *state;
    make_frame(&f->make, "svc", "scope");
    make_span(&f->make, 1, 1, "s");
    make_attribute_int(&f->make, 9, "roark.external_id", -42);
    make_attribute_bool(&f->make, 9, "livekit.room.id", true);
    make_close(&f->make);
    frames_close(f);
    EXPECT_OK(scan(f));
    assert_int_equal(f->result.traces[0].keys_count, 1);
    assert_true(has_key(&f->result.traces[0], MATCH_KIND_EXTERNAL, "-42"));
}

static void test_key_values_have_255_characters_of_utf8(void **state)
{
    struct fixture *f = *state;
    char longest[4 * 256 + 1] = {0};
    for (size_t i = 0; i < 255; i++) {
        memcpy(longest + 4 * i, "\xF0\x9F\x98\x80", 4);
    }
    make_frame(&f->make, "svc", "scope");
    make_span(&f->make, 1, 1, "s");
    make_attribute(&f->make, 9, "roark.external_id", longest);
    make_close(&f->make);
    memcpy(longest + 4 * 255, "\xF0\x9F\x98\x80", 4);
    make_span(&f->make, 2, 2, "s");
    make_attribute(&f->make, 9, "roark.external_id", longest);
    make_attribute(&f->make, 9, "roark.external_id", "not \xFF utf-8");
    make_close(&f->make);
    make_span(&f->make, 3, 3, "s");
    make_attribute_bytes(&f->make, 9, bytes_of_text("roark.external_id"), bytes_of("a\0b", 3));
    make_close(&f->make);
    frames_close(f);
    EXPECT_OK(scan(f));
    assert_int_equal(f->result.traces[0].keys_count, 1);
    assert_int_equal(f->result.traces[0].keys[0].value.len, 4 * 255);
    assert_int_equal(f->result.traces[1].keys_count, 0);
    assert_int_equal(f->result.traces[1].keys_dropped, 2);
    assert_int_equal(f->result.traces[2].keys_count, 1);
    assert_int_equal(f->result.traces[2].keys[0].value.len, 3);
}

static void test_keys_are_sorted_unique_and_bounded(void **state)
{
    struct fixture *f = *state;
    make_frame(&f->make, "svc", "scope");
    for (int span = 0; span < 3; span++) {
        make_span(&f->make, 1, (uint8_t)(span + 1), "s");
        for (int i = 0; i < 512; i++) {
            char value[16];
            (void)snprintf(value, sizeof value, "v%d", i + span * 512);
            make_attribute(&f->make, 9, "roark.external_id", value);
            make_attribute(&f->make, 9, "roark.external_id", value);
        }
        make_close(&f->make);
    }
    frames_close(f);
    EXPECT_OK(scan(f));
    const struct bus_trace *trace = &f->result.traces[0];
    assert_int_equal(trace->keys_count, LIMIT_KEYS_PER_TRACE);
    assert_int_equal(trace->keys_dropped, 512);
    for (size_t i = 1; i < trace->keys_count; i++) {
        assert_true(bytes_compare(trace->keys[i - 1].value, trace->keys[i].value) < 0);
    }
}

static void test_a_rejected_span_says_nothing(void **state)
{
    struct fixture *f = *state;
    make_frame(&f->make, "svc", "scope");
    make_open(&f->make, 2);
    make_attribute(&f->make, 9, "roark.external_id", "from a span without ids");
    make_close(&f->make);
    make_span(&f->make, 1, 1, "s");
    make_close(&f->make);
    frames_close(f);
    EXPECT_OK(scan(f));
    assert_int_equal(f->result.traces_count, 1);
    assert_int_equal(f->result.traces[0].keys_count, 0);
    assert_int_equal(f->result.rejected[SCAN_REJECT_TRACE_ID], 1);
}

static void check_skip(struct fixture *f, bool on_resource, int number, uint64_t bits,
                       const char *text, bool is_skipped)
{
    make_reset(&f->make);
    make_open(&f->make, 1);
    make_open(&f->make, 1);
    make_open(&f->make, 1);
    make_text(&f->make, 1, on_resource ? "roark.skip" : "a");
    make_open(&f->make, 2);
    if (number == 1) {
        make_text(&f->make, 1, text);
    } else {
        wire_put_u64(&f->make.out, (uint32_t)number, bits);
    }
    make_close(&f->make);
    make_close(&f->make);
    make_close(&f->make);
    make_open(&f->make, 2);
    make_span(&f->make, 1, 1, "s");
    make_attribute_bool(&f->make, 9, on_resource ? "a" : "roark.skip", true);
    make_close(&f->make);
    frames_close(f);
    EXPECT_OK(scan(f));
    assert_int_equal(f->result.traces[0].is_skipped, is_skipped);
}

static void test_only_a_true_resource_attribute_skips(void **state)
{
    struct fixture *f = *state;
    check_skip(f, true, 2, 1, "", true);
    check_skip(f, true, 2, 0, "", false);
    check_skip(f, true, 1, 0, "true", true);
    check_skip(f, true, 1, 0, "false", false);
    check_skip(f, true, 1, 0, "TRUE", false);
    check_skip(f, true, 3, 1, "", false);
    check_skip(f, false, 2, 1, "", false);
}

static void test_a_resource_behind_its_scopes_counts(void **state)
{
    struct fixture *f = *state;
    make_open(&f->make, 1);
    make_open(&f->make, 2);
    make_span(&f->make, 1, 1, "s");
    make_attribute(&f->make, 9, "conversation.id", "c");
    make_close(&f->make);
    make_open(&f->make, 1);
    make_text(&f->make, 1, "pipecat.turn");
    make_close(&f->make);
    make_close(&f->make);
    make_open(&f->make, 1);
    make_attribute(&f->make, 1, "roark.external_id", "late");
    make_attribute(&f->make, 1, "service.name", "svc");
    make_close(&f->make);
    make_close(&f->make);
    EXPECT_OK(scan(f));
    assert_true(has_key(&f->result.traces[0], MATCH_KIND_EXTERNAL, "late"));
    assert_true(has_key(&f->result.traces[0], MATCH_KIND_PIPECAT, "c"));
    assert_true(bytes_equal_text(f->result.traces[0].service, "svc"));
}

static void test_tags_are_a_union_of_keys_and_values(void **state)
{
    struct fixture *f = *state;
    char long_key[sizeof "roark.project.tag." + 129] = "roark.project.tag.";
    memset(long_key + strlen(long_key), 'k', 129);
    make_frame(&f->make, "svc", "scope");
    make_span(&f->make, 1, 1, "s");
    make_attribute(&f->make, 9, "roark.project.tag.env", "prod");
    make_attribute(&f->make, 9, "roark.project.tag.env", "dev");
    make_attribute(&f->make, 9, "roark.project.tag.env", "prod");
    make_attribute(&f->make, 9, "roark.project.tag.", "no key");
    make_attribute(&f->make, 9, "roark.project.tag.bad", "\xFF");
    make_attribute(&f->make, 9, long_key, "x");
    make_attribute_int(&f->make, 9, "roark.project.tag.n", 5);
    make_attribute_bool(&f->make, 9, "roark.project.tag.b", false);
    make_close(&f->make);
    frames_close(f);
    EXPECT_OK(scan(f));
    const struct bus_trace *trace = &f->result.traces[0];
    static const char *const wanted[][2] = {
        {"b", "false"}, {"env", "dev"}, {"env", "prod"}, {"n", "5"}};
    assert_int_equal(trace->tags_count, 4);
    for (size_t i = 0; i < 4; i++) {
        assert_true(bytes_equal_text(trace->tags[i].key, wanted[i][0]));
        assert_true(bytes_equal_text(trace->tags[i].value, wanted[i][1]));
        assert_true(has_word(trace, WORD_KIND_TAG, wanted[i][0], wanted[i][1]));
    }
}

static void test_tags_never_crowd_out_a_key(void **state)
{
    struct fixture *f = *state;
    make_frame(&f->make, "svc", "scope");
    make_span(&f->make, 1, 1, "s");
    for (int i = 0; i < 3000; i++) {
        char value[16];
        (void)snprintf(value, sizeof value, "%d", i);
        make_attribute(&f->make, 9, "roark.project.tag.n", value);
    }
    make_attribute(&f->make, 9, "roark.external_id", "behind the tags");
    make_close(&f->make);
    frames_close(f);
    EXPECT_OK(scan(f));
    assert_true(has_key(&f->result.traces[0], MATCH_KIND_EXTERNAL, "behind the tags"));
    assert_int_equal(f->result.traces[0].keys_dropped, 0);
    assert_int_equal(f->result.traces[0].tags_count, LIMIT_TAGS_PER_TRACE);
}

static void test_at_most_32_tags_are_indexed(void **state)
{
    struct fixture *f = *state;
    make_frame(&f->make, "svc", "scope");
    make_span(&f->make, 1, 1, "s");
    for (int i = 0; i < 33; i++) {
        char key[64];
        (void)snprintf(key, sizeof key, "roark.project.tag.%02d", i);
        make_attribute(&f->make, 9, key, "v");
    }
    make_close(&f->make);
    frames_close(f);
    EXPECT_OK(scan(f));
    assert_int_equal(f->result.traces[0].tags_count, LIMIT_TAGS_PER_TRACE);
}

/* --- terms ----------------------------------------------------------------------------------------------------- */

static void test_terms_tell_what_a_search_can_find(void **state)
{
    struct fixture *f = *state;
    struct term_space space = term_space_of(f->options.project);
    struct uuid other_project = {{8}};
    make_frame(&f->make, "svc", "scope");
    make_span(&f->make, 1, 1, "llm_node");
    make_attribute(&f->make, 9, "model", "gpt");
    make_attribute_bool(&f->make, 9, "stream", true);
    make_attribute_int(&f->make, 9, "tokens", 5);
    make_attribute(&f->make, 9, "lk.pii.phone", "+1555");
    make_close(&f->make);
    frames_close(f);
    EXPECT_OK(scan(f));
    const struct bus_trace *trace = &f->result.traces[0];
    assert_true(has_term(trace, term_name(space, bytes_of_text("llm_node"))));
    assert_true(has_term(trace, term_service(space, bytes_of_text("svc"))));
    assert_true(has_term(trace, term_status(space, 0)));
    assert_true(has_term(trace, term_exists(space, bytes_of_text("model"))));
    assert_true(has_term(trace, term_value(space, bytes_of_text("model"), bytes_of_text("gpt"))));
    assert_true(has_term(trace, term_value(space, bytes_of_text("stream"), bytes_of_text("true"))));
    assert_true(has_term(trace, term_exists(space, bytes_of_text("tokens"))));
    assert_true(has_term(trace, term_exists(space, bytes_of_text("service.name"))));
    assert_false(has_term(trace, term_value(space, bytes_of_text("tokens"), bytes_of_text("5"))));
    assert_true(has_term(trace, term_number(space, bytes_of_text("tokens"))));
    assert_false(has_term(trace, term_number(space, bytes_of_text("model"))));
    assert_false(has_term(trace, term_number(space, bytes_of_text("stream"))));
    assert_false(has_term(trace, term_overflow(space, bytes_of_text("model"))));
    assert_false(has_term(trace, term_status(space, 2)));
    assert_false(has_term(trace, term_partial(space)));
    assert_false(
        has_term(trace, term_name(term_space_of(other_project), bytes_of_text("llm_node"))));
    for (size_t i = 1; i < trace->terms_count; i++) {
        assert_true(trace->terms[i - 1] < trace->terms[i]);
    }
    assert_true(has_word(trace, WORD_KIND_SPAN_NAME, "", "llm_node"));
    assert_true(has_word(trace, WORD_KIND_SERVICE, "", "svc"));
    assert_true(has_word(trace, WORD_KIND_ATTRIBUTE, "tokens", ""));
    assert_true(has_word(trace, WORD_KIND_VALUE, "model", "gpt"));
    assert_true(has_word(trace, WORD_KIND_ATTRIBUTE, "lk.pii.phone", ""));
    assert_false(has_word(trace, WORD_KIND_VALUE, "lk.pii.phone", "+1555"));
}

static void test_a_key_with_a_fifth_value_overflows_in_its_segment_only(void **state)
{
    struct fixture *f = *state;
    struct term_space space = term_space_of(f->options.project);
    struct bytes key = bytes_of_text("k");
    make_frame(&f->make, "svc", "scope");
    for (unsigned trace = 1; trace <= 2; trace++) {
        for (unsigned i = 0; i < 3 + trace; i++) {
            char value[8];
            (void)snprintf(value, sizeof value, "v%u", i);
            make_span(&f->make, (uint8_t)trace, (uint8_t)(10 * trace + i), "s");
            make_attribute(&f->make, 9, "k", value);
            make_attribute(&f->make, 9, "k", "v0");
            make_close(&f->make);
        }
    }
    frames_close(f);
    EXPECT_OK(scan(f));
    const struct bus_trace *four = &f->result.traces[0];
    const struct bus_trace *five = &f->result.traces[1];
    assert_true(has_term(four, term_value(space, key, bytes_of_text("v3"))));
    assert_false(has_term(four, term_overflow(space, key)));
    assert_true(has_term(five, term_overflow(space, key)));
    assert_false(has_term(five, term_value(space, key, bytes_of_text("v0"))));
}

static void test_long_texts_have_no_value_term(void **state)
{
    struct fixture *f = *state;
    struct term_space space = term_space_of(f->options.project);
    char text[LIMIT_TERM_BYTES + 2] = {0};
    memset(text, 'x', LIMIT_TERM_BYTES);
    make_frame(&f->make, "svc", "scope");
    make_span(&f->make, 1, 1, "s");
    make_attribute(&f->make, 9, "fits", text);
    text[LIMIT_TERM_BYTES] = 'x';
    make_attribute(&f->make, 9, "long", text);
    make_close(&f->make);
    frames_close(f);
    EXPECT_OK(scan(f));
    const struct bus_trace *trace = &f->result.traces[0];
    assert_true(has_term(trace, term_exists(space, bytes_of_text("long"))));
    assert_false(has_term(trace, term_value(space, bytes_of_text("long"), bytes_of_text(text))));
    text[LIMIT_TERM_BYTES] = '\0';
    assert_true(has_term(trace, term_value(space, bytes_of_text("fits"), bytes_of_text(text))));
}

static void test_attributes_beyond_1024_make_the_segment_partial(void **state)
{
    struct fixture *f = *state;
    struct term_space space = term_space_of(f->options.project);
    make_frame(&f->make, "svc", "scope");
    for (unsigned trace = 1; trace <= 2; trace++) {
        make_span(&f->make, (uint8_t)trace, 1, "s");
        for (unsigned i = 0; i < LIMIT_ATTRIBUTES_INDEXED - 1 + trace; i++) {
            char key[16];
            (void)snprintf(key, sizeof key, "k%u", i);
            make_attribute(&f->make, 9, key, "v");
        }
        make_close(&f->make);
    }
    frames_close(f);
    EXPECT_OK(scan(f));
    assert_false(has_term(&f->result.traces[0], term_partial(space)));
    assert_true(has_term(&f->result.traces[1], term_partial(space)));
}

static void test_names_for_people_are_clean_utf8(void **state)
{
    struct fixture *f = *state;
    make_frame(&f->make, "s\xFFvc", "scope");
    make_span(&f->make, 1, 1, "");
    wire_put_bytes(&f->make.out, 5, bytes_of("a\0\xED\xA0\xBD\xC3\xA9", 7));
    make_close(&f->make);
    frames_close(f);
    EXPECT_OK(scan(f));
    const struct bus_trace *trace = &f->result.traces[0];
    assert_true(bytes_equal_text(trace->root.name,
                                 "a\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD"
                                 "\xC3\xA9"));
    assert_true(bytes_equal_text(trace->service, "s\xEF\xBF\xBDvc"));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_an_empty_request_has_no_traces),
        TEST(test_spans_are_cut_by_trace_with_their_summary),
        TEST(test_times_before_1970_are_negative),
        TEST(test_eight_zeros_are_no_parent),
        TEST(test_keys_stand_where_the_table_says),
        TEST(test_an_integer_key_counts_as_its_digits),
        TEST(test_key_values_have_255_characters_of_utf8),
        TEST(test_keys_are_sorted_unique_and_bounded),
        TEST(test_a_rejected_span_says_nothing),
        TEST(test_only_a_true_resource_attribute_skips),
        TEST(test_a_resource_behind_its_scopes_counts),
        TEST(test_tags_are_a_union_of_keys_and_values),
        TEST(test_tags_never_crowd_out_a_key),
        TEST(test_at_most_32_tags_are_indexed),
        TEST(test_terms_tell_what_a_search_can_find),
        TEST(test_a_key_with_a_fifth_value_overflows_in_its_segment_only),
        TEST(test_long_texts_have_no_value_term),
        TEST(test_attributes_beyond_1024_make_the_segment_partial),
        TEST(test_names_for_people_are_clean_utf8),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
