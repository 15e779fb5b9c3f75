#include "tests/unit/expect.h"

#include <math.h>
#include <stdlib.h>

#include "api/rest/filter.h"
#include "proto/base/limits.h"
#include "tests/unit/otlp/make.h"

#include "proto/base/banned.h"

struct fixture {
    struct made made;
    struct filters filters;
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

/* --- reading --------------------------------------------------------------------------------------- */

static void test_every_form_of_attr_is_read(void **state)
{
    struct fixture *f = *state;
    static const struct {
        const char *text;
        enum filter_kind kind;
        const char *key;
        const char *value;
    } cases[] = {
        {"key", FILTER_KIND_EXISTS, "key", ""},
        {"key:", FILTER_KIND_EQUAL, "key", ""},
        {"key:value", FILTER_KIND_EQUAL, "key", "value"},
        {"key:a:b<c>d\\", FILTER_KIND_EQUAL, "key", "a:b<c>d\\"},
        {"key<5", FILTER_KIND_LESS, "key", "5"},
        {"key>-1.5e3", FILTER_KIND_GREATER, "key", "-1.5e3"},
        {"k8s\\:pod:web", FILTER_KIND_EQUAL, "k8s:pod", "web"},
        {"a\\<b\\>c\\\\d", FILTER_KIND_EXISTS, "a<b>c\\d", ""},
        {"\\k", FILTER_KIND_EXISTS, "k", ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct filter filter = {0};
        assert_null(filter_read_attribute(bytes_of_text(cases[i].text), &f->made.arena, &filter));
        assert_int_equal(filter.kind, cases[i].kind);
        assert_true(bytes_equal_text(filter.key, cases[i].key));
        assert_true(bytes_equal_text(filter.text, cases[i].value));
    }
}

static void test_bad_filters_get_a_sentence(void **state)
{
    struct fixture *f = *state;
    static const char *const attributes[] = {"",     ":v",   "<5",   ">5",    "k<",     "k>x",
                                             "k<=5", "k>5s", "k\\",  "k>NaN", "k<05",   "k>1.",
                                             "k>.5", "k>+5", "k>1e", "k> 5",  "k>1e999"};
    static const char *const tags[] = {"", "env", ":v", "env\\:v", "env\\"};
    struct filter filter;
    struct bytes key;
    struct bytes value;
    for (size_t i = 0; i < sizeof attributes / sizeof attributes[0]; i++) {
        assert_non_null(
            filter_read_attribute(bytes_of_text(attributes[i]), &f->made.arena, &filter));
    }
    for (size_t i = 0; i < sizeof tags / sizeof tags[0]; i++) {
        assert_non_null(filter_read_tag(bytes_of_text(tags[i]), &f->made.arena, &key, &value));
    }
    assert_null(filter_read_tag(bytes_of_text("a\\:b<c:d:e"), &f->made.arena, &key, &value));
    assert_true(bytes_equal_text(key, "a:b<c"));
    assert_true(bytes_equal_text(value, "d:e"));
}

static void test_the_longest_filter_and_one_more(void **state)
{
    struct fixture *f = *state;
    char text[FILTER_BYTES_MAX + 1];
    struct filter filter;
    memset(text, 'k', sizeof text);
    assert_null(filter_read_attribute(bytes_of(text, FILTER_BYTES_MAX), &f->made.arena, &filter));
    assert_non_null(filter_read_attribute(bytes_of(text, sizeof text), &f->made.arena, &filter));
}

static void test_numbers_are_those_of_json(void **state)
{
    static const char *const good[] = {"0",
                                       "-0",
                                       "10",
                                       "1.5",
                                       "1e3",
                                       "1E+3",
                                       "-1.25e-3",
                                       "9223372036854775808",
                                       "-9223372036854775808"};
    static const char *const bad[] = {"",    "-",   "01", "1.", ".5",    "+1",  "1e",    "0x10",
                                      "inf", "NaN", "1 ", " 1", "1e400", "--1", "1.5.2", "1,5"};
    struct filter_number number;
    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        assert_true(filter_number_read(bytes_of_text(good[i]), &number));
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_false(filter_number_read(bytes_of_text(bad[i]), &number));
    }
    assert_true(filter_number_read(bytes_of_text("9223372036854775807"), &number));
    assert_true(number.is_integer && number.integer == INT64_MAX);
    assert_true(filter_number_read(bytes_of_text("9223372036854775808"), &number));
    assert_false(number.is_integer);
    char digits[65];
    memset(digits, '1', sizeof digits);
    assert_true(filter_number_read(bytes_of(digits, 64), &number));
    assert_false(filter_number_read(bytes_of(digits, 65), &number));
    assert_false(filter_number_read(bytes_of("1\0", 2), &number));
}

/* --- terms ----------------------------------------------------------------------------------------- */

static size_t terms_of(struct fixture *f, const char *text, uint64_t terms[FILTER_TERMS_MAX])
{
    struct filter filter = {0};
    assert_null(filter_read_attribute(bytes_of_text(text), &f->made.arena, &filter));
    return filter_terms(&filter, term_space_of((struct uuid){{1}}), terms);
}

static void test_terms_are_those_of_the_segments(void **state)
{
    struct fixture *f = *state;
    struct term_space space = term_space_of((struct uuid){{1}});
    struct bytes key = bytes_of_text("k");
    uint64_t terms[FILTER_TERMS_MAX];
    assert_int_equal(terms_of(f, "k:v", terms), 3);
    assert_true(terms[0] == term_partial(space));
    assert_true(terms[1] == term_value(space, key, bytes_of_text("v")));
    assert_true(terms[2] == term_overflow(space, key));
    assert_int_equal(terms_of(f, "k:5", terms), 4);
    assert_true(terms[3] == term_number(space, key));
    assert_int_equal(terms_of(f, "k>5", terms), 2);
    assert_true(terms[1] == term_exists(space, key));
    assert_int_equal(terms_of(f, "k", terms), 2);
    assert_true(terms[1] == term_exists(space, key));
    char longest[LIMIT_TERM_BYTES + 4] = "k:";
    memset(longest + 2, 'v', LIMIT_TERM_BYTES);
    assert_int_equal(terms_of(f, longest, terms), 3);
    longest[LIMIT_TERM_BYTES + 2] = 'v';
    assert_int_equal(terms_of(f, longest, terms), 2);
    struct filter name = {.kind = FILTER_KIND_NAME, .text = key};
    assert_int_equal(filter_terms(&name, space, terms), 0);
    name.kind = FILTER_KIND_NAME_IS;
    assert_int_equal(filter_terms(&name, space, terms), 2);
    assert_true(terms[0] == term_partial(space) && terms[1] == term_name(space, key));
}

/* --- comparing ------------------------------------------------------------------------------------- */

static void attribute_double(struct make *make, const char *key, double value)
{
    uint8_t octets[9] = {4 << 3 | 1};
    memcpy(octets + 1, &value, sizeof value);
    make_open(make, 9);
    make_text(make, 1, key);
    make_open(make, 2);
    buf_add(&make->out, bytes_of(octets, sizeof octets));
    make_close(make);
    make_close(make);
}

static void trace_make(struct fixture *f)
{
    struct make *make = &f->made.make;
    make_frame(make, "agent", "livekit");
    make_span(make, 1, 1, "LLM_node");
    make_attribute(make, 9, "text", "gpt");
    make_attribute(make, 9, "text", "second");
    make_attribute(make, 9, "digits", "5");
    make_attribute_bool(make, 9, "flag", true);
    make_attribute_int(make, 9, "int", 5);
    make_attribute_int(make, 9, "big", INT64_MAX);
    attribute_double(make, "double", 5.5);
    attribute_double(make, "nan", (double)NAN);
    attribute_double(make, "inf", (double)INFINITY);
    make_attribute_deep(make, 9, "deep", 3);
    make_close(make);
    make_close(make);
    make_close(make);
}

/* Does the only span fit filters given as "name=..." and others as attr? */
static bool fits(struct fixture *f, const char *const *texts)
{
    struct view view;
    struct filter_view filters;
    struct bytes raw = make_bytes(&f->made.make);
    f->filters.count = 0;
    for (; *texts != NULL; texts++) {
        struct filter *filter = &f->filters.list[f->filters.count++];
        if (strncmp(*texts, "nameIs=", 7) == 0) {
            *filter =
                (struct filter){.kind = FILTER_KIND_NAME_IS, .text = bytes_of_text(*texts + 7)};
        } else if (strncmp(*texts, "name=", 5) == 0) {
            *filter = (struct filter){.kind = FILTER_KIND_NAME, .text = bytes_of_text(*texts + 5)};
        } else {
            assert_null(filter_read_attribute(bytes_of_text(*texts), &f->made.arena, filter));
        }
    }
    EXPECT_OK(view_open(&raw, 1, &f->made.arena, &view));
    assert_int_equal(view.spans_count, 1);
    EXPECT_OK(filter_view_open(&f->filters, &view, &f->made.arena, &filters));
    bool is_fitting = filter_fits(&filters, &view.spans[0]);
    assert_true(!is_fitting || filters_may_fit(&f->filters, raw));
    return is_fitting;
}

static void test_a_segment_without_the_octets_holds_nothing_that_fits(void **state)
{
    struct fixture *f = *state;
    trace_make(f);
    struct bytes raw = make_bytes(&f->made.make);
    static const char *const none[] = {"absent", "absent>5", "text:gpz", "text:gpt3"};
    static const char *const maybe[] = {"text:second", "digits:0", "flag:false", "int:7",
                                        "text:agent"};
    f->filters.count = 1;
    for (size_t i = 0; i < sizeof none / sizeof none[0]; i++) {
        assert_null(
            filter_read_attribute(bytes_of_text(none[i]), &f->made.arena, &f->filters.list[0]));
        assert_false(filters_may_fit(&f->filters, raw));
    }
    for (size_t i = 0; i < sizeof maybe / sizeof maybe[0]; i++) {
        assert_null(
            filter_read_attribute(bytes_of_text(maybe[i]), &f->made.arena, &f->filters.list[0]));
        assert_true(filters_may_fit(&f->filters, raw));
    }
}

static void test_what_fits(void **state)
{
    struct fixture *f = *state;
    static const char *const good[] = {"name=llm_",
                                       "name=NODE",
                                       "nameIs=LLM_node",
                                       "text",
                                       "text:gpt",
                                       "text:second",
                                       "digits:5",
                                       "digits>4",
                                       "digits<5.5",
                                       "flag:true",
                                       "flag",
                                       "int:5",
                                       "int:5.0",
                                       "int:50e-1",
                                       "int>4",
                                       "int<6",
                                       "int>4.999",
                                       "int<5.001",
                                       "double:5.5",
                                       "double>5",
                                       "double<6",
                                       "big>9223372036854775806",
                                       "big<9223372036854775808",
                                       "big<1e300",
                                       "big:9223372036854775807",
                                       "inf>1e308",
                                       "nan",
                                       "deep",
                                       "service.name:agent"};
    static const char *const bad[] = {"name=llmnode",
                                      "name=agent",
                                      "nameIs=llm_node",
                                      "nameIs=LLM_nod",
                                      "nameIs=LLM_node ",
                                      "nameIs=agent",
                                      "absent",
                                      "text:GPT",
                                      "text:gp",
                                      "text:gptx",
                                      "text>4",
                                      "digits:5.0",
                                      "digits>5",
                                      "digits<5",
                                      "flag:True",
                                      "flag:1",
                                      "flag>0",
                                      "int:4",
                                      "int>5",
                                      "int<5",
                                      "int:05",
                                      "double:5",
                                      "double>5.5",
                                      "double<5.5",
                                      "big>9223372036854775807",
                                      "big:9223372036854775808",
                                      "big>9.3e18",
                                      "nan>0",
                                      "nan<0",
                                      "nan:NaN",
                                      "inf<1e308",
                                      "deep:x",
                                      "deep>0",
                                      "service.name:livekit"};
    trace_make(f);
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        assert_true(fits(f, (const char *const[]){good[i], NULL}));
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_false(fits(f, (const char *const[]){bad[i], NULL}));
        assert_false(fits(f, (const char *const[]){good[0], bad[i], NULL}));
        assert_false(fits(f, (const char *const[]){bad[i], good[0], NULL}));
    }
    const char *all[FILTERS_MAX + 1] = {NULL};
    memcpy(all, good, FILTERS_MAX * sizeof *all);
    assert_true(fits(f, all));
    all[FILTERS_MAX - 1] = bad[0];
    assert_false(fits(f, all));
}

