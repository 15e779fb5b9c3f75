#include "api/integrations/livekit/webhook.h"

#include <jansson.h>

#include "api/rest/intake.h"
#include "api/rest/mend.h"
#include "proto/base/check.h"
#include "proto/base/limits.h"
#include "proto/base/mem.h"

#include "proto/base/banned.h"

enum { NONE = 0, ROOM = 1, ANSWERED = 2, PRESENCE = 4, FINISHED = 8, EGRESS = 16 };

enum {
    DIGITS_MAX = 19, /* of a 64-bit integer */
    E164_DIGITS_MAX = 15,
    BODY_BYTES_MAX = 16 << 10, /* a part's */
};

static const struct {
    const char *name;
    unsigned parts;
} events[] = {
#define EVENT(name, parts) {#name, parts},
#include "api/integrations/livekit/events.def"
#undef EVENT
};

/* What is known of one event while its parts are made. A time of 0 is not known. */
struct reading {
    struct arena *arena;
    struct livekit_webhook *webhook;
    const json_t *event;
    const json_t *room;
    const json_t *participant;
    const json_t *egress;
    struct unix_ns began;   /* the room */
    struct unix_ns joined;  /* the participant */
    struct unix_ns created; /* the event, to the second */
    bool is_leaving;
};

/* --- JSON ------------------------------------------------------------------------------------------- */

static err_t load(struct bytes text, struct detail *detail, json_t **ret_json)
{
    struct buf mended;
    json_error_t problem = {.text = ""}; /* without memory nobody fills it */
    buf_init(&mended, 2 * text.len + 64);
    err_t err = mend_body(text, &mended, detail);
    if (err_is_ok(err)) {
        struct bytes octets = buf_bytes(&mended);
        *ret_json = json_loadb((const char *)octets.ptr, octets.len,
                               JSON_ALLOW_NUL | JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &problem);
        if (*ret_json == NULL) {
            /* It is JSON, the mending has seen to that: what else jansson says, even of its syntax, it says for
             * want of memory. */
            bool is_repeated = json_error_code(&problem) == json_error_duplicate_key;
            err = is_repeated ? FAIL(MALFORMED) : FAIL(MEMORY);
            detail_set(detail, is_repeated ? "a name is repeated in an object" : "out of memory");
        }
    }
    buf_fini(&mended);
    return err;
}

/* NULL unless it is an object. */
static const json_t *object_of(const json_t *object, const char *name)
{
    const json_t *value = json_object_get(object, name);
    return json_is_object(value) ? value : NULL;
}

static struct bytes text_of(const json_t *object, const char *name)
{
    const json_t *value = json_object_get(object, name);
    return bytes_of(json_string_value(value), json_string_length(value));
}

/* Text that Postgres can hold and a person read. */
static struct bytes title_of(struct bytes text)
{
    bool is_bad =
        text.len == 0 || text.len > LIMIT_NAME_BYTES || memchr(text.ptr, '\0', text.len) != NULL;
    return is_bad ? (struct bytes){0} : text;
}

/* --- times ------------------------------------------------------------------------------------------ */

/* 64-bit integers stand in proto3 JSON as texts, and senders write numbers, too. */
static bool integer_read(const json_t *value, int64_t *ret_integer)
{
    if (json_is_integer(value)) {
        *ret_integer = json_integer_value(value);
        return true;
    }
    double real = json_real_value(value);
    if (json_is_real(value) && real > -1e18 && real < 1e18) {
        *ret_integer = (int64_t)real;
        return true;
    }
    const char *text = json_string_value(value);
    size_t len = json_string_length(value);
    if (len == 0 || len > DIGITS_MAX) {
        return false;
    }
    uint64_t sum = 0;
    for (size_t i = 0; i < len; i++) {
        if (text[i] < '0' || text[i] > '9') {
            return false;
        }
        sum = sum * 10 + (uint64_t)(text[i] - '0');
    }
    *ret_integer = sum > INT64_MAX ? INT64_MAX : (int64_t)sum;
    return true;
}

