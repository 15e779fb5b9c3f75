/* merge: the stored segments of a trace as one. What it holds is what readers see of the trace (view.h): each span once,
 * of several copies the one that readers are shown, in the order in which they are shown, byte for byte as it came. Its
 * search terms, counts and hash are those of an export of just these spans (scan.h, segment.h).
 *
 * Thread: any; a builder belongs to one. */
#ifndef CALLTRACE_OTLP_MERGE_H
#define CALLTRACE_OTLP_MERGE_H

#include "proto/otlp/segment.h"

/* Fills what a segment's row needs of `*ret_trace`: spans_count, errors_count, terms, segment, segment_hash and
 * segment_raw_bytes. `raws` are inflated segments of one trace, at most LIMIT_SEALED_SPANS spans. Everything lives in the
 * arena. Errors: MALFORMED (they are none, or of several traces), TOO_LARGE, NO_SPACE, MEMORY. */
FALLIBLE merge_segments(struct segment_builder *builder, struct uuid project,
                        const struct bytes *raws, size_t raws_count, struct arena *arena,
                        struct bus_trace *ret_trace);

#endif
