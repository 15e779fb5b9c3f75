/* segment: one trace of one export as stored: a TracesData message (ResourceSpans and ScopeSpans repeated as
 * needed, unknown fields included, spans byte for byte as they came), hashed and compressed.
 *
 * Owner thread: the caller's; a builder is made once per worker thread and reused. */
#ifndef CALLTRACE_OTLP_SEGMENT_H
#define CALLTRACE_OTLP_SEGMENT_H

#include "proto/otlp/scan.h"

struct segment_builder;

/* Gives a builder; NULL when out of memory. */
struct segment_builder *segment_builder_new(void);
void segment_builder_free(struct segment_builder *builder);

/* Gives large buffers back to the heap; call between requests. */
void segment_builder_trim(struct segment_builder *builder);

/* Fills segment, segment_hash and segment_raw_bytes of result->traces[index]; the segment lives in the arena.
 * Errors: MEMORY, NO_SPACE, TOO_LARGE (raw segments over LIMIT_SEGMENTS_BYTES). */
FALLIBLE segment_build(struct segment_builder *builder, struct scan_result *result, size_t index,
                       struct arena *arena);

/* The raw bytes of a stored segment, at most `raw_bytes_max`; in the arena. Errors: MALFORMED, TOO_LARGE,
 * NO_SPACE. */
FALLIBLE segment_inflate(struct bytes segment, size_t raw_bytes_max, struct arena *arena,
                         struct bytes *ret_raw);

#endif
