#include "tests/unit/expect.h"

#include <stdio.h>
#include <stdlib.h>

#include "proto/base/limits.h"
#include "proto/otlp/jsontext.h"
#include "proto/otlp/view.h"
#include "tests/unit/otlp/make.h"

struct fixture {
    struct make one;
    struct make two;
    struct arena arena;
    struct buf out;
    struct view view;
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    make_init(&f->one);
    make_init(&f->two);
    arena_init(&f->arena, 64 << 20);
    buf_init(&f->out, 64 << 20);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    make_fini(&f->one);
    make_fini(&f->two);
    arena_fini(&f->arena);
    buf_fini(&f->out);
    free(f);
    return 0;
}

static err_t open_both(struct fixture *f)
{
    struct bytes raws[] = {make_bytes(&f->one), make_bytes(&f->two)};
    return view_open(raws, 2, &f->arena, &f->view);
}

static void frames_close(struct make *make)
{
    make_close(make);
    make_close(make);
}

static const char *json(struct fixture *f)
{
    buf_reset(&f->out);
    EXPECT_OK(view_json(&f->view, &f->arena, &f->out));
    buf_add_u8(&f->out, '\0');
    return (const char *)buf_bytes(&f->out).ptr;
}

static void test_nothing_is_an_empty_trace(void **state)
{
    struct fixture *f = *state;
    EXPECT_OK(view_open(NULL, 0, &f->arena, &f->view));
    assert_int_equal(f->view.spans_count, 0);
    assert_string_equal(json(f), "{\"resourceSpans\":[]}");
    view_protobuf(&f->view, &f->out);
}

static void test_segments_merge_under_equal_resources_and_scopes(void **state)
{
    struct fixture *f = *state;
    make_frame(&f->one, "a", "s");
    make_span(&f->one, 1, 1, "one");
    make_close(&f->one);
    frames_close(&f->one);
    make_frame(&f->one, "b", "s");
    make_span(&f->one, 1, 2, "two");
    make_close(&f->one);
    frames_close(&f->one);
    make_frame(&f->two, "a", "s");
    make_span(&f->two, 1, 3, "three");
    make_close(&f->two);
    frames_close(&f->two);
    make_frame(&f->two, "a", "t");
    make_span(&f->two, 1, 4, "four");
    make_close(&f->two);
    frames_close(&f->two);
    EXPECT_OK(open_both(f));
    assert_int_equal(f->view.resources_count, 2);
    assert_int_equal(f->view.scopes_count, 3);
    static const char *const order[] = {"one", "three", "four", "two"};
    for (size_t i = 0; i < 4; i++) {
        assert_true(bytes_equal_text(f->view.spans[i].name, order[i]));
    }
    assert_true(bytes_equal_text(view_span_resource(&f->view, &f->view.spans[3])->service, "b"));
    assert_true(bytes_equal_text(f->view.scopes[f->view.spans[2].scope].name, "t"));
    struct make wanted;
    make_init(&wanted);
    make_frame(&wanted, "a", "s");
    make_span(&wanted, 1, 1, "one");
    make_close(&wanted);
    make_span(&wanted, 1, 3, "three");
    make_close(&wanted);
    make_close(&wanted);
    make_open(&wanted, 2);
    make_open(&wanted, 1);
    make_text(&wanted, 1, "t");
    make_close(&wanted);
    make_span(&wanted, 1, 4, "four");
    make_close(&wanted);
    frames_close(&wanted);
    make_frame(&wanted, "b", "s");
    make_span(&wanted, 1, 2, "two");
    make_close(&wanted);
    frames_close(&wanted);
    view_protobuf(&f->view, &f->out);
    assert_true(bytes_equal(buf_bytes(&f->out), make_bytes(&wanted)));
    make_fini(&wanted);
}

static void snapshot(struct make *make, uint64_t end, const char *state_text)
{
    make_frame(make, "svc", "s");
    make_span(make, 1, 1, "open span");
    wire_put_fixed64(&make->out, 8, end);
    make_attribute(make, 9, "state", state_text);
    make_close(make);
    frames_close(make);
}

