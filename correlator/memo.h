/* memo: remembers that something was done, so that it need not be done again soon. A fixed array of 128-bit
 * hashes, one place per hash: a newer one overwrites an older one, which costs a repetition and nothing
 * else. It is no map (it may forget anything at any time), so that no library's table fits it better.
 * The hash has this process' seed, so that nobody chooses values that stand for others.
 *
 * Owner thread: the writer's. */
#ifndef CALLTRACE_CORRELATOR_MEMO_H
#define CALLTRACE_CORRELATOR_MEMO_H

#include "proto/base/bytes.h"
#include "proto/base/err.h"

struct memo_mark {
    uint8_t b[16];
};

struct memo {
    /* private */
    struct memo_mark *places;
    size_t count; /* a power of two */
};

/* Errors: MEMORY. */
FALLIBLE memo_init(struct memo *memo, size_t count);
void memo_fini(struct memo *memo);
void memo_clear(struct memo *memo);

/* The mark of a list of parts; their lengths count. */
struct memo_mark memo_mark_of(const struct bytes *parts, size_t count);

bool memo_has(const struct memo *memo, struct memo_mark mark);
void memo_add(struct memo *memo, struct memo_mark mark);

#endif
