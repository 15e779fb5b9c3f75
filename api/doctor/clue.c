#include "api/doctor/clue.h"

#include <ctype.h>

#include "proto/base/limits.h"

#include "proto/base/banned.h"

enum { AT_RESOURCE = 1, AT_SPAN = 2 };
enum condition { ANY, ROOM_SID, PIPECAT_SCOPE };

static const struct {
    enum match_kind kind;
    const char *name;
    unsigned places;
    enum condition condition;
} keys[] = {
#define R                                        AT_RESOURCE
#define S                                        AT_SPAN
#define ROOM                                     ROOM_SID
#define PIPECAT                                  PIPECAT_SCOPE
#define ATTRIBUTE(kind, name, places, condition) {MATCH_KIND_##kind, name, (places), condition},
#include "proto/base/match_attributes.def"
#undef ATTRIBUTE
#undef PIPECAT
#undef ROOM
#undef S
#undef R
};

static const struct {
    enum match_kind kind;
    const char *name;
} likes[] = {
#define REASON(name, side, code, sentence, change)
#define FIELD(kind, field, attribute, place)
#define LIKE(kind, name) {MATCH_KIND_##kind, name},
#define ROOM(name)
#define COMMON(name)
#include "api/doctor/doctor.def"
#undef LIKE
#undef ROOM
};

static const char *const room_names[] = {
#define LIKE(kind, name)
#define ROOM(name) name,
#include "api/doctor/doctor.def"
#undef LIKE
#undef ROOM
#undef COMMON
#undef FIELD
#undef REASON
};

enum {
    KEYS = sizeof keys / sizeof keys[0],
    LIKES = sizeof likes / sizeof likes[0],
    ROOM_NAMES = sizeof room_names / sizeof room_names[0],
    /* A longer name is compared by its end. */
    NAME_BYTES = 128,
};

/* --- names ----------------------------------------------------------------------------------------- */

/* A name's letters and digits in lower case, and where its words begin. */
struct squashed {
    char text[NAME_BYTES];
    bool is_start[NAME_BYTES];
    size_t len;
};

static void squash(struct bytes name, struct squashed *out)
{
    size_t from = name.len > NAME_BYTES ? name.len - NAME_BYTES : 0;
    bool is_start = from == 0;
    out->len = 0;
    for (size_t i = from; i < name.len; i++) {
        unsigned char c = name.ptr[i];
        if (!isalnum(c) && c < 0x80) {
            is_start = true;
            continue;
        }
        bool is_hump = i > from && isupper(c) && !isupper(name.ptr[i - 1]);
        out->is_start[out->len] = is_start || is_hump;
        out->text[out->len++] = (char)tolower(c);
        is_start = false;
    }
}

static bool ends_in(const struct squashed *name, const char *word)
{
    size_t len = strlen(word);
    return len <= name->len && memcmp(name->text + name->len - len, word, len) == 0 &&
           name->is_start[name->len - len];
}

static bool name_is_like(const struct squashed *name, enum match_kind *ret_kind)
{
    for (size_t i = 0; i < LIKES; i++) {
        if (ends_in(name, likes[i].name)) {
            *ret_kind = likes[i].kind;
            return true;
        }
    }
    return false;
}

static bool name_is_room_name(const struct squashed *name)
{
    for (size_t i = 0; i < ROOM_NAMES; i++) {
        if (ends_in(name, room_names[i])) {
            return true;
        }
    }
    return false;
}

bool clue_name_is_like_a_key(struct bytes name, enum match_kind *ret_kind)
{
    struct squashed squashed;
    enum match_kind kind = (enum match_kind)0;
    bool is_like = false;
    for (size_t i = 0; i < KEYS && !is_like; i++) {
        is_like = bytes_equal_text(name, keys[i].name);
        kind = keys[i].kind;
    }
    if (!is_like) {
        squash(name, &squashed);
        is_like = name_is_like(&squashed, &kind);
    }
    if (is_like && ret_kind != NULL) {
        *ret_kind = kind;
    }
    return is_like;
}

/* --- one attribute ---------------------------------------------------------------------------------- */

struct reading {
    struct clues *clues;
    struct arena *arena;
    enum clue_place place;
    bool is_pipecat;
    bool is_first_rank; /* a resource or a span without parent */
};

static void clue_add(struct reading *reading, struct clue clue)
{
    struct clues *clues = reading->clues;
    size_t values = 0;
    clue.place = reading->place;
    for (size_t i = 0; i < clues->count; i++) {
        const struct clue *have = &clues->all[i];
        if (!bytes_equal(have->attribute, clue.attribute) || have->what != clue.what) {
            continue;
        }
        if (bytes_equal(have->value, clue.value) || ++values == CLUES_OTHER_VALUES_MAX) {
            return;
        }
    }
    bool is_other = clue.what == CLUE_OTHER;
    if (is_other ? clues->others == CLUES_OTHER_MAX
                 : clues->count - clues->others == CLUES_MAX - CLUES_OTHER_MAX) {
        return;
    }
    clues->others += is_other;
    clues->all[clues->count++] = clue;
}

