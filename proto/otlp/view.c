#include "proto/otlp/view.h"

#include <stdlib.h>

#include "proto/base/check.h"
#include "proto/base/limits.h"
#include "proto/base/table.h"
#include "proto/otlp/mend.h"

#include "proto/base/banned.h"

/* --- values and iterators ------------------------------------------------------------------------------------ */

static struct otlp_value value_of(struct bytes any)
{
    struct otlp_value value = {.kind = OTLP_VALUE_EMPTY};
    struct reader reader = reader_of(any);
    struct wire_field got = {0};
    while (!reader_is_done(&reader) && err_is_ok(wire_next(&reader, &got))) {
        const struct schema_field *field = schema_field(SCHEMA_ANY_VALUE, got.number);
        if (field->type == SCHEMA_TYPE_NONE || field->wire != got.type) {
            continue;
        }
        static const enum otlp_value_kind kinds[] = {
            OTLP_VALUE_EMPTY,  OTLP_VALUE_TEXT,  OTLP_VALUE_BOOL, OTLP_VALUE_INT,
            OTLP_VALUE_DOUBLE, OTLP_VALUE_ARRAY, OTLP_VALUE_MAP,  OTLP_VALUE_BYTES};
        value = (struct otlp_value){.kind = kinds[got.number]};
        if (got.type == WIRE_BYTES) {
            value.text = got.data;
        } else if (value.kind == OTLP_VALUE_DOUBLE) {
            memcpy(&value.number, &got.value, sizeof value.number);
        } else if (value.kind == OTLP_VALUE_INT) {
            value.integer = (int64_t)got.value;
        } else {
            value.flag = got.value != 0;
        }
    }
    return value;
}

static struct otlp_items items_of(struct bytes message, uint32_t field, bool has_keys)
{
    return (struct otlp_items){.reader = reader_of(message), .field = field, .has_keys = has_keys};
}

/* The next length-delimited field of the iterator's number. */
static bool items_raw_next(struct otlp_items *items, struct bytes *ret_raw)
{
    struct wire_field got = {0};
    while (!reader_is_done(&items->reader) && err_is_ok(wire_next(&items->reader, &got))) {
        if (got.number == items->field && got.type == WIRE_BYTES) {
            *ret_raw = got.data;
            return true;
        }
    }
    return false;
}

bool otlp_items_next(struct otlp_items *items, struct otlp_item *ret_item)
{
    struct bytes raw = {0};
    if (!items_raw_next(items, &raw)) {
        return false;
    }
    struct otlp_item item = {.key = bytes_of_text("")};
    if (!items->has_keys) {
        item.value = value_of(raw);
        *ret_item = item;
        return true;
    }
    struct reader reader = reader_of(raw);
    struct wire_field got = {0};
    while (!reader_is_done(&reader) && err_is_ok(wire_next(&reader, &got))) {
        if (got.number == 1 && got.type == WIRE_BYTES) {
            item.key = got.data;
        } else if (got.number == 2 && got.type == WIRE_BYTES) {
            item.value = value_of(got.data);
        }
    }
    *ret_item = item;
    return true;
}

bool otlp_items_find(struct otlp_items items, const char *key, struct otlp_value *ret_value)
{
    struct otlp_item item;
    bool is_found = false;
    while (otlp_items_next(&items, &item)) {
        if (bytes_equal_text(item.key, key)) {
            *ret_value = item.value;
            is_found = true;
        }
    }
    return is_found;
}

struct otlp_items otlp_span_attributes(const struct otlp_span *span)
{
    return items_of(span->raw, 9, true);
}

struct otlp_items otlp_scope_attributes(const struct otlp_scope *scope)
{
    return items_of(scope->body, 3, true);
}

struct otlp_items otlp_resource_attributes(const struct otlp_resource *resource)
{
    return items_of(resource->body, 1, true);
}

struct otlp_items otlp_event_attributes(const struct otlp_event *event)
{
    return items_of(event->raw, 3, true);
}

struct otlp_items otlp_link_attributes(const struct otlp_link *link)
{
    return items_of(link->raw, 4, true);
}

struct otlp_items otlp_value_items(const struct otlp_value *value)
{
    bool has_items = value->kind == OTLP_VALUE_ARRAY || value->kind == OTLP_VALUE_MAP;
    return items_of(has_items ? value->text : bytes_of(NULL, 0), 1, value->kind == OTLP_VALUE_MAP);
}

