#include "tests/unit/expect.h"

#include "api/doctor/doctor.h"

#define B(text) bytes_of(text, sizeof(text) - 1)
#define KEY(kind_, text)                                                                  \
    {                                                                                     \
        .kind = MATCH_KIND_##kind_, .value = {(const uint8_t *)(text), sizeof(text) - 1 } \
    }
#define CLUE(what_, kind_, name, text)                                              \
    {                                                                               \
        .what = CLUE_##what_, .kind = MATCH_KIND_##kind_, .place = CLUE_PLACE_SPAN, \
        .attribute = {(const uint8_t *)(name), sizeof(name) - 1}, .value = {        \
            (const uint8_t *)(text),                                                \
            sizeof(text) - 1                                                        \
        }                                                                           \
    }

enum { FEW = 4 };

/* A trace in one line; counts are how many of the arrays hold something. */
struct trace_case {
    const char *name;
    struct match_key keys[FEW];
    struct clue clues[FEW];
    struct doctor_near nears[FEW];
    bool is_skipped;
    bool skips_rooms;
    bool has_root;
    bool is_open;
    bool has_keys_dropped;
    bool is_full;
    enum doctor_reason wanted;
    const char *said; /* a part of sentence and change */
};

struct call_case {
    const char *name;
    struct match_key keys[FEW];
    struct doctor_near nears[FEW];
    struct doctor_carrier carriers[FEW];
    bool is_chat;
    enum doctor_reason wanted;
    const char *said;
};

