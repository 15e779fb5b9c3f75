#include "proto/otlp/scan.h"

#include <stdio.h>

#include "proto/base/check.h"
#include "proto/otlp/scan_parts.h"
#include "proto/otlp/schema.h"

#include "proto/base/banned.h"

/* --- step 0: the frame ------------------------------------------------------------------------------- */

struct counts {
    size_t resources; /* with a span */
    size_t scopes;    /* with a span */
    size_t spans;
};

static err_t frame_error(struct detail *detail, err_t err, const char *message, size_t offset)
{
    detail_set(detail, "%s: %s at octet %zu",
               err_is(err, ERR_TRUNCATED) ? "the body ends inside a message"
                                          : "the body is no ExportTraceServiceRequest",
               message, offset);
    return err;
}

/* The next field of a frame message. Its child, when it has one, must be a length-delimited field. */
static FALLIBLE frame_next(struct reader *reader, struct bytes body, enum schema_message message,
                           const char *name, struct detail *detail, struct wire_field *ret_field)
{
    size_t offset = body.len - reader_left(reader);
    err_t err = wire_next(reader, ret_field);
    if (err_is_ok(err)) {
        const struct schema_field *field = schema_field(message, ret_field->number);
        if (schema_is_mistyped(field, ret_field->type)) {
            err = FAIL(MALFORMED);
        }
    }
    return err_is_ok(err) ? OK : frame_error(detail, err, name, offset);
}

static FALLIBLE frame_count_scope(struct bytes scope, struct detail *detail, size_t *spans)
{
    struct reader reader = reader_of(scope);
    while (!reader_is_done(&reader)) {
        struct wire_field got = {0};
        TRY(frame_next(&reader, scope, SCHEMA_SCOPE_SPANS, "ScopeSpans", detail, &got));
        *spans += got.number == 2;
    }
    return OK;
}

static FALLIBLE frame_count_resource(struct bytes resource, struct detail *detail,
                                     struct counts *counts)
{
    struct reader reader = reader_of(resource);
    size_t scopes_before = counts->scopes;
    while (!reader_is_done(&reader)) {
        struct wire_field got = {0};
        TRY(frame_next(&reader, resource, SCHEMA_RESOURCE_SPANS, "ResourceSpans", detail, &got));
        if (got.number == 2) {
            size_t spans = 0;
            TRY(frame_count_scope(got.data, detail, &spans));
            counts->scopes += spans > 0;
            counts->spans += spans;
        }
    }
    counts->resources += counts->scopes > scopes_before;
    return OK;
}

static FALLIBLE frame_count(struct bytes body, struct detail *detail, struct counts *ret_counts)
{
    struct counts counts = {0};
    struct reader reader = reader_of(body);
    while (!reader_is_done(&reader)) {
        struct wire_field got = {0};
        TRY(frame_next(&reader, body, SCHEMA_TRACES, "ExportTraceServiceRequest", detail, &got));
        if (got.number == 1) {
            TRY(frame_count_resource(got.data, detail, &counts));
        }
    }
    if (counts.spans > LIMIT_SPANS_PER_EXPORT) {
        detail_set(detail, "the export has %zu spans, at most %d are allowed", counts.spans,
                   LIMIT_SPANS_PER_EXPORT);
        return FAIL(TOO_MANY);
    }
    *ret_counts = counts;
    return OK;
}

/* --- step 1: spans ------------------------------------------------------------------------------------ */

struct span_fields {
    struct bytes trace_id;
    struct bytes span_id;
    struct bytes parent_id;
    struct bytes name;
    uint64_t start;
    uint64_t end;
    uint32_t status;
};

static enum scan_reject status_read(struct bytes data, uint32_t *status)
{
    struct reader reader = reader_of(data);
    while (!reader_is_done(&reader)) {
        struct wire_field got = {0};
        if (!err_is_ok(wire_next(&reader, &got))) {
            return SCAN_REJECT_WIRE;
        }
        const struct schema_field *field = schema_field(SCHEMA_STATUS, got.number);
        if (schema_is_mistyped(field, got.type)) {
            return SCAN_REJECT_TYPE;
        }
        if (got.number == 3) {
            *status = (uint32_t)got.value;
        }
    }
    return SCAN_REJECT_NONE;
}

