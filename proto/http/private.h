/* What server.c (life of a server) and request.c (life of a request) share; with them the only code
 * that includes libmicrohttpd. Included by nothing else.
 *
 * Threads: MHD's own (each connection has one), the sweeper, and the owners of suspended requests. A
 * request's fields belong to its MHD thread, except from suspend to resume: then `decision`, `answer`,
 * `accept_bytes_max`, `share`, `user` and the arena belong to the owner. MHD's resume hands them back. */
#ifndef CALLTRACE_HTTP_PRIVATE_H
#define CALLTRACE_HTTP_PRIVATE_H

#include <pthread.h>
#include <stdatomic.h>

#include <microhttpd.h>

#include "proto/http/context.h"
#include "proto/http/http.h"
#include "proto/http/tls.h"
#include "proto/http/uri.h"

enum { HTTP_ADDRESSES_MAX = 8 };

/* What a connection's peer is waited for; decides which counter a cut goes to. */
enum wait_for {
    WAIT_FOR_HEAD = 0,
    WAIT_FOR_BODY,
    WAIT_FOR_NOTHING, /* the request is ours */
    WAIT_FOR_READER,
    WAIT_FOR_COUNT,
};

/* One per TCP connection, from accept to close. In the server's list under its lock; the sweeper looks at the
 * atomics only. */
struct connection {
    struct connection *prev;
    struct connection *next;
    int fd;
    bool is_cut;
    bool is_unread; /* its last answer went out before the request was read; of its MHD thread */
    _Atomic int wait_for;
    _Atomic int64_t deadline_ns; /* 0: none */
};

/* STAGE_HEAD: on_head has been asked. -> BODY (accepted) | DRAIN (answered or refused) | ANSWERED (at once)
 * STAGE_BODY: collecting. -> WORK | DRAIN (over a limit)
 * STAGE_WORK: suspended, the owner works. -> ANSWERED
 * STAGE_DRAIN: the rest of the body is thrown away. -> ANSWERED
 * Waits for the peer in BODY, DRAIN and ANSWERED; for an owner in HEAD (when parked) and WORK. */
enum stage {
    STAGE_NEW = 0,
    STAGE_HEAD,
    STAGE_BODY,
    STAGE_WORK,
    STAGE_DRAIN,
    STAGE_ANSWERED,
};

enum decision {
    DECISION_NONE = 0,
    DECISION_ACCEPT,
    DECISION_ANSWER,
};

struct http_request {
    struct http_server *server;
    struct MHD_Connection *mhd;
    struct connection *connection; /* may be NULL when memory ran out */
    struct arena arena;
    enum stage stage;
    enum decision decision;
    bool is_suspended;
    bool is_head_counted;
    bool is_shown; /* on_head was called, so on_done will be */
    err_t uri_err;
    struct detail uri_detail;
    struct uri uri;
    enum http_method method;
    const char *method_name;
    char id[CONTEXT_ID_CHARS_MAX + 1];
    struct mono_ns began;
    bool is_last; /* nothing more is read on this connection */
    bool is_chunked;
    uint64_t declared_bytes;
    size_t accept_bytes_max;
    uint8_t *body;
    size_t body_len;
    size_t body_room; /* counted against the bytes in flight */
    uint64_t drained_bytes;
    uint64_t drain_bytes_max;
    unsigned refuse_status; /* 0: not refused */
    const char *refuse_sentence;
    _Atomic size_t *share;
    size_t share_bytes_max;
    struct http_answer answer;
    struct http_stream *stream; /* NULL: the answer has its body */
    unsigned status_sent;
    void *user;
};

struct http_server {
    struct http_handlers handlers;
    unsigned connections_max;
    unsigned idle_s;
    int64_t head_ms_max;
    unsigned body_ms_max;
    size_t arena_bytes_max;
    size_t inflight_bytes_max;
    struct MHD_Daemon *daemons[HTTP_ADDRESSES_MAX];
    size_t daemons_count;
    unsigned port;
    struct tls *tls; /* NULL: plain HTTP */
    uint64_t id_seed;
    _Atomic uint64_t id_next;
    _Atomic size_t inflight_bytes;
    _Atomic unsigned connections_count;
    _Atomic unsigned requests_count;
    _Atomic unsigned suspended_count;
    _Atomic bool is_draining;
    _Atomic bool is_stopping;
    _Atomic uint64_t cuts[WAIT_FOR_COUNT];
    _Atomic uint64_t cut_connections;
    pthread_mutex_t lock; /* guards connections; taken alone */
    struct connection *connections;
    struct lingerer *linger;
    _Atomic bool is_sweeping;
    bool has_sweeper;
    pthread_t sweeper;
};

void connection_wait_for(struct connection *connection, enum wait_for what, int64_t within_ms);

/* The three callbacks that libmicrohttpd runs for a request. */
void *request_new(void *cls, const char *target, struct MHD_Connection *mhd);
enum MHD_Result request_step(void *cls, struct MHD_Connection *mhd, const char *url,
                             const char *method, const char *version, const char *data,
                             size_t *data_len, void **slot);
void request_over(void *cls, struct MHD_Connection *mhd, void **slot,
                  enum MHD_RequestTerminationCode code);

/* The owner's side of a decided request: DECISION_ANSWER, http_answer's and http_stream_begin's. */
void request_decide(struct http_request *request, enum decision decision);

/* The answer's response, whose body comes as it is written. NULL when out of memory. */
struct MHD_Response *stream_response(struct http_stream *stream);

/* The request is over; the connection is not to be touched any more. */
void stream_over(struct http_stream *stream);

#endif
