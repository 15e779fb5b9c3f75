/* The server over real sockets: every limit at its bound and one past it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "proto/base/limits.h"
#include "tests/unit/http/server_fixture.h"
#include "tests/unit/http/wire.h"

#include "proto/base/banned.h"

static struct wire_answer answer; /* too large for a stack */

static void declared_length_at_and_over_the_limit(void **state)
{
    struct fixture *fixture = *state;
    char *body = filler(ACCEPT_BYTES);
    static const char *const paths[] = {"/echo", "/park"};
    for (size_t i = 0; i < 2; i++) {
        int fd = wire_open(fixture->port);
        post_head(fd, paths[i], ACCEPT_BYTES);
        assert_true(wire_send(fd, body, ACCEPT_BYTES));
        assert_true(wire_read(fd, false, 5000, &answer));
        assert_int_equal(answer.status, 200);
        assert_int_equal(answer.body_len, ACCEPT_BYTES);
        post_head(fd, paths[i], ACCEPT_BYTES + 1); /* refused at the head: no body is sent */
        assert_true(wire_read(fd, false, 5000, &answer));
        assert_int_equal(answer.status, 413);
        assert_true(wire_ends(fd, 2000));
        wire_close(fd);
    }
    free(body);
}

/* A client that writes its whole body before it reads finds the answer, not a broken pipe. */
static void client_that_writes_first_still_reads_413(void **state)
{
    enum { LONG_BYTES = 40 << 20 };
    struct fixture *fixture = *state;
    char *body = filler(LONG_BYTES);
    static const char *const paths[] = {"/echo", "/park", "/deny"};
    for (size_t i = 0; i < 3; i++) {
        int fd = wire_open(fixture->port);
        post_head(fd, paths[i], LONG_BYTES);
        clock_sleep_ms(50); /* the answer is out, the server's side closed */
        assert_true(wire_send(fd, body, LONG_BYTES));
        assert_true(wire_read(fd, false, 5000, &answer));
        assert_int_equal(answer.status, i == 2 ? 401 : 413);
        wire_close(fd);
    }
    free(body);
}

/* Nobody is read from for ever. */
static void lingering_ends_after_its_time(void **state)
{
    struct fixture *fixture = *state;
    int fd = wire_open(fixture->port);
    struct mono_ns began = clock_mono();
    post_head(fd, "/deny", 1U << 30);
    while (wire_send_text(fd, "x") && mono_ms_between(began, clock_mono()) < BODY_MS * 5) {
        clock_sleep_ms(10);
    }
    assert_true(mono_ms_between(began, clock_mono()) < BODY_MS * 5);
    wire_close(fd);
}

static void expecting_client_gets_413_instead_of_continue(void **state)
{
    struct fixture *fixture = *state;
    int fd = wire_open(fixture->port);
    assert_true(wire_send_text(fd, "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 200000\r\n"
                                   "Expect: 100-continue\r\n\r\n"));
    assert_true(wire_read(fd, false, 5000, &answer));
    assert_int_equal(answer.status, 413);
    wire_close(fd);
}

static void short_body_over_the_limit_keeps_the_connection(void **state)
{
    struct fixture *fixture = *state;
    int fd = wire_open(fixture->port);
    post_head(fd, "/empty", 1);
    assert_true(wire_send_text(fd, "x"));
    assert_true(wire_read(fd, false, 5000, &answer));
    assert_int_equal(answer.status, 413);
    wire_close(fd);
    fd = wire_open(fixture->port);
    post_head(fd, "/deny", 5);
    assert_true(wire_send_text(fd, "12345"));
    assert_true(wire_read(fd, false, 5000, &answer));
    assert_int_equal(answer.status, 401);
    post_head(fd, "/parkdeny", 5);
    assert_true(wire_send_text(fd, "12345"));
    assert_true(wire_read(fd, false, 5000, &answer));
    assert_int_equal(answer.status, 401);
    wire_close(fd);
}