/* One field of a span, its type already checked. */
static enum scan_reject span_field(struct scan *scan, const struct wire_field *got,
                                   struct scan_holder *holder, struct span_fields *fields)
{
    switch (got->number) {
    case 1:
        fields->trace_id = got->data;
        return SCAN_REJECT_NONE;
    case 2:
        fields->span_id = got->data;
        return SCAN_REJECT_NONE;
    case 4:
        fields->parent_id = got->data;
        return SCAN_REJECT_NONE;
    case 5:
        fields->name = got->data;
        return SCAN_REJECT_NONE;
    case 7:
        fields->start = got->value;
        return SCAN_REJECT_NONE;
    case 8:
        fields->end = got->value;
        return SCAN_REJECT_NONE;
    case 9:
        return scan_attribute(scan, got->data, holder);
    case 11:
        return schema_check(SCHEMA_EVENT, got->data, 0);
    case 13:
        return schema_check(SCHEMA_LINK, got->data, 0);
    case 15:
        return status_read(got->data, &fields->status);
    default:
        return SCAN_REJECT_NONE;
    }
}

static enum scan_reject span_read(struct scan *scan, struct bytes raw, struct scan_holder *holder,
                                  struct span_fields *fields)
{
    struct reader reader = reader_of(raw);
    while (!reader_is_done(&reader)) {
        struct wire_field got = {0};
        if (!err_is_ok(wire_next(&reader, &got))) {
            return SCAN_REJECT_WIRE;
        }
        const struct schema_field *field = schema_field(SCHEMA_SPAN, got.number);
        if (schema_is_mistyped(field, got.type)) {
            return SCAN_REJECT_TYPE;
        }
        enum scan_reject reject = span_field(scan, &got, holder, fields);
        if (reject != SCAN_REJECT_NONE) {
            return reject;
        }
    }
    return SCAN_REJECT_NONE;
}

static enum scan_reject ids_check(const struct span_fields *fields, struct trace_id *ret_trace,
                                  struct scan_span *ret_span)
{
    struct trace_id trace = {0};
    struct span_id id = {0};
    struct span_id parent = {0};
    if (fields->trace_id.len != sizeof trace.b) {
        return SCAN_REJECT_TRACE_ID;
    }
    memcpy(trace.b, fields->trace_id.ptr, sizeof trace.b);
    if (trace_id_is_zero(trace)) {
        return SCAN_REJECT_TRACE_ID;
    }
    if (fields->span_id.len != sizeof id.b) {
        return SCAN_REJECT_SPAN_ID;
    }
    memcpy(id.b, fields->span_id.ptr, sizeof id.b);
    if (span_id_is_zero(id)) {
        return SCAN_REJECT_SPAN_ID;
    }
    if (fields->parent_id.len != 0) {
        if (fields->parent_id.len != sizeof parent.b) {
            return SCAN_REJECT_PARENT_ID;
        }
        memcpy(parent.b, fields->parent_id.ptr, sizeof parent.b);
    }
    *ret_trace = trace;
    ret_span->id = id;
    ret_span->has_parent = !span_id_is_zero(parent); /* eight zeros are how some write "none" */
    return SCAN_REJECT_NONE;
}

static struct scan_trace *trace_of(struct scan *scan, struct trace_id id)
{
    if (scan->last != NULL && trace_id_equal(scan->last->id, id)) {
        return scan->last;
    }
    struct scan_trace *trace = NULL;
    HASH_FIND(hh, scan->table, id.b, sizeof id.b, trace);
    if (trace == NULL) {
        trace = arena_zero(scan->arena, 1, sizeof *trace);
        if (trace == NULL) {
            scan->err = FAIL(NO_SPACE);
            return NULL;
        }
        trace->id = id;
        trace->index = scan->traces_count++;
        TABLE_OOM;
        HASH_ADD(hh, scan->table, id.b, sizeof trace->id.b, trace);
        if (table_oom) {
            scan->err = FAIL(MEMORY);
            return NULL;
        }
        *scan->tail = trace;
        scan->tail = &trace->next;
    }
    scan->last = trace;
    return trace;
}

/* Moves the facts of an accepted span to its trace. */
static void facts_move(struct scan_facts *from, struct scan_facts *to)
{
    while (from->first != NULL) {
        struct scan_fact *fact = from->first;
        from->first = fact->next;
        const struct scan_fact *have = to->first;
        bool is_known = have != NULL && have->kind == fact->kind &&
                        bytes_equal(have->value, fact->value) && bytes_equal(have->key, fact->key);
        if (!is_known) {
            fact->next = to->first;
            to->first = fact;
            to->count++;
        }
    }
    to->dropped += from->dropped;
}

static void span_reject(struct scan *scan, enum scan_reject reject)
{
    struct scan_result *result = scan->result;
    if (result->rejected[reject]++ == 0) {
        result->rejected_first[reject] = scan->span_position;
    }
    result->rejected_count++;
}

