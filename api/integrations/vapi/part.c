#include "api/integrations/vapi/part.h"

#include <stdlib.h>

#include "api/integrations/vapi/json.h"
#include "api/rest/check.h"
#include "api/rest/intake.h"
#include "proto/base/limits.h"
#include "proto/base/mem.h"

#include "proto/base/banned.h"

/* A JSON object being made; one failure spoils it for good. */
struct making {
    const struct vapi_report *report;
    json_t *body;
    bool is_spoiled;
};

static void put(struct making *making, json_t *object, const char *key, json_t *value)
{
    bool is_set = json_object_set_new(object, key, value) == 0; /* takes the value in any case */
    making->is_spoiled = making->is_spoiled || !is_set;
}

static void put_text(struct making *making, json_t *object, const char *key, struct bytes text)
{
    put(making, object, key, json_stringn((const char *)text.ptr, text.len));
}

static void add(struct making *making, json_t *array, json_t *value)
{
    bool is_added = json_array_append_new(array, value) == 0; /* takes the value in any case */
    making->is_spoiled = making->is_spoiled || !is_added;
}

/* --- tools -------------------------------------------------------------------------------------------- */

/* A result by the id that it answers. */
struct answer {
    struct bytes id;
    size_t at;
    bool is_taken;
};

static int compare_answers(const void *left, const void *right)
{
    const struct answer *a = left;
    const struct answer *b = right;
    int order = bytes_compare(a->id, b->id);
    return order != 0 ? order : (a->at > b->at) - (a->at < b->at);
}

