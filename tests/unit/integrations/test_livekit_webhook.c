/* LiveKit's webhooks as parts of a call: each event alone, and the events of rooms in all orders, repeated and with
 * any of them missing. */
#include "tests/unit/expect.h"

#include <stdio.h>
#include <stdlib.h>

#include <jansson.h>

#include "api/integrations/livekit/webhook.h"
#include "proto/base/limits.h"

#include "proto/base/banned.h"

static struct arena arena;

static int setup(void **state)
{
    (void)state;
    arena_init(&arena, 64 << 20);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    arena_fini(&arena);
    return 0;
}

static struct livekit_webhook read_text(const char *text)
{
    struct detail detail = {0};
    struct livekit_webhook webhook;
    err_t err = livekit_webhook_read(bytes_of_text(text), &arena, &detail, &webhook);
    if (!err_is_ok(err)) {
        print_message("%s: %s\n", text, detail.text);
    }
    EXPECT_OK(err);
    return webhook;
}

static const struct bus_part *part_of(const struct livekit_webhook *webhook, enum call_part number)
{
    for (size_t i = 0; i < webhook->parts_count; i++) {
        if (webhook->parts[i].number == number) {
            return &webhook->parts[i];
        }
    }
    return NULL;
}

static int64_t ms(int64_t value)
{
    return value * NS_PER_MS;
}

/* A view over a text that lives as long as the arena. */
static const char *text_of(struct bytes bytes)
{
    const char *text = arena_text(&arena, bytes);
    assert_non_null(text);
    return text;
}

#define ROOM                                                                         \
    "\"room\":{\"sid\":\"RM_abcdefghijkl\",\"name\":\"support-7\",\"creationTime\":" \
    "\"1790000000\","                                                                \
    "\"creationTimeMs\":\"1790000000250\"}"
#define CALLER \
    "\"participant\":{\"sid\":\"PA_1\",\"identity\":\"jane\",\"joinedAtMs\":\"1790000003500\"}"

/* --- one event -------------------------------------------------------------------------------------- */

static void a_room_that_started_rings(void **state)
{
    (void)state;
    struct livekit_webhook webhook = read_text("{\"event\":\"room_started\"," ROOM
                                               ",\"id\":\"EV_1\",\"createdAt\":\"1790000000\"}");
    assert_false(webhook.is_ignored);
    assert_false(webhook.is_skipped);
    assert_int_equal(webhook.key.kind, MATCH_KIND_LIVEKIT);
    assert_true(bytes_equal_text(webhook.key.value, "RM_abcdefghijkl"));
    assert_int_equal(webhook.parts_count, 1);
    const struct bus_part *part = part_of(&webhook, CALL_PART_LIVEKIT_ROOM);
    assert_int_equal(part->status, CONVERSATION_STATUS_RINGING);
    assert_true(part->has_started);
    assert_int_equal(part->started.ns, ms(1790000000250));
    assert_false(part->has_ended);
    assert_true(bytes_equal_text(part->title, "support-7"));
    assert_string_equal(text_of(part->body), "{\"startedAt\":\"2026-09-21T14:13:20.250Z\"}");
}

static void somebody_who_joins_answers(void **state)
{
    (void)state;
    struct livekit_webhook webhook = read_text("{\"event\":\"participant_joined\"," ROOM "," CALLER
                                               ",\"createdAt\":\"1790000004\"}");
    assert_int_equal(webhook.parts_count, 3);
    const struct bus_part *part = part_of(&webhook, CALL_PART_LIVEKIT_ANSWERED);
    assert_int_equal(part->status, CONVERSATION_STATUS_IN_PROGRESS);
    assert_int_equal(part->direction, CONVERSATION_DIRECTION_NONE);
    assert_int_equal(part->at.ns, ms(1790000003500));
    assert_string_equal(text_of(part->body),
                        "{\"answeredAt\":\"2026-09-21T14:13:23.500Z\",\"interfaceType\":\"WEB\"}");
    part = part_of(&webhook, CALL_PART_LIVEKIT_PRESENCE);
    assert_int_equal(part->at.ns, ms(1790000004000));
    assert_false(part->has_ended);
    assert_int_equal(part->status, CONVERSATION_STATUS_NONE);
}

static void machines_answer_nothing(void **state)
{
    static const char *const kinds[] = {"\"AGENT\"", "\"EGRESS\"", "\"INGRESS\"", "4", "2", "1"};
    static const char *const events[] = {"participant_joined", "participant_left",
                                         "participant_connection_aborted"};
    (void)state;
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0] * 3; i++) {
        char text[1024];
        (void)snprintf(text, sizeof text,
                       "{\"event\":\"%s\"," ROOM ",\"participant\":{\"sid\":\"PA_2\",\"kind\":%s},"
                       "\"createdAt\":\"1790000004\"}",
                       events[i % 3], kinds[i / 3]);
        struct livekit_webhook webhook = read_text(text);
        assert_int_equal(webhook.parts_count, 1);
        assert_non_null(part_of(&webhook, CALL_PART_LIVEKIT_ROOM));
    }
}

