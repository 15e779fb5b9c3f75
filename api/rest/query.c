#include "api/rest/query.h"

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
        if (!query_value_read(&rules[i], given, arena, &ret_values[i])) {
            const char *sentence = query_value_wanted(&rules[i], arena);
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
    if (query_trace_read(bytes_of_text(exchange_path_part(exchange, n)), ret_id)) {
        return true;
    }
    exchange_error(exchange, 400, "validation_error", "a trace id has 32 hex digits");
    return false;
}
