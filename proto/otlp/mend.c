#include "proto/otlp/mend.h"

#include "proto/base/limits.h"

#include "proto/base/banned.h"

static size_t char_bytes(const uint8_t *text, size_t len)
{
    for (size_t count = 1; count <= 4 && count <= len; count++) {
        if (bytes_are_utf8(bytes_of(text, count))) {
            return count;
        }
    }
    return 0;
}

static void text_mend(uint8_t *text, size_t len)
{
    static const uint8_t replacement[] = {0xEF, 0xBF, 0xBD};
    for (size_t at = 0; at < len;) {
        size_t good = char_bytes(text + at, len - at);
        bool is_surrogate = good == 0 && len - at >= sizeof replacement && text[at] == 0xED &&
                            text[at + 1] >= 0xA0 && text[at + 1] <= 0xBF &&
                            (text[at + 2] & 0xC0u) == 0x80;
        if (is_surrogate) {
            memcpy(text + at, replacement, sizeof replacement);
            good = sizeof replacement;
        } else if (good == 0) {
            text[at] = '?';
            good = 1;
        }
        at += good;
    }
}

struct frame {
    struct reader reader;
    enum schema_message message;
};

enum { FRAMES_MAX = 3 * (LIMIT_ANYVALUE_DEPTH + 1) + 8 };

void mend_texts(enum schema_message message, struct buf *out, size_t len)
{
    struct frame frames[FRAMES_MAX];
    size_t depth = 1;
    if (!err_is_ok(buf_err(out)) || len == 0) {
        return;
    }
    size_t start = buf_bytes(out).len - len;
    uint8_t *octets = out->ptr + start; /* patched in place: lengths stay */
    frames[0] = (struct frame){.reader = reader_of(bytes_of(octets, len)), .message = message};
    while (depth > 0) {
        struct frame *frame = &frames[depth - 1];
        struct wire_field got = {0};
        if (reader_is_done(&frame->reader) || !err_is_ok(wire_next(&frame->reader, &got))) {
            depth--;
            continue;
        }
        const struct schema_field *field = schema_field(frame->message, got.number);
        if (got.type != WIRE_BYTES || field->type == SCHEMA_TYPE_NONE) {
            continue;
        }
        if (field->type == SCHEMA_TYPE_MESSAGE && depth < FRAMES_MAX) {
            frames[depth++] =
                (struct frame){.reader = reader_of(got.data), .message = field->child};
        } else if (field->type == SCHEMA_TYPE_TEXT && !bytes_are_utf8(got.data)) {
            text_mend(octets + (got.data.ptr - octets), got.data.len);
        }
    }
}
