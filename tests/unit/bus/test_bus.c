#include "tests/unit/expect.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proto/base/clock.h"
#include "proto/base/limits.h"
#include "proto/bus/bus.h"

enum { WAIT_MS = 5000, CONTEXTS = 16 };

struct fixture {
    char directory[64];
    char address[2][128];
    char events[2][128];
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    (void)snprintf(f->directory, sizeof f->directory, "/tmp/ctbus-XXXXXX");
    assert_non_null(mkdtemp(f->directory));
    for (int i = 0; i < 2; i++) {
        (void)snprintf(f->address[i], sizeof f->address[i], "ipc://%s/bus%d", f->directory, i);
        (void)snprintf(f->events[i], sizeof f->events[i], "ipc://%s/ev%d", f->directory, i);
    }
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    for (int i = 0; i < 2; i++) {
        (void)unlink(f->address[i] + strlen("ipc://"));
        (void)unlink(f->events[i] + strlen("ipc://"));
    }
    assert_int_equal(rmdir(f->directory), 0);
    free(f);
    return 0;
}

/* --- a correlator that echoes, or keeps what it gets ------------------------------------------------------ */

struct peer {
    struct bus_server *server;
    pthread_mutex_t lock;
    bool is_silent;
    struct bus_work *kept[CONTEXTS];
    size_t kept_count;
    size_t seen;
};

static void on_work(void *context, struct bus_work *work)
{
    struct peer *peer = context;
    pthread_mutex_lock(&peer->lock);
    peer->seen++;
    bool keep = peer->is_silent && peer->kept_count < CONTEXTS;
    if (keep) {
        peer->kept[peer->kept_count++] = work;
    }
    pthread_mutex_unlock(&peer->lock);
    if (!keep) {
        bus_work_reply(work, bus_work_bytes(work));
    }
}

static size_t peer_seen(struct peer *peer)
{
    pthread_mutex_lock(&peer->lock);
    size_t seen = peer->seen;
    pthread_mutex_unlock(&peer->lock);
    return seen;
}

static void peer_open(struct peer *peer, const char *address, const char *events, bool is_silent)
{
    *peer = (struct peer){.is_silent = is_silent};
    pthread_mutex_init(&peer->lock, NULL);
    struct bus_server_options options = {.address = address,
                                         .event_address = events,
                                         .on_work = on_work,
                                         .context = peer,
                                         .contexts = CONTEXTS};
    struct detail detail = {.text = ""};
    EXPECT_OK(bus_server_open(&options, &detail, &peer->server));
}

static void peer_close(struct peer *peer)
{
    bus_server_drain(peer->server);
    for (size_t i = 0; i < peer->kept_count; i++) {
        bus_work_drop(peer->kept[i]);
    }
    bus_server_close(peer->server);
    pthread_mutex_destroy(&peer->lock);
}

/* --- an api that counts its answers ------------------------------------------------------------------- */

struct answers {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    size_t count;
    size_t codes[ERR_COUNT];
    size_t bytes_last;
    char text_last[32];
};

static void answers_init(struct answers *answers)
{
    *answers = (struct answers){.count = 0};
    pthread_mutex_init(&answers->lock, NULL);
    pthread_cond_init(&answers->changed, NULL);
}

static void on_answer(void *context, err_t err, struct bytes reply)
{
    struct answers *answers = context;
    pthread_mutex_lock(&answers->lock);
    answers->count++;
    answers->codes[err.code]++;
    answers->bytes_last = reply.len;
    size_t len = reply.len < sizeof answers->text_last ? reply.len : sizeof answers->text_last - 1;
    if (len > 0) {
        memcpy(answers->text_last, reply.ptr, len);
    }
    answers->text_last[len] = '\0';
    pthread_cond_signal(&answers->changed);
    pthread_mutex_unlock(&answers->lock);
}

/* The cmocka checks stay on the main thread. */
static bool answers_wait(struct answers *answers, size_t count, int64_t wait_ms)
{
    struct mono_ns end = mono_after_ms(clock_mono(), wait_ms);
    for (;;) {
        pthread_mutex_lock(&answers->lock);
        bool is_enough = answers->count >= count;
        pthread_mutex_unlock(&answers->lock);
        if (is_enough || clock_mono().ns > end.ns) {
            return is_enough;
        }
        clock_sleep_ms(2);
    }
}

