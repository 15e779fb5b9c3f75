#include "proto/otlp/json.h"

#include "proto/base/check.h"
#include "proto/base/limits.h"
#include "proto/otlp/json_parts.h"

#include "proto/base/banned.h"

/* A message being read (its object is open), or the array of one of its repeated fields. */
struct frame {
    enum schema_message message;
    uint32_t number; /* array: the field its elements are */
    bool is_array;
    size_t tag_at;    /* message: where its tag begins in the output */
    size_t length_at; /* message: where its length stands */
    size_t width;     /* octets kept for the length; 0 for the whole request */
};

/* An AnyValue brings at most three messages and an array; above the first stand a few. */
enum { FRAMES_MAX = 4 * (LIMIT_ANYVALUE_DEPTH + 2) + 16, SCRATCH_BYTES_MAX = LIMIT_BODY_BYTES };

struct convert {
    struct jsonread json;
    struct buf *out;
    struct buf scratch;
    struct detail *detail;
    struct json_rejected *rejected;
    struct frame frames[FRAMES_MAX];
    size_t frames_count;
    size_t span_frame;   /* index + 1 of the span being read; 0 outside */
    unsigned span_depth; /* of the JSON reader around that span */
    unsigned values;     /* AnyValues open */
    bool is_done;
};

static const char wants_object[] = "must be an object";
static const char wants_array[] = "must be an array";
static const char too_deep[] = "is nested more than 32 values deep";

/* --- messages in the output ---------------------------------------------------------------------------------- */

static size_t width_of(enum schema_message message)
{
    enum { FRAME_WIDTH = 4, SPAN_WIDTH = 2 };
    if (message == SCHEMA_RESOURCE_SPANS || message == SCHEMA_SCOPE_SPANS) {
        return FRAME_WIDTH;
    }
    return message == SCHEMA_SPAN ? SPAN_WIDTH : 1;
}

static void message_open(struct convert *convert, uint32_t number, enum schema_message message)
{
    INVARIANT(convert->frames_count < FRAMES_MAX);
    struct frame *frame = &convert->frames[convert->frames_count++];
    *frame = (struct frame){
        .message = message, .tag_at = buf_bytes(convert->out).len, .width = width_of(message)};
    wire_put_tag(convert->out, number, WIRE_BYTES);
    frame->length_at = wire_open(convert->out, frame->width);
    convert->values += message == SCHEMA_ANY_VALUE;
    if (message == SCHEMA_SPAN) {
        convert->span_frame = convert->frames_count;
        convert->span_depth = jsonread_depth(&convert->json) - 1;
    }
}

static void message_close(struct convert *convert)
{
    const struct frame *frame = &convert->frames[--convert->frames_count];
    if (frame->width == 0) {
        convert->is_done = true;
        return;
    }
    /* What is kept byte for byte has the shortest form; the frame around the spans is written anew. */
    bool may_pad = frame->message == SCHEMA_RESOURCE_SPANS || frame->message == SCHEMA_SCOPE_SPANS;
    wire_close(convert->out, frame->length_at, frame->width, may_pad);
    convert->values -= frame->message == SCHEMA_ANY_VALUE;
    if (frame->message == SCHEMA_SPAN) {
        convert->span_frame = 0;
    }
}

/* --- what does not fit ------------------------------------------------------------------------------------------ */

static err_t json_error(struct convert *convert, err_t err)
{
    jsonread_where(&convert->json, convert->detail);
    detail_prefix(convert->detail, "the body is not valid JSON");
    return err;
}

/* Leaves the present span out and goes on behind it. */
static FALLIBLE span_drop(struct convert *convert, const struct detail *why)
{
    struct json_token token = {0};
    while (jsonread_depth(&convert->json) > convert->span_depth) {
        err_t err = jsonread_next(&convert->json, &token);
        if (!err_is_ok(err)) {
            return json_error(convert, err);
        }
    }
    if (convert->rejected->spans_count++ == 0) {
        convert->rejected->first = *why;
    }
    convert->frames_count = convert->span_frame - 1;
    convert->span_frame = 0;
    convert->values = 0;
    if (err_is_ok(buf_err(convert->out))) {
        buf_cut(convert->out, convert->frames[convert->frames_count].tag_at);
    }
    return OK;
}

static FALLIBLE wrong(struct convert *convert, enum schema_message message, uint32_t number,
                      const char *what)
{
    const char *name = message == SCHEMA_NONE ? "the body" : schema_field(message, number)->json;
    struct detail why;
    detail_set(&why, "%s %s, before octet %zu", name, what, jsonread_offset(&convert->json));
    if (convert->span_frame > 0) {
        return span_drop(convert, &why);
    }
    *convert->detail = why;
    return FAIL(MALFORMED);
}

/* --- fields ------------------------------------------------------------------------------------------------------ */

static uint32_t field_of(enum schema_message message, const struct json_token *key)
{
    if (!key->has_escapes) {
        return schema_number(message, key->text);
    }
    for (uint32_t number = 1; number <= SCHEMA_NUMBER_MAX; number++) {
        const char *name = schema_field(message, number)->json;
        if (name != NULL && jsonread_equals(key, name)) {
            return number;
        }
    }
    return 0;
}

