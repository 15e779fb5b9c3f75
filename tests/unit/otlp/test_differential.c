#include "tests/unit/expect.h"

#include <stdio.h>
#include <stdlib.h>

#include "proto/base/limits.h"
#include "proto/otlp/json.h"
#include "proto/otlp/schema.h"
#include "proto/otlp/segment.h"
#include "proto/otlp/trace.pb-c.h"
#include "proto/otlp/trace_service.pb-c.h"
#include "proto/otlp/view.h"
#include "tests/unit/otlp/random_export.h"

/* Random exports, read once by our scan and once by generated code; what comes out of segments and views
 * must be what generated code saw going in. A failure prints its seed. */

typedef Opentelemetry__Proto__Trace__V1__TracesData Traces;
typedef Opentelemetry__Proto__Trace__V1__Span Span;

enum { ROUNDS = 400, SPANS_MAX = 256, OUT_MAX = 8 << 20 };

/* --- what generated code says ------------------------------------------------------------------------------------ */

/* A span with where it stands, as canonical octets. */
struct line {
    uint8_t *octets;
    size_t len;
    int64_t end;
    uint8_t id[8];
};

struct lines {
    struct line line[SPANS_MAX];
    size_t count;
};

static bool is_good(const Span *span)
{
    static const uint8_t zeros[16] = {0};
    return span->trace_id.len == 16 && memcmp(span->trace_id.data, zeros, 16) != 0 &&
           span->span_id.len == 8 && memcmp(span->span_id.data, zeros, 8) != 0 &&
           (span->parent_span_id.len == 0 || span->parent_span_id.len == 8);
}

static void line_add(struct lines *lines,
                     const Opentelemetry__Proto__Trace__V1__ResourceSpans *around,
                     const Opentelemetry__Proto__Trace__V1__ScopeSpans *scope, const Span *span)
{
    size_t resource =
        around->resource == NULL ? 0 : protobuf_c_message_get_packed_size(&around->resource->base);
    size_t scoped =
        scope->scope == NULL ? 0 : protobuf_c_message_get_packed_size(&scope->scope->base);
    size_t size = protobuf_c_message_get_packed_size(&span->base);
    struct line *line = &lines->line[lines->count++];
    assert_true(lines->count < SPANS_MAX);
    line->len = resource + scoped + size;
    line->octets = malloc(line->len + 1);
    assert_non_null(line->octets);
    if (around->resource != NULL) {
        (void)protobuf_c_message_pack(&around->resource->base, line->octets);
    }
    if (scope->scope != NULL) {
        (void)protobuf_c_message_pack(&scope->scope->base, line->octets + resource);
    }
    (void)protobuf_c_message_pack(&span->base, line->octets + resource + scoped);
    line->end = (int64_t)span->end_time_unix_nano;
    memcpy(line->id, span->span_id.data, 8);
}

static int line_compare(const void *a, const void *b)
{
    const struct line *x = a;
    const struct line *y = b;
    return bytes_compare(bytes_of(x->octets, x->len), bytes_of(y->octets, y->len));
}

/* Good spans of one trace, sorted; all of them for NULL. */
static void lines_read(struct bytes raw, const uint8_t *trace, struct lines *ret_lines)
{
    Traces *traces = opentelemetry__proto__trace__v1__traces_data__unpack(NULL, raw.len, raw.ptr);
    assert_non_null(traces);
    ret_lines->count = 0;
    for (size_t r = 0; r < traces->n_resource_spans; r++) {
        for (size_t s = 0; s < traces->resource_spans[r]->n_scope_spans; s++) {
            for (size_t i = 0; i < traces->resource_spans[r]->scope_spans[s]->n_spans; i++) {
                const Span *span = traces->resource_spans[r]->scope_spans[s]->spans[i];
                if (is_good(span) &&
                    (trace == NULL || memcmp(span->trace_id.data, trace, 16) == 0)) {
                    line_add(ret_lines, traces->resource_spans[r],
                             traces->resource_spans[r]->scope_spans[s], span);
                }
            }
        }
    }
    qsort(ret_lines->line, ret_lines->count, sizeof *ret_lines->line, line_compare);
    opentelemetry__proto__trace__v1__traces_data__free_unpacked(traces, NULL);
}

static void lines_free(struct lines *lines)
{
    for (size_t i = 0; i < lines->count; i++) {
        free(lines->line[i].octets);
    }
}

