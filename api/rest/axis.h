/* axis: all spans of a call, or of one trace, as rows on one time axis, with their turns. PURE.
 *
 * Rows stand trace after trace, each in the order of tree.h. A parent that never came has a provisional row of its
 * own under the parent's id, in its place by time, as long as the spans below it: when the parent comes it takes that
 * row over. Nothing is clamped.
 *
 * Thread: any. Everything borrows from the views and the arena. */
#ifndef CALLTRACE_REST_AXIS_H
#define CALLTRACE_REST_AXIS_H

#include "proto/voice/spans.h"

#define AXIS_NONE UINT32_MAX

enum axis_role {
    AXIS_ROLE_OTHER = 0,
    AXIS_ROLE_USER, /* speech and what hears it */
    AXIS_ROLE_END_OF_TURN,
    AXIS_ROLE_LLM,
    AXIS_ROLE_TOOL,
    AXIS_ROLE_SPEECH, /* the agent's, and what makes it */
    AXIS_ROLE_COUNT,
};

enum axis_flag {
    AXIS_OPEN = 1,   /* no end was received */
    AXIS_ERROR = 2,  /* of its own */
    AXIS_ORPHAN = 4, /* its parent is provisional */
    AXIS_INTERRUPTED = 8,
    AXIS_PROVISIONAL = 16, /* no span: its id is all that is known */
    AXIS_CUT = 32,         /* its parents made a circle, which was opened here */
    AXIS_INNER = 64,       /* a part of the stage above it */
};

struct axis_row {
    uint32_t trace;
    uint32_t span; /* of the axis' spans; AXIS_NONE: provisional */
    struct span_id id;
    uint32_t parent; /* row; AXIS_NONE: a root */
    struct unix_ns start;
    struct unix_ns end; /* of an open one its start */
    enum axis_role role;
    unsigned flags;
    uint32_t turn; /* index; TURNS_NONE */
};

struct axis_trace {
    const struct view *view;
    uint32_t first_span; /* in the axis' spans */
    uint32_t first_row;
    uint32_t rows_count;
    uint32_t errors_count;
    uint32_t provisional_count;
};

struct axis {
    struct axis_trace *traces;
    size_t traces_count;
    struct turns_span *spans;
    size_t spans_count;
    struct axis_row *rows;
    size_t rows_count;
    struct turns turns;
};

/* Errors: NO_SPACE. */
FALLIBLE axis_make(const struct view *views, size_t views_count,
                   const struct turns_options *options, struct arena *arena, struct axis *ret_axis);

/* The rows of the spans in `is_new` (by span), with all rows above them. Errors: NO_SPACE. */
FALLIBLE axis_changed(const struct axis *axis, const bool *is_new, struct arena *arena,
                      bool **ret_rows);

const char *axis_role_name(enum axis_role role);

#endif
