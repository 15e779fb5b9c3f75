#include "api/integrations/vapi/report.h"

#include "api/integrations/vapi/json.h"
#include "proto/base/match_key.h"

#include "proto/base/banned.h"

enum { SOURCES = 4 };

static const double unknown_ms = -1;

/* --- what it is --------------------------------------------------------------------------------------- */

static const json_t *message_of(const json_t *payload)
{
    const json_t *message = vapi_json_object(payload, "message");
    return message != NULL ? message : payload;
}

/* A call as GET /call gives it stands for its report: it has its own id, and a type of calls or none. */
static bool is_bare_call(const json_t *message)
{
    static const char *const types[] = {"", "inboundPhoneCall", "outboundPhoneCall", "webCall",
                                        "vapi.websocketCall"};
    struct bytes type = vapi_json_text(message, "type");
    bool is_call = false;
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        is_call = is_call || bytes_equal_text(type, types[i]);
    }
    return is_call && vapi_json_object(message, "call") == NULL &&
           vapi_json_text(message, "id").len > 0;
}

static enum vapi_kind kind_of(const json_t *message)
{
    struct bytes type = vapi_json_text(message, "type");
    if (bytes_equal_text(type, "end-of-call-report") || is_bare_call(message)) {
        return VAPI_KIND_REPORT;
    }
    if (bytes_equal_text(type, "status-update")) {
        return VAPI_KIND_STATUS;
    }
    return type.len == 0 ? VAPI_KIND_REPORT : VAPI_KIND_OTHER;
}

enum vapi_kind vapi_payload_kind(const json_t *payload)
{
    return kind_of(message_of(payload));
}

const char *vapi_ended_status(struct bytes reason)
{
#define REASON(text, status)              \
    if (bytes_equal_text(reason, text)) { \
        return #status;                   \
    }
#define BEGINS(text, status)              \
    if (bytes_start_with(reason, text)) { \
        return #status;                   \
    }
#define CONTAINS(text, status)                                                          \
    if (reason.len > 0 && memmem(reason.ptr, reason.len, text, strlen(text)) != NULL) { \
        return #status;                                                                 \
    }
#include "api/integrations/vapi/ended.def"
#undef REASON
#undef BEGINS
#undef CONTAINS
    return "UNKNOWN";
}

const json_t *vapi_report_find(const struct vapi_report *report, const char *name)
{
    for (size_t i = 0; i < SOURCES; i++) {
        const json_t *value = json_object_get(report->sources[i], name);
        if (value != NULL && !json_is_null(value)) {
            return value;
        }
    }
    return NULL;
}

static struct bytes text_find(const struct vapi_report *report, const char *name)
{
    for (size_t i = 0; i < SOURCES; i++) {
        struct bytes text = vapi_json_text(report->sources[i], name);
        if (text.len > 0) {
            return text;
        }
    }
    return bytes_of(NULL, 0);
}

static bool time_find(const struct vapi_report *report, const char *name, struct unix_ns *ret_at)
{
    for (size_t i = 0; i < SOURCES; i++) {
        if (vapi_json_time(json_object_get(report->sources[i], name), ret_at)) {
            return true;
        }
    }
    return false;
}

/* --- messages ----------------------------------------------------------------------------------------- */

static enum vapi_role role_of(const json_t *message)
{
    static const struct {
        const char *name;
        enum vapi_role role;
    } roles[] = {{"user", VAPI_ROLE_USER},
                 {"bot", VAPI_ROLE_BOT},
                 {"assistant", VAPI_ROLE_BOT},
                 {"tool_calls", VAPI_ROLE_TOOL_CALLS},
                 {"tool_call_result", VAPI_ROLE_TOOL_RESULT}};
    struct bytes role = vapi_json_text(message, "role");
    for (size_t i = 0; i < sizeof roles / sizeof roles[0]; i++) {
        if (bytes_equal_text(role, roles[i].name)) {
            return roles[i].role;
        }
    }
    return VAPI_ROLE_OTHER;
}

/* `time` where there is one, else secondsFromStart from the call's start. `duration` has been seen in s and in ms:
 * it is not read. */