/* Whatever the method and framing: an answer, never a hang. */
static void answers_at_the_head_for_every_method_and_framing(void **state)
{
    struct fixture *fixture = *state;
    static const char *const names[] = {"GET", "POST", "PUT", "PATCH", "DELETE", "BREW"};
    static const size_t lengths[] = {0, 1, HTTP_DRAIN_BYTES, HTTP_DRAIN_BYTES + 1, 300000};
    char *body = filler(300000);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        for (size_t n = 0; n < 2 * sizeof lengths / sizeof lengths[0]; n++) {
            bool is_chunked = n % 2 == 1;
            size_t len = lengths[n / 2];
            char head[256];
            int fd = wire_open(fixture->port);
            (void)snprintf(head, sizeof head, "%s /deny HTTP/1.1\r\nHost: x\r\n", names[i]);
            assert_true(wire_send_text(fd, head));
            if (is_chunked) {
                (void)wire_send_text(fd, "Transfer-Encoding: chunked\r\n\r\n");
                if (len > 0) {
                    chunk_send(fd, body, len);
                }
                (void)wire_send_text(fd, "0\r\n\r\n");
            } else {
                (void)snprintf(head, sizeof head, "Content-Length: %zu\r\n\r\n", len);
                (void)(wire_send_text(fd, head) && wire_send(fd, body, len));
            }
            bool has_answer = wire_read(fd, false, 3000, &answer);
            print_message("%s %zu %s: %d\n", names[i], len, is_chunked ? "chunked" : "declared",
                          answer.status);
            assert_true(has_answer);
            assert_int_equal(answer.status, 401);
            wire_close(fd);
        }
    }
    free(body);
    assert_true(eventually_zero(requests_of, fixture->server));
}

static void chunked_over_the_limit_is_swallowed_then_413(void **state)
{
    struct fixture *fixture = *state;
    char *body = filler(ACCEPT_BYTES);
    static const size_t extra[] = {0, 1, 300000};
    static const int status[] = {200, 413, 413};
    for (size_t i = 0; i < 3; i++) {
        int fd = wire_open(fixture->port);
        assert_true(wire_send_text(
            fd, "POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"));
        chunk_send(fd, body, ACCEPT_BYTES);
        for (size_t left = extra[i]; left > 0;) {
            size_t len = left < ACCEPT_BYTES ? left : ACCEPT_BYTES;
            chunk_send(fd, body, len);
            left -= len;
        }
        assert_true(wire_send_text(fd, "0\r\n\r\n"));
        assert_true(wire_read(fd, false, 5000, &answer));
        assert_int_equal(answer.status, status[i]);
        post_head(fd, "/echo", 1); /* the connection lives */
        assert_true(wire_send_text(fd, "x"));
        assert_true(wire_read(fd, false, 5000, &answer));
        assert_int_equal(answer.status, 200);
        wire_close(fd);
    }
    free(body);
}

static void endless_chunks_are_cut_off(void **state)
{
    struct fixture *fixture = *state;
    char *body = filler(ACCEPT_BYTES);
    int fd = wire_open(fixture->port);
    assert_true(
        wire_send_text(fd, "POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"));
    size_t sent = 0;
    for (; sent < HTTP_SWALLOW_BYTES * 2; sent += ACCEPT_BYTES) {
        char head[] = "186a0\r\n";
        if (!wire_send_text(fd, head) || !wire_send(fd, body, ACCEPT_BYTES) ||
            !wire_send_text(fd, "\r\n")) {
            break;
        }
    }
    assert_true(sent < HTTP_SWALLOW_BYTES * 2);
    wire_close(fd);
    free(body);
    assert_true(eventually_zero(requests_of, fixture->server));
    assert_int_equal(http_server_inflight_bytes(fixture->server), 0);
}

