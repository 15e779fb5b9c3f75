/* turns: a call's spans as turns, and what each turn's response time went into. PURE, iterative.
 *
 * A turn is: LiveKit's user_turn with the agent_turns that answer it (those of one speech or generation stay
 * together), before the first of them "the agent opens"; what a text asked for, when no user_turn holds it; Pipecat's
 * and VAPI's `turn`; in a chat without any of these, one request with its answer.
 *
 * The response time of a turn goes from the user's last speech (u) to the agent's first audio (a):
 *   a: the begin of the first agent_speaking, else the first audio of the TTS
 *   u: a minus the reported length, else the end of user_speaking (or of the STT that heard it), else the end
 *      of user_turn minus the end-of-turn delay
 * Without both there is no figure but a word (enum turn_outcome). Its stages are intervals (split.h):
 *   end of turn     [u, the turn is accepted]
 *   LLM             [request, first token]; to its end when a tool call came of it
 *   tools           [begin, end]
 *   first sentence  [first token, TTS begins] while the LLM runs
 *   TTS             [a minus first byte, a]: its span opens long before text reaches it
 * A later silence of the same turn while a tool or the LLM works is a wait of its own.
 *
 * Spans may come in any order, twice nowhere; parents may be missing, circular or in another trace. Which name means
 * what: turns.def. Bounds: TURNS_ANCESTORS_MAX, TURNS_WAITS_MAX, TURNS_WAIT_NS_MAX; memory of the arena.
 *
 * Thread: any. Texts borrow from the spans, the rest lives in the arena. */
#ifndef CALLTRACE_VOICE_TURNS_H
#define CALLTRACE_VOICE_TURNS_H

#include "proto/base/id.h"
#include "proto/voice/facts.h"
#include "proto/voice/split.h"

#define TURNS_NONE UINT32_MAX

enum {
    TURNS_ANCESTORS_MAX = 64, /* looked at above a span; real trees are 8 deep */
    TURNS_WAITS_MAX = 8,      /* of one turn; further ones are left out */
    TURNS_SPEECHES_BACK = 64, /* agent turns looked back at for one of the same speech */
};
/* A longer wait is clocks that run apart. */
#define TURNS_WAIT_NS_MAX (INT64_C(24) * 3600 * NS_PER_S)

struct turns_span {
    uint32_t trace; /* ids are unique inside one trace */
    struct span_id id;
    struct span_id parent;
    bool has_parent;
    bool is_open; /* no end was received */
    bool has_error;
    struct unix_ns start;
    struct unix_ns end;
    struct bytes name;
    struct voice_facts facts;
};

struct turns_options {
    bool is_chat; /* requests count as turns when there are no others */
    bool is_live; /* more spans are awaited: the last turn may still be answered */
};

enum turn_kind {
    TURN_OPENING = 0, /* the agent speaks before anybody */
    TURN_SPOKEN,
    TURN_TEXT,    /* asked for by a text */
    TURN_WHOLE,   /* one span holds it */
    TURN_REQUEST, /* of a chat */
};

enum turn_outcome {
    TURN_ANSWERED = 0, /* has a response time */
    TURN_AGENT_OPENED,
    TURN_USER_WENT_ON,
    TURN_NO_ANSWER,
    TURN_NOT_REPORTED, /* there was an answer; when is not known */
    TURN_OPEN,         /* the answer may still come */
};

/* A stage's own figure beside what of it lies in the wait. */
struct turn_stage {
    enum wait_stage stage;
    uint32_t span;
    struct unix_ns from;
    struct unix_ns to;
    bool has_own;
    int64_t own_ns;
    const char *attribute; /* that reported it; NULL: the span's own times */
};

enum turn_anchor {
    TURN_ANCHOR_REPORTED = 0, /* u: a minus the reported length */
    TURN_ANCHOR_SPEECH,       /* the end of user_speaking, the begin of agent_speaking */
    TURN_ANCHOR_DELAY,        /* u: end of the user's turn minus the end-of-turn delay */
    TURN_ANCHOR_STT,          /* u: the end of the STT that heard it */
    TURN_ANCHOR_TTS,          /* a: the TTS' begin and first byte */
    TURN_ANCHOR_TTS_BEGIN,    /* a: the TTS' begin, its first byte was not reported */
    TURN_ANCHOR_REQUEST,      /* the begin of a request, its first token or end */
};

struct turn_wait {
    struct unix_ns from;
    struct unix_ns to;
    enum turn_anchor from_by;
    enum turn_anchor to_by;
    struct split split;
    struct turn_stage *stages;
    size_t stages_count;
    bool
        has_reported; /* of the response: what was reported and what the spans say, where each is known */
    int64_t reported_ns;
    const char *reported_by;
    bool has_measured;
    int64_t measured_ns;
    bool is_sums_only; /* the parts have no place in time: they are stacked in their order */
    bool is_over;      /* the sums exceed the wait: nothing is split */
    int64_t sums_ns;
};

struct turn {
    uint32_t number; /* 0: the opening; from 1 */
    enum turn_kind kind;
    enum turn_outcome outcome;
    bool is_interrupted;
    bool has_error;
    uint32_t span; /* that it begins with; TURNS_NONE for the opening */
    uint32_t spans_count;
    struct unix_ns start;
    struct unix_ns end;
    struct bytes said;       /* by the user; may be empty */
    struct bytes answer;     /* by the agent */
    struct turn_wait *waits; /* the first is the response; none unless ANSWERED */
    size_t waits_count;
};

struct turns {
    struct turn *turns; /* in their order */
    size_t count;
    uint32_t *turn_of; /* of each span: index into turns, or TURNS_NONE */
};

/* Errors: NO_SPACE. */
FALLIBLE turns_make(const struct turns_span *spans, size_t count,
                    const struct turns_options *options, struct arena *arena,
                    struct turns *ret_turns);

/* The turn with the longest response time, the first of equals; NULL when none has one. */
const struct turn *turns_slowest(const struct turns *turns);
int64_t turn_response_ns(const struct turn *turn);

/* An error of the span's own: its status, or what a tool says of itself. */
bool turns_span_has_error(uint32_t status, const struct voice_facts *facts);

/* "spoken", "answered", "speech", ... */
const char *turn_kind_name(enum turn_kind kind);
const char *turn_outcome_name(enum turn_outcome outcome);
const char *turn_anchor_name(enum turn_anchor anchor);

#endif