static void message_time(const struct vapi_report *report, struct vapi_message *message)
{
    double seconds = 0;
    message->has_time = vapi_json_time(json_object_get(message->json, "time"), &message->start);
    if (!message->has_time && report->has_started &&
        vapi_json_number(json_object_get(message->json, "secondsFromStart"), &seconds) &&
        seconds >= 0 && seconds < 1e7) {
        message->has_time = true;
        message->start.ns = report->started.ns + (int64_t)(seconds * 1e9);
    }
    message->end = message->start;
    struct unix_ns end = {0};
    if (message->has_time && vapi_json_time(json_object_get(message->json, "endTime"), &end) &&
        end.ns > message->start.ns) {
        message->end = end;
    }
}

static FALLIBLE messages_read(struct vapi_report *report, struct arena *arena)
{
    const json_t *list = vapi_report_find(report, "messages");
    size_t all = json_array_size(list);
    size_t room = all > VAPI_MESSAGES_MAX ? VAPI_MESSAGES_MAX : all;
    report->messages = arena_zero(arena, room + 1, sizeof *report->messages);
    if (report->messages == NULL) {
        return FAIL(NO_SPACE);
    }
    for (size_t i = 0; i < all; i++) {
        const json_t *json = json_array_get(list, i);
        enum vapi_role role = role_of(json);
        if (role == VAPI_ROLE_OTHER) {
            continue;
        }
        if (report->messages_count == room) {
            report->messages_dropped++;
            continue;
        }
        struct vapi_message *message = &report->messages[report->messages_count++];
        *message = (struct vapi_message){.role = role, .json = json};
    }
    return OK;
}

/* Without startedAt the call began where the first message says that it did. */
static void times_read(struct vapi_report *report)
{
    report->has_started = time_find(report, "startedAt", &report->started);
    for (size_t i = 0; i < report->messages_count && !report->has_started; i++) {
        double seconds = 0;
        const json_t *json = report->messages[i].json;
        if (vapi_json_time(json_object_get(json, "time"), &report->started)) {
            bool has_offset =
                vapi_json_number(json_object_get(json, "secondsFromStart"), &seconds) &&
                seconds >= 0 && seconds < 1e7;
            report->started.ns -= has_offset ? (int64_t)(seconds * 1e9) : 0;
            report->has_started = true;
        }
    }
    report->has_ended = time_find(report, "endedAt", &report->ended);
    bool has_end = report->has_ended;
    for (size_t i = 0; i < report->messages_count; i++) {
        struct vapi_message *message = &report->messages[i];
        message_time(report, message);
        bool is_later = !report->has_ended || message->end.ns > report->ended.ns;
        if (!has_end && message->has_time && is_later) {
            report->ended = message->end;
            report->has_ended = true;
        }
    }
    if (report->has_started && report->has_ended && report->ended.ns < report->started.ns) {
        report->ended = report->started;
    }
}

/* --- the rest of a report ----------------------------------------------------------------------------- */

static double latency_of(const json_t *entry, const char *name)
{
    double ms = unknown_ms;
    return vapi_json_ms(entry, name, &ms) ? ms : unknown_ms;
}

static FALLIBLE latencies_read(struct vapi_report *report, struct arena *arena)
{
    const json_t *list =
        vapi_json_array(vapi_report_find(report, "performanceMetrics"), "turnLatencies");
    size_t count = json_array_size(list);
    if (count > VAPI_LATENCIES_MAX) {
        return OK; /* more than there can be turns: they could not be aligned */
    }
    report->latencies = arena_zero(arena, count + 1, sizeof *report->latencies);
    if (report->latencies == NULL) {
        return FAIL(NO_SPACE);
    }
    for (size_t i = 0; i < count; i++) {
        const json_t *entry = json_array_get(list, i);
        report->latencies[i] =
            (struct vapi_latency){.model_ms = latency_of(entry, "modelLatency"),
                                  .voice_ms = latency_of(entry, "voiceLatency"),
                                  .transcriber_ms = latency_of(entry, "transcriberLatency"),
                                  .endpointing_ms = latency_of(entry, "endpointingLatency"),
                                  .turn_ms = latency_of(entry, "turnLatency")};
    }
    report->latencies_count = count;
    return OK;
}

static void assistant_add(struct vapi_report *report, struct bytes id, struct bytes name)
{
    bool is_good = (id.len == 0 || match_value_is_valid(id)) &&
                   (name.len == 0 || match_value_is_valid(name)) && id.len + name.len > 0;
    for (size_t i = 0; i < report->assistants_count && is_good; i++) {
        struct vapi_assistant *known = &report->assistants[i];
        if (id.len > 0 ? bytes_equal(known->id, id) : bytes_equal(known->name, name)) {
            known->name = known->name.len > 0 ? known->name : name;
            is_good = false;
        }
    }
    if (is_good && report->assistants_count < VAPI_ASSISTANTS_MAX) {
        report->assistants[report->assistants_count++] = (struct vapi_assistant){id, name};
    }
}