static void lines_equal(const struct lines *a, const struct lines *b)
{
    assert_int_equal(a->count, b->count);
    for (size_t i = 0; i < a->count; i++) {
        assert_int_equal(line_compare(&a->line[i], &b->line[i]), 0);
    }
}

/* How many distinct span ids, and whether each span shown is one with the latest end among its copies. */
static void view_is_right(const struct lines *in, const struct lines *shown)
{
    for (size_t i = 0; i < shown->count; i++) {
        bool is_known = false;
        for (size_t n = 0; n < in->count; n++) {
            if (memcmp(in->line[n].id, shown->line[i].id, 8) == 0) {
                assert_true(in->line[n].end <= shown->line[i].end);
                is_known = is_known || line_compare(&in->line[n], &shown->line[i]) == 0;
            }
        }
        assert_true(is_known);
        for (size_t n = i + 1; n < shown->count; n++) {
            assert_memory_not_equal(shown->line[i].id, shown->line[n].id, 8);
        }
    }
    for (size_t n = 0; n < in->count; n++) {
        bool is_shown = false;
        for (size_t i = 0; i < shown->count && !is_shown; i++) {
            is_shown = memcmp(in->line[n].id, shown->line[i].id, 8) == 0;
        }
        assert_true(is_shown);
    }
}

/* --- the comparison ------------------------------------------------------------------------------------------------ */

static void check_trace(const struct bus_trace *trace, struct bytes request, struct arena *arena)
{
    struct lines wanted;
    struct lines have;
    struct bytes raw = {0};
    struct view view;
    struct buf out;
    struct buf json;
    struct detail detail;
    struct json_rejected rejected;
    buf_init(&out, OUT_MAX);
    buf_init(&json, OUT_MAX);
    EXPECT_OK(segment_inflate(trace->segment, trace->segment_raw_bytes, arena, &raw));
    lines_read(request, trace->id.b, &wanted);
    lines_read(raw, NULL, &have);
    lines_equal(&wanted, &have);
    assert_int_equal(trace->spans_count, wanted.count);
    lines_free(&have);

    EXPECT_OK(view_open(&raw, 1, arena, &view));
    view_protobuf(&view, &out);
    lines_read(buf_bytes(&out), NULL, &have);
    view_is_right(&wanted, &have);
    lines_free(&wanted);

    EXPECT_OK(view_json(&view, arena, &json));
    buf_reset(&out);
    err_t err = json_to_protobuf(buf_bytes(&json), &out, &detail, &rejected);
    if (!err_is_ok(err) || rejected.spans_count > 0) {
        fail_msg("%s %s: %.*s", detail.text, rejected.first.text, (int)buf_bytes(&json).len,
                 (const char *)buf_bytes(&json).ptr);
    }
    lines_read(buf_bytes(&out), NULL, &wanted);
    lines_equal(&wanted, &have);
    lines_free(&wanted);
    lines_free(&have);
    buf_fini(&out);
    buf_fini(&json);
}

static void check_seed(uint64_t seed)
{
    struct make make;
    struct arena arena;
    struct scan_options options = {.project = {{1}}};
    struct scan_result result;
    struct detail detail;
    struct lines all;
    struct random random = {.state = seed};
    make_init(&make);
    arena_init(&arena, LIMIT_SCAN_BYTES);
    random_export(&random, &make);
    struct bytes request = make_bytes(&make);
    EXPECT_OK(scan_export(&options, request, &arena, &detail, &result));
    lines_read(request, NULL, &all);
    assert_int_equal(all.count, result.spans_count);
    lines_free(&all);
    struct segment_builder *builder = segment_builder_new(SEGMENT_EFFORT_INGEST);
    assert_non_null(builder);
    for (size_t i = 0; i < result.traces_count; i++) {
        EXPECT_OK(segment_build(builder, &result, i, &arena));
        check_trace(&result.traces[i], request, &arena);
    }
    segment_builder_free(builder);
    arena_fini(&arena);
    make_fini(&make);
}

static void test_random_exports_come_back_as_generated_code_sees_them(void **state)
{
    (void)state;
    const char *from = getenv("CALLTRACE_SEED");
    uint64_t seed = from == NULL ? 1 : strtoull(from, NULL, 10);
    for (uint64_t round = 0; round < ROUNDS; round++) {
        print_message("seed %llu\r", (unsigned long long)(seed + round));
        check_seed(seed + round);
    }
}

