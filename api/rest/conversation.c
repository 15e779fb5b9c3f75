#include "api/rest/conversation.h"

#include "api/rest/agent.h"
#include "api/rest/intake.h"
#include "api/rest/mend.h"
#include "api/rest/overlay.h"
#include "schema/db.h"

#include "proto/base/banned.h"

/* Fields of a body that are given back. */
enum given {
    GIVEN_AGENT,
    GIVEN_AGENTS,
    GIVEN_CUSTOMER,
    GIVEN_CUSTOMERS,
    GIVEN_STARTED,
    GIVEN_INTERFACE,
    GIVEN_ENDED_STATUS,
    GIVEN_ANSWERED,
    GIVEN_SUMMARY,
    GIVEN_RECORDING,
    GIVEN_STEREO,
    GIVEN_PROPERTIES,
    GIVEN_TOOLS,
    GIVEN_METRICS,
    GIVEN_START,
    GIVEN_END,
    GIVEN_COUNT,
};

static const char *const given_names[GIVEN_COUNT] = {
    [GIVEN_AGENT] = "agent",
    [GIVEN_AGENTS] = "agents",
    [GIVEN_CUSTOMER] = "customer",
    [GIVEN_CUSTOMERS] = "customers",
    [GIVEN_STARTED] = "startedAt",
    [GIVEN_INTERFACE] = "interfaceType",
    [GIVEN_ENDED_STATUS] = "endedStatus",
    [GIVEN_ANSWERED] = "answeredAt",
    [GIVEN_SUMMARY] = "summary",
    [GIVEN_RECORDING] = "recordingUrl",
    [GIVEN_STEREO] = "stereoRecordingUrl",
    [GIVEN_PROPERTIES] = "properties",
    [GIVEN_TOOLS] = "toolInvocations",
    [GIVEN_METRICS] = "metrics",
    [GIVEN_START] = "startTimestamp",
    [GIVEN_END] = "endTimestamp",
};

const char *conversation_kind_name(unsigned kind)
{
    return kind == CONVERSATION_KIND_CHAT ? "chat" : "call";
}

const char *conversation_source_name(unsigned source)
{
    static const char *const names[] = {"unknown", "api",         "livekit",
                                        "vapi",    "livekit-sdk", "pipecat"};
    return source < sizeof names / sizeof names[0] ? names[source] : names[0];
}

/* One "kind:hex"; false when it does not fit. */
static bool key_read(struct bytes part, struct arena *arena, struct match_key *ret_key)
{
    size_t colon = 0;
    unsigned kind = 0;
    while (colon < part.len && part.ptr[colon] != ':') {
        kind = kind * 10 + (unsigned)(part.ptr[colon] - '0');
        colon++;
    }
    if (colon == part.len) {
        return false;
    }
    struct bytes hex = bytes_of(part.ptr + colon + 1, part.len - colon - 1);
    uint8_t *value = arena_alloc(arena, hex.len / 2 + 1);
    if (value == NULL || !bytes_from_hex(hex, value, hex.len / 2)) {
        return false;
    }
    *ret_key = (struct match_key){.kind = (enum match_kind)kind, .value = {value, hex.len / 2}};
    return true;
}

FALLIBLE conversation_keys_of_text(struct bytes text, struct arena *arena,
                                   struct match_key **ret_keys, size_t *ret_count)
{
    size_t parts = text.len > 0 ? 1 : 0;
    for (size_t i = 0; i < text.len; i++) {
        parts += text.ptr[i] == ',';
    }
    struct match_key *keys = arena_zero(arena, parts + 1, sizeof *keys);
    size_t count = 0;
    for (size_t at = 0; at < text.len && keys != NULL;) {
        size_t end = at;
        while (end < text.len && text.ptr[end] != ',') {
            end++;
        }
        count += key_read(bytes_of(text.ptr + at, end - at), arena, &keys[count]);
        at = end + 1;
    }
    if (arena_is_full(arena)) {
        return FAIL(NO_SPACE);
    }
    *ret_keys = keys;
    *ret_count = count;
    return OK;
}

static bool time_of_row(const struct db_rows *rows, int column, struct unix_ns *ret_at)
{
    if (db_is_null(rows, column)) {
        return false;
    }
    *ret_at = db_get_time(rows, column);
    return true;
}