struct otlp_items otlp_span_events(const struct otlp_span *span)
{
    return items_of(span->raw, 11, false);
}

bool otlp_event_next(struct otlp_items *items, struct otlp_event *ret_event)
{
    struct otlp_event event = {.name = bytes_of_text("")};
    if (!items_raw_next(items, &event.raw)) {
        return false;
    }
    struct reader reader = reader_of(event.raw);
    struct wire_field got = {0};
    while (!reader_is_done(&reader) && err_is_ok(wire_next(&reader, &got))) {
        if (got.number == 1 && got.type == WIRE_FIXED64) {
            event.at.ns = (int64_t)got.value;
        } else if (got.number == 2 && got.type == WIRE_BYTES) {
            event.name = got.data;
        } else if (got.number == 4 && got.type == WIRE_VARINT) {
            event.attributes_dropped = (uint32_t)got.value;
        }
    }
    *ret_event = event;
    return true;
}

struct otlp_items otlp_span_links(const struct otlp_span *span)
{
    return items_of(span->raw, 13, false);
}

bool otlp_link_next(struct otlp_items *items, struct otlp_link *ret_link)
{
    struct otlp_link link = {.trace = bytes_of_text(""), .span = bytes_of_text("")};
    if (!items_raw_next(items, &link.raw)) {
        return false;
    }
    struct reader reader = reader_of(link.raw);
    struct wire_field got = {0};
    while (!reader_is_done(&reader) && err_is_ok(wire_next(&reader, &got))) {
        if (got.type == WIRE_BYTES && got.number == 1) {
            link.trace = got.data;
        } else if (got.type == WIRE_BYTES && got.number == 2) {
            link.span = got.data;
        } else if (got.type == WIRE_BYTES && got.number == 3) {
            link.trace_state = got.data;
        } else if (got.type == WIRE_FIXED32 && got.number == 6) {
            link.flags = (uint32_t)got.value;
        }
    }
    *ret_link = link;
    return true;
}

/* --- a span's head ------------------------------------------------------------------------------------------------ */

/* The ids as they stand; of several the last counts, as the scan has it. */
struct span_ids {
    struct bytes trace;
    struct bytes span;
    struct bytes parent;
};

static FALLIBLE id_take(struct bytes from, uint8_t *to, size_t len)
{
    if (from.len != len) {
        return FAIL(MALFORMED);
    }
    memcpy(to, from.ptr, len);
    return OK;
}

static FALLIBLE ids_take(const struct span_ids *ids, struct otlp_span *span)
{
    TRY(id_take(ids->trace, span->trace.b, sizeof span->trace.b));
    TRY(id_take(ids->span, span->id.b, sizeof span->id.b));
    if (ids->parent.len > 0) {
        TRY(id_take(ids->parent, span->parent.b, sizeof span->parent.b));
    }
    span->has_parent = !span_id_is_zero(span->parent);
    return OK;
}

static FALLIBLE status_take(struct bytes data, struct otlp_span *span)
{
    struct reader reader = reader_of(data);
    while (!reader_is_done(&reader)) {
        struct wire_field got = {0};
        TRY(wire_next(&reader, &got));
        if (got.number == 2 && got.type == WIRE_BYTES) {
            span->status_message = got.data;
        } else if (got.number == 3 && got.type == WIRE_VARINT) {
            span->status = (uint32_t)got.value;
        }
    }
    return OK;
}

static FALLIBLE field_take(const struct wire_field *got, struct span_ids *ids,
                           struct otlp_span *span)
{
    switch (got->number) {
    case 1:
        ids->trace = got->data;
        return OK;
    case 2:
        ids->span = got->data;
        return OK;
    case 3:
        span->trace_state = got->data;
        return OK;
    case 4:
        ids->parent = got->data;
        return OK;
    case 5:
        span->name = got->data;
        return OK;
    case 6:
        span->kind = (uint32_t)got->value;
        return OK;
    case 7:
        span->start.ns = (int64_t)got->value;
        return OK;
    case 8:
        span->end.ns = (int64_t)got->value;
        return OK;
    case 9:
        span->attributes_count++;
        return OK;
    case 10:
        span->attributes_dropped = (uint32_t)got->value;
        return OK;
    case 11:
        span->events_count++;
        return OK;
    case 12:
        span->events_dropped = (uint32_t)got->value;
        return OK;
    case 13:
        span->links_count++;
        return OK;
    case 14:
        span->links_dropped = (uint32_t)got->value;
        return OK;
    case 15:
        return status_take(got->data, span);
    case 16:
        span->flags = (uint32_t)got->value;
        return OK;
    default:
        return OK;
    }
}