static void check_winner(struct fixture *f, uint64_t end_one, const char *one, uint64_t end_two,
                         const char *two, const char *winner)
{
    for (unsigned swap = 0; swap < 2; swap++) {
        struct otlp_value value;
        make_reset(&f->one);
        make_reset(&f->two);
        snapshot(swap == 0 ? &f->one : &f->two, end_one, one);
        snapshot(swap == 0 ? &f->two : &f->one, end_two, two);
        EXPECT_OK(open_both(f));
        assert_int_equal(f->view.spans_count, 1);
        assert_int_equal(f->view.spans_twice, 1);
        assert_true(otlp_items_find(otlp_span_attributes(&f->view.spans[0]), "state", &value));
        assert_true(bytes_equal_text(value.text, winner));
    }
}

static void test_of_a_span_sent_twice_the_later_end_wins_then_the_greater_bytes(void **state)
{
    check_winner(*state, 5, "a", 6, "b", "b");
    check_winner(*state, 7, "a", 6, "b", "a");
    check_winner(*state, 5, "a", 5, "b", "b");
    check_winner(*state, (uint64_t)-5, "before 1970", 0, "zero", "zero");
    check_winner(*state, 5, "same", 5, "same", "same");
}

static void test_a_span_is_decoded(void **state)
{
    struct fixture *f = *state;
    const uint8_t parent[8] = {9, 9, 9, 9, 9, 9, 9, 9};
    make_frame(&f->one, "svc", "s");
    make_span(&f->one, 1, 5, "n");
    make_text(&f->one, 3, "state");
    wire_put_bytes(&f->one.out, 4, bytes_of(parent, 8));
    wire_put_u64(&f->one.out, 6, 3);
    make_attribute(&f->one, 9, "k", "v");
    make_attribute_int(&f->one, 9, "i", -7);
    make_attribute(&f->one, 9, "k", "v2");
    make_attribute_deep(&f->one, 9, "deep", 3);
    wire_put_u64(&f->one.out, 10, 1);
    make_open(&f->one, 11);
    wire_put_fixed64(&f->one.out, 1, 77);
    make_text(&f->one, 2, "event");
    make_attribute_bool(&f->one, 3, "b", true);
    make_close(&f->one);
    make_open(&f->one, 13);
    wire_put_bytes(&f->one.out, 1, bytes_of("odd", 3));
    make_attribute(&f->one, 4, "l", "x");
    wire_put_fixed32(&f->one.out, 6, 257);
    make_close(&f->one);
    make_open(&f->one, 15);
    make_text(&f->one, 2, "broken");
    wire_put_u64(&f->one.out, 3, 2);
    make_close(&f->one);
    wire_put_fixed32(&f->one.out, 16, 769);
    make_close(&f->one);
    frames_close(&f->one);
    EXPECT_OK(open_both(f));
    const struct otlp_span *span = &f->view.spans[0];
    assert_int_equal(span->id.b[7], 5);
    assert_true(span->has_parent);
    assert_memory_equal(span->parent.b, parent, 8);
    assert_int_equal(span->kind, 3);
    assert_int_equal(span->start.ns, 1005);
    assert_int_equal(span->end.ns, 2005);
    assert_int_equal(span->status, 2);
    assert_true(bytes_equal_text(span->status_message, "broken"));
    assert_true(bytes_equal_text(span->trace_state, "state"));
    assert_int_equal(span->flags, 769);
    assert_int_equal(span->attributes_count, 4);
    assert_int_equal(span->events_count, 1);
    assert_int_equal(span->links_count, 1);
    assert_int_equal(span->attributes_dropped, 1);

    struct otlp_value value;
    assert_true(otlp_items_find(otlp_span_attributes(span), "k", &value));
    assert_true(bytes_equal_text(value.text, "v2"));
    assert_true(otlp_items_find(otlp_span_attributes(span), "i", &value));
    assert_int_equal(value.kind, OTLP_VALUE_INT);
    assert_int_equal(value.integer, -7);
    assert_false(otlp_items_find(otlp_span_attributes(span), "none", &value));

    struct otlp_event event;
    struct otlp_items events = otlp_span_events(span);
    assert_true(otlp_event_next(&events, &event));
    assert_int_equal(event.at.ns, 77);
    assert_true(bytes_equal_text(event.name, "event"));
    assert_true(otlp_items_find(otlp_event_attributes(&event), "b", &value));
    assert_true(value.flag);
    assert_false(otlp_event_next(&events, &event));

    struct otlp_link link;
    struct otlp_items links = otlp_span_links(span);
    assert_true(otlp_link_next(&links, &link));
    assert_true(bytes_equal_text(link.trace, "odd"));
    assert_int_equal(link.flags, 257);
    assert_true(otlp_items_find(otlp_link_attributes(&link), "l", &value));
    assert_false(otlp_link_next(&links, &link));

    buf_reset(&f->out);
    assert_true(otlp_items_find(otlp_span_attributes(span), "deep", &value));
    EXPECT_OK(otlp_value_plain_json(&value, &f->out));
    assert_true(bytes_equal_text(buf_bytes(&f->out), "[[\"x\"]]"));
}

