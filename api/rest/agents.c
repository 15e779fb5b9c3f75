/* GET /v1/agent: what the newest calls and chats named. And the routes that are documented elsewhere and
 * not here. */
#include "api/rest/agent.h"
#include "api/rest/cursor.h"
#include "api/rest/mend.h"
#include "api/rest/page.h"
#include "api/rest/query.h"
#include "api/rest/rest.h"

#include "proto/base/banned.h"

enum {
    /* Bodies looked through; the store has no table of agents. */
    BODIES_MAX = 500,
    AGENTS_MAX = 1000,
};

enum { Q_LIMIT, Q_AFTER, Q_COUNT };

static const struct query_rule rules[Q_COUNT] = {
    [Q_LIMIT] = {.name = "limit", .type = QUERY_INTEGER, .least = 1, .most = PAGE_LIMIT_MAX},
    [Q_AFTER] = {.name = "after", .type = QUERY_CURSOR},
};

struct agent {
    struct uuid id;
    struct bytes name;
    struct bytes custom;
    struct bytes description;
    struct unix_ns first_seen;
    struct unix_ns last_seen;
};

/* In the order of their ids, each once. */
struct agents {
    struct agent *list;
    size_t count;
    struct arena *arena;
};

static FALLIBLE text_copy(const json_t *object, const char *name, struct arena *arena,
                          struct bytes *ret_text)
{
    const json_t *text = json_object_get(object, name);
    *ret_text = bytes_of(NULL, 0);
    return !json_is_string(text)
               ? OK
               : arena_copy(arena, bytes_of(json_string_value(text), json_string_length(text)),
                            ret_text);
}

static FALLIBLE agent_add(struct agents *agents, const json_t *json, struct uuid project,
                          struct unix_ns seen)
{
    struct agent it = {
        .id = agent_id(json, project, agents->arena), .first_seen = seen, .last_seen = seen};
    size_t at = 0;
    while (at < agents->count && memcmp(agents->list[at].id.b, it.id.b, sizeof it.id.b) < 0) {
        at++;
    }
    bool is_known = at < agents->count && uuid_equal(agents->list[at].id, it.id);
    if (is_known) {
        agents->list[at].first_seen = seen; /* bodies come newest first */
    }
    if (is_known || agents->count == AGENTS_MAX) {
        return OK;
    }
    TRY(text_copy(json, "name", agents->arena, &it.name));
    TRY(text_copy(json, "customId", agents->arena, &it.custom));
    TRY(text_copy(json, "description", agents->arena, &it.description));
    memmove(&agents->list[at + 1], &agents->list[at], (agents->count - at) * sizeof it);
    agents->list[at] = it;
    agents->count++;
    return OK;
}

static FALLIBLE agents_read(struct db_rows *rows, struct uuid project, struct agents *agents)
{
    while (db_next(rows)) {
        struct mend_field given[] = {{.name = "agent"}, {.name = "agents"}};
        json_t *list = NULL;
        mend_pick(db_get_bytes(rows, 0), given, 2);
        TRY(parties_of_body(given[0].value, given[1].value, &list));
        err_t err = OK;
        for (size_t i = 0; i < json_array_size(list) && err_is_ok(err); i++) {
            err = agent_add(agents, json_array_get(list, i), project, db_get_time(rows, 1));
        }
        json_decref(list);
        TRY(err);
    }
    return arena_is_full(agents->arena) ? FAIL(NO_SPACE) : OK;
}

static void text_or_null(struct out *out, const char *key, struct bytes text)
{
    if (text.len == 0) {
        out_null(out, key);
    } else {
        out_text(out, key, text);
    }
}

static void agents_answer(struct exchange *exchange, const struct agents *agents, size_t from,
                          size_t limit)
{
    struct out out;
    const char *next = NULL;
    page_begin(&out);
    for (size_t i = from; i < agents->count && i - from < limit; i++) {
        const struct agent *it = &agents->list[i];
        out_object(&out, NULL);
        out_uuid(&out, "id", it->id);
        /* Clients want a name, and not every body gives one. */
        out_text(&out, "name", it->name.len > 0 ? it->name : it->custom);
        text_or_null(&out, "customId", it->custom);
        text_or_null(&out, "description", it->description);
        out_time(&out, "createdAt", it->first_seen, 3);
        out_time(&out, "updatedAt", it->last_seen, 3);
        out_time(&out, "lastSeenAt", it->last_seen, 3);
        out_end_object(&out);
        if (i - from + 1 == limit && i + 1 < agents->count) {
            char id[UUID_TEXT_BYTES];
            uuid_to_text(it->id, id);
            const struct cursor cursor = {bytes_of_text(id), bytes_of_text(id)};
            next = cursor_write(&cursor, agents->arena);
        }
    }
    page_end(&out, (int64_t)agents->count, 0, next);
    out_answer(&out, exchange);
}

void rest_agents(struct exchange *exchange)
{
    struct query_value query[Q_COUNT];
    struct uuid project = exchange_project(exchange);
    struct uuid after;
    if (!query_read(exchange, rules, Q_COUNT, query)) {
        return;
    }
    if (query[Q_AFTER].has && !uuid_from_text(query[Q_AFTER].cursor.id, &after)) {
        (void)query_bad(exchange, "after", "is no nextCursor of this list");
        return;
    }
    struct arena *arena = exchange_arena(exchange);
    struct agents agents = {.list = arena_zero(arena, AGENTS_MAX + 1, sizeof *agents.list),
                            .arena = arena};
    const struct db_value values[] = {db_uuid(&project), db_int4(BODIES_MAX)};
    struct db_rows *rows = NULL;
    if (agents.list == NULL) {
        exchange_fail(exchange, FAIL(NO_SPACE), &(struct detail){0});
        return;
    }
    if (!page_run(exchange, STMT_AGENT_BODIES, values, 2, &rows)) {
        return;
    }
    err_t err = agents_read(rows, project, &agents);
    db_rows_free(rows);
    if (!err_is_ok(err)) {
        exchange_fail(exchange, err, &(struct detail){0});
        return;
    }
    size_t from = 0;
    while (query[Q_AFTER].has && from < agents.count &&
           memcmp(agents.list[from].id.b, after.b, sizeof after.b) <= 0) {
        from++;
    }
    size_t limit = query[Q_LIMIT].has ? (size_t)query[Q_LIMIT].number : PAGE_LIMIT_DEFAULT;
    agents_answer(exchange, &agents, from, limit);
}

void rest_not_supported(struct exchange *exchange)
{
    exchange_error(exchange, 404, "not_supported", "calltrace does not have %s %s",
                   http_method_name(exchange_http(exchange)), http_path(exchange_http(exchange)));
}