static FALLIBLE span_decode(struct bytes raw, uint32_t scope, struct otlp_span *ret_span)
{
    struct otlp_span span = {.name = bytes_of_text(""), .scope = scope, .raw = raw};
    struct span_ids ids = {0};
    struct reader reader = reader_of(raw);
    while (!reader_is_done(&reader)) {
        struct wire_field got = {0};
        TRY(wire_next(&reader, &got));
        const struct schema_field *field = schema_field(SCHEMA_SPAN, got.number);
        if (schema_is_mistyped(field, got.type)) {
            return FAIL(MALFORMED);
        }
        TRY(field_take(&got, &ids, &span));
    }
    TRY(ids_take(&ids, &span));
    *ret_span = span;
    return OK;
}

/* --- opening -------------------------------------------------------------------------------------------------------- */

/* A resource, or a scope inside one, known by its bytes. */
struct group {
    struct bytes head;
    struct bytes body;
    uint32_t index;
    uint32_t resource;    /* of a scope */
    struct group *scopes; /* of a resource: uthash */
    struct group *next;   /* in the order of their index */
    UT_hash_handle hh;
};

struct entry {
    struct otlp_span span;
    size_t arrival;
    uint32_t resource;
    UT_hash_handle hh;
};

struct groups {
    struct group *first;
    struct group **tail;
    uint32_t count;
};

struct opening {
    struct arena *arena;
    struct view *view;
    struct group *by_head; /* resources, uthash */
    struct groups resources;
    struct groups scopes;
    struct entry *by_id; /* uthash */
    struct entry *entries;
    size_t entries_count;
    size_t arrivals;
};

/* The group of these head bytes in *table, made at first sight. */
static FALLIBLE group_of(struct opening *opening, struct group **table, struct groups *list,
                         struct bytes frame, uint32_t skipped, struct group **ret_group)
{
    struct group *group = NULL;
    struct bytes head = bytes_of_text("");
    TRY(wire_head(opening->arena, frame, skipped, &head));
    head = head.ptr == NULL ? bytes_of_text("") : head;
    HASH_FIND(hh, *table, head.ptr, head.len, group);
    if (group == NULL) {
        group = arena_zero(opening->arena, 1, sizeof *group);
        if (group == NULL) {
            return FAIL(NO_SPACE);
        }
        group->head = head;
        group->index = list->count++;
        TRY(wire_join(opening->arena, head, 1, &group->body));
        TABLE_OOM;
        HASH_ADD_KEYPTR(hh, *table, group->head.ptr, group->head.len, group);
        if (table_oom) {
            return FAIL(MEMORY);
        }
        *list->tail = group;
        list->tail = &group->next;
    }
    *ret_group = group;
    return OK;
}

/* The later end wins, then the greater bytes. */
static bool is_better(const struct otlp_span *a, const struct otlp_span *b)
{
    return a->end.ns != b->end.ns ? a->end.ns > b->end.ns : bytes_compare(a->raw, b->raw) > 0;
}

static FALLIBLE span_add(struct opening *opening, struct bytes raw, const struct group *scope)
{
    struct otlp_span span = {0};
    struct entry *entry = NULL;
    TRY(span_decode(raw, scope->index, &span));
    size_t arrival = opening->arrivals++;
    HASH_FIND(hh, opening->by_id, span.id.b, sizeof span.id.b, entry);
    if (entry != NULL) {
        opening->view->spans_twice++;
        if (is_better(&span, &entry->span)) {
            entry->span = span; /* the same id: the table stays right */
            entry->arrival = arrival;
            entry->resource = scope->resource;
        }
        return OK;
    }
    if (opening->entries_count == LIMIT_DISPLAY_SPANS) {
        return FAIL(TOO_MANY);
    }
    entry = &opening->entries[opening->entries_count++];
    *entry = (struct entry){.span = span, .arrival = arrival, .resource = scope->resource};
    TABLE_OOM;
    HASH_ADD(hh, opening->by_id, span.id.b, sizeof span.id.b, entry);
    return table_oom ? FAIL(MEMORY) : OK;
}

