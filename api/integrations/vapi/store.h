/* store: what Postgres knows for VAPI's routes: the credentials of signed messages, the selected assistants, and
 * which calls have a report already. Thread: a READ thread, with its connection. */
#ifndef CALLTRACE_VAPI_STORE_H
#define CALLTRACE_VAPI_STORE_H

#include "api/integrations/secret.h"
#include "api/integrations/vapi/report.h"
#include "api/integrations/vapi/signing.h"
#include "proto/base/id.h"

struct db;

enum { VAPI_ROW_NAME_BYTES = 128 };

struct vapi_credential {
    struct uuid project;
    struct vapi_signing signing;
    struct secret secret; /* the caller clears it */
};

/* Errors: NOT_FOUND; BAD_CONFIG, MALFORMED, SYSTEM, BAD_VALUE (there is one that cannot be used; detail says why, for
 * the log); those of db.h. */
FALLIBLE vapi_credential_find(struct db *db, const struct secret_key *key, struct uuid id,
                              struct detail *detail, struct vapi_credential *ret_credential);

/* Whether the project takes server messages about a call of these assistants: none selected means every one. */
FALLIBLE vapi_is_selected(struct db *db, struct uuid project, const struct vapi_report *report,
                          struct arena *arena, struct detail *detail, bool *ret_is_selected);

/* The call that has a report of this id already. */
FALLIBLE vapi_imported_find(struct db *db, struct uuid project, struct bytes call_id,
                            struct detail *detail, bool *ret_is_found, struct uuid *ret_call);

/* What a sealed secret of table vapi_credential is bound to. Borrows from `room`. */
struct bytes vapi_row_name(struct uuid project, struct uuid id, char room[VAPI_ROW_NAME_BYTES]);

#endif
