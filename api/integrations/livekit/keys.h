/* keys: the key pairs of LiveKit's webhooks, by API key. One key may stand in several projects, each with its secret:
 * all whose secret verifies get the event.
 *
 * What Postgres said is remembered for LIVEKIT_KEYS_LIFETIME_MS, unknown keys included, so that a busy room or a
 * stranger does not reach it with every request, and a key that was removed is refused soon.
 *
 *     if (!livekit_keys_find(keys, issuer, now, &set)) {
 *         TRY(livekit_keys_ask(keys, db, installation_key, issuer, now, detail, &set));
 *     }
 *     ... livekit_key_set_at(set, i) ...
 *     livekit_keys_release(keys, set);
 *
 * Bound: `sets_max`; the oldest that nobody holds makes room. Thread: any; one lock inside, taken alone. Secrets are
 * cleared when they are forgotten. */
#ifndef CALLTRACE_LIVEKIT_KEYS_H
#define CALLTRACE_LIVEKIT_KEYS_H

#include "api/integrations/secret.h"
#include "proto/base/clock.h"
#include "proto/base/id.h"

struct db;

enum {
    LIVEKIT_KEYS_LIFETIME_MS = 2000,
    LIVEKIT_KEYS_SETS_MAX = 256,
    /* Projects that one key may serve: an event is sent to each. The same number stands in stmt.def. */
    LIVEKIT_KEY_PROJECTS_MAX = 64,
    LIVEKIT_ROW_NAME_BYTES = 2048,
};

struct livekit_key {
    struct uuid project;
    struct secret secret; /* empty: it cannot be had now, and the log says why */
};

/* What is known of one API key: a reference is held by whoever found it. */
struct livekit_key_set;
struct livekit_keys;

FALLIBLE livekit_keys_new(size_t sets_max, struct livekit_keys **ret_keys);
/* After every set was released. NULL is fine. */
void livekit_keys_free(struct livekit_keys *keys);

/* True: *ret_set is what is remembered, to be released. */
bool livekit_keys_find(struct livekit_keys *keys, const char *api_key, struct mono_ns now,
                       struct livekit_key_set **ret_set);

/* Asks Postgres and remembers. `now` is before the question. A secret that cannot be opened or read is logged
 * and left empty. Errors: DB_AWAY, DB_REFUSED, MEMORY, OVERLOAD (every set is in use). */
FALLIBLE livekit_keys_ask(struct livekit_keys *keys, struct db *db,
                          const struct secret_key *secrets_key, const char *api_key,
                          struct mono_ns now, struct detail *detail,
                          struct livekit_key_set **ret_set);

/* NULL is fine. */
void livekit_keys_release(struct livekit_keys *keys, struct livekit_key_set *set);

/* While it is held. No keys: nobody knows this API key. */
size_t livekit_key_set_count(const struct livekit_key_set *set);
const struct livekit_key *livekit_key_set_at(const struct livekit_key_set *set, size_t n);

size_t livekit_keys_count(struct livekit_keys *keys);

/* What a sealed secret of table livekit_key is bound to. Borrows from `room`. */
struct bytes livekit_row_name(struct uuid project, const char *api_key,
                              char room[LIVEKIT_ROW_NAME_BYTES]);

#endif
