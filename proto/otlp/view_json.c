#include "proto/base/check.h"
#include "proto/base/limits.h"
#include "proto/otlp/jsontext.h"
#include "proto/otlp/schema.h"
#include "proto/otlp/view.h"

#include "proto/base/banned.h"

/* --- one message, children included, by the table of the schema --------------------------------------------------- */

struct frame {
    enum schema_message message;
    struct bytes data;
    uint32_t present;       /* bits: fields to write */
    uint32_t many;          /* bits: fields that stand more than once */
    uint32_t number;        /* the field being written; 0 before the first */
    struct reader elements; /* of a repeated field: what is left to look through */
    bool is_in_array;
    bool has_members;
    bool has_elements;
    bool is_bare; /* without braces of its own */
};

enum {
    FRAMES_MAX = 3 * (LIMIT_ANYVALUE_DEPTH + 1) + 8,
    /* UTF-8: an octet that goes on with a character */
    CONTINUATION_MASK = 0xc0,
    CONTINUATION = 0x80,
};

struct writer {
    struct arena *arena;
    struct buf *out;
    const struct view_cut *cut; /* NULL: every value is written whole */
    struct frame frames[FRAMES_MAX];
    size_t depth;
};

static FALLIBLE frame_open(struct writer *writer, enum schema_message message, struct bytes data,
                           bool is_bare)
{
    if (writer->depth == FRAMES_MAX) {
        return FAIL(TOO_DEEP);
    }
    struct frame frame = {.message = message, .data = data, .is_bare = is_bare};
    struct reader reader = reader_of(data);
    while (!reader_is_done(&reader)) {
        struct wire_field got = {0};
        TRY(wire_next(&reader, &got));
        const struct schema_field *field = schema_field(message, got.number);
        if (field->type == SCHEMA_TYPE_NONE) {
            continue;
        }
        if (field->wire != got.type) {
            return FAIL(MALFORMED);
        }
        uint32_t bit = 1u << got.number;
        if (message == SCHEMA_ANY_VALUE) {
            frame.present &= bit; /* a oneof: the last one set counts */
        }
        frame.many |= frame.present & bit;
        frame.present |= bit;
    }
    if (!is_bare) {
        buf_add_u8(writer->out, '{');
    }
    writer->frames[writer->depth++] = frame;
    return OK;
}

static void scalar_write(enum schema_type type, const struct wire_field *got, struct buf *out)
{
    double number = 0;
    switch (type) {
    case SCHEMA_TYPE_TEXT:
        jsontext_add(out, got->data);
        return;
    case SCHEMA_TYPE_BYTES:
        jsontext_add_base64(out, got->data);
        return;
    case SCHEMA_TYPE_ID:
        jsontext_add_hex(out, got->data);
        return;
    case SCHEMA_TYPE_BOOL:
        buf_add_text(out, got->value != 0 ? "true" : "false");
        return;
    case SCHEMA_TYPE_INT64:
        buf_printf(out, "\"%lld\"", (long long)got->value);
        return;
    case SCHEMA_TYPE_ENUM:
        buf_printf(out, "%d", (int)(int32_t)(uint32_t)got->value);
        return;
    case SCHEMA_TYPE_UINT32:
    case SCHEMA_TYPE_FIXED32:
        buf_printf(out, "%u", (unsigned)(uint32_t)got->value);
        return;
    case SCHEMA_TYPE_FIXED64:
        buf_printf(out, "\"%llu\"", (unsigned long long)got->value);
        return;
    case SCHEMA_TYPE_DOUBLE:
        memcpy(&number, &got->value, sizeof number);
        jsontext_add_double(out, number);
        return;
    case SCHEMA_TYPE_MESSAGE:
    case SCHEMA_TYPE_NONE:
        break;
    }
    UNREACHABLE();
}

/* The last field `number` of a message that is known to have one. */
static FALLIBLE field_find(struct bytes data, uint32_t number, struct wire_field *ret_field)
{
    struct reader reader = reader_of(data);
    while (!reader_is_done(&reader)) {
        struct wire_field got = {0};
        TRY(wire_next(&reader, &got));
        if (got.number == number) {
            *ret_field = got;
        }
    }
    return OK;
}

