#include "proto/otlp/scan_parts.h"
#include "proto/otlp/schema.h"

#include "proto/base/banned.h"

static const struct {
    enum match_kind kind;
    const char *key;
    unsigned places;
    enum { ANY, ROOM, PIPECAT } condition;
} attributes[] = {
#define R                                       SCAN_PLACE_RESOURCE
#define S                                       SCAN_PLACE_SPAN
#define ATTRIBUTE(kind, key, places, condition) {MATCH_KIND_##kind, key, (places), condition},
#include "proto/base/match_attributes.def"
#undef ATTRIBUTE
#undef R
#undef S
};

enum {
    ATTRIBUTES_COUNT = sizeof attributes / sizeof *attributes,
    RECORDS_BLOCK = 4096,
    LOOK_BACK = 4
};

_Static_assert(ATTRIBUTES_COUNT <= 8, "scan_word.attributes has a bit for each row");

static const char tag_prefix[] = "roark.project.tag.";

static bool has_pii_part(struct bytes key)
{
    static const char part[] = "pii";
    size_t start = 0;
    for (size_t i = 0; i <= key.len; i++) {
        if (i == key.len || key.ptr[i] == '.') {
            if (i - start == sizeof part - 1 && memcmp(key.ptr + start, part, i - start) == 0) {
                return true;
            }
            start = i + 1;
        }
    }
    return false;
}

static void word_classify(struct scan_word *word, bool is_key)
{
    struct bytes text = word->text;
    word->hash = term_hash(text);
    if (!is_key) {
        word->is_word = text.len > 0 && text.len <= LIMIT_NAME_BYTES && bytes_are_utf8(text);
        return;
    }
    for (unsigned i = 0; i < ATTRIBUTES_COUNT; i++) {
        if (bytes_equal_text(text, attributes[i].key)) {
            word->attributes |= (uint8_t)(1u << i);
        }
    }
    word->is_tag = bytes_start_with(text, tag_prefix);
    word->is_skip = bytes_equal_text(text, "roark.skip");
    word->is_service = bytes_equal_text(text, "service.name");
    word->is_word = text.len > 0 && text.len <= LIMIT_TERM_BYTES && bytes_are_utf8(text);
    word->is_sensitive = has_pii_part(text);
}

struct scan_word *scan_word(struct scan *scan, struct scan_words *words, struct bytes text)
{
    uint64_t hash = term_hash(text);
    struct scan_word **cached = &words->cache[hash % SCAN_CACHE];
    if (*cached != NULL && (*cached)->hash == hash && bytes_equal((*cached)->text, text)) {
        return *cached;
    }
    struct scan_word *word = NULL;
    HASH_FIND(hh, words->table, text.ptr, text.len, word);
    if (word == NULL) {
        word = arena_zero(scan->arena, 1, sizeof *word);
        if (word == NULL) {
            scan->err = FAIL(NO_SPACE);
            return NULL;
        }
        word->text = text;
        word_classify(word, words == &scan->keys);
        TABLE_OOM;
        HASH_ADD_KEYPTR(hh, words->table, word->text.ptr, word->text.len, word);
        if (table_oom) {
            scan->err = FAIL(MEMORY);
            return NULL;
        }
    }
    *cached = word;
    return word;
}

/* --- records --------------------------------------------------------------------------------------- */

void scan_holder_begin(struct scan *scan, struct scan_holder *holder, enum scan_place place,
                       size_t bytes)
{
    *holder = (struct scan_holder){.place = place};
    size_t wanted = bytes / 4 + 1; /* the least attribute with a key takes five octets */
    wanted = wanted > LIMIT_ATTRIBUTES_INDEXED ? LIMIT_ATTRIBUTES_INDEXED : wanted;
    if (scan->records_total + wanted > LIMIT_ATTRIBUTES_PER_EXPORT) {
        wanted = LIMIT_ATTRIBUTES_PER_EXPORT - scan->records_total;
    }
    if (scan->records_left < wanted) {
        size_t count = scan->records_total == 0 ? LIMIT_ATTRIBUTES_INDEXED : RECORDS_BLOCK;
        scan->records = arena_alloc(scan->arena, count * sizeof *scan->records);
        scan->records_left = scan->records == NULL ? 0 : count;
        if (scan->records == NULL) {
            scan->err = FAIL(NO_SPACE);
            wanted = 0;
        }
    }
    holder->run.first = scan->records;
    holder->run_max = (uint32_t)wanted;
}

