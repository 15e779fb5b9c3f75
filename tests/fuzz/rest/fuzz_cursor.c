/* Any text as a cursor: refused, or the same again after writing it anew. */
#include "api/rest/cursor.h"
#include "proto/base/check.h"

#include "proto/base/banned.h"

enum { ARENA_MAX = 1 << 20 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena;
    struct cursor cursor;
    struct cursor again;
    arena_init(&arena, ARENA_MAX);
    const char *text = arena_text(&arena, bytes_of(data, size));
    if (text != NULL && err_is_ok(cursor_read(text, &arena, &cursor))) {
        const char *written = cursor_write(&cursor, &arena);
        INVARIANT(written != NULL);
        if (strlen(written) <= CURSOR_BYTES_MAX) {
            INVARIANT(err_is_ok(cursor_read(written, &arena, &again)));
            INVARIANT(bytes_equal(again.sort_value, cursor.sort_value));
            INVARIANT(bytes_equal(again.id, cursor.id));
        }
    }
    arena_fini(&arena);
    return 0;
}