static void test_the_attribute_that_fits_is_told(void **state)
{
    struct fixture *f = *state;
    struct view view;
    struct filter_view filters;
    struct otlp_item item;
    trace_make(f);
    assert_true(fits(f, (const char *const[]){"text:second", "service.name", "name=llm", NULL}));
    struct bytes raw = make_bytes(&f->made.make);
    EXPECT_OK(view_open(&raw, 1, &f->made.arena, &view));
    EXPECT_OK(filter_view_open(&f->filters, &view, &f->made.arena, &filters));
    assert_true(filter_item(&filters, &view.spans[0], &f->filters.list[0], &item));
    assert_true(bytes_equal_text(item.value.text, "second"));
    assert_true(filter_item(&filters, &view.spans[0], &f->filters.list[1], &item));
    assert_true(bytes_equal_text(item.value.text, "agent"));
    assert_false(filter_item(&filters, &view.spans[0], &f->filters.list[2], &item));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_every_form_of_attr_is_read),
        TEST(test_bad_filters_get_a_sentence),
        TEST(test_the_longest_filter_and_one_more),
        TEST(test_numbers_are_those_of_json),
        TEST(test_terms_are_those_of_the_segments),
        TEST(test_what_fits),
        TEST(test_a_segment_without_the_octets_holds_nothing_that_fits),
        TEST(test_the_attribute_that_fits_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
