#include "tests/unit/expect.h"

#include "proto/base/limits.h"
#include "proto/bus/message.h"

enum { ARENA_BYTES = 1 << 20 };

#define TEXT(literal)                                   \
    {                                                   \
        (const uint8_t *)(literal), sizeof(literal) - 1 \
    }

static struct match_key some_keys[] = {{MATCH_KIND_EXTERNAL, TEXT("order-1")},
                                       {MATCH_KIND_LIVEKIT, TEXT("RM_\0x")}};
static struct bus_tag some_tags[] = {{TEXT("env"), TEXT("prod")}};
static struct bus_word some_words[] = {{WORD_KIND_SPAN_NAME, {NULL, 0}, TEXT("llm_node")},
                                       {WORD_KIND_VALUE, TEXT("k"), TEXT("v")}};
static uint64_t some_terms[] = {1, 2, UINT64_MAX};
static struct bus_trace some_traces[2];

static struct bus_message span_message(void)
{
    for (size_t i = 0; i < 2; i++) {
        some_traces[i] = (struct bus_trace){
            .id = {{1, 2, (uint8_t)i}},
            .is_skipped = i == 1,
            .keys = some_keys,
            .keys_count = i == 0 ? 2 : 0,
            .keys_dropped = 3,
            .tags = some_tags,
            .tags_count = 1,
            .start = {-5},
            .end = {INT64_MAX},
            .spans_count = 8,
            .errors_count = 1,
            .has_root = i == 0,
            .root = {{{9}}, {1}, {2}, TEXT("root"), TEXT("svc")},
            .service = TEXT("svc"),
            .terms = some_terms,
            .terms_count = 3,
            .words = some_words,
            .words_count = 2,
            .segment_hash = {7},
            .segment = TEXT("zstd bytes"),
            .segment_raw_bytes = 100,
        };
    }
    return (struct bus_message){
        .id = {{1}},
        .what = BUS_WHAT_SPANS,
        .spans = {.project = {{2}}, .traces = some_traces, .traces_count = 2, .received = {42}}};
}

static struct bus_message call_message(void)
{
    return (struct bus_message){.id = {{1}},
                                .what = BUS_WHAT_CALL,
                                .call = {.project = {{2}},
                                         .id = {{3}},
                                         .kind = CONVERSATION_KIND_CHAT,
                                         .source = CONVERSATION_SOURCE_API,
                                         .keys = some_keys,
                                         .keys_count = 2,
                                         .body = TEXT("{\"a\":1}"),
                                         .created = {1000},
                                         .has_ended = true,
                                         .ended = {-1},
                                         .status = CONVERSATION_STATUS_ENDED,
                                         .direction = CONVERSATION_DIRECTION_OUTBOUND,
                                         .title = TEXT("a call"),
                                         .request_hash = {4},
                                         .has_idempotency = true,
                                         .idempotency_hash = {5},
                                         .is_retry = true}};
}

static struct bus_part some_parts[] = {{.number = CALL_PART_LIVEKIT_FINISHED,
                                        .at = {-7},
                                        .has_ended = true,
                                        .ended = {9},
                                        .status = CONVERSATION_STATUS_ENDED,
                                        .title = TEXT("room"),
                                        .body = TEXT("{\"a\":1}")},
                                       {.number = CALL_PART_LIVEKIT_ANSWERED,
                                        .at = {INT64_MAX},
                                        .has_started = true,
                                        .started = {3},
                                        .status = CONVERSATION_STATUS_IN_PROGRESS,
                                        .direction = CONVERSATION_DIRECTION_INBOUND}};

static struct bus_message event_message(void)
{
    return (struct bus_message){.id = {{1}},
                                .what = BUS_WHAT_EVENT,
                                .event = {.project = {{2}},
                                          .id = {{3}},
                                          .source = CONVERSATION_SOURCE_LIVEKIT,
                                          .keys = some_keys,
                                          .keys_count = 2,
                                          .parts = some_parts,
                                          .parts_count = 2,
                                          .received = {42},
                                          .is_skipped = true}};
}

struct fixture {
    struct arena arena;
    struct buf wire;
    struct detail detail;
};