static const struct trace_case traces[] = {
    {.name = "nothing at all", .has_root = true, .wanted = DOCTOR_NO_KEY, .said = "externalId"},
    {.name = "nothing yet", .is_open = true, .wanted = DOCTOR_ROOT_OPEN, .said = "resource"},
    {.name = "nothing any more", .wanted = DOCTOR_ROOT_LOST, .said = "flush"},
    {.name = "skipped, whatever else",
     .is_skipped = true,
     .skips_rooms = true,
     .keys = {KEY(LIVEKIT, "RM_a")},
     .nears = {{.of = 0, .key = KEY(LIVEKIT, "RM_A")}},
     .wanted = DOCTOR_SKIPPED,
     .said = "by wish"},
    {.name = "skipped by its room",
     .is_skipped = true,
     .keys = {KEY(EXTERNAL, "x"), KEY(LIVEKIT, "RM_a")},
     .wanted = DOCTOR_ROOM_SKIPPED,
     .said = "\"RM_a\""},
    {.name = "skipped by a room that is not known",
     .is_skipped = true,
     .keys = {KEY(EXTERNAL, "x")},
     .wanted = DOCTOR_SKIPPED},
    {.name = "a key alone",
     .keys = {KEY(EXTERNAL, "order")},
     .has_root = true,
     .wanted = DOCTOR_NO_CALL,
     .said = "Create the call with externalId \"order\""},
    {.name = "a key alone while the root is open",
     .keys = {KEY(EXTERNAL, "order")},
     .is_open = true,
     .wanted = DOCTOR_NO_CALL},
    {.name = "the call is there",
     .keys = {KEY(EXTERNAL, "order")},
     .nears = {{.of = 0, .key = KEY(EXTERNAL, "order")}},
     .wanted = DOCTOR_PENDING},
    {.name = "the call is skipped",
     .keys = {KEY(EXTERNAL, "order")},
     .nears = {{.of = 0, .key = KEY(EXTERNAL, "order"), .is_skipped = true}},
     .wanted = DOCTOR_CALL_SKIPPED},
    {.name = "another spelling of a skipped call is nothing",
     .keys = {KEY(EXTERNAL, "order")},
     .nears = {{.of = 0, .key = KEY(EXTERNAL, "Order"), .is_skipped = true}},
     .wanted = DOCTOR_NO_CALL},
    {.name = "case",
     .keys = {KEY(EXTERNAL, "Order-1")},
     .nears = {{.of = 0, .key = KEY(EXTERNAL, "order-1")}},
     .wanted = DOCTOR_SPELLING,
     .said = "roark.external_id is \"Order-1\", and a call has externalId \"order-1\": they differ "
             "in letter "
             "case."},
    {.name = "spaces",
     .keys = {KEY(EXTERNAL, "order-1 ")},
     .nears = {{.of = 0, .key = KEY(EXTERNAL, "order-1"), .is_chat = true}},
     .wanted = DOCTOR_SPELLING,
     .said = "a chat has externalId \"order-1\": they differ in the spaces around it."},
    {.name = "both",
     .keys = {KEY(EXTERNAL, " Order-1")},
     .nears = {{.of = 0, .key = KEY(EXTERNAL, "order-1")}},
     .wanted = DOCTOR_SPELLING,
     .said = "letter case and the spaces around it"},
    {.name = "another kind",
     .keys = {KEY(LIVEKIT, "RM_a")},
     .nears = {{.of = 0, .key = KEY(EXTERNAL, "RM_a")}},
     .wanted = DOCTOR_OTHER_KIND,
     .said =
         "Set roark.external_id to \"RM_a\" on the trace, or create the call with livekitRoomId."},
    {.name = "spelling before kind",
     .keys = {KEY(LIVEKIT, "RM_a")},
     .nears = {{.of = 0, .key = KEY(EXTERNAL, "RM_a")}, {.of = 0, .key = KEY(LIVEKIT, "RM_A")}},
     .wanted = DOCTOR_SPELLING},
    {.name = "only the observer's key",
     .keys = {KEY(LIVEKIT, "x")},
     .nears = {{.of = 0, .key = KEY(OBSERVER, "x")}},
     .wanted = DOCTOR_OBSERVER_HELD,
     .said = "roomSid"},
    {.name = "a chat's trace id is no near miss",
     .keys = {KEY(EXTERNAL, "00000000000000000000000000000001")},
     .nears = {{.of = 0, .key = KEY(TRACE, "00000000000000000000000000000001")}},
     .wanted = DOCTOR_NO_CALL},
    {.name = "a name that is alike, held",
     .clues = {CLUE(NAME, EXTERNAL, "roark.externalId", "order")},
     .nears = {{.of = 0, .key = KEY(EXTERNAL, "order")}},
     .has_root = true,
     .wanted = DOCTOR_NAME_HELD,
     .said = "Name the attribute roark.external_id."},
    {.name = "a name that is alike, held as another kind",
     .clues = {CLUE(NAME, EXTERNAL, "external_id", "RM_a")},
     .nears = {{.of = 0, .key = KEY(LIVEKIT, "RM_a")}},
     .wanted = DOCTOR_NAME_HELD,
     .said = "Name the attribute livekit.room.id."},
    {.name = "a name that is alike, not held",
     .clues = {CLUE(NAME, EXTERNAL, "external_id", "order")},
     .is_open = true,
     .wanted = DOCTOR_NAME},
    {.name = "a key counts more than a name that is alike",
     .keys = {KEY(EXTERNAL, "a")},
     .clues = {CLUE(NAME, EXTERNAL, "external_id", "b")},
     .wanted = DOCTOR_NO_CALL},
    {.name = "a held name counts more than a key without call",
     .keys = {KEY(EXTERNAL, "a")},
     .clues = {CLUE(NAME, EXTERNAL, "external_id", "b")},
     .nears = {{.of = 1, .key = KEY(EXTERNAL, "b")}},
     .wanted = DOCTOR_NAME_HELD},
    {.name = "any attribute, held",
     .clues = {CLUE(OTHER, EXTERNAL, "session.id", "order")},
     .nears = {{.of = 0, .key = KEY(EXTERNAL, "Order")}},
     .wanted = DOCTOR_OTHER_ATTRIBUTE,
     .said = "Set roark.external_id to \"Order\" on the resource or on a span."},
    {.name = "any attribute, not held",
     .clues = {CLUE(OTHER, EXTERNAL, "session.id", "order")},
     .has_root = true,
     .wanted = DOCTOR_NO_KEY},
    {.name = "wrong place",
     .clues = {CLUE(PLACE, VAPI, "vapi.call.id", "x")},
     .wanted = DOCTOR_WRONG_PLACE,
     .said = "vapi.call.id stands on a span, where it does not count."},
    {.name = "wrong place is nothing when the right one is taken",
     .keys = {KEY(VAPI, "y")},
     .clues = {CLUE(PLACE, VAPI, "vapi.call.id", "x")},
     .wanted = DOCTOR_NO_CALL},
    {.name = "empty",
     .clues = {CLUE(EMPTY, EXTERNAL, "roark.external_id", "")},
     .wanted = DOCTOR_VALUE_EMPTY},
    {.name = "empty is nothing beside a value",
     .keys = {KEY(EXTERNAL, "a")},
     .clues = {CLUE(EMPTY, EXTERNAL, "roark.external_id", "")},
     .wanted = DOCTOR_NO_CALL},
    {.name = "long",
     .clues = {CLUE(LONG, EXTERNAL, "roark.external_id", "xxx")},
     .wanted = DOCTOR_VALUE_LONG,
     .said = "roark.external_id is longer than 255 characters"},
    {.name = "long, and not among the spans looked at",
     .has_keys_dropped = true,
     .has_root = true,
     .wanted = DOCTOR_VALUE_LONG,
     .said = "A key of this trace is longer"},
    {.name = "too many keys",
     .keys = {KEY(EXTERNAL, "a")},
     .has_keys_dropped = true,
     .is_full = true,
     .wanted = DOCTOR_KEYS_DROPPED},
    {.name = "type",
     .clues = {{.what = CLUE_TYPE,
                .kind = MATCH_KIND_EXTERNAL,
                .attribute = {(const uint8_t *)"roark.external_id", 17},
                .type = "a list"}},
     .wanted = DOCTOR_VALUE_TYPE,
     .said = "The value of roark.external_id is a list"},
    {.name = "a room's name as the key",
     .keys = {KEY(LIVEKIT, "support")},
     .wanted = DOCTOR_ROOM_NAME,
     .said = "RM_"},
    {.name = "a SID is no name", .keys = {KEY(LIVEKIT, "RM_support")}, .wanted = DOCTOR_NO_CALL},
    {.name = "only the room's name",
     .clues = {CLUE(ROOM_NAME, LIVEKIT, "lk.room_name", "support")},
     .has_root = true,
     .wanted = DOCTOR_ROOM_NAME},
    {.name = "only the room's name, so far",
     .clues = {CLUE(ROOM_NAME, LIVEKIT, "lk.room_name", "support")},
     .is_open = true,
     .wanted = DOCTOR_ROOT_OPEN},
    {.name = "a room's name beside a key is nothing",
     .keys = {KEY(LIVEKIT, "RM_a")},
     .clues = {CLUE(ROOM_NAME, LIVEKIT, "lk.room_name", "support")},
     .has_root = true,
     .wanted = DOCTOR_NO_CALL},
    {.name = "a room's name that a call holds",
     .keys = {KEY(LIVEKIT, "RM_a")},
     .clues = {CLUE(ROOM_NAME, LIVEKIT, "lk.room_name", "support")},
     .nears = {{.of = 1, .key = KEY(LIVEKIT, "support")}},
     .wanted = DOCTOR_ROOM_NAME_HELD,
     .said = "A call has livekitRoomId \"support\""},
    {.name = "a room's name that a call holds as its external id",
     .clues = {CLUE(ROOM_NAME, LIVEKIT, "lk.room_name", "support")},
     .nears = {{.of = 0, .key = KEY(EXTERNAL, "support")}},
     .wanted = DOCTOR_OTHER_ATTRIBUTE},
    {.name = "a near miss of nothing is nothing",
     .has_root = true,
     .nears = {{.of = 3, .key = KEY(EXTERNAL, "x")}},
     .wanted = DOCTOR_NO_KEY},
};

