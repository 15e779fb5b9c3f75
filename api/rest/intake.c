#include "api/rest/intake.h"

#include "api/rest/mend.h"
#include "proto/base/check.h"

#include "proto/base/banned.h"

struct key_row {
    enum match_kind kind;
    const char *field;
    bool is_posted; /* a field of POST bodies, not only of integrations */
};

static const struct key_row key_rows[] = {
    {MATCH_KIND_EXTERNAL, "externalId", true},    {MATCH_KIND_LIVEKIT, "livekitRoomId", true},
    {MATCH_KIND_VAPI, "vapiCallId", true},        {MATCH_KIND_OBSERVER, "livekitCallId", false},
    {MATCH_KIND_PIPECAT, "pipecatCallId", false}, {MATCH_KIND_TRACE, "traceId", true},
};

enum { KEY_ROWS = sizeof key_rows / sizeof key_rows[0] };

const char *intake_key_field(enum match_kind kind)
{
    for (size_t i = 0; i < KEY_ROWS; i++) {
        if (key_rows[i].kind == kind) {
            return key_rows[i].field;
        }
    }
    return "a key";
}

/* Calls point at traces by keys only; the other two keys are no fields of a chat. */
static bool is_asked(const struct key_row *row, enum conversation_kind kind)
{
    bool is_call = kind == CONVERSATION_KIND_CALL;
    switch (row->kind) {
    case MATCH_KIND_TRACE:
        return !is_call;
    case MATCH_KIND_LIVEKIT:
    case MATCH_KIND_VAPI:
        return is_call;
    case MATCH_KIND_EXTERNAL:
        return true;
    case MATCH_KIND_OBSERVER:
    case MATCH_KIND_PIPECAT:
    case MATCH_KIND_COUNT:
        break;
    }
    return false;
}

FALLIBLE intake_json(struct bytes body, struct detail *detail, json_t **ret_json)
{
    struct buf mended;
    struct bytes text;
    json_t *json = NULL;
    json_error_t problem = {.text = ""}; /* without memory nobody fills it */
    buf_init(&mended, 2 * body.len + 64);
    err_t err = OK;
    TRY_OUT(mend_body(body, &mended, detail));
    text = buf_bytes(&mended);
    json = json_loadb((const char *)text.ptr, text.len,
                      JSON_ALLOW_NUL | JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &problem);
    if (json == NULL) {
        enum json_error_code code = json_error_code(&problem);
        bool is_untold = problem.text[0] == '\0';
        err = is_untold || code == json_error_out_of_memory ? FAIL(MEMORY)
              : code == json_error_duplicate_key            ? FAIL(BAD_VALUE)
                                                            : FAIL(MALFORMED);
        detail_set(detail, "%s", is_untold ? "out of memory" : problem.text);
        goto out;
    }
    *ret_json = json;
out:
    buf_fini(&mended);
    return err;
}

/* A key is matched octet by octet, so a text that is no Unicode cannot be one. */
static FALLIBLE check_keys_exact(struct bytes body, struct arena *arena,
                                 struct check_issues *issues)
{
    struct mend_field fields[KEY_ROWS];
    for (size_t i = 0; i < KEY_ROWS; i++) {
        fields[i] = (struct mend_field){.name = key_rows[i].field};
    }
    mend_pick(body, fields, KEY_ROWS);
    for (size_t i = 0; i < KEY_ROWS; i++) {
        if (key_rows[i].is_posted && !mend_is_exact(fields[i].value)) {
            TRY(check_add(issues, arena, "invalid_string", key_rows[i].field,
                          arena_printf(arena, "%s must be Unicode: it has half a surrogate pair",
                                       key_rows[i].field)));
        }
    }
    return OK;
}

static bool time_find(const json_t *json, const char *field, struct unix_ns *ret_at)
{
    const json_t *text = json_object_get(json, field);
    return json_is_string(text) &&
           unix_from_rfc3339(bytes_of(json_string_value(text), json_string_length(text)), ret_at);
}