/* A repeated field's next element, or the end of its array. */
static FALLIBLE element_write(struct writer *writer, struct frame *frame)
{
    while (!reader_is_done(&frame->elements)) {
        struct wire_field got = {0};
        TRY(wire_next(&frame->elements, &got));
        if (got.number != frame->number) {
            continue;
        }
        if (frame->has_elements) {
            buf_add_u8(writer->out, ',');
        }
        frame->has_elements = true;
        return frame_open(writer, schema_field(frame->message, frame->number)->child, got.data,
                          false);
    }
    frame->is_in_array = false;
    buf_add_u8(writer->out, ']');
    return OK;
}

static bool is_cut(const struct view_cut *cut, enum schema_type type, struct bytes data)
{
    if (cut == NULL || data.len <= cut->chars_max) {
        return false;
    }
    return type == SCHEMA_TYPE_BYTES ||
           (type == SCHEMA_TYPE_TEXT && view_value_chars(data) > cut->chars_max);
}

static FALLIBLE field_write(struct writer *writer, struct frame *frame)
{
    const struct schema_field *field = schema_field(frame->message, frame->number);
    struct wire_field got = {0};
    if (frame->has_members) {
        buf_add_u8(writer->out, ',');
    }
    frame->has_members = true;
    buf_printf(writer->out, "\"%s\":", field->json);
    if (field->is_repeated) {
        frame->is_in_array = true;
        frame->has_elements = false;
        frame->elements = reader_of(frame->data);
        buf_add_u8(writer->out, '[');
        return OK;
    }
    if (field->type == SCHEMA_TYPE_MESSAGE && (frame->many & 1u << frame->number) != 0) {
        TRY(wire_join(writer->arena, frame->data, frame->number, &got.data));
    } else {
        TRY(field_find(frame->data, frame->number, &got));
    }
    if (field->type == SCHEMA_TYPE_MESSAGE) {
        return frame_open(writer, field->child, got.data, false);
    }
    if (is_cut(writer->cut, field->type, got.data)) {
        writer->cut->write(writer->cut->context, got.data, field->type == SCHEMA_TYPE_TEXT,
                           writer->out);
        return OK;
    }
    scalar_write(field->type, &got, writer->out);
    return OK;
}

/* Walks what frame_open began, to its end. */
static FALLIBLE frames_write(struct writer *writer)
{
    while (writer->depth > 0) {
        struct frame *frame = &writer->frames[writer->depth - 1];
        TRY(buf_err(writer->out));
        if (frame->is_in_array) {
            TRY(element_write(writer, frame));
            continue;
        }
        frame->number++;
        if (frame->number > SCHEMA_NUMBER_MAX) {
            if (!frame->is_bare) {
                buf_add_u8(writer->out, '}');
            }
            writer->depth--;
        } else if ((frame->present & 1u << frame->number) != 0) {
            TRY(field_write(writer, frame));
        }
    }
    return buf_err(writer->out);
}

static FALLIBLE message_write(enum schema_message message, struct bytes data, bool is_bare,
                              const struct view_cut *cut, struct arena *arena, struct buf *out)
{
    struct writer writer = {.arena = arena, .out = out, .cut = cut};
    TRY(frame_open(&writer, message, data, is_bare));
    return frames_write(&writer);
}

/* --- the whole trace ------------------------------------------------------------------------------------------------ */

err_t view_span_json(const struct otlp_span *span, struct arena *arena, struct buf *out)
{
    return message_write(SCHEMA_SPAN, span->raw, false, NULL, arena, out);
}

/* The members of a ResourceSpans or ScopeSpans head and the beginning of its list. */
static FALLIBLE head_write(enum schema_message message, struct bytes head,
                           const struct view_cut *cut, struct arena *arena, struct buf *out)
{
    buf_add_u8(out, '{');
    size_t before = buf_bytes(out).len;
    TRY(message_write(message, head, true, cut, arena, out));
    if (buf_bytes(out).len > before) {
        buf_add_u8(out, ',');
    }
    buf_printf(out, "\"%s\":[", schema_field(message, 2)->json);
    return OK;
}