static const struct call_case calls[] = {
    {.name = "no keys", .wanted = DOCTOR_NO_KEYS, .said = "The call has no key"},
    {.name = "a chat without keys",
     .is_chat = true,
     .wanted = DOCTOR_NO_KEYS,
     .said = "The chat has no key"},
    {.name = "a key alone",
     .keys = {KEY(EXTERNAL, "order")},
     .wanted = DOCTOR_NO_TRACE,
     .said = "Set roark.external_id to \"order\" on the trace."},
    {.name = "only the observer's",
     .keys = {KEY(OBSERVER, "x")},
     .wanted = DOCTOR_OBSERVER_ONLY,
     .said = "livekitCallId \"x\""},
    {.name = "the observer's, which a trace carries",
     .keys = {KEY(OBSERVER, "x")},
     .nears = {{.of = 0, .key = KEY(LIVEKIT, "x")}},
     .wanted = DOCTOR_OBSERVER_ONLY},
    {.name = "the observer's beside another",
     .keys = {KEY(LIVEKIT, "RM_a"), KEY(OBSERVER, "x")},
     .wanted = DOCTOR_NO_TRACE},
    {.name = "the trace is there",
     .keys = {KEY(EXTERNAL, "order")},
     .nears = {{.of = 0, .key = KEY(EXTERNAL, "order")}},
     .wanted = DOCTOR_CALL_PENDING},
    {.name = "the trace is skipped",
     .keys = {KEY(EXTERNAL, "order")},
     .nears = {{.of = 0, .key = KEY(EXTERNAL, "order"), .is_skipped = true}},
     .wanted = DOCTOR_TRACE_SKIPPED},
    {.name = "another spelling of a skipped trace is nothing",
     .keys = {KEY(EXTERNAL, "order")},
     .nears = {{.of = 0, .key = KEY(EXTERNAL, "Order"), .is_skipped = true}},
     .wanted = DOCTOR_NO_TRACE},
    {.name = "spelling",
     .keys = {KEY(EXTERNAL, "order")},
     .nears = {{.of = 0, .key = KEY(EXTERNAL, "Order")}},
     .wanted = DOCTOR_CALL_SPELLING,
     .said = "a trace carries roark.external_id \"Order\""},
    {.name = "kind",
     .keys = {KEY(EXTERNAL, "RM_a")},
     .nears = {{.of = 0, .key = KEY(LIVEKIT, "RM_a")}},
     .wanted = DOCTOR_CALL_OTHER_KIND,
     .said = "Create the call with livekitRoomId, or set roark.external_id to \"RM_a\""},
    {.name = "a trace's own id",
     .keys = {KEY(EXTERNAL, "00000000000000000000000000000001")},
     .nears = {{.of = 0, .key = KEY(TRACE, "00000000000000000000000000000001")}},
     .wanted = DOCTOR_CALL_OTHER_KIND,
     .said = "the trace id"},
    {.name = "a chat's trace id that another trace names",
     .is_chat = true,
     .keys = {KEY(TRACE, "00000000000000000000000000000001")},
     .nears = {{.of = 0, .key = KEY(EXTERNAL, "00000000000000000000000000000001")}},
     .wanted = DOCTOR_NO_TRACE},
    {.name = "a name that is alike",
     .keys = {KEY(EXTERNAL, "order")},
     .carriers = {{.of = 0, .clue = CLUE(NAME, EXTERNAL, "external_id", "order")}},
     .wanted = DOCTOR_CALL_NAME,
     .said = "A trace carries it as external_id"},
    {.name = "another attribute",
     .keys = {KEY(EXTERNAL, "order")},
     .carriers = {{.of = 0, .clue = CLUE(OTHER, EXTERNAL, "session.id", "order")}},
     .wanted = DOCTOR_CALL_ATTRIBUTE},
    {.name = "another place",
     .keys = {KEY(VAPI, "x")},
     .carriers = {{.of = 0, .clue = CLUE(PLACE, VAPI, "vapi.call.id", "x")}},
     .wanted = DOCTOR_CALL_PLACE,
     .said = "Put vapi.call.id on the resource."},
    {.name = "the room's name", .keys = {KEY(LIVEKIT, "support")}, .wanted = DOCTOR_CALL_ROOM_NAME},
    {.name = "the room's name, which a trace carries",
     .keys = {KEY(LIVEKIT, "support")},
     .carriers = {{.of = 0, .clue = CLUE(ROOM_NAME, LIVEKIT, "lk.room_name", "support")}},
     .wanted = DOCTOR_CALL_ROOM_NAME},
    {.name = "a near miss of nothing is nothing",
     .keys = {KEY(EXTERNAL, "order")},
     .nears = {{.of = 3, .key = KEY(EXTERNAL, "order")}},
     .carriers = {{.of = 3, .clue = CLUE(OTHER, EXTERNAL, "session.id", "order")}},
     .wanted = DOCTOR_NO_TRACE},
};

