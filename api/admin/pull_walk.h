/* pull_walk: through VAPI's list of calls without a cursor. PURE.
 *
 * GET /call gives an array, newest first, at most `limit` of the calls created in [createdAtGe, createdAtLt). The walk goes
 * back: the next page ends one millisecond behind the oldest call of this one, so that calls of that same millisecond
 * (or of a fraction of it that the texts do not show) come again and none is lost; what was seen is known by its id. A
 * page that holds nothing older ends at that millisecond. The walk ends with an empty page, never with a short one,
 * because a server may give less than it was asked for.
 *
 *     pull_walk_init(&walk, since, until);
 *     while (!pull_walk_is_over(&walk)) {
 *         pull_walk_query(&walk, query);
 *         ... ask, then pull_walk_take for each item ...
 *         TRY(pull_walk_page_end(&walk, items, detail));
 *     }
 *
 * Owner thread: the command's. fini frees what was remembered. */
#ifndef CALLTRACE_API_ADMIN_PULL_WALK_H
#define CALLTRACE_API_ADMIN_PULL_WALK_H

#include "proto/base/clock.h"
#include "proto/base/err.h"
#include "proto/base/id.h"

enum {
    PULL_LIMIT_MAX = 1000, /* VAPI's own */
    PULL_LIMIT_MIN = 8,    /* smaller pages could not tell equal times from the end */
    PULL_CALLS_MAX = 1000000,
    PULL_PAGES_MAX = 100000,
    PULL_QUERY_BYTES = 160,
};

struct pull_seen;

struct pull_walk {
    /* private */
    struct unix_ns since;
    struct unix_ns before; /* createdAtLt of the next page */
    unsigned limit;
    struct pull_seen *seen;
    size_t seen_count;
    size_t pages;
    size_t page_before;  /* items of the page before this one */
    size_t truncated_at; /* a page of so many items did not hold everything */
    size_t still_max;    /* the largest page whose calls were all of one millisecond */
    bool is_crowded;
    struct {
        struct unix_ns oldest;
        struct unix_ns latest_taken;
        size_t taken;
        size_t fresh;
        bool is_unordered;
    } page;
    bool is_over;
};

/* Allocates nothing. Calls created in [since, until). */
void pull_walk_init(struct pull_walk *walk, struct unix_ns since, struct unix_ns until);
void pull_walk_fini(struct pull_walk *walk);

bool pull_walk_is_over(const struct pull_walk *walk);

/* The query of the next page, without its question mark. */
void pull_walk_query(const struct pull_walk *walk, char ret_query[PULL_QUERY_BYTES]);

/* The page was too large to be read: smaller pages from now on. False: they cannot be smaller. */
bool pull_walk_smaller(struct pull_walk *walk);

/* An item of the page, in the page's order; fresh when it was not seen before. Errors: TOO_MANY, MEMORY. */
FALLIBLE pull_walk_take(struct pull_walk *walk, struct uuid id, struct unix_ns created,
                        bool *ret_is_fresh);

/* All items of the page were taken, but for those without id or time. Errors: BAD_VALUE when the list is not what the
 * walk relies on, so that calls would be missed; detail says what. */
FALLIBLE pull_walk_page_end(struct pull_walk *walk, size_t items, struct detail *detail);

/* At the end: a full page's calls were all created in one millisecond, so that there may be more of that time. */
bool pull_walk_is_crowded(const struct pull_walk *walk);

#endif