static struct answer *answer_find(struct answer *answers, size_t count, struct bytes id)
{
    size_t low = 0;
    size_t high = count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (bytes_compare(answers[middle].id, id) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    bool is_it = id.len > 0 && low < count && bytes_equal(answers[low].id, id);
    return is_it && !answers[low].is_taken ? &answers[low] : NULL;
}

/* The tools of one message of role tool_calls; those of the call beyond the bound are left out. */
static void calls_read(const struct vapi_report *report, const struct vapi_message *message,
                       struct answer *answers, size_t answers_count, struct vapi_tool *tools,
                       size_t *count)
{
    const json_t *list = vapi_json_array(message->json, "toolCalls");
    for (size_t i = 0; i < json_array_size(list) && *count < VAPI_MESSAGES_MAX; i++) {
        const json_t *one = json_array_get(list, i);
        const json_t *function = vapi_json_object(one, "function");
        struct vapi_tool tool = {.id = vapi_json_text(one, "id"),
                                 .name = vapi_json_text(function, "name"),
                                 .arguments = json_object_get(function, "arguments"),
                                 .called = message};
        struct answer *answer = answer_find(answers, answers_count, tool.id);
        if (answer != NULL) {
            answer->is_taken = true;
            tool.answered = &report->messages[answer->at];
            tool.result = json_object_get(tool.answered->json, "result");
        }
        tools[(*count)++] = tool;
    }
}

static void leftover_read(const struct vapi_report *report, const struct answer *answers,
                          size_t answers_count, struct vapi_tool *tools, size_t *count)
{
    for (size_t i = 0; i < answers_count && *count < VAPI_MESSAGES_MAX; i++) {
        if (!answers[i].is_taken) {
            const struct vapi_message *message = &report->messages[answers[i].at];
            tools[(*count)++] =
                (struct vapi_tool){.id = answers[i].id,
                                   .name = vapi_json_text(message->json, "name"),
                                   .result = json_object_get(message->json, "result"),
                                   .answered = message};
        }
    }
}

err_t vapi_tools_read(const struct vapi_report *report, struct arena *arena,
                      struct vapi_tool **ret_tools, size_t *ret_count)
{
    size_t answers_count = 0;
    size_t calls = 0;
    size_t count = 0;
    struct answer *answers = arena_zero(arena, report->messages_count + 1, sizeof *answers);
    for (size_t i = 0; i < report->messages_count && answers != NULL; i++) {
        const struct vapi_message *message = &report->messages[i];
        calls += json_array_size(vapi_json_array(message->json, "toolCalls"));
        if (message->role == VAPI_ROLE_TOOL_RESULT) {
            answers[answers_count++] =
                (struct answer){.id = vapi_json_text(message->json, "toolCallId"), .at = i};
        }
    }
    size_t room = calls + answers_count;
    room = room > VAPI_MESSAGES_MAX ? VAPI_MESSAGES_MAX : room;
    struct vapi_tool *tools = arena_zero(arena, room + 1, sizeof *tools);
    if (answers == NULL || tools == NULL) {
        return FAIL(NO_SPACE);
    }
    qsort(answers, answers_count, sizeof *answers, compare_answers);
    for (size_t i = 0; i < report->messages_count; i++) {
        if (report->messages[i].role == VAPI_ROLE_TOOL_CALLS) {
            calls_read(report, &report->messages[i], answers, answers_count, tools, &count);
        }
    }
    leftover_read(report, answers, answers_count, tools, &count);
    *ret_tools = tools;
    *ret_count = count;
    return OK;
}

/* --- entries ------------------------------------------------------------------------------------------ */

/* From the call's start; a moment before it counts as the start. */
static int64_t offset_ms(const struct vapi_report *report, struct unix_ns at)
{
    int64_t ms = report->has_started ? (at.ns - report->started.ns) / NS_PER_MS : 0;
    return ms < 0 ? 0 : ms;
}

static void entry_add(struct making *making, json_t *entries, const struct vapi_message *message,
                      int64_t *last_ms)
{
    bool is_user = message->role == VAPI_ROLE_USER;
    struct bytes text = vapi_json_text(message->json, "message");
    struct bytes assistant = vapi_json_text(message->json, "assistantId");
    if (text.len == 0) {
        return;
    }
    int64_t start = message->has_time ? offset_ms(making->report, message->start) : *last_ms;
    int64_t end = message->has_time ? offset_ms(making->report, message->end) : *last_ms;
    json_t *entry = json_object();
    *last_ms = end;
    put(making, entry, "role", json_string(is_user ? "CUSTOMER" : "AGENT"));
    put_text(making, entry, "text", text);
    put(making, entry, "startOffsetMs", json_integer(start));
    put(making, entry, "endOffsetMs", json_integer(end));
    if (!is_user && assistant.len > 0 && bytes_utf8_count(assistant) <= CHECK_NAME_CHARS) {
        json_t *agent = json_object();
        put_text(making, agent, "customId", assistant);
        put(making, entry, "agent", agent);
    }
    add(making, entries, entry);
}

static void transcript_put(struct making *making)
{
    const struct vapi_report *report = making->report;
    int64_t last_ms = 0;
    json_t *entries = json_array();
    for (size_t i = 0; i < report->messages_count; i++) {
        const struct vapi_message *message = &report->messages[i];
        if (message->role == VAPI_ROLE_USER || message->role == VAPI_ROLE_BOT) {
            entry_add(making, entries, message, &last_ms);
        }
    }
    if (json_array_size(entries) > 0) {
        put(making, making->body, "transcript", entries);
    } else {
        json_decref(entries);
    }
}

/* VAPI writes objects as JSON texts. Gives; NULL when it is no object. */
static json_t *object_of(const json_t *value)
{
    struct detail detail = {0};
    json_t *object = NULL;
    if (json_is_string(value)) {
        struct bytes text = bytes_of(json_string_value(value), json_string_length(value));
        if (text.len == 0 || !err_is_ok(intake_json(text, &detail, &object))) {
            return NULL;
        }
    } else if (value != NULL) {
        object = json_deep_copy(value);
    }
    if (!json_is_object(object)) {
        json_decref(object);
        return NULL;
    }
    return object;
}

/* A result is a text or an object. */
static json_t *result_of(const json_t *value)
{
    json_t *object = object_of(value);
    if (object != NULL) {
        return object;
    }
    if (value == NULL || json_is_null(value)) {
        return json_string("");
    }
    if (json_is_string(value)) {
        return json_deep_copy(value);
    }
    char *text = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);
    json_t *result = text == NULL ? NULL : json_string(text);
    mem_free(text);
    return result;
}

