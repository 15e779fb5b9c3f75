/* check: are the fields of a create what the Customer API says? PURE.
 *
 * The rules are rows of fields.def. Every field that breaks one becomes an issue with its path, so that one
 * answer tells all; at most CHECK_ISSUES_MAX are kept, all are counted.
 *
 *     TRY(check_body(CHECK_SCHEMA_CALL, json, arena, &issues));
 *     if (issues.count > 0) { exchange_json(exchange, 400, check_answer(&issues)); }
 *
 * Limits: elements of one array CHECK_ENTRIES; issues kept CHECK_ISSUES_MAX.
 * Thread: any. Issues borrow from the arena and from the names of fields.def. */
#ifndef CALLTRACE_REST_CHECK_H
#define CALLTRACE_REST_CHECK_H

#include <jansson.h>

#include "proto/base/arena.h"

enum {
    /* More would only repeat the first ones. */
    CHECK_ISSUES_MAX = 20,
    /* A signed URL with a session token takes about 2,000. */
    CHECK_URL_CHARS = 8192,
    /* Names, labels, phone numbers, language codes: what a list can show. */
    CHECK_NAME_CHARS = 255,
    /* One utterance, result or prompt. */
    CHECK_TEXT_CHARS = 1 << 20,
    /* Utterances or tool invocations of one conversation: an hour has some hundreds. */
    CHECK_ENTRIES = 10000,
    /* Samples of a call's latencies: an hour has some thousands, and nobody sends them again. */
    CHECK_METRICS = 100000,
    /* Agents or customers of one conversation. */
    CHECK_PARTIES = 100,
};

/* The greatest integer that every JSON reader keeps. */
#define CHECK_OFFSET_MS INT64_C(9007199254740991)

enum check_schema {
    CHECK_SCHEMA_NONE = 0,
    CHECK_SCHEMA_CALL,
    CHECK_SCHEMA_CHAT,
    CHECK_SCHEMA_AGENT,
    CHECK_SCHEMA_ENDPOINT,
    CHECK_SCHEMA_PROMPT,
    CHECK_SCHEMA_CUSTOMER,
    CHECK_SCHEMA_TRANSCRIPT,
    CHECK_SCHEMA_TOOL_CALL,
    CHECK_SCHEMA_MESSAGE,
    CHECK_SCHEMA_TOOL_CHAT,
    CHECK_SCHEMA_SPEAKER_AGENT,
    CHECK_SCHEMA_SPEAKER_CUSTOMER,
    /* The observers (api/integrations/observer). */
    CHECK_SCHEMA_OBSERVER_EVENT,
    CHECK_SCHEMA_LIVEKIT_CALL,
    CHECK_SCHEMA_PIPECAT_CALL,
    CHECK_SCHEMA_CALL_STARTED,
    CHECK_SCHEMA_CALL_ENDED,
    CHECK_SCHEMA_OBSERVER_MESSAGE,
    CHECK_SCHEMA_OBSERVER_TOOL,
    CHECK_SCHEMA_OBSERVER_METRIC,
    CHECK_SCHEMA_OBSERVER_CHUNK,
    CHECK_SCHEMA_COUNT,
};

/* One step of a path: a name, or with name NULL an index. */
struct check_path {
    const struct check_path *up; /* NULL: the body itself */
    const char *name;
    size_t index;
};

struct check_issue {
    const char *code; /* as zod calls it: invalid_type, too_big, custom, ... */
    const struct check_path *path;
    const char *message;
};

struct check_issues {
    struct check_issue list[CHECK_ISSUES_MAX];
    size_t count; /* of all, list holds the first ones */
};

/* Checks `body` (any JSON value) against the schema of a whole body: CALL, CHAT, an observer's. Errors: NO_SPACE. */
FALLIBLE check_body(enum check_schema schema, const json_t *body, struct arena *arena,
                    struct check_issues *ret_issues);

/* The Customer API's own word for how a call ended, when `text` is one; else NULL. */
const char *check_ended_status(struct bytes text);

/* Adds an issue of the caller's own about a field at the top. Errors: NO_SPACE. */
FALLIBLE check_add(struct check_issues *issues, struct arena *arena, const char *code,
                   const char *field, const char *message);

/* The same about list[index].field. */
FALLIBLE check_add_at(struct check_issues *issues, struct arena *arena, const char *list,
                      size_t index, const char *field, const char *message);

/* The answer's whole body: the zod form and top-level code and message. Gives; NULL: out of memory. */
json_t *check_answer(const struct check_issues *issues, struct arena *arena);

#endif
