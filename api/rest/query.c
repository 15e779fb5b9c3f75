#include "api/rest/query.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "api/rest/check.h"

#include "proto/base/banned.h"

bool query_bad(struct exchange *exchange, const char *name, const char *message)
{
    struct arena *arena = exchange_arena(exchange);
    struct check_issues issues = {.count = 0};
    const char *sentence = arena_printf(arena, "%s %s", name, message);
    if (sentence == NULL || !err_is_ok(check_add(&issues, arena, "custom", name, sentence))) {
        exchange_fail(exchange, FAIL(NO_SPACE), &(struct detail){0});
        return false;
    }
    exchange_json(exchange, 400, check_answer(&issues, arena));
    return false;
}

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

static bool read_trace(struct bytes text, struct trace_id *ret_trace)
{
    struct trace_id trace;
    if (text.len != TRACE_ID_HEX || !bytes_from_hex(text, trace.b, sizeof trace.b)) {
        return false;
    }
    *ret_trace = trace;
    return true;
}

static bool read_value(const struct query_rule *rule, const char *given, struct arena *arena,
                       struct query_value *value)
{
    static const char *const truths[] = {"false", "true", NULL};
    struct bytes text = bytes_of_text(given);
    switch (rule->type) {
    case QUERY_INTEGER:
        return read_integer(rule, given, value);
    case QUERY_TIME:
        return unix_from_rfc3339(text, &value->at);
    case QUERY_TRUTH:
        return read_word(truths, given, value);
    case QUERY_WORD:
        return read_word(rule->words, given, value);
    case QUERY_TEXT:
        value->text = text;
        return bytes_are_utf8(text) && (int64_t)bytes_utf8_count(text) <= rule->most;
    case QUERY_UUID:
        return uuid_from_text(text, &value->uuid);
    case QUERY_TRACE_ID:
        return read_trace(text, &value->trace);
    case QUERY_CURSOR:
        return err_is_ok(cursor_read(given, arena, &value->cursor));
    }
    return false;
}

static const char *wanted(const struct query_rule *rule, struct arena *arena)
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

bool query_read(struct exchange *exchange, const struct query_rule *rules, size_t count,
                struct query_value *ret_values)
{
    struct arena *arena = exchange_arena(exchange);
    const struct http_request *request = exchange_http(exchange);
    for (size_t i = 0; i < count; i++) {
        ret_values[i] = (struct query_value){.has = false};
        const char *given = http_parameter(request, rules[i].name);
        if (given == NULL) {
            continue;
        }
        if (!read_value(&rules[i], given, arena, &ret_values[i])) {
            const char *sentence = wanted(&rules[i], arena);
            return query_bad(exchange, rules[i].name, sentence == NULL ? "is wrong" : sentence);
        }
        ret_values[i].has = rules[i].type != QUERY_TEXT || ret_values[i].text.len > 0;
    }
    return true;
}

bool query_path_uuid(struct exchange *exchange, size_t n, const char *what, struct uuid *ret_id)
{
    if (uuid_from_text(bytes_of_text(exchange_path_part(exchange, n)), ret_id)) {
        return true;
    }
    exchange_error(exchange, 404, "not_found", "there is no %s with this id: it is not a UUID",
                   what);
    return false;
}

bool query_path_trace(struct exchange *exchange, size_t n, struct trace_id *ret_id)
{
    if (read_trace(bytes_of_text(exchange_path_part(exchange, n)), ret_id)) {
        return true;
    }
    exchange_error(exchange, 400, "validation_error", "a trace id has 32 hex digits");
    return false;
}