/* The unit is told by the size: each of them covers the years 1973 to 5138 with numbers of its own. */
static struct unix_ns time_of(const json_t *object, const char *name)
{
    static const struct {
        int64_t below;
        int64_t factor;
    } units[] = {
        {INT64_C(100000000000), NS_PER_S},
        {INT64_C(100000000000000), NS_PER_MS},
        {INT64_C(100000000000000000), 1000},
        {INT64_MAX, 1},
    };
    int64_t value = 0;
    if (!integer_read(json_object_get(object, name), &value) || value <= 0) {
        return (struct unix_ns){0};
    }
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
        if (value < units[i].below) {
            bool fits = value <= INT64_MAX / units[i].factor;
            return (struct unix_ns){.ns = fits ? value * units[i].factor : 0};
        }
    }
    return (struct unix_ns){0};
}

static struct unix_ns time_or(struct unix_ns first, struct unix_ns second)
{
    return first.ns != 0 ? first : second;
}

/* `at`, but not before what came before it: the event's own time is cut to the second. Unknown stays unknown. */
static struct unix_ns time_after(const struct reading *reading, struct unix_ns at)
{
    if (at.ns != 0 && at.ns < reading->began.ns) {
        at = reading->began;
    }
    if (at.ns != 0 && at.ns < reading->joined.ns) {
        at = reading->joined;
    }
    return at;
}

static const char *time_text(char text[RFC3339_BYTES], struct unix_ns at)
{
    unix_to_rfc3339(at, 3, text);
    return text;
}

/* --- participants ----------------------------------------------------------------------------------- */

/* An enum is its name, or its number when somebody wrote numbers; absent is the first. */
static bool is_kind(const json_t *participant, const char *name, int64_t number)
{
    const json_t *kind = json_object_get(participant, "kind");
    const char *text = json_string_value(kind);
    return text != NULL ? strcmp(text, name) == 0
                        : json_is_integer(kind) && json_integer_value(kind) == number;
}

/* Not somebody who talks: the agent itself, and the servers' own recorders and feeds. */
static bool is_machine(const json_t *participant)
{
    return is_kind(participant, "INGRESS", 1) || is_kind(participant, "EGRESS", 2) ||
           is_kind(participant, "AGENT", 4);
}

static bool is_phone(const json_t *participant)
{
    return is_kind(participant, "SIP", 3);
}

/* A call that came in came through a dispatch rule; one that we placed went out without one. */
static enum conversation_direction direction_of(const json_t *participant)
{
    const json_t *attributes = json_object_get(participant, "attributes");
    const char *told = json_string_value(json_object_get(attributes, "sip.callDirection"));
    if (!is_phone(participant)) {
        return CONVERSATION_DIRECTION_NONE;
    }
    if (told != NULL && strcmp(told, "inbound") == 0) {
        return CONVERSATION_DIRECTION_INBOUND;
    }
    if (told != NULL && strcmp(told, "outbound") == 0) {
        return CONVERSATION_DIRECTION_OUTBOUND;
    }
    if (text_of(attributes, "sip.ruleID").len > 0) {
        return CONVERSATION_DIRECTION_INBOUND;
    }
    bool is_sip =
        text_of(attributes, "sip.callID").len > 0 || text_of(attributes, "sip.trunkID").len > 0;
    return is_sip ? CONVERSATION_DIRECTION_OUTBOUND : CONVERSATION_DIRECTION_NONE;
}

/* The caller's or callee's number; NULL when it is hidden or no number. */
static const char *phone_number_of(const json_t *participant)
{
    const json_t *attributes = json_object_get(participant, "attributes");
    struct bytes text = text_of(attributes, "sip.phoneNumber");
    if (!is_phone(participant) || text.len < 2 || text.len > E164_DIGITS_MAX + 1 ||
        text.ptr[0] != '+') {
        return NULL;
    }
    for (size_t i = 1; i < text.len; i++) {
        if (text.ptr[i] < '0' || text.ptr[i] > '9') {
            return NULL;
        }
    }
    return json_string_value(json_object_get(attributes, "sip.phoneNumber"));
}

/* --- parts ------------------------------------------------------------------------------------------ */

/* Takes `body`, which may be NULL when there was no memory for it. */
static err_t part_add(struct reading *reading, struct bus_part part, json_t *body)
{
    struct livekit_webhook *webhook = reading->webhook;
    char *text = body == NULL ? NULL : json_dumps(body, JSON_COMPACT);
    err_t err = text == NULL ? FAIL(MEMORY) : OK;
    if (err_is_ok(err) && json_object_size(body) > 0) {
        err = arena_copy(reading->arena, bytes_of_text(text), &part.body);
    }
    mem_free(text);
    json_decref(body);
    if (err_is_ok(err)) {
        INVARIANT(webhook->parts_count < LIVEKIT_PARTS_MAX);
        webhook->parts[webhook->parts_count++] = part;
    }
    return err;
}