static FALLIBLE scope_open(struct opening *opening, struct group *resource, struct bytes frame)
{
    struct group *scope = NULL;
    TRY(group_of(opening, &resource->scopes, &opening->scopes, frame, 2, &scope));
    scope->resource = resource->index;
    struct reader reader = reader_of(frame);
    while (!reader_is_done(&reader)) {
        struct wire_field got = {0};
        TRY(wire_next(&reader, &got));
        if (got.number == 2) {
            TRY(span_add(opening, got.data, scope));
        }
    }
    return OK;
}

static FALLIBLE resource_open(struct opening *opening, struct bytes frame)
{
    struct group *resource = NULL;
    TRY(group_of(opening, &opening->by_head, &opening->resources, frame, 2, &resource));
    struct reader reader = reader_of(frame);
    while (!reader_is_done(&reader)) {
        struct wire_field got = {0};
        TRY(wire_next(&reader, &got));
        if (got.number == 2) {
            TRY(scope_open(opening, resource, got.data));
        }
    }
    return OK;
}

static FALLIBLE segment_open(struct opening *opening, struct bytes raw)
{
    struct reader reader = reader_of(raw);
    while (!reader_is_done(&reader)) {
        struct wire_field got = {0};
        TRY(wire_next(&reader, &got));
        if (got.number == 1) {
            TRY(resource_open(opening, got.data));
        }
    }
    return OK;
}

/* Spans of one frame message: `levels` more fields of the given number lie between it and them. */
static FALLIBLE spans_count(struct bytes raw, size_t *count)
{
    struct reader request = reader_of(raw);
    while (!reader_is_done(&request)) {
        struct wire_field resource = {0};
        TRY(wire_next(&request, &resource));
        struct reader scopes = reader_of(resource.number == 1 ? resource.data : bytes_of(NULL, 0));
        while (!reader_is_done(&scopes)) {
            struct wire_field scope = {0};
            TRY(wire_next(&scopes, &scope));
            struct reader spans = reader_of(scope.number == 2 ? scope.data : bytes_of(NULL, 0));
            while (!reader_is_done(&spans)) {
                struct wire_field span = {0};
                TRY(wire_next(&spans, &span));
                *count += span.number == 2;
            }
        }
    }
    return OK;
}

static int entry_compare(const void *a, const void *b)
{
    const struct entry *x = *(const struct entry *const *)a;
    const struct entry *y = *(const struct entry *const *)b;
    if (x->resource != y->resource) {
        return x->resource < y->resource ? -1 : 1;
    }
    if (x->span.scope != y->span.scope) {
        return x->span.scope < y->span.scope ? -1 : 1;
    }
    return (x->arrival > y->arrival) - (x->arrival < y->arrival);
}

/* Spans in their order, with the resources and scopes that they stand in. */
static FALLIBLE view_fill(struct opening *opening)
{
    struct view *view = opening->view;
    struct entry **sorted = arena_zero(opening->arena, opening->entries_count, sizeof *sorted);
    view->spans = arena_zero(opening->arena, opening->entries_count, sizeof *view->spans);
    view->scopes = arena_zero(opening->arena, opening->scopes.count, sizeof *view->scopes);
    view->resources = arena_zero(opening->arena, opening->resources.count, sizeof *view->resources);
    if (arena_is_full(opening->arena)) {
        return FAIL(NO_SPACE);
    }
    for (size_t i = 0; i < opening->entries_count; i++) {
        sorted[i] = &opening->entries[i];
    }
    qsort(sorted, opening->entries_count, sizeof(struct entry *), entry_compare);
    for (size_t i = 0; i < opening->entries_count; i++) {
        view->spans[view->spans_count++] = sorted[i]->span;
    }
    for (const struct group *group = opening->resources.first; group != NULL; group = group->next) {
        struct otlp_resource *resource = &view->resources[view->resources_count++];
        struct otlp_value service = {0};
        *resource = (struct otlp_resource){.head = group->head, .body = group->body};
        if (otlp_items_find(otlp_resource_attributes(resource), "service.name", &service) &&
            service.kind == OTLP_VALUE_TEXT) {
            resource->service = service.text;
        }
    }
    for (const struct group *group = opening->scopes.first; group != NULL; group = group->next) {
        struct otlp_scope *scope = &view->scopes[view->scopes_count++];
        *scope = (struct otlp_scope){
            .head = group->head, .body = group->body, .resource = group->resource};
        TRY(wire_join(opening->arena, group->body, 1, &scope->name));
        TRY(wire_join(opening->arena, group->body, 2, &scope->version));
    }
    return OK;
}

