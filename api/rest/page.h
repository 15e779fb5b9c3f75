/* page: what every list has in common: the envelope {"data": [...], "pagination": {...}} and a statement run for
 * it. Thread: the exchange's. */
#ifndef CALLTRACE_REST_PAGE_H
#define CALLTRACE_REST_PAGE_H

#include "api/rest/out.h"
#include "proto/base/clock.h"
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

/* How a list ends whose work is bounded. */
struct page_foot {
    int64_t total;     /* at least */
    bool is_exact;     /* it is all */
    const char *next;  /* NULL: nothing follows */
    bool is_partial;   /* the page was ended by its work, not by its length: `next` goes on */
    struct unix_ns to; /* then: how far back it looked */
    size_t too_large;  /* traces that were passed over */
};
void page_end_bounded(struct out *out, const struct page_foot *foot);

#endif
