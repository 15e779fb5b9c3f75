#include "api/integrations/observer/spoken.h"

#include <math.h>

#include "api/rest/check.h"
#include "api/rest/intake.h"

#include "proto/base/banned.h"

struct speaker {
    const char *role;
    const char *word;
};

static const struct speaker speakers[] = {
#define SPEAKER(role, word) {role, word},
#define REASON(reason, status)
#define REASON_BEGINS(reason, status)
#include "api/integrations/observer/words.def"
#undef SPEAKER
#undef REASON
#undef REASON_BEGINS
};

/* False when memory was short for the value or the place for it. Takes `value`. */
static bool put(json_t *object, const char *key, json_t *value)
{
    return json_object_set_new(object, key, value) == 0;
}

static bool put_copy(json_t *object, const char *key, const json_t *value)
{
    return json_object_set_new(object, key, json_deep_copy(value)) == 0;
}

static struct bytes text_of(const json_t *value)
{
    return json_is_string(value) ? bytes_of(json_string_value(value), json_string_length(value))
                                 : bytes_of(NULL, 0);
}

static json_int_t offset_bounded(double ms)
{
    if (!(ms > 0)) {
        return 0;
    }
    return ms < (double)CHECK_OFFSET_MS ? (json_int_t)floor(ms) : CHECK_OFFSET_MS;
}

static json_int_t offset_of(const json_t *entry, struct spoken_start start, const char *time,
                            const char *audio, json_int_t otherwise)
{
    struct unix_ns at;
    int64_t ns = 0;
    const json_t *recorded = json_object_get(entry, audio);
    if (start.is_known && unix_from_rfc3339(text_of(json_object_get(entry, time)), &at) &&
        !__builtin_sub_overflow(at.ns, start.at.ns, &ns)) {
        return ns > 0 ? ns / NS_PER_MS : 0;
    }
    return json_is_number(recorded) ? offset_bounded(json_number_value(recorded)) : otherwise;
}

/* --- the transcript ---------------------------------------------------------------------------------- */

/* What an entry has no field for. */
static bool payload_put(json_t *entry, const json_t *message)
{
    static const char *const kept[] = {"userId", "audioOffsetMs", "endAudioOffsetMs"};
    json_t *payload = NULL;
    bool is_put = true;
    for (size_t i = 0; i < sizeof kept / sizeof kept[0] && is_put; i++) {
        const json_t *value = json_object_get(message, kept[i]);
        if (value == NULL || json_is_null(value)) {
            continue;
        }
        payload = payload == NULL ? json_object() : payload;
        is_put = put_copy(payload, kept[i], value);
    }
    if (is_put && payload != NULL) {
        return put(entry, "payload", payload);
    }
    json_decref(payload);
    return is_put;
}

/* Appends one utterance; *end becomes where it ends. */
static bool message_add(json_t *list, const json_t *message, const char *word,
                        struct spoken_start start, json_int_t *end)
{
    json_int_t from = offset_of(message, start, "timestamp", "audioOffsetMs", *end);
    json_int_t to = offset_of(message, start, "endTimestamp", "endAudioOffsetMs", from);
    *end = to > from ? to : from;
    json_t *entry =
        json_pack("{s:s, s:O, s:I, s:I}", "role", word, "text", json_object_get(message, "content"),
                  "startOffsetMs", from, "endOffsetMs", *end);
    const json_t *language = json_object_get(message, "language");
    bool is_put = entry != NULL && payload_put(entry, message);
    if (is_put && json_is_string(language)) {
        is_put = put_copy(entry, "languageCode", language);
    }
    if (!is_put) {
        json_decref(entry);
        return false;
    }
    return json_array_append_new(list, entry) == 0;
}

json_t *spoken_transcript(const json_t *messages, struct spoken_start start)
{
    json_t *list = json_array();
    json_int_t end = 0;
    bool is_whole = list != NULL;
    for (size_t i = 0; i < json_array_size(messages) && is_whole; i++) {
        const json_t *message = json_array_get(messages, i);
        struct bytes role = text_of(json_object_get(message, "role"));
        for (size_t n = 0; n < sizeof speakers / sizeof speakers[0] && is_whole; n++) {
            if (bytes_equal_text(role, speakers[n].role)) {
                is_whole = message_add(list, message, speakers[n].word, start, &end);
            }
        }
    }
    if (!is_whole) {
        json_decref(list);
        list = NULL;
    }
    return list;
}

