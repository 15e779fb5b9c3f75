#include "tests/unit/expect.h"

#include "correlator/core/decide.h"

enum { ARENA_BYTES = 65536 };

#define TEXT(literal)                                   \
    {                                                   \
        (const uint8_t *)(literal), sizeof(literal) - 1 \
    }

static void test_keys_are_sorted_each_once_with_their_slot(void **state)
{
    (void)state;
    struct match_key keys[] = {{MATCH_KIND_TRACE, TEXT("ff")},
                               {MATCH_KIND_LIVEKIT, TEXT("RM_1")},
                               {MATCH_KIND_EXTERNAL, TEXT("b")},
                               {MATCH_KIND_EXTERNAL, TEXT("a")},
                               {MATCH_KIND_EXTERNAL, TEXT("b")}};
    struct bus_call call = {.id = {{9}}, .keys = keys, .keys_count = 5};
    struct arena arena;
    struct call_key *sorted = NULL;
    size_t count = 0;
    arena_init(&arena, ARENA_BYTES);
    EXPECT_OK(call_keys_make(call.id, call.keys, call.keys_count, &arena, &sorted, &count));
    assert_int_equal(count, 4);
    const char *wanted[] = {"a", "b", "RM_1", "ff"};
    for (size_t i = 0; i < 4; i++) {
        assert_true(bytes_equal_text(sorted[i].key.value, wanted[i]));
        struct uuid slot = i == 3 ? call.id : (struct uuid){{0}};
        assert_true(uuid_equal(sorted[i].slot, slot));
    }
    arena_fini(&arena);
}

static void test_locks_are_in_ascending_order(void **state)
{
    (void)state;
    for (uint8_t i = 0; i < 50; i++) {
        struct bus_call call = {.project = {{1}},
                                .request_hash = {i},
                                .has_idempotency = true,
                                .idempotency_hash = {(uint8_t)(255 - i)}};
        int64_t locks[2];
        assert_int_equal(call_locks_make(&call, locks), 2);
        assert_true(locks[0] <= locks[1]);
        call.has_idempotency = false;
        assert_int_equal(call_locks_make(&call, locks), 1);
    }
}

static void test_a_lock_belongs_to_a_project_and_a_request(void **state)
{
    (void)state;
    struct bus_call a = {.project = {{1}}, .request_hash = {1}};
    struct bus_call same = {.project = {{1}}, .request_hash = {1}, .id = {{7}}};
    struct bus_call other_project = {.project = {{2}}, .request_hash = {1}};
    struct bus_call other_request = {.project = {{1}}, .request_hash = {2}};
    int64_t lock[4];
    (void)call_locks_make(&a, &lock[0]);
    (void)call_locks_make(&same, &lock[1]);
    assert_int_equal(lock[0], lock[1]);
    (void)call_locks_make(&other_project, &lock[2]);
    assert_int_not_equal(lock[0], lock[2]);
    (void)call_locks_make(&other_request, &lock[2]);
    assert_int_not_equal(lock[0], lock[2]);
}

static void test_the_call_that_stands_answers(void **state)
{
    (void)state;
    struct create_facts facts = {.has_call = true,
                                 .call_id = {{3}},
                                 .call_created = {77},
                                 .has_holder = true, /* its own keys have moved: no refusal */
                                 .holder = {{4}}};
    struct bus_reply reply;
    create_decide(&facts, &reply);
    assert_int_equal(reply.outcome, BUS_OUTCOME_ACCEPTED);
    assert_true(uuid_equal(reply.conversation, facts.call_id));
    assert_int_equal(reply.created.ns, 77);
}

static void test_an_idempotency_key_stands_for_one_body(void **state)
{
    (void)state;
    struct create_facts facts = {.has_call = true, .call_id = {{3}}, .is_other_body = true};
    struct bus_reply reply;
    create_decide(&facts, &reply);
    assert_int_equal(reply.outcome, BUS_OUTCOME_REJECTED);
    assert_true(reply.reason.len > 0);
}

static void test_only_a_holder_refuses(void **state)
{
    (void)state;
    struct create_facts facts = {
        .has_holder = true, .holder = {{4}}, .held = {MATCH_KIND_VAPI, TEXT("v")}};
    struct bus_reply reply;
    create_decide(&facts, &reply);
    assert_int_equal(reply.outcome, BUS_OUTCOME_CONFLICT);
    assert_int_equal(reply.conflict.kind, MATCH_KIND_VAPI);
    assert_true(bytes_equal_text(reply.conflict.value, "v"));
    assert_true(uuid_equal(reply.conflict_holder, facts.holder));
    assert_true(reply.reason.len > 0);
}

static void test_without_call_and_holder_the_client_sends_again(void **state)
{
    (void)state;
    struct create_facts facts = {.has_call = false};
    struct bus_reply reply;
    create_decide(&facts, &reply);
    assert_int_equal(reply.outcome, BUS_OUTCOME_UNAVAILABLE);
}

static void make_keys(void *context)
{
    const struct bus_call *call = context;
    struct arena arena;
    struct call_key *keys = NULL;
    size_t count = 0;
    arena_init(&arena, ARENA_BYTES);
    err_t err = call_keys_make(call->id, call->keys, call->keys_count, &arena, &keys, &count);
    assert_true(err_is_ok(err) || err_is(err, ERR_NO_SPACE));
    arena_fini(&arena);
}

static void test_survives_running_out_of_memory(void **state)
{
    (void)state;
    struct match_key key = {MATCH_KIND_EXTERNAL, TEXT("a")};
    struct bus_call call = {.keys = &key, .keys_count = 1};
    assert_true(expect_survives_oom(make_keys, &call) > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_keys_are_sorted_each_once_with_their_slot),
        cmocka_unit_test(test_locks_are_in_ascending_order),
        cmocka_unit_test(test_a_lock_belongs_to_a_project_and_a_request),
        cmocka_unit_test(test_the_call_that_stands_answers),
        cmocka_unit_test(test_an_idempotency_key_stands_for_one_body),
        cmocka_unit_test(test_only_a_holder_refuses),
        cmocka_unit_test(test_without_call_and_holder_the_client_sends_again),
        cmocka_unit_test(test_survives_running_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