static struct bytes bytes_of_row(const struct db_rows *rows, int column)
{
    return db_is_null(rows, column) ? bytes_of(NULL, 0) : db_get_bytes(rows, column);
}

FALLIBLE conversation_of_row(const struct db_rows *rows, struct uuid project, struct arena *arena,
                             struct conversation *ret_conversation)
{
    struct match_key *keys = NULL;
    struct conversation it = {.project = project, .id = db_get_uuid(rows, 0)};
    TRY(conversation_keys_of_text(bytes_of_row(rows, 11), arena, &keys, &it.keys_count));
    it.keys = keys;
    it.kind = (enum conversation_kind)db_get_int(rows, 1);
    it.source = (enum conversation_source)db_get_int(rows, 2);
    it.created = db_get_time(rows, 3);
    it.updated = db_get_time(rows, 4);
    it.has_started = time_of_row(rows, 5, &it.started);
    it.has_ended = time_of_row(rows, 6, &it.ended);
    it.status = (enum conversation_status)db_get_int(rows, 7);
    it.direction = (enum conversation_direction)db_get_int(rows, 8);
    it.title = bytes_of_row(rows, 9);
    it.is_superseded = !db_is_null(rows, 10);
    if (it.is_superseded) {
        it.superseded_by = db_get_uuid(rows, 10);
    }
    it.parts = bytes_of_row(rows, CONVERSATION_COLUMN_PARTS);
    it.body = bytes_of_row(rows, CONVERSATION_COLUMN_BODY);
    *ret_conversation = it;
    return OK;
}

void conversation_write_keys(struct out *out, const char *key, const struct match_key *keys,
                             size_t count)
{
    out_array(out, key);
    for (size_t i = 0; i < count; i++) {
        out_object(out, NULL);
        out_word(out, "kind", match_kind_name(keys[i].kind));
        out_text(out, "value", keys[i].value);
        out_end_object(out);
    }
    out_end_array(out);
}

static void key_write(struct out *out, const char *name, const struct conversation *it,
                      enum match_kind kind)
{
    for (size_t i = 0; i < it->keys_count; i++) {
        if (it->keys[i].kind == kind) {
            out_text(out, name, it->keys[i].value);
            return;
        }
    }
    out_null(out, name);
}

static void word_or_null(struct out *out, const char *key, const char *word)
{
    if (word == NULL) {
        out_null(out, key);
    } else {
        out_word(out, key, word);
    }
}

static void time_or_null(struct out *out, const char *key, bool has, struct unix_ns at)
{
    if (has) {
        out_time(out, key, at, 3);
    } else {
        out_null(out, key);
    }
}

/* What was sent if it begins like JSON of that form, else null. */
static void given_or_null(struct out *out, const char *key, struct bytes value, char form)
{
    if (value.len > 0 && value.ptr[0] == (uint8_t)form) {
        out_raw(out, key, value);
    } else {
        out_null(out, key);
    }
}

/* As it was sent; else the time that calltrace knows. */
static void given_time(struct out *out, const char *key, struct bytes value, bool has,
                       struct unix_ns at)
{
    if (value.len > 0 && value.ptr[0] == '"') {
        out_raw(out, key, value);
    } else {
        time_or_null(out, key, has, at);
    }
}

static void duration_write(struct out *out, const struct conversation *it)
{
    if (it->has_started && it->has_ended) {
        out_ms_between(out, "durationMs", it->started, it->ended);
    } else {
        out_null(out, "durationMs");
    }
}

static const char *status_word(enum conversation_status status)
{
    switch (status) {
    case CONVERSATION_STATUS_RINGING:
        return "RINGING";
    case CONVERSATION_STATUS_IN_PROGRESS:
        return "IN_PROGRESS";
    case CONVERSATION_STATUS_ENDED:
        return "ENDED";
    case CONVERSATION_STATUS_NONE:
        break;
    }
    return NULL;
}

/* What calls and chats have in common when they are read. */
static void common_write(struct out *out, const struct conversation *it,
                         const struct mend_field given[GIVEN_COUNT])
{
    out_time(out, "updatedAt", it->updated, 3);
    word_or_null(out, "source", conversation_source_name(it->source));
    given_or_null(out, "properties", given[GIVEN_PROPERTIES].value, '{');
    if (it->title.len > 0) {
        out_text(out, "title", it->title);
    } else {
        out_null(out, "title");
    }
    given_or_null(out, "summary", given[GIVEN_SUMMARY].value, '"');
    out_null(out, "simulationJobId");
    out_array(out, "policyIds");
    out_end_array(out);
}

