/* The time axis with what is read off it: rows, signs of clocks that run apart, places of keys. */
#include "tests/unit/expect.h"

#include <stdio.h>

#include "api/rest/axis.h"
#include "api/rest/clocks.h"
#include "api/rest/places.h"
#include "proto/otlp/json.h"

#include "proto/base/banned.h"

enum { ARENA_BYTES = 8 << 20, JSON_BYTES = 64 << 10, S = 1000 };

struct row {
    unsigned id;
    unsigned parent; /* 0: none */
    const char *name;
    int64_t start_ms;
    int64_t end_ms; /* 0: open */
    const char *service;
    const char *attributes; /* OTLP/JSON inside the list */
};

static void row_write(struct buf *json, const struct row *row, bool is_first)
{
    buf_printf(
        json,
        "%s{\"resource\":{\"attributes\":[{\"key\":\"service.name\",\"value\":{\"stringValue\":"
        "\"%s\"}}]},\"scopeSpans\":[{\"spans\":[{\"traceId\":\"%032x\",\"spanId\":\"%016x\",",
        is_first ? "" : ",", row->service == NULL ? "one" : row->service, 7, row->id);
    if (row->parent != 0) {
        buf_printf(json, "\"parentSpanId\":\"%016x\",", row->parent);
    }
    buf_printf(json,
               "\"name\":\"%s\",\"startTimeUnixNano\":\"%lld\",\"endTimeUnixNano\":\"%lld\","
               "\"attributes\":[%s]}]}]}",
               row->name, (long long)(row->start_ms * NS_PER_MS),
               (long long)(row->end_ms * NS_PER_MS),
               row->attributes == NULL ? "" : row->attributes);
}

static void view_make(const struct row *rows, struct arena *arena, struct view *ret_view)
{
    struct buf json;
    struct buf wire;
    struct bytes raw;
    struct detail detail = {.text = ""};
    struct json_rejected rejected = {0};
    buf_init(&json, JSON_BYTES);
    buf_init(&wire, JSON_BYTES);
    buf_add_text(&json, "{\"resourceSpans\":[");
    for (size_t i = 0; rows[i].id != 0; i++) {
        row_write(&json, &rows[i], i == 0);
    }
    buf_add_text(&json, "]}");
    EXPECT_OK(json_to_protobuf(buf_bytes(&json), &wire, &detail, &rejected));
    EXPECT_OK(arena_copy(arena, buf_bytes(&wire), &raw));
    EXPECT_OK(view_open(&raw, 1, arena, ret_view));
    buf_fini(&json);
    buf_fini(&wire);
}

/* "name@parent's place flags role" of each row. */
static void rows_tell(const struct axis *axis, struct buf *out)
{
    for (size_t i = 0; i < axis->rows_count; i++) {
        const struct axis_row *row = &axis->rows[i];
        struct bytes name =
            row->span == AXIS_NONE ? bytes_of_text("?") : axis->spans[row->span].name;
        buf_printf(out, "%.*s@%d%s%s%s%s%s%s%s %s %lld+%lld\n", (int)name.len,
                   (const char *)name.ptr, row->parent == AXIS_NONE ? -1 : (int)row->parent,
                   (row->flags & AXIS_OPEN) != 0 ? " open" : "",
                   (row->flags & AXIS_ERROR) != 0 ? " error" : "",
                   (row->flags & AXIS_ORPHAN) != 0 ? " orphan" : "",
                   (row->flags & AXIS_INTERRUPTED) != 0 ? " interrupted" : "",
                   (row->flags & AXIS_PROVISIONAL) != 0 ? " provisional" : "",
                   (row->flags & AXIS_CUT) != 0 ? " cut" : "",
                   (row->flags & AXIS_INNER) != 0 ? " inner" : "", axis_role_name(row->role),
                   (long long)(row->start.ns / NS_PER_MS),
                   (long long)((row->end.ns - row->start.ns) / NS_PER_MS));
    }
    buf_add_u8(out, '\0');
}

