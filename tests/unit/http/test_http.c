/* The server over real sockets: plain use, peers that stop or vanish in every state, draining. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>
#include <pthread.h>

#include "tests/unit/http/server_fixture.h"
#include "tests/unit/http/wire.h"

#include "proto/base/banned.h"

static struct wire_answer answer; /* too large for a stack */

/* --- plain use -------------------------------------------------------------------------------------- */

static void bodies_come_back_on_one_connection(void **state)
{
    struct fixture *fixture = *state;
    static const char *const paths[] = {"/echo", "/park", "/later", "/share"};
    int fd = wire_open(fixture->port);
    for (size_t i = 0; i < 12; i++) {
        char body[64];
        int len = snprintf(body, sizeof body, "body %zu", i);
        post_head(fd, paths[i % 4], (size_t)len);
        assert_true(wire_send_text(fd, body));
        assert_true(wire_read(fd, false, 5000, &answer));
        assert_int_equal(answer.status, 200);
        assert_string_equal(wire_body(&answer), body);
        assert_true(wire_has(&answer, "x-request-id: "));
    }
    wire_close(fd);
    assert_true(eventually_zero(connections_of, fixture->server));
    assert_int_equal(http_server_inflight_bytes(fixture->server), 0);
    assert_int_equal(atomic_load(&fixture->done), 12);
}

static void chunked_and_expecting_bodies_come_back(void **state)
{
    struct fixture *fixture = *state;
    int fd = wire_open(fixture->port);
    assert_true(
        wire_send_text(fd, "POST /park HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
                           "3\r\nabc\r\n4\r\ndefg\r\n0\r\nTrailer: 1\r\n\r\n"));
    assert_true(wire_read(fd, false, 5000, &answer));
    assert_string_equal(wire_body(&answer), "abcdefg");
    assert_true(wire_send_text(fd, "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n"
                                   "Expect: 100-continue\r\n\r\n"));
    clock_sleep_ms(30);
    assert_true(wire_send_text(fd, "xyz"));
    assert_true(wire_read(fd, false, 5000, &answer));
    assert_string_equal(wire_body(&answer), "xyz");
    wire_close(fd);
}

static void methods_and_headers_arrive(void **state)
{
    struct fixture *fixture = *state;
    static const char *const names[] = {"GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "BREW"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char request[128];
        int fd = wire_open(fixture->port);
        (void)snprintf(request, sizeof request, "%s /teapot HTTP/1.1\r\nHost: x\r\n\r\n", names[i]);
        assert_true(wire_send_text(fd, request));
        assert_true(wire_read(fd, false, 5000, &answer));
        assert_int_equal(answer.status, 418);
        assert_string_equal(wire_body(&answer), names[i]);
        assert_true(wire_has(&answer, "x-one: 1") && wire_has(&answer, "x-two: 2"));
        assert_true(wire_has(&answer, "connection: close"));
        assert_true(wire_ends(fd, 2000));
        wire_close(fd);
    }
}

static void head_gets_a_length_and_no_body(void **state)
{
    struct fixture *fixture = *state;
    int fd = wire_open(fixture->port);
    assert_true(wire_send_text(fd, "HEAD /query?q=1 HTTP/1.1\r\nHost: x\r\n\r\n"));
    assert_true(wire_read(fd, true, 5000, &answer));
    assert_int_equal(answer.status, 200);
    assert_true(wire_has(&answer, "content-length: 13"));
    assert_true(wire_send_text(fd, "GET /query?q=1 HTTP/1.1\r\nHost: x\r\n\r\n"));
    assert_true(wire_read(fd, false, 5000, &answer));
    assert_string_equal(wire_body(&answer), "1|q=1|first 1");
    wire_close(fd);
}

static void targets_that_cannot_be_read_are_400(void **state)
{
    struct fixture *fixture = *state;
    static const struct {
        const char *target;
        int status;
    } cases[] = {
        {"/query?a=%20+b&q=1&q=2", 200}, {"/query?a=%00", 400}, {"/query?a=%zz", 400},
        {"/query?a=%c0%af", 400},        {"/a%00", 400},        {"/%2", 400},
        {"http://x/query", 200},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char request[256];
        (void)snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: x\r\n\r\n",
                       cases[i].target);
        assert_int_equal(wire_status(fixture->port, request), cases[i].status);
    }
}