static struct bus_client *client_open(const char *addresses, size_t outstanding_max)
{
    struct bus_client_options options = {.addresses = addresses,
                                         .outstanding_max = outstanding_max};
    struct detail detail = {.text = ""};
    struct bus_client *client = NULL;
    EXPECT_OK(bus_client_open(&options, &detail, &client));
    return client;
}

static void wait_peers(struct bus_client *client, size_t count)
{
    struct mono_ns end = mono_after_ms(clock_mono(), WAIT_MS);
    while (bus_client_peers(client) != count && clock_mono().ns < end.ns) {
        clock_sleep_ms(2);
    }
    assert_int_equal(bus_client_peers(client), count);
}

static err_t send_text(struct bus_client *client, const char *text, struct answers *answers)
{
    return bus_client_send(client, bytes_of_text(text), on_answer, answers);
}

/* --- tests -------------------------------------------------------------------------------------------- */

static void test_what_is_sent_is_answered(void **state)
{
    struct fixture *f = *state;
    struct peer peer;
    struct answers answers;
    answers_init(&answers);
    peer_open(&peer, f->address[0], NULL, false);
    struct stat info;
    assert_int_equal(stat(f->address[0] + strlen("ipc://"), &info), 0);
    assert_int_equal(info.st_mode & 0777, 0660);
    struct bus_client *client = client_open(f->address[0], 0);
    wait_peers(client, 1);
    EXPECT_OK(send_text(client, "hello", &answers));
    assert_true(answers_wait(&answers, 1, WAIT_MS));
    assert_string_equal(answers.text_last, "hello");
    size_t sent = 1;
    while (sent < 500) {
        err_t err = send_text(client, "x", &answers);
        if (err_is_ok(err)) {
            sent++;
        } else {
            EXPECT_ERR(err, OVERLOAD);
        }
    }
    assert_true(answers_wait(&answers, sent, WAIT_MS));
    assert_int_equal(answers.codes[ERR_NONE], sent);
    assert_int_equal(bus_client_outstanding(client), 0);
    bus_client_close(client);
    peer_close(&peer);
}

static void test_nobody_there_is_said_at_once(void **state)
{
    struct fixture *f = *state;
    struct answers answers;
    answers_init(&answers);
    struct bus_client *client = client_open(f->address[0], 0);
    EXPECT_ERR(send_text(client, "x", &answers), PEER_GONE);
    assert_int_equal(bus_client_peers(client), 0);
    struct peer peer;
    peer_open(&peer, f->address[0], NULL, false);
    wait_peers(client, 1);
    EXPECT_OK(send_text(client, "later", &answers));
    assert_true(answers_wait(&answers, 1, WAIT_MS));
    assert_string_equal(answers.text_last, "later");
    bus_client_close(client);
    peer_close(&peer);
    assert_int_equal(answers.count, 1);
}

static void test_a_peer_that_dies_is_replaced_by_another(void **state)
{
    struct fixture *f = *state;
    char both[300];
    (void)snprintf(both, sizeof both, "%s,%s", f->address[0], f->address[1]);
    struct peer dying;
    struct peer living;
    struct answers answers;
    answers_init(&answers);
    peer_open(&dying, f->address[0], NULL, true);
    struct bus_client *client = client_open(both, 0);
    wait_peers(client, 1);
    EXPECT_OK(send_text(client, "again", &answers));
    peer_open(&living, f->address[1], NULL, false);
    wait_peers(client, 2);
    while (peer_seen(&dying) == 0) {
        clock_sleep_ms(2);
    }
    struct mono_ns began = clock_mono();
    peer_close(&dying);
    assert_true(answers_wait(&answers, 1, WAIT_MS));
    assert_true(mono_ms_between(began, clock_mono()) < BUS_RESEND_MS);
    assert_int_equal(answers.codes[ERR_NONE], 1);
    assert_string_equal(answers.text_last, "again");
    bus_client_close(client);
    peer_close(&living);
}

static void test_a_lone_peer_that_restarts_gets_it_again(void **state)
{
    struct fixture *f = *state;
    struct peer peer;
    struct answers answers;
    answers_init(&answers);
    peer_open(&peer, f->address[0], NULL, true);
    struct bus_client *client = client_open(f->address[0], 0);
    wait_peers(client, 1);
    EXPECT_OK(send_text(client, "again", &answers));
    while (peer_seen(&peer) == 0) {
        clock_sleep_ms(2);
    }
    peer_close(&peer);
    peer_open(&peer, f->address[0], NULL, false);
    assert_true(answers_wait(&answers, 1, WAIT_MS));
    assert_int_equal(answers.codes[ERR_NONE], 1);
    assert_string_equal(answers.text_last, "again");
    bus_client_close(client);
    peer_close(&peer);
}

