#include "api/rest/check.h"

#include <inttypes.h>
#include <math.h>

#include "proto/base/check.h"
#include "proto/base/clock.h"
#include "proto/base/id.h"
#include "proto/base/limits.h"

#include "proto/base/banned.h"

enum type {
    TYPE_TEXT,
    TYPE_URI,
    TYPE_TIME,
    TYPE_UUID,
    TYPE_TRACE_ID,
    TYPE_ENUM,
    TYPE_INTEGER,
    TYPE_NUMBER,
    TYPE_BOOLEAN,
    TYPE_ANY_OBJECT,
    TYPE_TEXT_OR_OBJECT,
    TYPE_OBJECT,
    TYPE_ARRAY,
};

enum set {
    SET_NONE = 0,
#define VALUES(set, ...) SET_##set,
#define FIELD(schema, name, type, is_required, is_nullable, least, most, of)
#define EXCLUSIVE(schema, one, other)
#define ONE_OF(schema, first, second, third)
#include "api/rest/fields.def"
#undef VALUES
#undef FIELD
#undef EXCLUSIVE
#undef ONE_OF
    SET_COUNT,
};

/* What a row's OF means: a schema or a set. */
struct of {
    enum check_schema schema;
    enum set set;
};

struct field {
    enum check_schema schema;
    const char *name;
    enum type type;
    bool is_required;
    bool is_nullable;
    int64_t least;
    int64_t most;
    struct of of;
};

#define OF_NONE                     \
    {                               \
        CHECK_SCHEMA_NONE, SET_NONE \
    }
#define OF_AGENT                     \
    {                                \
        CHECK_SCHEMA_AGENT, SET_NONE \
    }
#define OF_ENDPOINT                     \
    {                                   \
        CHECK_SCHEMA_ENDPOINT, SET_NONE \
    }
#define OF_PROMPT                     \
    {                                 \
        CHECK_SCHEMA_PROMPT, SET_NONE \
    }
#define OF_CUSTOMER                     \
    {                                   \
        CHECK_SCHEMA_CUSTOMER, SET_NONE \
    }
#define OF_TRANSCRIPT                     \
    {                                     \
        CHECK_SCHEMA_TRANSCRIPT, SET_NONE \
    }
#define OF_TOOL_CALL                     \
    {                                    \
        CHECK_SCHEMA_TOOL_CALL, SET_NONE \
    }
#define OF_MESSAGE                     \
    {                                  \
        CHECK_SCHEMA_MESSAGE, SET_NONE \
    }
#define OF_TOOL_CHAT                     \
    {                                    \
        CHECK_SCHEMA_TOOL_CHAT, SET_NONE \
    }
#define OF_SPEAKER_AGENT                     \
    {                                        \
        CHECK_SCHEMA_SPEAKER_AGENT, SET_NONE \
    }
#define OF_SPEAKER_CUSTOMER                     \
    {                                           \
        CHECK_SCHEMA_SPEAKER_CUSTOMER, SET_NONE \
    }
#define OF_OBSERVER_MESSAGE                     \
    {                                           \
        CHECK_SCHEMA_OBSERVER_MESSAGE, SET_NONE \
    }
#define OF_OBSERVER_TOOL                     \
    {                                        \
        CHECK_SCHEMA_OBSERVER_TOOL, SET_NONE \
    }
#define OF_OBSERVER_METRIC                     \
    {                                          \
        CHECK_SCHEMA_OBSERVER_METRIC, SET_NONE \
    }
#define OF_INTERFACE                     \
    {                                    \
        CHECK_SCHEMA_NONE, SET_INTERFACE \
    }
#define OF_DIRECTION                     \
    {                                    \
        CHECK_SCHEMA_NONE, SET_DIRECTION \
    }
#define OF_ENDPOINT_TYPE                     \
    {                                        \
        CHECK_SCHEMA_NONE, SET_ENDPOINT_TYPE \
    }
#define OF_ENDPOINT_DIRECTION                     \
    {                                             \
        CHECK_SCHEMA_NONE, SET_ENDPOINT_DIRECTION \
    }
#define OF_ROLE                     \
    {                               \
        CHECK_SCHEMA_NONE, SET_ROLE \
    }
#define OF_ENDED_STATUS                     \
    {                                       \
        CHECK_SCHEMA_NONE, SET_ENDED_STATUS \
    }