static void bytes_in_flight_are_bounded(void **state)
{
    struct fixture *fixture = *state;
    char *body = filler(ACCEPT_BYTES);
    int held[4];
    atomic_store(&fixture->is_held, true);
    for (int i = 0; i < 4; i++) {
        held[i] = wire_open(fixture->port);
        post_head(held[i], "/hold", ACCEPT_BYTES);
        assert_true(wire_send(held[i], body, ACCEPT_BYTES));
    }
    for (int i = 0; i < 300 && http_server_inflight_bytes(fixture->server) < INFLIGHT_BYTES; i++) {
        clock_sleep_ms(10);
    }
    assert_int_equal(http_server_inflight_bytes(fixture->server), INFLIGHT_BYTES);
    int fd = wire_open(fixture->port);
    post_head(fd, "/echo", 1000);
    assert_true(wire_send(fd, body, 1000));
    assert_true(wire_read(fd, false, 5000, &answer));
    assert_int_equal(answer.status, 503);
    assert_true(wire_has(&answer, "retry-after: 1"));
    atomic_store(&fixture->is_held, false);
    for (int i = 0; i < 4; i++) {
        assert_true(wire_read(held[i], false, 5000, &answer));
        assert_int_equal(answer.status, 200);
        wire_close(held[i]);
    }
    assert_int_equal(http_server_inflight_bytes(fixture->server), 0);
    post_head(fd, "/echo", 1000); /* the refused connection lives and is served now */
    assert_true(wire_send(fd, body, 1000));
    assert_true(wire_read(fd, false, 5000, &answer));
    assert_int_equal(answer.status, 200);
    wire_close(fd);
    free(body);
}

static void share_is_bounded_at_and_one_past(void **state)
{
    struct fixture *fixture = *state;
    char *body = filler(SHARE_BYTES + 1);
    for (size_t more = 0; more < 2; more++) {
        int fd = wire_open(fixture->port);
        post_head(fd, "/share", SHARE_BYTES + more);
        assert_true(wire_send(fd, body, SHARE_BYTES + more));
        assert_true(wire_read(fd, false, 5000, &answer));
        assert_int_equal(answer.status, more == 0 ? 200 : 503);
        wire_close(fd);
    }
    assert_true(eventually_zero(requests_of, fixture->server));
    assert_int_equal(atomic_load(&fixture->share), 0);
    free(body);
}

static void heads_are_bounded(void **state)
{
    struct fixture *fixture = *state;
    static const struct {
        size_t filler;
        bool is_taken;
    } cases[] = {
        {LIMIT_HEAD_BYTES - 200, true}, {LIMIT_HEAD_BYTES, false}, {LIMIT_HEAD_BYTES * 3, false}};
    for (size_t i = 0; i < 3; i++) {
        char *value = filler(cases[i].filler);
        int fd = wire_open(fixture->port);
        (void)(wire_send_text(fd, "GET /echo HTTP/1.1\r\nHost: x\r\nX-Long: ") &&
               wire_send(fd, value, cases[i].filler) && wire_send_text(fd, "\r\n\r\n"));
        (void)wire_read(fd, false, 5000, &answer);
        print_message("head of %zu: %d\n", cases[i].filler, answer.status);
        assert_true((answer.status == 200) == cases[i].is_taken);
        wire_close(fd);
        free(value);
    }
}

static void connections_are_bounded(void **state)
{
    struct fixture *fixture = *state;
    int fds[33];
    for (int i = 0; i < 32; i++) {
        fds[i] = wire_open(fixture->port);
        assert_true(wire_send_text(fds[i], "GET /echo HTTP/1.1\r\nHost: x\r\n\r\n"));
        assert_true(wire_read(fds[i], false, 5000, &answer));
        assert_int_equal(answer.status, 200);
    }
    fds[32] = wire_open(fixture->port);
    assert_true(wire_ends(fds[32], 2000));
    assert_int_equal(http_server_cuts(fixture->server).connections, 1);
    for (int i = 0; i < 33; i++) {
        wire_close(fds[i]);
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, server_setup, server_teardown)
    const struct CMUnitTest tests[] = {
        TEST(declared_length_at_and_over_the_limit),
        TEST(client_that_writes_first_still_reads_413),
        TEST(lingering_ends_after_its_time),
        TEST(expecting_client_gets_413_instead_of_continue),
        TEST(short_body_over_the_limit_keeps_the_connection),
        TEST(answers_at_the_head_for_every_method_and_framing),
        TEST(chunked_over_the_limit_is_swallowed_then_413),
        TEST(endless_chunks_are_cut_off),
        TEST(bytes_in_flight_are_bounded),
        TEST(share_is_bounded_at_and_one_past),
        TEST(heads_are_bounded),
        TEST(connections_are_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