/* Events carry more or less of their room, and what they carry never changes: the fullest telling is kept. */
static err_t room_add(struct reading *reading)
{
    char text[RFC3339_BYTES];
    struct bytes name = reading->room != NULL ? text_of(reading->room, "name")
                                              : text_of(reading->egress, "roomName");
    struct bus_part part = {
        .number = CALL_PART_LIVEKIT_ROOM,
        .status = CONVERSATION_STATUS_RINGING,
        .has_started = reading->began.ns != 0,
        .started = reading->began,
    };
    TRY(arena_copy(reading->arena, title_of(name), &part.title));
    part.at.ns = reading->began.ns + (part.title.len > 0 ? 1 : 0);
    json_t *body = part.has_started
                       ? json_pack("{s:s}", "startedAt", time_text(text, reading->began))
                       : json_object();
    return part_add(reading, part, body);
}

static err_t answered_add(struct reading *reading)
{
    char text[RFC3339_BYTES];
    const json_t *participant = reading->participant;
    struct unix_ns at = time_after(reading, time_or(reading->joined, reading->created));
    struct bus_part part = {
        .number = CALL_PART_LIVEKIT_ANSWERED,
        .at = {at.ns != 0 ? at.ns : INT64_MAX}, /* the earliest stays: not one that knows no time */
        .status = CONVERSATION_STATUS_IN_PROGRESS,
        .direction = direction_of(participant),
    };
    const char *number = phone_number_of(participant);
    json_t *body =
        json_pack("{s:s*, s:s, s:s*, s:o*}", "answeredAt", at.ns != 0 ? time_text(text, at) : NULL,
                  "interfaceType", is_phone(participant) ? "PHONE" : "WEB", "callDirection",
                  intake_direction_word(part.direction), "customer",
                  number == NULL ? NULL : json_pack("{s:s}", "phoneNumberE164", number));
    return part_add(reading, part, body);
}

/* Both are told to the second. Who joined and left within one has left; of two who left the later end stays. */
static err_t presence_add(struct reading *reading)
{
    struct bus_part part = {.number = CALL_PART_LIVEKIT_PRESENCE, .at = reading->created};
    if (reading->is_leaving) {
        part.ended = time_after(reading, reading->created);
        part.has_ended = part.ended.ns != 0;
        part.at.ns = part.ended.ns + 1;
    }
    return part_add(reading, part, json_object());
}

static err_t finished_add(struct reading *reading)
{
    struct unix_ns at = time_after(reading, reading->created);
    struct bus_part part = {
        .number = CALL_PART_LIVEKIT_FINISHED,
        .at = at,
        .status = CONVERSATION_STATUS_ENDED,
        .has_ended = at.ns != 0,
        .ended = at,
    };
    return part_add(reading, part, json_object());
}

static bool is_web_address(const char *text, size_t len)
{
    size_t scheme = strncmp(text, "https://", 8) == 0  ? 8
                    : strncmp(text, "http://", 7) == 0 ? 7
                                                       : 0;
    if (scheme == 0 || len == scheme || len > LIVEKIT_URL_BYTES_MAX) {
        return false;
    }
    for (size_t i = 0; i < len; i++) {
        if ((unsigned char)text[i] <= ' ' || (unsigned char)text[i] >= 0x7F) {
            return false;
        }
    }
    return true;
}

static const char *address_of(const json_t *file)
{
    const json_t *location = json_object_get(file, "location");
    bool is_good = json_is_string(location) &&
                   is_web_address(json_string_value(location), json_string_length(location));
    return is_good ? json_string_value(location) : NULL;
}

/* Buckets of clouds are often told as s3:// or gs://: nothing that a client could fetch. */
static const char *recording_of(const json_t *egress)
{
    const json_t *files = json_object_get(egress, "fileResults");
    const char *address = NULL;
    for (size_t i = 0; i < json_array_size(files) && address == NULL; i++) {
        address = address_of(json_array_get(files, i));
    }
    return address != NULL ? address : address_of(json_object_get(egress, "file"));
}

