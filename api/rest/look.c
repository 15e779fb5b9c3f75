#include "api/rest/look.h"

#include <inttypes.h>
#include <stdio.h>

#include "api/rest/fold.h"
#include "proto/base/buf.h"
#include "proto/base/limits.h"
#include "proto/otlp/jsontext.h"

#include "proto/base/banned.h"

struct looking {
    struct bytes needle;
    struct look_find *find;
    bool is_found;
};

/* Is it in this text? The first time it is told where. */
static bool text_look(struct looking *looking, struct bytes text)
{
    size_t at = 0;
    size_t len = looking->needle.len;
    if (!fold_find(text, looking->needle, &at)) {
        return false;
    }
    if (!looking->is_found) {
        struct look_find *find = looking->find;
        find->before = fold_end(bytes_of(text.ptr, at), LOOK_AROUND_BYTES);
        find->match = bytes_of(text.ptr + at, len);
        find->after =
            fold_begin(bytes_of(text.ptr + at + len, text.len - at - len), LOOK_AROUND_BYTES);
    }
    return true;
}

/* Numbers are written into the find's own memory, unless that shows something already. */
static bool number_look(struct looking *looking, const struct otlp_value *value)
{
    char ignored[LOOK_NUMBER_BYTES];
    char *text = looking->is_found ? ignored : looking->find->number;
    size_t len = 0;
    if (value->kind == OTLP_VALUE_INT) {
        len = (size_t)snprintf(text, LOOK_NUMBER_BYTES, "%" PRId64, value->integer);
    } else {
        struct buf buf;
        buf_init(&buf, LOOK_NUMBER_BYTES);
        jsontext_add_double(&buf, value->number);
        len = err_is_ok(buf_err(&buf)) ? buf_bytes(&buf).len : 0;
        if (len > 0) {
            memcpy(text, buf_bytes(&buf).ptr, len);
        }
        buf_fini(&buf);
    }
    return text_look(looking, bytes_of(text, len));
}

static bool scalar_look(struct looking *looking, const struct otlp_value *value)
{
    switch (value->kind) {
    case OTLP_VALUE_TEXT:
        return text_look(looking, value->text);
    case OTLP_VALUE_BOOL:
        return text_look(looking, bytes_of_text(value->flag ? "true" : "false"));
    case OTLP_VALUE_INT:
    case OTLP_VALUE_DOUBLE:
        return number_look(looking, value);
    case OTLP_VALUE_EMPTY:
    case OTLP_VALUE_BYTES:
    case OTLP_VALUE_ARRAY:
    case OTLP_VALUE_MAP:
        return false;
    }
    return false;
}

/* The value and all that it holds. */
static bool value_look(struct looking *looking, const struct otlp_value *value)
{
    struct otlp_items frames[LIMIT_ANYVALUE_DEPTH];
    size_t depth = 0;
    if (scalar_look(looking, value)) {
        return true;
    }
    frames[depth++] = otlp_value_items(value);
    while (depth > 0) {
        struct otlp_item item;
        if (!otlp_items_next(&frames[depth - 1], &item)) {
            depth--;
        } else if (text_look(looking, item.key) || scalar_look(looking, &item.value)) {
            return true;
        } else if (depth < LIMIT_ANYVALUE_DEPTH) {
            frames[depth++] = otlp_value_items(&item.value);
        }
    }
    return false;
}

/* One place was looked at. */
static void place_take(struct looking *looking, bool is_here, enum look_place place,
                       struct bytes key)
{
    if (is_here && looking->is_found) {
        looking->find->more++;
    } else if (is_here) {
        looking->is_found = true;
        looking->find->place = place;
        looking->find->key = key;
    }
}

static void items_look(struct looking *looking, struct otlp_items items, enum look_place place)
{
    struct otlp_item item;
    while (otlp_items_next(&items, &item)) {
        bool is_here = value_look(looking, &item.value) || text_look(looking, item.key);
        place_take(looking, is_here, place, item.key);
    }
}

bool look_span(const struct otlp_span *span, struct bytes needle, struct look_find *find)
{
    struct looking looking = {.needle = needle, .find = find};
    struct otlp_items events = otlp_span_events(span);
    struct otlp_event event;
    struct bytes none = bytes_of("", 0);
    find->more = 0;
    place_take(&looking, text_look(&looking, span->name), LOOK_PLACE_NAME, none);
    place_take(&looking, text_look(&looking, span->status_message), LOOK_PLACE_STATUS, none);
    items_look(&looking, otlp_span_attributes(span), LOOK_PLACE_ATTRIBUTE);
    while (otlp_event_next(&events, &event)) {
        place_take(&looking, text_look(&looking, event.name), LOOK_PLACE_EVENT, event.name);
        items_look(&looking, otlp_event_attributes(&event), LOOK_PLACE_EVENT);
    }
    return looking.is_found;
}