/* --- schema.def against the .proto files ------------------------------------------------------------------------------ */

static void check_message(enum schema_message message, const ProtobufCMessageDescriptor *descriptor)
{
    unsigned known = 0;
    for (uint32_t number = 1; number <= SCHEMA_NUMBER_MAX; number++) {
        const struct schema_field *field = schema_field(message, number);
        const ProtobufCFieldDescriptor *wanted =
            protobuf_c_message_descriptor_get_field(descriptor, number);
        assert_int_equal(wanted != NULL, field->type != SCHEMA_TYPE_NONE);
        if (wanted == NULL) {
            continue;
        }
        static const int types[] = {[SCHEMA_TYPE_TEXT] = PROTOBUF_C_TYPE_STRING,
                                    [SCHEMA_TYPE_BYTES] = PROTOBUF_C_TYPE_BYTES,
                                    [SCHEMA_TYPE_ID] = PROTOBUF_C_TYPE_BYTES,
                                    [SCHEMA_TYPE_BOOL] = PROTOBUF_C_TYPE_BOOL,
                                    [SCHEMA_TYPE_INT64] = PROTOBUF_C_TYPE_INT64,
                                    [SCHEMA_TYPE_UINT32] = PROTOBUF_C_TYPE_UINT32,
                                    [SCHEMA_TYPE_ENUM] = PROTOBUF_C_TYPE_ENUM,
                                    [SCHEMA_TYPE_DOUBLE] = PROTOBUF_C_TYPE_DOUBLE,
                                    [SCHEMA_TYPE_FIXED64] = PROTOBUF_C_TYPE_FIXED64,
                                    [SCHEMA_TYPE_FIXED32] = PROTOBUF_C_TYPE_FIXED32,
                                    [SCHEMA_TYPE_MESSAGE] = PROTOBUF_C_TYPE_MESSAGE};
        assert_int_equal(types[field->type], wanted->type);
        assert_int_equal(field->is_repeated, wanted->label == PROTOBUF_C_LABEL_REPEATED);
        known++;
        /* lowerCamelCase of the .proto's name */
        char camel[64] = {0};
        size_t len = 0;
        for (const char *c = wanted->name; *c != '\0'; c++) {
            if (*c == '_') {
                c++;
                camel[len++] = (char)(*c - 'a' + 'A');
            } else {
                camel[len++] = *c;
            }
        }
        assert_string_equal(field->json, camel);
        assert_int_equal(schema_number(message, bytes_of_text(camel)), number);
    }
    assert_int_equal(known, descriptor->n_fields);
}

static void test_the_schema_table_equals_the_proto_files(void **state)
{
    (void)state;
    check_message(SCHEMA_TRACES, &opentelemetry__proto__trace__v1__traces_data__descriptor);
    check_message(
        SCHEMA_TRACES,
        &opentelemetry__proto__collector__trace__v1__export_trace_service_request__descriptor);
    check_message(SCHEMA_RESOURCE_SPANS,
                  &opentelemetry__proto__trace__v1__resource_spans__descriptor);
    check_message(SCHEMA_RESOURCE, &opentelemetry__proto__resource__v1__resource__descriptor);
    check_message(SCHEMA_SCOPE_SPANS, &opentelemetry__proto__trace__v1__scope_spans__descriptor);
    check_message(SCHEMA_SCOPE,
                  &opentelemetry__proto__common__v1__instrumentation_scope__descriptor);
    check_message(SCHEMA_SPAN, &opentelemetry__proto__trace__v1__span__descriptor);
    check_message(SCHEMA_EVENT, &opentelemetry__proto__trace__v1__span__event__descriptor);
    check_message(SCHEMA_LINK, &opentelemetry__proto__trace__v1__span__link__descriptor);
    check_message(SCHEMA_STATUS, &opentelemetry__proto__trace__v1__status__descriptor);
    check_message(SCHEMA_KEY_VALUE, &opentelemetry__proto__common__v1__key_value__descriptor);
    check_message(SCHEMA_ANY_VALUE, &opentelemetry__proto__common__v1__any_value__descriptor);
    check_message(SCHEMA_ARRAY_VALUE, &opentelemetry__proto__common__v1__array_value__descriptor);
    check_message(SCHEMA_KEY_VALUES, &opentelemetry__proto__common__v1__key_value_list__descriptor);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random_exports_come_back_as_generated_code_sees_them),
        cmocka_unit_test(test_the_schema_table_equals_the_proto_files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
