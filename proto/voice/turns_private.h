/* What turns.c (making turns) and turns_wait.c (their waits) share. Included by nothing else. */
#ifndef CALLTRACE_VOICE_TURNS_PRIVATE_H
#define CALLTRACE_VOICE_TURNS_PRIVATE_H

#include "proto/voice/turns.h"

enum turns_part {
    PART_NONE = 0,
    PART_USER_TURN,
    PART_AGENT_TURN,
    PART_TURN,
    PART_USER_SPEAKING,
    PART_AGENT_SPEAKING,
    PART_LLM_NODE,
    PART_LLM_INNER,
    PART_LLM,
    PART_TTS_NODE,
    PART_TTS_INNER,
    PART_TTS,
    PART_TOOL,
    PART_STT,
    PART_END_OF_TURN,
};

/* Where a turn begins. The first is always the opening, which may stay empty. */
struct turns_begin {
    struct unix_ns at;
    uint32_t span;
    enum turn_kind kind;
    bool is_answered; /* an agent's turn took its text */
};

/* What stands in a stage span: of an LLM when its first token came, of a TTS how long its first byte took. */
struct turns_mark {
    bool has;
    int64_t ns;
    const char *from;
};

struct turns_work {
    const struct turns_span *spans;
    uint32_t count;
    const struct turns_options *options;
    struct arena *arena;
    uint8_t *parts;    /* enum turns_part of each span */
    uint32_t *parents; /* TURNS_NONE: not there */
    uint32_t *turn_of; /* index into begins */
    bool *is_inner;    /* a stage inside a stage */
    bool *is_request;  /* of a chat: holds a turn */
    struct turns_mark *marks;
    struct turns_begin *begins;
    uint32_t begins_count;
    uint32_t *members; /* spans by turn, then by start */
    bool is_livekit;   /* time tells the turn where parents do not */
};

/* The spans of one turn. */
struct turns_members {
    const struct turns_work *work;
    const struct turns_begin *begin;
    const uint32_t *spans;
    size_t count;
    bool is_first; /* turn of the call, the opening aside */
    bool is_last;
};

/* Fills everything of the turn but its number and span. Errors: NO_SPACE. */
FALLIBLE turns_read(const struct turns_members *members, struct turn *ret_turn);

static inline struct unix_ns turns_span_end(const struct turns_span *span)
{
    return span->is_open ? (struct unix_ns){INT64_MAX} : span->end;
}

/* By (start, later end, trace, id): no two spans are equal. */
int turns_span_compare(const struct turns_span *a, const struct turns_span *b);

#endif