err_t view_open(const struct bytes *raws, size_t raws_count, struct arena *arena,
                struct view *ret_view)
{
    struct view view = {0};
    struct opening opening = {.arena = arena, .view = &view};
    size_t count = 0;
    opening.resources.tail = &opening.resources.first;
    opening.scopes.tail = &opening.scopes.first;
    err_t err = OK;
    for (size_t i = 0; i < raws_count && err_is_ok(err); i++) {
        err = spans_count(raws[i], &count);
    }
    if (err_is_ok(err)) {
        count = count < LIMIT_DISPLAY_SPANS ? count : LIMIT_DISPLAY_SPANS;
        opening.entries = arena_zero(arena, count, sizeof *opening.entries);
        err = opening.entries == NULL ? FAIL(NO_SPACE) : OK;
    }
    for (size_t i = 0; i < raws_count && err_is_ok(err); i++) {
        err = segment_open(&opening, raws[i]);
    }
    if (err_is_ok(err)) {
        err = view_fill(&opening);
    }
    for (struct group *group = opening.resources.first; group != NULL; group = group->next) {
        HASH_CLEAR(hh, group->scopes);
    }
    HASH_CLEAR(hh, opening.by_head);
    HASH_CLEAR(hh, opening.by_id);
    TRY(err);
    *ret_view = view;
    return OK;
}

const struct otlp_resource *view_span_resource(const struct view *view,
                                               const struct otlp_span *span)
{
    return &view->resources[view->scopes[span->scope].resource];
}

/* --- merged protobuf ------------------------------------------------------------------------------------------------- */

/* Octets of the ScopeSpans that begins with span i; where the next one begins. */
static size_t scope_size(const struct view *view, size_t i, size_t *ret_next)
{
    uint32_t scope = view->spans[i].scope;
    size_t size = view->scopes[scope].head.len;
    for (; i < view->spans_count && view->spans[i].scope == scope; i++) {
        size += wire_bytes_size(view->spans[i].raw.len);
    }
    *ret_next = i;
    return size;
}

static uint32_t resource_at(const struct view *view, size_t i)
{
    return view->scopes[view->spans[i].scope].resource;
}

static size_t resource_size(const struct view *view, size_t i)
{
    uint32_t resource = resource_at(view, i);
    size_t size = view->resources[resource].head.len;
    while (i < view->spans_count && resource_at(view, i) == resource) {
        size += wire_bytes_size(scope_size(view, i, &i));
    }
    return size;
}

/* Octets as they came, but texts that are not UTF-8 mended when that is wanted. */
static void octets_add(struct buf *out, enum schema_message message, struct bytes raw,
                       bool is_mended)
{
    buf_add(out, raw);
    if (is_mended) {
        mend_texts(message, out, raw.len);
    }
}

static void merged_write(const struct view *view, bool is_mended, struct buf *out)
{
    for (size_t i = 0; i < view->spans_count;) {
        uint32_t resource = resource_at(view, i);
        wire_put_head(out, 1, resource_size(view, i));
        octets_add(out, SCHEMA_RESOURCE_SPANS, view->resources[resource].head, is_mended);
        while (i < view->spans_count && resource_at(view, i) == resource) {
            size_t next = i;
            wire_put_head(out, 2, scope_size(view, i, &next));
            octets_add(out, SCHEMA_SCOPE_SPANS, view->scopes[view->spans[i].scope].head, is_mended);
            for (; i < next; i++) {
                wire_put_head(out, 2, view->spans[i].raw.len);
                octets_add(out, SCHEMA_SPAN, view->spans[i].raw, is_mended);
            }
        }
    }
}

void view_protobuf(const struct view *view, struct buf *out)
{
    merged_write(view, true, out);
}

void view_raw(const struct view *view, struct buf *out)
{
    merged_write(view, false, out);
}
