#include "tests/unit/expect.h"

#include <stdio.h>
#include <stdlib.h>

#include "proto/base/limits.h"
#include "proto/otlp/json.h"
#include "proto/otlp/view.h"
#include "tests/unit/otlp/make.h"

/* Every test converts JSON to protobuf and shows that as JSON again: two independent walkers over the same
 * bytes, so that the pair tells what was kept. */

enum { OUT_MAX = 64 << 20, ARENA_MAX = 64 << 20 };

struct fixture {
    struct buf protobuf;
    struct buf json;
    struct arena arena;
    struct detail detail;
    struct json_rejected rejected;
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    buf_init(&f->protobuf, OUT_MAX);
    buf_init(&f->json, OUT_MAX);
    arena_init(&f->arena, ARENA_MAX);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    buf_fini(&f->protobuf);
    buf_fini(&f->json);
    arena_fini(&f->arena);
    free(f);
    return 0;
}

static err_t convert(struct fixture *f, const char *json)
{
    buf_reset(&f->protobuf);
    f->detail.text[0] = '\0';
    return json_to_protobuf(bytes_of_text(json), &f->protobuf, &f->detail, &f->rejected);
}

/* What comes back, as text. */
static const char *shown(struct fixture *f)
{
    struct view view;
    struct bytes raw = buf_bytes(&f->protobuf);
    buf_reset(&f->json);
    arena_reset(&f->arena);
    EXPECT_OK(view_open(&raw, 1, &f->arena, &view));
    EXPECT_OK(view_json(&view, &f->arena, &f->json));
    buf_add_u8(&f->json, '\0');
    return (const char *)buf_bytes(&f->json).ptr;
}

#define IDS   "\"traceId\":\"0102030405060708090a0b0c0d0e0f10\",\"spanId\":\"0102030405060708\""
#define BEGIN "{\"resourceSpans\":[{\"scopeSpans\":[{\"spans\":["
#define END   "]}]}]}"

static void check(struct fixture *f, const char *in, const char *wanted)
{
    char json[1024];
    char full[1024];
    (void)snprintf(json, sizeof json, BEGIN "{" IDS "%s%s}" END, in[0] == '\0' ? "" : ",", in);
    (void)snprintf(full, sizeof full, BEGIN "{" IDS "%s%s}" END, wanted[0] == '\0' ? "" : ",",
                   wanted);
    err_t err = convert(f, json);
    if (!err_is_ok(err)) {
        fail_msg("%s: %s", in, f->detail.text);
    }
    if (f->rejected.spans_count != 0) {
        fail_msg("%s: rejected, %s", in, f->rejected.first.text);
    }
    assert_string_equal(shown(f), full);
}

