/* Random exports, most of them damaged, read by the scan and by generated code: the same bodies refused, the same spans
 * refused, the same spans accepted with the same ids, times and status. CALLTRACE_ROUNDS says how many, CALLTRACE_SEED from
 * which seed; a failure prints its own.
 *
 * Generated code is not the measure in two things, for which `look` looks. It lets through field numbers that no message may
 * have, 0 and those beyond 2^29 - 1, and takes octets of any wire type for a boolean: refused. And it fails to merge two
 * empty AnyValues, which the encoding allows: messages with a single part that comes twice are counted, not compared. */
#include "tests/unit/expect.h"

#include <stdlib.h>

#include "proto/base/limits.h"
#include "proto/otlp/scan_parts.h"
#include "proto/otlp/trace.pb-c.h"
#include "tests/unit/otlp/frame.pb-c.h"
#include "tests/unit/otlp/random_export.h"

enum {
    ROUNDS = 20000,
    SPANS_MAX = 4096,
    DAMAGES = 4,
    ARENA_BYTES = 64 << 20,
    NUMBER_MAX = (1 << 29) - 1
};

typedef Opentelemetry__Proto__Trace__V1__Span Span;
typedef Opentelemetry__Proto__Common__V1__AnyValue Value;
typedef Opentelemetry__Proto__Common__V1__KeyValue KeyValue;

/* What generated code says of one message. */
struct told {
    bool is_refused;
    bool is_merged;
    size_t spans_count;
    size_t accepted_count;
    struct {
        uint8_t trace[16];
        uint8_t id[8];
        uint64_t start;
        uint64_t end;
        uint32_t status;
    } accepted[SPANS_MAX];
};

static struct told told;
static uint64_t merged_count;

/* --- where generated code is not the measure ------------------------------------------------------------------------- */

static uint64_t varint_take(struct bytes *octets)
{
    uint64_t value = 0;
    for (unsigned shift = 0; octets->len > 0; shift += 7) {
        uint8_t octet = *octets->ptr;
        *octets = bytes_of(octets->ptr + 1, octets->len - 1);
        value |= shift < 64 ? (uint64_t)(octet & 0x7F) << shift : 0;
        if (octet < 0x80) {
            break;
        }
    }
    return value;
}

/* The length of a field's content, whose head is taken. */
static uint64_t content_len(uint64_t tag, struct bytes *octets)
{
    switch (tag & 7) {
    case 0:
        (void)varint_take(octets);
        return 0;
    case 1:
        return 8;
    case 2:
        return varint_take(octets);
    default:
        return 4;
    }
}

/* Looks as far as the octets can be read. */
static void look(const ProtobufCMessageDescriptor *message, struct bytes octets, bool *is_lax,
                 bool *is_merged)
{
    uint64_t seen = 0;
    while (octets.len > 0) {
        uint64_t tag = varint_take(&octets);
        uint64_t number = tag >> 3;
        const ProtobufCFieldDescriptor *field =
            number > NUMBER_MAX
                ? NULL
                : protobuf_c_message_descriptor_get_field(message, (unsigned)number);
        uint64_t len = content_len(tag, &octets);
        if (len > octets.len) {
            return;
        }
        bool is_bool = field != NULL && field->type == PROTOBUF_C_TYPE_BOOL;
        bool is_message = field != NULL && field->type == PROTOBUF_C_TYPE_MESSAGE;
        *is_lax |= number == 0 || number > NUMBER_MAX || (is_bool && (tag & 7) != 0);
        if (is_message) {
            uint64_t bit = field->label == PROTOBUF_C_LABEL_REPEATED ? 0 : UINT64_C(1) << number;
            *is_merged |= (seen & bit) != 0;
            seen |= bit;
            look(field->descriptor, bytes_of(octets.ptr, (size_t)len), is_lax, is_merged);
        }
        octets = bytes_of(octets.ptr + len, octets.len - (size_t)len);
    }
}

/* NULL: refused. */
static ProtobufCMessage *unpack(const ProtobufCMessageDescriptor *message, size_t len,
                                const uint8_t *octets)
{
    ProtobufCMessage *read = protobuf_c_message_unpack(message, NULL, len, octets);
    bool is_lax = false;
    look(message, bytes_of(octets, len), &is_lax, &told.is_merged);
    if (read != NULL && is_lax) {
        protobuf_c_message_free_unpacked(read, NULL);
        read = NULL;
    }
    return read;
}