static void doubtful_framing_is_400(void **state)
{
    struct fixture *fixture = *state;
    static const char *const heads[] = {
        "Content-Length: 3\r\nContent-Length: 4\r\n",
        "Content-Length: 3\r\nContent-Length: 3\r\n",
        "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: gzip, chunked\r\n",
        "Transfer-Encoding: identity\r\n",
        "Content-Length: 0x3\r\n",
        "Content-Length: -3\r\n",
        "Content-Length: 99999999999999999999\r\n",
        "Content-Length : 3\r\n",
        "Content-Length:\r\n 3\r\n",
        "X y: z\r\n",
        "Host: y\r\n",
    };
    for (size_t i = 0; i < sizeof heads / sizeof heads[0]; i++) {
        char request[512];
        (void)snprintf(request, sizeof request, "POST /echo HTTP/1.1\r\nHost: x\r\n%s\r\n0\r\n\r\n",
                       heads[i]);
        int status = wire_status(fixture->port, request);
        print_message("%d %s", status, heads[i]);
        assert_true(status == 400 || status == 0 || status == 413);
    }
    assert_true(eventually_zero(requests_of, fixture->server));
}

/* --- peers that stop, peers that vanish --------------------------------------------------------------- */

static void slow_bodies_are_cut_off(void **state)
{
    struct fixture *fixture = *state;
    int silent = wire_open(fixture->port);
    int dripping = wire_open(fixture->port);
    post_head(silent, "/echo", 100);
    post_head(dripping, "/echo", 100000);
    struct mono_ns began = clock_mono();
    while (mono_ms_between(began, clock_mono()) < BODY_MS * 3) {
        if (!wire_send_text(dripping, "x")) {
            break;
        }
        clock_sleep_ms(20);
    }
    assert_true(mono_ms_between(began, clock_mono()) < BODY_MS * 3);
    assert_true(wire_ends(silent, 2000));
    wire_close(silent);
    wire_close(dripping);
    assert_true(eventually_zero(connections_of, fixture->server));
    assert_int_equal(http_server_cuts(fixture->server).body, 2);
    assert_int_equal(http_server_inflight_bytes(fixture->server), 0);
}

static void idle_and_dripping_heads_are_cut_off(void **state)
{
    struct fixture *fixture = *state;
    int idle = wire_open(fixture->port);
    int dripping = wire_open(fixture->port);
    struct mono_ns began = clock_mono();
    assert_true(wire_send_text(dripping, "GET /echo HTTP/1.1\r\nHost: "));
    while (mono_ms_between(began, clock_mono()) < IDLE_S * 3000) {
        if (!wire_send_text(dripping, "x")) {
            break;
        }
        clock_sleep_ms(50);
    }
    assert_true(mono_ms_between(began, clock_mono()) < IDLE_S * 3000);
    assert_true(wire_ends(idle, 2000));
    wire_close(idle);
    wire_close(dripping);
    assert_true(eventually_zero(connections_of, fixture->server));
}

static void peer_that_does_not_read_is_cut_off(void **state)
{
    struct fixture *fixture = *state;
    int fd = wire_open(fixture->port);
    assert_true(wire_send_text(fd, "GET /big HTTP/1.1\r\nHost: x\r\n\r\n"));
    clock_sleep_ms(100);
    assert_int_equal(atomic_load(&fixture->freed), 0);
    for (int i = 0; i < 2000 && atomic_load(&fixture->freed) == 0; i++) {
        clock_sleep_ms(10); /* libmicrohttpd's idle bound; the total bound is minutes for 32 MiB */
    }
    assert_int_equal(atomic_load(&fixture->freed), 1);
    wire_close(fd);
    assert_true(eventually_zero(connections_of, fixture->server));
}

static void client_may_vanish_in_every_state(void **state)
{
    struct fixture *fixture = *state;
    static const char *const texts[] = {
        "",
        "GET /ec",
        "GET /echo HTTP/1.1\r\nHost: x\r\n",
        "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n",
        "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nhalf",
        "POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab",
        "POST /park HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n",
        "POST /park HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nfull",
        "POST /parkdeny HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nhalf",
        "POST /deny HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nhalf",
        "POST /later HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nfull",
        "GET /later HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET /big HTTP/1.1\r\nHost: x\r\n\r\n",
    };
    for (size_t round = 0; round < 3; round++) {
        for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
            int fd = wire_open(fixture->port);
            assert_true(wire_send_text(fd, texts[i]));
            clock_sleep_ms((int64_t)round * 10);
            wire_close(fd);
        }
    }
    assert_true(eventually_zero(connections_of, fixture->server));
    assert_true(eventually_zero(requests_of, fixture->server));
    assert_int_equal(http_server_inflight_bytes(fixture->server), 0);
}

