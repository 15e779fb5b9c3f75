/* spans: stored spans (proto/otlp/view.h) as the voice modules read them. PURE.
 *
 *     voice_spans_read(views, count, arena, &spans, &spans_count);    then turns_make(spans, ...)
 *
 * Which SDK wrote a span decides units; its resource tells, see facts.h. Thread: any. Everything borrows from the
 * views and the arena. */
#ifndef CALLTRACE_VOICE_SPANS_H
#define CALLTRACE_VOICE_SPANS_H

#include "proto/otlp/view.h"
#include "proto/voice/turns.h"

/* What telemetry.sdk.language of a resource says. */
enum voice_sdk { VOICE_SDK_UNKNOWN = 0, VOICE_SDK_NODE, VOICE_SDK_OTHER };

enum voice_sdk voice_sdk_of(const struct otlp_resource *resource);

void voice_span_facts(const struct otlp_span *span, enum voice_sdk sdk,
                      struct voice_facts *ret_facts);

/* All spans of all views in their order; the n-th view is trace n. Errors: NO_SPACE. */
FALLIBLE voice_spans_read(const struct view *views, size_t views_count, struct arena *arena,
                          struct turns_span **ret_spans, size_t *ret_count);

#endif
