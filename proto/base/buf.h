/* buf: a growable buffer born with its maximum.
 *
 * Writing past the maximum, or out of memory, sets a sticky failure and drops what follows; the writer
 * checks buf_err once at the end. Owner thread: the caller's. buf_fini frees; buf_take gives. */
#ifndef CALLTRACE_BUF_H
#define CALLTRACE_BUF_H

#include "proto/base/bytes.h"
#include "proto/base/err.h"

struct buf {
    /* private */
    uint8_t *ptr;
    size_t len;
    size_t room;
    size_t max;
    err_t err;
};

void buf_init(struct buf *buf, size_t bytes_max);
void buf_fini(struct buf *buf);

/* Empties it and forgets a failure; keeps the memory. */
void buf_reset(struct buf *buf);

/* Makes room for `more` bytes; false and sticky failure when that is not possible. */
bool buf_reserve(struct buf *buf, size_t more);

void buf_add(struct buf *buf, struct bytes data);
void buf_add_u8(struct buf *buf, uint8_t value);
void buf_add_text(struct buf *buf, const char *text);
__attribute__((format(printf, 2, 3))) void buf_printf(struct buf *buf, const char *format, ...);

/* Shortens to `len`, at most the present length. */
void buf_cut(struct buf *buf, size_t len);

/* Room reserved by buf_reserve was written by the caller: count `more` of it. */
void buf_wrote(struct buf *buf, size_t more);

static inline err_t buf_err(const struct buf *buf)
{
    return buf->err;
}

static inline struct bytes buf_bytes(const struct buf *buf)
{
    return bytes_of(buf->ptr, buf->len);
}

/* Gives the memory to the caller (mem_free) and leaves the buffer empty. NULL when nothing was written. */
uint8_t *buf_take(struct buf *buf, size_t *ret_len);

#endif