static void fixture_init(struct fixture *fixture)
{
    arena_init(&fixture->arena, ARENA_BYTES);
    buf_init(&fixture->wire, LIMIT_BUS_BYTES);
    fixture->detail = (struct detail){.text = ""};
}

static void fixture_fini(struct fixture *fixture)
{
    buf_fini(&fixture->wire);
    arena_fini(&fixture->arena);
}

static void expect_bytes(struct bytes a, struct bytes b)
{
    assert_true(bytes_equal(a, b));
}

static void expect_keys(const struct match_key *a, size_t count, const struct match_key *b)
{
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(a[i].kind, b[i].kind);
        expect_bytes(a[i].value, b[i].value);
    }
}

static void test_spans_come_back_as_they_went(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f);
    struct bus_message sent = span_message();
    struct bus_message got;
    EXPECT_OK(bus_message_pack(&sent, &f.arena, &f.wire));
    EXPECT_OK(bus_message_unpack(buf_bytes(&f.wire), &f.arena, &f.detail, &got));
    assert_int_equal(got.what, BUS_WHAT_SPANS);
    assert_true(uuid_equal(got.id, sent.id));
    assert_true(uuid_equal(got.spans.project, sent.spans.project));
    assert_int_equal(got.spans.received.ns, 42);
    assert_int_equal(got.spans.traces_count, 2);
    for (size_t i = 0; i < 2; i++) {
        const struct bus_trace *a = &got.spans.traces[i];
        const struct bus_trace *b = &some_traces[i];
        assert_true(trace_id_equal(a->id, b->id));
        assert_int_equal(a->is_skipped, b->is_skipped);
        assert_int_equal(a->keys_count, b->keys_count);
        expect_keys(a->keys, a->keys_count, b->keys);
        assert_int_equal(a->keys_dropped, 3);
        expect_bytes(a->tags[0].key, b->tags[0].key);
        expect_bytes(a->tags[0].value, b->tags[0].value);
        assert_int_equal(a->start.ns, -5);
        assert_int_equal(a->end.ns, INT64_MAX);
        assert_int_equal(a->spans_count, 8);
        assert_int_equal(a->errors_count, 1);
        assert_int_equal(a->has_root, i == 0);
        assert_int_equal(a->terms_count, 3);
        assert_memory_equal(a->terms, some_terms, sizeof some_terms);
        assert_int_equal(a->words_count, 2);
        assert_int_equal(a->words[1].kind, WORD_KIND_VALUE);
        expect_bytes(a->words[1].value, b->words[1].value);
        assert_memory_equal(a->segment_hash, b->segment_hash, sizeof a->segment_hash);
        expect_bytes(a->segment, b->segment);
        assert_int_equal(a->segment_raw_bytes, 100);
    }
    expect_bytes(got.spans.traces[0].root.name, some_traces[0].root.name);
    assert_int_equal(got.spans.traces[0].root.end.ns, 2);
    fixture_fini(&f);
}

static void test_a_call_comes_back_as_it_went(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f);
    struct bus_message sent = call_message();
    struct bus_message got;
    EXPECT_OK(bus_message_pack(&sent, &f.arena, &f.wire));
    EXPECT_OK(bus_message_unpack(buf_bytes(&f.wire), &f.arena, &f.detail, &got));
    assert_int_equal(got.what, BUS_WHAT_CALL);
    assert_true(uuid_equal(got.call.id, sent.call.id));
    assert_int_equal(got.call.kind, CONVERSATION_KIND_CHAT);
    assert_int_equal(got.call.source, CONVERSATION_SOURCE_API);
    assert_int_equal(got.call.keys_count, 2);
    expect_keys(got.call.keys, 2, sent.call.keys);
    expect_bytes(got.call.body, sent.call.body);
    assert_int_equal(got.call.created.ns, 1000);
    assert_false(got.call.has_started);
    assert_true(got.call.has_ended);
    assert_int_equal(got.call.ended.ns, -1);
    assert_int_equal(got.call.status, CONVERSATION_STATUS_ENDED);
    assert_int_equal(got.call.direction, CONVERSATION_DIRECTION_OUTBOUND);
    expect_bytes(got.call.title, sent.call.title);
    assert_memory_equal(got.call.request_hash, sent.call.request_hash, 16);
    assert_true(got.call.has_idempotency);
    assert_memory_equal(got.call.idempotency_hash, sent.call.idempotency_hash, 16);
    assert_true(got.call.is_retry);
    fixture_fini(&f);
}