err_t view_json(const struct view *view, struct arena *arena, struct buf *out)
{
    const struct otlp_scope *scope = NULL;
    buf_add_text(out, "{\"resourceSpans\":[");
    for (size_t i = 0; i < view->spans_count; i++) {
        const struct otlp_span *span = &view->spans[i];
        const struct otlp_scope *next = &view->scopes[span->scope];
        bool is_new_resource = scope == NULL || next->resource != scope->resource;
        if (next == scope) {
            buf_add_u8(out, ',');
        } else {
            if (scope != NULL) {
                buf_add_text(out, is_new_resource ? "]}]}," : "]},");
            }
            if (is_new_resource) {
                TRY(head_write(SCHEMA_RESOURCE_SPANS, view->resources[next->resource].head, NULL,
                               arena, out));
            }
            TRY(head_write(SCHEMA_SCOPE_SPANS, next->head, NULL, arena, out));
            scope = next;
        }
        TRY(view_span_json(span, arena, out));
    }
    buf_add_text(out, scope == NULL ? "]}" : "]}]}]}");
    return buf_err(out);
}

size_t view_value_chars(struct bytes value)
{
    size_t chars = 0;
    for (size_t i = 0; i < value.len; i++) {
        chars += (value.ptr[i] & CONTINUATION_MASK) != CONTINUATION;
    }
    return chars;
}

err_t view_one_json(const struct view *view, const struct otlp_span *span,
                    const struct view_cut *cut, struct arena *arena, struct buf *out)
{
    const struct otlp_scope *scope = &view->scopes[span->scope];
    buf_add_text(out, "{\"resourceSpans\":[");
    TRY(head_write(SCHEMA_RESOURCE_SPANS, view->resources[scope->resource].head, cut, arena, out));
    TRY(head_write(SCHEMA_SCOPE_SPANS, scope->head, cut, arena, out));
    TRY(message_write(SCHEMA_SPAN, span->raw, false, cut, arena, out));
    buf_add_text(out, "]}]}]}");
    return buf_err(out);
}

/* --- a value as plain JSON -------------------------------------------------------------------------------------------- */

static void plain_scalar_write(const struct otlp_value *value, struct buf *out)
{
    static const int64_t exact = INT64_C(1) << 53;
    switch (value->kind) {
    case OTLP_VALUE_EMPTY:
        buf_add_text(out, "null");
        return;
    case OTLP_VALUE_TEXT:
        jsontext_add(out, value->text);
        return;
    case OTLP_VALUE_BOOL:
        buf_add_text(out, value->flag ? "true" : "false");
        return;
    case OTLP_VALUE_INT:
        buf_printf(out, value->integer > exact || value->integer < -exact ? "\"%lld\"" : "%lld",
                   (long long)value->integer);
        return;
    case OTLP_VALUE_DOUBLE:
        jsontext_add_double(out, value->number);
        return;
    case OTLP_VALUE_BYTES:
        jsontext_add_base64(out, value->text);
        return;
    case OTLP_VALUE_ARRAY:
    case OTLP_VALUE_MAP:
        break;
    }
    UNREACHABLE();
}

struct plain_frame {
    struct otlp_items items;
    bool is_map;
    bool has_items;
};

err_t otlp_value_plain_json(const struct otlp_value *value, struct buf *out)
{
    struct plain_frame frames[LIMIT_ANYVALUE_DEPTH];
    size_t depth = 0;
    struct otlp_item item = {.value = *value};
    bool has_value = true;
    while (has_value || depth > 0) {
        bool is_list = item.value.kind == OTLP_VALUE_ARRAY || item.value.kind == OTLP_VALUE_MAP;
        if (has_value && is_list) {
            if (depth == LIMIT_ANYVALUE_DEPTH) {
                return FAIL(TOO_DEEP);
            }
            bool is_map = item.value.kind == OTLP_VALUE_MAP;
            buf_add_u8(out, is_map ? '{' : '[');
            frames[depth++] =
                (struct plain_frame){.items = otlp_value_items(&item.value), .is_map = is_map};
        } else if (has_value) {
            plain_scalar_write(&item.value, out);
        }
        has_value = false;
        if (depth == 0) {
            break;
        }
        struct plain_frame *frame = &frames[depth - 1];
        has_value = otlp_items_next(&frame->items, &item);
        if (!has_value) {
            buf_add_u8(out, frame->is_map ? '}' : ']');
            depth--;
            continue;
        }
        if (frame->has_items) {
            buf_add_u8(out, ',');
        }
        frame->has_items = true;
        if (frame->is_map) {
            jsontext_add(out, item.key);
            buf_add_u8(out, ':');
        }
    }
    return buf_err(out);
}
