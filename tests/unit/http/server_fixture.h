/* server_fixture: a server whose paths choose what its handlers do, for the tests of proto/http. Assertions stay
 * on the main thread; the handlers only answer. */
#ifndef CALLTRACE_TESTS_SERVER_FIXTURE_H
#define CALLTRACE_TESTS_SERVER_FIXTURE_H

#include <stdatomic.h>

#include "proto/http/http.h"

enum {
    ACCEPT_BYTES = 100000,
    INFLIGHT_BYTES = 400000,
    SHARE_BYTES = 60000,
    BODY_MS = 400,
    IDLE_S = 1,
    BIG_BYTES = 32 << 20,
};

/* The fixture: a server whose paths choose what the handlers do.
 *   /echo    accepted, echoes the body          /park...  the same, the head decided by another thread
 *   /deny    401 at the head                    /parkdeny 401 by another thread
 *   /later   answered by another thread         /share    counts against a small share
 *   /empty   accepts no body                    /hold     answered when the test says so
 *   /big     32 MiB                             /query    the parameters */
struct fixture {
    struct http_server *server;
    unsigned port;
    _Atomic size_t share;
    _Atomic unsigned done;
    _Atomic unsigned freed;
    _Atomic bool is_held;
    uint8_t *big;
};

/* cmocka's setup and teardown of one test; *state is the fixture. */
int server_setup(void **state);
int server_teardown(void **state);
struct http_options server_options(struct fixture *fixture);

size_t requests_of(const struct http_server *server);
size_t connections_of(const struct http_server *server);
/* Waits three seconds for the value to become zero. */
bool eventually_zero(size_t (*value)(const struct http_server *), const struct http_server *server);

/* Sends the head of a POST. */
void post_head(int fd, const char *path, size_t declared);
/* That many 'x', malloc'd. */
char *filler(size_t len);
/* Sends one chunk; the peer may be gone. */
void chunk_send(int fd, const char *data, size_t len);

#endif
