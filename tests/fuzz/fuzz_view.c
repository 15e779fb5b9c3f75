/* Any octets as a stored segment, raw and compressed: opening, every iterator, both writers, and the turns that the
 * spans make. */
#include "proto/base/check.h"
#include "proto/base/limits.h"
#include "proto/otlp/segment.h"
#include "proto/otlp/view.h"
#include "proto/voice/spans.h"

#include "proto/base/banned.h"

enum { OUT_MAX = 64 << 20, ARENA_MAX = 64 << 20, RAW_MAX = 1 << 20 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void span_walk(const struct otlp_span *span, struct buf *out)
{
    struct otlp_items items = otlp_span_attributes(span);
    struct otlp_item item;
    while (otlp_items_next(&items, &item)) {
        buf_reset(out);
        err_t err = otlp_value_plain_json(&item.value, out);
        INVARIANT(err_is_ok(err) || err_is(err, ERR_TOO_DEEP) || err_is(err, ERR_TOO_LARGE));
    }
    struct otlp_event event;
    items = otlp_span_events(span);
    while (otlp_event_next(&items, &event)) {
        struct otlp_items inner = otlp_event_attributes(&event);
        while (otlp_items_next(&inner, &item)) {
        }
    }
    struct otlp_link link;
    items = otlp_span_links(span);
    while (otlp_link_next(&items, &link)) {
        struct otlp_items inner = otlp_link_attributes(&link);
        while (otlp_items_next(&inner, &item)) {
        }
    }
}

static void turns_walk(const struct view *view, struct arena *arena)
{
    struct turns_span *spans = NULL;
    size_t count = 0;
    struct turns turns;
    const struct turns_options options = {.is_chat = view->spans_count % 2 == 0};
    if (!err_is_ok(voice_spans_read(view, 1, arena, &spans, &count)) ||
        !err_is_ok(turns_make(spans, count, &options, arena, &turns))) {
        return; /* the arena was too small */
    }
    for (size_t i = 0; i < turns.count; i++) {
        for (size_t n = 0; n < turns.turns[i].waits_count; n++) {
            const struct turn_wait *wait = &turns.turns[i].waits[n];
            int64_t sum = 0;
            for (size_t part = 0; part < WAIT_STAGE_COUNT; part++) {
                INVARIANT(wait->split.parts_ns[part] >= 0);
                sum += wait->split.parts_ns[part];
            }
            INVARIANT(sum == wait->to.ns - wait->from.ns);
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena;
    struct buf out;
    struct view view;
    struct bytes raws[2] = {bytes_of(data, size), bytes_of(data, size / 2)};
    arena_init(&arena, ARENA_MAX);
    buf_init(&out, OUT_MAX);
    (void)segment_inflate(raws[0], RAW_MAX, &arena, &raws[1]).code; /* any result is fine */
    if (err_is_ok(view_open(raws, 2, &arena, &view))) {
        for (size_t i = 0; i < view.spans_count; i++) {
            span_walk(&view.spans[i], &out);
        }
        turns_walk(&view, &arena);
        buf_reset(&out);
        (void)view_json(&view, &arena, &out).code; /* odd values may be refused */
        buf_reset(&out);
        view_protobuf(&view, &out);
        INVARIANT(err_is_ok(buf_err(&out)));
    }
    arena_fini(&arena);
    buf_fini(&out);
    return 0;
}
