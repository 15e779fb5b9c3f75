/* segment: one trace of one export as stored: a TracesData message (ResourceSpans and ScopeSpans repeated as
 * needed, unknown fields included, spans byte for byte as they came), hashed and compressed.
 *
 * Owner thread: the caller's; a builder is made once per worker thread and reused. */
#ifndef CALLTRACE_OTLP_SEGMENT_H
#define CALLTRACE_OTLP_SEGMENT_H

#include "proto/otlp/scan.h"

struct segment_builder;

/* How hard a builder compresses. Measured on a core of the test machine: a call of 60 turns, 4.5 MB, whose contexts repeat
 * each other; 50 spans of LiveKit's with texts that do not repeat, 23 KB. Raised levels give the last percents only, at
 * many times the cost.
 *
 *     level       of the call        of the 50 spans
 *     1           82 KB, 0.2 ms/MB   6.4 KB,   2 ms/MB
 *     3           79 KB, 0.2 ms/MB   6.1 KB,   2 ms/MB
 *     6           77 KB, 0.6 ms/MB   5.9 KB,   6 ms/MB
 *     12          75 KB, 1.7 ms/MB   5.9 KB,  22 ms/MB
 *     19          70 KB,  21 ms/MB   5.7 KB, 234 ms/MB */
enum segment_effort {
    SEGMENT_EFFORT_INGEST = 0, /* level 1 */
    SEGMENT_EFFORT_SEAL, /* level 6, a window of 8 MiB: contexts that lie far apart still find each other */
};

/* Gives a builder; NULL when out of memory. */
struct segment_builder *segment_builder_new(enum segment_effort effort);
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