/* A child message begins: `token` must open an object. */
static FALLIBLE child_open(struct convert *convert, enum schema_message message, uint32_t number,
                           const struct json_token *token)
{
    enum schema_message child = schema_field(message, number)->child;
    if (token->kind != JSONREAD_OBJECT) {
        return wrong(convert, message, number, wants_object);
    }
    if (child == SCHEMA_ANY_VALUE && convert->values == LIMIT_ANYVALUE_DEPTH) {
        return wrong(convert, message, number, too_deep);
    }
    message_open(convert, number, child);
    return OK;
}

static FALLIBLE field_read(struct convert *convert, enum schema_message message, uint32_t number)
{
    const struct schema_field *field = schema_field(message, number);
    struct json_token token = {0};
    const char *problem = NULL;
    err_t err = jsonread_next(&convert->json, &token);
    if (!err_is_ok(err)) {
        return json_error(convert, err);
    }
    if (token.kind == JSONREAD_NULL && field->type != SCHEMA_TYPE_DOUBLE) {
        return OK;
    }
    if (field->type != SCHEMA_TYPE_MESSAGE) {
        json_value(message, number, &token, &convert->scratch, convert->out, &problem);
        TRY(buf_err(&convert->scratch));
        TRY(buf_err(convert->out));
        return problem == NULL ? OK : wrong(convert, message, number, problem);
    }
    if (!field->is_repeated) {
        return child_open(convert, message, number, &token);
    }
    if (token.kind != JSONREAD_ARRAY) {
        return wrong(convert, message, number, wants_array);
    }
    INVARIANT(convert->frames_count < FRAMES_MAX);
    convert->frames[convert->frames_count++] =
        (struct frame){.message = message, .number = number, .is_array = true};
    return OK;
}

/* One step inside a message's object. */
static FALLIBLE object_step(struct convert *convert, enum schema_message message)
{
    struct json_token token = {0};
    err_t err = jsonread_next(&convert->json, &token);
    if (!err_is_ok(err)) {
        return json_error(convert, err);
    }
    if (token.kind == JSONREAD_OBJECT_END) {
        message_close(convert);
        return OK;
    }
    uint32_t number = field_of(message, &token);
    if (number != 0) {
        return field_read(convert, message, number);
    }
    err = jsonread_skip(&convert->json);
    return err_is_ok(err) ? OK : json_error(convert, err);
}

/* One step inside the array of a repeated field. */
static FALLIBLE array_step(struct convert *convert, enum schema_message message, uint32_t number)
{
    struct json_token token = {0};
    err_t err = jsonread_next(&convert->json, &token);
    if (!err_is_ok(err)) {
        return json_error(convert, err);
    }
    if (token.kind == JSONREAD_ARRAY_END) {
        convert->frames_count--;
        return OK;
    }
    if (token.kind == JSONREAD_NULL && message == SCHEMA_ARRAY_VALUE) {
        wire_put_head(convert->out, number,
                      0); /* an empty value keeps its place among the others */
        return OK;
    }
    bool is_span = schema_field(message, number)->child == SCHEMA_SPAN;
    if (is_span && token.kind != JSONREAD_OBJECT) {
        struct detail why;
        detail_set(&why, "a span must be an object, before octet %zu",
                   jsonread_offset(&convert->json));
        if (convert->rejected->spans_count++ == 0) {
            convert->rejected->first = why;
        }
        err = jsonread_skip_rest(&convert->json, &token);
        return err_is_ok(err) ? OK : json_error(convert, err);
    }
    return child_open(convert, message, number, &token);
}

static FALLIBLE convert_all(struct convert *convert)
{
    struct json_token token = {0};
    err_t err = jsonread_next(&convert->json, &token);
    if (!err_is_ok(err)) {
        return json_error(convert, err);
    }
    if (token.kind != JSONREAD_OBJECT) {
        return wrong(convert, SCHEMA_NONE, 0, wants_object);
    }
    convert->frames[convert->frames_count++] = (struct frame){.message = SCHEMA_TRACES};
    while (!convert->is_done) {
        struct frame frame = convert->frames[convert->frames_count - 1];
        TRY(frame.is_array ? array_step(convert, frame.message, frame.number)
                           : object_step(convert, frame.message));
        TRY(buf_err(convert->out));
    }
    err = jsonread_next(&convert->json, &token);
    return err_is_ok(err) ? OK : json_error(convert, err);
}

err_t json_to_protobuf(struct bytes json, struct buf *out, struct detail *detail,
                       struct json_rejected *ret_rejected)
{
    struct json_rejected rejected = {0};
    struct convert convert = {.out = out, .detail = detail, .rejected = &rejected};
    buf_init(&convert.scratch, SCRATCH_BYTES_MAX);
    jsonread_init(&convert.json, json, LIMIT_OTLP_JSON_DEPTH);
    err_t err = convert_all(&convert);
    buf_fini(&convert.scratch);
    TRY(err);
    *ret_rejected = rejected;
    return OK;
}