static void tool_add(struct making *making, json_t *list, const struct vapi_tool *tool)
{
    const struct vapi_message *from = tool->called != NULL ? tool->called : tool->answered;
    bool is_named = tool->name.len > 0 && bytes_utf8_count(tool->name) <= CHECK_NAME_CHARS;
    json_t *parameters = object_of(tool->arguments);
    json_t *entry = json_object();
    put_text(making, entry, "name", is_named ? tool->name : bytes_of_text("tool"));
    put(making, entry, "parameters", parameters != NULL ? parameters : json_object());
    put(making, entry, "result", result_of(tool->result));
    put(making, entry, "startOffsetMs", json_integer(offset_ms(making->report, from->start)));
    if (tool->answered != NULL && tool->answered->has_time) {
        put(making, entry, "endOffsetMs",
            json_integer(offset_ms(making->report, tool->answered->start)));
    }
    add(making, list, entry);
}

static FALLIBLE tools_put(struct making *making, struct arena *arena)
{
    struct vapi_tool *tools = NULL;
    size_t count = 0;
    TRY(vapi_tools_read(making->report, arena, &tools, &count));
    if (count > 0) {
        json_t *list = json_array();
        for (size_t i = 0; i < count; i++) {
            tool_add(making, list, &tools[i]);
        }
        put(making, making->body, "toolInvocations", list);
    }
    return OK;
}

/* --- facts -------------------------------------------------------------------------------------------- */

static bool is_phone(const struct vapi_report *report)
{
    return bytes_equal_text(report->call_type, "inboundPhoneCall") ||
           bytes_equal_text(report->call_type, "outboundPhoneCall");
}

/* Who opens a page begins the call; who asks for a websocket may be either side. */
static enum conversation_direction direction_of(const struct vapi_report *report)
{
    if (bytes_equal_text(report->call_type, "outboundPhoneCall")) {
        return CONVERSATION_DIRECTION_OUTBOUND;
    }
    bool is_inbound = bytes_equal_text(report->call_type, "inboundPhoneCall") ||
                      bytes_equal_text(report->call_type, "webCall");
    return is_inbound ? CONVERSATION_DIRECTION_INBOUND : CONVERSATION_DIRECTION_NONE;
}

static void url_put(struct making *making, const char *key, const json_t *url)
{
    struct bytes text = bytes_of(json_string_value(url), json_string_length(url));
    if ((bytes_start_with(text, "https://") || bytes_start_with(text, "http://")) &&
        text.len <= CHECK_URL_CHARS) {
        put_text(making, making->body, key, text);
    }
}

/* The addresses that stay, never the presigned ones: those are new with every delivery. */
static void recordings_put(struct making *making)
{
    const struct vapi_report *report = making->report;
    const json_t *recording = vapi_report_find(report, "recording");
    const json_t *mono = vapi_report_find(report, "recordingUrl");
    const json_t *stereo = vapi_report_find(report, "stereoRecordingUrl");
    if (mono == NULL) {
        mono = json_object_get(vapi_json_object(recording, "mono"), "combinedUrl");
    }
    url_put(making, "recordingUrl", mono);
    url_put(making, "stereoRecordingUrl",
            stereo != NULL ? stereo : json_object_get(recording, "stereoUrl"));
}

static void customer_put(struct making *making)
{
    const json_t *customer = vapi_report_find(making->report, "customer");
    struct bytes number = vapi_json_text(customer, "number");
    struct bytes label = vapi_json_text(customer, "name");
    label = label.len > 0 ? label : vapi_json_text(customer, "sipUri");
    bool has_number = number.len > 0 && bytes_utf8_count(number) <= CHECK_NAME_CHARS;
    bool has_label = label.len > 0 && bytes_utf8_count(label) <= CHECK_NAME_CHARS;
    if (!has_number && !has_label) {
        return;
    }
    json_t *out = json_object();
    if (has_number) {
        put_text(making, out, "phoneNumberE164", number);
    } else {
        put(making, out, "phoneNumberE164", json_null());
    }
    if (has_label) {
        put_text(making, out, "label", label);
    }
    put(making, making->body, "customer", out);
}

