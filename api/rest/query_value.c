#include "api/rest/query_value.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "proto/base/banned.h"

static bool read_integer(const struct query_rule *rule, const char *text, struct query_value *value)
{
    char *end = NULL;
    bool is_digits = text[0] != '\0';
    for (const char *c = text; *c != '\0'; c++) {
        is_digits = is_digits && *c >= '0' && *c <= '9';
    }
    errno = 0;
    long long number = is_digits ? strtoll(text, &end, 10) : 0;
    value->number = number;
    return is_digits && errno == 0 && number >= rule->least && number <= rule->most;
}

static bool read_word(const char *const *words, const char *text, struct query_value *value)
{
    for (size_t i = 0; words[i] != NULL; i++) {
        if (strcmp(words[i], text) == 0) {
            value->number = (int64_t)i;
            return true;
        }
    }
    return false;
}

bool query_trace_read(struct bytes text, struct trace_id *ret_trace)
{
    struct trace_id trace;
    if (text.len != TRACE_ID_HEX || !bytes_from_hex(text, trace.b, sizeof trace.b)) {
        return false;
    }
    *ret_trace = trace;
    return true;
}

bool query_value_read(const struct query_rule *rule, const char *given, struct arena *arena,
                      struct query_value *ret_value)
{
    static const char *const truths[] = {"false", "true", NULL};
    struct bytes text = bytes_of_text(given);
    switch (rule->type) {
    case QUERY_INTEGER:
        return read_integer(rule, given, ret_value);
    case QUERY_TIME:
        return unix_from_rfc3339(text, &ret_value->at);
    case QUERY_TRUTH:
        return read_word(truths, given, ret_value);
    case QUERY_WORD:
        return read_word(rule->words, given, ret_value);
    case QUERY_TEXT:
        ret_value->text = text;
        return bytes_are_utf8(text) && (int64_t)bytes_utf8_count(text) <= rule->most;
    case QUERY_UUID:
        return uuid_from_text(text, &ret_value->uuid);
    case QUERY_TRACE_ID:
        return query_trace_read(text, &ret_value->trace);
    case QUERY_CURSOR:
        return err_is_ok(cursor_read(given, arena, &ret_value->cursor));
    }
    return false;
}

const char *query_value_wanted(const struct query_rule *rule, struct arena *arena)
{
    const char *list = "must be one of";
    switch (rule->type) {
    case QUERY_INTEGER:
        return arena_printf(arena, "must be an integer from %" PRId64 " to %" PRId64, rule->least,
                            rule->most);
    case QUERY_TIME:
        return "must be an ISO 8601 time";
    case QUERY_TRUTH:
        return "must be true or false";
    case QUERY_WORD:
        for (size_t i = 0; rule->words[i] != NULL && list != NULL; i++) {
            list = arena_printf(arena, "%s%s %s", list, i == 0 ? "" : ",", rule->words[i]);
        }
        return list;
    case QUERY_TEXT:
        return arena_printf(arena, "must be UTF-8 of at most %" PRId64 " characters", rule->most);
    case QUERY_UUID:
        return "must be a UUID";
    case QUERY_TRACE_ID:
        return "must be a trace id: 32 hex digits";
    case QUERY_CURSOR:
        return "must be a nextCursor that this list gave";
    }
    return NULL;
}