static void people_of_every_kind_answer(void **state)
{
    static const struct {
        const char *kind;
        const char *interface;
    } cases[] = {{"\"STANDARD\"", "WEB"},      {"0", "WEB"},
                 {"\"SIP\"", "PHONE"},         {"3", "PHONE"},
                 {"\"CONNECTOR\"", "WEB"},     {"\"BRIDGE\"", "WEB"},
                 {"\"SOMETHING_NEW\"", "WEB"}, {"null", "WEB"}};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char text[1024];
        (void)snprintf(text, sizeof text,
                       "{\"event\":\"participant_joined\"," ROOM
                       ",\"participant\":{\"sid\":\"PA_2\",\"kind\":%s},\"createdAt\":1790000004}",
                       cases[i].kind);
        struct livekit_webhook webhook = read_text(text);
        const struct bus_part *part = part_of(&webhook, CALL_PART_LIVEKIT_ANSWERED);
        assert_non_null(part);
        assert_non_null(strstr(text_of(part->body), cases[i].interface));
        assert_int_equal(part->at.ns, ms(1790000004000)); /* without a time of its own */
    }
}

static void the_direction_of_a_phone_call_is_told_by_its_attributes(void **state)
{
    static const struct {
        const char *attributes;
        enum conversation_direction direction;
        const char *has; /* in the body */
    } cases[] = {
        {"{\"sip.callID\":\"SCL_1\",\"sip.trunkID\":\"ST_1\",\"sip.ruleID\":\"SDR_1\","
         "\"sip.phoneNumber\":\"+15105550100\"}",
         CONVERSATION_DIRECTION_INBOUND, "\"customer\":{\"phoneNumberE164\":\"+15105550100\"}"},
        {"{\"sip.callID\":\"SCL_1\",\"sip.trunkID\":\"ST_1\",\"sip.phoneNumber\":\"0049301\"}",
         CONVERSATION_DIRECTION_OUTBOUND, "\"callDirection\":\"OUTBOUND\""},
        {"{\"sip.callID\":\"SCL_1\",\"sip.ruleID\":\"\"}", CONVERSATION_DIRECTION_OUTBOUND,
         "PHONE"},
        {"{\"sip.ruleID\":\"SDR_1\",\"sip.callDirection\":\"outbound\"}",
         CONVERSATION_DIRECTION_OUTBOUND, "PHONE"},
        {"{\"sip.callID\":\"SCL_1\",\"sip.callDirection\":\"inbound\"}",
         CONVERSATION_DIRECTION_INBOUND, "\"callDirection\":\"INBOUND\""},
        {"{\"sip.callID\":\"SCL_1\",\"sip.callDirection\":\"sideways\"}",
         CONVERSATION_DIRECTION_OUTBOUND, "PHONE"},
        {"{}", CONVERSATION_DIRECTION_NONE, "PHONE"},
        {"[]", CONVERSATION_DIRECTION_NONE, "PHONE"},
        {"{\"sip.ruleID\":5}", CONVERSATION_DIRECTION_NONE, "PHONE"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char text[1024];
        (void)snprintf(text, sizeof text,
                       "{\"event\":\"participant_joined\"," ROOM
                       ",\"participant\":{\"sid\":\"PA_2\",\"kind\":\"SIP\",\"attributes\":%s},"
                       "\"createdAt\":\"1790000004\"}",
                       cases[i].attributes);
        struct livekit_webhook webhook = read_text(text);
        const struct bus_part *part = part_of(&webhook, CALL_PART_LIVEKIT_ANSWERED);
        assert_int_equal(part->direction, cases[i].direction);
        assert_non_null(strstr(text_of(part->body), cases[i].has));
    }
}

static void only_real_numbers_are_a_customer(void **state)
{
    static const char *const numbers[] = {"\"\"",
                                          "\"+\"",
                                          "\"15105550100\"",
                                          "\"+1510555o100\"",
                                          "\"+1234567890123456\"",
                                          "\"Phone 1234\"",
                                          "5",
                                          "null"};
    (void)state;
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        char text[1024];
        (void)snprintf(
            text, sizeof text,
            "{\"event\":\"participant_joined\"," ROOM
            ",\"participant\":{\"kind\":\"SIP\",\"attributes\":{\"sip.phoneNumber\":%s}}}",
            numbers[i]);
        struct livekit_webhook webhook = read_text(text);
        const struct bus_part *part = part_of(&webhook, CALL_PART_LIVEKIT_ANSWERED);
        assert_null(strstr(text_of(part->body), "customer"));
    }
}

