#include "api/rest/trace_row.h"

#include <errno.h>
#include <stdlib.h>

#include "api/rest/cursor.h"
#include "api/rest/out.h"
#include "schema/db.h"

#include "proto/base/banned.h"

const char *trace_root_state(bool has_root, struct unix_ns last_seen, struct unix_ns now)
{
    if (has_root) {
        return "root";
    }
    return (now.ns - last_seen.ns) / NS_PER_S < TRACE_QUIET_S ? "open" : "orphan-only";
}

static void text_or_null(struct out *out, const char *key, struct bytes text)
{
    if (text.len == 0) {
        out_null(out, key);
    } else {
        out_text(out, key, text);
    }
}

void trace_row_write(struct out *out, const struct db_rows *rows, struct unix_ns now)
{
    bool has_root = !db_is_null(rows, TRACE_COLUMN_ROOT_ID);
    struct unix_ns start = {db_get_int(rows, TRACE_COLUMN_START)};
    struct unix_ns end = {db_get_int(rows, TRACE_COLUMN_END)};
    struct unix_ns last_seen = db_get_time(rows, TRACE_COLUMN_LAST_SEEN);
    out_hex(out, "traceId", db_get_bytes(rows, TRACE_COLUMN_ID));
    out_word(out, "rootState", trace_root_state(has_root, last_seen, now));
    text_or_null(out, "rootName", db_get_bytes(rows, TRACE_COLUMN_ROOT_NAME));
    if (has_root) {
        out_hex(out, "rootSpanId", db_get_bytes(rows, TRACE_COLUMN_ROOT_ID));
    } else {
        out_null(out, "rootSpanId");
    }
    text_or_null(out, "service", db_get_bytes(rows, TRACE_COLUMN_SERVICE));
    out_time(out, "startedAt", start, 9);
    out_time(out, "endedAt", end, 9);
    out_ms_between(out, "durationMs", start, end);
    out_int(out, "spanCount", db_get_int(rows, TRACE_COLUMN_SPANS));
    out_int(out, "errorCount", db_get_int(rows, TRACE_COLUMN_ERRORS));
    /* A span may stand in two segments when an export was repeated in other pieces. */
    out_bool(out, "countsApproximate", db_get_int(rows, TRACE_COLUMN_SEGMENTS) > 1);
    out_bool(out, "hasError", db_get_bool(rows, TRACE_COLUMN_HAS_ERROR));
    out_time(out, "firstSeenAt", db_get_time(rows, TRACE_COLUMN_FIRST_SEEN), 3);
    out_time(out, "lastSeenAt", last_seen, 3);
}

const char *trace_cursor_write(const struct trace_place *place, struct arena *arena)
{
    char hex[TRACE_ID_HEX];
    const char *sorted =
        arena_printf(arena, "%lld %lld", (long long)place->start, (long long)place->seen);
    if (sorted == NULL) {
        return NULL;
    }
    bytes_to_hex(bytes_of(place->id.b, sizeof place->id.b), hex);
    const struct cursor cursor = {bytes_of_text(sorted), bytes_of(hex, sizeof hex)};
    return cursor_write(&cursor, arena);
}

bool trace_cursor_read(const struct cursor *cursor, struct arena *arena,
                       struct trace_place *ret_place)
{
    struct trace_place place = {.seen = 0};
    char *end = NULL;
    const char *text = arena_text(arena, cursor->sort_value);
    if (text == NULL || cursor->id.len != TRACE_ID_HEX ||
        !bytes_from_hex(cursor->id, place.id.b, sizeof place.id.b)) {
        return false;
    }
    errno = 0;
    place.start = strtoll(text, &end, 10);
    if (end == text || *end != ' ') {
        return false;
    }
    text = end + 1;
    place.seen = strtoll(text, &end, 10);
    if (end == text || *end != '\0' || errno != 0 || place.seen < 0 ||
        place.seen > TRACE_SEEN_MAX) {
        return false;
    }
    *ret_place = place;
    return true;
}
