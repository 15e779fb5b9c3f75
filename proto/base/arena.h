/* arena: the memory of one request or message, bounded, given back in one place.
 *
 * Allocation returns NULL when the bound is reached or the heap is; the arena then stays `is_full`
 * until reset, so that a caller may check once at the end of a step (class limit: ERR_NO_SPACE).
 * Memory comes in chunks that grow with use; arena_reset keeps the first chunk for the next request.
 * A mark and a rewind undo speculative work.
 *
 * Owner thread: whoever owns the request. Everything allocated is borrowed from the arena until
 * reset or fini. With CALLTRACE_ARENA_MALLOC (sanitizer builds) each allocation is a heap block of
 * its own, so that an overrun is seen. */
#ifndef CALLTRACE_ARENA_H
#define CALLTRACE_ARENA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/base/bytes.h"
#include "proto/base/err.h"

struct arena_chunk;

struct arena {
    /* private */
    struct arena_chunk *chunk; /* newest first */
    size_t bytes_used;         /* handed out, rounding included */
    size_t bytes_max;
    bool is_full;
};

struct arena_mark {
    struct arena_chunk *chunk;
    size_t chunk_used;
    size_t bytes_used;
};

/* Allocates nothing. `bytes_max` bounds what can be handed out in all. */
void arena_init(struct arena *arena, size_t bytes_max);

/* Gives everything back to the heap; the arena may be used again. */
void arena_fini(struct arena *arena);

/* Gives everything back but one chunk. */
void arena_reset(struct arena *arena);

/* Uninitialised memory aligned for any type; NULL when full. */
__attribute__((malloc, warn_unused_result)) void *arena_alloc(struct arena *arena, size_t bytes);

/* Zeroed array; NULL when full or when the product overflows. */
__attribute__((malloc, warn_unused_result)) void *arena_zero(struct arena *arena, size_t count,
                                                             size_t bytes_each);

/* A copy with a NUL behind it; NULL when full. */
__attribute__((warn_unused_result)) char *arena_text(struct arena *arena, struct bytes text);
__attribute__((warn_unused_result, format(printf, 2, 3))) char *
arena_printf(struct arena *arena, const char *format, ...);

/* A copy of the octets; ret_copy.ptr is never NULL on success. */
FALLIBLE arena_copy(struct arena *arena, struct bytes data, struct bytes *ret_copy);

struct arena_mark arena_mark(const struct arena *arena);
void arena_rewind(struct arena *arena, struct arena_mark mark);

static inline bool arena_is_full(const struct arena *arena)
{
    return arena->is_full;
}

static inline size_t arena_bytes_used(const struct arena *arena)
{
    return arena->bytes_used;
}

#endif
