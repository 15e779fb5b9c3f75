/* key_store: API keys in Postgres, as the serving api reads them. */
#ifndef CALLTRACE_API_KEY_STORE_H
#define CALLTRACE_API_KEY_STORE_H

#include "api/http/key_cache.h"
#include "api/http/session.h"

struct db;

/* An unknown or revoked key is OK with is_valid false. Errors: DB_AWAY, DB_REFUSED. */
FALLIBLE key_store_find(struct db *db, const struct key_hash *hash, struct detail *detail,
                        struct key_facts *ret_facts);

/* The key that a session was given to; not valid either when the session is over or not what that key was given. */
FALLIBLE key_store_session(struct db *db, const struct session_claim *claim, int64_t now_s,
                           struct detail *detail, struct key_facts *ret_facts);

/* The hash of a key that is in use; an unknown or revoked one is OK with *ret_is_known false. Errors: as above. */
FALLIBLE key_store_hash(struct db *db, struct uuid key, struct detail *detail, bool *ret_is_known,
                        struct key_hash *ret_hash);

#endif
