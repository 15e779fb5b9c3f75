/* tree: the spans of one trace, in the order and at the depth in which a page shows them. PURE, iterative.
 *
 * - A span without parent is a root; roots stand in order of their start, then the longer first, so do children.
 * - A span whose parent never came is an orphan. Orphans stand below one provisional root, a row without span, after
 *   the real roots: during a call every chain ends in a parent that is still open.
 * - A chain of parents that bites its own tail is cut at its earliest span, which then stands below the
 *   provisional root too.
 * - Children may outlive or precede their parents; nothing is clamped.
 *
 * Thread: any. Rows borrow from the arena. */
#ifndef CALLTRACE_REST_TREE_H
#define CALLTRACE_REST_TREE_H

#include "proto/base/arena.h"
#include "proto/base/clock.h"
#include "proto/base/id.h"

#define TREE_NONE UINT32_MAX

struct tree_span {
    struct span_id id;
    struct span_id parent; /* only if has_parent */
    bool has_parent;
    struct unix_ns start;
    struct unix_ns end;
};

struct tree_row {
    uint32_t span;   /* which of the input; TREE_NONE: the provisional root */
    uint32_t parent; /* which row; TREE_NONE at the top */
    uint32_t depth;
    bool is_orphan; /* its parent is not there */
    bool is_cut;    /* its parents made a circle, which was opened here */
};

struct tree {
    struct tree_row *rows;
    size_t count;
    size_t roots;   /* real ones */
    size_t orphans; /* orphans and cut ones */
};

/* `count` is below UINT32_MAX - 1. Ids are each once; of a repeated one any may become the parent.
 * Errors: NO_SPACE. */
FALLIBLE tree_build(const struct tree_span *spans, size_t count, struct arena *arena,
                    struct tree *ret_tree);

#endif
