/* Any text as a parameter of a read, by every kind of rule: it fits and is within the rule, or the rule can say what it
 * wants. */
#include "api/rest/query_value.h"
#include "proto/base/check.h"

#include "proto/base/banned.h"

enum { ARENA_MAX = 1 << 20, INTEGER_MOST = 100, TEXT_MOST = 16 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void rule_try(const struct query_rule *rule, const char *given, struct arena *arena)
{
    struct query_value value = {.has = false};
    if (!query_value_read(rule, given, arena, &value)) {
        INVARIANT(query_value_wanted(rule, arena) != NULL || arena_is_full(arena));
        return;
    }
    switch (rule->type) {
    case QUERY_INTEGER:
        INVARIANT(value.number >= rule->least && value.number <= rule->most);
        break;
    case QUERY_TIME: {
        char text[RFC3339_BYTES];
        struct unix_ns again;
        unix_to_rfc3339(value.at, 9, text);
        INVARIANT(unix_from_rfc3339(bytes_of_text(text), &again) && again.ns == value.at.ns);
        break;
    }
    case QUERY_TRUTH:
        INVARIANT(value.number == 0 || value.number == 1);
        break;
    case QUERY_WORD:
        INVARIANT(strcmp(rule->words[value.number], given) == 0);
        break;
    case QUERY_TEXT:
        INVARIANT((int64_t)bytes_utf8_count(value.text) <= rule->most);
        break;
    case QUERY_UUID:
    case QUERY_TRACE_ID:
        INVARIANT(strlen(given) == 32 || strlen(given) == UUID_TEXT_BYTES - 1);
        break;
    case QUERY_CURSOR:
        INVARIANT(value.cursor.id.ptr != NULL);
        break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const words[] = {"asc", "desc", "startedAt", NULL};
    struct arena arena;
    arena_init(&arena, ARENA_MAX);
    const char *given = arena_text(&arena, bytes_of(data, size));
    for (int type = QUERY_INTEGER; given != NULL && type <= QUERY_CURSOR; type++) {
        const struct query_rule rule = {"name", (enum query_type)type, 1,
                                        type == QUERY_TEXT ? TEXT_MOST : INTEGER_MOST, words};
        rule_try(&rule, given, &arena);
    }
    arena_fini(&arena);
    return 0;
}
