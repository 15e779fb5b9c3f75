/* http: an HTTPS/HTTP server of requests; the only code that includes libmicrohttpd.
 *
 * A request's life: its head arrives -> on_head decides (accept a body of at most so many bytes, answer
 * at once, or park it while somebody looks the key up) -> the body is collected, counted against the
 * bytes in flight -> on_request gets it whole -> http_answer, then or later, from any thread.
 *
 *     on_head:     http_accept(request, LIMIT_BODY_BYTES);
 *     on_request:  queue_put(queue, request);
 *     a worker:    http_answer(request, &(struct http_answer){.status = 200, ...});
 *
 * Owner: between on_head/on_request and http_answer (or http_accept) the request belongs to whoever was
 * handed it; at all other times to the listener's thread. After http_answer nobody may touch it.
 * Everything allocated from its arena lives until it was sent. A client that vanishes is noticed by the
 * listener alone: the owner still answers, the answer is thrown away.
 *
 * The listener itself refuses, without asking: heads over LIMIT_HEAD_BYTES (431), targets and lengths
 * that cannot be read (400), bodies over what was accepted (413; declared lengths at the head, chunked
 * ones after draining), more bytes in flight than allowed (drained, then 503 with Retry-After: 1). What
 * such a refusal says is up to on_refuse, because OTLP paths answer in the request's encoding.
 *
 * A peer that stops is cut off: a connection that asks for nothing within idle_s after its last answer; a head that is
 * not complete within head_ms_max of its first line, or a new connection's, handshake included, of its beginning; a body
 * within body_ms_max, an answer read slower than HTTP_READ_BYTES_PER_S after body_ms_max.
 *
 * An answer given at the head is sent at once and ends the connection when a long or chunked body would
 * follow (what the client still sends is thrown away until it has read the answer, linger.h); a short body
 * (HTTP_DRAIN_BYTES) is read and forgotten first, so that the connection lives. */
#ifndef CALLTRACE_HTTP_H
#define CALLTRACE_HTTP_H

#include "proto/base/arena.h"
#include "proto/base/clock.h"

struct http_server;
struct http_request;

enum http_method {
    HTTP_METHOD_OTHER = 0,
    HTTP_METHOD_GET,
    HTTP_METHOD_HEAD,
    HTTP_METHOD_POST,
    HTTP_METHOD_PUT,
    HTTP_METHOD_PATCH,
    HTTP_METHOD_DELETE,
    HTTP_METHOD_OPTIONS,
};

struct http_header {
    const char *name;
    const char *value;
};

enum {
    HTTP_ANSWER_HEADERS_MAX = 8,
    /* A declared body of up to this length is drained before an answer that was given at the head. */
    HTTP_DRAIN_BYTES = 64 << 10,
    /* How much of a chunked body beyond its limit is swallowed to be able to say 413, and of a body that a
     * method other than POST and PUT should not have. */
    HTTP_SWALLOW_BYTES = 8 << 20,
    /* The slowest reader that is not cut off. */
    HTTP_READ_BYTES_PER_S = 32 << 10,
};

struct http_answer {
    unsigned status;
    const char *content_type; /* NULL with an empty body */
    struct bytes body;        /* borrowed until sent: arena, constant, or owned by free_body */
    void (*free_body)(void *context); /* may be NULL; called once after sending */
    void *free_context;
    struct http_header headers[HTTP_ANSWER_HEADERS_MAX]; /* up to the first NULL name */
    bool close;                                          /* end the connection after this answer */
};

struct http_handlers {
    /* The head is complete. Must not block. Calls http_accept, http_answer or http_park. */
    void (*on_head)(void *context, struct http_request *request);
    /* The body is complete. Must not block; the request is the handler's until http_answer. */
    void (*on_request)(void *context, struct http_request *request);
    /* The listener refuses (413, 503, 400 on a bad body): fill the answer, body from the arena. */
    void (*on_refuse)(void *context, struct http_request *request, unsigned status,
                      const char *sentence, struct http_answer *ret_answer);
    /* The request is over, its answer sent or thrown away; the last that is heard of it. `status` is 0 when
     * nothing was answered. May be NULL; must not block. */
    void (*on_done)(void *context, struct http_request *request, unsigned status);
    void *context;
};

struct http_options {
    const char *addresses; /* comma list "[::]:4318,127.0.0.1:80" */
    const char *tls_cert;  /* PEM paths; both NULL: plain HTTP; one HTTPS server a process */
    const char *tls_key;
    struct http_handlers handlers;
    unsigned threads;
    unsigned connections_max;
    unsigned connections_per_address_max; /* 0: no such bound */
    unsigned idle_s;
    unsigned head_ms_max; /* 0: idle_s */
    unsigned body_ms_max;
    size_t arena_bytes_max;    /* of one request */
    size_t inflight_bytes_max; /* bodies of all requests of this server */
};