/* --- the end ---------------------------------------------------------------------------------------- */

static void draining_answers_what_is_in_flight(void **state)
{
    struct fixture *fixture = *state;
    atomic_store(&fixture->is_held, true);
    int fd = wire_open(fixture->port);
    post_head(fd, "/hold", 4);
    assert_true(wire_send_text(fd, "body"));
    while (http_server_inflight_bytes(fixture->server) == 0) {
        clock_sleep_ms(1);
    }
    http_server_drain(fixture->server);
    int late = wire_open(fixture->port);
    assert_int_equal(late, -1); /* nobody listens any more */
    atomic_store(&fixture->is_held, false);
    assert_true(wire_read(fd, false, 5000, &answer));
    assert_int_equal(answer.status, 200);
    assert_true(wire_has(&answer, "connection: close"));
    assert_true(wire_ends(fd, 2000));
    wire_close(fd);
}

struct knocker {
    _Atomic unsigned port;
    _Atomic bool is_over;
};

static void *knock(void *arg)
{
    struct knocker *knocker = arg;
    while (!atomic_load(&knocker->is_over)) {
        wire_close(wire_open(atomic_load(&knocker->port)));
    }
    return NULL;
}

/* The threads of libmicrohttpd run while the listener is taken from them. */
static void draining_while_clients_come_ends_well(void **state)
{
    struct fixture *fixture = *state;
    struct knocker knocker = {.port = fixture->port};
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, knock, &knocker), 0);
    for (int round = 0; round < 60; round++) {
        struct http_options options = server_options(fixture);
        struct http_server *server = NULL;
        struct detail detail = {0};
        options.threads = 4;
        assert_true(err_is_ok(http_server_start(&options, &detail, &server)));
        atomic_store(&knocker.port, http_server_port(server));
        clock_sleep_ms(1);
        http_server_drain(server);
        http_server_stop(server);
    }
    atomic_store(&knocker.is_over, true);
    assert_int_equal(pthread_join(thread, NULL), 0);
}

static void bad_options_are_refused_with_a_sentence(void **state)
{
    struct fixture *fixture = *state;
    static const char *const addresses[] = {
        "",     "nowhere", "127.0.0.1",   "127.0.0.1:", "127.0.0.1:99999",
        "[::1", "::1:80",  "127.0.0.1:x", "example:80", "300.1.1.1:80"};
    for (size_t i = 0; i < sizeof addresses / sizeof addresses[0]; i++) {
        struct http_options options = server_options(fixture);
        struct http_server *server = NULL;
        struct detail detail = {0};
        options.addresses = addresses[i];
        assert_false(err_is_ok(http_server_start(&options, &detail, &server)));
        print_message("%s\n", detail.text);
        assert_true(detail.text[0] != '\0');
    }
    struct http_options options = server_options(fixture);
    struct http_server *server = NULL;
    struct detail detail = {0};
    char taken[64];
    (void)snprintf(taken, sizeof taken, "127.0.0.1:%u", fixture->port);
    options.addresses = taken;
    assert_true(err_is(http_server_start(&options, &detail, &server), ERR_SYSTEM));
    options.addresses = "127.0.0.1:0";
    options.tls_cert = "/nonexistent/cert.pem";
    assert_true(err_is(http_server_start(&options, &detail, &server), ERR_BAD_CONFIG));
    options.tls_key = "/nonexistent/key.pem";
    assert_true(err_is(http_server_start(&options, &detail, &server), ERR_BAD_CONFIG));
    options.tls_cert = "README.md";
    options.tls_key = "/dev/null";
    assert_true(err_is(http_server_start(&options, &detail, &server), ERR_BAD_CONFIG));
    print_message("%s\n", detail.text);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, server_setup, server_teardown)
    const struct CMUnitTest tests[] = {
        TEST(bodies_come_back_on_one_connection),
        TEST(chunked_and_expecting_bodies_come_back),
        TEST(methods_and_headers_arrive),
        TEST(head_gets_a_length_and_no_body),
        TEST(targets_that_cannot_be_read_are_400),
        TEST(doubtful_framing_is_400),
        TEST(slow_bodies_are_cut_off),
        TEST(idle_and_dripping_heads_are_cut_off),
        TEST(peer_that_does_not_read_is_cut_off),
        TEST(client_may_vanish_in_every_state),
        TEST(draining_answers_what_is_in_flight),
        TEST(draining_while_clients_come_ends_well),
        TEST(bad_options_are_refused_with_a_sentence),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
