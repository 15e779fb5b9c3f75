/* Answers without an end: what is written arrives, silence costs nothing, peers that go or do not read are noticed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include <poll.h>
#include <sys/socket.h>

#include "tests/unit/http/server_fixture.h"
#include "tests/unit/http/wire.h"

#include "proto/base/banned.h"

enum { STREAM_BYTES = 64 << 10, WAIT_MS = 5000, TEXT_BYTES = 64 << 10 };

struct streaming {
    struct fixture fixture; /* first: server_options' handlers get it */
    _Atomic(struct http_stream *) begun;
    _Atomic unsigned failed;
};

static const struct http_answer head = {
    .status = 200, .content_type = "text/event-stream", .headers = {{"cache-control", "no-store"}}};

static void on_head(void *context, struct http_request *request)
{
    (void)context;
    http_accept(request, 0);
}

static void on_request(void *context, struct http_request *request)
{
    struct streaming *streaming = context;
    struct http_stream *stream = NULL;
    if (err_is_ok(http_stream_begin(request, &head, STREAM_BYTES, &stream))) {
        atomic_store(&streaming->begun, stream);
    } else {
        atomic_fetch_add(&streaming->failed, 1);
        http_answer(request, &(struct http_answer){.status = 503});
    }
}

static int setup(void **state)
{
    struct streaming *streaming = calloc(1, sizeof *streaming);
    struct http_options options = server_options(&streaming->fixture);
    struct detail detail = {0};
    options.handlers =
        (struct http_handlers){.on_head = on_head, .on_request = on_request, .context = streaming};
    if (!err_is_ok(http_server_start(&options, &detail, &streaming->fixture.server))) {
        print_error("%s\n", detail.text);
        return -1;
    }
    streaming->fixture.port = http_server_port(streaming->fixture.server);
    *state = streaming;
    return 0;
}

static int teardown(void **state)
{
    struct streaming *streaming = *state;
    http_server_stop(streaming->fixture.server);
    free(streaming);
    return 0;
}

/* Asks for a stream and gives both of its ends. */
static int begin(struct streaming *streaming, const char *method, struct http_stream **ret_stream)
{
    char text[64];
    int fd = wire_open(streaming->fixture.port);
    atomic_store(&streaming->begun, NULL);
    (void)snprintf(text, sizeof text, "%s /live HTTP/1.1\r\nHost: x\r\n\r\n", method);
    assert_true(wire_send_text(fd, text));
    for (int i = 0; i < WAIT_MS / 5 && atomic_load(&streaming->begun) == NULL; i++) {
        clock_sleep_ms(5);
    }
    *ret_stream = atomic_load(&streaming->begun);
    assert_non_null(*ret_stream);
    return fd;
}

/* Reads until `wanted` has come; false when the connection ended or it took too long. */
static bool read_until(int fd, const char *wanted)
{
    static char text[TEXT_BYTES];
    size_t len = 0;
    while (len < sizeof text - 1) {
        struct pollfd look = {.fd = fd, .events = POLLIN};
        if (poll(&look, 1, WAIT_MS) <= 0) {
            return false;
        }
        ssize_t got = recv(fd, text + len, sizeof text - 1 - len, 0);
        if (got <= 0) {
            return false;
        }
        len += (size_t)got;
        text[len] = '\0';
        if (strstr(text, wanted) != NULL) {
            return true;
        }
    }
    return false;
}

static bool write_text(struct http_stream *stream, const char *text)
{
    return http_stream_write(stream, bytes_of_text(text));
}

static void words_arrive_as_they_are_written(void **state)
{
    struct http_stream *stream = NULL;
    int fd = begin(*state, "GET", &stream);
    assert_true(read_until(fd, "\r\n\r\n")); /* the head comes before any word */
    assert_true(write_text(stream, "one\n\n"));
    assert_true(read_until(fd, "5\r\none\n\n\r\n"));
    assert_true(write_text(stream, ""));
    assert_true(write_text(stream, "two\n\n"));
    assert_true(read_until(fd, "two\n\n"));
    http_stream_end(stream);
    assert_true(read_until(fd, "0\r\n\r\n"));
    /* The connection lives on. */
    assert_true(wire_send_text(fd, "GET /live HTTP/1.1\r\nHost: x\r\n\r\n"));
    assert_true(read_until(fd, "text/event-stream"));
    http_stream_end(atomic_load(&((struct streaming *)*state)->begun));
    wire_close(fd);
}

