/* Any text as a cursor: refused, or the same again after writing it anew. */
#include "api/rest/cursor.h"
#include "api/rest/unmatched_cursor.h"
#include "proto/base/check.h"

#include "proto/base/banned.h"

enum { ARENA_MAX = 1 << 20 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void unmatched_try(const struct cursor *cursor, struct arena *arena)
{
    struct unmatched_place place;
    struct unmatched_place same;
    struct cursor again;
    if (!unmatched_cursor_read(cursor, &place)) {
        return;
    }
    const char *written = unmatched_cursor_write(&place, arena);
    INVARIANT(written != NULL && err_is_ok(cursor_read(written, arena, &again)));
    INVARIANT(unmatched_cursor_read(&again, &same));
    INVARIANT(same.what == place.what && same.at.ns == place.at.ns);
    INVARIANT(memcmp(same.id, place.id, sizeof place.id) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena;
    struct cursor cursor;
    struct cursor again;
    arena_init(&arena, ARENA_MAX);
    const char *text = arena_text(&arena, bytes_of(data, size));
    if (text != NULL && err_is_ok(cursor_read(text, &arena, &cursor))) {
        unmatched_try(&cursor, &arena);
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