static const struct {
    const char *in;
    const char *out;
} kept[] = {
    {"", ""},
    {"\"name\":\"x\"", "\"name\":\"x\""},
    {"\"name\":\"\"", "\"name\":\"\""},
    {"\"name\":null", ""},
    {"\"unknown\":{\"deep\":[1,{}]},\"name\":\"x\"", "\"name\":\"x\""},
    {"\"start_time_unix_nano\":\"5\"", ""},
    {"\"n\\u0061me\":\"x\"", "\"name\":\"x\""},
    {"\"name\":\"a\",\"name\":\"b\"", "\"name\":\"b\""},
    {"\"parentSpanId\":\"ABCDEF0102030405\"", "\"parentSpanId\":\"abcdef0102030405\""},
    {"\"parentSpanId\":\"\"", "\"parentSpanId\":\"\""},
    {"\"kind\":3", "\"kind\":3"},
    {"\"kind\":\"3\"", "\"kind\":3"},
    {"\"kind\":99", "\"kind\":99"},
    {"\"kind\":-1", "\"kind\":-1"},
    {"\"startTimeUnixNano\":\"1544712660000000000\"",
     "\"startTimeUnixNano\":\"1544712660000000000\""},
    {"\"startTimeUnixNano\":1544712660000000000", "\"startTimeUnixNano\":\"1544712660000000000\""},
    {"\"startTimeUnixNano\":1.5e3", "\"startTimeUnixNano\":\"1500\""},
    {"\"startTimeUnixNano\":\"1e18\"", "\"startTimeUnixNano\":\"1000000000000000000\""},
    {"\"startTimeUnixNano\":\"18446744073709551615\"",
     "\"startTimeUnixNano\":\"18446744073709551615\""},
    {"\"startTimeUnixNano\":\"-1000\"", "\"startTimeUnixNano\":\"18446744073709550616\""},
    {"\"startTimeUnixNano\":12.75", "\"startTimeUnixNano\":\"12\""},
    {"\"endTimeUnixNano\":0", "\"endTimeUnixNano\":\"0\""},
    {"\"flags\":257", "\"flags\":257"},
    {"\"flags\":\"769\"", "\"flags\":769"},
    {"\"droppedAttributesCount\":0,\"droppedEventsCount\":5000000000",
     "\"droppedAttributesCount\":0,\"droppedEventsCount\":4294967295"},
    {"\"droppedLinksCount\":-1", "\"droppedLinksCount\":0"},
    {"\"status\":{\"code\":2,\"message\":\"bad\"}", "\"status\":{\"message\":\"bad\",\"code\":2}"},
    {"\"status\":{}", "\"status\":{}"},
    {"\"events\":[{\"timeUnixNano\":\"5\",\"name\":\"e\",\"attributes\":[]}]",
     "\"events\":[{\"timeUnixNano\":\"5\",\"name\":\"e\"}]"},
    {"\"links\":[{\"traceId\":\"00000000000000000000000000000000\",\"spanId\":\"0000000000000000\"}"
     "]",
     "\"links\":[{\"traceId\":\"00000000000000000000000000000000\",\"spanId\":\"0000000000000000\"}"
     "]"},
    {"\"links\":[{\"traceId\":\"ABcd\",\"spanId\":\"no hex\"}]",
     "\"links\":[{\"traceId\":\"abcd\"}]"},
    {"\"attributes\":null,\"events\":[null],\"links\":[]", "\"events\":[{}]"},
};

static void test_spans_come_back_as_they_were_sent(void **state)
{
    for (size_t i = 0; i < sizeof kept / sizeof *kept; i++) {
        if (strstr(kept[i].in, "[null]") == NULL) {
            check(*state, kept[i].in, kept[i].out);
        }
    }
}

