/* intake: the body of a create, read and checked: keys, times, direction. PURE.
 *
 *     TRY(intake_read(CONVERSATION_KIND_CALL, body, arena, &detail, &intake));
 *     if (intake.issues.count > 0) { 400 with check_answer(&intake.issues, arena) }
 *     ... intake.keys ...
 *     intake_fini(&intake);
 *
 * The body itself is kept byte for byte by whoever stores it. Nothing that it names is ever fetched.
 * Thread: any. Texts borrow from intake.json, until intake_fini. */
#ifndef CALLTRACE_REST_INTAKE_H
#define CALLTRACE_REST_INTAKE_H

#include "api/rest/check.h"
#include "proto/bus/message.h"

enum { INTAKE_KEYS_MAX = 3 };

struct intake {
    json_t *json; /* owned; what the body says, mended (mend.h) */
    struct check_issues issues;
    /* What follows is only good without issues. */
    struct match_key keys[INTAKE_KEYS_MAX]; /* sorted by kind */
    size_t keys_count;
    bool has_started;
    bool has_ended;
    struct unix_ns started;
    struct unix_ns ended;
    enum conversation_direction direction;
};

/* Errors: MALFORMED (and what else makes a body no JSON: TRUNCATED, NOT_UTF8, TOO_DEEP, BAD_VALUE for a
 * repeated key; detail says where), MEMORY, NO_SPACE. Call intake_fini after success only. */
FALLIBLE intake_read(enum conversation_kind kind, struct bytes body, struct arena *arena,
                     struct detail *detail, struct intake *ret_intake);
void intake_fini(struct intake *intake);

/* The JSON of a small body by itself, mended (mend.h), repeated keys refused. Gives. Errors: as intake_read. */
FALLIBLE intake_json(struct bytes body, struct detail *detail, json_t **ret_json);

/* "externalId" for EXTERNAL, ...: the field of a create that carries keys of this kind. */
const char *intake_key_field(enum match_kind kind);

/* "INBOUND" or "OUTBOUND", the words of callDirection; NULL for NONE. */
const char *intake_direction_word(enum conversation_direction direction);
/* The other way; `word` is one of the two, or NULL. */
enum conversation_direction intake_direction_of(const char *word);

#endif
