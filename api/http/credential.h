/* credential: who a request says it is from, and whether that still holds while its answer goes on. Thread: any. */
#ifndef CALLTRACE_API_CREDENTIAL_H
#define CALLTRACE_API_CREDENTIAL_H

#include "api/http/exchange.h"
#include "api/http/key_cache.h"
#include "api/http/session.h"

/* An API key, or a session that one was given. */
struct credential {
    struct key_hash hash; /* of the key's or the session's text */
    bool is_session;
    struct session_claim claim;
};

/* The exchange's; borrowed until it is answered. */
const struct credential *exchange_credential(const struct exchange *exchange);

enum standing {
    STANDING_GOOD = 0,
    STANDING_ENDED,   /* revoked, over, or without the scope */
    STANDING_UNKNOWN, /* Postgres has not said so lately; it is being asked */
};

/* Asks the cache, and lets Postgres be asked in the background before what the cache knows is too old. */
enum standing credential_standing(struct api *api, const struct credential *credential,
                                  enum api_scope scope);

#endif