/* Gives a listening server. Errors: BAD_CONFIG (address, certificate), SYSTEM (port taken); detail says. */
FALLIBLE http_server_start(const struct http_options *options, struct detail *detail,
                           struct http_server **ret_server);

/* Stops accepting connections; those open are served until their present request is answered. */
void http_server_drain(struct http_server *server);

/* After this returned no callback runs. Requests not yet answered must be answered before. NULL is fine. */
void http_server_stop(struct http_server *server);

/* Reads certificate and key anew: when asked to, else when a file has changed since it was last read. Connections stay;
 * handshakes from now on get the new one. On an error the old one stays. Thread: any. Errors: BAD_CONFIG, MEMORY. */
FALLIBLE http_server_renew(struct http_server *server, bool is_asked, struct detail *detail,
                           bool *ret_is_read);

/* When the certificate ends, in seconds since 1970; 0: plain HTTP. */
int64_t http_server_cert_ends_s(struct http_server *server);

size_t http_server_inflight_bytes(const struct http_server *server);
unsigned http_server_connections(const struct http_server *server);
/* Requests whose head is complete and whose answer is not yet sent. */
unsigned http_server_requests(const struct http_server *server);

/* Since the start: connections refused at the bound, and peers cut off in each state. */
struct http_cuts {
    uint64_t connections; /* more than connections_max */
    uint64_t head;        /* idle, or a head that did not end */
    uint64_t body;
    uint64_t answer;
};
struct http_cuts http_server_cuts(const struct http_server *server);

/* The port actually bound by the first address (for ":0"). */
unsigned http_server_port(const struct http_server *server);

/* --- while the request is yours ------------------------------------------------------------------- */

/* From on_head or after http_park: take a body of at most `bytes_max`. */
void http_accept(struct http_request *request, size_t bytes_max);

/* From on_head: somebody will call http_accept or http_answer later, from any thread. */
void http_park(struct http_request *request);

/* Copies `answer`; exactly once; the request is not yours any more. */
void http_answer(struct http_request *request, const struct http_answer *answer);

/* --- an answer without an end --------------------------------------------------------------------- */

/* Instead of http_answer: the head (status, type, headers; its body is not looked at) goes out at once, then what is
 * written, until http_stream_end. At most `bytes_max` wait for the peer to read; a peer for whom they do not
 * suffice, or who takes nothing for body_ms_max, is cut off.
 *
 *     TRY(http_stream_begin(request, &head, 64 << 10, &stream));     (now the request is not yours any more)
 *     while (... && http_stream_write(stream, text)) { ... }
 *     http_stream_end(stream);
 *
 * The stream is the caller's until http_stream_end, which must come before the server stops; one thread at a time.
 * A peer that went away is noticed by writing, or by asking. Errors: MEMORY; the request is still yours then. */
struct http_stream;
FALLIBLE http_stream_begin(struct http_request *request, const struct http_answer *head,
                           size_t bytes_max, struct http_stream **ret_stream);

/* Copies. False: the peer is gone or cut off, nothing more will reach it. Never blocks. */
bool http_stream_write(struct http_stream *stream, struct bytes data);

/* Has the peer closed its side? */
bool http_stream_is_gone(struct http_stream *stream);

/* Sends what waits, then ends the answer. NULL is fine. */
void http_stream_end(struct http_stream *stream);

struct arena *http_arena(struct http_request *request);
enum http_method http_method(const struct http_request *request);
bool http_is_tls(const struct http_request *request);
const char *http_method_name(const struct http_request *request);
const char *http_path(const struct http_request *request); /* percent-decoded, no query */
/* As it came, no query: an encoded slash does not yet separate segments. */
const char *http_raw_path(const struct http_request *request);
const char *http_header(const struct http_request *request, const char *name); /* NULL if absent */
struct bytes http_body(const struct http_request *request);
struct mono_ns http_began(const struct http_request *request);
/* The caller's X-Request-Id when it is well formed (context.h), else 16 hex digits of ours; answered as x-request-id. */
const char *http_id(const struct http_request *request);

/* Query parameters in their order, percent-decoded. */
struct http_parameter {
    const char *name;
    const char *value;
};
size_t http_parameters(const struct http_request *request, const struct http_parameter **ret_all);
const char *http_parameter(const struct http_request *request, const char *name); /* first; NULL */

/* Decodes %XX strictly, '+' to a space on demand. Errors: MALFORMED (a '%' without two hex digits, an encoded
 * NUL, not UTF-8), NO_SPACE. */
FALLIBLE http_percent_decode(struct arena *arena, struct bytes text, bool plus_is_space,
                             const char **ret_text);

/* A pointer of the handlers' own; NULL at first. */
void http_set_user(struct http_request *request, void *user);
void *http_user(const struct http_request *request);

/* Before http_accept: counts the body, as it grows, against this counter too, with its maximum (one key's share
 * of the bytes in flight). The counter must live until on_done. */
void http_set_share(struct http_request *request, _Atomic size_t *counter, size_t bytes_max);

#endif
