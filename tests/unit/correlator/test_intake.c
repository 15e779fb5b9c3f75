#include "tests/unit/expect.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "correlator/intake.h"
#include "proto/base/clock.h"

/* Works come from a real bus, because nobody else makes them. */
enum { WAIT_MS = 5000, QUEUE_BYTES = 1000, MESSAGE_BYTES = 100, PLENTY = 64, GATHER_MS = 400 };

struct fixture {
    char directory[64];
    char address[128];
    struct bus_server *server;
    struct bus_client *client;
    struct intake *intake;
    _Atomic size_t refused;
    _Atomic size_t answered;
};

static void on_work(void *context, struct bus_work *work)
{
    struct fixture *f = context;
    if (!intake_put(f->intake, work)) {
        f->refused++;
        bus_work_reply(work, bytes_of_text("full"));
    }
}

static void on_answer(void *context, err_t err, struct bytes reply)
{
    struct fixture *f = context;
    (void)err;
    (void)reply;
    f->answered++;
}

static int setup_of(void **state, size_t queue_bytes)
{
    struct fixture *f = calloc(1, sizeof *f);
    struct detail detail = {.text = ""};
    assert_non_null(f);
    (void)snprintf(f->directory, sizeof f->directory, "/tmp/ctin-XXXXXX");
    assert_non_null(mkdtemp(f->directory));
    (void)snprintf(f->address, sizeof f->address, "ipc://%s/bus", f->directory);
    EXPECT_OK(intake_new(queue_bytes, GATHER_MS, &f->intake));
    struct bus_server_options server = {
        .address = f->address, .on_work = on_work, .context = f, .contexts = PLENTY};
    EXPECT_OK(bus_server_open(&server, &detail, &f->server));
    struct bus_client_options client = {.addresses = f->address};
    EXPECT_OK(bus_client_open(&client, &detail, &f->client));
    for (int i = 0; i < WAIT_MS && bus_client_peers(f->client) == 0; i++) {
        clock_sleep_ms(1);
    }
    *state = f;
    return 0;
}

static int setup(void **state)
{
    return setup_of(state, QUEUE_BYTES);
}

static int setup_roomy(void **state)
{
    return setup_of(state, 1 << 20);
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    struct bus_work *work = NULL;
    bus_server_drain(f->server);
    intake_close(f->intake);
    while (intake_take(f->intake, &work, 1, 1) == 1) {
        bus_work_drop(work);
    }
    bus_client_close(f->client);
    bus_server_close(f->server);
    intake_free(f->intake);
    (void)unlink(f->address + strlen("ipc://"));
    (void)rmdir(f->directory);
    free(f);
    return 0;
}

static void send_messages(struct fixture *f, size_t count)
{
    uint8_t message[MESSAGE_BYTES] = {0};
    for (size_t i = 0; i < count; i++) {
        EXPECT_OK(bus_client_send(f->client, bytes_of(message, sizeof message), on_answer, f));
    }
}

static void wait_for(struct fixture *f, size_t waiting, size_t refused)
{
    for (int i = 0; i < WAIT_MS; i++) {
        if (intake_count(f->intake) == waiting && f->refused == refused) {
            return;
        }
        clock_sleep_ms(1);
    }
    assert_int_equal(intake_count(f->intake), waiting);
    assert_int_equal(f->refused, refused);
}

static void test_a_group_is_what_is_there_up_to_its_bounds(void **state)
{
    struct fixture *f = *state;
    struct bus_work *works[PLENTY];
    send_messages(f, 8);
    wait_for(f, 8, 0);
    assert_int_equal(intake_bytes(f->intake), 8 * MESSAGE_BYTES);
    assert_int_equal(intake_take(f->intake, works, 3, 1 << 20), 3);
    /* A bound in bytes ends a group after the message that reaches it. */
    assert_int_equal(intake_take(f->intake, works + 3, PLENTY, 150), 2);
    assert_int_equal(intake_take(f->intake, works + 5, PLENTY, 1 << 20), 3);
    assert_int_equal(intake_bytes(f->intake), 0);
    for (size_t i = 0; i < 8; i++) {
        bus_work_reply(works[i], bytes_of_text("done"));
    }
}

static void test_beyond_its_bytes_it_refuses(void **state)
{
    struct fixture *f = *state;
    send_messages(f, 13);
    wait_for(f, QUEUE_BYTES / MESSAGE_BYTES, 3);
    assert_int_equal(intake_bytes(f->intake), QUEUE_BYTES);
}

static void test_an_empty_queue_takes_even_the_largest(void **state)
{
    struct fixture *f = *state;
    static uint8_t large[QUEUE_BYTES * 2];
    EXPECT_OK(bus_client_send(f->client, bytes_of(large, sizeof large), on_answer, f));
    wait_for(f, 1, 0);
    send_messages(f, 1);
    wait_for(f, 1, 1);
}

static void *take_one(void *context)
{
    struct fixture *f = context;
    struct bus_work *work = NULL;
    size_t taken = intake_take(f->intake, &work, 1, 1);
    if (taken == 1) {
        bus_work_reply(work, bytes_of_text("done"));
    }
    return taken == 1 ? f : NULL;
}

static void test_a_taker_waits_and_closing_wakes_it(void **state)
{
    struct fixture *f = *state;
    pthread_t thread;
    void *result = NULL;
    assert_int_equal(pthread_create(&thread, NULL, take_one, f), 0);
    clock_sleep_ms(20);
    send_messages(f, 1);
    assert_int_equal(pthread_join(thread, &result), 0);
    assert_ptr_equal(result, f);
    assert_int_equal(pthread_create(&thread, NULL, take_one, f), 0);
    clock_sleep_ms(20);
    intake_close(f->intake);
    assert_int_equal(pthread_join(thread, &result), 0);
    assert_null(result);
}