static void expect_rows(const struct row *rows, const char *wanted)
{
    struct arena arena;
    struct view view;
    struct axis axis;
    struct buf out;
    arena_init(&arena, ARENA_BYTES);
    buf_init(&out, JSON_BYTES);
    view_make(rows, &arena, &view);
    EXPECT_OK(axis_make(&view, 1, &(struct turns_options){0}, &arena, &axis));
    rows_tell(&axis, &out);
    assert_string_equal((const char *)buf_bytes(&out).ptr, wanted);
    buf_fini(&out);
    arena_fini(&arena);
}

static void rows_stand_as_a_tree(void **state)
{
    (void)state;
    expect_rows((struct row[]){{3, 1, "later", 20, 30, NULL, NULL},
                               {1, 0, "root", 0, 90, NULL, NULL},
                               {4, 1, "short", 10, 12, NULL, NULL},
                               {2, 1, "long", 10, 40, NULL, NULL},
                               {5, 2, "deep", 11, 95, NULL, NULL},
                               {0}},
                "root@-1 other 0+90\nlong@0 other 10+30\ndeep@1 other 11+84\nshort@0 other 10+2\n"
                "later@0 other 20+10\n");
}

static void a_parent_that_never_came_has_a_row_in_its_place(void **state)
{
    (void)state;
    expect_rows((struct row[]){{1, 0, "root", 50, 60, NULL, NULL},
                               {2, 9, "a", 10, 30, NULL, NULL},
                               {3, 9, "b", 5, 20, NULL, NULL},
                               {4, 8, "c", 70, 71, NULL, NULL},
                               {0}},
                "?@-1 provisional other 5+25\nb@0 orphan other 5+15\na@0 orphan other 10+20\n"
                "root@-1 other 50+10\n?@-1 provisional other 70+1\nc@4 orphan other 70+1\n");
}

#define TEXT_VALUE(key, value) "{\"key\":\"" key "\",\"value\":{\"stringValue\":\"" value "\"}}"
#define TRUE_VALUE(key)        "{\"key\":\"" key "\",\"value\":{\"boolValue\":true}}"

static void roles_and_flags(void **state)
{
    (void)state;
    expect_rows(
        (struct row[]){
            {1, 0, "agent_turn", 0, 90, NULL, TRUE_VALUE("lk.interrupted")},
            {2, 1, "llm_node", 1, 20, NULL, NULL},
            {3, 2, "llm_request", 2, 19, NULL, NULL},
            {4, 1, "function_tool", 20, 30, NULL, TRUE_VALUE("lk.function_tool.is_error")},
            {5, 1, "agent_speaking", 31, 0, NULL, NULL},
            {6, 1, "user_speaking", 32, 33, NULL, NULL},
            {7, 1, "eou_detection", 34, 35, NULL, NULL},
            {0}},
        "agent_turn@-1 interrupted other 0+90\nllm_node@0 llm 1+19\nllm_request@1 inner llm 2+17\n"
        "function_tool@0 error tool 20+10\nagent_speaking@0 open speech 31+0\n"
        "user_speaking@0 user 32+1\neou_detection@0 endOfTurn 34+1\n");
}

static void a_circle_is_opened(void **state)
{
    (void)state;
    expect_rows((struct row[]){{1, 2, "a", 10, 20, NULL, NULL}, {2, 1, "b", 5, 8, NULL, NULL}, {0}},
                "?@-1 provisional other 5+3\nb@0 orphan cut other 5+3\na@1 other 10+10\n");
}