static void what_was_written_before_the_end_arrives(void **state)
{
    struct http_stream *stream = NULL;
    int fd = begin(*state, "GET", &stream);
    char *text = filler(STREAM_BYTES - 10);
    assert_true(write_text(stream, text));
    assert_true(write_text(stream, "last word"));
    http_stream_end(stream);
    free(text);
    static char seen[4 * STREAM_BYTES];
    size_t len = 0;
    ssize_t got = 0;
    while (len < sizeof seen - 1 && strstr(seen, "last word") == NULL &&
           (got = recv(fd, seen + len, sizeof seen - 1 - len, 0)) > 0) {
        len += (size_t)got;
        seen[len] = '\0';
    }
    assert_non_null(strstr(seen, "last word"));
    wire_close(fd);
}

static void a_silent_stream_outlives_every_bound(void **state)
{
    struct http_stream *stream = NULL;
    int fd = begin(*state, "GET", &stream);
    assert_true(read_until(fd, "\r\n\r\n"));
    clock_sleep_ms(IDLE_S * 1000 + BODY_MS + 800);
    assert_false(http_stream_is_gone(stream));
    assert_true(write_text(stream, "still here"));
    assert_true(read_until(fd, "still here"));
    http_stream_end(stream);
    wire_close(fd);
}

static void a_peer_that_goes_is_noticed(void **state)
{
    struct streaming *streaming = *state;
    struct http_stream *stream = NULL;
    int fd = begin(streaming, "GET", &stream);
    assert_true(read_until(fd, "\r\n\r\n"));
    assert_false(http_stream_is_gone(stream));
    wire_close(fd);
    bool is_gone = false;
    for (int i = 0; i < WAIT_MS / 5 && !is_gone; i++) {
        is_gone = http_stream_is_gone(stream);
        clock_sleep_ms(5);
    }
    assert_true(is_gone);
    /* By writing, too. */
    for (int i = 0; i < WAIT_MS / 5 && write_text(stream, "x"); i++) {
        clock_sleep_ms(5);
    }
    assert_false(write_text(stream, "x"));
    http_stream_end(stream);
    assert_true(eventually_zero(connections_of, streaming->fixture.server));
}

static void a_peer_that_does_not_read_is_cut(void **state)
{
    struct streaming *streaming = *state;
    struct http_stream *stream = NULL;
    int fd = begin(streaming, "GET", &stream);
    char *text = filler(STREAM_BYTES / 2);
    size_t written = 0;
    while (write_text(stream, text)) {
        written += STREAM_BYTES / 2;
        assert_true(written < 64U << 20);
        clock_sleep_ms(1);
    }
    assert_false(write_text(stream, "x"));
    assert_true(http_stream_is_gone(stream));
    http_stream_end(stream);
    assert_true(eventually_zero(connections_of, streaming->fixture.server));
    assert_true(eventually_zero(requests_of, streaming->fixture.server));
    free(text);
    wire_close(fd);
}

static void too_much_at_once_is_cut(void **state)
{
    struct http_stream *stream = NULL;
    int fd = begin(*state, "GET", &stream);
    char *text = filler(STREAM_BYTES + 1);
    assert_false(write_text(stream, text));
    http_stream_end(stream);
    assert_true(wire_ends(fd, WAIT_MS));
    free(text);
    wire_close(fd);
}

static void a_head_request_gets_the_head_alone(void **state)
{
    struct streaming *streaming = *state;
    struct http_stream *stream = NULL;
    int fd = begin(streaming, "HEAD", &stream);
    assert_true(read_until(fd, "\r\n\r\n"));
    for (int i = 0; i < WAIT_MS / 5 && write_text(stream, "x"); i++) {
        clock_sleep_ms(5);
    }
    assert_false(write_text(stream, "x")); /* over before any word */
    http_stream_end(stream);
    wire_close(fd);
}

static void many_streams_end_before_the_server_stops(void **state)
{
    enum { MANY = 20 };
    struct streaming *streaming = *state;
    struct http_stream *streams[MANY];
    int fds[MANY];
    for (size_t i = 0; i < MANY; i++) {
        fds[i] = begin(streaming, "GET", &streams[i]);
    }
    http_server_drain(streaming->fixture.server);
    for (size_t i = 0; i < MANY; i++) {
        (void)write_text(streams[i], "bye");
        http_stream_end(streams[i]);
    }
    assert_true(eventually_zero(requests_of, streaming->fixture.server));
    for (size_t i = 0; i < MANY; i++) {
        assert_true(read_until(fds[i], "bye"));
        wire_close(fds[i]);
    }
    http_stream_end(NULL);
    assert_int_equal(atomic_load(&streaming->failed), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(words_arrive_as_they_are_written),     TEST(what_was_written_before_the_end_arrives),
        TEST(a_silent_stream_outlives_every_bound), TEST(a_peer_that_goes_is_noticed),
        TEST(a_peer_that_does_not_read_is_cut),     TEST(too_much_at_once_is_cut),
        TEST(a_head_request_gets_the_head_alone),   TEST(many_streams_end_before_the_server_stops),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
