/* tls_server: a small HTTPS server for the tests of fetch, which also does what no good server would.
 *
 * | path | answer |
 * |---|---|
 * | /ok | 200 "hello" |
 * | /heads | 200, the request's head |
 * | /echo | 200, the request's body |
 * | /declared/N, /closed/N | 200 with N octets; of declared length, or until the connection closes |
 * | /lies | 200 that declares more than it sends |
 * | /gzip | 200 "not gzip at all" with Content-Encoding: gzip |
 * | /status/N | N, with Retry-After: 7 |
 * | /hops/N | 302 to /hops/N-1; at 0 as /heads |
 * | /to/URL | 302 to URL |
 * | /nowhere | 302 without a Location |
 * | /drip | 200, an octet every 20 ms, for ever |
 * | /silent | nothing until the other side goes |
 *
 * One connection at a time, on a thread of its own. */
#ifndef CALLTRACE_TESTS_TLS_SERVER_H
#define CALLTRACE_TESTS_TLS_SERVER_H

#include <stdbool.h>
#include <time.h>

struct tls_server;

/* On 127.0.0.1, with a certificate of its own making for `name` (localhost: also for 127.0.0.1) that ends at
 * `ends_at`. NULL when something fails. */
struct tls_server *tls_server_new(const char *name, time_t ends_at);
void tls_server_free(struct tls_server *server);

unsigned tls_server_port(const struct tls_server *server);

/* PEM file to trust. */
const char *tls_server_ca(const struct tls_server *server);

/* Requests whose head arrived. */
unsigned tls_server_requests(const struct tls_server *server);

#endif
