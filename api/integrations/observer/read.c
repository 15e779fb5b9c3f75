#include "api/integrations/observer/read.h"

#include "api/integrations/observer/spoken.h"
#include "api/rest/intake.h"
#include "api/rest/mend.h"

#include "proto/base/banned.h"

struct reason {
    const char *text;
    const char *status;
    bool is_beginning; /* the first words */
};

static const struct reason reasons[] = {
#define SPEAKER(role, word)
#define REASON(text, status)        {text, status, false},
#define REASON_BEGINS(text, status) {text, status, true},
#include "api/integrations/observer/words.def"
#undef SPEAKER
#undef REASON
#undef REASON_BEGINS
};

/* A field of an event that is kept under a name of its own. */
struct kept {
    const char *field;
    const char *name;
};

static struct bytes text_of(const json_t *object, const char *field)
{
    const json_t *text = json_object_get(object, field);
    return json_is_string(text) ? bytes_of(json_string_value(text), json_string_length(text))
                                : bytes_of(NULL, 0);
}

static bool time_of(const json_t *object, const char *field, struct unix_ns *ret_at)
{
    return unix_from_rfc3339(text_of(object, field), ret_at);
}

/* --- which call ----------------------------------------------------------------------------------------- */

static const char *id_field(enum observer observer)
{
    return observer == OBSERVER_LIVEKIT ? "livekitCallId" : "pipecatCallId";
}

/* A key is matched octet by octet, so a text that is no Unicode cannot be one. */
static FALLIBLE check_keys_exact(enum observer observer, struct bytes body, struct arena *arena,
                                 struct check_issues *issues)
{
    struct mend_field fields[] = {{.name = id_field(observer)}, {.name = "roomSid"}};
    size_t count = observer == OBSERVER_LIVEKIT ? 2 : 1;
    mend_pick(body, fields, count);
    for (size_t i = 0; i < count; i++) {
        if (!mend_is_exact(fields[i].value)) {
            TRY(check_add(issues, arena, "invalid_string", fields[i].name,
                          arena_printf(arena, "%s must be Unicode: it has half a surrogate pair",
                                       fields[i].name)));
        }
    }
    return OK;
}

static void key_add(struct observer_event *event, enum match_kind kind, struct bytes value)
{
    struct match_key key = {.kind = kind, .value = value};
    size_t at = 0;
    while (at < event->keys_count && match_key_compare(&event->keys[at], &key) < 0) {
        at++;
    }
    bool is_there = at < event->keys_count && match_key_compare(&event->keys[at], &key) == 0;
    if (value.len == 0 || is_there) {
        return;
    }
    for (size_t i = event->keys_count; i > at; i--) {
        event->keys[i] = event->keys[i - 1];
    }
    event->keys[at] = key;
    event->keys_count++;
}

static void keys_read(enum observer observer, struct observer_event *event)
{
    struct bytes id = text_of(event->json, id_field(observer));
    if (observer == OBSERVER_PIPECAT) {
        key_add(event, MATCH_KIND_PIPECAT, id);
        return;
    }
    key_add(event, MATCH_KIND_OBSERVER, id);
    key_add(event, MATCH_KIND_LIVEKIT, text_of(event->json, "roomSid"));
    if (bytes_start_with(id, "RM_")) {
        key_add(event, MATCH_KIND_LIVEKIT, id);
    }
}

/* --- what it tells -------------------------------------------------------------------------------------- */

/* Takes `value`; NULL: out of memory. */
static bool put(json_t *object, const char *key, json_t *value)
{
    return json_object_set_new(object, key, value) == 0;
}

/* Copies those of the fields that are there. */
static bool put_kept(json_t *object, const json_t *from, const struct kept *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        json_t *value = json_object_get(from, rows[i].field);
        if (value != NULL && !json_is_null(value) &&
            json_object_set(object, rows[i].name, value) != 0) {
            return false;
        }
    }
    return true;
}

/* Puts an object that is worth it, else forgets it. Takes `value`; NULL: out of memory. */
static bool put_object(json_t *object, const char *key, json_t *value)
{
    if (value != NULL && json_object_size(value) == 0) {
        json_decref(value);
        return true;
    }
    return put(object, key, value);
}

