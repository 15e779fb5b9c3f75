#include "proto/voice/spans.h"

#include "proto/base/banned.h"

enum {
    /* Attributes of a span that facts.def knows; more of them are repeated keys. */
    FACT_ATTRIBUTES_MAX = 64,
};

enum voice_sdk voice_sdk_of(const struct otlp_resource *resource)
{
    struct otlp_value language;
    if (!otlp_items_find(otlp_resource_attributes(resource), "telemetry.sdk.language", &language)) {
        return VOICE_SDK_UNKNOWN;
    }
    bool is_node = language.kind == OTLP_VALUE_TEXT && bytes_equal_text(language.text, "nodejs");
    return is_node ? VOICE_SDK_NODE : VOICE_SDK_OTHER;
}

static bool attribute_of(const struct otlp_item *item, struct voice_attribute *ret_attribute)
{
    struct voice_attribute attribute = {.key = item->key};
    switch (item->value.kind) {
    case OTLP_VALUE_TEXT:
        attribute.form = VOICE_FORM_TEXT;
        attribute.text = item->value.text;
        break;
    case OTLP_VALUE_BOOL:
        attribute.form = VOICE_FORM_TRUTH;
        attribute.is_true = item->value.flag;
        break;
    case OTLP_VALUE_INT:
        attribute.form = VOICE_FORM_NUMBER;
        attribute.number = (double)item->value.integer;
        attribute.is_integer = true;
        break;
    case OTLP_VALUE_DOUBLE:
        attribute.form = VOICE_FORM_NUMBER;
        attribute.number = item->value.number;
        break;
    case OTLP_VALUE_EMPTY:
    case OTLP_VALUE_ARRAY:
    case OTLP_VALUE_MAP:
    case OTLP_VALUE_BYTES:
        return false;
    }
    *ret_attribute = attribute;
    return true;
}

void voice_span_facts(const struct otlp_span *span, enum voice_sdk sdk,
                      struct voice_facts *ret_facts)
{
    struct voice_attribute attributes[FACT_ATTRIBUTES_MAX];
    struct voice_span voice = {.name = span->name,
                               .is_node = sdk == VOICE_SDK_NODE,
                               .is_sdk_unknown = sdk == VOICE_SDK_UNKNOWN,
                               .attributes = attributes};
    struct otlp_items items = otlp_span_attributes(span);
    struct otlp_item item;
    while (voice.count < FACT_ATTRIBUTES_MAX && otlp_items_next(&items, &item)) {
        if (voice_key_is_known(item.key)) {
            voice.count += attribute_of(&item, &attributes[voice.count]);
        }
    }
    voice_facts_read(&voice, ret_facts);
}

static void span_read(const struct otlp_span *from, uint32_t trace, enum voice_sdk sdk,
                      struct turns_span *to)
{
    *to = (struct turns_span){.trace = trace,
                              .id = from->id,
                              .parent = from->parent,
                              .has_parent = from->has_parent,
                              .is_open = from->end.ns == 0,
                              .start = from->start,
                              .end = from->end,
                              .name = from->name};
    voice_span_facts(from, sdk, &to->facts);
    to->has_error = turns_span_has_error(from->status, &to->facts);
}

err_t voice_spans_read(const struct view *views, size_t views_count, struct arena *arena,
                       struct turns_span **ret_spans, size_t *ret_count)
{
    size_t count = 0;
    for (size_t i = 0; i < views_count; i++) {
        count += views[i].spans_count;
    }
    struct turns_span *spans = arena_zero(arena, count + 1, sizeof *spans);
    if (spans == NULL) {
        return FAIL(NO_SPACE);
    }
    size_t at = 0;
    for (size_t i = 0; i < views_count; i++) {
        const struct view *view = &views[i];
        enum voice_sdk *sdks = arena_zero(arena, view->resources_count + 1, sizeof *sdks);
        if (sdks == NULL) {
            return FAIL(NO_SPACE);
        }
        for (size_t n = 0; n < view->resources_count; n++) {
            sdks[n] = voice_sdk_of(&view->resources[n]);
        }
        for (size_t n = 0; n < view->spans_count; n++) {
            const struct otlp_span *span = &view->spans[n];
            span_read(span, (uint32_t)i, sdks[view->scopes[span->scope].resource], &spans[at++]);
        }
    }
    *ret_spans = spans;
    *ret_count = count;
    return OK;
}
