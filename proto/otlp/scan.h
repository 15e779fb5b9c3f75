/* scan: reads the raw bytes of an ExportTraceServiceRequest and yields the facts of each of its traces.
 *
 * Bounded and iterative: public bytes are never unpacked. The frame (request, ResourceSpans, ScopeSpans) is
 * walked first: when it is broken the whole body is refused. Then every span is checked by itself; one
 * that does not fit is rejected and counted, the rest goes on. What the spans and their resources say
 * (keys, tags, skip, times, terms, words) is gathered per trace; work and memory per trace are bounded
 * by the arena, whatever the mixture of resources and traces.
 *
 *     TRY(scan_export(&options, body, &arena, &detail, &result));
 *     for (i = 0; i < result.traces_count; i++)
 *         TRY(segment_build(builder, &result, i, &arena));      result.traces[i] is now complete
 *
 * The key of kind `trace` is the trace's id itself and is not listed among the keys.
 *
 * Thread: any. Everything in the result lives in the arena or borrows from `body`. */
#ifndef CALLTRACE_OTLP_SCAN_H
#define CALLTRACE_OTLP_SCAN_H

#include "proto/base/arena.h"
#include "proto/bus/message.h"

/* Why a span was rejected (scan_rejects.def). */
enum scan_reject {
    SCAN_REJECT_NONE = 0,
#define REJECT(name, text) SCAN_REJECT_##name,
#include "proto/otlp/scan_rejects.def"
#undef REJECT
    SCAN_REJECT_COUNT
};

/* Where one span stands; private to proto/otlp. */
struct scan_span;
struct scan_scope;
struct scan_resource;

struct scan_result {
    struct bus_trace *traces; /* in the order of their first span; segment fields still empty */
    size_t traces_count;
    size_t spans_count; /* accepted */
    uint32_t rejected[SCAN_REJECT_COUNT];
    uint32_t rejected_count;
    uint32_t
        rejected_first[SCAN_REJECT_COUNT]; /* 0-based position in the request, of each reason */
    /* private, for segment_build */
    struct scan_span *spans;
    uint32_t *order;        /* span indexes, trace by trace, in the order they came */
    uint32_t *order_starts; /* traces_count + 1 */
    struct scan_scope *scopes;
    struct scan_resource *resources;
    size_t segments_bytes; /* raw, of those built so far */
};

struct scan_options {
    struct uuid project;
};

/* Errors: MALFORMED, TRUNCATED (the frame around the spans), TOO_MANY (LIMIT_SPANS_PER_EXPORT), NO_SPACE
 * (arena). */
FALLIBLE scan_export(const struct scan_options *options, struct bytes body, struct arena *arena,
                     struct detail *detail, struct scan_result *ret_result);

/* One English sentence about the rejected spans, or an empty text. */
void scan_rejected_text(const struct scan_result *result, struct detail *ret_text);

#endif