static bool agent_put(json_t *body, const json_t *json)
{
    static const struct kept rows[] = {{"agentId", "customId"}, {"agentName", "name"}};
    json_t *agent = json_object();
    json_t *prompt = json_object_get(json, "agentPrompt");
    json_t *phone = json_object_get(json, "agentPhoneNumber");
    bool is_put = put_kept(agent, json, rows, sizeof rows / sizeof rows[0]);
    if (is_put && json_is_string(prompt)) {
        is_put = put(agent, "prompt", json_pack("{s:O}", "resolvedPrompt", prompt));
    }
    if (is_put && json_is_string(phone)) {
        is_put = put(agent, "endpoint", json_pack("{s:s, s:O}", "type", "phone", "value", phone));
    }
    if (!is_put) {
        json_decref(agent);
        return false;
    }
    return put_object(body, "agent", agent);
}

static bool properties_put(json_t *body, const json_t *json, const struct kept *rows, size_t count)
{
    json_t *properties = json_object();
    if (!put_kept(properties, json, rows, count)) {
        json_decref(properties);
        return false;
    }
    return put_object(body, "properties", properties);
}

/* One of the words, or nothing: a word that is not known costs nobody the event. */
static const char *word_of(const json_t *json, const char *field, const char *one,
                           const char *other)
{
    struct bytes text = text_of(json, field);
    return bytes_equal_text(text, one) ? one : bytes_equal_text(text, other) ? other : NULL;
}

static void started_read(struct observer_event *event)
{
    struct bus_part *part = &event->part;
    part->number = CALL_PART_OBSERVER_STARTED;
    part->status = CONVERSATION_STATUS_IN_PROGRESS;
    part->has_started = time_of(event->json, "eventTimestamp", &part->started);
    part->title = text_of(event->json, "agentName");
    if (part->title.len == 0) {
        part->title = text_of(event->json, "agentId");
    }
    part->direction =
        intake_direction_of(word_of(event->json, "callDirection", "INBOUND", "OUTBOUND"));
}

static bool started_body(const json_t *json, json_t *body)
{
    static const struct kept rows[] = {
        {"isTest", "isTest"}, {"jobId", "jobId"}, {"roomName", "roomName"}};
    const char *interface = word_of(json, "interfaceType", "PHONE", "WEB");
    json_t *phone = json_object_get(json, "customerPhoneNumber");
    json_t *customer =
        json_is_string(phone) ? json_pack("{s:O}", "phoneNumberE164", phone) : json_object();
    return put_object(body, "customer", customer) && agent_put(body, json) &&
           (interface == NULL || put(body, "interfaceType", json_string(interface))) &&
           properties_put(body, json, rows, sizeof rows / sizeof rows[0]);
}

static const char *ended_status(struct bytes reason)
{
    if (reason.len == 0) {
        return "UNKNOWN";
    }
    for (size_t i = 0; i < sizeof reasons / sizeof reasons[0]; i++) {
        if (reasons[i].is_beginning ? bytes_start_with(reason, reasons[i].text)
                                    : bytes_equal_text(reason, reasons[i].text)) {
            return reasons[i].status;
        }
    }
    const char *own = check_ended_status(reason);
    return own == NULL ? "UNKNOWN" : own;
}

static void ended_read(struct observer_event *event)
{
    struct bus_part *part = &event->part;
    part->number = CALL_PART_OBSERVER_ENDED;
    part->status = CONVERSATION_STATUS_ENDED;
    part->has_started = time_of(event->json, "callStartedAt", &part->started);
    part->has_ended = time_of(event->json, "callEndedAt", &part->ended) ||
                      time_of(event->json, "eventTimestamp", &part->ended);
    /* An end before the start, as when a clock was set, is no end that could be shown. */
    if (part->has_started && part->has_ended && part->ended.ns < part->started.ns) {
        part->has_ended = false;
    }
}

static bool ended_body(const struct observer_event *event, json_t *body)
{
    static const struct kept rows[] = {{"callEndedReason", "callEndedReason"},
                                       {"agentSpokeFirst", "agentSpokeFirst"},
                                       {"recordingSampleRate", "recordingSampleRate"},
                                       {"recordingNumChannels", "recordingNumChannels"}};
    const json_t *json = event->json;
    struct spoken_start start = {event->part.has_started, event->part.started};
    const json_t *transcript = json_object_get(json, "transcript");
    const json_t *tools = json_object_get(json, "toolCalls");
    json_t *metrics = json_object_get(json, "metrics");
    return put(body, "endedStatus", json_string(ended_status(text_of(json, "callEndedReason")))) &&
           (!json_is_array(transcript) ||
            put(body, "transcript", spoken_transcript(transcript, start))) &&
           (!json_is_array(tools) || put(body, "toolInvocations", spoken_tools(tools, start))) &&
           (!json_is_array(metrics) || json_object_set(body, "metrics", metrics) == 0) &&
           properties_put(body, json, rows, sizeof rows / sizeof rows[0]);
}

