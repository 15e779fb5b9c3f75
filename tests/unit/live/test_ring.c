#include "tests/unit/expect.h"

#include <stdio.h>

#include "api/live/ring.h"

#include "proto/base/banned.h"

enum { RUN = 0xabc, NEXT_RUN = 0xdef, TEXT_BYTES_MAX = 1 << 20 };

static struct ring ring; /* too large for a stack */

static struct ring_event trace_event(unsigned number)
{
    return (struct ring_event){.what = ANNOUNCE_TRACE,
                               .has_trace = true,
                               .trace = {{(uint8_t)number, (uint8_t)(number >> 8), 1}}};
}

static bool put(unsigned number)
{
    struct ring_event event = trace_event(number);
    return ring_put(&ring, &event);
}

static size_t deal(void)
{
    struct ring_event event;
    size_t count = 0;
    while (ring_next(&ring, NEXT_RUN, &event)) {
        count++;
    }
    return count;
}

static bool find(const char *id, uint64_t *ret_after)
{
    return ring_find(&ring, bytes_of_text(id), ret_after);
}

static int setup(void **state)
{
    (void)state;
    ring_init(&ring, RUN);
    return 0;
}

static void events_are_dealt_once_in_order(void **state)
{
    (void)state;
    struct ring_event event;
    assert_false(ring_next(&ring, NEXT_RUN, &event));
    assert_true(put(1));
    assert_true(put(2));
    assert_true(ring_next(&ring, NEXT_RUN, &event));
    assert_int_equal(event.trace.b[0], 1);
    assert_true(ring_next(&ring, NEXT_RUN, &event));
    assert_int_equal(event.trace.b[0], 2);
    assert_false(ring_next(&ring, NEXT_RUN, &event));
}

static void the_same_again_is_one_until_it_was_dealt(void **state)
{
    (void)state;
    assert_true(put(1));
    assert_false(put(1));
    struct ring_event link = trace_event(1);
    link.what = ANNOUNCE_LINK;
    assert_true(ring_put(&ring, &link));
    link.has_conversation = true;
    assert_true(ring_put(&ring, &link));
    assert_false(ring_put(&ring, &link));
    link.conversation.b[3] = 9;
    assert_true(ring_put(&ring, &link));
    assert_int_equal(deal(), 4);
    assert_true(put(1));
    assert_int_equal(deal(), 1);
}

static void a_listener_goes_on_behind_its_id(void **state)
{
    (void)state;
    uint64_t after = 99;
    for (unsigned i = 0; i < 5; i++) {
        assert_true(put(i));
    }
    assert_int_equal(deal(), 5);
    assert_true(find("0000000000000abc-0", &after));
    assert_int_equal(after, 0);
    assert_true(find("0000000000000abc-3", &after));
    assert_int_equal(after, 3);
    assert_int_equal(ring_event_at(&ring, 4)->trace.b[0], 3);
    assert_true(find("0000000000000abc-5", &after));
    assert_int_equal(after, 5);
}

static void unknown_ids_are_unknown(void **state)
{
    (void)state;
    static const char *const ids[] = {"",
                                      "-",
                                      "x",
                                      "0000000000000abc",
                                      "0000000000000abc-",
                                      "0000000000000abc-x",
                                      "0000000000000abc-2", /* not dealt yet */
                                      "0000000000000abd-1",
                                      "0000000000000ABC-1",
                                      "000000000000abc-1",
                                      " 0000000000000abc-1",
                                      "0000000000000abc-1 ",
                                      "0000000000000abc--1",
                                      "0000000000000abc-9999999999999999999",
                                      "0000000000000abc-99999999999999999999999999",
                                      "0000000000000abc_1"};
    uint64_t after = 0;
    assert_true(put(1));
    assert_int_equal(deal(), 1);
    assert_true(put(2));
    for (size_t i = 0; i < sizeof ids / sizeof ids[0]; i++) {
        if (find(ids[i], &after)) {
            print_error("%s\n", ids[i]);
        }
        assert_false(find(ids[i], &after));
    }
    assert_false(ring_find(&ring, bytes_of("0000000000000abc-1\0", 19), &after));
}

static void a_thousand_are_kept_and_no_more(void **state)
{
    (void)state;
    uint64_t after = 0;
    char id[RING_ID_BYTES];
    for (unsigned i = 0; i < RING_EVENTS + 10; i++) {
        assert_true(put(i));
        assert_int_equal(deal(), 1);
    }
    (void)snprintf(id, sizeof id, "0000000000000abc-%d", 10);
    assert_true(find(id, &after));
    assert_int_equal(ring_event_at(&ring, after + 1)->trace.b[0], 10);
    (void)snprintf(id, sizeof id, "0000000000000abc-%d", 9);
    assert_false(find(id, &after));
}

static void what_is_more_than_kept_is_lost(void **state)
{
    (void)state;
    uint64_t after = 0;
    for (unsigned i = 0; i < RING_EVENTS - 1; i++) {
        assert_true(put(i));
    }
    assert_int_equal(deal(), RING_EVENTS - 1);
    assert_false(ring.is_lost);
    for (unsigned i = 0; i < RING_EVENTS; i++) {
        assert_true(put(i));
    }
    assert_int_equal(deal(), 0);
    assert_true(ring.is_lost);
    assert_false(find("0000000000000abc-5", &after));
    assert_true(find("0000000000000def-0", &after));
}

static void a_loss_begins_a_new_run(void **state)
{
    (void)state;
    uint64_t after = 0;
    assert_true(put(1));
    assert_int_equal(deal(), 1);
    ring_lose(&ring, NEXT_RUN);
    assert_true(ring.is_lost);
    assert_false(find("0000000000000abc-1", &after));
    assert_true(put(1));
    assert_int_equal(deal(), 1);
}

static void events_are_written_for_browsers(void **state)
{
    (void)state;
    struct buf out;
    struct ring_event event = trace_event(7);
    event.what = ANNOUNCE_LINK;
    event.has_conversation = true;
    buf_init(&out, TEXT_BYTES_MAX);
    assert_true(ring_put(&ring, &event));
    assert_int_equal(deal(), 1);
    ring_write(&ring, 1, &out);
    ring_write_word(&ring, "ready", "{}", &out);
    buf_add_u8(&out, '\0');
    assert_string_equal(
        (const char *)buf_bytes(&out).ptr,
        "id: 0000000000000abc-1\nevent: link\ndata: {\"conversationId\":"
        "\"00000000-0000-0000-0000-000000000000\",\"traceId\":\"07000100000000000000000000000000\"}"
        "\n\nid: 0000000000000abc-1\nevent: ready\ndata: {}\n\n");
    buf_fini(&out);
}

#define TEST(name) cmocka_unit_test_setup(name, setup)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(events_are_dealt_once_in_order),   TEST(the_same_again_is_one_until_it_was_dealt),
        TEST(a_listener_goes_on_behind_its_id), TEST(unknown_ids_are_unknown),
        TEST(a_thousand_are_kept_and_no_more),  TEST(what_is_more_than_kept_is_lost),
        TEST(a_loss_begins_a_new_run),          TEST(events_are_written_for_browsers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