static void test_a_silent_peer_is_passed_over(void **state)
{
    struct fixture *f = *state;
    char both[300];
    (void)snprintf(both, sizeof both, "%s,%s", f->address[0], f->address[1]);
    struct peer silent;
    struct peer living;
    struct answers answers;
    answers_init(&answers);
    peer_open(&silent, f->address[0], NULL, true);
    peer_open(&living, f->address[1], NULL, false);
    struct bus_client *client = client_open(both, 0);
    wait_peers(client, 2);
    struct mono_ns began = clock_mono();
    EXPECT_OK(send_text(client, "one", &answers));
    assert_true(answers_wait(&answers, 1, WAIT_MS));
    assert_int_equal(answers.codes[ERR_NONE], 1);
    assert_true(mono_ms_between(began, clock_mono()) >= BUS_RESEND_MS);
    assert_true(mono_ms_between(began, clock_mono()) < 2 * BUS_RESEND_MS);
    began = clock_mono();
    for (size_t i = 0; i < 20; i++) {
        EXPECT_OK(send_text(client, "more", &answers));
        assert_true(answers_wait(&answers, i + 2, WAIT_MS));
    }
    assert_true(mono_ms_between(began, clock_mono()) < BUS_RESEND_MS);
    assert_int_equal(peer_seen(&silent), 1);
    bus_client_close(client);
    peer_close(&silent);
    peer_close(&living);
}

static void test_only_silence_is_a_timeout_and_no_storm(void **state)
{
    struct fixture *f = *state;
    struct peer peer;
    struct answers answers;
    answers_init(&answers);
    peer_open(&peer, f->address[0], NULL, true);
    struct bus_client *client = client_open(f->address[0], 0);
    wait_peers(client, 1);
    struct mono_ns began = clock_mono();
    EXPECT_OK(send_text(client, "x", &answers));
    assert_true(answers_wait(&answers, 1, WAIT_MS));
    assert_int_equal(answers.codes[ERR_TIMEOUT], 1);
    assert_true(mono_ms_between(began, clock_mono()) >= BUS_ANSWER_MS - 100);
    assert_int_equal(peer_seen(&peer), 1);
    bus_client_close(client);
    peer_close(&peer);
}

static void test_too_many_outstanding_are_refused(void **state)
{
    struct fixture *f = *state;
    struct peer peer;
    struct answers answers;
    answers_init(&answers);
    peer_open(&peer, f->address[0], NULL, true);
    struct bus_client *client = client_open(f->address[0], 4);
    wait_peers(client, 1);
    for (size_t i = 0; i < 4; i++) {
        EXPECT_OK(send_text(client, "x", &answers));
    }
    EXPECT_ERR(send_text(client, "x", &answers), OVERLOAD);
    assert_int_equal(bus_client_outstanding(client), 4);
    bus_client_close(client);
    assert_int_equal(answers.codes[ERR_CLOSED], 4);
    assert_int_equal(answers.count, 4);
    peer_close(&peer);
}

static void test_the_largest_message_passes_and_one_more_byte_does_not(void **state)
{
    struct fixture *f = *state;
    struct peer peer;
    struct answers answers;
    answers_init(&answers);
    peer_open(&peer, f->address[0], NULL, false);
    struct bus_client *client = client_open(f->address[0], 0);
    wait_peers(client, 1);
    size_t len = (size_t)LIMIT_BUS_BYTES + 1;
    uint8_t *large = calloc(1, len);
    assert_non_null(large);
    EXPECT_ERR(bus_client_send(client, bytes_of(large, len), on_answer, &answers), TOO_LARGE);
    /* On a busy machine so much may take longer than an api waits: then it is sent again, as a client does. */
    size_t sent = 0;
    do {
        EXPECT_OK(bus_client_send(client, bytes_of(large, len - 1), on_answer, &answers));
        sent++;
        assert_true(answers_wait(&answers, sent, WAIT_MS));
    } while (answers.codes[ERR_TIMEOUT] == sent && sent < 5);
    free(large);
    assert_int_equal(answers.codes[ERR_NONE], 1);
    assert_int_equal(answers.bytes_last, len - 1);
    bus_client_close(client);
    peer_close(&peer);
}

