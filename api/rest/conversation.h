/* conversation: a call or chat as an answer shows it, from a create's body or from a stored row.
 *
 * What a client sent is given back from its body byte for byte; ids, times of calltrace and links come from the
 * store. Thread: any. Views borrow. */
#ifndef CALLTRACE_REST_CONVERSATION_H
#define CALLTRACE_REST_CONVERSATION_H

#include "api/rest/out.h"
#include "proto/bus/message.h"

struct db_rows;

struct conversation {
    struct uuid project;
    struct uuid id;
    enum conversation_kind kind;
    enum conversation_source source;
    struct unix_ns created;
    struct unix_ns updated;
    bool has_started;
    struct unix_ns started;
    bool has_ended;
    struct unix_ns ended;
    enum conversation_status status;
    enum conversation_direction direction;
    struct bytes title;
    bool is_superseded;
    struct uuid superseded_by;
    const struct match_key *keys;
    size_t keys_count;
    struct bytes body; /* what the create sent; empty: not at hand */
    struct bytes
        parts; /* what integrations tell, one JSON object a line, by rank (proto/bus/call_parts.def) */
};

enum conversation_form {
    CONVERSATION_FORM_CREATED, /* the answer of a create: a call has nine members */
    CONVERSATION_FORM_LISTED,
    CONVERSATION_FORM_WHOLE, /* alone: with the tool invocations */
};

enum {
    /* Columns of CONVERSATION_COLUMNS in schema/stmt.def, and the body behind them. */
    CONVERSATION_COLUMN_PARTS = 12,
    CONVERSATION_COLUMN_BODY = 13,
    CONVERSATION_COLUMN_SORT = 14,
};

/* The present row. Errors: NO_SPACE. */
FALLIBLE conversation_of_row(const struct db_rows *rows, struct uuid project, struct arena *arena,
                             struct conversation *ret_conversation);

/* Reads "kind:hex,kind:hex" into keys of the arena; what does not fit is left out. Errors: NO_SPACE. */
FALLIBLE conversation_keys_of_text(struct bytes text, struct arena *arena,
                                   struct match_key **ret_keys, size_t *ret_count);

struct mend_field;

/* Fields of the create's body, and what it does not say as integrations tell it. */
void conversation_pick(const struct conversation *conversation, struct mend_field *fields,
                       size_t count);

/* One object. `id` and `createdAt` come first and have a fixed length. Errors: MEMORY, NO_SPACE. */
FALLIBLE conversation_write(struct out *out, const char *key,
                            const struct conversation *conversation, enum conversation_form form,
                            struct arena *arena);

/* The conversation that the path names, whole: gives the rows, standing on the only one; false: answered. */
bool conversation_find(struct exchange *exchange, enum conversation_kind kind,
                       struct db_rows **ret_rows);

/* [{"kind", "value"}, ...] */
void conversation_write_keys(struct out *out, const char *key, const struct match_key *keys,
                             size_t count);

/* "call" or "chat". */
const char *conversation_kind_name(unsigned kind);
/* "api", "livekit", ... */
const char *conversation_source_name(unsigned source);

#endif
