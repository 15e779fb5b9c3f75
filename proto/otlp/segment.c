#include "proto/otlp/segment.h"

#include <zstd.h>

#include "proto/base/check.h"
#include "proto/base/limits.h"
#include "proto/base/mem.h"
#include "proto/otlp/scan_parts.h"
#include "proto/otlp/wire.h"

#include "proto/base/banned.h"

enum { INGEST_LEVEL = 1, SEAL_LEVEL = 6, SEAL_WINDOW_LOG = 23, KEPT_BYTES = 4 << 20 };

struct segment_builder {
    ZSTD_CCtx *zstd;
    struct buf raw;
    struct buf packed;
    size_t bytes_largest; /* raw segment since the last trim */
};

/* The parameters exist and have no other values: only memory can fail. */
static bool effort_set(ZSTD_CCtx *zstd, enum segment_effort effort)
{
    bool is_seal = effort == SEGMENT_EFFORT_SEAL;
    size_t level =
        ZSTD_CCtx_setParameter(zstd, ZSTD_c_compressionLevel, is_seal ? SEAL_LEVEL : INGEST_LEVEL);
    size_t window = ZSTD_CCtx_setParameter(zstd, ZSTD_c_windowLog, is_seal ? SEAL_WINDOW_LOG : 0);
    return !ZSTD_isError(level) && !ZSTD_isError(window);
}

struct segment_builder *segment_builder_new(enum segment_effort effort)
{
    struct segment_builder *builder = mem_zero(1, sizeof *builder);
    if (builder == NULL) {
        return NULL;
    }
    buf_init(&builder->raw, LIMIT_SEGMENTS_BYTES);
    buf_init(&builder->packed, ZSTD_COMPRESSBOUND((size_t)LIMIT_SEGMENTS_BYTES));
    builder->zstd = ZSTD_createCCtx();
    if (builder->zstd == NULL || !effort_set(builder->zstd, effort)) {
        segment_builder_free(builder);
        return NULL;
    }
    return builder;
}

void segment_builder_free(struct segment_builder *builder)
{
    if (builder != NULL) {
        (void)ZSTD_freeCCtx(builder->zstd); /* accepts NULL; its result says nothing */
        buf_fini(&builder->raw);
        buf_fini(&builder->packed);
        mem_free(builder);
    }
}

void segment_builder_trim(struct segment_builder *builder)
{
    if (builder->bytes_largest > KEPT_BYTES) {
        builder->bytes_largest = 0;
        buf_fini(&builder->raw);
        buf_fini(&builder->packed);
    }
}

/* The spans of one trace, in order. */
struct stretch {
    const struct scan_result *result;
    const uint32_t *order;
    size_t count;
};

static const struct scan_span *span_at(const struct stretch *stretch, size_t i)
{
    return &stretch->result->spans[stretch->order[i]];
}

static uint32_t resource_at(const struct stretch *stretch, size_t i)
{
    return stretch->result->scopes[span_at(stretch, i)->scope].resource;
}

/* Octets of the ScopeSpans message that begins with span i; where the next one begins. */
static size_t scope_size(const struct stretch *stretch, size_t i, size_t *ret_next)
{
    uint32_t scope = span_at(stretch, i)->scope;
    size_t size = stretch->result->scopes[scope].head.len;
    while (i < stretch->count && span_at(stretch, i)->scope == scope) {
        size += wire_bytes_size(span_at(stretch, i)->raw.len);
        i++;
    }
    *ret_next = i;
    return size;
}

static size_t resource_size(const struct stretch *stretch, size_t i)
{
    uint32_t resource = resource_at(stretch, i);
    size_t size = stretch->result->resources[resource].head.len;
    while (i < stretch->count && resource_at(stretch, i) == resource) {
        size += wire_bytes_size(scope_size(stretch, i, &i));
    }
    return size;
}

static void raw_write(const struct stretch *stretch, struct buf *out)
{
    for (size_t i = 0; i < stretch->count;) {
        uint32_t resource = resource_at(stretch, i);
        wire_put_head(out, 1, resource_size(stretch, i));
        buf_add(out, stretch->result->resources[resource].head);
        while (i < stretch->count && resource_at(stretch, i) == resource) {
            size_t next = i;
            wire_put_head(out, 2, scope_size(stretch, i, &next));
            buf_add(out, stretch->result->scopes[span_at(stretch, i)->scope].head);
            for (; i < next; i++) {
                wire_put_bytes(out, 2, span_at(stretch, i)->raw);
            }
        }
    }
}

err_t segment_build(struct segment_builder *builder, struct scan_result *result, size_t index,
                    struct arena *arena)
{
    struct bus_trace *trace = &result->traces[index];
    uint32_t start = result->order_starts[index];
    struct stretch stretch = {.result = result,
                              .order = result->order + start,
                              .count = result->order_starts[index + 1] - start};
    PRE(index < result->traces_count);
    buf_reset(&builder->raw);
    raw_write(&stretch, &builder->raw);
    TRY(buf_err(&builder->raw));
    struct bytes raw = buf_bytes(&builder->raw);
    if (raw.len > LIMIT_SEGMENTS_BYTES - result->segments_bytes) {
        return FAIL(TOO_LARGE);
    }
    result->segments_bytes += raw.len;
    builder->bytes_largest = raw.len > builder->bytes_largest ? raw.len : builder->bytes_largest;
    size_t bound = ZSTD_compressBound(raw.len);
    buf_reset(&builder->packed);
    if (!buf_reserve(&builder->packed, bound)) {
        return buf_err(&builder->packed);
    }
    size_t packed = ZSTD_compress2(builder->zstd, builder->packed.ptr, bound, raw.ptr, raw.len);
    if (ZSTD_isError(packed)) {
        return FAIL(MEMORY); /* the room suffices and the level exists: nothing else is left */
    }
    TRY(arena_copy(arena, bytes_of(builder->packed.ptr, packed), &trace->segment));
    bytes_hash128(raw, trace->segment_hash);
    trace->segment_raw_bytes = (uint32_t)raw.len;
    return OK;
}

err_t segment_inflate(struct bytes segment, size_t raw_bytes_max, struct arena *arena,
                      struct bytes *ret_raw)
{
    unsigned long long declared = ZSTD_getFrameContentSize(segment.ptr, segment.len);
    if (declared == ZSTD_CONTENTSIZE_UNKNOWN || declared == ZSTD_CONTENTSIZE_ERROR) {
        return FAIL(MALFORMED);
    }
    if (declared > raw_bytes_max) {
        return FAIL(TOO_LARGE);
    }
    uint8_t *raw = arena_alloc(arena, (size_t)declared);
    if (raw == NULL) {
        return FAIL(NO_SPACE);
    }
    size_t len = ZSTD_decompress(raw, (size_t)declared, segment.ptr, segment.len);
    if (ZSTD_isError(len) || len != declared) {
        return FAIL(MALFORMED);
    }
    *ret_raw = bytes_of(raw, len);
    return OK;
}
