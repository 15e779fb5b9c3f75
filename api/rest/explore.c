#include "api/rest/explore.h"

#include "api/rest/query.h"
#include "proto/base/limits.h"

#include "proto/base/banned.h"

enum { X_FROM, X_TO, X_LINKED, X_SERVICE, X_STATUS, X_LEAST, X_MOST, X_ROOT, X_COUNT };

/* Three hundred years are more than any duration, and fit milliseconds times a million. */
#define DURATION_MS_MAX INT64_C(9223372036854)

enum { STATUS_ERROR, STATUS_OK };
static const char *const statuses[] = {[STATUS_ERROR] = "error", [STATUS_OK] = "ok", NULL};

static const struct query_rule rules[X_COUNT] = {
    [X_FROM] = {.name = "from", .type = QUERY_TIME},
    [X_TO] = {.name = "to", .type = QUERY_TIME},
    [X_LINKED] = {.name = "linked", .type = QUERY_TRUTH},
    [X_SERVICE] = {.name = "service", .type = QUERY_TEXT, .most = EXPLORE_SERVICE_CHARS_MAX},
    [X_STATUS] = {.name = "status", .type = QUERY_WORD, .words = statuses},
    [X_LEAST] = {.name = "minDurationMs", .type = QUERY_INTEGER, .most = DURATION_MS_MAX},
    [X_MOST] = {.name = "maxDurationMs", .type = QUERY_INTEGER, .most = DURATION_MS_MAX},
    [X_ROOT] = {.name = "rootName", .type = QUERY_TEXT, .most = LIMIT_NAME_BYTES},
};

struct tags {
    struct db_value keys[EXPLORE_TAGS_MAX + 1];
    struct db_value values[EXPLORE_TAGS_MAX + 1];
    size_t count;
    struct db_value absent[EXPLORE_TAGS_MAX]; /* keys that must not be there */
    size_t absent_count;
    size_t without_count; /* of all that were given */
    bool has_no_root;     /* nor a name of the root */
};

static const char *name_add(struct explore *explore, enum filter_kind kind, struct bytes text)
{
    if (text.len > FILTER_BYTES_MAX) {
        return "must have at most 2048 octets";
    }
    if (text.len > 0) { /* as with every text: an empty one counts as absent */
        explore->filters.list[explore->filters.count++] =
            (struct filter){.kind = kind, .text = text};
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

/* What `by` of the groups names, so that the group of those that have none can be listed. */
static const char *without_add(struct tags *tags, struct bytes text)
{
    static const char tag[] = "tag:";
    struct bytes key = bytes_of("", 0);
    if (++tags->without_count > EXPLORE_TAGS_MAX) {
        return "may be given at most 16 times";
    }
    if (bytes_equal_text(text, "name")) {
        tags->has_no_root = true;
        return NULL;
    }
    if (bytes_start_with(text, tag) && text.len > sizeof tag - 1) {
        key = bytes_of(text.ptr + sizeof tag - 1, text.len - (sizeof tag - 1));
    } else if (!bytes_equal_text(text, "service")) {
        return "must be service, name or tag:KEY";
    }
    tags->absent[tags->absent_count++] = db_bytes(key);
    return NULL;
}

static const char *parameter_add(const struct http_parameter *parameter, struct arena *arena,
                                 struct explore *explore, struct tags *tags)
{
    struct bytes text = bytes_of_text(parameter->value);
    bool is_exact = strcmp(parameter->name, "nameIs") == 0;
    bool is_name = is_exact || strcmp(parameter->name, "name") == 0;
    if (strcmp(parameter->name, "without") == 0) {
        return without_add(tags, text);
    }
    if (strcmp(parameter->name, "tag") == 0) {
        return tag_add(tags, text, arena);
    }
    if (!is_name && strcmp(parameter->name, "attr") != 0) {
        return NULL;
    }
    if (explore->filters.count == FILTERS_MAX) {
        return "may be given at most 16 times, name, nameIs and attr together";
    }
    if (is_name) {
        return name_add(explore, is_exact ? FILTER_KIND_NAME_IS : FILTER_KIND_NAME, text);
    }
    const char *wrong =
        filter_read_attribute(text, arena, &explore->filters.list[explore->filters.count]);
    explore->filters.count += wrong == NULL;
    return wrong;
}

/* $1 to $7, and $10. */
static void rows_fill(const struct query_value *query, const struct tags *tags,
                      struct explore *explore)
{
    struct db_value *rows = explore->rows;
    struct bytes root = tags->has_no_root ? bytes_of("", 0) : query[X_ROOT].text;
    rows[0] = db_uuid(&explore->project);
    rows[1] = db_int8(explore->from.ns);
    /* A root that has a name and none: nobody's, as what starts before all time. */
    bool is_nobody = query[X_ROOT].has && tags->has_no_root;
    rows[2] = db_int8(is_nobody ? INT64_MIN : explore->to.ns);
    rows[3] = query[X_LINKED].has ? db_bool(query[X_LINKED].number == 1) : db_null();
    rows[4] = query[X_STATUS].has ? db_bool(explore->is_error) : db_null();
    rows[5] = query[X_LEAST].has ? db_int8(query[X_LEAST].number * NS_PER_MS) : db_null();
    rows[6] = query[X_MOST].has ? db_int8(query[X_MOST].number * NS_PER_MS) : db_null();
    rows[9] = explore->has_root ? db_text(root) : db_null();
}

/* $8, $9 and $11. */
static FALLIBLE tags_fill(const struct tags *tags, struct arena *arena, struct explore *explore)
{
    TRY(db_array(arena, DB_TYPE_BYTEA, tags->keys, tags->count, &explore->rows[7]));
    TRY(db_array(arena, DB_TYPE_BYTEA, tags->values, tags->count, &explore->rows[8]));
    return db_array(arena, DB_TYPE_BYTEA, tags->absent, tags->absent_count, &explore->rows[10]);
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
    ret_explore->has_root = query[X_ROOT].has || tags.has_no_root;
    ret_explore->is_error = query[X_STATUS].has && query[X_STATUS].number == STATUS_ERROR;
    ret_explore->is_linked = query[X_LINKED].has && query[X_LINKED].number == 1;
    ret_explore->has_duration = query[X_LEAST].has || query[X_MOST].has;
    ret_explore->is_sparse = query[X_LINKED].has || ret_explore->has_duration ||
                             (query[X_STATUS].has && !ret_explore->is_error) || query[X_ROOT].has ||
                             tags.has_no_root || tags.absent_count > 0;
    ret_explore->from.ns = query[X_FROM].has ? query[X_FROM].at.ns : INT64_MIN;
    ret_explore->to.ns = query[X_TO].has ? query[X_TO].at.ns : INT64_MAX;
    rows_fill(query, &tags, ret_explore);
    if (!err_is_ok(tags_fill(&tags, arena, ret_explore))) {
        exchange_fail(exchange, FAIL(NO_SPACE), &(struct detail){0});
        return false;
    }
    return true;
}