static const struct {
    const char *in; /* of an AnyValue */
    const char *out;
} values[] = {
    {"{}", "{}"},
    {"null", NULL},
    {"{\"stringValue\":\"x\"}", NULL},
    {"{\"stringValue\":\"\"}", NULL},
    {"{\"stringValue\":\"a\\u0000b\"}", NULL},
    {"{\"stringValue\":\"\\ud83d\"}", NULL},
    {"{\"stringValue\":\"x\\ude00y\"}", NULL},
    {"{\"stringValue\":\"\\ud83d\\ude00\"}", "{\"stringValue\":\"\xF0\x9F\x98\x80\"}"},
    {"{\"stringValue\":\"\\\"\\\\\\n\\t\\r\\u001f\"}", NULL},
    {"{\"stringValue\":null}", "{}"},
    {"{\"boolValue\":true}", NULL},
    {"{\"boolValue\":false}", NULL},
    {"{\"intValue\":\"5\"}", NULL},
    {"{\"intValue\":5}", "{\"intValue\":\"5\"}"},
    {"{\"intValue\":-5}", "{\"intValue\":\"-5\"}"},
    {"{\"intValue\":\"9223372036854775807\"}", NULL},
    {"{\"intValue\":\"-9223372036854775808\"}", NULL},
    {"{\"intValue\":9223372036854775807}", "{\"intValue\":\"9223372036854775807\"}"},
    {"{\"intValue\":9223372036854776000}", "{\"doubleValue\":9.223372036854776e+18}"},
    {"{\"intValue\":1e21}", "{\"doubleValue\":1e+21}"},
    {"{\"intValue\":1e+300}", "{\"doubleValue\":1e+300}"},
    {"{\"intValue\":-1e400}", "{\"doubleValue\":\"-Infinity\"}"},
    {"{\"intValue\":1e3}", "{\"intValue\":\"1000\"}"},
    {"{\"intValue\":1.5}", "{\"doubleValue\":1.5}"},
    {"{\"intValue\":5.0}", "{\"intValue\":\"5\"}"},
    {"{\"doubleValue\":1.5}", NULL},
    {"{\"doubleValue\":0.1}", NULL},
    {"{\"doubleValue\":-0}", NULL},
    {"{\"doubleValue\":3}", NULL},
    {"{\"doubleValue\":\"2.5\"}", "{\"doubleValue\":2.5}"},
    {"{\"doubleValue\":1.7976931348623157e+308}", NULL},
    {"{\"doubleValue\":5e-324}", "{\"doubleValue\":4.94065645841247e-324}"},
    {"{\"doubleValue\":\"NaN\"}", NULL},
    {"{\"doubleValue\":\"Infinity\"}", NULL},
    {"{\"doubleValue\":\"-Infinity\"}", NULL},
    {"{\"doubleValue\":null}", "{\"doubleValue\":\"NaN\"}"},
    {"{\"bytesValue\":\"\"}", NULL},
    {"{\"bytesValue\":\"AAEC\"}", NULL},
    {"{\"bytesValue\":\"AAE=\"}", NULL},
    {"{\"bytesValue\":\"AA==\"}", NULL},
    {"{\"bytesValue\":\"_-8\"}", "{\"bytesValue\":\"/+8=\"}"},
    {"{\"arrayValue\":{}}", NULL},
    {"{\"arrayValue\":{\"values\":[]}}", "{\"arrayValue\":{}}"},
    {"{\"arrayValue\":{\"values\":[{\"intValue\":\"1\"},{},{\"stringValue\":\"x\"},null]}}",
     "{\"arrayValue\":{\"values\":[{\"intValue\":\"1\"},{},{\"stringValue\":\"x\"},{}]}}"},
    {"{\"kvlistValue\":{\"values\":[{\"key\":\"\",\"value\":{\"boolValue\":true}},{\"key\":\"k\"}]}"
     "}",
     NULL},
    {"{\"kvlistValue\":{\"values\":[{\"value\":{\"stringValue\":\"v\"},\"key\":\"k\"}]}}",
     "{\"kvlistValue\":{\"values\":[{\"key\":\"k\",\"value\":{\"stringValue\":\"v\"}}]}}"},
    {"{\"stringValue\":\"a\",\"boolValue\":true}", "{\"boolValue\":true}"},
};

static void test_every_odd_value_is_kept(void **state)
{
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        char in[512];
        char out[512];
        bool is_null = strcmp(values[i].in, "null") == 0;
        (void)snprintf(in, sizeof in, "\"attributes\":[{\"key\":\"k\",\"value\":%s}]",
                       values[i].in);
        (void)snprintf(out, sizeof out, "\"attributes\":[{\"key\":\"k\"%s%s}]",
                       is_null ? "" : ",\"value\":",
                       is_null                 ? ""
                       : values[i].out == NULL ? values[i].in
                                               : values[i].out);
        check(*state, in, out);
    }
}

static void test_resource_and_scope_come_back(void **state)
{
    struct fixture *f = *state;
    static const char json[] = "{\"resourceSpans\":[{\"resource\":{\"attributes\":[{\"key\":\"a\","
                               "\"value\":{\"intValue\":\"1\"}}],"
                               "\"droppedAttributesCount\":2},\"schemaUrl\":\"u\",\"scopeSpans\":[{"
                               "\"scope\":{\"name\":\"n\","
                               "\"version\":\"v\"},\"schemaUrl\":\"s\",\"spans\":[{" IDS "}]}]}]}";
    EXPECT_OK(convert(f, json));
    assert_string_equal(shown(f), json);
}

static void test_an_extra_schema_url_inside_the_resource_is_ignored(void **state)
{
    struct fixture *f = *state;
    EXPECT_OK(convert(f,
                      "{\"resourceSpans\":[{\"resource\":{\"schemaUrl\":\"x\",\"attributes\":[]},"
                      "\"scopeSpans\":[]}]}"));
    EXPECT_OK(convert(f, "{}"));
    EXPECT_OK(convert(f, "{\"resourceSpans\":null}"));
    assert_int_equal(buf_bytes(&f->protobuf).len, 0);
}