static size_t nears_count(const struct doctor_near *nears)
{
    size_t count = 0;
    while (count < FEW && nears[count].key.kind != 0) {
        count++;
    }
    return count;
}

static size_t keys_count(const struct match_key *keys)
{
    size_t count = 0;
    while (count < FEW && keys[count].kind != 0) {
        count++;
    }
    return count;
}

/* The reason is the wanted one, and its words hold what was asked and no name of a part. */
static void check(const char *name, const struct doctor_finding *finding, enum doctor_reason wanted,
                  const char *said)
{
    struct arena arena;
    arena_init(&arena, 1 << 16);
    const char *sentence = doctor_sentence(finding, &arena);
    const char *change = doctor_change(finding, &arena);
    assert_non_null(sentence);
    assert_non_null(change);
    if (finding->reason != wanted ||
        (said != NULL && strstr(sentence, said) == NULL && strstr(change, said) == NULL)) {
        print_error("%s: %s: %s / %s\n", name, doctor_code(finding->reason), sentence, change);
    }
    assert_int_equal(finding->reason, wanted);
    assert_true(said == NULL || strstr(sentence, said) != NULL || strstr(change, said) != NULL);
    assert_null(strpbrk(sentence, "{}"));
    assert_null(strpbrk(change, "{}"));
    assert_null(strstr(sentence, "  "));
    assert_null(strstr(sentence, "\"\""));
    assert_int_equal(sentence[strlen(sentence) - 1], '.');
    arena_fini(&arena);
}