static void span_take(struct scan *scan, struct bytes raw, const struct scan_scope *scope)
{
    struct scan_span *span = &scan->result->spans[scan->result->spans_count];
    struct span_fields fields = {.name = bytes_of_text("")};
    struct trace_id id = {0};
    struct scan_holder holder;
    *span = (struct scan_span){.raw = raw, .scope = (uint32_t)(scope - scan->result->scopes)};
    scan_holder_begin(scan, &holder, SCAN_PLACE_SPAN, raw.len);
    holder.is_pipecat = scope->is_pipecat;
    enum scan_reject reject =
        scope->is_bad ? SCAN_REJECT_RESOURCE : span_read(scan, raw, &holder, &fields);
    if (reject == SCAN_REJECT_NONE) {
        reject = ids_check(&fields, &id, span);
    }
    if (reject != SCAN_REJECT_NONE) {
        span_reject(scan, reject);
        return;
    }
    struct scan_trace *trace = trace_of(scan, id);
    span->name = scan_word(scan, &scan->names, fields.name);
    if (trace == NULL || span->name == NULL) {
        return;
    }
    scan_holder_end(scan, &holder);
    facts_move(&holder.facts, &trace->facts);
    trace->spans_count++;
    span->run = holder.run;
    span->start = (int64_t)fields.start;
    span->end = (int64_t)fields.end;
    span->status = fields.status;
    span->trace = trace->index;
    scan->result->spans_count++;
}

/* --- step 1: what lies around the spans ---------------------------------------------------------------- */

/* A Resource or InstrumentationScope; its attributes have field `attributes`. */
static enum scan_reject around_read(struct scan *scan, enum schema_message message,
                                    struct bytes data, struct scan_holder *holder,
                                    struct bytes *ret_name)
{
    struct reader reader = reader_of(data);
    while (!reader_is_done(&reader)) {
        struct wire_field got = {0};
        if (!err_is_ok(wire_next(&reader, &got))) {
            return SCAN_REJECT_WIRE;
        }
        const struct schema_field *field = schema_field(message, got.number);
        if (field->type == SCHEMA_TYPE_NONE) {
            continue;
        }
        if (field->wire != got.type) {
            return SCAN_REJECT_TYPE;
        }
        if (field->type == SCHEMA_TYPE_MESSAGE) {
            enum scan_reject reject = scan_attribute(scan, got.data, holder);
            if (reject != SCAN_REJECT_NONE) {
                return reject;
            }
        } else if (message == SCHEMA_SCOPE && got.number == 1) {
            *ret_name = got.data;
        }
    }
    return SCAN_REJECT_NONE;
}

/* Reads field 1 of a ResourceSpans or ScopeSpans, which may stand behind the spans or come in parts. */
static bool around_take(struct scan *scan, struct bytes frame, enum schema_message message,
                        struct scan_holder *holder, struct bytes *ret_name)
{
    struct reader reader = reader_of(frame);
    struct wire_field got = {0};
    bool is_good = true;
    while (!reader_is_done(&reader) && err_is_ok(wire_next(&reader, &got))) {
        if (got.number == 1) {
            enum scan_reject reject = around_read(scan, message, got.data, holder, ret_name);
            is_good = is_good && reject == SCAN_REJECT_NONE;
        }
    }
    return is_good;
}

static FALLIBLE scope_take(struct scan *scan, struct bytes body,
                           const struct scan_resource *resource)
{
    struct scan_scope *scope = &scan->result->scopes[scan->scopes_count++];
    struct scan_holder holder;
    struct bytes name = {0};
    *scope = (struct scan_scope){.resource = (uint32_t)(resource - scan->result->resources)};
    TRY(wire_head(scan->arena, body, 2, &scope->head));
    scan_holder_begin(scan, &holder, SCAN_PLACE_SCOPE, scope->head.len);
    scope->is_bad = !around_take(scan, body, SCHEMA_SCOPE, &holder, &name) || resource->is_bad;
    scan_holder_end(scan, &holder);
    scope->run = holder.run;
    scope->is_pipecat = bytes_start_with(name, "pipecat");
    struct reader reader = reader_of(body);
    while (!reader_is_done(&reader)) {
        struct wire_field got = {0};
        TRY(wire_next(&reader, &got));
        if (got.number == 2) {
            span_take(scan, got.data, scope);
            TRY(scan->err);
            scan->span_position++;
        }
    }
    return OK;
}

static bool has_field_2(struct bytes message)
{
    struct reader reader = reader_of(message);
    struct wire_field got = {0};
    while (!reader_is_done(&reader) && err_is_ok(wire_next(&reader, &got))) {
        if (got.number == 2) {
            return true;
        }
    }
    return false;
}

