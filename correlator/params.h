/* params: lists of rows as array parameters of one statement (unnest). Columns are filled cell by cell and
 * packed at the end; everything lives in the arena. Owner thread: the caller's. */
#ifndef CALLTRACE_CORRELATOR_PARAMS_H
#define CALLTRACE_CORRELATOR_PARAMS_H

#include "proto/base/arena.h"
#include "schema/db.h"

enum { PARAMS_COLUMNS_MAX = 20 };

struct params {
    struct arena *arena;
    const enum db_type *types;
    size_t columns;
    size_t rows; /* filled so far, by params_row */
    size_t rows_room;
    struct db_value *cells; /* column by column */
};

/* Room for at most `rows` rows. `types` is kept. Errors: NO_SPACE. */
FALLIBLE params_init(struct params *params, struct arena *arena, const enum db_type *types,
                     size_t columns, size_t rows);

/* Adds a row; `cells` are its values, as many as there are columns. */
void params_row(struct params *params, const struct db_value *cells);

/* Packs each column into ret_values[0..columns). Errors: NO_SPACE. */
FALLIBLE params_pack(const struct params *params, struct db_value *ret_values);

/* Packs and queues a statement whose parameters are exactly these columns. */
FALLIBLE params_queue(const struct params *params, struct db *db, enum stmt stmt,
                      struct detail *detail);

static inline struct db_value params_trace_id(const struct trace_id *id)
{
    return db_bytes(bytes_of(id->b, sizeof id->b));
}

#endif
