/* key_cache: what is known about API keys, by their hash, for two seconds. Refused keys are remembered as
 * well, so that a client with a wrong key does not reach Postgres with every request.
 *
 * An entry in use is asked for again before its time is over (`wants_refresh`), so that a busy key never
 * waits. Each entry carries the bytes that its key has in flight and how much of its limits is used up (rate.h); a
 * request holds a reference to it from its head to its end. A session is an entry of its own.
 *
 * Bound: `entries_max`; the oldest unreferenced entry makes room, and when there is none the key is refused
 * as overload. Thread: any; one lock inside, taken alone. */
#ifndef CALLTRACE_API_KEY_CACHE_H
#define CALLTRACE_API_KEY_CACHE_H

#include <stdatomic.h>

#include "api/http/rate.h"
#include "proto/base/clock.h"
#include "proto/base/err.h"
#include "proto/base/id.h"

enum {
    KEY_HASH_BYTES = 32,
    KEY_LIFETIME_MS = 2000,
    KEY_REFRESH_MS = 1000,
    KEY_USE_MS = 60000, /* the time of last use is told at most this often */
    KEY_USES_MAX = 256, /* told in one message */
    KEY_REFUSAL_PATH_BYTES = 200,
    KEY_REFUSAL_TEXT_BYTES = 400,
};

struct key_hash {
    uint8_t b[KEY_HASH_BYTES];
};

/* What Postgres says about a key. */
struct key_facts {
    bool is_valid;
    struct uuid project;
    struct uuid key;
    unsigned scopes;
};

struct key_cache;
struct key_entry;

FALLIBLE key_cache_new(size_t entries_max, struct key_cache **ret_cache);
/* After every reference was given back. NULL is fine. */
void key_cache_free(struct key_cache *cache);

/* Looks a key up. True: fresh facts in *ret_facts; for a valid key *ret_entry is a reference. `*ret_wants_refresh`
 * is true for one caller of several, which then asks Postgres in the background. */
bool key_cache_find(struct key_cache *cache, const struct key_hash *hash, struct mono_ns now,
                    struct key_facts *ret_facts, struct key_entry **ret_entry,
                    bool *ret_wants_refresh);

/* Remembers what Postgres said. `*ret_entry` (may be NULL: not wanted) becomes a reference for a valid key.
 * Errors: OVERLOAD (every entry is in use), MEMORY. */
FALLIBLE key_cache_put(struct key_cache *cache, const struct key_hash *hash, struct mono_ns now,
                       const struct key_facts *facts, struct key_entry **ret_entry);

/* A refresh failed: somebody else may try. */
void key_cache_refresh_failed(struct key_cache *cache, const struct key_hash *hash);

void key_entry_release(struct key_cache *cache, struct key_entry *entry);
_Atomic size_t *key_entry_inflight(struct key_entry *entry);

/* See rate.h. */
enum rate_verdict key_entry_ask(struct key_cache *cache, struct key_entry *entry,
                                const struct rate_limits *limits, struct mono_ns now,
                                int64_t *ret_wait_ms);
void key_entry_charge(struct key_cache *cache, struct key_entry *entry,
                      const struct rate_limits *limits, struct mono_ns now, size_t bytes);

/* An export that came with a valid key and was refused all the same. */
struct key_refusal {
    struct unix_ns at;
    unsigned status;
    char path[KEY_REFUSAL_PATH_BYTES];
    char text[KEY_REFUSAL_TEXT_BYTES];
};

/* Copies; of several refusals the last one is kept until it is told of. Without memory it is forgotten. */
void key_entry_refused(struct key_cache *cache, struct key_entry *entry,
                       const struct key_refusal *refusal);

/* Valid keys used since they were last told of, at most KEY_USES_MAX; marks them as told. A refusal is told at once,
 * so that asking once a second bounds what a client can cause that is refused without end. */
struct key_use {
    struct uuid project;
    struct uuid key;
    struct unix_ns at;
    struct key_refusal *refusal; /* gives it (mem_free); NULL: none since */
};
size_t key_cache_uses(struct key_cache *cache, struct mono_ns now, struct unix_ns now_unix,
                      struct key_use ret_uses[KEY_USES_MAX]);

size_t key_cache_count(struct key_cache *cache);

#endif
