/* fake_db: stands for schema/db.c and api/http/key_store.c: a Postgres that is up or away, with one way to know a
 * key: the first octets of its hash. Thread: any. */
#ifndef CALLTRACE_TESTS_FAKE_DB_H
#define CALLTRACE_TESTS_FAKE_DB_H

#include <stdatomic.h>

#include "api/http/key_cache.h"

extern _Atomic bool fake_db_is_away;
extern _Atomic int fake_db_tries;   /* db_ready calls that had to connect */
extern _Atomic int fake_key_asked;  /* key_store_find calls */
extern _Atomic int fake_key_ask_ms; /* how long each takes */

/* The key that this text is gets these facts; everything else is unknown. At most 8; not while threads run. */
void fake_key_add(const char *text, unsigned scopes);
/* Any time. */
void fake_key_revoke(const char *text);

#endif
