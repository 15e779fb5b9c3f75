/* schema: the messages of OTLP traces as a table (schema.def), and the check of raw bytes against it. Thread:
 * any. */
#ifndef CALLTRACE_OTLP_SCHEMA_H
#define CALLTRACE_OTLP_SCHEMA_H

#include "proto/otlp/scan.h"
#include "proto/otlp/wire.h"

enum schema_message {
    SCHEMA_NONE = 0,
    SCHEMA_TRACES, /* TracesData and ExportTraceServiceRequest */
    SCHEMA_RESOURCE_SPANS,
    SCHEMA_RESOURCE,
    SCHEMA_SCOPE_SPANS,
    SCHEMA_SCOPE,
    SCHEMA_SPAN,
    SCHEMA_EVENT,
    SCHEMA_LINK,
    SCHEMA_STATUS,
    SCHEMA_KEY_VALUE,
    SCHEMA_ANY_VALUE,
    SCHEMA_ARRAY_VALUE,
    SCHEMA_KEY_VALUES,
    SCHEMA_COUNT,
};

enum schema_type {
    SCHEMA_TYPE_NONE = 0, /* no such field */
    SCHEMA_TYPE_TEXT,
    SCHEMA_TYPE_BYTES, /* base64 in JSON */
    SCHEMA_TYPE_ID,    /* hex in JSON */
    SCHEMA_TYPE_BOOL,
    SCHEMA_TYPE_INT64,
    SCHEMA_TYPE_UINT32,
    SCHEMA_TYPE_ENUM,
    SCHEMA_TYPE_DOUBLE,
    SCHEMA_TYPE_FIXED64,
    SCHEMA_TYPE_FIXED32,
    SCHEMA_TYPE_MESSAGE,
};

struct schema_field {
    enum schema_type type;
    bool is_repeated;
    enum schema_message child;
    enum wire_type wire;
    const char *json;
    size_t json_len;
};

enum { SCHEMA_NUMBER_MAX = 16 };

/* The table itself; use schema_field. */
extern const struct schema_field schema_fields[SCHEMA_COUNT][SCHEMA_NUMBER_MAX + 1];

/* The field, or one of SCHEMA_TYPE_NONE for a number that the message does not have. */
static inline const struct schema_field *schema_field(enum schema_message message, uint32_t number)
{
    return &schema_fields[message][number <= SCHEMA_NUMBER_MAX ? number : 0];
}

/* Whether a field that the message knows came with another wire type than it has. */
static inline bool schema_is_mistyped(const struct schema_field *field, enum wire_type type)
{
    return field->wire != type && field->type != SCHEMA_TYPE_NONE;
}

/* The number of the field with this JSON name; 0 without one. */
uint32_t schema_number(enum schema_message message, struct bytes json_name);

/* Walks a whole message, children included, without recursion: SCAN_REJECT_WIRE, TYPE, DEEP or NONE.
 * `values_around` is how many AnyValues already lie around it. */
enum scan_reject schema_check(enum schema_message message, struct bytes data,
                              unsigned values_around);

#endif
