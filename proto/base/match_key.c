#include "proto/base/match_key.h"

#include "proto/base/limits.h"

#include "proto/base/banned.h"

static const struct {
    const char *name;
    bool is_unique;
} kinds[MATCH_KIND_COUNT] = {
#define KIND(number, kind, text, unique) [number] = {.name = (text), .is_unique = (unique)},
#include "proto/base/match_keys.def"
#undef KIND
};

const char *match_kind_name(unsigned kind)
{
    return kind > 0 && kind < MATCH_KIND_COUNT ? kinds[kind].name : "unknown";
}

bool match_kind_from_name(struct bytes name, enum match_kind *ret_kind)
{
    for (unsigned kind = 1; kind < MATCH_KIND_COUNT; kind++) {
        if (bytes_equal_text(name, kinds[kind].name)) {
            *ret_kind = (enum match_kind)kind;
            return true;
        }
    }
    return false;
}

bool match_kind_is_unique(enum match_kind kind)
{
    return kinds[kind].is_unique;
}

int match_key_compare(const struct match_key *a, const struct match_key *b)
{
    if (a->kind != b->kind) {
        return a->kind < b->kind ? -1 : 1;
    }
    return bytes_compare(a->value, b->value);
}

bool match_value_is_valid(struct bytes value)
{
    return value.len > 0 && value.len <= LIMIT_KEY_BYTES && bytes_are_utf8(value) &&
           bytes_utf8_count(value) <= LIMIT_KEY_CHARS;
}
