#include "api/rest/opened.h"

#include "api/rest/page.h"
#include "api/rest/query.h"
#include "proto/otlp/segment.h"

#include "proto/base/banned.h"

enum {
    /* Raw segments, span heads and the tree of LIMIT_DISPLAY_SPANS spans of 5 KB. */
    OPENED_BYTES_MAX = 768 << 20,
};

/* A stored segment says how long it is, but nobody believes it beyond what one may have. */
static FALLIBLE segments_open(struct db_rows *rows, struct opened *opened)
{
    size_t count = 0;
    struct bytes *raws = arena_zero(&opened->arena, db_rows_count(rows), sizeof *raws);
    if (raws == NULL) {
        return FAIL(NO_SPACE);
    }
    while (db_next(rows)) {
        opened->has_root = !db_is_null(rows, 2);
        opened->last_seen = db_get_time(rows, 3);
        TRY(segment_inflate(db_get_bytes(rows, 1), (size_t)db_get_int(rows, 0), &opened->arena,
                            &raws[count]));
        count++;
    }
    return view_open(raws, count, &opened->arena, &opened->view);
}

bool opened_init(struct exchange *exchange, struct opened *opened)
{
    struct uuid project = exchange_project(exchange);
    struct db_rows *rows = NULL;
    *opened = (struct opened){.has_root = false};
    if (!query_path_trace(exchange, 0, &opened->id)) {
        return false;
    }
    const struct db_value values[] = {db_uuid(&project),
                                      db_bytes(bytes_of(opened->id.b, sizeof opened->id.b))};
    if (!page_run(exchange, STMT_TRACE_SEGMENTS, values, 2, &rows)) {
        return false;
    }
    if (db_rows_count(rows) == 0) {
        db_rows_free(rows);
        exchange_error(exchange, 404, "not_found", "there is no trace with this id in the project");
        return false;
    }
    arena_init(&opened->arena, OPENED_BYTES_MAX);
    err_t err = segments_open(rows, opened);
    db_rows_free(rows);
    if (!err_is_ok(err)) {
        struct detail detail = {0};
        bool is_input = err_class(err) == ERR_CLASS_INPUT;
        detail_set(&detail, "the trace cannot be shown: %s", err_text(err));
        arena_fini(&opened->arena);
        /* What is stored is ours; a client did nothing wrong by asking for it. */
        exchange_fail(exchange, is_input ? FAIL(INTERNAL) : err, &detail);
        return false;
    }
    return true;
}

void opened_fini(struct opened *opened)
{
    arena_fini(&opened->arena);
}

const struct otlp_span *opened_span(struct exchange *exchange, const struct opened *opened)
{
    struct span_id id;
    struct bytes text = bytes_of_text(exchange_path_part(exchange, 1));
    if (text.len != SPAN_ID_HEX || !bytes_from_hex(text, id.b, sizeof id.b)) {
        exchange_error(exchange, 400, "validation_error", "a span id has 16 hex digits");
        return NULL;
    }
    for (size_t i = 0; i < opened->view.spans_count; i++) {
        if (memcmp(opened->view.spans[i].id.b, id.b, sizeof id.b) == 0) {
            return &opened->view.spans[i];
        }
    }
    exchange_error(exchange, 404, "not_found", "there is no span with this id in the trace");
    return NULL;
}
