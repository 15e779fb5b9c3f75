/* Any octets as a protobuf export: scan, build every segment, inflate it, open it as a view and write it both
 * ways. Every accepted span must be in its trace's segment, and the JSON must read back. */
#include "proto/base/check.h"
#include "proto/base/limits.h"
#include "proto/otlp/json.h"
#include "proto/otlp/segment.h"
#include "proto/otlp/view.h"

#include "proto/base/banned.h"

enum { OUT_MAX = 64 << 20 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void segment_check(const struct bus_trace *trace, struct arena *arena)
{
    struct bytes raw = {0};
    struct view view;
    struct buf json;
    struct buf back;
    struct detail detail;
    struct json_rejected rejected = {0};
    err_t err = segment_inflate(trace->segment, trace->segment_raw_bytes, arena, &raw);
    INVARIANT(err_is_ok(err) && raw.len == trace->segment_raw_bytes);
    err = view_open(&raw, 1, arena, &view);
    INVARIANT(err_is_ok(err));
    INVARIANT(view.spans_count + view.spans_twice == trace->spans_count);
    buf_init(&json, OUT_MAX);
    buf_init(&back, OUT_MAX);
    err = view_json(&view, arena, &json);
    INVARIANT(err_is_ok(err));
    err = json_to_protobuf(buf_bytes(&json), &back, &detail, &rejected);
    INVARIANT(err_is_ok(err) && rejected.spans_count == 0);
    buf_reset(&back);
    view_protobuf(&view, &back);
    INVARIANT(err_is_ok(buf_err(&back)));
    buf_fini(&json);
    buf_fini(&back);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena;
    struct scan_options options = {.project = {{1}}};
    struct scan_result result;
    struct detail detail = {{0}};
    struct segment_builder *builder = segment_builder_new(SEGMENT_EFFORT_INGEST);
    PRE(builder != NULL);
    arena_init(&arena, LIMIT_SCAN_BYTES);
    err_t err = scan_export(&options, bytes_of(data, size), &arena, &detail, &result);
    for (size_t i = 0; err_is_ok(err) && i < result.traces_count; i++) {
        INVARIANT(err_is_ok(segment_build(builder, &result, i, &arena)));
        segment_check(&result.traces[i], &arena);
    }
    INVARIANT(err_is_ok(err) || detail.text[0] != '\0');
    arena_fini(&arena);
    segment_builder_free(builder);
    return 0;
}