static void test_an_event_comes_back_as_it_went(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f);
    struct bus_message sent = event_message();
    struct bus_message got;
    EXPECT_OK(bus_message_pack(&sent, &f.arena, &f.wire));
    EXPECT_OK(bus_message_unpack(buf_bytes(&f.wire), &f.arena, &f.detail, &got));
    assert_int_equal(got.what, BUS_WHAT_EVENT);
    assert_true(uuid_equal(got.event.project, sent.event.project));
    assert_true(uuid_equal(got.event.id, sent.event.id));
    assert_int_equal(got.event.source, CONVERSATION_SOURCE_LIVEKIT);
    assert_int_equal(got.event.received.ns, 42);
    assert_true(got.event.is_skipped);
    assert_int_equal(got.event.keys_count, 2);
    expect_keys(got.event.keys, 2, some_keys);
    assert_int_equal(got.event.parts_count, 2);
    for (size_t i = 0; i < 2; i++) {
        const struct bus_part *a = &got.event.parts[i];
        const struct bus_part *b = &some_parts[i];
        assert_int_equal(a->number, b->number);
        assert_int_equal(a->at.ns, b->at.ns);
        assert_int_equal(a->has_started, b->has_started);
        assert_int_equal(a->started.ns, b->started.ns);
        assert_int_equal(a->has_ended, b->has_ended);
        assert_int_equal(a->ended.ns, b->ended.ns);
        assert_int_equal(a->status, b->status);
        assert_int_equal(a->direction, b->direction);
        expect_bytes(a->title, b->title);
        expect_bytes(a->body, b->body);
    }
    fixture_fini(&f);
}

static void refuse_event(const struct bus_message *message)
{
    struct fixture f;
    fixture_init(&f);
    struct bus_message got;
    EXPECT_OK(bus_message_pack(message, &f.arena, &f.wire));
    EXPECT_ERR(bus_message_unpack(buf_bytes(&f.wire), &f.arena, &f.detail, &got), MALFORMED);
    assert_true(f.detail.text[0] != '\0');
    fixture_fini(&f);
}

static void test_events_that_cannot_be_are_refused(void **state)
{
    (void)state;
    struct bus_message message = event_message();
    message.event.keys_count = 0;
    refuse_event(&message);
    message = event_message();
    message.event.source = (enum conversation_source)0;
    refuse_event(&message);
    struct bus_part part = some_parts[0];
    message = event_message();
    message.event.parts = &part;
    message.event.parts_count = 1;
    part.number = (enum call_part)2;
    refuse_event(&message);
    part = some_parts[0];
    part.status = (enum conversation_status)4;
    refuse_event(&message);
    part = some_parts[0];
    part.direction = (enum conversation_direction)3;
    refuse_event(&message);
    part = some_parts[0];
    part.body = (struct bytes)TEXT("{\n}");
    refuse_event(&message);
    struct bus_part many[LIMIT_PARTS_PER_EVENT + 1];
    for (size_t i = 0; i < sizeof many / sizeof many[0]; i++) {
        many[i] = some_parts[0];
    }
    message.event.parts = many;
    message.event.parts_count = sizeof many / sizeof many[0];
    refuse_event(&message);
}

