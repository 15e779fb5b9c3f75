#include "proto/otlp/merge.h"

#include "proto/base/limits.h"
#include "proto/otlp/view.h"

#include "proto/base/banned.h"

/* The merged octets pass the scan again, as if they were an export. It refused nothing of them when they came. */
static FALLIBLE octets_build(struct segment_builder *builder, struct uuid project,
                             struct bytes octets, size_t spans_count, struct arena *arena,
                             struct bus_trace *ret_trace)
{
    const struct scan_options options = {.project = project};
    struct scan_result result;
    struct detail detail = {.text = ""};
    TRY(scan_export(&options, octets, arena, &detail, &result));
    if (result.traces_count != 1 || result.spans_count != spans_count) {
        return FAIL(MALFORMED);
    }
    TRY(segment_build(builder, &result, 0, arena));
    const struct bus_trace *trace = &result.traces[0];
    *ret_trace = (struct bus_trace){.id = trace->id,
                                    .spans_count = trace->spans_count,
                                    .errors_count = trace->errors_count,
                                    .terms = trace->terms,
                                    .terms_count = trace->terms_count,
                                    .segment = trace->segment,
                                    .segment_raw_bytes = trace->segment_raw_bytes};
    memcpy(ret_trace->segment_hash, trace->segment_hash, sizeof trace->segment_hash);
    return OK;
}

err_t merge_segments(struct segment_builder *builder, struct uuid project, const struct bytes *raws,
                     size_t raws_count, struct arena *arena, struct bus_trace *ret_trace)
{
    struct view view;
    struct buf octets;
    TRY(view_open(raws, raws_count, arena, &view));
    buf_init(&octets, LIMIT_SEGMENTS_BYTES);
    view_raw(&view, &octets);
    err_t err = buf_err(&octets);
    if (err_is_ok(err)) {
        err =
            octets_build(builder, project, buf_bytes(&octets), view.spans_count, arena, ret_trace);
    }
    buf_fini(&octets);
    return err;
}