static void who_leaves_ends_and_the_room_ends(void **state)
{
    (void)state;
    struct livekit_webhook webhook = read_text("{\"event\":\"participant_left\"," ROOM "," CALLER
                                               ",\"createdAt\":\"1790000060\"}");
    assert_int_equal(webhook.parts_count, 2);
    const struct bus_part *part = part_of(&webhook, CALL_PART_LIVEKIT_PRESENCE);
    assert_true(part->has_ended);
    assert_int_equal(part->ended.ns, ms(1790000060000));
    assert_int_equal(part->status, CONVERSATION_STATUS_NONE);
    webhook = read_text("{\"event\":\"room_finished\"," ROOM ",\"createdAt\":\"1790000080\"}");
    part = part_of(&webhook, CALL_PART_LIVEKIT_FINISHED);
    assert_int_equal(part->status, CONVERSATION_STATUS_ENDED);
    assert_int_equal(part->ended.ns, ms(1790000080000));
    assert_int_equal(webhook.parts_count, 2);
}

/* The event's own time is cut to the second: nothing ends before it began. */
static void nothing_ends_before_it_began(void **state)
{
    (void)state;
    struct livekit_webhook webhook =
        read_text("{\"event\":\"room_finished\"," ROOM ",\"createdAt\":\"1790000000\"}");
    assert_int_equal(part_of(&webhook, CALL_PART_LIVEKIT_FINISHED)->ended.ns, ms(1790000000250));
    webhook = read_text("{\"event\":\"participant_left\"," ROOM "," CALLER
                        ",\"createdAt\":\"1790000003\"}");
    assert_int_equal(part_of(&webhook, CALL_PART_LIVEKIT_PRESENCE)->ended.ns, ms(1790000003500));
    webhook =
        read_text("{\"event\":\"participant_joined\"," ROOM
                  ",\"participant\":{\"joinedAt\":\"1790000000\"},\"createdAt\":\"1790000000\"}");
    assert_int_equal(part_of(&webhook, CALL_PART_LIVEKIT_ANSWERED)->at.ns, ms(1790000000250));
}

static void a_finished_recording_with_a_web_address_is_kept(void **state)
{
    static const struct {
        const char *egress;
        const char *url; /* NULL: none */
    } cases[] = {
        {"\"status\":\"EGRESS_COMPLETE\",\"fileResults\":[{\"location\":\"https://x/a.ogg\"}]",
         "https://x/a.ogg"},
        {"\"status\":\"EGRESS_LIMIT_REACHED\",\"fileResults\":[{\"location\":\"s3://x/a\"},"
         "{\"location\":\"http://x/b.mp4\"}]",
         "http://x/b.mp4"},
        {"\"status\":3,\"file\":{\"location\":\"https://x/c.mp4?sig=a%20b&e=1\"}",
         "https://x/c.mp4?sig=a%20b&e=1"},
        {"\"status\":\"EGRESS_FAILED\",\"fileResults\":[{\"location\":\"https://x/a.ogg\"}]", NULL},
        {"\"status\":\"EGRESS_ACTIVE\",\"fileResults\":[{\"location\":\"https://x/a.ogg\"}]", NULL},
        {"\"fileResults\":[{\"location\":\"https://x/a.ogg\"}]", NULL},
        {"\"status\":\"EGRESS_COMPLETE\",\"fileResults\":[{\"location\":\"gs://x/a.ogg\"}]", NULL},
        {"\"status\":\"EGRESS_COMPLETE\",\"fileResults\":[{\"location\":\"https://\"}]", NULL},
        {"\"status\":\"EGRESS_COMPLETE\",\"fileResults\":[{\"location\":\"https://x/a b\"}]", NULL},
        {"\"status\":\"EGRESS_COMPLETE\",\"fileResults\":[{\"location\":\"javascript:1\"}]", NULL},
        {"\"status\":\"EGRESS_COMPLETE\",\"fileResults\":[{\"location\":5},null,[]]", NULL},
        {"\"status\":\"EGRESS_COMPLETE\",\"fileResults\":{}", NULL},
        {"\"status\":\"EGRESS_COMPLETE\"", NULL},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char text[1024];
        (void)snprintf(text, sizeof text,
                       "{\"event\":\"egress_ended\",\"egressInfo\":{\"egressId\":\"EG_1\","
                       "\"roomId\":\"RM_abcdefghijkl\",\"roomName\":\"support-7\","
                       "\"endedAt\":\"1790000090000000001\",%s},\"createdAt\":\"1790000091\"}",
                       cases[i].egress);
        struct livekit_webhook webhook = read_text(text);
        assert_true(bytes_equal_text(webhook.key.value, "RM_abcdefghijkl"));
        const struct bus_part *room = part_of(&webhook, CALL_PART_LIVEKIT_ROOM);
        assert_true(bytes_equal_text(room->title, "support-7"));
        assert_false(room->has_started);
        const struct bus_part *part = part_of(&webhook, CALL_PART_LIVEKIT_EGRESS);
        assert_int_equal(part != NULL, cases[i].url != NULL);
        if (part != NULL) {
            char body[256];
            (void)snprintf(body, sizeof body, "{\"recordingUrl\":\"%s\"}", cases[i].url);
            assert_string_equal(text_of(part->body), body);
            assert_int_equal(part->at.ns, INT64_C(1790000090000000001));
        }
    }
}