static void test_a_value_as_plain_json(void **state)
{
    struct fixture *f = *state;
    struct make map;
    make_init(&map);
    make_attribute_int(&map, 1, "big", INT64_C(9007199254740993));
    make_attribute_int(&map, 1, "small", 5);
    make_attribute_bytes(&map, 1, bytes_of_text("q\""), bytes_of_text("\n"));
    make_open(&map, 1);
    make_text(&map, 1, "empty");
    make_open(&map, 2);
    make_close(&map);
    make_close(&map);
    make_attribute_bool(&map, 1, "b", false);
    struct otlp_value value = {.kind = OTLP_VALUE_MAP, .text = make_bytes(&map)};
    EXPECT_OK(otlp_value_plain_json(&value, &f->out));
    assert_true(bytes_equal_text(
        buf_bytes(&f->out),
        "{\"big\":\"9007199254740993\",\"small\":5,\"q\\\"\":\"\\n\",\"empty\":null,\"b\":false}"));
    make_fini(&map);
    buf_reset(&f->out);
    EXPECT_OK(otlp_value_plain_json(
        &(struct otlp_value){.kind = OTLP_VALUE_BYTES, .text = bytes_of("\0\1", 2)}, &f->out));
    assert_true(bytes_equal_text(buf_bytes(&f->out), "\"AAE=\""));
    buf_reset(&f->out);
    EXPECT_OK(otlp_value_plain_json(&(struct otlp_value){.kind = OTLP_VALUE_DOUBLE, .number = 0.5},
                                    &f->out));
    assert_true(bytes_equal_text(buf_bytes(&f->out), "0.5"));
}

static void test_messages_in_parts_are_shown_merged(void **state)
{
    struct fixture *f = *state;
    make_open(&f->one, 1);
    make_open(&f->one, 1);
    make_attribute(&f->one, 1, "a", "1");
    make_close(&f->one);
    make_open(&f->one, 2);
    make_open(&f->one, 1);
    make_text(&f->one, 1, "scope");
    make_close(&f->one);
    make_span(&f->one, 1, 1, "n");
    make_open(&f->one, 15);
    make_text(&f->one, 2, "m");
    make_close(&f->one);
    make_open(&f->one, 15);
    wire_put_u64(&f->one.out, 3, 1);
    make_close(&f->one);
    make_close(&f->one);
    make_open(&f->one, 1);
    make_text(&f->one, 2, "v");
    make_close(&f->one);
    make_close(&f->one);
    make_open(&f->one, 1);
    make_attribute(&f->one, 1, "service.name", "late");
    make_close(&f->one);
    make_close(&f->one);
    EXPECT_OK(open_both(f));
    assert_string_equal(
        json(f),
        "{\"resourceSpans\":[{\"resource\":{\"attributes\":[{\"key\":\"a\",\"value\":{"
        "\"stringValue\":"
        "\"1\"}},{\"key\":\"service.name\",\"value\":{\"stringValue\":\"late\"}}]},\"scopeSpans\":["
        "{"
        "\"scope\":{\"name\":\"scope\",\"version\":\"v\"},\"spans\":[{\"traceId\":"
        "\"00000000000000000000000000000001\",\"spanId\":\"0000000000000001\",\"name\":\"n\","
        "\"startTimeUnixNano\":\"1001\",\"endTimeUnixNano\":\"2001\",\"status\":{\"message\":\"m\","
        "\"code\":1}}]}]}]}");
    assert_true(bytes_equal_text(f->view.resources[0].service, "late"));
    assert_true(bytes_equal_text(f->view.scopes[0].version, "v"));
}