static const char *type_text(const struct otlp_value *value)
{
    switch (value->kind) {
    case OTLP_VALUE_BOOL:
        return "a boolean";
    case OTLP_VALUE_DOUBLE:
        return "a number with a fraction";
    case OTLP_VALUE_ARRAY:
        return "a list";
    case OTLP_VALUE_MAP:
        return "a map";
    case OTLP_VALUE_BYTES:
        return "a row of bytes";
    case OTLP_VALUE_TEXT:
        return "no valid UTF-8";
    case OTLP_VALUE_EMPTY:
    case OTLP_VALUE_INT:
        break;
    }
    return "empty";
}

/* A text as it is, or an integer's digits; false for all others. */
static bool value_text(struct reading *reading, const struct otlp_value *value,
                       struct bytes *ret_text)
{
    if (value->kind == OTLP_VALUE_TEXT) {
        *ret_text = value->text;
        return true;
    }
    if (value->kind != OTLP_VALUE_INT) {
        return false;
    }
    const char *digits = arena_printf(reading->arena, "%lld", (long long)value->integer);
    *ret_text = digits == NULL ? bytes_of(NULL, 0) : bytes_of_text(digits);
    return digits != NULL;
}

/* The first characters of a longer value, enough to know it again. */
static struct bytes value_cut(struct bytes value)
{
    size_t len = value.len > LIMIT_KEY_CHARS ? LIMIT_KEY_CHARS : value.len;
    while (len > 0 && len < value.len && (value.ptr[len] & 0xC0) == 0x80) {
        len--;
    }
    return bytes_of(value.ptr, len);
}

/* A key's own name: what is wrong with where it stands or what it is. */
static void key_read(struct reading *reading, size_t row, const struct otlp_item *item)
{
    struct clue clue = {.kind = keys[row].kind, .attribute = item->key};
    unsigned at = reading->place == CLUE_PLACE_RESOURCE ? AT_RESOURCE
                  : reading->place == CLUE_PLACE_SPAN   ? AT_SPAN
                                                        : 0;
    bool has_text = value_text(reading, &item->value, &clue.value);
    if (keys[row].condition == PIPECAT_SCOPE && !reading->is_pipecat) {
        clue.what = CLUE_OTHER; /* a name that many others use */
        if (!has_text || !match_value_is_valid(clue.value)) {
            return;
        }
    } else if ((has_text && clue.value.len == 0) || item->value.kind == OTLP_VALUE_EMPTY) {
        clue.what = CLUE_EMPTY;
    } else if (!has_text || !bytes_are_utf8(clue.value)) {
        clue.what = CLUE_TYPE;
        clue.type = type_text(&item->value);
        clue.value = bytes_of(NULL, 0);
    } else if (!match_value_is_valid(clue.value)) {
        clue.what = CLUE_LONG;
        clue.value = value_cut(clue.value);
    } else if (keys[row].condition == ROOM_SID && !bytes_start_with(clue.value, "RM_")) {
        clue.what = CLUE_ROOM_NAME;
    } else {
        clue.what = (keys[row].places & at) == 0 ? CLUE_PLACE : CLUE_KEY;
    }
    /* Aliases that other programs set by themselves are no mistake. */
    bool is_alias = keys[row].condition != ANY;
    if (is_alias && (clue.what == CLUE_EMPTY || clue.what == CLUE_TYPE || clue.what == CLUE_LONG)) {
        return;
    }
    clue_add(reading, clue);
}

static void attribute_read(struct reading *reading, const struct otlp_item *item)
{
    struct squashed name;
    struct clue clue = {.attribute = item->key};
    for (size_t i = 0; i < KEYS; i++) {
        if (bytes_equal_text(item->key, keys[i].name)) {
            key_read(reading, i, item);
            return;
        }
    }
    bool is_worth = reading->is_first_rank || item->value.kind == OTLP_VALUE_TEXT;
    if (!is_worth || !value_text(reading, &item->value, &clue.value) ||
        !match_value_is_valid(clue.value)) {
        return;
    }
    squash(item->key, &name);
    if (name_is_like(&name, &clue.kind)) {
        bool is_name = clue.kind == MATCH_KIND_LIVEKIT && !bytes_start_with(clue.value, "RM_");
        clue.what = is_name ? CLUE_ROOM_NAME : CLUE_NAME;
    } else if (name_is_room_name(&name)) {
        clue.what = CLUE_ROOM_NAME;
        clue.kind = MATCH_KIND_LIVEKIT;
    } else if (bytes_utf8_count(clue.value) >= CLUE_OTHER_CHARS_MIN) {
        clue.what = CLUE_OTHER;
    } else {
        return;
    }
    clue_add(reading, clue);
}