static const struct field fields[] = {
#define VALUES(set, ...)
#define FIELD(schema, name, type, is_required, is_nullable, least, most, of) \
    {CHECK_SCHEMA_##schema, name, TYPE_##type, is_required, is_nullable, least, most, OF_##of},
#define EXCLUSIVE(schema, one, other)
#define ONE_OF(schema, first, second, third)
#include "api/rest/fields.def"
#undef VALUES
#undef FIELD
#undef EXCLUSIVE
#undef ONE_OF
};

enum { VALUES_MAX = 24 };
static const char *const sets[SET_COUNT][VALUES_MAX] = {
#define VALUES(set, ...) [SET_##set] = {__VA_ARGS__},
#define FIELD(schema, name, type, is_required, is_nullable, least, most, of)
#define EXCLUSIVE(schema, one, other)
#define ONE_OF(schema, first, second, third)
#include "api/rest/fields.def"
#undef VALUES
#undef FIELD
#undef EXCLUSIVE
#undef ONE_OF
};

struct rule {
    enum check_schema schema;
    bool is_exclusive; /* not both; else at least one */
    const char *names[3];
};

static const struct rule rules[] = {
#define VALUES(set, ...)
#define FIELD(schema, name, type, is_required, is_nullable, least, most, of)
#define EXCLUSIVE(schema, one, other)        {CHECK_SCHEMA_##schema, true, {one, other, NULL}},
#define ONE_OF(schema, first, second, third) {CHECK_SCHEMA_##schema, false, {first, second, third}},
#include "api/rest/fields.def"
#undef VALUES
#undef FIELD
#undef EXCLUSIVE
#undef ONE_OF
};

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

/* An object that waits to be checked. Objects are taken first in, first out: no recursion. */
struct item {
    struct item *next;
    enum check_schema schema;
    const json_t *value;
    const struct check_path *path;
};

struct check {
    struct arena *arena;
    struct check_issues *issues;
    struct item *first;
    struct item **last;
};

static FALLIBLE path_make(struct arena *arena, const struct check_path *up, const char *name,
                          size_t index, const struct check_path **ret_path)
{
    struct check_path *path = arena_alloc(arena, sizeof *path);
    if (path == NULL) {
        return FAIL(NO_SPACE);
    }
    *path = (struct check_path){.up = up, .name = name, .index = index};
    *ret_path = path;
    return OK;
}

static FALLIBLE issue_add(struct check_issues *issues, const char *code,
                          const struct check_path *path, const char *message)
{
    if (message == NULL) {
        return FAIL(NO_SPACE);
    }
    if (issues->count < CHECK_ISSUES_MAX) {
        issues->list[issues->count] =
            (struct check_issue){.code = code, .path = path, .message = message};
    }
    issues->count++;
    return OK;
}

static FALLIBLE later(struct check *check, enum check_schema schema, const json_t *value,
                      const struct check_path *path)
{
    struct item *item = arena_alloc(check->arena, sizeof *item);
    if (item == NULL) {
        return FAIL(NO_SPACE);
    }
    *item = (struct item){.schema = schema, .value = value, .path = path};
    *check->last = item;
    check->last = &item->next;
    return OK;
}

static const char *type_name(const json_t *value)
{
    switch (json_typeof(value)) {
    case JSON_OBJECT:
        return "an object";
    case JSON_ARRAY:
        return "an array";
    case JSON_STRING:
        return "a string";
    case JSON_INTEGER:
    case JSON_REAL:
        return "a number";
    case JSON_TRUE:
    case JSON_FALSE:
        return "a boolean";
    case JSON_NULL:
        return "null";
    }
    return "nothing";
}

static const char *type_wanted(enum type type)
{
    switch (type) {
    case TYPE_TEXT:
    case TYPE_URI:
    case TYPE_TIME:
    case TYPE_UUID:
    case TYPE_TRACE_ID:
    case TYPE_ENUM:
        return "a string";
    case TYPE_INTEGER:
        return "an integer";
    case TYPE_NUMBER:
        return "a number";
    case TYPE_BOOLEAN:
        return "a boolean";
    case TYPE_ANY_OBJECT:
    case TYPE_OBJECT:
        return "an object";
    case TYPE_TEXT_OR_OBJECT:
        return "a string or an object";
    case TYPE_ARRAY:
        return "an array";
    }
    return "something else";
}

static bool type_fits(enum type type, const json_t *value)
{
    switch (type) {
    case TYPE_TEXT:
    case TYPE_URI:
    case TYPE_TIME:
    case TYPE_UUID:
    case TYPE_TRACE_ID:
    case TYPE_ENUM:
        return json_is_string(value);
    case TYPE_INTEGER:
    case TYPE_NUMBER:
        return json_is_number(value);
    case TYPE_BOOLEAN:
        return json_is_boolean(value);
    case TYPE_ANY_OBJECT:
    case TYPE_OBJECT:
        return json_is_object(value);
    case TYPE_TEXT_OR_OBJECT:
        return json_is_string(value) || json_is_object(value);
    case TYPE_ARRAY:
        return json_is_array(value);
    }
    return false;
}

static struct bytes text_of(const json_t *value)
{
    return bytes_of(json_string_value(value), json_string_length(value));
}

/* http or https, "://" and at least one character more, none of them a space or a control character.
 * Nothing is ever fetched from it. */
static bool uri_is_valid(struct bytes text)
{
    size_t scheme = bytes_start_with(text, "https://")  ? strlen("https://")
                    : bytes_start_with(text, "http://") ? strlen("http://")
                                                        : 0;
    for (size_t i = scheme; i < text.len; i++) {
        if (text.ptr[i] <= ' ' || text.ptr[i] == 0x7f) {
            return false;
        }
    }
    return scheme > 0 && text.len > scheme && text.ptr[scheme] != '/';
}

static bool trace_id_is_valid(struct bytes text)
{
    struct trace_id id;
    return text.len == TRACE_ID_HEX && bytes_from_hex(text, id.b, sizeof id.b) &&
           !trace_id_is_zero(id);
}

static FALLIBLE check_length(struct check *check, const struct field *field, const json_t *value,
                             const struct check_path *path)
{
    int64_t count = (int64_t)bytes_utf8_count(text_of(value));
    if (count > field->most) {
        return issue_add(check->issues, "too_big", path,
                         arena_printf(check->arena,
                                      "%s must have at most %" PRId64
                                      " characters, this has %" PRId64,
                                      field->name, field->most, count));
    }
    if (count < field->least) {
        return issue_add(check->issues, "too_small", path,
                         arena_printf(check->arena, "%s must have at least %" PRId64 " character%s",
                                      field->name, field->least, field->least == 1 ? "" : "s"));
    }
    return OK;
}

const char *check_ended_status(struct bytes text)
{
    for (size_t i = 0; i < VALUES_MAX && sets[SET_ENDED_STATUS][i] != NULL; i++) {
        if (bytes_equal_text(text, sets[SET_ENDED_STATUS][i])) {
            return sets[SET_ENDED_STATUS][i];
        }
    }
    return NULL;
}

static FALLIBLE check_enum(struct check *check, const struct field *field, const json_t *value,
                           const struct check_path *path)
{
    const char *const *allowed = sets[field->of.set];
    for (size_t i = 0; i < VALUES_MAX && allowed[i] != NULL; i++) {
        if (bytes_equal_text(text_of(value), allowed[i])) {
            return OK;
        }
    }
    const char *list = "";
    for (size_t i = 0; i < VALUES_MAX && allowed[i] != NULL && list != NULL; i++) {
        list = arena_printf(check->arena, "%s%s%s", list, i == 0 ? "" : ", ", allowed[i]);
    }
    return issue_add(check->issues, "invalid_enum_value", path,
                     list == NULL
                         ? NULL
                         : arena_printf(check->arena, "%s must be one of %s", field->name, list));
}

static FALLIBLE check_integer(struct check *check, const struct field *field, const json_t *value,
                              const struct check_path *path)
{
    /* 1500.0 is an integer in JSON, and what Python's floats become. */
    double number = json_number_value(value);
    if (json_is_real(value) && floor(number) != number) {
        return issue_add(check->issues, "invalid_type", path,
                         arena_printf(check->arena, "%s must be an integer", field->name));
    }
    if (number < (double)field->least) {
        return issue_add(
            check->issues, "too_small", path,
            arena_printf(check->arena, "%s must be at least %" PRId64, field->name, field->least));
    }
    if (number > (double)field->most) {
        return issue_add(
            check->issues, "too_big", path,
            arena_printf(check->arena, "%s must be at most %" PRId64, field->name, field->most));
    }
    return OK;
}

static FALLIBLE check_array(struct check *check, const struct field *field, const json_t *value,
                            const struct check_path *path)
{
    size_t count = json_array_size(value);
    if (count > (size_t)field->most) {
        return issue_add(check->issues, "too_big", path,
                         arena_printf(check->arena,
                                      "%s must have at most %" PRId64 " elements, this has %zu",
                                      field->name, field->most, count));
    }
    for (size_t i = 0; i < count; i++) {
        const struct check_path *element = NULL;
        TRY(path_make(check->arena, path, NULL, i, &element));
        const json_t *one = json_array_get(value, i);
        if (json_is_object(one)) {
            TRY(later(check, field->of.schema, one, element));
        } else {
            TRY(issue_add(check->issues, "invalid_type", element,
                          arena_printf(check->arena, "%s[%zu] must be an object, this is %s",
                                       field->name, i, type_name(one))));
        }
    }
    return OK;
}

static FALLIBLE check_format(struct check *check, const struct field *field, bool is_valid,
                             const char *wanted, const struct check_path *path)
{
    if (is_valid) {
        return OK;
    }
    return issue_add(check->issues, "invalid_string", path,
                     arena_printf(check->arena, "%s must be %s", field->name, wanted));
}

static bool time_is_valid(struct bytes text)
{
    struct unix_ns at;
    return unix_from_rfc3339(text, &at);
}

static bool uuid_is_valid(struct bytes text)
{
    struct uuid id;
    return uuid_from_text(text, &id);
}

static FALLIBLE check_content(struct check *check, const struct field *field, const json_t *value,
                              const struct check_path *path)
{
    struct bytes text = json_is_string(value) ? text_of(value) : bytes_of(NULL, 0);
    switch (field->type) {
    case TYPE_TEXT:
        return check_length(check, field, value, path);
    case TYPE_URI:
        TRY(check_format(check, field, uri_is_valid(text), "an http or https URL", path));
        return check_length(check, field, value, path);
    case TYPE_TIME:
        return check_format(check, field, time_is_valid(text),
                            "an ISO 8601 time between the years 1678 and 2261", path);
    case TYPE_UUID:
        return check_format(check, field, uuid_is_valid(text), "a UUID", path);
    case TYPE_TRACE_ID:
        return check_format(check, field, trace_id_is_valid(text),
                            "a trace id: 32 hex digits, not all zero", path);
    case TYPE_ENUM:
        return check_enum(check, field, value, path);
    case TYPE_INTEGER:
        return check_integer(check, field, value, path);
    case TYPE_TEXT_OR_OBJECT:
        return json_is_string(value) ? check_length(check, field, value, path) : OK;
    case TYPE_NUMBER:
    case TYPE_BOOLEAN:
    case TYPE_ANY_OBJECT:
        return OK;
    case TYPE_OBJECT:
        return later(check, field->of.schema, value, path);
    case TYPE_ARRAY:
        return check_array(check, field, value, path);
    }
    UNREACHABLE();
}

static FALLIBLE check_field(struct check *check, const struct field *field, const struct item *item)
{
    const json_t *value = json_object_get(item->value, field->name);
    if (value == NULL && !field->is_required) {
        return OK;
    }
    const struct check_path *path = NULL;
    TRY(path_make(check->arena, item->path, field->name, 0, &path));
    if (value == NULL) {
        return issue_add(check->issues, "invalid_type", path,
                         arena_printf(check->arena, "%s is required", field->name));
    }
    if (json_is_null(value) && field->is_nullable) {
        return OK;
    }
    if (!type_fits(field->type, value)) {
        return issue_add(check->issues, "invalid_type", path,
                         arena_printf(check->arena, "%s must be %s, this is %s", field->name,
                                      type_wanted(field->type), type_name(value)));
    }
    return check_content(check, field, value, path);
}

static FALLIBLE check_rule(struct check *check, const struct rule *rule, const struct item *item)
{
    size_t present = 0;
    for (size_t i = 0; i < COUNT_OF(rule->names); i++) {
        if (rule->names[i] != NULL && json_object_get(item->value, rule->names[i]) != NULL) {
            present++;
        }
    }
    if (rule->is_exclusive && present > 1) {
        const struct check_path *path = NULL;
        TRY(path_make(check->arena, item->path, rule->names[1], 0, &path));
        return issue_add(check->issues, "custom", path,
                         arena_printf(check->arena,
                                      "%s and %s exclude each other: send one of them",
                                      rule->names[0], rule->names[1]));
    }
    if (!rule->is_exclusive && present == 0) {
        const char *third = rule->names[2];
        return issue_add(check->issues, "custom", item->path,
                         arena_printf(check->arena, "%s%s%s or %s is required", rule->names[0],
                                      third == NULL ? "" : ", ",
                                      third == NULL ? "" : rule->names[1],
                                      third == NULL ? rule->names[1] : third));
    }
    return OK;
}

FALLIBLE check_body(enum check_schema schema, const json_t *body, struct arena *arena,
                    struct check_issues *ret_issues)
{
    ret_issues->count = 0;
    if (!json_is_object(body)) {
        return issue_add(
            ret_issues, "invalid_type", NULL,
            arena_printf(arena, "the body must be an object, this is %s", type_name(body)));
    }
    struct check check = {.arena = arena, .issues = ret_issues};
    check.last = &check.first;
    TRY(later(&check, schema, body, NULL));
    for (const struct item *item = check.first; item != NULL; item = item->next) {
        for (size_t i = 0; i < COUNT_OF(fields); i++) {
            if (fields[i].schema == item->schema) {
                TRY(check_field(&check, &fields[i], item));
            }
        }
        for (size_t i = 0; i < COUNT_OF(rules); i++) {
            if (rules[i].schema == item->schema) {
                TRY(check_rule(&check, &rules[i], item));
            }
        }
    }
    return OK;
}

FALLIBLE check_add(struct check_issues *issues, struct arena *arena, const char *code,
                   const char *field, const char *message)
{
    const struct check_path *path = NULL;
    TRY(path_make(arena, NULL, field, 0, &path));
    return issue_add(issues, code, path, message);
}

FALLIBLE check_add_at(struct check_issues *issues, struct arena *arena, const char *list,
                      size_t index, const char *field, const char *message)
{
    const struct check_path *path = NULL;
    TRY(path_make(arena, NULL, list, 0, &path));
    TRY(path_make(arena, path, NULL, index, &path));
    TRY(path_make(arena, path, field, 0, &path));
    return issue_add(issues, "custom", path, message);
}

/* "transcript[3].text"; "the body" for the top. NULL: no space. */
static const char *path_text(const struct check_path *path, struct arena *arena)
{
    if (path == NULL) {
        return "the body";
    }
    const char *text = "";
    for (const struct check_path *at = path; at != NULL && text != NULL; at = at->up) {
        const char *dot = text[0] == '\0' || text[0] == '[' ? "" : ".";
        text = at->name == NULL ? arena_printf(arena, "[%zu]%s%s", at->index, dot, text)
                                : arena_printf(arena, "%s%s%s", at->name, dot, text);
    }
    return text;
}

static json_t *path_json(const struct check_path *path)
{
    json_t *list = json_array();
    for (const struct check_path *at = path; at != NULL && list != NULL; at = at->up) {
        json_t *step =
            at->name == NULL ? json_integer((json_int_t)at->index) : json_string(at->name);
        if (json_array_insert_new(list, 0, step) != 0) {
            json_decref(list);
            return NULL;
        }
    }
    return list;
}

static const char *summary(const struct check_issues *issues, struct arena *arena)
{
    const struct check_issue *first = &issues->list[0];
    const char *more = "";
    if (issues->count > 1) {
        more = arena_printf(arena, " (and %zu more)", issues->count - 1);
    }
    const char *where = path_text(first->path, arena);
    if (more == NULL || where == NULL) {
        return NULL;
    }
    /* Most messages begin with the field's name; at the top that is the whole path. */
    return bytes_start_with(bytes_of_text(first->message), where)
               ? arena_printf(arena, "%s%s", first->message, more)
               : arena_printf(arena, "%s: %s%s", where, first->message, more);
}

json_t *check_answer(const struct check_issues *issues, struct arena *arena)
{
    PRE(issues->count > 0);
    json_t *list = json_array();
    size_t kept = issues->count < CHECK_ISSUES_MAX ? issues->count : CHECK_ISSUES_MAX;
    for (size_t i = 0; i < kept; i++) {
        const struct check_issue *issue = &issues->list[i];
        json_t *one = json_pack("{s:s, s:o, s:s}", "code", issue->code, "path",
                                path_json(issue->path), "message", issue->message);
        if (list == NULL || json_array_append_new(list, one) != 0) {
            json_decref(list);
            return NULL;
        }
    }
    const char *message = summary(issues, arena);
    if (message == NULL) {
        json_decref(list);
        return NULL;
    }
    return json_pack("{s:b, s:{s:s, s:o}, s:s, s:s}", "success", 0, "error", "name", "ZodError",
                     "issues", list, "code", "validation_error", "message", message);
}