static void test_unknown_fields_stay_in_protobuf_and_out_of_json(void **state)
{
    struct fixture *f = *state;
    make_frame(&f->one, "svc", "s");
    make_span(&f->one, 1, 1, "n");
    wire_put_u64(&f->one.out, 99, 5);
    make_close(&f->one);
    wire_put_u64(&f->one.out, 98, 6);
    make_close(&f->one);
    make_close(&f->one);
    EXPECT_OK(open_both(f));
    view_protobuf(&f->view, &f->out);
    struct bytes scope_field = bytes_of("\x90\x06\x06", 3);
    assert_non_null(memmem(buf_bytes(&f->out).ptr, buf_bytes(&f->out).len, scope_field.ptr, 3));
    assert_null(strstr(json(f), "99"));
}

/* The texts of the span, the event, nested values, the scope and the resource; bytes values are left alone. */
static void test_texts_that_are_no_utf8_are_mended_in_protobuf(void **state)
{
    struct fixture *f = *state;
    static const char odd[] = "a\xED\xA0\xBD"
                              "b\xFF\xC3";
    static const char mended[] = "a\xEF\xBF\xBD"
                                 "b??";
    for (unsigned wanted = 0; wanted < 2; wanted++) {
        struct make *make = wanted == 0 ? &f->one : &f->two;
        const char *text = wanted == 0 ? odd : mended;
        make_frame(make, text, text);
        make_span(make, 1, 1, text);
        make_attribute(make, 9, text, text);
        make_open(make, 9);
        make_open(make, 2);
        wire_put_bytes(&make->out, 7, bytes_of_text(odd));
        make_close(make);
        make_close(make);
        make_open(make, 9);
        make_open(make, 2);
        make_open(make, 6);
        make_attribute(make, 1, text, "");
        make_close(make);
        make_close(make);
        make_close(make);
        make_open(make, 11);
        make_text(make, 2, text);
        make_close(make);
        make_close(make);
        frames_close(make);
    }
    struct bytes raw = make_bytes(&f->one);
    EXPECT_OK(view_open(&raw, 1, &f->arena, &f->view));
    view_protobuf(&f->view, &f->out);
    assert_true(bytes_equal(buf_bytes(&f->out), make_bytes(&f->two)));
}

static void test_of_ids_given_twice_the_last_counts(void **state)
{
    struct fixture *f = *state;
    make_frame(&f->one, "svc", "s");
    make_open(&f->one, 2);
    make_text(&f->one, 1, "wrong length");
    make_text(&f->one, 2, "");
    make_text(&f->one, 4, "wrong");
    make_text(&f->one, 1, "1234567890123456");
    make_text(&f->one, 2, "12345678");
    make_text(&f->one, 4, "abcdefgh");
    make_close(&f->one);
    frames_close(&f->one);
    EXPECT_OK(open_both(f));
    assert_memory_equal(f->view.spans[0].id.b, "12345678", 8);
    assert_memory_equal(f->view.spans[0].parent.b, "abcdefgh", 8);
}

static void test_what_is_no_trace_is_malformed(void **state)
{
    struct fixture *f = *state;
    static const char *const bad[] = {"{}", "\x0A\x05x", "\x0A\x04\x12\x02\x12\x05",
                                      "\x0A\x06\x12\x04\x12\x02\x0A\x01",
                                      "\x0A\x06\x12\x04\x12\x02\x08\x01"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct bytes raw = bytes_of_text(bad[i]);
        err_t err = view_open(&raw, 1, &f->arena, &f->view);
        assert_true(err_is(err, ERR_MALFORMED) || err_is(err, ERR_TRUNCATED));
    }
}

