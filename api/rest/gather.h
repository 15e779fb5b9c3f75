/* gather: all traces that fit an explorer's filters, for counts and groups.
 *
 * When rows and tags decide, Postgres counts by itself, with `rows` for its filters, over the newest `rows_max` traces of
 * the range; but for a tag that few traces have, whose index gives them. When spans decide, they are searched
 * (search.h) within bounds, newest first. What lies further back is left out, and `foot` says so.
 *
 *     struct gather gather;
 *     if (!gather_init(exchange, &explore, rows_max, &gather)) { return; }     answered
 *     if (gather.is_found) { ... gather.hits ... } else { ... statements with gather.rows ... }
 *     gather_fini(&gather);
 *
 * Owner thread: the exchange's. */
#ifndef CALLTRACE_REST_GATHER_H
#define CALLTRACE_REST_GATHER_H

#include "api/rest/search.h"

struct exchange;
struct out;

enum {
    /* Traces that Postgres counts for one answer, or groups, which costs more: some hundred milliseconds. */
    GATHER_ROWS_MAX = 300000,
    GATHER_GROUPED_MAX = 100000,
    GATHER_FOUND_MAX = 100000,
};

/* What an answer says of its bounds. */
struct gather_foot {
    bool is_partial;   /* older traces were not looked at */
    struct unix_ns to; /* then: how far back it looked */
    size_t too_large;  /* traces that were passed over */
};

struct gather {
    struct arena arena;
    bool is_found;
    struct search_candidate *hits;
    size_t count;
    struct db_value rows[EXPLORE_VALUES]; /* borrow from explore */
    struct gather_foot foot;
};

bool gather_init(struct exchange *exchange, const struct explore *explore, int32_t rows_max,
                 struct gather *gather);
void gather_fini(struct gather *gather);

/* The hits' ids for a statement. Errors: NO_SPACE. */
FALLIBLE gather_ids(struct gather *gather, struct db_value *ret_ids);

/* "isPartial", and what belongs to it. */
void gather_foot_write(struct out *out, const struct gather_foot *foot);

#endif