static FALLIBLE check_inside(const struct intake *intake, const char *list, struct arena *arena,
                             struct check_issues *issues)
{
    const json_t *entries = json_object_get(intake->json, list);
    for (size_t i = 0; i < json_array_size(entries); i++) {
        struct unix_ns at = {0};
        if (!time_find(json_array_get(entries, i), "startTimestamp", &at)) {
            continue;
        }
        bool is_early = intake->has_started && at.ns < intake->started.ns;
        bool is_late = intake->has_ended && at.ns > intake->ended.ns;
        if (is_early || is_late) {
            TRY(check_add_at(issues, arena, list, i, "startTimestamp",
                             is_early ? "startTimestamp lies before the chat's startTimestamp"
                                      : "startTimestamp lies behind the chat's endTimestamp"));
        }
    }
    return OK;
}

static FALLIBLE read_times(enum conversation_kind kind, struct arena *arena, struct intake *intake)
{
    bool is_call = kind == CONVERSATION_KIND_CALL;
    intake->has_started =
        time_find(intake->json, is_call ? "startedAt" : "startTimestamp", &intake->started);
    if (is_call) {
        return OK;
    }
    intake->has_ended = time_find(intake->json, "endTimestamp", &intake->ended);
    if (intake->has_started && intake->has_ended && intake->ended.ns < intake->started.ns) {
        return check_add(&intake->issues, arena, "custom", "endTimestamp",
                         "endTimestamp lies before startTimestamp");
    }
    TRY(check_inside(intake, "messages", arena, &intake->issues));
    return check_inside(intake, "toolInvocations", arena, &intake->issues);
}

static FALLIBLE read_keys(enum conversation_kind kind, struct arena *arena, struct intake *intake)
{
    for (size_t i = 0; i < KEY_ROWS; i++) {
        const json_t *text = json_object_get(intake->json, key_rows[i].field);
        if (!is_asked(&key_rows[i], kind) || !json_is_string(text)) {
            continue;
        }
        struct bytes value = bytes_of(json_string_value(text), json_string_length(text));
        if (key_rows[i].kind == MATCH_KIND_TRACE) {
            /* A trace id is sixteen octets; its key is their lower-case hex. */
            struct trace_id id;
            char *hex = arena_alloc(arena, TRACE_ID_HEX);
            if (hex == NULL) {
                return FAIL(NO_SPACE);
            }
            INVARIANT(bytes_from_hex(value, id.b, sizeof id.b));
            bytes_to_hex(bytes_of(id.b, sizeof id.b), hex);
            value = bytes_of(hex, TRACE_ID_HEX);
        }
        INVARIANT(intake->keys_count < INTAKE_KEYS_MAX);
        intake->keys[intake->keys_count++] =
            (struct match_key){.kind = key_rows[i].kind, .value = value};
    }
    return OK;
}

const char *intake_direction_word(enum conversation_direction direction)
{
    switch (direction) {
    case CONVERSATION_DIRECTION_INBOUND:
        return "INBOUND";
    case CONVERSATION_DIRECTION_OUTBOUND:
        return "OUTBOUND";
    case CONVERSATION_DIRECTION_NONE:
        break;
    }
    return NULL;
}

enum conversation_direction intake_direction_of(const char *word)
{
    if (word == NULL) {
        return CONVERSATION_DIRECTION_NONE;
    }
    return strcmp(word, "INBOUND") == 0 ? CONVERSATION_DIRECTION_INBOUND
                                        : CONVERSATION_DIRECTION_OUTBOUND;
}

FALLIBLE intake_read(enum conversation_kind kind, struct bytes body, struct arena *arena,
                     struct detail *detail, struct intake *ret_intake)
{
    bool is_call = kind == CONVERSATION_KIND_CALL;
    struct intake intake = {.json = NULL};
    TRY(intake_json(body, detail, &intake.json));
    err_t err = check_body(is_call ? CHECK_SCHEMA_CALL : CHECK_SCHEMA_CHAT, intake.json, arena,
                           &intake.issues);
    TRY_OUT(err);
    TRY_OUT(check_keys_exact(body, arena, &intake.issues));
    if (intake.issues.count == 0) {
        TRY_OUT(read_times(kind, arena, &intake));
    }
    if (intake.issues.count == 0) {
        TRY_OUT(read_keys(kind, arena, &intake));
        intake.direction =
            intake_direction_of(json_string_value(json_object_get(intake.json, "callDirection")));
    }
    *ret_intake = intake;
    return OK;
out:
    json_decref(intake.json);
    return err;
}

void intake_fini(struct intake *intake)
{
    json_decref(intake->json);
    intake->json = NULL;
}