static void what_changed_comes_with_all_above_it(void **state)
{
    (void)state;
    struct arena arena;
    struct view view;
    struct axis axis;
    bool is_new[4] = {false};
    bool *rows = NULL;
    arena_init(&arena, ARENA_BYTES);
    view_make((struct row[]){{1, 9, "a", 0, 9, NULL, NULL},
                             {2, 1, "b", 1, 8, NULL, NULL},
                             {3, 1, "c", 2, 3, NULL, NULL},
                             {0}},
              &arena, &view);
    EXPECT_OK(axis_make(&view, 1, &(struct turns_options){0}, &arena, &axis));
    for (size_t i = 0; i < view.spans_count; i++) {
        is_new[i] = bytes_equal_text(view.spans[i].name, "c");
    }
    EXPECT_OK(axis_changed(&axis, is_new, &arena, &rows));
    /* provisional, a, b, c */
    assert_true(rows[0] && rows[1] && !rows[2] && rows[3]);
    arena_fini(&arena);
}

struct clock_case {
    const char *why;
    struct row rows[8];
    struct clocks_call call;
    const char *wanted;
};

static const struct clock_case clock_cases[] = {
    {"nothing is wrong",
     {{1, 0, "root", 0, 90, NULL, NULL}, {2, 1, "far", 10, 20, "two", NULL}},
     {.has_started = true, .started = {0}},
     ""},
    {"a trace before its call",
     {{1, 0, "root", -4 * S, -1 * S, NULL, NULL}},
     {.has_started = true, .started = {0}},
     "trace -4000\n"},
    {"a trace after its call",
     {{1, 0, "root", 13 * S, 15 * S, NULL, NULL}},
     {.has_started = true, .has_ended = true, .started = {0}, .ended = {10 * NS_PER_S}},
     "trace 13000\n"},
    {"it would not fit into the call",
     {{1, 0, "root", 13 * S, 95 * S, NULL, NULL}},
     {.has_started = true, .has_ended = true, .started = {0}, .ended = {10 * NS_PER_S}},
     ""},
    {"another day is no clock",
     {{1, 0, "root", -200000LL * S, -199000LL * S, NULL, NULL}},
     {.has_started = true, .started = {0}},
     ""},
    {"a trace that only begins early",
     {{1, 0, "root", -4 * S, 1 * S, NULL, NULL}},
     {.has_started = true, .started = {0}},
     ""},
    {"a service behind by one amount",
     {{1, 0, "root", 0, 900, NULL, NULL},
      {2, 1, "far", -3200, -3000, "two", NULL},
      {3, 1, "far", -3100, -3000, "two", NULL},
      {4, 2, "far inside", -3150, -3100, "two", NULL}},
     {0},
     "service two -3200\n"},
    {"a service ahead",
     {{1, 0, "root", 0, 900, NULL, NULL}, {2, 1, "far", 5000, 5100, "two", NULL}},
     {0},
     "service two 4100\n"},
    {"one of its spans fits",
     {{1, 0, "root", 0, 900, NULL, NULL},
      {2, 1, "far", -3200, -3000, "two", NULL},
      {3, 1, "far", 100, 200, "two", NULL}},
     {0},
     ""},
    {"amounts that differ",
     {{1, 0, "root", 0, 900, NULL, NULL},
      {2, 1, "far", -3200, -3000, "two", NULL},
      {3, 1, "far", -900, -800, "two", NULL}},
     {0},
     ""},
    {"both signs",
     {{1, 0, "root", 0, 900, NULL, NULL},
      {2, 1, "far", -1000, -900, "two", NULL},
      {3, 1, "far", 1900, 1950, "two", NULL}},
     {0},
     ""},
    {"less than clocks of a cluster differ",
     {{1, 0, "root", 0, 900, NULL, NULL}, {2, 1, "far", -40, 10, "two", NULL}},
     {0},
     ""},
    {"a parent that is open has no end to lie behind",
     {{1, 0, "root", 1, 0, NULL, NULL}, {2, 1, "far", 5000, 5100, "two", NULL}},
     {0},
     ""},
};