static void a_longer_address_is_left_out(void **state)
{
    static char text[LIVEKIT_URL_BYTES_MAX + 512];
    (void)state;
    for (int more = 0; more <= 1; more++) {
        int len =
            snprintf(text, sizeof text,
                     "{\"event\":\"egress_ended\",\"egressInfo\":{\"roomId\":\"RM_a\","
                     "\"status\":\"EGRESS_COMPLETE\",\"fileResults\":[{\"location\":\"https://");
        memset(text + len, 'x', (size_t)(LIVEKIT_URL_BYTES_MAX - 8 + more));
        (void)snprintf(text + len + LIVEKIT_URL_BYTES_MAX - 8 + more, 8, "\"}]}}");
        struct livekit_webhook webhook = read_text(text);
        assert_int_equal(part_of(&webhook, CALL_PART_LIVEKIT_EGRESS) != NULL, more == 0);
    }
}

static void skip_is_true_or_the_text_true_in_json_metadata(void **state)
{
    static const struct {
        const char *metadata; /* as JSON writes the text */
        bool is_skipped;
    } cases[] = {
        {"\"{\\\"roark.skip\\\":true}\"", true},
        {"\"{\\\"a\\\":{\\\"b\\\":[1]},\\\"roark.skip\\\":\\\"true\\\"}\"", true},
        {"\"{\\\"roark.skip\\\":false}\"", false},
        {"\"{\\\"roark.skip\\\":\\\"yes\\\"}\"", false},
        {"\"{\\\"roark.skip\\\":1}\"", false},
        {"\"{\\\"roark\\\":{\\\"skip\\\":true}}\"", false},
        {"\"[\\\"roark.skip\\\",true]\"", false},
        {"\"roark.skip=true\"", false},
        {"\"{\\\"roark.skip\\\":true\"", false},
        {"\"true\"", false},
        {"\"\"", false},
        {"\"{\\\"text\\\":\\\"\\\\ud83d\\\",\\\"roark.skip\\\":true}\"", true},
        {"{\"roark.skip\":true}", false},
        {"null", false},
        {"5", false},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char text[1024];
        (void)snprintf(text, sizeof text,
                       "{\"event\":\"room_started\",\"room\":{\"sid\":\"RM_a\",\"metadata\":%s}}",
                       cases[i].metadata);
        struct livekit_webhook webhook = read_text(text);
        assert_false(webhook.is_ignored);
        assert_int_equal(webhook.is_skipped, cases[i].is_skipped);
    }
}

static void times_come_in_any_unit_as_numbers_and_texts(void **state)
{
    static const struct {
        const char *room;
        int64_t ns; /* 0: not told */
    } cases[] = {
        {"\"creationTime\":\"1790000000\"", INT64_C(1790000000000000000)},
        {"\"creationTime\":1790000000", INT64_C(1790000000000000000)},
        {"\"creationTime\":1790000000.0", INT64_C(1790000000000000000)},
        {"\"creationTime\":\"1790000000250\"", INT64_C(1790000000250000000)},
        {"\"creationTimeMs\":\"1790000000\"", INT64_C(1790000000000000000)},
        {"\"creationTimeMs\":1790000000250", INT64_C(1790000000250000000)},
        {"\"creationTimeMs\":\"1790000000250001\"", INT64_C(1790000000250001000)},
        {"\"creationTimeMs\":\"1790000000250001002\"", INT64_C(1790000000250001002)},
        {"\"creationTimeMs\":\"0\",\"creationTime\":\"1790000000\"", INT64_C(1790000000000000000)},
        {"\"creationTime\":\"99999999999999999999\"", 0},
        {"\"creationTime\":99999999999999999999999", 0},
        {"\"creationTime\":\"-1\"", 0},
        {"\"creationTime\":-1790000000", 0},
        {"\"creationTime\":\"\"", 0},
        {"\"creationTime\":\"1790000000 \"", 0},
        {"\"creationTime\":\"1.79e9\"", 0},
        {"\"creationTime\":\"2026-09-21T14:13:20Z\"", 0},
        {"\"creationTime\":true", 0},
        {"\"creationTime\":null", 0},
        {"\"creationTime\":[]", 0},
        {"\"creationTime\":\"9999999999999999999\"", 0},
        {"\"creationTime\":\"99999999999\"", 0}, /* the year 5138 does not fit */
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char text[512];
        (void)snprintf(text, sizeof text,
                       "{\"event\":\"room_started\",\"room\":{\"sid\":\"RM_a\",%s}}",
                       cases[i].room);
        struct livekit_webhook webhook = read_text(text);
        const struct bus_part *part = part_of(&webhook, CALL_PART_LIVEKIT_ROOM);
        print_message("%s: %lld\n", cases[i].room, (long long)part->started.ns);
        assert_int_equal(part->has_started, cases[i].ns != 0);
        assert_true(part->started.ns == cases[i].ns);
    }
}