/* {"roark": {"external_id": ..}}: the names joined may be a key's. */
static void map_read(const struct reading *reading, const struct otlp_item *map)
{
    struct otlp_items items = otlp_value_items(&map->value);
    struct otlp_item item;
    while (otlp_items_next(&items, &item)) {
        const char *joined = map->key.len + item.key.len > NAME_BYTES
                                 ? NULL
                                 : arena_printf(reading->arena, "%.*s.%.*s", (int)map->key.len,
                                                (const char *)map->key.ptr, (int)item.key.len,
                                                (const char *)item.key.ptr);
        if (joined == NULL || !clue_name_is_like_a_key(bytes_of_text(joined), NULL)) {
            continue;
        }
        struct reading inside = *reading;
        inside.place = CLUE_PLACE_MAP;
        item.key = bytes_of_text(joined);
        attribute_read(&inside, &item);
    }
}

static void attributes_read(struct reading *reading, struct otlp_items items)
{
    struct otlp_item item;
    while (otlp_items_next(&items, &item)) {
        attribute_read(reading, &item);
        if (item.value.kind == OTLP_VALUE_MAP) {
            map_read(reading, &item);
        }
    }
}

/* --- a trace ------------------------------------------------------------------------------------------ */

/* Of events and links only the names of keys count. */
static void named_read(struct reading *reading, struct otlp_items items)
{
    struct otlp_item item;
    while (otlp_items_next(&items, &item)) {
        if (clue_name_is_like_a_key(item.key, NULL)) {
            attribute_read(reading, &item);
        }
    }
}

static void span_read(struct reading reading, const struct view *view, const struct otlp_span *span)
{
    reading.is_pipecat = bytes_start_with(view->scopes[span->scope].name, "pipecat");
    reading.is_first_rank = !span->has_parent;
    reading.place = CLUE_PLACE_SPAN;
    attributes_read(&reading, otlp_span_attributes(span));
    reading.place = CLUE_PLACE_EVENT;
    struct otlp_items events = otlp_span_events(span);
    struct otlp_event event;
    while (otlp_event_next(&events, &event)) {
        named_read(&reading, otlp_event_attributes(&event));
    }
    reading.place = CLUE_PLACE_LINK;
    struct otlp_items links = otlp_span_links(span);
    struct otlp_link link;
    while (otlp_link_next(&links, &link)) {
        named_read(&reading, otlp_link_attributes(&link));
    }
}

FALLIBLE clues_find(const struct view *view, struct arena *arena, struct clues *ret_clues)
{
    struct reading reading = {.clues = ret_clues, .arena = arena, .is_first_rank = true};
    ret_clues->count = 0;
    ret_clues->others = 0;
    reading.place = CLUE_PLACE_RESOURCE;
    for (size_t i = 0; i < view->resources_count; i++) {
        attributes_read(&reading, otlp_resource_attributes(&view->resources[i]));
    }
    for (size_t i = 0; i < view->spans_count; i++) {
        if (!view->spans[i].has_parent) {
            span_read(reading, view, &view->spans[i]);
        }
    }
    reading.place = CLUE_PLACE_SCOPE;
    for (size_t i = 0; i < view->scopes_count; i++) {
        named_read(&reading, otlp_scope_attributes(&view->scopes[i]));
    }
    for (size_t i = 0; i < view->spans_count; i++) {
        if (view->spans[i].has_parent) {
            span_read(reading, view, &view->spans[i]);
        }
    }
    return arena_is_full(arena) ? FAIL(NO_SPACE) : OK;
}

static const struct {
    const char *name;
    const char *text;
} places[] = {
    [0] = {"", "a place"},
    [CLUE_PLACE_RESOURCE] = {"resource", "the resource"},
    [CLUE_PLACE_SPAN] = {"span", "a span"},
    [CLUE_PLACE_SCOPE] = {"scope", "an instrumentation scope"},
    [CLUE_PLACE_EVENT] = {"event", "an event of a span"},
    [CLUE_PLACE_LINK] = {"link", "a link of a span"},
    [CLUE_PLACE_MAP] = {"map", "a map inside an attribute"},
};

const char *clue_place_text(enum clue_place place)
{
    return places[place].text;
}

const char *clue_place_name(enum clue_place place)
{
    return places[place].name;
}
