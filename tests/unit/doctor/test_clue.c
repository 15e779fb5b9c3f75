#include "tests/unit/expect.h"

#include <stdio.h>
#include <stdlib.h>

#include "api/doctor/clue.h"
#include "proto/base/limits.h"
#include "tests/unit/otlp/make.h"

enum {
    RESOURCE = 1,
    SCOPE_SPANS = 2,
    SCOPE = 1,
    SPANS = 2,
    ATTRIBUTES_OF_SPAN = 9,
    EVENTS = 11,
    LINKS = 13
};

struct fixture {
    struct made made;
    struct view view;
    struct clues clues;
};

static int setup(void **state)
{
    *state = made_new(sizeof(struct fixture), 16 << 20);
    return 0;
}

static int teardown(void **state)
{
    made_free(*state);
    return 0;
}

static void look(struct fixture *f)
{
    struct bytes raw = make_bytes(&f->made.make);
    EXPECT_OK(view_open(&raw, 1, &f->made.arena, &f->view));
    EXPECT_OK(clues_find(&f->view, &f->made.arena, &f->clues));
}

/* One ResourceSpans with a scope; the span that is opened last has `parent` when it is not 0. */
static void begin(struct fixture *f, const char *scope)
{
    make_frame(&f->made.make, "", scope);
}

static void span(struct fixture *f, uint8_t id, bool is_root)
{
    make_span(&f->made.make, 1, id, "work");
    if (!is_root) {
        make_text(&f->made.make, 4, "parent##");
    }
}

static void end(struct fixture *f)
{
    make_close(&f->made.make);
    make_close(&f->made.make);
}

/* One attribute of a root span. */
static void one_text(struct fixture *f, const char *key, const char *value)
{
    make_reset(&f->made.make);
    begin(f, "tests");
    span(f, 1, true);
    make_attribute(&f->made.make, ATTRIBUTES_OF_SPAN, key, value);
    make_close(&f->made.make);
    end(f);
    look(f);
}

static const struct clue *clue_of(const struct fixture *f, const char *attribute)
{
    for (size_t i = 0; i < f->clues.count; i++) {
        if (bytes_equal_text(f->clues.all[i].attribute, attribute)) {
            return &f->clues.all[i];
        }
    }
    return NULL;
}

static void names_that_are_and_are_not_alike(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        enum match_kind kind; /* 0: not alike */
    } cases[] = {
        {"roark.external_id", MATCH_KIND_EXTERNAL},
        {"roark.externalId", MATCH_KIND_EXTERNAL},
        {"roarkExternalId", MATCH_KIND_EXTERNAL},
        {"roark_external_id", MATCH_KIND_EXTERNAL},
        {"ROARK.EXTERNAL_ID", MATCH_KIND_EXTERNAL},
        {"roark.external.id", MATCH_KIND_EXTERNAL},
        {"external-id", MATCH_KIND_EXTERNAL},
        {"externalId", MATCH_KIND_EXTERNAL},
        {"ai.telemetry.metadata.roark.external_id", MATCH_KIND_EXTERNAL},
        {"a/b:external id", MATCH_KIND_EXTERNAL},
        {"livekit.room.id", MATCH_KIND_LIVEKIT},
        {"livekitRoomId", MATCH_KIND_LIVEKIT},
        {"livekit.room_sid", MATCH_KIND_LIVEKIT},
        {"room.sid", MATCH_KIND_LIVEKIT},
        {"lk.room_sid", MATCH_KIND_LIVEKIT},
        {"vapi.callId", MATCH_KIND_VAPI},
        {"vapi_call_id", MATCH_KIND_VAPI},
        {"pipecatCallId", MATCH_KIND_PIPECAT},
        {"conversation.id", MATCH_KIND_PIPECAT},
        {"", (enum match_kind)0},
        {"id", (enum match_kind)0},
        {".", (enum match_kind)0},
        {"nonexternalid", (enum match_kind)0},
        {"external_identity", (enum match_kind)0},
        {"external_id.kind", (enum match_kind)0},
        {"classroom_id", (enum match_kind)0},
        {"roark.external_i", (enum match_kind)0},
        {"\xff\xff", (enum match_kind)0},
        {"callId", (enum match_kind)0},
        {"session.id", (enum match_kind)0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        enum match_kind kind = (enum match_kind)0;
        bool is_like = clue_name_is_like_a_key(bytes_of_text(cases[i].name), &kind);
        if (is_like != (cases[i].kind != 0) || kind != cases[i].kind) {
            print_error("%s: kind %d\n", cases[i].name, (int)kind);
        }
        assert_true(is_like == (cases[i].kind != 0));
        assert_int_equal(kind, cases[i].kind);
        assert_true(clue_name_is_like_a_key(bytes_of_text(cases[i].name), NULL) == is_like);
    }
}

