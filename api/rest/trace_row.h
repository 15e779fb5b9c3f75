/* trace_row: a trace as every list of traces shows it, and where such a list goes on. Thread: any. */
#ifndef CALLTRACE_REST_TRACE_ROW_H
#define CALLTRACE_REST_TRACE_ROW_H

#include "proto/base/arena.h"
#include "proto/base/clock.h"
#include "proto/base/id.h"

struct cursor;
struct db_rows;
struct out;

enum {
    /* Exporters send every 5 s while a call runs; a trace this long without any has lost its root. */
    TRACE_QUIET_S = 900,
    /* Columns of TRACE_COLUMNS in schema/stmt.def, and those behind them. */
    TRACE_COLUMN_ID = 0,
    TRACE_COLUMN_START,
    TRACE_COLUMN_END,
    TRACE_COLUMN_HAS_ERROR,
    TRACE_COLUMN_SERVICE,
    TRACE_COLUMN_ROOT_ID,
    TRACE_COLUMN_ROOT_NAME,
    TRACE_COLUMN_FIRST_SEEN,
    TRACE_COLUMN_LAST_SEEN,
    TRACE_COLUMN_SPANS,
    TRACE_COLUMN_ERRORS,
    TRACE_COLUMN_SEGMENTS,
    TRACE_COLUMN_MORE,
    TRACE_COLUMN_TAGS,
    TRACE_COLUMN_PLACE,
    /* What a cursor may claim to have seen. */
    TRACE_SEEN_MAX = 1 << 30,
};

/* "root"; "open": spans came lately, the root is still to come; "orphan-only": it will not come. */
const char *trace_root_state(bool has_root, struct unix_ns last_seen, struct unix_ns now);

/* The members that every list has, of the present row. */
void trace_row_write(struct out *out, const struct db_rows *rows, struct unix_ns now);

/* Behind this trace a list goes on; so many were shown up to it. */
struct trace_place {
    int64_t start; /* ns */
    struct trace_id id;
    int64_t seen;
};

/* NULL: no space. */
const char *trace_cursor_write(const struct trace_place *place, struct arena *arena);
/* False: it is no cursor of such a list. */
bool trace_cursor_read(const struct cursor *cursor, struct arena *arena,
                       struct trace_place *ret_place);

#endif