static void numbered_spans(struct make *make, uint32_t count)
{
    make_frame(make, "svc", "s");
    for (uint32_t i = 1; i <= count; i++) {
        uint8_t id[16] = {1, 1, 1, 1, (uint8_t)(i >> 16), (uint8_t)(i >> 8), (uint8_t)i, 1};
        make_open(make, 2);
        wire_put_bytes(&make->out, 1, bytes_of(id, 16));
        wire_put_bytes(&make->out, 2, bytes_of(id, 8));
        make_close(make);
    }
    frames_close(make);
}

static void test_100000_spans_are_shown_and_one_more_refused(void **state)
{
    struct fixture *f = *state;
    arena_fini(&f->arena);
    arena_init(&f->arena, 256 << 20);
    numbered_spans(&f->one, LIMIT_DISPLAY_SPANS);
    EXPECT_OK(open_both(f));
    assert_int_equal(f->view.spans_count, LIMIT_DISPLAY_SPANS);
    make_reset(&f->one);
    numbered_spans(&f->one, LIMIT_DISPLAY_SPANS + 1);
    arena_reset(&f->arena);
    EXPECT_ERR(open_both(f), TOO_MANY);
}

static void open_and_write(void *context)
{
    struct fixture *f = context;
    struct arena arena;
    struct buf out;
    struct view view;
    struct bytes raws[] = {make_bytes(&f->one), make_bytes(&f->two)};
    arena_init(&arena, 1 << 20);
    buf_init(&out, 1 << 20);
    if (err_is_ok(view_open(raws, 2, &arena, &view))) {
        err_t err = view_json(&view, &arena, &out);
        assert_true(err_is_ok(err) || err_is(err, ERR_MEMORY) || err_is(err, ERR_NO_SPACE));
        view_protobuf(&view, &out);
    }
    buf_fini(&out);
    arena_fini(&arena);
}

static void test_failing_allocations_leave_nothing_behind(void **state)
{
    struct fixture *f = *state;
    snapshot(&f->one, 5, "a");
    snapshot(&f->two, 6, "b");
    assert_true(expect_survives_oom(open_and_write, f) > 3);
}

static void test_texts_that_are_no_utf8_are_written_readably(void **state)
{
    struct fixture *f = *state;
    static const struct {
        const char *octets;
        size_t len;
        const char *json;
    } cases[] = {
        {"a\0b", 3, "\"a\\u0000b\""},
        {"\x7F", 1, "\"\x7F\""},
        {"\xFF", 1, "\"\xEF\xBF\xBD\""},
        {"\xC3", 1, "\"\xEF\xBF\xBD\""},
        {"\xED\xA0\xBD", 3, "\"\\ud83d\""},
        {"\xED\xBF\xBF", 3, "\"\\udfff\""},
        {"\xED\xA0", 2, "\"\xEF\xBF\xBD\xEF\xBF\xBD\""},
        {"\xF0\x9F\x98\x80", 4, "\"\xF0\x9F\x98\x80\""},
        {"\xF0\x9F\x98", 3, "\"\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\""},
        {"\xC0\x80", 2, "\"\xEF\xBF\xBD\xEF\xBF\xBD\""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        buf_reset(&f->out);
        jsontext_add(&f->out, bytes_of(cases[i].octets, cases[i].len));
        assert_true(bytes_equal_text(buf_bytes(&f->out), cases[i].json));
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_nothing_is_an_empty_trace),
        TEST(test_segments_merge_under_equal_resources_and_scopes),
        TEST(test_of_a_span_sent_twice_the_later_end_wins_then_the_greater_bytes),
        TEST(test_a_span_is_decoded),
        TEST(test_a_value_as_plain_json),
        TEST(test_messages_in_parts_are_shown_merged),
        TEST(test_unknown_fields_stay_in_protobuf_and_out_of_json),
        TEST(test_texts_that_are_no_utf8_are_mended_in_protobuf),
        TEST(test_of_ids_given_twice_the_last_counts),
        TEST(test_what_is_no_trace_is_malformed),
        TEST(test_100000_spans_are_shown_and_one_more_refused),
        TEST(test_failing_allocations_leave_nothing_behind),
        TEST(test_texts_that_are_no_utf8_are_written_readably),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