/* A part that knows no time loses against every other, so that a repeated event cannot win by coming late. */
static void an_event_without_its_time_tells_what_it_can(void **state)
{
    (void)state;
    struct livekit_webhook webhook = read_text(
        "{\"event\":\"participant_joined\",\"room\":{\"sid\":\"RM_a\"},\"participant\":{}}");
    assert_int_equal(part_of(&webhook, CALL_PART_LIVEKIT_ANSWERED)->at.ns, INT64_MAX);
    assert_string_equal(text_of(part_of(&webhook, CALL_PART_LIVEKIT_ANSWERED)->body),
                        "{\"interfaceType\":\"WEB\"}");
    assert_int_equal(part_of(&webhook, CALL_PART_LIVEKIT_PRESENCE)->at.ns, 0);
    assert_int_equal(part_of(&webhook, CALL_PART_LIVEKIT_ROOM)->at.ns, 0);
    assert_int_equal(part_of(&webhook, CALL_PART_LIVEKIT_ROOM)->body.len, 0);
    webhook = read_text(
        "{\"event\":\"participant_left\",\"room\":{\"sid\":\"RM_a\"},\"participant\":{}}");
    assert_false(part_of(&webhook, CALL_PART_LIVEKIT_PRESENCE)->has_ended);
    webhook = read_text("{\"event\":\"room_finished\",\"room\":{\"sid\":\"RM_a\"}}");
    assert_false(part_of(&webhook, CALL_PART_LIVEKIT_FINISHED)->has_ended);
    assert_int_equal(part_of(&webhook, CALL_PART_LIVEKIT_FINISHED)->status,
                     CONVERSATION_STATUS_ENDED);
}

static void what_is_about_no_call_is_ignored(void **state)
{
    static const char *const texts[] = {
        "{}",
        "{\"event\":\"room_started\"}",
        "{\"event\":\"room_started\",\"room\":{}}",
        "{\"event\":\"room_started\",\"room\":{\"name\":\"x\"}}",
        "{\"event\":\"room_started\",\"room\":{\"sid\":\"\"}}",
        "{\"event\":\"room_started\",\"room\":{\"sid\":5}}",
        "{\"event\":\"room_started\",\"room\":\"RM_a\"}",
        "{\"event\":\"room_started\",\"room\":[]}",
        "{\"event\":\"ingress_started\",\"room\":{\"name\":\"x\",\"sid\":\"RM_a\"}}",
        "{\"event\":\"agent_job_started\",\"job\":{\"room\":{\"sid\":\"RM_a\"}},\"room\":{\"sid\":"
        "\"RM_a\"}}",
        "{\"event\":\"agent_job_ended\",\"job\":{}}",
        "{\"event\":\"something_new\"," ROOM "}",
        "{\"event\":\"ROOM_STARTED\"," ROOM "}",
        "{\"event\":\"room_started \"," ROOM "}",
        "{\"event\":5," ROOM "}",
        "{" ROOM "}",
        "{\"event\":\"egress_ended\",\"egressInfo\":{\"roomName\":\"x\"}}",
        "{\"event\":\"egress_ended\",\"egressInfo\":[]}",
    };
    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        print_message("%s\n", texts[i]);
        struct livekit_webhook webhook = read_text(texts[i]);
        assert_true(webhook.is_ignored);
        assert_int_equal(webhook.parts_count, 0);
    }
}

static void a_room_id_may_have_255_characters(void **state)
{
    (void)state;
    for (size_t chars = LIMIT_KEY_CHARS; chars <= LIMIT_KEY_CHARS + 1; chars++) {
        char text[1024];
        int len = snprintf(text, sizeof text, "{\"event\":\"room_started\",\"room\":{\"sid\":\"");
        memset(text + len, 'x', chars);
        (void)snprintf(text + len + chars, 8, "\"}}");
        assert_int_equal(read_text(text).is_ignored, chars > LIMIT_KEY_CHARS);
    }
}

