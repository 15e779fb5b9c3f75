/* explore: the filters that the list of traces, its histogram and its groups share, read once from the request.
 *
 *     struct explore explore;
 *     if (!explore_read(exchange, &explore)) { return; }            answered 400, naming the parameter
 *
 * What a trace's row or tags say is decided by Postgres alone (`rows`, TRACE_FILTERS in schema/stmt.def); what spans
 * must say (`filters`) is searched for by terms and decided on the decoded spans (search.h).
 *
 * Owner thread: the exchange's. Borrows from the exchange and from itself: it must not be moved. */
#ifndef CALLTRACE_REST_EXPLORE_H
#define CALLTRACE_REST_EXPLORE_H

#include "api/rest/filter.h"
#include "schema/db.h"

struct exchange;

enum {
    /* $1 to $11 of TRACE_FILTERS. */
    EXPLORE_VALUES = 11,
    EXPLORE_TAGS_MAX = 16,
    EXPLORE_SERVICE_CHARS_MAX = 255,
};

struct explore {
    struct uuid project;
    struct db_value rows[EXPLORE_VALUES];
    struct filters filters;
    size_t tags_count;   /* a service is one of them */
    bool is_linked;      /* only linked ones */
    bool has_duration;   /* a least or greatest one */
    bool is_error;       /* only traces with errors, to which an index leads */
    bool is_sparse;      /* no index leads to what the row must say */
    bool has_root;       /* a name of the root is asked for, or that it has none */
    struct unix_ns from; /* the least time when it was not given */
    struct unix_ns to;   /* the greatest */
};

/* Neither tags nor spans have to be looked at: the rows alone decide. */
static inline bool explore_is_of_rows(const struct explore *explore)
{
    return explore->tags_count == 0 && explore->filters.count == 0;
}

/* Postgres finds a page without passing over more than it shows. */
static inline bool explore_is_plain(const struct explore *explore)
{
    return explore_is_of_rows(explore) && !explore->is_sparse;
}

bool explore_read(struct exchange *exchange, struct explore *ret_explore);

#endif