static void clocks_that_run_apart(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof clock_cases / sizeof clock_cases[0]; i++) {
        const struct clock_case *one = &clock_cases[i];
        struct arena arena;
        struct view view;
        struct axis axis;
        struct clocks clocks;
        struct buf out;
        arena_init(&arena, ARENA_BYTES);
        buf_init(&out, JSON_BYTES);
        view_make(one->rows, &arena, &view);
        EXPECT_OK(axis_make(&view, 1, &(struct turns_options){0}, &arena, &axis));
        EXPECT_OK(clocks_read(&axis, &one->call, &arena, &clocks));
        for (size_t n = 0; n < clocks.count; n++) {
            const struct clocks_note *note = &clocks.notes[n];
            buf_printf(&out, "%s%.*s %lld\n", note->about == CLOCKS_TRACE ? "trace" : "service ",
                       (int)note->service.len, (const char *)note->service.ptr,
                       (long long)(note->ahead_ns / NS_PER_MS));
        }
        buf_add_u8(&out, '\0');
        if (strcmp((const char *)buf_bytes(&out).ptr, one->wanted) != 0) {
            print_error("%s\n", one->why);
        }
        assert_string_equal((const char *)buf_bytes(&out).ptr, one->wanted);
        buf_fini(&out);
        arena_fini(&arena);
    }
}

static void places_of_keys(void **state)
{
    (void)state;
    struct arena arena;
    struct view view;
    struct place places[5];
    const struct match_key keys[5] = {
        {MATCH_KIND_EXTERNAL, bytes_of_text("order-1")},
        {MATCH_KIND_LIVEKIT, bytes_of_text("RM_1")},
        {MATCH_KIND_EXTERNAL, bytes_of_text("5521")},
        {MATCH_KIND_VAPI, bytes_of_text("order-1")},
        {MATCH_KIND_TRACE, bytes_of_text("x")},
    };
    arena_init(&arena, ARENA_BYTES);
    view_make((struct row[]){{1, 0, "root", 0, 90, NULL, TEXT_VALUE("roark.external_id", "other")},
                             {2, 1, "here", 1, 9, NULL,
                              TEXT_VALUE("roark.external_id", "order-1") "," TEXT_VALUE("room_id",
                                                                                        "RM_1")},
                             {3, 1, "number", 1, 9, NULL,
                              "{\"key\":\"roark.external_id\",\"value\":{\"intValue\":\"5521\"}}"},
                             {0}},
              &arena, &view);
    places_find(&view, keys, 5, places);
    assert_true(places[0].is_found && !places[0].is_resource);
    assert_string_equal(places[0].attribute, "roark.external_id");
    assert_true(bytes_equal_text(places[0].name, "here"));
    assert_string_equal(places[1].attribute, "room_id");
    assert_true(bytes_equal_text(places[2].name, "number"));
    assert_false(places[3].is_found);
    assert_false(places[4].is_found);
    const struct match_key service = {MATCH_KIND_EXTERNAL, bytes_of_text("one")};
    places_find(&view, &service, 1, places);
    assert_false(places[0].is_found); /* service.name is no key */
    places_find(&view, NULL, 0, NULL);
    arena_fini(&arena);
}

static void memory_may_run_out(void **state)
{
    (void)state;
    struct clock_case one = clock_cases[6];
    for (size_t bytes = 0; bytes < 30000; bytes += 128) {
        struct arena views;
        struct arena arena;
        struct view view;
        struct axis axis;
        arena_init(&views, ARENA_BYTES);
        arena_init(&arena, bytes);
        view_make(one.rows, &views, &view);
        err_t err = axis_make(&view, 1, &(struct turns_options){0}, &arena, &axis);
        assert_true(err_is_ok(err) || err_is(err, ERR_NO_SPACE));
        arena_fini(&arena);
        arena_fini(&views);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_stand_as_a_tree),
        cmocka_unit_test(a_parent_that_never_came_has_a_row_in_its_place),
        cmocka_unit_test(roles_and_flags),
        cmocka_unit_test(a_circle_is_opened),
        cmocka_unit_test(what_changed_comes_with_all_above_it),
        cmocka_unit_test(clocks_that_run_apart),
        cmocka_unit_test(places_of_keys),
        cmocka_unit_test(memory_may_run_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