static void test_key_use_comes_back_as_it_went(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f);
    struct bus_key_used used[] = {
        {.project = {{1}}, .key = {{2}}, .at = {3}},
        {.project = {{4}},
         .key = {{5}},
         .at = {6},
         .refused_status = 413,
         .refused = {7},
         .refused_path = bytes_of_text("/v1/traces"),
         .refused_text = bytes_of_text("too long")},
    };
    struct bus_message sent = {.what = BUS_WHAT_KEY_USE, .key_use = {.used = used, .count = 2}};
    struct bus_message got;
    EXPECT_OK(bus_message_pack(&sent, &f.arena, &f.wire));
    EXPECT_OK(bus_message_unpack(buf_bytes(&f.wire), &f.arena, &f.detail, &got));
    assert_int_equal(got.what, BUS_WHAT_KEY_USE);
    assert_int_equal(got.key_use.count, 2);
    assert_true(uuid_equal(got.key_use.used[1].key, used[1].key));
    assert_int_equal(got.key_use.used[1].at.ns, 6);
    assert_int_equal(got.key_use.used[0].refused_status, 0);
    assert_int_equal(got.key_use.used[1].refused_status, 413);
    assert_int_equal(got.key_use.used[1].refused.ns, 7);
    assert_true(bytes_equal_text(got.key_use.used[1].refused_path, "/v1/traces"));
    assert_true(bytes_equal_text(got.key_use.used[1].refused_text, "too long"));
    fixture_fini(&f);
}

static void test_a_key_change_comes_back_as_it_went(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f);
    struct bus_message sent = {.what = BUS_WHAT_KEY_CHANGE,
                               .key_change = {.project = {{1}},
                                              .key = {{2}},
                                              .by = {{3}},
                                              .at = {-4},
                                              .is_revoked = true,
                                              .name = TEXT("laptop"),
                                              .hint = TEXT("ct_"),
                                              .hash = {5, 6},
                                              .scopes = 15,
                                              .is_rotated = true,
                                              .replaces = {{7}},
                                              .ends = {8}}};
    struct bus_message got;
    EXPECT_OK(bus_message_pack(&sent, &f.arena, &f.wire));
    EXPECT_OK(bus_message_unpack(buf_bytes(&f.wire), &f.arena, &f.detail, &got));
    assert_int_equal(got.what, BUS_WHAT_KEY_CHANGE);
    assert_true(uuid_equal(got.key_change.project, sent.key_change.project));
    assert_true(uuid_equal(got.key_change.key, sent.key_change.key));
    assert_true(uuid_equal(got.key_change.by, sent.key_change.by));
    assert_int_equal(got.key_change.at.ns, -4);
    assert_true(got.key_change.is_revoked);
    expect_bytes(got.key_change.name, sent.key_change.name);
    expect_bytes(got.key_change.hint, sent.key_change.hint);
    assert_memory_equal(got.key_change.hash, sent.key_change.hash, 32);
    assert_int_equal(got.key_change.scopes, 15);
    assert_true(got.key_change.is_rotated);
    assert_true(uuid_equal(got.key_change.replaces, sent.key_change.replaces));
    assert_int_equal(got.key_change.ends.ns, 8);
    sent.key_change.is_rotated = false;
    buf_reset(&f.wire);
    EXPECT_OK(bus_message_pack(&sent, &f.arena, &f.wire));
    EXPECT_OK(bus_message_unpack(buf_bytes(&f.wire), &f.arena, &f.detail, &got));
    assert_false(got.key_change.is_rotated);
    fixture_fini(&f);
}

static void test_a_reply_comes_back_as_it_went(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f);
    struct bus_rejected rejected[] = {{{{1}}, 5, TEXT("too long")}};
    struct bus_reply sent = {.outcome = BUS_OUTCOME_CONFLICT,
                             .reason = TEXT("taken"),
                             .conversation = {{8}},
                             .created = {77},
                             .conflict = some_keys[1],
                             .conflict_holder = {{9}},
                             .rejected = rejected,
                             .rejected_count = 1};
    struct bus_reply got;
    EXPECT_OK(bus_reply_pack(&sent, &f.arena, &f.wire));
    EXPECT_OK(bus_reply_unpack(buf_bytes(&f.wire), &f.arena, &f.detail, &got));
    assert_int_equal(got.outcome, BUS_OUTCOME_CONFLICT);
    expect_bytes(got.reason, sent.reason);
    assert_true(uuid_equal(got.conversation, sent.conversation));
    assert_int_equal(got.created.ns, 77);
    expect_keys(&got.conflict, 1, &sent.conflict);
    assert_true(uuid_equal(got.conflict_holder, sent.conflict_holder));
    assert_int_equal(got.rejected_count, 1);
    assert_int_equal(got.rejected[0].spans_count, 5);
    expect_bytes(got.rejected[0].reason, rejected[0].reason);
    fixture_fini(&f);
}