static bool is_finished_egress(const json_t *egress)
{
    const json_t *status = json_object_get(egress, "status");
    const char *name = json_string_value(status);
    int64_t number = json_integer_value(status);
    return name != NULL
               ? strcmp(name, "EGRESS_COMPLETE") == 0 || strcmp(name, "EGRESS_LIMIT_REACHED") == 0
               : number == 3 || number == 6;
}

static err_t egress_add(struct reading *reading)
{
    const char *address = recording_of(reading->egress);
    if (address == NULL || !is_finished_egress(reading->egress)) {
        return OK;
    }
    struct bus_part part = {
        .number = CALL_PART_LIVEKIT_EGRESS,
        .at = time_or(time_of(reading->egress, "endedAt"), reading->created),
    };
    return part_add(reading, part, json_pack("{s:s}", "recordingUrl", address));
}

/* --- the event -------------------------------------------------------------------------------------- */

/* The metadata is anybody's text; only when it is a JSON object it may say something to us. */
static err_t skip_read(struct reading *reading)
{
    struct detail ignored = {0};
    json_t *json = NULL;
    struct bytes text = text_of(reading->room, "metadata");
    if (text.len == 0) {
        return OK;
    }
    err_t err = load(text, &ignored, &json);
    const json_t *skip = json_object_get(json, "roark.skip");
    const char *word = json_string_value(skip);
    reading->webhook->is_skipped =
        json_is_true(skip) || (word != NULL && strcmp(word, "true") == 0);
    json_decref(json);
    return err_is(err, ERR_MEMORY) ? err : OK;
}

static unsigned parts_of(const json_t *event)
{
    struct bytes name = text_of(event, "event");
    for (size_t i = 0; i < sizeof events / sizeof events[0]; i++) {
        if (bytes_equal_text(name, events[i].name)) {
            return events[i].parts;
        }
    }
    return NONE;
}

static err_t parts_make(struct reading *reading, unsigned parts)
{
    bool is_somebody = reading->participant != NULL && !is_machine(reading->participant);
    TRY(room_add(reading));
    if ((parts & ANSWERED) != 0 && is_somebody) {
        TRY(answered_add(reading));
    }
    if ((parts & PRESENCE) != 0 && is_somebody) {
        TRY(presence_add(reading));
    }
    if ((parts & FINISHED) != 0) {
        TRY(finished_add(reading));
    }
    return (parts & EGRESS) != 0 ? egress_add(reading) : OK;
}

static err_t event_read(const json_t *event, struct arena *arena,
                        struct livekit_webhook *ret_webhook)
{
    const unsigned parts = parts_of(event);
    struct reading reading = {
        .arena = arena,
        .webhook = ret_webhook,
        .event = event,
        .room = object_of(event, "room"),
        .participant = object_of(event, "participant"),
        .egress = object_of(event, "egressInfo"),
        .created = time_of(event, "createdAt"),
    };
    struct bytes sid = text_of(reading.room, "sid");
    sid = sid.len > 0 ? sid : text_of(reading.egress, "roomId");
    if (parts == NONE || !match_value_is_valid(sid)) {
        ret_webhook->is_ignored = true;
        return OK;
    }
    reading.began =
        time_or(time_of(reading.room, "creationTimeMs"), time_of(reading.room, "creationTime"));
    reading.joined = time_or(time_of(reading.participant, "joinedAtMs"),
                             time_of(reading.participant, "joinedAt"));
    reading.is_leaving = bytes_equal_text(text_of(event, "event"), "participant_left");
    ret_webhook->key.kind = MATCH_KIND_LIVEKIT;
    TRY(arena_copy(arena, sid, &ret_webhook->key.value));
    TRY(skip_read(&reading));
    return parts_make(&reading, parts);
}

err_t livekit_webhook_read(struct bytes body, struct arena *arena, struct detail *detail,
                           struct livekit_webhook *ret_webhook)
{
    json_t *json = NULL;
    struct livekit_webhook webhook = {0};
    TRY(load(body, detail, &json));
    err_t err = OK;
    if (json_is_object(json)) {
        err = event_read(json, arena, &webhook);
    } else {
        detail_set(detail, "the body is no JSON object");
        err = FAIL(MALFORMED);
    }
    json_decref(json);
    if (err_is_ok(err)) {
        *ret_webhook = webhook;
    }
    return err;
}