static void a_long_name_is_judged_by_its_end(void **state)
{
    (void)state;
    char name[600];
    memset(name, 'x', sizeof name);
    static const char tail[] = ".roark.external_id";
    memcpy(name + sizeof name - sizeof tail + 1, tail, sizeof tail - 1);
    assert_true(clue_name_is_like_a_key(bytes_of(name, sizeof name), NULL));
    assert_false(clue_name_is_like_a_key(bytes_of(name, sizeof name - 1), NULL));
}

static void what_one_attribute_is(void **state)
{
    struct fixture *f = *state;
    char long_value[LIMIT_KEY_CHARS + 2];
    memset(long_value, 'x', sizeof long_value);
    long_value[LIMIT_KEY_CHARS] = '\0';
    char longer_value[LIMIT_KEY_CHARS + 2];
    memset(longer_value, 'x', sizeof longer_value);
    longer_value[LIMIT_KEY_CHARS + 1] = '\0';
    const struct {
        const char *key;
        const char *value;
        int what; /* 0: no clue */
    } cases[] = {
        {"roark.external_id", "a", CLUE_KEY},
        {"roark.external_id", long_value, CLUE_KEY},
        {"roark.external_id", longer_value, CLUE_LONG},
        {"roark.external_id", "", CLUE_EMPTY},
        {"roark.external_id", "\xff", CLUE_TYPE},
        {"livekit.room.id", "a room", CLUE_KEY},
        {"livekit.room.id", "", CLUE_EMPTY},
        {"vapi.call.id", "x", CLUE_PLACE},
        {"room_id", "RM_x", CLUE_KEY},
        {"room_id", "a room", CLUE_ROOM_NAME},
        {"room_id", "", 0},
        {"room_id", longer_value, 0},
        {"gen_ai.conversation.id", "RM_x", CLUE_KEY},
        {"conversation.id", "abc", CLUE_OTHER},
        {"conversation.id", "", 0},
        {"roark.externalId", "a", CLUE_NAME},
        {"roark.externalId", "", 0},
        {"roark.externalId", longer_value, 0},
        {"roark.externalId", "\xff", 0},
        {"livekit.room.sid", "RM_x", CLUE_NAME},
        {"livekit.room.sid", "a room", CLUE_ROOM_NAME},
        {"lk.pii.room_name", "a room", CLUE_ROOM_NAME},
        {"session.id", "abc", CLUE_OTHER},
        {"session.id", "ab", 0},
        {"session.id", longer_value, 0},
        {"session.id", "\xff\xff\xff", 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        one_text(f, cases[i].key, cases[i].value);
        const struct clue *clue = clue_of(f, cases[i].key);
        if ((clue == NULL ? 0 : (int)clue->what) != cases[i].what) {
            print_error("%s = %.20s\n", cases[i].key, cases[i].value);
        }
        assert_int_equal(clue == NULL ? 0 : (int)clue->what, cases[i].what);
        assert_true(clue == NULL || clue->value.len <= LIMIT_KEY_BYTES);
    }
}

static void values_of_other_types(void **state)
{
    struct fixture *f = *state;
    begin(f, "tests");
    span(f, 1, true);
    make_attribute_bool(&f->made.make, ATTRIBUTES_OF_SPAN, "roark.external_id", true);
    make_attribute_int(&f->made.make, ATTRIBUTES_OF_SPAN, "livekit.room.id", 5);
    make_attribute_int(&f->made.make, ATTRIBUTES_OF_SPAN, "order", 12345);
    make_attribute_deep(&f->made.make, ATTRIBUTES_OF_SPAN, "vapi.call.id", 2);
    make_close(&f->made.make);
    span(f, 2, false);
    make_attribute_int(&f->made.make, ATTRIBUTES_OF_SPAN, "tokens", 12345);
    make_close(&f->made.make);
    end(f);
    look(f);
    assert_int_equal(clue_of(f, "roark.external_id")->what, CLUE_TYPE);
    assert_string_equal(clue_of(f, "roark.external_id")->type, "a boolean");
    assert_int_equal(clue_of(f, "livekit.room.id")->what, CLUE_KEY);
    assert_true(bytes_equal_text(clue_of(f, "livekit.room.id")->value, "5"));
    assert_int_equal(clue_of(f, "order")->what, CLUE_OTHER);
    assert_string_equal(clue_of(f, "vapi.call.id")->type, "a list");
    assert_null(clue_of(f, "tokens")); /* numbers of inner spans are counts */
}

static void places(void **state)
{
    struct fixture *f = *state;
    make_open(&f->made.make, 1);
    make_open(&f->made.make, RESOURCE);
    make_attribute(&f->made.make, 1, "vapi.call.id", "on-resource");
    make_close(&f->made.make);
    make_open(&f->made.make, SCOPE_SPANS);
    make_open(&f->made.make, SCOPE);
    make_text(&f->made.make, 1, "pipecat.turn");
    make_attribute(&f->made.make, 3, "roark.external_id", "on-scope");
    make_attribute(&f->made.make, 3, "something", "else");
    make_close(&f->made.make);
    span(f, 1, true);
    make_attribute(&f->made.make, ATTRIBUTES_OF_SPAN, "conversation.id", "on-span");
    make_open(&f->made.make, EVENTS);
    make_attribute(&f->made.make, 3, "livekit.room.id", "RM_event");
    make_attribute(&f->made.make, 3, "message", "text of an event");
    make_close(&f->made.make);
    make_open(&f->made.make, LINKS);
    make_attribute(&f->made.make, 4, "external_id", "on-link");
    make_close(&f->made.make);
    make_close(&f->made.make);
    end(f);
    look(f);
    static const struct {
        const char *attribute;
        enum clue_what what;
        enum clue_place place;
    } wanted[] = {
        {"vapi.call.id", CLUE_KEY, CLUE_PLACE_RESOURCE},
        {"roark.external_id", CLUE_PLACE, CLUE_PLACE_SCOPE},
        {"conversation.id", CLUE_KEY, CLUE_PLACE_SPAN},
        {"livekit.room.id", CLUE_PLACE, CLUE_PLACE_EVENT},
        {"external_id", CLUE_NAME, CLUE_PLACE_LINK},
    };
    assert_int_equal(f->clues.count, sizeof wanted / sizeof wanted[0]);
    for (size_t i = 0; i < sizeof wanted / sizeof wanted[0]; i++) {
        const struct clue *clue = clue_of(f, wanted[i].attribute);
        assert_non_null(clue);
        assert_int_equal(clue->what, wanted[i].what);
        assert_int_equal(clue->place, wanted[i].place);
        assert_true(strlen(clue_place_text(clue->place)) > 0);
        assert_true(strlen(clue_place_name(clue->place)) > 0);
    }
}

static void members_of_a_map(void **state)
{
    struct fixture *f = *state;
    begin(f, "tests");
    span(f, 1, true);
    make_open(&f->made.make, ATTRIBUTES_OF_SPAN); /* roark: {external_id: "x", other: "y"} */
    make_text(&f->made.make, 1, "roark");
    make_open(&f->made.make, 2);
    make_open(&f->made.make, 6);
    make_attribute(&f->made.make, 1, "external_id", "x");
    make_attribute(&f->made.make, 1, "other", "yyy");
    make_close(&f->made.make);
    make_close(&f->made.make);
    make_close(&f->made.make);
    make_close(&f->made.make);
    end(f);
    look(f);
    assert_int_equal(f->clues.count, 1);
    assert_int_equal(f->clues.all[0].what, CLUE_PLACE);
    assert_int_equal(f->clues.all[0].place, CLUE_PLACE_MAP);
    assert_true(bytes_equal_text(f->clues.all[0].attribute, "roark.external_id"));
}

static void roots_are_read_first_and_the_rest_is_bounded(void **state)
{
    struct fixture *f = *state;
    char key[32];
    begin(f, "tests");
    span(f, 1, false);
    for (int i = 0; i < 200; i++) {
        (void)snprintf(key, sizeof key, "child.%d", i);
        make_attribute(&f->made.make, ATTRIBUTES_OF_SPAN, key, "value");
    }
    for (int i = 0; i < 200; i++) {
        (void)snprintf(key, sizeof key, "c%d.external_id", i);
        make_attribute(&f->made.make, ATTRIBUTES_OF_SPAN, key, "value");
    }
    make_close(&f->made.make);
    span(f, 2, true);
    make_attribute(&f->made.make, ATTRIBUTES_OF_SPAN, "root", "value");
    make_close(&f->made.make);
    end(f);
    look(f);
    assert_int_equal(f->clues.count, CLUES_MAX);
    assert_non_null(clue_of(f, "root"));
    assert_non_null(clue_of(f, "child.62"));
    assert_null(clue_of(f, "child.63"));
    assert_non_null(clue_of(f, "c31.external_id")); /* others never crowd these out */
    assert_null(clue_of(f, "c32.external_id"));
}

static void one_attribute_gives_few_values_and_each_once(void **state)
{
    struct fixture *f = *state;
    char value[32];
    begin(f, "tests");
    for (uint8_t i = 1; i <= 20; i++) {
        span(f, i, i == 1);
        (void)snprintf(value, sizeof value, "value %d", i / 2);
        make_attribute(&f->made.make, ATTRIBUTES_OF_SPAN, "user.text", value);
        make_close(&f->made.make);
    }
    end(f);
    look(f);
    assert_int_equal(f->clues.count, CLUES_OTHER_VALUES_MAX);
}

static void nothing_gives_nothing(void **state)
{
    struct fixture *f = *state;
    EXPECT_OK(view_open(NULL, 0, &f->made.arena, &f->view));
    EXPECT_OK(clues_find(&f->view, &f->made.arena, &f->clues));
    assert_int_equal(f->clues.count, 0);
}

static void a_full_arena_is_an_error(void **state)
{
    struct fixture *f = *state;
    struct arena small;
    begin(f, "tests");
    span(f, 1, true);
    make_attribute_int(&f->made.make, ATTRIBUTES_OF_SPAN, "order", 12345);
    make_close(&f->made.make);
    end(f);
    look(f);
    arena_init(&small, 1);
    EXPECT_ERR(clues_find(&f->view, &small, &f->clues), NO_SPACE);
    arena_fini(&small);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_that_are_and_are_not_alike),
        cmocka_unit_test(a_long_name_is_judged_by_its_end),
        cmocka_unit_test_setup_teardown(what_one_attribute_is, setup, teardown),
        cmocka_unit_test_setup_teardown(values_of_other_types, setup, teardown),
        cmocka_unit_test_setup_teardown(places, setup, teardown),
        cmocka_unit_test_setup_teardown(members_of_a_map, setup, teardown),
        cmocka_unit_test_setup_teardown(roots_are_read_first_and_the_rest_is_bounded, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(one_attribute_gives_few_values_and_each_once, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(nothing_gives_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(a_full_arena_is_an_error, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