static void odd_names_make_no_title(void **state)
{
    static char text[LIMIT_NAME_BYTES + 256];
    (void)state;
    for (size_t bytes = LIMIT_NAME_BYTES; bytes <= LIMIT_NAME_BYTES + 1; bytes++) {
        int len = snprintf(text, sizeof text,
                           "{\"event\":\"room_started\",\"room\":{\"sid\":\"RM_a\",\"name\":\"");
        memset(text + len, 'x', bytes);
        (void)snprintf(text + (size_t)len + bytes, 8, "\"}}");
        struct livekit_webhook webhook = read_text(text);
        assert_int_equal(webhook.parts[0].title.len, bytes > LIMIT_NAME_BYTES ? 0 : bytes);
    }
    struct livekit_webhook webhook = read_text(
        "{\"event\":\"room_started\",\"room\":{\"sid\":\"RM_a\",\"name\":\"a\\u0000b\"}}");
    assert_int_equal(webhook.parts[0].title.len, 0);
}

static void what_is_no_json_object_is_malformed(void **state)
{
    static const char *const texts[] = {"",        " ",
                                        "{",       "[]",
                                        "5",       "null",
                                        "\"x\"",   "{}x",
                                        "{'a':1}", "{\"event\":\"a\",\"event\":\"b\"}",
                                        "\xff",    "{\"a\":\"\xff\"}"};
    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct detail detail = {0};
        struct livekit_webhook webhook;
        err_t err = livekit_webhook_read(bytes_of_text(texts[i]), &arena, &detail, &webhook);
        assert_false(err_is_ok(err));
        assert_true(err_class(err) == ERR_CLASS_INPUT);
        assert_true(detail.text[0] != '\0');
    }
}

/* --- all orders ------------------------------------------------------------------------------------- */

/* What the store keeps: proto/bus/call_parts.def, folded as the correlator folds it. */
struct fold {
    bool has[64];
    struct bus_part parts[64];
    bool is_skipped;
};

static bool stays(const struct bus_part *old, const struct bus_part *new)
{
    if (old->at.ns != new->at.ns) {
        bool is_later = new->at.ns > old->at.ns;
        return call_part_keep((unsigned)old->number) == CALL_KEEP_EARLIEST ? is_later : !is_later;
    }
    return bytes_compare(old->body, new->body) >= 0;
}

static void fold_event(struct fold *fold, const struct livekit_webhook *webhook)
{
    fold->is_skipped = fold->is_skipped || webhook->is_skipped;
    for (size_t i = 0; i < webhook->parts_count; i++) {
        const struct bus_part *part = &webhook->parts[i];
        size_t at = (size_t)part->number;
        if (!fold->has[at] || !stays(&fold->parts[at], part)) {
            fold->has[at] = true;
            fold->parts[at] = *part;
        }
    }
}

/* Everything that is known of the call, as one text. */
static void facts_write(const struct fold *fold, char *out, size_t room)
{
    int64_t started = 0;
    int64_t ended = 0;
    unsigned status = 0;
    unsigned direction = 0;
    struct bytes title = {0};
    size_t len = 0;
    for (size_t i = 0; i < 64; i++) {
        const struct bus_part *part = &fold->parts[i];
        if (!fold->has[i]) {
            continue;
        }
        started = started == 0 && part->has_started ? part->started.ns : started;
        ended = ended == 0 && part->has_ended ? part->ended.ns : ended;
        status = (unsigned)part->status > status ? (unsigned)part->status : status;
        direction = direction == 0 ? (unsigned)part->direction : direction;
        title = title.len == 0 ? part->title : title;
        len += (size_t)snprintf(out + len, room - len, "%zu@%lld %.*s\n", i, (long long)part->at.ns,
                                (int)part->body.len, (const char *)part->body.ptr);
    }
    (void)snprintf(out + len, room - len,
                   "started %lld ended %lld status %u direction %u skipped %d title %.*s",
                   (long long)started, (long long)(status == CONVERSATION_STATUS_ENDED ? ended : 0),
                   status, direction, fold->is_skipped, (int)title.len, (const char *)title.ptr);
}

enum { EVENTS_MAX = 8, FACTS_BYTES = 4096 };

/* The next permutation in the order of the alphabet; false after the last. */
static bool permute(size_t *order, size_t count)
{
    size_t i = count - 1;
    while (i > 0 && order[i - 1] >= order[i]) {
        i--;
    }
    if (i == 0) {
        return false;
    }
    size_t j = count - 1;
    while (order[j] <= order[i - 1]) {
        j--;
    }
    size_t swap = order[i - 1];
    order[i - 1] = order[j];
    order[j] = swap;
    for (j = count - 1; i < j; i++, j--) {
        swap = order[i];
        order[i] = order[j];
        order[j] = swap;
    }
    return true;
}