/* --- what generated code says ------------------------------------------------------------------------------------ */

static unsigned deeper(unsigned a, unsigned b)
{
    return a > b ? a : b;
}

/* How deep AnyValues lie in each other; generated code has no bound, damaged exports are too small to need one. */
static unsigned value_depth(const Value *value)
{
    unsigned depth = 0;
    if (value == NULL) {
        return 0;
    }
    if (value->value_case == OPENTELEMETRY__PROTO__COMMON__V1__ANY_VALUE__VALUE_ARRAY_VALUE) {
        for (size_t i = 0; i < value->array_value->n_values; i++) {
            depth = deeper(depth, value_depth(value->array_value->values[i]));
        }
    }
    if (value->value_case == OPENTELEMETRY__PROTO__COMMON__V1__ANY_VALUE__VALUE_KVLIST_VALUE) {
        for (size_t i = 0; i < value->kvlist_value->n_values; i++) {
            depth = deeper(depth, value_depth(value->kvlist_value->values[i]->value));
        }
    }
    return depth + 1;
}

static bool are_too_deep(size_t count, KeyValue *const *attributes)
{
    for (size_t i = 0; i < count; i++) {
        if (value_depth(attributes[i]->value) > LIMIT_ANYVALUE_DEPTH) {
            return true;
        }
    }
    return false;
}

static bool is_span_good(const Span *span)
{
    static const uint8_t zeros[16] = {0};
    bool is_deep = are_too_deep(span->n_attributes, span->attributes);
    for (size_t i = 0; i < span->n_events; i++) {
        is_deep |= are_too_deep(span->events[i]->n_attributes, span->events[i]->attributes);
    }
    for (size_t i = 0; i < span->n_links; i++) {
        is_deep |= are_too_deep(span->links[i]->n_attributes, span->links[i]->attributes);
    }
    return !is_deep && span->trace_id.len == 16 && memcmp(span->trace_id.data, zeros, 16) != 0 &&
           span->span_id.len == 8 && memcmp(span->span_id.data, zeros, 8) != 0 &&
           (span->parent_span_id.len == 0 || span->parent_span_id.len == 8);
}

static void span_tell(const ProtobufCBinaryData *raw)
{
    Span *span =
        (Span *)unpack(&opentelemetry__proto__trace__v1__span__descriptor, raw->len, raw->data);
    if (span != NULL && is_span_good(span)) {
        size_t n = told.accepted_count++;
        memcpy(told.accepted[n].trace, span->trace_id.data, 16);
        memcpy(told.accepted[n].id, span->span_id.data, 8);
        told.accepted[n].start = span->start_time_unix_nano;
        told.accepted[n].end = span->end_time_unix_nano;
        told.accepted[n].status = span->status == NULL ? 0 : (uint32_t)span->status->code;
    }
    if (span != NULL) {
        opentelemetry__proto__trace__v1__span__free_unpacked(span, NULL);
    }
}

static bool is_resource_good(const ProtobufCBinaryData *raw)
{
    Opentelemetry__Proto__Resource__V1__Resource *resource =
        (Opentelemetry__Proto__Resource__V1__Resource *)unpack(
            &opentelemetry__proto__resource__v1__resource__descriptor, raw->len, raw->data);
    bool is_good = resource != NULL && !are_too_deep(resource->n_attributes, resource->attributes);
    if (resource != NULL) {
        opentelemetry__proto__resource__v1__resource__free_unpacked(resource, NULL);
    }
    return is_good;
}

static bool is_scope_good(const ProtobufCBinaryData *raw)
{
    Opentelemetry__Proto__Common__V1__InstrumentationScope *scope =
        (Opentelemetry__Proto__Common__V1__InstrumentationScope *)unpack(
            &opentelemetry__proto__common__v1__instrumentation_scope__descriptor, raw->len,
            raw->data);
    bool is_good = scope != NULL && !are_too_deep(scope->n_attributes, scope->attributes);
    if (scope != NULL) {
        opentelemetry__proto__common__v1__instrumentation_scope__free_unpacked(scope, NULL);
    }
    return is_good;
}