static FALLIBLE resource_take(struct scan *scan, struct bytes body)
{
    struct scan_resource *resource = NULL;
    struct reader reader = reader_of(body);
    while (!reader_is_done(&reader)) {
        struct wire_field got = {0};
        TRY(wire_next(&reader, &got));
        if (got.number != 2 || !has_field_2(got.data)) {
            continue;
        }
        if (resource == NULL) { /* the first scope with a span: now the resource counts */
            struct scan_holder holder;
            struct bytes name = {0};
            resource = &scan->result->resources[scan->resources_count++];
            *resource = (struct scan_resource){0};
            TRY(wire_head(scan->arena, body, 2, &resource->head));
            scan_holder_begin(scan, &holder, SCAN_PLACE_RESOURCE, resource->head.len);
            resource->is_bad = !around_take(scan, body, SCHEMA_RESOURCE, &holder, &name);
            scan_holder_end(scan, &holder);
            resource->run = holder.run;
            resource->facts = holder.facts;
            resource->service = holder.service;
            resource->is_skipped = holder.is_skipped;
            TRY(scan->err);
        }
        TRY(scope_take(scan, got.data, resource));
    }
    return OK;
}

static FALLIBLE scan_walk(struct scan *scan, struct bytes body)
{
    struct reader reader = reader_of(body);
    while (!reader_is_done(&reader)) {
        struct wire_field got = {0};
        TRY(wire_next(&reader, &got));
        if (got.number == 1) {
            TRY(resource_take(scan, got.data));
        }
    }
    return OK;
}

/* --- the whole ------------------------------------------------------------------------------------------ */

static FALLIBLE tables_alloc(struct scan *scan, const struct counts *counts)
{
    struct scan_result *result = scan->result;
    result->spans = arena_alloc(scan->arena, counts->spans * sizeof *result->spans);
    result->scopes = arena_alloc(scan->arena, counts->scopes * sizeof *result->scopes);
    result->resources = arena_alloc(scan->arena, counts->resources * sizeof *result->resources);
    return arena_is_full(scan->arena) ? FAIL(NO_SPACE) : OK;
}

err_t scan_export(const struct scan_options *options, struct bytes body, struct arena *arena,
                  struct detail *detail, struct scan_result *ret_result)
{
    struct counts counts = {0};
    struct scan_result result = {0};
    TRY(frame_count(body, detail, &counts));
    struct scan scan = {
        .arena = arena,
        .detail = detail,
        .space = term_space_of(options->project),
        .result = &result,
        .true_hash = term_hash(bytes_of_text("true")),
        .false_hash = term_hash(bytes_of_text("false")),
    };
    scan.tail = &scan.first;
    buf_init(&scan.terms, LIMIT_BUS_BYTES);
    buf_init(&scan.words, LIMIT_BUS_BYTES);
    buf_init(&scan.touched, LIMIT_BUS_BYTES);
    err_t err = tables_alloc(&scan, &counts);
    if (err_is_ok(err)) {
        err = scan_walk(&scan, body);
    }
    if (err_is_ok(err)) {
        err = scan_gather(&scan);
    }
    HASH_CLEAR(hh, scan.table);
    HASH_CLEAR(hh, scan.keys.table);
    HASH_CLEAR(hh, scan.names.table);
    buf_fini(&scan.terms);
    buf_fini(&scan.words);
    buf_fini(&scan.touched);
    if (err_is(err, ERR_NO_SPACE)) {
        detail_set(detail, "the export needs more memory than one request may take; send it in "
                           "smaller parts");
    }
    TRY(err);
    *ret_result = result;
    return OK;
}

static const char *const reject_texts[SCAN_REJECT_COUNT] = {
#define REJECT(name, text) [SCAN_REJECT_##name] = (text),
#include "proto/otlp/scan_rejects.def"
#undef REJECT
};

void scan_rejected_text(const struct scan_result *result, struct detail *ret_text)
{
    ret_text->text[0] = '\0';
    if (result->rejected_count == 0) {
        return;
    }
    char text[sizeof ret_text->text];
    int len = snprintf(text, sizeof text, "%u of %zu spans rejected", result->rejected_count,
                       result->spans_count + result->rejected_count);
    const char *between = ": ";
    for (unsigned i = 1; i < SCAN_REJECT_COUNT; i++) {
        if (result->rejected[i] == 0 || len < 0 || (size_t)len >= sizeof text) {
            continue;
        }
        len +=
            snprintf(text + len, sizeof text - (size_t)len, "%s%u where %s (the first is span %u)",
                     between, result->rejected[i], reject_texts[i], result->rejected_first[i]);
        between = "; ";
    }
    detail_set(ret_text, "%s", text);
}
