/* The call log: broken lines cost themselves alone, records come out by time, everything has a bound. */
#include "tests/unit/expect.h"

#include <stdio.h>

#include "tests/unit/integrations/vapi_fixture.h"

#include "proto/base/banned.h"

static int setup(void **state)
{
    static struct arena arena;
    arena_init(&arena, FIXTURE_ARENA_BYTES);
    *state = &arena;
    return 0;
}

static int teardown(void **state)
{
    arena_fini(*state);
    return 0;
}

static void a_log_is_read(void **state)
{
    struct vapi_log log = fixture_log_read(fixture_log, *state);
    assert_int_equal(log.lines, 24);
    assert_int_equal(log.count, 23); /* the clean-up tells nothing */
    assert_int_equal(log.broken, 0);
    const struct vapi_record *first = &log.records[2];
    assert_int_equal(first->component, VAPI_COMPONENT_VOICE);
    assert_int_equal(first->step, VAPI_STEP_FIRST);
    assert_true(first->has_latency && first->latency_ms == 180);
    assert_true(bytes_equal_text(first->turn, "0")); /* a number */
    assert_true(bytes_equal_text(first->span, "v0"));
    assert_true(log.records[21].is_interruption);
    assert_true(bytes_equal_text(log.records[8].texts[VAPI_TEXT_SAID], "When do you open?"));
}

static void broken_lines_are_counted(void **state)
{
    static const char *const lines[] = {
        "{",
        "[]",
        "7",
        "\"x\"",
        "{}",
        "null",
        "{\"time\":5}",
        "{\"time\":\"soon\",\"attributes\":{\"event\":\"pipeline.turnStarted\"}}",
        "{\"time\":1772000000000,\"time\":1772000000000}",
        "\xff\xfe",
        "{\"time\":1772000000000,\"attributes\":{\"event\":\"a\",}}",
    };
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        struct vapi_log log = fixture_log_read(lines[i], *state);
        if (log.lines != 1 || log.broken != 1 || log.count != 0) {
            fail_msg("%s", lines[i]);
        }
    }
}

static void other_records_are_no_records_of_ours(void **state)
{
    static const char *const lines[] = {
        "{\"time\":1772000000000}",
        "{\"time\":1772000000000,\"attributes\":7}",
        "{\"time\":1772000000000,\"attributes\":{\"event\":\"call.started\"}}",
        "{\"time\":1772000000000,\"attributes\":{\"event\":7,\"category\":\"system\"}}",
        "{\"time\":1772000000000,\"attributes\":{\"event\":\"assistant.transcriber."
        "finalTranscript\","
        "\"channel\":\"assistant\"}}",
    };
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        struct vapi_log log = fixture_log_read(lines[i], *state);
        if (log.lines != 1 || log.broken != 0 || log.count != 0) {
            fail_msg("%s", lines[i]);
        }
    }
    struct vapi_log log = fixture_log_read("\n \t\r\n\n", *state);
    assert_int_equal(log.lines, 0);
}

static void lines_end_in_any_way(void **state)
{
    static const char line[] =
        "{\"time\":1772000000,\"attributes\":{\"event\":\"pipeline.cleared\"}}";
    static const char *const ends[] = {"", "\n", "\r\n", "\n\n"};
    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++) {
        char text[256];
        (void)snprintf(text, sizeof text, "%s%s", line, ends[i]);
        assert_int_equal(fixture_log_read(text, *state).count, 1);
    }
}

static void records_come_by_time_whatever_their_order(void **state)
{
    static const char text[] = "{\"time\":1772000003000,\"attributes\":{\"event\":\"pipeline."
                               "turnStarted\",\"turnId\":\"c\"}}\n"
                               "{\"time\":1772000001000,\"attributes\":{\"event\":\"pipeline."
                               "turnStarted\",\"turnId\":\"a\"}}\n"
                               "{\"time\":1772000001.0,\"attributes\":{\"event\":\"pipeline."
                               "turnStarted\",\"turnId\":\"b\"}}\n"
                               "{\"time\":1772000000999999999,\"attributes\":{\"event\":\"pipeline."
                               "turnStarted\",\"turnId\":\"0\"}}";
    struct vapi_log log = fixture_log_read(text, *state);
    static const char *const turns[] = {"0", "a", "b", "c"};
    assert_int_equal(log.count, 4);
    for (size_t i = 0; i < 4; i++) {
        assert_true(bytes_equal_text(log.records[i].turn, turns[i]));
    }
}