/* A squad's call has several: those that took part, and before that is told, its members. */
static FALLIBLE assistants_read(struct vapi_report *report, struct arena *arena)
{
    const json_t *assistant = vapi_report_find(report, "assistant");
    struct bytes id = text_find(report, "assistantId");
    report->assistants = arena_zero(arena, VAPI_ASSISTANTS_MAX, sizeof *report->assistants);
    if (report->assistants == NULL) {
        return FAIL(NO_SPACE);
    }
    assistant_add(report, id.len > 0 ? id : vapi_json_text(assistant, "id"),
                  vapi_json_text(assistant, "name"));
    const json_t *activations = vapi_report_find(report, "assistantActivations");
    for (size_t i = 0; i < json_array_size(activations); i++) {
        const json_t *one = json_array_get(activations, i);
        assistant_add(report, vapi_json_text(one, "assistantId"),
                      vapi_json_text(one, "assistantName"));
    }
    const json_t *members = vapi_json_array(vapi_report_find(report, "squad"), "members");
    for (size_t i = 0; i < json_array_size(members) && activations == NULL; i++) {
        assistant_add(report, vapi_json_text(json_array_get(members, i), "assistantId"),
                      bytes_of(NULL, 0));
    }
    return OK;
}

static struct vapi_component component_of(const json_t *assistant, const char *name)
{
    const json_t *json = vapi_json_object(assistant, name);
    return (struct vapi_component){.provider = vapi_json_text(json, "provider"),
                                   .model = vapi_json_text(json, "model"),
                                   .voice = vapi_json_text(json, "voiceId")};
}

static int64_t count_of(const json_t *object, const char *name)
{
    double number = 0;
    bool is_count =
        vapi_json_number(json_object_get(object, name), &number) && number >= 0 && number < 9e15;
    return is_count ? (int64_t)number : 0;
}

/* costs[] names the model that answered, which the assistant's settings need not. */
static void costs_read(struct vapi_report *report)
{
    const json_t *list = vapi_report_find(report, "costs");
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *entry = json_array_get(list, i);
        if (!bytes_equal_text(vapi_json_text(entry, "type"), "model")) {
            continue;
        }
        const json_t *model = vapi_json_object(entry, "model");
        struct bytes name = vapi_json_text(model, "model");
        report->tokens.is_known = true;
        report->tokens.prompt += count_of(entry, "promptTokens");
        report->tokens.completion += count_of(entry, "completionTokens");
        report->tokens.cached += count_of(entry, "cachedPromptTokens");
        report->tokens.reasoning += count_of(entry, "reasoningTokens");
        if (report->model.model.len == 0 && name.len > 0) {
            report->model.model = name;
            report->model.provider = vapi_json_text(model, "provider");
        }
    }
    const json_t *breakdown = vapi_report_find(report, "costBreakdown");
    double prompt = 0;
    if (!report->tokens.is_known &&
        vapi_json_number(json_object_get(breakdown, "llmPromptTokens"), &prompt)) {
        report->tokens = (struct vapi_tokens){
            .is_known = true,
            .prompt = count_of(breakdown, "llmPromptTokens"),
            .completion = count_of(breakdown, "llmCompletionTokens"),
            .cached = count_of(breakdown, "llmCachedPromptTokens"),
        };
    }
    report->has_cost = vapi_json_number(vapi_report_find(report, "cost"), &report->cost);
}

static FALLIBLE log_url_read(struct vapi_report *report, struct arena *arena)
{
    struct bytes url = text_find(report, "presignedLogUrl");
    url = url.len > 0 ? url : text_find(report, "logUrl");
    if (url.len == 0 || memchr(url.ptr, '\0', url.len) != NULL) {
        return OK;
    }
    report->log_url = arena_text(arena, url);
    return report->log_url == NULL ? FAIL(NO_SPACE) : OK;
}

