#include "api/rest/unmatched_cursor.h"

#include <inttypes.h>

#include <jansson.h>

#include "proto/base/banned.h"

const char *unmatched_cursor_write(const struct unmatched_place *place, struct arena *arena)
{
    char id[1 + 2 * sizeof place->id];
    const char *at = arena_printf(arena, "%" PRId64, place->at.ns);
    if (at == NULL) {
        return NULL;
    }
    id[0] = place->what == UNMATCHED_TRACE ? 't' : 'c';
    bytes_to_hex(bytes_of(place->id, sizeof place->id), id + 1);
    const struct cursor cursor = {bytes_of_text(at), bytes_of(id, sizeof id)};
    return cursor_write(&cursor, arena);
}

bool unmatched_cursor_read(const struct cursor *cursor, struct unmatched_place *ret_place)
{
    json_t *number = json_loadb((const char *)cursor->sort_value.ptr, cursor->sort_value.len,
                                JSON_DECODE_ANY, NULL);
    bool is_number = json_is_integer(number);
    ret_place->at.ns = json_integer_value(number);
    json_decref(number);
    struct bytes id = cursor->id;
    if (!is_number || id.len != 1 + 2 * sizeof ret_place->id ||
        (id.ptr[0] != 't' && id.ptr[0] != 'c')) {
        return false;
    }
    ret_place->what = id.ptr[0] == 't' ? UNMATCHED_TRACE : UNMATCHED_CALL;
    return bytes_from_hex(bytes_of(id.ptr + 1, id.len - 1), ret_place->id, sizeof ret_place->id);
}
