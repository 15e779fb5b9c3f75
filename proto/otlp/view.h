/* view: a stored trace for readers. Opens the raw segments of one trace (segment_inflate) and shows each
 * span once: as one merged TracesData message, as OTLP/JSON, or as an array of decoded span heads with
 * iterators over their attributes, events and links.
 *
 *     for each row:  segment_inflate(row.body, row.raw_bytes, arena, &raws[n++]);
 *     view_open(raws, n, arena, &view);
 *     view_protobuf(&view, &out);   or   view_json(&view, arena, &out);
 *     for (i = 0; i < view.spans_count; i++) {
 *         const struct otlp_span *span = &view.spans[i];
 *         struct otlp_items items = otlp_span_attributes(span);
 *         while (otlp_items_next(&items, &item)) ... item.key, item.value
 *     }
 *
 * One span twice (same span id): the later end time wins, then the greater bytes (bytes_compare). Resources and
 * scopes with the same bytes are shown once. Spans stand in the order of resource, scope and arrival.
 *
 * Thread: any. Everything borrows from the raw segments and the arena. */
#ifndef CALLTRACE_OTLP_VIEW_H
#define CALLTRACE_OTLP_VIEW_H

#include "proto/base/arena.h"
#include "proto/base/buf.h"
#include "proto/base/clock.h"
#include "proto/base/id.h"
#include "proto/base/reader.h"

enum otlp_value_kind {
    OTLP_VALUE_EMPTY = 0,
    OTLP_VALUE_TEXT,   /* text; not checked for UTF-8: write it with jsontext_add */
    OTLP_VALUE_BOOL,   /* flag */
    OTLP_VALUE_INT,    /* integer */
    OTLP_VALUE_DOUBLE, /* number */
    OTLP_VALUE_ARRAY,  /* raw; otlp_value_items gives the elements, keys empty */
    OTLP_VALUE_MAP,    /* raw; otlp_value_items gives keys and values */
    OTLP_VALUE_BYTES,  /* raw */
};

struct otlp_value {
    enum otlp_value_kind kind;
    bool flag;
    int64_t integer;
    double number;
    struct bytes text; /* text, or raw octets of bytes, array and map */
};

/* One attribute, or one element of an array or map value. */
struct otlp_item {
    struct bytes key;
    struct otlp_value value;
};

struct otlp_items {
    /* private */
    struct reader reader;
    uint32_t field;
    bool has_keys;
};

struct otlp_resource {
    struct bytes head;    /* ResourceSpans without scope_spans, as it came */
    struct bytes body;    /* the Resource message in it */
    struct bytes service; /* service.name; may be empty */
};

struct otlp_scope {
    struct bytes head; /* ScopeSpans without spans, as it came */
    struct bytes body; /* the InstrumentationScope message in it */
    struct bytes name;
    struct bytes version;
    uint32_t resource;
};

struct otlp_span {
    struct trace_id trace;
    struct span_id id;
    struct span_id parent; /* zero without one */
    bool has_parent;
    struct bytes name;
    uint32_t kind; /* 1 internal, 2 server, 3 client, 4 producer, 5 consumer; others as they came */
    uint32_t status; /* 0 unset, 1 ok, 2 error */
    struct bytes status_message;
    struct bytes trace_state;
    uint32_t flags;
    struct unix_ns start; /* the 64 bits as a signed number */
    struct unix_ns end;
    uint32_t attributes_count;
    uint32_t events_count;
    uint32_t links_count;
    uint32_t attributes_dropped; /* as the sender counted them */
    uint32_t events_dropped;
    uint32_t links_dropped;
    uint32_t scope; /* index into the view's scopes */
    struct bytes raw;
};

struct otlp_event {
    struct unix_ns at;
    struct bytes name;
    uint32_t attributes_dropped;
    struct bytes raw;
};