static void call_write(struct out *out, const struct conversation *it,
                       const struct mend_field given[GIVEN_COUNT], enum conversation_form form)
{
    word_or_null(out, "status", status_word(it->status));
    word_or_null(out, "callDirection", intake_direction_word(it->direction));
    given_time(out, "startedAt", given[GIVEN_STARTED].value, it->has_started, it->started);
    key_write(out, "externalId", it, MATCH_KIND_EXTERNAL);
    if (form == CONVERSATION_FORM_CREATED) {
        return;
    }
    common_write(out, it, given);
    time_or_null(out, "endedAt", it->has_ended, it->ended);
    duration_write(out, it);
    key_write(out, "livekitRoomId", it, MATCH_KIND_LIVEKIT);
    key_write(out, "vapiCallId", it, MATCH_KIND_VAPI);
    given_or_null(out, "interfaceType", given[GIVEN_INTERFACE].value, '"');
    given_or_null(out, "answeredAt", given[GIVEN_ANSWERED].value, '"');
    given_or_null(out, "endedStatus", given[GIVEN_ENDED_STATUS].value, '"');
    given_or_null(out, "recordingUrl", given[GIVEN_RECORDING].value, '"');
    given_or_null(out, "stereoRecordingUrl", given[GIVEN_STEREO].value, '"');
    out_word(out, "recordingUrlAccess",
             given[GIVEN_RECORDING].value.len > 0 ? "AVAILABLE" : "NOT_AVAILABLE");
    if (it->is_superseded) {
        out_uuid(out, "supersededByCallId", it->superseded_by);
    } else {
        out_null(out, "supersededByCallId");
    }
}

static void chat_write(struct out *out, const struct conversation *it,
                       const struct mend_field given[GIVEN_COUNT])
{
    /* There are no organizations here: a project is its own. */
    out_uuid(out, "organizationId", it->project);
    given_time(out, "startTimestamp", given[GIVEN_START].value, it->has_started, it->started);
    given_time(out, "endTimestamp", given[GIVEN_END].value, it->has_ended, it->ended);
    duration_write(out, it);
    key_write(out, "externalId", it, MATCH_KIND_EXTERNAL);
    key_write(out, "traceId", it, MATCH_KIND_TRACE);
    out_null(out, "simulationRunPlanJobId");
    common_write(out, it, given);
}

void conversation_pick(const struct conversation *conversation, struct mend_field *fields,
                       size_t count)
{
    mend_pick(conversation->body, fields, count);
    mend_pick_lines(conversation->parts, fields, count);
}

FALLIBLE conversation_write(struct out *out, const char *key,
                            const struct conversation *conversation, enum conversation_form form,
                            struct arena *arena)
{
    struct mend_field given[GIVEN_COUNT];
    for (size_t i = 0; i < GIVEN_COUNT; i++) {
        given[i] = (struct mend_field){.name = given_names[i]};
    }
    conversation_pick(conversation, given, GIVEN_COUNT);
    TRY(overlay_object(conversation->body, conversation->parts, given_names[GIVEN_PROPERTIES],
                       arena, &given[GIVEN_PROPERTIES].value));
    out_object(out, key);
    out_uuid(out, "id", conversation->id);
    out_time(out, "createdAt", conversation->created, 3);
    out_uuid(out, "projectId", conversation->project);
    if (conversation->kind == CONVERSATION_KIND_CALL) {
        call_write(out, conversation, given, form);
    } else {
        chat_write(out, conversation, given);
    }
    TRY(agents_write(out, given[GIVEN_AGENT].value, given[GIVEN_AGENTS].value,
                     conversation->project, arena));
    customers_write(out, given[GIVEN_CUSTOMER].value, given[GIVEN_CUSTOMERS].value);
    if (form == CONVERSATION_FORM_WHOLE) {
        given_or_null(out, "toolInvocations", given[GIVEN_TOOLS].value, '[');
        /* No field of a create's answer: only an observer's samples are shown. */
        if (conversation->parts.len > 0 && given[GIVEN_METRICS].value.len > 0) {
            given_or_null(out, "metrics", given[GIVEN_METRICS].value, '[');
        }
    }
    out_end_object(out);
    return OK;
}