/* The chosen events in every order, the n-th of each order once more at the end and at the beginning. */
static size_t subset_check(const struct livekit_webhook *events, const size_t *chosen, size_t count,
                           char *ret_facts)
{
    char facts[FACTS_BYTES];
    size_t order[EVENTS_MAX];
    size_t orders = 0;
    memcpy(order, chosen, count * sizeof *order);
    do {
        struct fold fold = {0};
        fold_event(&fold, &events[order[orders % count]]);
        for (size_t i = 0; i < count; i++) {
            fold_event(&fold, &events[order[i]]);
        }
        fold_event(&fold, &events[order[orders % count]]);
        facts_write(&fold, facts, sizeof facts);
        if (orders == 0) {
            memcpy(ret_facts, facts, sizeof facts);
        }
        assert_string_equal(facts, ret_facts);
        orders++;
    } while (permute(order, count));
    return orders;
}

struct story {
    const char *name;
    const char *events[EVENTS_MAX];
    const char *facts; /* of the whole story: its last line */
};

#define EVENT(name, more, at) "{\"event\":\"" name "\"," ROOM more ",\"createdAt\":\"" at "\"}"
#define SHORT_ROOM            "\"room\":{\"sid\":\"RM_abcdefghijkl\",\"name\":\"support-7\"}"
#define AGENT \
    ",\"participant\":{\"sid\":\"PA_0\",\"kind\":\"AGENT\",\"joinedAtMs\":\"1790000001000\"}"
#define PHONE                                                                               \
    ",\"participant\":{\"sid\":\"PA_1\",\"kind\":\"SIP\",\"joinedAtMs\":\"1790000002100\"," \
    "\"attributes\":"                                                                       \
    "{\"sip.callID\":\"SCL_1\",\"sip.ruleID\":\"SDR_1\",\"sip.phoneNumber\":\"+15105550100\"}}"
#define OTHER ",\"participant\":{\"sid\":\"PA_2\",\"joinedAtMs\":\"1790000002900\"}"

static const struct story stories[] = {
    {"a phone call",
     {EVENT("room_started", "", "1790000000"), EVENT("participant_joined", AGENT, "1790000001"),
      EVENT("participant_joined", PHONE, "1790000002"),
      "{\"event\":\"track_published\"," SHORT_ROOM ",\"createdAt\":\"1790000002\"}",
      EVENT("participant_left", PHONE, "1790000062"),
      EVENT("participant_left", AGENT, "1790000063"), EVENT("room_finished", "", "1790000083"),
      "{\"event\":\"egress_ended\",\"egressInfo\":{\"roomId\":\"RM_abcdefghijkl\",\"roomName\":"
      "\"support-7\","
      "\"status\":\"EGRESS_COMPLETE\",\"fileResults\":[{\"location\":\"https://x/a.ogg\"}],"
      "\"endedAt\":\"1790000070000000000\"},\"createdAt\":\"1790000090\"}"},
     "started 1790000000250000000 ended 1790000062000000000 status 3 direction 1 skipped 0 title "
     "support-7"},
    {"two people within one second",
     {EVENT("room_started", "", "1790000000"), EVENT("participant_joined", PHONE, "1790000002"),
      EVENT("participant_joined", OTHER, "1790000002"),
      EVENT("participant_left", PHONE, "1790000002"),
      EVENT("participant_left", OTHER, "1790000002"), EVENT("room_finished", "", "1790000002")},
     "started 1790000000250000000 ended 1790000002900000000 status 3 direction 1 skipped 0 title "
     "support-7"},
    {"somebody comes back",
     {EVENT("room_started", "", "1790000000"), EVENT("participant_joined", OTHER, "1790000002"),
      EVENT("participant_left", OTHER, "1790000010"),
      EVENT("participant_joined", PHONE, "1790000020"),
      EVENT("participant_left", PHONE, "1790000030"), EVENT("room_finished", "", "1790000050")},
     "started 1790000000250000000 ended 1790000030000000000 status 3 direction 1 skipped 0 title "
     "support-7"},
    {"nobody came",
     {EVENT("room_started", "", "1790000000"), EVENT("participant_joined", AGENT, "1790000001"),
      EVENT("participant_connection_aborted", OTHER, "1790000020"),
      EVENT("participant_left", AGENT, "1790000290"), EVENT("room_finished", "", "1790000300")},
     "started 1790000000250000000 ended 1790000300000000000 status 3 direction 0 skipped 0 title "
     "support-7"},
    {"two recordings and a retry of the start",
     {EVENT("room_started", "", "1790000000"), EVENT("room_started", "", "1790000001"),
      "{\"event\":\"egress_ended\",\"egressInfo\":{\"roomId\":\"RM_abcdefghijkl\",\"status\":"
      "\"EGRESS_COMPLETE\",\"fileResults\":[{\"location\":\"https://x/a.ogg\"}],"
      "\"endedAt\":\"1790000070000000000\"},\"createdAt\":\"1790000090\"}",
      "{\"event\":\"egress_ended\",\"egressInfo\":{\"roomId\":\"RM_abcdefghijkl\",\"status\":"
      "\"EGRESS_COMPLETE\",\"fileResults\":[{\"location\":\"https://x/b.ogg\"}],"
      "\"endedAt\":\"1790000070000000000\"},\"createdAt\":\"1790000090\"}",
      EVENT("participant_joined", OTHER, "1790000003")},
     "started 1790000000250000000 ended 0 status 2 direction 0 skipped 0 title support-7"},
    {"a skip that comes late",
     {"{\"event\":\"room_started\",\"room\":{\"sid\":\"RM_abcdefghijkl\",\"creationTime\":"
      "1790000000}}",
      "{\"event\":\"participant_left\",\"room\":{\"sid\":\"RM_abcdefghijkl\",\"metadata\":"
      "\"{\\\"roark.skip\\\":true}\"},\"participant\":{}}",
      "{\"event\":\"participant_joined\",\"room\":{\"sid\":\"RM_abcdefghijkl\"},\"participant\":{}"
      "}",
      EVENT("participant_joined", OTHER, "1790000003"), EVENT("room_finished", "", "1790000009")},
     "started 1790000000250000000 ended 1790000009000000000 status 3 direction 0 skipped 1 title "
     "support-7"},
};