static void test_a_drained_server_answers_what_it_took(void **state)
{
    struct fixture *f = *state;
    struct peer peer;
    struct answers answers;
    answers_init(&answers);
    peer_open(&peer, f->address[0], NULL, true);
    struct bus_client *client = client_open(f->address[0], 0);
    wait_peers(client, 1);
    EXPECT_OK(send_text(client, "x", &answers));
    EXPECT_OK(send_text(client, "x", &answers));
    while (peer_seen(&peer) < 2) {
        clock_sleep_ms(2);
    }
    bus_server_drain(peer.server);
    for (size_t i = 0; i < peer.kept_count; i++) {
        bus_work_reply(peer.kept[i], bytes_of_text("done"));
    }
    peer.kept_count = 0;
    assert_true(answers_wait(&answers, 2, WAIT_MS));
    assert_int_equal(answers.codes[ERR_NONE], 2);
    peer_close(&peer);
    bus_client_close(client);
}

struct heard {
    pthread_mutex_t lock;
    size_t count;
    size_t gaps;
    size_t empty;
};

static void on_gap(void *context)
{
    struct heard *heard = context;
    pthread_mutex_lock(&heard->lock);
    heard->gaps++;
    pthread_mutex_unlock(&heard->lock);
}

static void on_announcement(void *context, struct bytes wire)
{
    struct heard *heard = context;
    pthread_mutex_lock(&heard->lock);
    heard->count += bytes_equal_text(wire, "news") ? 1 : 0;
    heard->empty += wire.len == 0 ? 1 : 0;
    pthread_mutex_unlock(&heard->lock);
}

static void test_announcements_reach_who_listens(void **state)
{
    struct fixture *f = *state;
    struct peer peer;
    struct heard heard = {.lock = PTHREAD_MUTEX_INITIALIZER};
    peer_open(&peer, f->address[0], f->events[0], false);
    struct bus_client_options options = {.addresses = f->address[0],
                                         .event_addresses = f->events[0],
                                         .on_announcement = on_announcement,
                                         .on_gap = on_gap,
                                         .context = &heard};
    struct detail detail = {.text = ""};
    struct bus_client *client = NULL;
    EXPECT_OK(bus_client_open(&options, &detail, &client));
    size_t count = 0;
    for (int i = 0; i < WAIT_MS / 5 && count == 0; i++) {
        bus_server_announce(peer.server, bytes_of_text("news"));
        clock_sleep_ms(5);
        pthread_mutex_lock(&heard.lock);
        count = heard.count;
        pthread_mutex_unlock(&heard.lock);
    }
    assert_true(count > 0);
    bus_client_close(client);
    peer_close(&peer);
}

static size_t gaps_of(struct heard *heard)
{
    pthread_mutex_lock(&heard->lock);
    size_t gaps = heard->gaps;
    pthread_mutex_unlock(&heard->lock);
    return gaps;
}

static void gaps_wait(struct heard *heard, size_t wanted)
{
    for (int i = 0; i < WAIT_MS / 5 && gaps_of(heard) < wanted; i++) {
        clock_sleep_ms(5);
    }
    assert_int_equal(gaps_of(heard), wanted);
}

/* A connection tells that what was announced before it is unknown; a burst beyond all buffers leaves a hole in the
 * numbers, which the next announcement shows, an empty one too, which is handed to nobody. */
static void test_lost_announcements_are_told(void **state)
{
    enum { BURST = 20000 };
    struct fixture *f = *state;
    struct peer peer;
    struct heard heard = {.lock = PTHREAD_MUTEX_INITIALIZER};
    peer_open(&peer, f->address[0], f->events[0], false);
    struct bus_client_options options = {.addresses = f->address[0],
                                         .event_addresses = f->events[0],
                                         .on_announcement = on_announcement,
                                         .on_gap = on_gap,
                                         .context = &heard};
    struct detail detail = {.text = ""};
    struct bus_client *client = NULL;
    EXPECT_OK(bus_client_open(&options, &detail, &client));
    gaps_wait(&heard, 1);
    for (int i = 0; i < 10; i++) {
        bus_server_announce(peer.server, bytes_of_text(""));
        clock_sleep_ms(5);
    }
    assert_int_equal(gaps_of(&heard), 1);
    pthread_mutex_lock(&heard.lock); /* the listener stands still */
    for (int i = 0; i < BURST; i++) {
        bus_server_announce(peer.server, bytes_of_text("news"));
    }
    pthread_mutex_unlock(&heard.lock);
    for (int i = 0; i < WAIT_MS / 5 && gaps_of(&heard) < 2; i++) {
        bus_server_announce(peer.server, bytes_of_text(""));
        clock_sleep_ms(5);
    }
    assert_true(gaps_of(&heard) >= 2);
    pthread_mutex_lock(&heard.lock);
    size_t empty = heard.empty;
    pthread_mutex_unlock(&heard.lock);
    assert_int_equal(empty, 0);
    size_t before = 0;
    do { /* until the burst is through */
        before = gaps_of(&heard);
        clock_sleep_ms(200);
    } while (gaps_of(&heard) != before);
    peer_close(&peer);
    peer_open(&peer, f->address[0], f->events[0], false);
    gaps_wait(&heard, before + 1);
    bus_client_close(client);
    peer_close(&peer);
}