/* On one line, into the arena. */
static FALLIBLE body_write(const json_t *body, struct arena *arena, struct bytes *ret_body)
{
    size_t len = json_dumpb(body, NULL, 0, JSON_COMPACT);
    char *text = len == 0 ? NULL : arena_alloc(arena, len);
    if (text == NULL || json_dumpb(body, text, len, JSON_COMPACT) != len) {
        return FAIL(NO_SPACE);
    }
    *ret_body = bytes_of(text, len);
    return OK;
}

static FALLIBLE part_read(struct observer_event *event, struct arena *arena)
{
    struct bus_part *part = &event->part;
    bool is_started = event->what == OBSERVER_STARTED;
    if (is_started) {
        started_read(event);
    } else {
        ended_read(event);
    }
    /* From the event itself, so that its repetition is the same part. */
    if (!time_of(event->json, "eventTimestamp", &part->at) && part->has_ended) {
        part->at = part->ended;
    }
    json_t *body = json_object();
    bool is_whole =
        body != NULL && (is_started ? started_body(event->json, body) : ended_body(event, body));
    err_t err = is_whole ? body_write(body, arena, &part->body) : FAIL(MEMORY);
    json_decref(body);
    return err;
}

/* --- the whole ------------------------------------------------------------------------------------------ */

static enum observer_what what_of(const json_t *json)
{
    struct bytes name = text_of(json, "event");
    return bytes_equal_text(name, "call-started") ? OBSERVER_STARTED
           : bytes_equal_text(name, "call-ended") ? OBSERVER_ENDED
                                                  : OBSERVER_UNKNOWN;
}

static FALLIBLE check_id(enum observer observer, const json_t *json, struct bytes body,
                         struct arena *arena, struct check_issues *issues)
{
    TRY(check_body(observer == OBSERVER_LIVEKIT ? CHECK_SCHEMA_LIVEKIT_CALL
                                                : CHECK_SCHEMA_PIPECAT_CALL,
                   json, arena, issues));
    return issues->count > 0 ? OK : check_keys_exact(observer, body, arena, issues);
}

static FALLIBLE event_read(enum observer observer, struct bytes body, struct arena *arena,
                           struct observer_event *event)
{
    TRY(check_body(CHECK_SCHEMA_OBSERVER_EVENT, event->json, arena, &event->issues));
    if (event->issues.count > 0) {
        return OK;
    }
    event->what = what_of(event->json);
    if (event->what == OBSERVER_UNKNOWN) {
        return OK;
    }
    TRY(check_id(observer, event->json, body, arena, &event->issues));
    if (event->issues.count > 0) {
        return OK;
    }
    TRY(check_body(event->what == OBSERVER_STARTED ? CHECK_SCHEMA_CALL_STARTED
                                                   : CHECK_SCHEMA_CALL_ENDED,
                   event->json, arena, &event->issues));
    if (event->issues.count > 0) {
        return OK;
    }
    keys_read(observer, event);
    return part_read(event, arena);
}

err_t observer_read(enum observer observer, struct bytes body, struct arena *arena,
                    struct detail *detail, struct observer_event *ret_event)
{
    struct observer_event event = {.json = NULL};
    TRY(intake_json(body, detail, &event.json));
    err_t err = event_read(observer, body, arena, &event);
    if (!err_is_ok(err)) {
        json_decref(event.json);
        return err;
    }
    *ret_event = event;
    return OK;
}

void observer_event_fini(struct observer_event *event)
{
    json_decref(event->json);
    event->json = NULL;
}

err_t observer_read_chunk(enum observer observer, struct bytes body, struct arena *arena,
                          struct detail *detail, struct check_issues *ret_issues,
                          int64_t *ret_index, const char **ret_type)
{
    json_t *json = NULL;
    TRY(intake_json(body, detail, &json));
    err_t err = check_id(observer, json, body, arena, ret_issues);
    if (err_is_ok(err) && ret_issues->count == 0) {
        err = check_body(CHECK_SCHEMA_OBSERVER_CHUNK, json, arena, ret_issues);
    }
    if (err_is_ok(err) && ret_issues->count == 0) {
        const json_t *index = json_object_get(json, "chunkIndex");
        struct bytes type = text_of(json, "contentType");
        *ret_index = json_is_number(index) ? (int64_t)json_number_value(index) : -1;
        *ret_type = type.len == 0 ? "audio/pcm" : arena_text(arena, type);
        err = *ret_type == NULL ? FAIL(NO_SPACE) : OK;
    }
    json_decref(json);
    return err;
}
