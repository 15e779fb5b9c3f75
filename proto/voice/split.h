/* split: where a wait went. PURE.
 *
 * Each instant of the wait goes to the first stage, in the order of enum wait_stage, that runs then; what is left is
 * not measured. So the parts always sum to the wait: overlap counts once, nothing is stretched.
 *
 *     split_make(from, to, intervals, count, arena, &split);
 *     split.parts[WAIT_LLM] ... split.segments[i]
 *
 * Thread: any. What is given lives in the arena. */
#ifndef CALLTRACE_VOICE_SPLIT_H
#define CALLTRACE_VOICE_SPLIT_H

#include "proto/base/arena.h"
#include "proto/base/clock.h"

enum wait_stage {
    WAIT_END_OF_TURN = 0,
    WAIT_LLM,
    WAIT_TOOLS,
    WAIT_FIRST_SENTENCE,
    WAIT_TTS,
    WAIT_NOT_MEASURED,
    WAIT_STAGE_COUNT,
};

struct split_interval {
    enum wait_stage stage; /* not NOT_MEASURED */
    struct unix_ns from;
    struct unix_ns to; /* not after `from`: nothing */
};

struct split_segment {
    enum wait_stage stage;
    struct unix_ns from;
    struct unix_ns to;
};

struct split {
    int64_t parts_ns[WAIT_STAGE_COUNT];
    struct split_segment *segments; /* without gaps from the wait's begin to its end */
    size_t segments_count;
};

/* `from` is not after `to`, and their difference fits 64 bits. Errors: NO_SPACE. */
FALLIBLE split_make(struct unix_ns from, struct unix_ns to, const struct split_interval *intervals,
                    size_t count, struct arena *arena, struct split *ret_split);

/* "endOfTurn", "llm", ... */
const char *split_stage_name(enum wait_stage stage);

#endif