static void resources_tell(const Frame__Resources *resources)
{
    bool is_good = true;
    for (size_t i = 0; i < resources->n_resource; i++) {
        is_good = is_good && is_resource_good(&resources->resource[i]);
    }
    for (size_t s = 0; s < resources->n_scopes; s++) {
        const Frame__Scopes *scopes = resources->scopes[s];
        bool is_scoped = is_good;
        for (size_t i = 0; i < scopes->n_scope; i++) {
            is_scoped = is_scoped && is_scope_good(&scopes->scope[i]);
        }
        told.spans_count += scopes->n_spans;
        for (size_t i = 0; is_scoped && i < scopes->n_spans; i++) {
            assert_true(told.accepted_count < SPANS_MAX);
            span_tell(&scopes->spans[i]);
        }
    }
}

static void tell(struct bytes octets)
{
    told.is_merged = false;
    Frame__Request *request =
        (Frame__Request *)unpack(&frame__request__descriptor, octets.len, octets.ptr);
    told.is_refused = request == NULL;
    told.spans_count = 0;
    told.accepted_count = 0;
    if (request != NULL) {
        for (size_t i = 0; i < request->n_resources; i++) {
            resources_tell(request->resources[i]);
        }
        frame__request__free_unpacked(request, NULL);
    }
}

/* --- the comparison ------------------------------------------------------------------------------------------------ */

static bool is_same(err_t err, const struct scan_result *result)
{
    if (told.is_refused || !err_is_ok(err)) {
        return told.is_refused == !err_is_ok(err);
    }
    bool is = result->spans_count == told.accepted_count &&
              result->rejected_count == told.spans_count - told.accepted_count;
    for (size_t i = 0; is && i < told.accepted_count; i++) {
        const struct scan_span *span = &result->spans[i];
        is = memcmp(result->traces[span->trace].id.b, told.accepted[i].trace, 16) == 0 &&
             memcmp(span->id.b, told.accepted[i].id, 8) == 0 &&
             (uint64_t)span->start == told.accepted[i].start &&
             (uint64_t)span->end == told.accepted[i].end && span->status == told.accepted[i].status;
    }
    return is;
}

static bool compare(uint64_t seed)
{
    struct random random = {.state = seed, .goes_deep = true};
    struct make make;
    struct arena arena;
    const struct scan_options options = {.project = {{1}}};
    struct scan_result result = {0};
    struct detail detail = {{0}};
    make_init(&make);
    arena_init(&arena, ARENA_BYTES);
    random_export(&random, &make);
    for (uint32_t i = random_below(&random, DAMAGES); i > 0; i--) {
        random_damage(&random, &make.out);
    }
    struct bytes octets = buf_bytes(&make.out);
    err_t err = scan_export(&options, octets, &arena, &detail, &result);
    tell(octets);
    merged_count += told.is_merged;
    bool is = told.is_merged || is_same(err, &result);
    if (!is) {
        print_error("seed %llu: generated %s %zu of %zu, scan %s %zu (%u rejected) %s\n",
                    (unsigned long long)seed, told.is_refused ? "refuses" : "accepts",
                    told.accepted_count, told.spans_count, err_name(err), result.spans_count,
                    result.rejected_count, detail.text);
    }
    arena_fini(&arena);
    make_fini(&make);
    return is;
}

static uint64_t number_of(const char *name, uint64_t otherwise)
{
    const char *text = getenv(name);
    return text == NULL ? otherwise : strtoull(text, NULL, 10);
}

static void test_scan_and_generated_code_refuse_and_accept_the_same(void **state)
{
    (void)state;
    uint64_t seed = number_of("CALLTRACE_SEED", 1);
    uint64_t rounds = number_of("CALLTRACE_ROUNDS", ROUNDS);
    uint64_t failed = 0;
    for (uint64_t round = 0; round < rounds; round++) {
        failed += !compare(seed + round);
    }
    print_message("%llu messages, %llu of them not compared\n", (unsigned long long)rounds,
                  (unsigned long long)merged_count);
    assert_int_equal(failed, 0);
    assert_true(merged_count < rounds / 50 + 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_scan_and_generated_code_refuse_and_accept_the_same),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