static const struct {
    const char *in;
    const char *says;
} rejected_spans[] = {
    {"\"name\":5", "name must be a text"},
    {"\"name\":{\"a\":[1]}", "name must be a text"},
    {"\"kind\":\"SPAN_KIND_SERVER\"", "kind must be an integer"},
    {"\"kind\":1.5", "kind must be an integer"},
    {"\"kind\":5000000000", "kind must be an integer"},
    {"\"startTimeUnixNano\":\"now\"", "startTimeUnixNano must be an integer"},
    {"\"startTimeUnixNano\":\"\"", "startTimeUnixNano must be an integer"},
    {"\"startTimeUnixNano\":true", "startTimeUnixNano must be an integer"},
    {"\"startTimeUnixNano\":1e300", "outside the range"},
    {"\"startTimeUnixNano\":\"-9223372036854775809\"", "outside the range"},
    {"\"attributes\":{}", "attributes must be an array"},
    {"\"attributes\":[5]", "attributes must be an object"},
    {"\"attributes\":[{\"key\":\"k\",\"value\":5}]", "value must be an object"},
    {"\"attributes\":[{\"key\":\"k\",\"value\":{\"stringValue\":5}}]",
     "stringValue must be a text"},
    {"\"attributes\":[{\"key\":\"k\",\"value\":{\"boolValue\":\"true\"}}]",
     "must be true or false"},
    {"\"attributes\":[{\"key\":\"k\",\"value\":{\"intValue\":\"x\"}}]",
     "intValue must be an integer"},
    {"\"attributes\":[{\"key\":\"k\",\"value\":{\"doubleValue\":\"0x1\"}}]", "must be a number"},
    {"\"attributes\":[{\"key\":\"k\",\"value\":{\"bytesValue\":\"A\"}}]", "in base64"},
    {"\"attributes\":[{\"key\":\"k\",\"value\":{\"bytesValue\":\"A*==\"}}]", "in base64"},
    {"\"attributes\":[{\"key\":5}]", "key must be a text"},
    {"\"status\":5", "status must be an object"},
    {"\"events\":[{\"timeUnixNano\":[]}]", "timeUnixNano must be an integer"},
    {"\"traceId\":5", "traceId must be a text"},
};

static void test_a_wrong_type_costs_its_span_only(void **state)
{
    struct fixture *f = *state;
    for (size_t i = 0; i < sizeof rejected_spans / sizeof *rejected_spans; i++) {
        char json[1024];
        (void)snprintf(json, sizeof json,
                       BEGIN "{" IDS ",\"name\":\"before\"},{" IDS
                             ",%s,\"name\":\"x\",\"events\":[{}]},"
                             "{\"traceId\":\"0102030405060708090a0b0c0d0e0f10\","
                             "\"spanId\":\"0102030405060709\",\"name\":\"after\"}" END,
                       rejected_spans[i].in);
        EXPECT_OK(convert(f, json));
        assert_int_equal(f->rejected.spans_count, 1);
        if (strstr(f->rejected.first.text, rejected_spans[i].says) == NULL) {
            fail_msg("%s: %s", rejected_spans[i].in, f->rejected.first.text);
        }
        assert_string_equal(shown(f),
                            BEGIN "{" IDS ",\"name\":\"before\"},"
                                  "{\"traceId\":\"0102030405060708090a0b0c0d0e0f10\","
                                  "\"spanId\":\"0102030405060709\",\"name\":\"after\"}" END);
    }
    EXPECT_OK(convert(f, BEGIN "5,[{}],{" IDS "}" END));
    assert_int_equal(f->rejected.spans_count, 2);
}