static void every_trace_has_its_reason(void **state)
{
    (void)state;
    bool is_covered[DOCTOR_REASON_COUNT] = {false};
    for (size_t i = 0; i < sizeof traces / sizeof traces[0]; i++) {
        const struct trace_case *it = &traces[i];
        size_t clues = 0;
        while (clues < FEW && it->clues[clues].what != 0) {
            clues++;
        }
        const struct doctor_trace facts = {
            .is_skipped = it->is_skipped,
            .skips_rooms = it->skips_rooms,
            .has_root = it->has_root,
            .is_open = it->is_open,
            .has_keys_dropped = it->has_keys_dropped,
            .is_full = it->is_full,
            .keys = it->keys,
            .keys_count = keys_count(it->keys),
            .clues = it->clues,
            .clues_count = clues,
            .nears = it->nears,
            .nears_count = nears_count(it->nears),
        };
        struct doctor_finding finding;
        doctor_trace(&facts, &finding);
        check(it->name, &finding, it->wanted, it->said);
        assert_int_equal(doctor_side_of(finding.reason), DOCTOR_SIDE_TRACE);
        is_covered[finding.reason] = true;
    }
    for (unsigned reason = 1; reason < DOCTOR_REASON_COUNT; reason++) {
        if (doctor_side_of((enum doctor_reason)reason) == DOCTOR_SIDE_TRACE) {
            assert_true(is_covered[reason]);
        }
    }
}

static void every_call_has_its_reason(void **state)
{
    (void)state;
    bool is_covered[DOCTOR_REASON_COUNT] = {false};
    for (size_t i = 0; i < sizeof calls / sizeof calls[0]; i++) {
        const struct call_case *it = &calls[i];
        size_t carriers = 0;
        while (carriers < FEW && it->carriers[carriers].clue.what != 0) {
            carriers++;
        }
        const struct doctor_call facts = {
            .is_chat = it->is_chat,
            .keys = it->keys,
            .keys_count = keys_count(it->keys),
            .nears = it->nears,
            .nears_count = nears_count(it->nears),
            .carriers = it->carriers,
            .carriers_count = carriers,
        };
        struct doctor_finding finding;
        doctor_call(&facts, &finding);
        check(it->name, &finding, it->wanted, it->said);
        assert_int_equal(doctor_side_of(finding.reason), DOCTOR_SIDE_CALL);
        is_covered[finding.reason] = true;
    }
    for (unsigned reason = 1; reason < DOCTOR_REASON_COUNT; reason++) {
        if (doctor_side_of((enum doctor_reason)reason) == DOCTOR_SIDE_CALL) {
            assert_true(is_covered[reason]);
        }
    }
}

static void where_a_key_stood_is_told(void **state)
{
    (void)state;
    const struct match_key key = KEY(LIVEKIT, "RM_a");
    const struct clue clues[] = {CLUE(KEY, LIVEKIT, "lk.room_sid", "RM_b"),
                                 CLUE(KEY, LIVEKIT, "room_id", "RM_a")};
    const struct doctor_trace facts = {
        .keys = &key, .keys_count = 1, .clues = clues, .clues_count = 2};
    struct doctor_finding finding;
    doctor_trace(&facts, &finding);
    assert_true(bytes_equal_text(finding.attribute, "room_id"));
    assert_int_equal(finding.place, CLUE_PLACE_SPAN);
}

static void alike_findings_are_counted(void **state)
{
    (void)state;
    const struct match_key key = KEY(EXTERNAL, "order");
    const struct doctor_near nears[] = {{.of = 0, .key = KEY(EXTERNAL, "ORDER")},
                                        {.of = 0, .key = KEY(EXTERNAL, "Order")},
                                        {.of = 0, .key = KEY(LIVEKIT, "order")}};
    const struct doctor_trace facts = {
        .keys = &key, .keys_count = 1, .nears = nears, .nears_count = 3};
    struct doctor_finding finding;
    doctor_trace(&facts, &finding);
    assert_int_equal(finding.reason, DOCTOR_SPELLING);
    assert_true(bytes_equal_text(finding.held.value, "ORDER"));
    assert_int_equal(finding.alike, 1);
}