static void test_an_announcement_comes_back_as_it_went(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f);
    struct bus_announcement sent = {
        .project = {{1}}, .what = ANNOUNCE_LINK, .has_trace = true, .trace = {{2}}};
    struct bus_announcement got;
    EXPECT_OK(bus_announcement_pack(&sent, &f.wire));
    EXPECT_OK(bus_announcement_unpack(buf_bytes(&f.wire), &f.detail, &got));
    assert_int_equal(got.what, ANNOUNCE_LINK);
    assert_true(got.has_trace);
    assert_false(got.has_conversation);
    assert_true(trace_id_equal(got.trace, sent.trace));
    fixture_fini(&f);
}

static void test_another_version_is_refused_by_its_number(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f);
    const uint8_t wire[] = {0x08, 0x63, 0x12, 0x01, 0x00};
    struct bus_message got;
    EXPECT_ERR(bus_message_unpack(bytes_of(wire, sizeof wire), &f.arena, &f.detail, &got),
               UNKNOWN_VERSION);
    assert_non_null(strstr(f.detail.text, "99"));
    EXPECT_ERR(bus_message_unpack(bytes_of(NULL, 0), &f.arena, &f.detail, &got), UNKNOWN_VERSION);
    fixture_fini(&f);
}

static void test_every_cut_is_refused_or_read_as_less(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f);
    struct bus_message sent = span_message();
    EXPECT_OK(bus_message_pack(&sent, &f.arena, &f.wire));
    struct bytes whole = buf_bytes(&f.wire);
    for (size_t len = 0; len < whole.len; len++) {
        struct bus_message got;
        arena_reset(&f.arena);
        err_t err = bus_message_unpack(bytes_of(whole.ptr, len), &f.arena, &f.detail, &got);
        assert_false(err_is_ok(err));
    }
    fixture_fini(&f);
}

static void refuse(struct bus_message message)
{
    struct fixture f;
    fixture_init(&f);
    struct bus_message got;
    EXPECT_OK(bus_message_pack(&message, &f.arena, &f.wire));
    EXPECT_ERR(bus_message_unpack(buf_bytes(&f.wire), &f.arena, &f.detail, &got), MALFORMED);
    assert_true(f.detail.text[0] != '\0');
    fixture_fini(&f);
}

static void test_values_that_cannot_be_are_refused(void **state)
{
    (void)state;
    struct match_key bad_key = {MATCH_KIND_COUNT, TEXT("x")};
    struct match_key empty_key = {MATCH_KIND_EXTERNAL, {NULL, 0}};
    struct match_key not_utf8 = {MATCH_KIND_EXTERNAL, TEXT("\xff")};
    struct bus_message message = call_message();
    message.call.keys_count = 1;
    message.call.keys = &bad_key;
    refuse(message);
    message.call.keys = &empty_key;
    refuse(message);
    message.call.keys = &not_utf8;
    refuse(message);
    message = call_message();
    message.call.kind = (enum conversation_kind)3;
    refuse(message);
    message = call_message();
    message.call.status = (enum conversation_status)9;
    refuse(message);
    message = span_message();
    message.spans.traces[0].spans_count = LIMIT_SPANS_PER_EXPORT + 1;
    refuse(message);
    message = span_message();
    message.spans.traces[0].errors_count = 9;
    refuse(message);
    message = span_message();
    struct bus_word bad_word = {(enum word_kind)6, {NULL, 0}, {NULL, 0}};
    message.spans.traces[0].words = &bad_word;
    message.spans.traces[0].words_count = 1;
    refuse(message);
}