static void test_ids_that_are_no_hex_are_left_to_the_scan(void **state)
{
    struct fixture *f = *state;
    static const char *const bad[] = {"zz", "abc", "W47/95gDgQPSabYzgT/GDA==", "zzzzzzzzzzzzzzzz"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char json[256];
        struct make wanted;
        const uint8_t zero[1] = {0};
        (void)snprintf(json, sizeof json, BEGIN "{\"parentSpanId\":\"%s\"}" END, bad[i]);
        EXPECT_OK(convert(f, json));
        make_init(&wanted);
        wire_put_bytes(&wanted.out, 4, bytes_of(zero, 1));
        struct bytes have = buf_bytes(&f->protobuf);
        struct bytes tail = make_bytes(&wanted);
        assert_memory_equal(have.ptr + have.len - tail.len, tail.ptr, tail.len);
        make_fini(&wanted);
    }
}

static const struct {
    const char *json;
    enum err_code code;
    const char *says;
} refused[] = {
    {"", ERR_TRUNCATED, "not valid JSON"},
    {"[]", ERR_MALFORMED, "the body must be an object"},
    {"null", ERR_MALFORMED, "the body must be an object"},
    {"{\"resourceSpans\":{}}", ERR_MALFORMED, "resourceSpans must be an array"},
    {"{\"resourceSpans\":[5]}", ERR_MALFORMED, "resourceSpans must be an object"},
    {"{\"resourceSpans\":[{\"resource\":{\"attributes\":[{\"key\":1}]}}]}", ERR_MALFORMED,
     "key must be a text"},
    {"{\"resourceSpans\":[{\"scopeSpans\":[{\"scope\":{\"name\":1}}]}]}", ERR_MALFORMED,
     "name must be a text"},
    {"{\"resourceSpans\":[]} x", ERR_MALFORMED, "nothing more"},
    {"{\"resourceSpans\":[{\"scopeSpans\":[{\"spans\":[{\"name\":\"", ERR_TRUNCATED,
     "closing quote"},
    {"{\"resourceSpans\":[{\"scopeSpans\":[{\"spans\":[{\"name\":5,", ERR_TRUNCATED,
     "key in quotes"},
    {"{\"resourceSpans\":[{\"scopeSpans\":[{\"spans\":[{\"name\":\"\xFF\"}]}]}]}", ERR_NOT_UTF8,
     "UTF-8 at line 1, column 53 (octet 52)"},
};

static void test_a_broken_body_is_refused_with_the_place(void **state)
{
    struct fixture *f = *state;
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        err_t err = convert(f, refused[i].json);
        if (err.code != refused[i].code || strstr(f->detail.text, refused[i].says) == NULL) {
            fail_msg("%s: %s, %s", refused[i].json, err_name(err), f->detail.text);
        }
    }
}

/* An attribute value of `depth` AnyValues. */
static char *deep_json(unsigned depth, bool is_closed)
{
    struct buf out;
    size_t len = 0;
    buf_init(&out, OUT_MAX);
    buf_add_text(&out, BEGIN "{" IDS ",\"attributes\":[{\"key\":\"k\",\"value\":");
    for (unsigned i = 1; i < depth; i++) {
        buf_add_text(&out, "{\"arrayValue\":{\"values\":[");
    }
    buf_add_text(&out, "{}");
    for (unsigned i = 1; i < depth && is_closed; i++) {
        buf_add_text(&out, "]}}");
    }
    buf_add_text(&out, is_closed ? "}]},{" IDS "}" END : "");
    buf_add_u8(&out, '\0');
    return (char *)buf_take(&out, &len);
}

static void test_depth_costs_a_span_and_an_attack_the_body(void **state)
{
    struct fixture *f = *state;
    char *fits = deep_json(LIMIT_ANYVALUE_DEPTH, true);
    char *deep = deep_json(LIMIT_ANYVALUE_DEPTH + 1, true);
    char *attack = deep_json(5000, false);
    EXPECT_OK(convert(f, fits));
    assert_int_equal(f->rejected.spans_count, 0);
    EXPECT_OK(convert(f, deep));
    assert_int_equal(f->rejected.spans_count, 1);
    assert_non_null(strstr(f->rejected.first.text, "nested more than 32"));
    EXPECT_ERR(convert(f, attack), TOO_DEEP);
    mem_free(fits);
    mem_free(deep);
    mem_free(attack);
}