void scan_holder_end(struct scan *scan, struct scan_holder *holder)
{
    scan->records_left -= holder->run.count;
    scan->records_total += holder->run.count;
    scan->records += holder->run.count;
}

static void record_add(struct scan_holder *holder, struct scan_record record)
{
    if (record.key->text.len == 0) {
        return;
    }
    if (holder->run.count == holder->run_max) {
        holder->run.is_partial = true;
        return;
    }
    holder->run.first[holder->run.count++] = record;
}

/* --- facts ----------------------------------------------------------------------------------------- */

static void fact_add(struct scan *scan, struct scan_holder *holder, struct scan_fact fact)
{
    struct scan_facts *facts = &holder->facts;
    unsigned looked_at = 0; /* the rest of the duplicates goes when the trace is gathered */
    for (const struct scan_fact *have = facts->first; have != NULL && looked_at < LOOK_BACK;
         have = have->next, looked_at++) {
        if (have->kind == fact.kind && bytes_equal(have->value, fact.value) &&
            bytes_equal(have->key, fact.key)) {
            return;
        }
    }
    bool is_key = fact.kind != 0;
    uint32_t alike = is_key ? facts->keys_count : facts->count - facts->keys_count;
    if (alike == LIMIT_KEYS_PER_TRACE) {
        facts->dropped += is_key;
        return;
    }
    struct scan_fact *kept = arena_alloc(scan->arena, sizeof *kept);
    if (kept == NULL) {
        scan->err = FAIL(NO_SPACE);
        return;
    }
    *kept = fact;
    kept->next = facts->first;
    facts->first = kept;
    facts->count++;
    facts->keys_count += is_key;
}

/* The last of the fields that an AnyValue's oneof was given. */
struct value {
    uint32_t number; /* 0: empty */
    uint64_t bits;
    struct bytes data;
};

enum { ANY_TEXT = 1, ANY_BOOL = 2, ANY_INT = 3, ANY_DOUBLE = 4, ANY_ARRAY = 5, ANY_KEY_VALUES = 6 };

/* What the value says as a text: itself, or an integer's digits. False for all others. */
static bool value_text(struct scan *scan, const struct value *value, struct bytes *ret_text)
{
    if (value->number == ANY_TEXT) {
        *ret_text = value->data;
        return true;
    }
    if (value->number != ANY_INT) {
        return false;
    }
    const char *digits = arena_printf(scan->arena, "%lld", (long long)value->bits);
    if (digits == NULL) {
        scan->err = FAIL(NO_SPACE);
        return false;
    }
    *ret_text = bytes_of_text(digits);
    return true;
}

static void keys_read(struct scan *scan, const struct scan_word *key, const struct value *value,
                      struct scan_holder *holder)
{
    struct bytes text = {0};
    if (!value_text(scan, value, &text) || text.len == 0) {
        return;
    }
    for (unsigned i = 0; i < ATTRIBUTES_COUNT; i++) {
        if ((key->attributes & 1u << i) == 0 || (attributes[i].places & holder->place) == 0 ||
            (attributes[i].condition == ROOM && !bytes_start_with(text, "RM_")) ||
            (attributes[i].condition == PIPECAT && !holder->is_pipecat)) {
            continue;
        }
        if (!match_value_is_valid(text)) {
            holder->facts.dropped++;
            continue;
        }
        fact_add(scan, holder, (struct scan_fact){.kind = attributes[i].kind, .value = text});
    }
}

static bool is_tag_text(struct bytes text, size_t chars_max)
{
    return text.len <= chars_max * 4 && bytes_are_utf8(text) && bytes_utf8_count(text) <= chars_max;
}