static void test_keys_and_tags_are_counted(void **state)
{
    (void)state;
    static struct match_key keys[LIMIT_KEYS_PER_TRACE + 1];
    static struct bus_tag tags[LIMIT_TAGS_PER_TRACE + 1];
    for (size_t i = 0; i <= LIMIT_KEYS_PER_TRACE; i++) {
        keys[i] = some_keys[0];
    }
    struct fixture f;
    fixture_init(&f);
    struct bus_message got;
    struct bus_message message = span_message();
    message.spans.traces[0].keys = keys;
    message.spans.traces[0].keys_count = LIMIT_KEYS_PER_TRACE;
    message.spans.traces[0].tags = tags;
    message.spans.traces[0].tags_count = LIMIT_TAGS_PER_TRACE;
    EXPECT_OK(bus_message_pack(&message, &f.arena, &f.wire));
    EXPECT_OK(bus_message_unpack(buf_bytes(&f.wire), &f.arena, &f.detail, &got));
    fixture_fini(&f);
    message.spans.traces[0].keys_count = LIMIT_KEYS_PER_TRACE + 1;
    refuse(message);
    message.spans.traces[0].keys_count = 1;
    message.spans.traces[0].tags_count = LIMIT_TAGS_PER_TRACE + 1;
    refuse(message);
}

/* 200 KB of empty traces ask for a hundred times as much memory. */
static void test_memory_is_bounded_by_the_arena(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f);
    struct buf inner;
    buf_init(&inner, 1 << 20);
    for (size_t i = 0; i < 50000; i++) {
        buf_add_u8(&inner, 0x12);
        buf_add_u8(&inner, 0x00);
    }
    const uint8_t head[] = {0x08, BUS_VERSION, 0x1a, 0xa0, 0x8d, 0x06};
    buf_add(&f.wire, bytes_of(head, sizeof head));
    buf_add(&f.wire, buf_bytes(&inner));
    struct bus_message got;
    EXPECT_ERR(bus_message_unpack(buf_bytes(&f.wire), &f.arena, &f.detail, &got), NO_SPACE);
    buf_fini(&inner);
    fixture_fini(&f);
}

static void test_too_large_is_not_packed(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f);
    uint8_t *large = mem_zero(1, LIMIT_BUS_BYTES);
    assert_non_null(large);
    struct bus_message message = call_message();
    message.call.body = bytes_of(large, LIMIT_BUS_BYTES);
    EXPECT_ERR(bus_message_pack(&message, &f.arena, &f.wire), TOO_LARGE);
    mem_free(large);
    fixture_fini(&f);
}

static void round_trip(void *context)
{
    struct bus_message *sent = context;
    struct fixture f;
    fixture_init(&f);
    struct bus_message got;
    err_t err = bus_message_pack(sent, &f.arena, &f.wire);
    if (err_is_ok(err)) {
        err = bus_message_unpack(buf_bytes(&f.wire), &f.arena, &f.detail, &got);
    }
    assert_true(err_is_ok(err) || err_is(err, ERR_NO_SPACE) || err_is(err, ERR_MEMORY));
    fixture_fini(&f);
}

static void test_survives_running_out_of_memory(void **state)
{
    (void)state;
    struct bus_message spans = span_message();
    assert_true(expect_survives_oom(round_trip, &spans) > 0);
    struct bus_message call = call_message();
    assert_true(expect_survives_oom(round_trip, &call) > 0);
    struct bus_message event = event_message();
    assert_true(expect_survives_oom(round_trip, &event) > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_spans_come_back_as_they_went),
        cmocka_unit_test(test_a_call_comes_back_as_it_went),
        cmocka_unit_test(test_an_event_comes_back_as_it_went),
        cmocka_unit_test(test_events_that_cannot_be_are_refused),
        cmocka_unit_test(test_key_use_comes_back_as_it_went),
        cmocka_unit_test(test_a_key_change_comes_back_as_it_went),
        cmocka_unit_test(test_a_reply_comes_back_as_it_went),
        cmocka_unit_test(test_an_announcement_comes_back_as_it_went),
        cmocka_unit_test(test_another_version_is_refused_by_its_number),
        cmocka_unit_test(test_every_cut_is_refused_or_read_as_less),
        cmocka_unit_test(test_values_that_cannot_be_are_refused),
        cmocka_unit_test(test_keys_and_tags_are_counted),
        cmocka_unit_test(test_memory_is_bounded_by_the_arena),
        cmocka_unit_test(test_too_large_is_not_packed),
        cmocka_unit_test(test_survives_running_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
