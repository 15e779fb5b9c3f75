#include "proto/otlp/schema.h"

#include "proto/base/check.h"
#include "proto/base/limits.h"

#include "proto/base/banned.h"

enum {
    WIRE_OF_TEXT = WIRE_BYTES,
    WIRE_OF_BYTES = WIRE_BYTES,
    WIRE_OF_ID = WIRE_BYTES,
    WIRE_OF_MESSAGE = WIRE_BYTES,
    WIRE_OF_BOOL = WIRE_VARINT,
    WIRE_OF_INT64 = WIRE_VARINT,
    WIRE_OF_UINT32 = WIRE_VARINT,
    WIRE_OF_ENUM = WIRE_VARINT,
    WIRE_OF_DOUBLE = WIRE_FIXED64,
    WIRE_OF_FIXED64 = WIRE_FIXED64,
    WIRE_OF_FIXED32 = WIRE_FIXED32,
};

const struct schema_field schema_fields[SCHEMA_COUNT][SCHEMA_NUMBER_MAX + 1] = {
#define FIELD(message, number, name, kind, repeated, of)                  \
    [SCHEMA_##message][number] = {.type = SCHEMA_TYPE_##kind,             \
                                  .is_repeated = (repeated),              \
                                  .child = SCHEMA_##of,                   \
                                  .wire = (enum wire_type)WIRE_OF_##kind, \
                                  .json = (name),                         \
                                  .json_len = sizeof(name) - 1},
#include "proto/otlp/schema.def"
#undef FIELD
};

uint32_t schema_number(enum schema_message message, struct bytes json_name)
{
    for (uint32_t number = 1; number <= SCHEMA_NUMBER_MAX; number++) {
        const struct schema_field *field = &schema_fields[message][number];
        if (field->json_len == json_name.len && field->type != SCHEMA_TYPE_NONE &&
            memcmp(field->json, json_name.ptr, json_name.len) == 0) {
            return number;
        }
    }
    return 0;
}

struct frame {
    struct reader reader;
    enum schema_message message;
};

/* An AnyValue brings at most three messages: itself, its list, a KeyValue; above the first stand a few. */
enum { FRAMES_MAX = 3 * (LIMIT_ANYVALUE_DEPTH + 1) + 8 };

enum scan_reject schema_check(enum schema_message message, struct bytes data,
                              unsigned values_around)
{
    struct frame frames[FRAMES_MAX];
    size_t depth = 1;
    unsigned values = values_around + (message == SCHEMA_ANY_VALUE);
    if (values > LIMIT_ANYVALUE_DEPTH) {
        return SCAN_REJECT_DEEP;
    }
    frames[0] = (struct frame){.reader = reader_of(data), .message = message};
    while (depth > 0) {
        struct frame *frame = &frames[depth - 1];
        if (reader_is_done(&frame->reader)) {
            values -= frame->message == SCHEMA_ANY_VALUE;
            depth--;
            continue;
        }
        struct wire_field got = {0};
        if (!err_is_ok(wire_next(&frame->reader, &got))) {
            return SCAN_REJECT_WIRE;
        }
        const struct schema_field *field = schema_field(frame->message, got.number);
        if (field->type == SCHEMA_TYPE_NONE) {
            continue;
        }
        if (field->wire != got.type) {
            return SCAN_REJECT_TYPE;
        }
        if (field->type == SCHEMA_TYPE_MESSAGE) {
            values += field->child == SCHEMA_ANY_VALUE;
            if (values > LIMIT_ANYVALUE_DEPTH) {
                return SCAN_REJECT_DEEP;
            }
            INVARIANT(depth < FRAMES_MAX);
            frames[depth++] =
                (struct frame){.reader = reader_of(got.data), .message = field->child};
        }
    }
    return SCAN_REJECT_NONE;
}