/* --- tools --------------------------------------------------------------------------------------------- */

struct tools {
    json_t *list;
    json_t *waiting; /* toolCallId -> where in the list the call is that has no result yet */
    struct spoken_start start;
    size_t arguments_bytes;
    json_int_t end;
};

/* An object, whatever the model wrote. Gives; NULL: out of memory. */
static json_t *parameters_make(struct tools *tools, const json_t *arguments)
{
    struct bytes text = text_of(arguments);
    json_t *read = NULL;
    if (json_is_object(arguments)) {
        return json_deep_copy(arguments);
    }
    if (text.len == 0) {
        return json_object();
    }
    tools->arguments_bytes += text.len;
    if (tools->arguments_bytes <= SPOKEN_ARGUMENTS_BYTES) {
        struct detail ignored = {{0}};
        err_t err = intake_json(text, &ignored, &read);
        if (err_class(err) == ERR_CLASS_UNAVAILABLE) {
            return NULL;
        }
    }
    if (json_is_object(read)) {
        return read;
    }
    json_decref(read);
    return json_pack("{s:o}", "arguments", json_deep_copy(arguments));
}

static bool call_add(struct tools *tools, const json_t *item)
{
    json_int_t from = offset_of(item, tools->start, "timestamp", "audioOffsetMs", tools->end);
    const json_t *name = json_object_get(item, "name");
    const json_t *id = json_object_get(item, "toolCallId");
    struct bytes key = text_of(id);
    json_t *invocation =
        json_pack("{s:o, s:o, s:n, s:I}", "name",
                  json_is_string(name) ? json_deep_copy(name) : json_string(""), "parameters",
                  parameters_make(tools, json_object_get(item, "arguments")), "result",
                  "startOffsetMs", from);
    tools->end = from;
    if (invocation == NULL || (json_is_string(id) && !put_copy(invocation, "toolCallId", id))) {
        json_decref(invocation);
        return false;
    }
    json_t *place = json_integer((json_int_t)json_array_size(tools->list));
    if (json_array_append_new(tools->list, invocation) != 0) {
        json_decref(place);
        return false;
    }
    const char *wanted = key.len == 0 ? "" : (const char *)key.ptr;
    return json_object_setn_new(tools->waiting, wanted, key.len, place) == 0;
}

static bool result_add(struct tools *tools, const json_t *item)
{
    struct bytes key = text_of(json_object_get(item, "toolCallId"));
    const char *wanted = key.len == 0 ? "" : (const char *)key.ptr;
    const json_t *place = json_object_getn(tools->waiting, wanted, key.len);
    const json_t *content = json_object_get(item, "content");
    if (place == NULL) {
        return true;
    }
    json_t *invocation = json_array_get(tools->list, (size_t)json_integer_value(place));
    json_int_t from = json_integer_value(json_object_get(invocation, "startOffsetMs"));
    json_int_t to = offset_of(item, tools->start, "timestamp", "audioOffsetMs", from);
    tools->end = to > from ? to : from;
    if (content != NULL && !put_copy(invocation, "result", content)) {
        return false;
    }
    (void)json_object_deln(tools->waiting, wanted, key.len); /* it was found there */
    return put(invocation, "endOffsetMs", json_integer(tools->end));
}

json_t *spoken_tools(const json_t *items, struct spoken_start start)
{
    struct tools tools = {.list = json_array(), .waiting = json_object(), .start = start};
    bool is_whole = tools.list != NULL && tools.waiting != NULL;
    for (size_t i = 0; i < json_array_size(items) && is_whole; i++) {
        const json_t *item = json_array_get(items, i);
        struct bytes kind = text_of(json_object_get(item, "kind"));
        if (bytes_equal_text(kind, "tool_call")) {
            is_whole = call_add(&tools, item);
        } else if (bytes_equal_text(kind, "tool_result")) {
            is_whole = result_add(&tools, item);
        }
    }
    json_decref(tools.waiting);
    if (!is_whole) {
        json_decref(tools.list);
        tools.list = NULL;
    }
    return tools.list;
}