static void expect_bad_address(const char *address, const char *words)
{
    struct bus_client_options options = {.addresses = address};
    struct detail detail = {.text = ""};
    struct bus_client *client = NULL;
    EXPECT_ERR(bus_client_open(&options, &detail, &client), BAD_CONFIG);
    assert_non_null(strstr(detail.text, words));
    struct bus_server_options server_options = {.address = address, .on_work = on_work};
    struct bus_server *server = NULL;
    EXPECT_ERR(bus_server_open(&server_options, &detail, &server), BAD_CONFIG);
}

static void test_bad_addresses_are_named(void **state)
{
    (void)state;
    expect_bad_address("", "address");
    expect_bad_address("http://x", "http://x");
    expect_bad_address("tls+tcp://x:1", "bus_tls_cert");
}

static void test_plain_tcp_stays_on_loopback(void **state)
{
    (void)state;
    static const char *const far[] = {
        "tcp://10.0.0.1:1",   "tcp://0.0.0.0:1",    "tcp://*:1",           "tcp://:1",
        "tcp://[::]:1",       "tcp://1.127.0.0:1",  "tcp://localhost.x:1", "tcp://127.0.0.1.x:1",
        "tcp://127.1.evil:1", "tcp://correlator:1", "tcp://[::2]:1",       "tcp://"};
    for (size_t i = 0; i < sizeof far / sizeof far[0]; i++) {
        expect_bad_address(far[i], "tls+tcp://");
    }
    static const char *const near[] = {"tcp://127.0.0.1:1", "tcp://localhost:1", "tcp://[::1]:1",
                                       "tcp://127.9.9.9:1"};
    for (size_t i = 0; i < sizeof near / sizeof near[0]; i++) {
        struct bus_client_options options = {.addresses = near[i]};
        struct detail detail = {.text = ""};
        struct bus_client *client = NULL;
        EXPECT_OK(bus_client_open(&options, &detail, &client));
        bus_client_close(client);
    }
}

static void test_a_taken_address_is_an_error(void **state)
{
    struct fixture *f = *state;
    struct peer peer;
    peer_open(&peer, f->address[0], NULL, false);
    struct bus_server_options options = {
        .address = f->address[0], .on_work = on_work, .context = &peer, .contexts = 1};
    struct detail detail = {.text = ""};
    struct bus_server *second = NULL;
    EXPECT_ERR(bus_server_open(&options, &detail, &second), SYSTEM);
    assert_non_null(strstr(detail.text, f->address[0]));
    peer_close(&peer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_what_is_sent_is_answered, setup, teardown),
        cmocka_unit_test_setup_teardown(test_nobody_there_is_said_at_once, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_peer_that_dies_is_replaced_by_another, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_a_lone_peer_that_restarts_gets_it_again, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_a_silent_peer_is_passed_over, setup, teardown),
        cmocka_unit_test_setup_teardown(test_only_silence_is_a_timeout_and_no_storm, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_too_many_outstanding_are_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(test_the_largest_message_passes_and_one_more_byte_does_not,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_drained_server_answers_what_it_took, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_announcements_reach_who_listens, setup, teardown),
        cmocka_unit_test_setup_teardown(test_lost_announcements_are_told, setup, teardown),
        cmocka_unit_test_setup_teardown(test_bad_addresses_are_named, setup, teardown),
        cmocka_unit_test(test_plain_tcp_stays_on_loopback),
        cmocka_unit_test_setup_teardown(test_a_taken_address_is_an_error, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
