/* match_key: the kinds of keys that link a trace to a call or chat (match_keys.def) and where each stands
 * on a trace (match_attributes.def). Thread: any. */
#ifndef CALLTRACE_MATCH_KEY_H
#define CALLTRACE_MATCH_KEY_H

#include <stdbool.h>

#include "proto/base/bytes.h"

enum match_kind {
#define KIND(number, name, text, is_unique) MATCH_KIND_##name = (number),
#include "proto/base/match_keys.def"
#undef KIND
    MATCH_KIND_COUNT, /* one past the last */
};

struct match_key {
    enum match_kind kind;
    struct bytes value; /* exact octets, 1 to LIMIT_KEY_CHARS characters of UTF-8 */
};

/* "external", "livekit", ...; "unknown" for a number that is no kind. */
const char *match_kind_name(unsigned kind);
bool match_kind_from_name(struct bytes name, enum match_kind *ret_kind);
bool match_kind_is_unique(enum match_kind kind);

/* Order by (kind, octets of the value): that of conversation_key's primary key. */
int match_key_compare(const struct match_key *a, const struct match_key *b);

/* 1 to 255 characters of valid UTF-8. */
bool match_value_is_valid(struct bytes value);

#endif