static void tag_read(struct scan *scan, const struct scan_word *key, const struct value *value,
                     struct scan_holder *holder)
{
    size_t prefix = sizeof tag_prefix - 1;
    struct bytes name = bytes_of(key->text.ptr + prefix, key->text.len - prefix);
    struct bytes text = {0};
    if (value->number == ANY_BOOL) {
        text = bytes_of_text(value->bits != 0 ? "true" : "false");
    } else if (!value_text(scan, value, &text)) {
        return;
    }
    if (name.len > 0 && is_tag_text(name, LIMIT_TAG_KEY_CHARS) &&
        is_tag_text(text, LIMIT_TAG_VALUE_CHARS)) {
        fact_add(scan, holder, (struct scan_fact){.key = name, .value = text});
    }
}

static bool is_true(const struct value *value)
{
    return (value->number == ANY_BOOL && value->bits != 0) ||
           (value->number == ANY_TEXT && bytes_equal_text(value->data, "true"));
}

static void attribute_use(struct scan *scan, struct scan_word *key, const struct value *value,
                          struct scan_holder *holder)
{
    struct scan_record record = {
        .key = key, .is_number = value->number == ANY_INT || value->number == ANY_DOUBLE};
    if (value->number == ANY_TEXT && value->data.len <= LIMIT_TERM_BYTES) {
        record.has_value = true;
        record.value = value->data.ptr;
        record.value_len = (uint32_t)value->data.len;
        record.value_hash = term_hash(value->data);
    } else if (value->number == ANY_BOOL) {
        struct bytes text = bytes_of_text(value->bits != 0 ? "true" : "false");
        record.has_value = true;
        record.value = text.ptr;
        record.value_len = (uint32_t)text.len;
        record.value_hash = value->bits != 0 ? scan->true_hash : scan->false_hash;
    }
    record_add(holder, record);
    if (key->attributes != 0) {
        keys_read(scan, key, value, holder);
    }
    if (key->is_tag && holder->place != SCAN_PLACE_SCOPE) {
        tag_read(scan, key, value, holder);
    }
    if (holder->place == SCAN_PLACE_RESOURCE) {
        holder->is_skipped |= key->is_skip && is_true(value);
        if (key->is_service && value->number == ANY_TEXT) {
            holder->service = value->data;
        }
    }
}

/* --- one attribute ---------------------------------------------------------------------------------- */

static enum scan_reject value_read(struct bytes data, struct value *value)
{
    struct reader reader = reader_of(data);
    while (!reader_is_done(&reader)) {
        struct wire_field got = {0};
        if (!err_is_ok(wire_next(&reader, &got))) {
            return SCAN_REJECT_WIRE;
        }
        const struct schema_field *field = schema_field(SCHEMA_ANY_VALUE, got.number);
        if (field->type == SCHEMA_TYPE_NONE) {
            continue;
        }
        if (field->wire != got.type) {
            return SCAN_REJECT_TYPE;
        }
        if (field->type == SCHEMA_TYPE_MESSAGE) {
            enum scan_reject reject = schema_check(field->child, got.data, 1);
            if (reject != SCAN_REJECT_NONE) {
                return reject;
            }
        }
        *value = (struct value){.number = got.number, .bits = got.value, .data = got.data};
    }
    return SCAN_REJECT_NONE;
}

enum scan_reject scan_attribute(struct scan *scan, struct bytes key_value,
                                struct scan_holder *holder)
{
    struct reader reader = reader_of(key_value);
    struct bytes key = bytes_of_text("");
    struct value value = {0};
    while (!reader_is_done(&reader)) {
        struct wire_field got = {0};
        if (!err_is_ok(wire_next(&reader, &got))) {
            return SCAN_REJECT_WIRE;
        }
        if (got.number > 2) {
            continue;
        }
        if (got.type != WIRE_BYTES) {
            return SCAN_REJECT_TYPE;
        }
        if (got.number == 1) {
            key = got.data;
            continue;
        }
        enum scan_reject reject = value_read(got.data, &value);
        if (reject != SCAN_REJECT_NONE) {
            return reject;
        }
    }
    struct scan_word *word = scan_word(scan, &scan->keys, key);
    if (word != NULL) {
        attribute_use(scan, word, &value, holder);
    }
    return SCAN_REJECT_NONE;
}
