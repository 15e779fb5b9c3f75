/* doctor: why a trace has no call, and why a call or chat has no trace, decided from what is stored and said in a
 * sentence. The reasons, their order and their words stand in doctor.def.
 *
 *     const struct doctor_trace facts = {.keys = ..., .clues = ..., .nears = ...};
 *     doctor_trace(&facts, &finding);
 *     doctor_sentence(&finding, arena), doctor_change(&finding, arena)
 *
 * Outside values stand in the sentences as doctor_shown writes them. PURE: no clock, I/O, thread or log.
 * Thread: any. Findings borrow from the facts; texts live in the arena. */
#ifndef CALLTRACE_DOCTOR_H
#define CALLTRACE_DOCTOR_H

#include "api/doctor/clue.h"
#include "proto/base/arena.h"
#include "proto/base/id.h"
#include "proto/base/match_key.h"

enum doctor_side { DOCTOR_SIDE_TRACE = 1, DOCTOR_SIDE_CALL = 2 };

enum doctor_reason {
    DOCTOR_NONE = 0,
#define REASON(name, side, code, sentence, change) DOCTOR_##name,
#define FIELD(kind, field, attribute, place)
#define LIKE(kind, name)
#define ROOM(name)
#define COMMON(name)
#include "api/doctor/doctor.def"
#undef COMMON
#undef ROOM
#undef LIKE
#undef FIELD
#undef REASON
    DOCTOR_REASON_COUNT
};

/* A key of the other side that equals a value of this side, but for ASCII letter case and spaces around it. */
struct doctor_near {
    size_t of; /* index of this side's value: its keys, and behind them its clues */
    struct match_key key;
    bool is_skipped;       /* the trace, or the call, of that key */
    struct trace_id trace; /* facts about a call */
    struct uuid call;      /* facts about a trace */
    bool is_chat;
};

struct doctor_trace {
    bool is_skipped;
    bool skips_rooms; /* the skip stood on this trace */
    bool has_root;
    bool is_open;                 /* spans came lately */
    bool has_keys_dropped;        /* too long, or beyond LIMIT_KEYS_PER_TRACE */
    bool is_full;                 /* it has LIMIT_KEYS_PER_TRACE keys */
    const struct match_key *keys; /* without kind `trace` */
    size_t keys_count;
    const struct clue *clues;
    size_t clues_count;
    const struct doctor_near *nears;
    size_t nears_count;
};

/* A trace that carries a call's value in an attribute that is no key. */
struct doctor_carrier {
    size_t of; /* index of the call's key */
    struct clue clue;
    struct trace_id trace;
};

struct doctor_call {
    bool is_chat;
    const struct match_key *keys;
    size_t keys_count;
    const struct doctor_near *nears;
    size_t nears_count;
    const struct doctor_carrier *carriers;
    size_t carriers_count;
};

struct doctor_finding {
    enum doctor_reason reason;
    /* What the trace carries: nothing when `attribute` is empty. */
    struct bytes attribute;
    enum clue_place place; /* 0: not known */
    const char *type;
    struct match_key carried; /* kind 0: none */
    bool has_trace;           /* of a call's finding: the trace that carries it */
    struct trace_id trace;
    /* What the call or chat holds. */
    struct match_key held; /* kind 0: none */
    bool is_chat;
    bool has_call; /* of a trace's finding: the call that holds it */
    struct uuid call;
    size_t alike; /* how many more keys of the other side give the same reason */
};

void doctor_trace(const struct doctor_trace *facts, struct doctor_finding *ret_finding);
void doctor_call(const struct doctor_call *facts, struct doctor_finding *ret_finding);

/* "spelling", ...; several reasons may share one. */
const char *doctor_code(enum doctor_reason reason);
enum doctor_side doctor_side_of(enum doctor_reason reason);

/* NULL: no space. */
const char *doctor_sentence(const struct doctor_finding *finding, struct arena *arena);
const char *doctor_change(const struct doctor_finding *finding, struct arena *arena);

/* A value between quotes as a terminal may take it: control characters and those that turn the direction of text
 * escaped, what is not UTF-8 too, cut after DOCTOR_SHOWN_CHARS. NULL: no space. */
enum { DOCTOR_SHOWN_CHARS = 64 };
const char *doctor_shown(struct bytes value, struct arena *arena);
/* The same without quotes. */
const char *doctor_plain(struct bytes value, struct arena *arena);

/* "externalId" and "roark.external_id"; "" for a number that is no kind. */
const char *doctor_field(enum match_kind kind);
const char *doctor_attribute(enum match_kind kind);

/* Each code once, in the order of doctor.def; NULL behind the last. */
void doctor_codes(const char *ret_codes[DOCTOR_REASON_COUNT]);

/* Names of attributes that often carry an id of a conversation; ends in NULL. */
const char *const *doctor_common_names(void);

#endif