struct otlp_link {
    struct bytes trace; /* octets of any length, 16 as a rule */
    struct bytes span;
    struct bytes trace_state;
    uint32_t flags;
    struct bytes raw;
};

struct view {
    struct otlp_span *spans;
    size_t spans_count;
    struct otlp_scope *scopes;
    size_t scopes_count;
    struct otlp_resource *resources;
    size_t resources_count;
    size_t spans_twice; /* how many copies were left out */
};

/* Errors: MALFORMED (a segment is no TracesData), TOO_MANY (LIMIT_DISPLAY_SPANS), NO_SPACE. */
FALLIBLE view_open(const struct bytes *raws, size_t raws_count, struct arena *arena,
                   struct view *ret_view);

/* Appends; failure stays in `out`. Deterministic. Spans are byte for byte as they came, but texts that are
 * not UTF-8 are mended (mend.h): strict readers would refuse the whole trace. */
void view_protobuf(const struct view *view, struct buf *out);

/* The same with every octet as it came: what is stored. */
void view_raw(const struct view *view, struct buf *out);

/* Appends the same as OTLP/JSON: lowerCamelCase, lower-case hex ids, 64-bit integers as texts, enums as
 * numbers, NaN and infinities as texts, bytes as base64, odd texts as jsontext_add writes them. Unknown
 * fields have no JSON form and are left out. Errors: MALFORMED, TOO_DEEP, NO_SPACE, and those of `out`. */
FALLIBLE view_json(const struct view *view, struct arena *arena, struct buf *out);

/* One span's object alone, as it stands in view_json. */
FALLIBLE view_span_json(const struct otlp_span *span, struct arena *arena, struct buf *out);

/* Texts and bytes with more than `chars_max` characters are not written but handed over, in the order in which they
 * stand; `write` puts a JSON value in their place. */
struct view_cut {
    size_t chars_max;
    void (*write)(void *context, struct bytes value, bool is_text, struct buf *out);
    void *context;
};

/* One span with its resource and scope, as a whole trace of one span would stand in view_json. `cut` may be NULL.
 * Errors: those of view_json. */
FALLIBLE view_one_json(const struct view *view, const struct otlp_span *span,
                       const struct view_cut *cut, struct arena *arena, struct buf *out);

/* Characters of a text; of octets that are no UTF-8 about as many. */
size_t view_value_chars(struct bytes value);

const struct otlp_resource *view_span_resource(const struct view *view,
                                               const struct otlp_span *span);

struct otlp_items otlp_span_attributes(const struct otlp_span *span);
struct otlp_items otlp_scope_attributes(const struct otlp_scope *scope);
struct otlp_items otlp_resource_attributes(const struct otlp_resource *resource);
struct otlp_items otlp_event_attributes(const struct otlp_event *event);
struct otlp_items otlp_link_attributes(const struct otlp_link *link);
/* Elements of an array or map; none for other kinds. */
struct otlp_items otlp_value_items(const struct otlp_value *value);

/* False at the end, and at octets that are no attribute. */
bool otlp_items_next(struct otlp_items *items, struct otlp_item *ret_item);

/* The value of `key`; of duplicates the last. False without one. */
bool otlp_items_find(struct otlp_items items, const char *key, struct otlp_value *ret_value);

/* Events and links in their order; each call walks the iterator on. */
struct otlp_items otlp_span_events(const struct otlp_span *span);
bool otlp_event_next(struct otlp_items *items, struct otlp_event *ret_event);
struct otlp_items otlp_span_links(const struct otlp_span *span);
bool otlp_link_next(struct otlp_items *items, struct otlp_link *ret_link);

/* Appends the value as plain JSON ("x", 5, 1.5, true, null, [..], {..}; bytes as base64 text; integers beyond
 * 2^53 as texts). For pages, not for OTLP. Errors: TOO_DEEP, and those of `out`. */
FALLIBLE otlp_value_plain_json(const struct otlp_value *value, struct buf *out);

#endif