static json_t *agent_of(struct making *making, const struct vapi_assistant *assistant)
{
    json_t *agent = json_object();
    if (assistant->name.len > 0) {
        put_text(making, agent, "name", assistant->name);
    }
    if (assistant->id.len > 0) {
        put_text(making, agent, "customId", assistant->id);
    }
    return agent;
}

static void agents_put(struct making *making)
{
    const struct vapi_report *report = making->report;
    if (report->assistants_count == 1) {
        put(making, making->body, "agent", agent_of(making, &report->assistants[0]));
    } else if (report->assistants_count > 1) {
        json_t *list = json_array();
        for (size_t i = 0; i < report->assistants_count; i++) {
            add(making, list, agent_of(making, &report->assistants[i]));
        }
        put(making, making->body, "agents", list);
    }
}

static void facts_put(struct making *making)
{
    const struct vapi_report *report = making->report;
    char started[RFC3339_BYTES];
    if (report->has_started) {
        unix_to_rfc3339(report->started, 3, started);
        put(making, making->body, "startedAt", json_string(started));
    }
    if (report->call_type.len > 0) {
        put(making, making->body, "interfaceType", json_string(is_phone(report) ? "PHONE" : "WEB"));
    }
    if (report->status == CONVERSATION_STATUS_ENDED) {
        put(making, making->body, "endedStatus",
            json_string(vapi_ended_status(report->ended_reason)));
    }
    if (report->summary.len > 0) {
        put_text(making, making->body, "summary", report->summary);
    }
    customer_put(making);
    agents_put(making);
}

static FALLIBLE body_make(struct making *making, const json_t *properties, struct arena *arena)
{
    facts_put(making);
    if (making->report->kind == VAPI_KIND_REPORT) {
        recordings_put(making);
        transcript_put(making);
        TRY(tools_put(making, arena));
    }
    if (json_is_object(properties)) {
        put(making, making->body, "properties", json_deep_copy(properties));
    }
    return making->is_spoiled ? FAIL(MEMORY) : OK;
}

static FALLIBLE body_write(const json_t *body, struct arena *arena, struct bytes *ret_body)
{
    char *text = json_dumps(body, JSON_COMPACT);
    if (text == NULL) {
        return FAIL(MEMORY);
    }
    err_t err = arena_copy(arena, bytes_of_text(text), ret_body);
    mem_free(text);
    return err;
}

/* Text that Postgres can hold and a person read. */
static struct bytes title_of(struct bytes text)
{
    bool is_bad =
        text.len == 0 || text.len > LIMIT_NAME_BYTES || memchr(text.ptr, '\0', text.len) != NULL;
    return is_bad ? bytes_of(NULL, 0) : text;
}

err_t vapi_part_make(const struct vapi_report *report, const json_t *properties,
                     struct arena *arena, struct bus_part *ret_part)
{
    bool is_report = report->kind == VAPI_KIND_REPORT;
    struct making making = {.report = report, .body = json_object()};
    struct bus_part part = {
        .number = is_report ? CALL_PART_VAPI_REPORT : CALL_PART_VAPI_STATUS,
        .at = report->at,
        .has_started = report->has_started,
        .started = report->started,
        .has_ended = report->has_ended,
        .ended = report->ended,
        .status = report->status,
        .direction = direction_of(report),
        .title = title_of(report->name),
    };
    err_t err = making.body == NULL ? FAIL(MEMORY) : body_make(&making, properties, arena);
    if (err_is_ok(err)) {
        err = body_write(making.body, arena, &part.body);
    }
    json_decref(making.body);
    if (err_is_ok(err)) {
        *ret_part = part;
    }
    return err;
}
