#include "api/rest/explore.h"

#include "api/rest/query.h"

#include "proto/base/banned.h"

enum { X_FROM, X_TO, X_LINKED, X_SERVICE, X_STATUS, X_LEAST, X_MOST, X_COUNT };

/* Three hundred years are more than any duration, and fit milliseconds times a million. */
#define DURATION_MS_MAX INT64_C(9223372036854)

static const char *const statuses[] = {"error", NULL};

static const struct query_rule rules[X_COUNT] = {
    [X_FROM] = {.name = "from", .type = QUERY_TIME},
    [X_TO] = {.name = "to", .type = QUERY_TIME},
    [X_LINKED] = {.name = "linked", .type = QUERY_TRUTH},
    [X_SERVICE] = {.name = "service", .type = QUERY_TEXT, .most = EXPLORE_SERVICE_CHARS_MAX},
    [X_STATUS] = {.name = "status", .type = QUERY_WORD, .words = statuses},
    [X_LEAST] = {.name = "minDurationMs", .type = QUERY_INTEGER, .most = DURATION_MS_MAX},
    [X_MOST] = {.name = "maxDurationMs", .type = QUERY_INTEGER, .most = DURATION_MS_MAX},
};

struct tags {
    struct db_value keys[EXPLORE_TAGS_MAX + 1];
    struct db_value values[EXPLORE_TAGS_MAX + 1];
    size_t count;
};

static const char *name_add(struct explore *explore, struct bytes text)
{
    if (text.len > FILTER_BYTES_MAX) {
        return "must have at most 2048 octets";
    }
    if (text.len > 0) { /* as with every text: an empty one counts as absent */
        explore->filters.list[explore->filters.count++] =
            (struct filter){.kind = FILTER_KIND_NAME, .text = text};
    }
    return NULL;
}

static const char *tag_add(struct tags *tags, struct bytes text, struct arena *arena)
{
    struct bytes key = {0};
    struct bytes value = {0};
    if (tags->count == EXPLORE_TAGS_MAX) {
        return "may be given at most 16 times";
    }
    const char *wrong = filter_read_tag(text, arena, &key, &value);
    if (wrong == NULL) {
        tags->keys[tags->count] = db_bytes(key);
        tags->values[tags->count++] = db_bytes(value);
    }
    return wrong;
}

static const char *parameter_add(const struct http_parameter *parameter, struct arena *arena,
                                 struct explore *explore, struct tags *tags)
{
    struct bytes text = bytes_of_text(parameter->value);
    bool is_name = strcmp(parameter->name, "name") == 0;
    if (strcmp(parameter->name, "tag") == 0) {
        return tag_add(tags, text, arena);
    }
    if (!is_name && strcmp(parameter->name, "attr") != 0) {
        return NULL;
    }
    if (explore->filters.count == FILTERS_MAX) {
        return "may be given at most 16 times, name and attr together";
    }
    if (is_name) {
        return name_add(explore, text);
    }
    const char *wrong =
        filter_read_attribute(text, arena, &explore->filters.list[explore->filters.count]);
    explore->filters.count += wrong == NULL;
    return wrong;
}

/* $2 to $7. */
static void rows_fill(const struct query_value *query, struct explore *explore)
{
    struct db_value *rows = explore->rows;
    rows[0] = db_uuid(&explore->project);
    rows[1] = db_int8(explore->from.ns);
    rows[2] = db_int8(explore->to.ns);
    rows[3] = query[X_LINKED].has ? db_bool(query[X_LINKED].number == 1) : db_null();
    rows[4] = db_bool(explore->is_error);
    rows[5] = query[X_LEAST].has ? db_int8(query[X_LEAST].number * NS_PER_MS) : db_null();
    rows[6] = query[X_MOST].has ? db_int8(query[X_MOST].number * NS_PER_MS) : db_null();
}

bool explore_read(struct exchange *exchange, struct explore *ret_explore)
{
    struct query_value query[X_COUNT];
    struct arena *arena = exchange_arena(exchange);
    const struct http_parameter *parameters = NULL;
    size_t count = http_parameters(exchange_http(exchange), &parameters);
    struct tags tags = {.count = 0};
    if (!query_read(exchange, rules, X_COUNT, query)) {
        return false;
    }
    *ret_explore = (struct explore){.project = exchange_project(exchange)};
    for (size_t i = 0; i < count; i++) {
        const char *wrong = parameter_add(&parameters[i], arena, ret_explore, &tags);
        if (wrong != NULL) {
            return query_bad(exchange, parameters[i].name, wrong);
        }
    }
    if (query[X_SERVICE].has) {
        tags.keys[tags.count] = db_bytes(bytes_of("", 0));
        tags.values[tags.count++] = db_bytes(query[X_SERVICE].text);
    }
    ret_explore->tags_count = tags.count;
    ret_explore->is_error = query[X_STATUS].has;
    ret_explore->is_sparse = query[X_LINKED].has || query[X_LEAST].has || query[X_MOST].has;
    ret_explore->from.ns = query[X_FROM].has ? query[X_FROM].at.ns : INT64_MIN;
    ret_explore->to.ns = query[X_TO].has ? query[X_TO].at.ns : INT64_MAX;
    rows_fill(query, ret_explore);
    err_t err = db_array(arena, DB_TYPE_BYTEA, tags.keys, tags.count, &ret_explore->rows[7]);
    if (err_is_ok(err)) {
        err = db_array(arena, DB_TYPE_BYTEA, tags.values, tags.count, &ret_explore->rows[8]);
    }
    if (!err_is_ok(err)) {
        exchange_fail(exchange, err, &(struct detail){0});
        return false;
    }
    return true;
}