static void facts_do_not_depend_on_order_repetition_or_what_is_missing(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof stories / sizeof stories[0]; i++) {
        const struct story *story = &stories[i];
        struct livekit_webhook events[EVENTS_MAX];
        char facts[FACTS_BYTES];
        size_t count = 0;
        size_t orders = 0;
        while (count < EVENTS_MAX && story->events[count] != NULL) {
            events[count] = read_text(story->events[count]);
            assert_false(events[count].is_ignored);
            count++;
        }
        for (size_t subset = 1; subset < (size_t)1 << count; subset++) {
            size_t chosen[EVENTS_MAX];
            size_t chosen_count = 0;
            for (size_t bit = 0; bit < count; bit++) {
                if ((subset >> bit & 1U) != 0) {
                    chosen[chosen_count++] = bit;
                }
            }
            orders += subset_check(events, chosen, chosen_count, facts);
        }
        print_message("%s: %zu orders\n%s\n", story->name, orders, facts);
        assert_string_equal(strrchr(facts, '\n') + 1, story->facts);
    }
}

static void read_once(void *context)
{
    struct detail detail = {0};
    struct livekit_webhook webhook;
    struct arena small;
    const char *text = context;
    arena_init(&small, 64 << 10);
    err_t err = livekit_webhook_read(bytes_of_text(text), &small, &detail, &webhook);
    assert_true(err_is_ok(err) || err_class(err) == ERR_CLASS_UNAVAILABLE ||
                err_class(err) == ERR_CLASS_LIMIT);
    arena_fini(&small);
}

static void no_memory_is_said(void **state)
{
    static char text[] =
        "{\"event\":\"participant_joined\",\"room\":{\"sid\":\"RM_a\",\"name\":\"x\",\"metadata\":"
        "\"{\\\"a\\\":1}\",\"creationTime\":\"1790000000\"}" PHONE ",\"createdAt\":\"1790000001\"}";
    (void)state;
    json_set_alloc_funcs(mem_alloc, mem_free);
    assert_true(expect_survives_oom(read_once, text) > 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_room_that_started_rings),
        cmocka_unit_test(somebody_who_joins_answers),
        cmocka_unit_test(machines_answer_nothing),
        cmocka_unit_test(people_of_every_kind_answer),
        cmocka_unit_test(the_direction_of_a_phone_call_is_told_by_its_attributes),
        cmocka_unit_test(only_real_numbers_are_a_customer),
        cmocka_unit_test(who_leaves_ends_and_the_room_ends),
        cmocka_unit_test(nothing_ends_before_it_began),
        cmocka_unit_test(a_finished_recording_with_a_web_address_is_kept),
        cmocka_unit_test(a_longer_address_is_left_out),
        cmocka_unit_test(skip_is_true_or_the_text_true_in_json_metadata),
        cmocka_unit_test(times_come_in_any_unit_as_numbers_and_texts),
        cmocka_unit_test(an_event_without_its_time_tells_what_it_can),
        cmocka_unit_test(what_is_about_no_call_is_ignored),
        cmocka_unit_test(a_room_id_may_have_255_characters),
        cmocka_unit_test(odd_names_make_no_title),
        cmocka_unit_test(what_is_no_json_object_is_malformed),
        cmocka_unit_test(facts_do_not_depend_on_order_repetition_or_what_is_missing),
        cmocka_unit_test(no_memory_is_said),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