static void what_is_no_turn_is_none(void **state)
{
    static const char *const turns[] = {"null", "\"CLEAN_UP\"", "\"\"", "true", "[]", "1.5"};
    for (size_t i = 0; i < sizeof turns / sizeof turns[0]; i++) {
        char text[256];
        (void)snprintf(text, sizeof text,
                       "{\"time\":1772000000,\"attributes\":{\"event\":\"pipeline.turnStarted\","
                       "\"turnId\":%s}}",
                       turns[i]);
        struct vapi_log log = fixture_log_read(text, *state);
        assert_int_equal(log.count, 1);
        assert_int_equal(log.records[0].turn.len, 0);
    }
}

static void there_is_a_bound(void **state)
{
    struct vapi_log log;
    EXPECT_OK(vapi_log_read(bytes_of_text(fixture_log), 23, *state, &log));
    assert_int_equal(log.count, 23);
    assert_int_equal(log.dropped, 0);
    EXPECT_OK(vapi_log_read(bytes_of_text(fixture_log), 22, *state, &log));
    assert_int_equal(log.count, 22);
    assert_int_equal(log.dropped, 1);
    EXPECT_OK(vapi_log_read(bytes_of_text(fixture_log), 0, *state, &log));
    assert_int_equal(log.count, 0);
}

static void texts_are_cut_on_a_character(void **state)
{
    static char text[VAPI_TEXT_BYTES_MAX + 8];
    memset(text, 'x', sizeof text);
    (void)state;
    assert_int_equal(vapi_text_cut(bytes_of(text, VAPI_TEXT_BYTES_MAX)).len, VAPI_TEXT_BYTES_MAX);
    assert_int_equal(vapi_text_cut(bytes_of(text, sizeof text)).len, VAPI_TEXT_BYTES_MAX);
    memcpy(text + VAPI_TEXT_BYTES_MAX - 2, "\xE2\x82\xAC", 3);
    assert_int_equal(vapi_text_cut(bytes_of(text, sizeof text)).len, VAPI_TEXT_BYTES_MAX - 2);
}

static void records_may_be_json_already(void **state)
{
    json_t *records =
        json_pack("[{s:I,s:{s:s,s:{s:i}}},i,n]", "time", (json_int_t)1772000000, "attributes",
                  "event", "assistant.tool.completed", "result", "a", 1, 7);
    struct vapi_log log;
    EXPECT_OK(vapi_log_of_array(records, 100, *state, &log));
    assert_int_equal(log.lines, 3);
    assert_int_equal(log.broken, 2);
    assert_true(bytes_equal_text(log.records[0].texts[VAPI_TEXT_OUTPUT], "{\"a\":1}"));
    json_decref(records);
}

static void read_all(void *context)
{
    struct arena arena;
    struct vapi_log log;
    (void)context;
    arena_init(&arena, FIXTURE_ARENA_BYTES);
    err_t err = vapi_log_read(bytes_of_text(fixture_log), 100, &arena, &log);
    assert_true(err_is_ok(err) || err_is(err, ERR_NO_SPACE) || err_is(err, ERR_MEMORY));
    arena_fini(&arena);
}

static void memory_may_end_anywhere(void **state)
{
    (void)state;
    assert_true(expect_survives_oom(read_all, NULL) > 20);
}

int main(void)
{
    json_set_alloc_funcs(mem_alloc, mem_free);
#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_log_is_read),
        TEST(broken_lines_are_counted),
        TEST(other_records_are_no_records_of_ours),
        TEST(lines_end_in_any_way),
        TEST(records_come_by_time_whatever_their_order),
        TEST(what_is_no_turn_is_none),
        TEST(there_is_a_bound),
        TEST(texts_are_cut_on_a_character),
        TEST(records_may_be_json_already),
        TEST(memory_may_end_anywhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
