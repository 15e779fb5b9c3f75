#include "tests/unit/expect.h"

#include <stdlib.h>

#include "api/rest/look.h"
#include "proto/base/limits.h"
#include "tests/unit/otlp/make.h"

#include "proto/base/banned.h"

struct fixture {
    struct made made;
    struct look_find find;
};

static int setup(void **state)
{
    *state = made_new(sizeof(struct fixture), 1 << 20);
    return 0;
}

static int teardown(void **state)
{
    made_free(*state);
    return 0;
}

static void status_make(struct make *make, const char *message)
{
    make_open(make, 15);
    make_text(make, 2, message);
    make_close(make);
}

static void event_make(struct make *make, const char *name, const char *key, const char *text)
{
    make_open(make, 11);
    make_text(make, 2, name);
    make_attribute(make, 3, key, text);
    make_close(make);
}

static void trace_make(struct make *make)
{
    make_frame(make, "service", "scope");
    make_span(make, 1, 1, "llm_node");
    make_attribute(make, 9, "model", "GPT-4o");
    make_attribute(make, 9, "prompt",
                   "0123456789012345678901234567890123456789before\xe2\x82\xac"
                   "MATCH\xe2\x82\xac"
                   "behind0123456789012345678901234567890123456789");
    make_attribute_int(make, 9, "number", -5521);
    make_attribute_bool(make, 9, "flag", false);
    make_attribute_deep(make, 9, "deep", LIMIT_ANYVALUE_DEPTH - 1);
    status_make(make, "timeout");
    event_make(make, "choice", "message", "well match");
    make_close(make);
    make_close(make);
    make_close(make);
}

static bool look(struct fixture *f, const char *needle)
{
    struct view view;
    struct bytes raw = make_bytes(&f->made.make);
    EXPECT_OK(view_open(&raw, 1, &f->made.arena, &view));
    assert_int_equal(view.spans_count, 1);
    return look_span(&view.spans[0], bytes_of_text(needle), &f->find);
}

static void test_every_place_is_looked_at(void **state)
{
    static const struct {
        const char *needle;
        enum look_place place;
        const char *key;
        const char *match;
        size_t more;
    } cases[] = {
        {"LLM_", LOOK_PLACE_NAME, "", "llm_", 0},
        {"TIME", LOOK_PLACE_STATUS, "", "time", 0},
        {"gpt", LOOK_PLACE_ATTRIBUTE, "model", "GPT", 0},
        {"odel", LOOK_PLACE_ATTRIBUTE, "model", "odel", 0},
        {"match", LOOK_PLACE_ATTRIBUTE, "prompt", "MATCH", 1},
        {"-55", LOOK_PLACE_ATTRIBUTE, "number", "-55", 0},
        {"false", LOOK_PLACE_ATTRIBUTE, "flag", "false", 0},
        {"choice", LOOK_PLACE_EVENT, "choice", "choice", 0},
        {"well", LOOK_PLACE_EVENT, "message", "well", 0},
    };
    struct fixture *f = *state;
    trace_make(&f->made.make);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_true(look(f, cases[i].needle));
        assert_int_equal(f->find.place, cases[i].place);
        assert_true(bytes_equal_text(f->find.key, cases[i].key));
        assert_true(bytes_equal_text(f->find.match, cases[i].match));
        assert_int_equal(f->find.more, cases[i].more);
    }
}

static void test_what_is_not_of_the_span_is_not_found(void **state)
{
    static const char *const needles[] = {"service", "scope", "absent", "llm node",
                                          "55211",   "%",     "\xe2"};
    struct fixture *f = *state;
    trace_make(&f->made.make);
    for (size_t i = 0; i + 1 < sizeof needles / sizeof needles[0]; i++) {
        assert_false(look(f, needles[i]));
    }
    assert_true(look(f, "\xe2\x82\xac"));
}

static void test_what_surrounds_it_is_bounded_and_whole(void **state)
{
    struct fixture *f = *state;
    trace_make(&f->made.make);
    assert_true(look(f, "match"));
    assert_int_equal(f->find.before.len, LOOK_AROUND_BYTES);
    assert_int_equal(f->find.after.len, LOOK_AROUND_BYTES);
    assert_true(bytes_are_utf8(f->find.before) && bytes_are_utf8(f->find.after));
    assert_true(bytes_start_with(f->find.after, "\xe2\x82\xac"
                                                "behind0"));
}

static void test_a_span_of_nothing(void **state)
{
    struct fixture *f = *state;
    make_frame(&f->made.make, "service", "scope");
    make_span(&f->made.make, 1, 1, "");
    make_close(&f->made.make);
    make_close(&f->made.make);
    make_close(&f->made.make);
    assert_false(look(f, "a"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_every_place_is_looked_at),
        TEST(test_what_is_not_of_the_span_is_not_found),
        TEST(test_what_surrounds_it_is_bounded_and_whole),
        TEST(test_a_span_of_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