static FALLIBLE report_fill(struct vapi_report *report, struct arena *arena)
{
    const json_t *assistant = vapi_report_find(report, "assistant");
    struct bytes summary = vapi_json_text(vapi_report_find(report, "analysis"), "summary");
    report->status = CONVERSATION_STATUS_ENDED;
    report->summary = summary.len > 0 ? summary : text_find(report, "summary");
    report->model = component_of(assistant, "model");
    report->transcriber = component_of(assistant, "transcriber");
    report->voice = component_of(assistant, "voice");
    costs_read(report);
    TRY(messages_read(report, arena));
    times_read(report);
    TRY(latencies_read(report, arena));
    return log_url_read(report, arena);
}

/* --- a status ----------------------------------------------------------------------------------------- */

/* Not yet a call (scheduled, queued) and no call any more (deletions) say nothing. */
static enum conversation_status status_of(struct bytes status)
{
    static const struct {
        const char *name;
        enum conversation_status status;
    } rows[] = {{"ringing", CONVERSATION_STATUS_RINGING},
                {"in-progress", CONVERSATION_STATUS_IN_PROGRESS},
                {"forwarding", CONVERSATION_STATUS_IN_PROGRESS},
                {"ended", CONVERSATION_STATUS_ENDED}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (bytes_equal_text(status, rows[i].name)) {
            return rows[i].status;
        }
    }
    return CONVERSATION_STATUS_NONE;
}

/* The time of the message is that of the change, where it is told: a part must not depend on when it arrived. */
static void status_fill(struct vapi_report *report, bool has_at)
{
    struct bytes status = vapi_json_text(report->sources[1], "status");
    report->status = status_of(status);
    report->has_started = time_find(report, "startedAt", &report->started);
    report->has_ended = time_find(report, "endedAt", &report->ended);
    if (!report->has_started && has_at && bytes_equal_text(status, "in-progress")) {
        report->started = report->at;
        report->has_started = true;
    }
    bool is_ended = report->status == CONVERSATION_STATUS_ENDED;
    if (!report->has_ended && has_at && is_ended) {
        report->ended = report->at;
        report->has_ended = true;
    }
    report->has_ended = report->has_ended && is_ended;
    if (report->has_started && report->has_ended && report->ended.ns < report->started.ns) {
        report->ended = report->started;
    }
}

/* --- both --------------------------------------------------------------------------------------------- */

static FALLIBLE call_read(const json_t *message, struct detail *detail, struct vapi_report *report)
{
    bool is_bare = is_bare_call(message);
    report->call = is_bare ? message : vapi_json_object(message, "call");
    report->call_id = vapi_json_text(report->call, "id");
    if (report->call == NULL) {
        detail_set(detail, "call is missing: a call is known by call.id");
        return FAIL(BAD_VALUE);
    }
    if (!match_value_is_valid(report->call_id)) {
        detail_set(detail, "call.id is %s: a call is known by it",
                   json_object_get(report->call, "id") == NULL ? "missing"
                                                               : "no text of 1 to 255 characters");
        return FAIL(BAD_VALUE);
    }
    report->sources[0] = vapi_json_object(message, "artifact");
    report->sources[1] = message;
    report->sources[2] = is_bare ? NULL : vapi_json_object(report->call, "artifact");
    report->sources[3] = is_bare ? NULL : report->call;
    report->call_type = vapi_json_text(report->call, "type");
    report->name = vapi_json_text(report->call, "name");
    report->ended_reason = text_find(report, "endedReason");
    return OK;
}

err_t vapi_report_read(const json_t *payload, struct unix_ns received, struct arena *arena,
                       struct detail *detail, struct vapi_report *ret_report)
{
    const json_t *message = message_of(payload);
    struct vapi_report report = {.kind = kind_of(message), .type = vapi_json_text(message, "type")};
    if (!json_is_object(message)) {
        detail_set(detail, "the payload is no object");
        return FAIL(BAD_VALUE);
    }
    if (report.kind != VAPI_KIND_OTHER) {
        TRY(call_read(message, detail, &report));
        TRY(assistants_read(&report, arena));
        bool has_at = vapi_json_time(json_object_get(message, "timestamp"), &report.at);
        if (report.kind == VAPI_KIND_STATUS) {
            has_at = has_at || time_find(&report, "updatedAt", &report.at);
            report.at = has_at ? report.at : received;
            status_fill(&report, has_at);
        } else {
            TRY(report_fill(&report, arena));
            struct unix_ns known = report.has_ended     ? report.ended
                                   : report.has_started ? report.started
                                                        : received;
            report.at = has_at ? report.at : known;
        }
    }
    *ret_report = report;
    return OK;
}
