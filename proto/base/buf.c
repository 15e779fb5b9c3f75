#include "proto/base/buf.h"

#include <stdarg.h>
#include <stdio.h>

#include "proto/base/check.h"
#include "proto/base/mem.h"

#include "proto/base/banned.h"

enum { ROOM_FIRST = 256 };

void buf_init(struct buf *buf, size_t bytes_max)
{
    *buf = (struct buf){.max = bytes_max};
}

void buf_fini(struct buf *buf)
{
    mem_free(buf->ptr);
    *buf = (struct buf){.max = buf->max};
}

void buf_reset(struct buf *buf)
{
    buf->len = 0;
    buf->err = OK;
}

bool buf_reserve(struct buf *buf, size_t more)
{
    if (!err_is_ok(buf->err)) {
        return false;
    }
    if (more > buf->max || buf->len > buf->max - more) {
        buf->err = FAIL(TOO_LARGE);
        return false;
    }
    size_t need = buf->len + more;
    if (need <= buf->room) {
        return true;
    }
    size_t room = buf->room == 0 ? ROOM_FIRST : buf->room;
    while (room < need) {
        room = room > buf->max / 2 ? buf->max : room * 2;
    }
    uint8_t *ptr = mem_resize(buf->ptr, room);
    if (ptr == NULL) {
        buf->err = FAIL(MEMORY);
        return false;
    }
    buf->ptr = ptr;
    buf->room = room;
    return true;
}

void buf_add(struct buf *buf, struct bytes data)
{
    if (data.len > 0 && buf_reserve(buf, data.len)) {
        memcpy(buf->ptr + buf->len, data.ptr, data.len);
        buf->len += data.len;
    }
}

void buf_add_u8(struct buf *buf, uint8_t value)
{
    if (buf_reserve(buf, 1)) {
        buf->ptr[buf->len++] = value;
    }
}

void buf_add_text(struct buf *buf, const char *text)
{
    buf_add(buf, bytes_of_text(text));
}

void buf_printf(struct buf *buf, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int len = vsnprintf(NULL, 0, format, args);
    va_end(args);
    INVARIANT(len >= 0);
    /* vsnprintf writes a NUL behind the text; it is room, not content. */
    size_t max = buf->max;
    buf->max = max == SIZE_MAX ? max : max + 1;
    bool has_room = buf->len + (size_t)len <= max && buf_reserve(buf, (size_t)len + 1);
    buf->max = max;
    if (!has_room) {
        if (err_is_ok(buf->err)) {
            buf->err = FAIL(TOO_LARGE);
        }
        return;
    }
    va_start(args, format);
    (void)vsnprintf((char *)buf->ptr + buf->len, (size_t)len + 1, format,
                    args); /* measured above */
    va_end(args);
    buf->len += (size_t)len;
}

void buf_cut(struct buf *buf, size_t len)
{
    PRE(len <= buf->len);
    buf->len = len;
}

void buf_wrote(struct buf *buf, size_t more)
{
    PRE(more <= buf->room - buf->len);
    buf->len += more;
}

uint8_t *buf_take(struct buf *buf, size_t *ret_len)
{
    uint8_t *ptr = buf->ptr;
    *ret_len = buf->len;
    *buf = (struct buf){.max = buf->max};
    return ptr;
}