static void test_every_prefix_and_flip_is_survived(void **state)
{
    struct fixture *f = *state;
    static const char json[] = BEGIN
        "{" IDS
        ",\"attributes\":[{\"key\":\"k\",\"value\":{\"arrayValue\":{\"values\":[{\"intValue\":"
        "\"12\"},{\"doubleValue\":null},{\"bytesValue\":\"AAE=\"}]}}}],\"status\":{\"code\":1},"
        "\"name\":\"\\ud83d\\u00e9\xC3\xA9\"}" END;
    for (size_t len = 0; len <= sizeof json - 1; len++) {
        char *copy = malloc(len + 1);
        assert_non_null(copy);
        memcpy(copy, json, len);
        buf_reset(&f->protobuf);
        err_t err = json_to_protobuf(bytes_of(copy, len), &f->protobuf, &f->detail, &f->rejected);
        assert_true(err_is_ok(err) == (len == sizeof json - 1));
        for (unsigned bit = 0; bit < 8 && len > 0; bit++) {
            memcpy(copy, json, len);
            copy[len / 2] = (char)(copy[len / 2] ^ (1 << bit));
            buf_reset(&f->protobuf);
            err = json_to_protobuf(bytes_of(copy, len), &f->protobuf, &f->detail, &f->rejected);
            assert_true(err_is_ok(err) || err_class(err) != ERR_CLASS_INTERNAL);
        }
        free(copy);
    }
}

static void convert_once(void *context)
{
    static const char json[] =
        BEGIN "{" IDS ",\"name\":\"\\u00e9\",\"attributes\":[{\"key\":\"k\",\"value\":"
              "{\"intValue\":\"5\"}}]}" END;
    struct buf out;
    struct detail detail;
    struct json_rejected rejected;
    buf_init(&out, OUT_MAX);
    err_t err = json_to_protobuf(bytes_of_text(json), &out, &detail, &rejected);
    assert_true(err_is_ok(err) || err_is(err, ERR_MEMORY));
    buf_fini(&out);
    (void)context;
}

static void test_failing_allocations_leave_nothing_behind(void **state)
{
    assert_true(expect_survives_oom(convert_once, *state) > 1);
}

static void test_a_full_output_is_a_clean_refusal(void **state)
{
    struct fixture *f = *state;
    struct buf small;
    buf_init(&small, 20);
    EXPECT_ERR(
        json_to_protobuf(bytes_of_text(BEGIN "{" IDS "}" END), &small, &f->detail, &f->rejected),
        TOO_LARGE);
    buf_fini(&small);
}

static void test_long_messages_have_right_lengths(void **state)
{
    struct fixture *f = *state;
    static const size_t sizes[] = {126, 127, 128, 129, 16382, 16383, 16384, 300000};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        struct buf json;
        buf_init(&json, OUT_MAX);
        buf_add_text(&json, BEGIN "{" IDS ",\"name\":\"\\u0041");
        for (size_t n = 1; n < sizes[i]; n++) {
            buf_add_u8(&json, 'A');
        }
        buf_add_text(&json, "\"}" END);
        buf_add_u8(&json, '\0');
        const char *text = (const char *)buf_bytes(&json).ptr;
        EXPECT_OK(convert(f, text));
        const char *back = strstr(shown(f), "\"name\":\"");
        assert_non_null(back);
        assert_int_equal(strspn(back + strlen("\"name\":\""), "A"), sizes[i]);
        buf_fini(&json);
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_spans_come_back_as_they_were_sent),
        TEST(test_every_odd_value_is_kept),
        TEST(test_resource_and_scope_come_back),
        TEST(test_an_extra_schema_url_inside_the_resource_is_ignored),
        TEST(test_a_wrong_type_costs_its_span_only),
        TEST(test_ids_that_are_no_hex_are_left_to_the_scan),
        TEST(test_a_broken_body_is_refused_with_the_place),
        TEST(test_depth_costs_a_span_and_an_attack_the_body),
        TEST(test_every_prefix_and_flip_is_survived),
        TEST(test_failing_allocations_leave_nothing_behind),
        TEST(test_a_full_output_is_a_clean_refusal),
        TEST(test_long_messages_have_right_lengths),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
