/* rendezvous: where traces and calls that are in flight at the same moment meet; with this folder the only
 * code that includes hiredis. rendezvous.lua is the definition, one script with an operation as argument:
 * EVALSHA with SCRIPT LOAD works on every Redis since 2.6, functions need Redis 7.
 *
 *     struct meet meets[] = {{.op = MEET_OBSERVE, .project = p, .key = k, .id = trace}};
 *     err_t err = rendezvous_turn(rendezvous, meets, 1, arena, &detail);
 *     if (err_is_ok(err) && meets[0].has_claim) { ... }
 *
 * Redis may be wrong, flushed or away: nothing here is the truth. Any error counts as Redis away
 * (REDIS_AWAY); the connection is then opened again at the first turn after a pause that doubles.
 *
 * Owner thread: one. Answers live in the arena. */
#ifndef CALLTRACE_REDIS_RENDEZVOUS_H
#define CALLTRACE_REDIS_RENDEZVOUS_H

#include "proto/base/arena.h"
#include "proto/base/id.h"
#include "proto/base/match_key.h"

enum {
    RENDEZVOUS_PAUSE_MIN_MS = 100,
    RENDEZVOUS_PAUSE_MAX_MS = 2000,
};

struct rendezvous_address {
    bool is_none; /* nothing configured */
    bool is_unix;
    char host[256]; /* or the socket's path */
    uint16_t port;
};

/* Reads "unix:/path", "host:port", "[v6]:port" or "". Errors: BAD_CONFIG (rediss:// with its reason). */
FALLIBLE rendezvous_address_read(const char *text, struct detail *detail,
                                 struct rendezvous_address *ret_address);

enum meet_op {
    MEET_NONE = 0,
#define OP(name, text) MEET_##name,
#include "schema/redis/ops.def"
#undef OP
    MEET_COUNT
};

struct meet {
    enum meet_op op;
    struct uuid project;
    struct match_key key;
    uint8_t id[16]; /* the trace or the call that it is about; nothing for FLAG */
    /* filled by the turn */
    bool has_claim;
    struct uuid claim;
    bool is_flagged;
    const struct trace_id *waiting; /* of CLAIM, FORCE and FLAG */
    size_t waiting_count;
};

struct rendezvous;

struct rendezvous_options {
    struct rendezvous_address address;
    const char *user;     /* copied; may be NULL or empty: Redis' default user */
    const char *password; /* copied; may be NULL or empty: Redis asks for none */
    int64_t timeout_ms;   /* of connecting, and of each answer; a slower Redis counts as away */
};

/* Does not connect. Errors: MEMORY. */
FALLIBLE rendezvous_new(const struct rendezvous_options *options,
                        struct rendezvous **ret_rendezvous);
/* NULL is fine. */
void rendezvous_free(struct rendezvous *rendezvous);

/* All operations in one pipelined turn. Errors: REDIS_AWAY, NO_SPACE. */
FALLIBLE rendezvous_turn(struct rendezvous *rendezvous, struct meet *meets, size_t count,
                         struct arena *arena, struct detail *detail);

bool rendezvous_is_connected(const struct rendezvous *rendezvous);

#endif
