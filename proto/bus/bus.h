/* bus: how api and correlator reach each other; the only code that includes nng.
 *
 * An api opens a bus_client over the addresses of all correlators; a correlator opens a bus_server. A
 * request is answered once: with the correlator's reply, or with an error of class unavailable within
 * BUS_ANSWER_MS. The client sends a message again once, with the same id, when its peer vanishes or
 * after BUS_RESEND_MS; it takes the correlator with the fewest outstanding requests and passes over one
 * that was silent for BUS_RESEND_MS (ARCHITECTURE.md, "The bus").
 *
 *     err_t err = bus_client_send(client, wire, on_answer, request);
 *
 * Announcements go from every server to every client that subscribed; they may be lost. */
#ifndef CALLTRACE_BUS_H
#define CALLTRACE_BUS_H

#include "proto/base/bytes.h"
#include "proto/base/clock.h"
#include "proto/base/err.h"

enum {
    BUS_RESEND_MS = 1000,
    BUS_ANSWER_MS = 3000,
    /* nng before 1.8 may never return from closing a socket whose peer goes at that moment (nanomsg/nng issue 1813).
     * After so long a closed client or server is left to its threads, which call nobody back. */
    BUS_CLOSE_MS = 2000,
    /* Requests one client may have outstanding; a server has more contexts than its clients together. */
    BUS_OUTSTANDING_MAX = 1024,
    BUS_SERVER_CONTEXTS = 4096,
};

struct bus_client;
struct bus_server;
struct bus_work;

/* `reply` is borrowed for the call and empty unless err is OK. Runs on a thread of the bus: hand over,
 * do not work or block. */
typedef void bus_answer_fn(void *context, err_t err, struct bytes reply);

/* Runs on a thread of the bus with a packed bus_announcement, borrowed for the call. */
typedef void bus_announcement_fn(void *context, struct bytes wire);

/* Announcements may have been lost: a server came (back), or the numbers of one have a hole. Runs on a thread of the
 * bus. */
typedef void bus_gap_fn(void *context);

/* What tls+tcp:// needs, PEM files; read when the bus is opened, not kept. NULL or empty: no such address. */
struct bus_tls {
    const char *cert; /* this side's certificate, its chain and its private key in one file */
    const char *ca;   /* who signed the other side's */
};

struct bus_client_options {
    /* comma list, one per correlator: ipc:///path, tls+tcp://name:port, tcp://loopback:port */
    const char *addresses;
    struct bus_tls tls;
    const char *event_addresses;          /* comma list; NULL or empty: no announcements */
    bus_announcement_fn *on_announcement; /* may be NULL */
    bus_gap_fn *on_gap;                   /* may be NULL */
    void *context;
    size_t outstanding_max; /* 0: BUS_OUTSTANDING_MAX */
};

/* Gives a client that dials in the background for ever; peers may come and go. Errors: BAD_CONFIG, MEMORY,
 * SYSTEM; detail names the address. */
FALLIBLE bus_client_open(const struct bus_client_options *options, struct detail *detail,
                         struct bus_client **ret_client);

/* Stops everything and calls back what is outstanding with CLOSED; no callback runs after it returned.
 * NULL is fine. Never from a callback. */
void bus_client_close(struct bus_client *client);

/* Copies `wire`. The callback runs exactly once if this returns OK, and never otherwise. Thread: any.
 * Errors: OVERLOAD (outstanding_max reached), PEER_GONE (no correlator connected), MEMORY. */
FALLIBLE bus_client_send(struct bus_client *client, struct bytes wire, bus_answer_fn *on_answer,
                         void *context);

/* How many correlators are connected now, and requests outstanding. Thread: any. */
size_t bus_client_peers(const struct bus_client *client);
/* How many of them answered within BUS_RESEND_MS when they were last asked, and how many there should be. Thread: any. */
size_t bus_client_answering(const struct bus_client *client);
size_t bus_client_addresses(const struct bus_client *client);
size_t bus_client_outstanding(const struct bus_client *client);

/* A request came. The work is the receiver's until bus_work_reply. Runs on a thread of the bus: put it
 * into a queue, nothing else. */
typedef void bus_work_fn(void *context, struct bus_work *work);

struct bus_server_options {
    const char *address;
    struct bus_tls tls;
    const char *event_address; /* NULL or empty: announces nothing */
    bus_work_fn *on_work;
    void *context;
    size_t contexts; /* 0: BUS_SERVER_CONTEXTS */
};

FALLIBLE bus_server_open(const struct bus_server_options *options, struct detail *detail,
                         struct bus_server **ret_server);

/* Stops taking requests: no on_work runs after it returned. Work already handed out must still be
 * replied to. */
void bus_server_drain(struct bus_server *server);

/* After drain and after every work was replied to. NULL is fine. */
void bus_server_close(struct bus_server *server);

/* The request's octets; borrowed until bus_work_reply. */
struct bytes bus_work_bytes(const struct bus_work *work);
/* When it came. */
struct mono_ns bus_work_came(const struct bus_work *work);

/* Answers and gives the work back; copies `reply`. Exactly once. Thread: any. */
void bus_work_reply(struct bus_work *work, struct bytes reply);

/* Gives the work back without an answer (the api will send again elsewhere). */
void bus_work_drop(struct bus_work *work);

/* Publishes a packed announcement; never blocks, may lose it: its number tells the next one's receiver. An empty one
 * brings its number only, so that a loss at the end of a burst is noticed, too. Thread: any. */
void bus_server_announce(struct bus_server *server, struct bytes wire);

#endif
