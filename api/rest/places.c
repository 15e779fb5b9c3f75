#include "api/rest/places.h"

#include <inttypes.h>
#include <stdio.h>

#include "proto/base/banned.h"

enum { DIGITS = 24 };

struct attribute_row {
    enum match_kind kind;
    const char *name;
};

static const struct attribute_row rows[] = {
#define ATTRIBUTE(kind, attribute, places, condition) {MATCH_KIND_##kind, attribute},
#include "proto/base/match_attributes.def"
#undef ATTRIBUTE
};

/* The rows' places and conditions decided when the key was taken; here its value tells. */
static const char *attribute_of(const struct otlp_item *item, const struct match_key *key)
{
    char digits[DIGITS];
    struct bytes value = item->value.text;
    if (item->value.kind == OTLP_VALUE_INT) {
        int len = snprintf(digits, sizeof digits, "%" PRId64, item->value.integer);
        value = bytes_of(digits, len < 0 ? 0 : (size_t)len);
    } else if (item->value.kind != OTLP_VALUE_TEXT) {
        return NULL;
    }
    if (!bytes_equal(value, key->value)) {
        return NULL;
    }
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (rows[i].kind == key->kind && bytes_equal_text(item->key, rows[i].name)) {
            return rows[i].name;
        }
    }
    return NULL;
}

/* How many keys were found here first. */
static size_t look(struct otlp_items items, const struct match_key *keys, size_t count,
                   const struct place *here, struct place *places)
{
    struct otlp_item item;
    size_t found = 0;
    while (otlp_items_next(&items, &item)) {
        for (size_t i = 0; i < count; i++) {
            const char *attribute = places[i].is_found ? NULL : attribute_of(&item, &keys[i]);
            if (attribute != NULL) {
                places[i] = *here;
                places[i].attribute = attribute;
                found++;
            }
        }
    }
    return found;
}

void places_find(const struct view *view, const struct match_key *keys, size_t count,
                 struct place *ret_places)
{
    size_t left = count;
    for (size_t i = 0; i < count; i++) {
        ret_places[i] = (struct place){.is_found = false};
    }
    for (size_t i = 0; i < view->resources_count && left > 0; i++) {
        const struct place here = {.is_found = true, .is_resource = true};
        left -= look(otlp_resource_attributes(&view->resources[i]), keys, count, &here, ret_places);
    }
    for (size_t i = 0; i < view->spans_count && left > 0; i++) {
        const struct otlp_span *span = &view->spans[i];
        const struct place here = {.is_found = true, .span = span->id, .name = span->name};
        left -= look(otlp_span_attributes(span), keys, count, &here, ret_places);
    }
}
