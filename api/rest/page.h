/* page: what every list has in common: the envelope {"data": [...], "pagination": {...}} and a statement run for
 * it. Thread: the exchange's. */
#ifndef CALLTRACE_REST_PAGE_H
#define CALLTRACE_REST_PAGE_H

#include "api/rest/out.h"
#include "schema/db.h"

enum {
    PAGE_LIMIT_DEFAULT = 20,
    PAGE_LIMIT_MAX = 100,
    /* A total is counted up to here where counting further costs and tells nobody anything. */
    PAGE_TOTAL_MAX = 1000,
};

/* Gives rows of one statement of the exchange's connection; false: answered. */
bool page_run(struct exchange *exchange, enum stmt stmt, const struct db_value *values,
              size_t count, struct db_rows **ret_rows);

/* The only number of a statement that counts; false: answered. */
bool page_count(struct exchange *exchange, enum stmt stmt, const struct db_value *values,
                size_t count, int64_t *ret_count);

/* {"data":[ */
void page_begin(struct out *out);
/* ],"pagination":{...}}. `next` is NULL on the last page. A `total` over `total_max` is written as null beside
 * "atLeast": total_max (total_max 0: it is exact). */
void page_end(struct out *out, int64_t total, int64_t total_max, const char *next);

#endif
