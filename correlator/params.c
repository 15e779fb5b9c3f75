#include "correlator/params.h"

#include "proto/base/check.h"

#include "proto/base/banned.h"

err_t params_init(struct params *params, struct arena *arena, const enum db_type *types,
                  size_t columns, size_t rows)
{
    PRE(columns <= PARAMS_COLUMNS_MAX);
    struct db_value *cells = arena_zero(arena, rows * columns, sizeof *cells);
    if (cells == NULL) {
        return FAIL(NO_SPACE);
    }
    *params = (struct params){
        .arena = arena, .types = types, .columns = columns, .rows_room = rows, .cells = cells};
    return OK;
}

void params_row(struct params *params, const struct db_value *cells)
{
    PRE(params->rows < params->rows_room);
    for (size_t i = 0; i < params->columns; i++) {
        params->cells[i * params->rows_room + params->rows] = cells[i];
    }
    params->rows++;
}

err_t params_pack(const struct params *params, struct db_value *ret_values)
{
    for (size_t i = 0; i < params->columns; i++) {
        TRY(db_array(params->arena, params->types[i], params->cells + i * params->rows_room,
                     params->rows, &ret_values[i]));
    }
    return OK;
}

err_t params_queue(const struct params *params, struct db *db, enum stmt stmt,
                   struct detail *detail)
{
    struct db_value values[PARAMS_COLUMNS_MAX];
    TRY(params_pack(params, values));
    return db_queue(db, stmt, values, params->columns, detail);
}
