#include "proto/base/arena.h"

#include <stdalign.h>
#include <stdarg.h>
#include <stdio.h>

#include "proto/base/check.h"
#include "proto/base/mem.h"

#include "proto/base/banned.h"

struct arena_chunk {
    struct arena_chunk *older;
    size_t used;
    size_t room;
    alignas(max_align_t) uint8_t data[];
};

enum { CHUNK_FIRST = 4096, CHUNK_LARGEST = 1 << 20, ALIGN = alignof(max_align_t) };

void arena_init(struct arena *arena, size_t bytes_max)
{
    *arena = (struct arena){.bytes_max = bytes_max};
}

static void chunks_free(struct arena_chunk *chunk, const struct arena_chunk *until)
{
    while (chunk != until) {
        struct arena_chunk *older = chunk->older;
        mem_free(chunk);
        chunk = older;
    }
}

void arena_fini(struct arena *arena)
{
    chunks_free(arena->chunk, NULL);
    arena->chunk = NULL;
    arena->bytes_used = 0;
    arena->is_full = false;
}

void arena_reset(struct arena *arena)
{
#if defined(CALLTRACE_ARENA_MALLOC)
    arena_fini(arena);
#else
    if (arena->chunk != NULL) {
        chunks_free(arena->chunk->older, NULL);
        arena->chunk->older = NULL;
        arena->chunk->used = 0;
    }
    arena->bytes_used = 0;
    arena->is_full = false;
#endif
}

static struct arena_chunk *chunk_add(struct arena *arena, size_t need)
{
    size_t room = need;
#if !defined(CALLTRACE_ARENA_MALLOC)
    size_t wish = arena->chunk == NULL ? CHUNK_FIRST : arena->chunk->room * 2;
    wish = wish > CHUNK_LARGEST ? CHUNK_LARGEST : wish;
    room = need > wish ? need : wish;
#endif
    struct arena_chunk *chunk = mem_alloc(sizeof *chunk + room);
    if (chunk == NULL) {
        return NULL;
    }
    chunk->older = arena->chunk;
    chunk->used = 0;
    chunk->room = room;
    arena->chunk = chunk;
    return chunk;
}

void *arena_alloc(struct arena *arena, size_t bytes)
{
    if (bytes > arena->bytes_max || bytes > SIZE_MAX - ALIGN || arena->is_full) {
        arena->is_full = true;
        return NULL;
    }
#if defined(CALLTRACE_ARENA_MALLOC)
    size_t need = bytes == 0 ? 1 : bytes; /* no rounding: the red zone begins at once */
#else
    size_t need = (bytes + ALIGN - 1) / ALIGN * ALIGN;
    need = need == 0 ? ALIGN : need;
#endif
    if (need > arena->bytes_max - arena->bytes_used) {
        arena->is_full = true;
        return NULL;
    }
    struct arena_chunk *chunk = arena->chunk;
    if (chunk == NULL || chunk->room - chunk->used < need) {
        chunk = chunk_add(arena, need);
        if (chunk == NULL) {
            arena->is_full = true;
            return NULL;
        }
    }
    void *ptr = chunk->data + chunk->used;
    chunk->used += need;
    arena->bytes_used += need;
    return ptr;
}

void *arena_zero(struct arena *arena, size_t count, size_t bytes_each)
{
    size_t bytes = 0;
    if (__builtin_mul_overflow(count, bytes_each, &bytes)) {
        arena->is_full = true;
        return NULL;
    }
    void *ptr = arena_alloc(arena, bytes);
    if (ptr != NULL) {
        memset(ptr, 0, bytes);
    }
    return ptr;
}

char *arena_text(struct arena *arena, struct bytes text)
{
    char *copy = arena_alloc(arena, text.len + 1);
    if (copy != NULL) {
        if (text.len > 0) {
            memcpy(copy, text.ptr, text.len);
        }
        copy[text.len] = '\0';
    }
    return copy;
}

char *arena_printf(struct arena *arena, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int len = vsnprintf(NULL, 0, format, args);
    va_end(args);
    INVARIANT(len >= 0);
    char *text = arena_alloc(arena, (size_t)len + 1);
    if (text != NULL) {
        va_start(args, format);
        (void)vsnprintf(text, (size_t)len + 1, format, args); /* measured above */
        va_end(args);
    }
    return text;
}

err_t arena_copy(struct arena *arena, struct bytes data, struct bytes *ret_copy)
{
    char *copy = arena_text(arena, data);
    if (copy == NULL) {
        return FAIL(NO_SPACE);
    }
    *ret_copy = bytes_of(copy, data.len);
    return OK;
}

struct arena_mark arena_mark(const struct arena *arena)
{
    return (struct arena_mark){
        .chunk = arena->chunk,
        .chunk_used = arena->chunk == NULL ? 0 : arena->chunk->used,
        .bytes_used = arena->bytes_used,
    };
}

void arena_rewind(struct arena *arena, struct arena_mark mark)
{
    PRE(mark.bytes_used <= arena->bytes_used);
    chunks_free(arena->chunk, mark.chunk);
    arena->chunk = mark.chunk;
    if (mark.chunk != NULL) {
        mark.chunk->used = mark.chunk_used;
    }
    arena->bytes_used = mark.bytes_used;
    arena->is_full = false;
}