static void values_are_shown_harmless(void **state)
{
    (void)state;
    struct arena arena;
    arena_init(&arena, 1 << 16);
    const struct {
        struct bytes value;
        const char *wanted;
    } cases[] = {
        {B("plain"), "\"plain\""},
        {B(""), "\"\""},
        {B(" a "), "\" a \""},
        {B("a\"b\\"), "\"a\\\"b\\\\\""},
        {B("\x1b[31m\n\0"), "\"\\u001b[31m\\u000a\\u0000\""},
        {B("\xc2\x85\xe2\x80\xae\xef\xbb\xbf\xe2\x80\x8b"), "\"\\u0085\\u202e\\ufeff\\u200b\""},
        {B("\xff\xc3"), "\"\\xff\\xc3\""},
        {B("caf\xc3\xa9 \xf0\x9f\x98\x80"), "\"caf\xc3\xa9 \xf0\x9f\x98\x80\""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_string_equal(doctor_shown(cases[i].value, &arena), cases[i].wanted);
    }
    char many[DOCTOR_SHOWN_CHARS + 2];
    memset(many, 'x', sizeof many);
    const char *whole = doctor_plain(bytes_of(many, DOCTOR_SHOWN_CHARS), &arena);
    assert_int_equal(strlen(whole), DOCTOR_SHOWN_CHARS);
    const char *cut = doctor_plain(bytes_of(many, DOCTOR_SHOWN_CHARS + 1), &arena);
    assert_int_equal(strlen(cut), DOCTOR_SHOWN_CHARS + 3);
    assert_string_equal(cut + DOCTOR_SHOWN_CHARS, "...");
    /* The longest that is possible: every octet escaped. */
    memset(many, 0xff, sizeof many);
    assert_non_null(doctor_shown(bytes_of(many, sizeof many), &arena));
    arena_fini(&arena);
}

static void codes_stand_once_and_in_order(void **state)
{
    (void)state;
    const char *codes[DOCTOR_REASON_COUNT];
    size_t count = 0;
    doctor_codes(codes);
    for (; codes[count] != NULL; count++) {
        for (size_t k = 0; k < count; k++) {
            assert_string_not_equal(codes[k], codes[count]);
        }
    }
    assert_true(count > 15);
    assert_string_equal(codes[0], "skipped");
}

static void kinds_have_names(void **state)
{
    (void)state;
    for (unsigned kind = 1; kind < MATCH_KIND_COUNT; kind++) {
        assert_true(strlen(doctor_field((enum match_kind)kind)) > 0);
        assert_true(strlen(doctor_attribute((enum match_kind)kind)) > 0);
    }
    assert_string_equal(doctor_field((enum match_kind)0), "");
    assert_string_equal(doctor_field((enum match_kind)99), "");
    assert_string_equal(doctor_attribute((enum match_kind)99), "");
}

static void a_full_arena_says_nothing(void **state)
{
    (void)state;
    struct arena arena;
    arena_init(&arena, 16);
    const struct doctor_finding finding = {.reason = DOCTOR_NO_CALL,
                                           .carried = KEY(EXTERNAL, "order"),
                                           .attribute = B("roark.external_id")};
    assert_null(doctor_sentence(&finding, &arena));
    assert_null(doctor_change(&finding, &arena));
    arena_fini(&arena);
}

static void say(void *context)
{
    struct arena arena;
    arena_init(&arena, 1 << 16);
    (void)doctor_sentence(context, &arena);
    arena_fini(&arena);
}

static void every_allocation_may_fail(void **state)
{
    (void)state;
    struct doctor_finding finding = {.reason = DOCTOR_SPELLING,
                                     .carried = KEY(EXTERNAL, "order"),
                                     .held = KEY(EXTERNAL, "Order"),
                                     .attribute = B("roark.external_id")};
    assert_true(expect_survives_oom(say, &finding) > 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_trace_has_its_reason),
        cmocka_unit_test(every_call_has_its_reason),
        cmocka_unit_test(where_a_key_stood_is_told),
        cmocka_unit_test(alike_findings_are_counted),
        cmocka_unit_test(values_are_shown_harmless),
        cmocka_unit_test(codes_stand_once_and_in_order),
        cmocka_unit_test(kinds_have_names),
        cmocka_unit_test(a_full_arena_says_nothing),
        cmocka_unit_test(every_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