static void test_closed_it_gives_what_it_has_and_takes_no_more(void **state)
{
    struct fixture *f = *state;
    struct bus_work *work = NULL;
    send_messages(f, 2);
    wait_for(f, 2, 0);
    intake_close(f->intake);
    send_messages(f, 1);
    wait_for(f, 2, 1);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(intake_take(f->intake, &work, 1, 1), 1);
        bus_work_reply(work, bytes_of_text("done"));
    }
    assert_int_equal(intake_take(f->intake, &work, 1, 1), 0);
}

static void test_what_waited_longer_than_its_api_is_given_back(void **state)
{
    struct fixture *f = *state;
    struct bus_work *work = NULL;
    send_messages(f, 2);
    wait_for(f, 2, 0);
    clock_sleep_ms(BUS_ANSWER_MS + 100);
    send_messages(f, 1);
    wait_for(f, 3, 0);
    assert_int_equal(intake_take(f->intake, &work, 1, 1), 1);
    assert_int_equal(intake_count(f->intake), 0);
    bus_work_reply(work, bytes_of_text("done"));
}

/* Takes a group, replies to it, and tells how long that took. */
static size_t take_group(struct fixture *f, int64_t *ret_ms)
{
    struct bus_work *works[PLENTY];
    struct mono_ns begun = clock_mono();
    size_t taken = intake_take(f->intake, works, PLENTY, 1 << 20);
    *ret_ms = mono_ms_between(begun, clock_mono());
    for (size_t i = 0; i < taken; i++) {
        bus_work_reply(works[i], bytes_of_text("done"));
    }
    return taken;
}

static void test_few_works_never_wait(void **state)
{
    struct fixture *f = *state;
    int64_t ms = 0;
    for (size_t count = 1; count <= 3; count++) {
        send_messages(f, count);
        wait_for(f, count, 0);
        assert_int_equal(take_group(f, &ms), count);
        assert_true(ms < GATHER_MS / 4);
    }
}

static void *send_late(void *context)
{
    clock_sleep_ms(GATHER_MS / 8);
    send_messages(context, 2);
    return NULL;
}

static void test_many_wait_for_others_as_long_as_they_come(void **state)
{
    struct fixture *f = *state;
    pthread_t thread;
    int64_t ms = 0;
    send_messages(f, 4);
    wait_for(f, 4, 0);
    assert_int_equal(pthread_create(&thread, NULL, send_late, f), 0);
    assert_int_equal(take_group(f, &ms), 6);
    assert_int_equal(pthread_join(thread, NULL), 0);
    /* Nobody came any more: it did not wait to the end. */
    assert_true(ms >= GATHER_MS / 2 && ms < GATHER_MS);
    /* After a large group a lone work waits, too; the group after that is one of few. */
    send_messages(f, 1);
    wait_for(f, 1, 0);
    assert_int_equal(take_group(f, &ms), 1);
    assert_true(ms >= GATHER_MS / 4);
    send_messages(f, 1);
    wait_for(f, 1, 0);
    assert_int_equal(take_group(f, &ms), 1);
    assert_true(ms < GATHER_MS / 4);
}

static void test_a_full_group_does_not_wait(void **state)
{
    struct fixture *f = *state;
    struct bus_work *works[PLENTY];
    send_messages(f, 6);
    wait_for(f, 6, 0);
    struct mono_ns begun = clock_mono();
    assert_int_equal(intake_take(f->intake, works, 6, 1 << 20), 6);
    assert_true(mono_ms_between(begun, clock_mono()) < GATHER_MS / 4);
    for (size_t i = 0; i < 6; i++) {
        bus_work_reply(works[i], bytes_of_text("done"));
    }
}

static void test_much_does_not_wait(void **state)
{
    struct fixture *f = *state;
    static uint8_t large[128 << 10];
    int64_t ms = 0;
    send_messages(f, 4);
    EXPECT_OK(bus_client_send(f->client, bytes_of(large, sizeof large), on_answer, f));
    wait_for(f, 5, 0);
    assert_int_equal(take_group(f, &ms), 5);
    assert_true(ms < GATHER_MS / 4);
}

static void *close_soon(void *context)
{
    struct fixture *f = context;
    clock_sleep_ms(GATHER_MS / 8);
    intake_close(f->intake);
    return NULL;
}

static void test_closing_ends_the_wait_for_others(void **state)
{
    struct fixture *f = *state;
    pthread_t thread;
    int64_t ms = 0;
    send_messages(f, 5);
    wait_for(f, 5, 0);
    assert_int_equal(pthread_create(&thread, NULL, close_soon, f), 0);
    assert_int_equal(take_group(f, &ms), 5);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_true(ms < GATHER_MS / 2);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_a_group_is_what_is_there_up_to_its_bounds),
        TEST(test_few_works_never_wait),
        TEST(test_many_wait_for_others_as_long_as_they_come),
        TEST(test_a_full_group_does_not_wait),
        cmocka_unit_test_setup_teardown(test_much_does_not_wait, setup_roomy, teardown),
        TEST(test_closing_ends_the_wait_for_others),
        TEST(test_beyond_its_bytes_it_refuses),
        TEST(test_an_empty_queue_takes_even_the_largest),
        TEST(test_a_taker_waits_and_closing_wakes_it),
        TEST(test_closed_it_gives_what_it_has_and_takes_no_more),
        TEST(test_what_waited_longer_than_its_api_is_given_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
