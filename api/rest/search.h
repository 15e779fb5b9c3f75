/* search: the traces that fit an explorer's filters, one by one, newest first, with bounded work.
 *
 *     TRY_OUT(search_open(&search, db, &explore, after, &bounds, detail));
 *     while (err_is_ok(err = search_next(&search, true, detail, &has, &hit)) && has) { ... }
 *     if (search.is_partial) { ... goes on behind search.reached ... }
 *     search_fini(&search);
 *
 * How candidates are found. The newest traces of the range are walked first, asking of each whether its tags and
 * the terms of its segments fit: an unselective filter fills its page from these. When few of them fit, the index of
 * the terms, of the rarest tag, of links or of durations gives all candidates at once; when each gives more than
 * SEARCH_DRIVEN_MAX, the walk goes on. So both ends are fast, and what lies between is bounded.
 *
 * Terms only choose: each candidate is decoded, whole, one span of one id once (view.h), and its spans decide. So neither
 * a hash collision nor a span that was replaced by a later copy ever shows.
 *
 * Bounds: traces walked, octets decoded, time. At a bound the search stops, `is_partial`, behind the last trace that was
 * decided. A trace that is too large to be decoded is passed over and counted.
 *
 * Owner thread: the caller's. Hits borrow from the search until fini; the search borrows explore and db. */
#ifndef CALLTRACE_REST_SEARCH_H
#define CALLTRACE_REST_SEARCH_H

#include "api/rest/explore.h"
#include "proto/base/clock.h"

enum {
    /* Candidates of one batch that is decoded together. */
    SEARCH_BATCH_MAX = 16,
    /* Groups of terms that choose segments; further filters are left to the decoded spans. */
    SEARCH_GROUPS_MAX = 4,
    /* Matching spans that a hit shows. */
    SEARCH_SPANS_SHOWN = 3,
    /* An attribute's text that a hit shows. */
    SEARCH_VALUE_BYTES_MAX = 200,
    SEARCH_DRIVEN_MAX = 20000,
};

/* A place in the list: start, newest first, then id. */
struct search_place {
    int64_t start;
    struct trace_id id;
};

struct search_bounds {
    size_t traces_max; /* walked */
    size_t bytes_max;  /* decoded */
    int64_t ms_max;
};

/* An attribute by which a span fits. */
struct search_item {
    struct bytes key;
    struct bytes json; /* its value as plain JSON; empty: too large to be shown */
    bool is_cut;       /* the beginning of a text */
};

struct search_span {
    struct span_id id;
    struct bytes name;
    struct unix_ns start;
    struct unix_ns end;
    struct search_item *items;
    size_t items_count;
};

struct search_hit {
    struct search_place place;
    bool has_error;
    size_t spans_count; /* that fit, all of them; 0 when no filter is about spans */
    struct search_span spans[SEARCH_SPANS_SHOWN];
    size_t shown_count;
};

struct search_candidate {
    struct search_place place;
    bool has_error;
};

struct search {
    bool is_partial;             /* it stopped at a bound */
    size_t too_large;            /* traces that were passed over */
    struct search_place reached; /* everything before and at it is decided */
    /* private */
    struct db *db;
    const struct explore *explore;
    struct search_bounds bounds;
    struct mono_ns began;
    struct arena kept;   /* candidates and hits */
    struct arena opened; /* one decoded trace */
    struct db_value groups[SEARCH_GROUPS_MAX];
    bool has_groups;
    struct search_candidate *candidates;
    size_t candidates_count;
    size_t candidates_next;
    struct search_place walked; /* where the walk goes on */
    size_t chunk;               /* traces of the last step of the walk */
    bool is_walked_out;         /* there is nothing behind the candidates */
    bool has_tried_indexes;
    size_t traces_walked;
    size_t bytes_decoded;
    struct search_hit hits[SEARCH_BATCH_MAX];
    size_t hits_count;
    size_t hits_next;
};

extern const struct search_place search_beginning;

/* Errors: those of db_run, NO_SPACE. After an error there is nothing to give back. */
FALLIBLE search_open(struct search *search, struct db *db, const struct explore *explore,
                     struct search_place after, const struct search_bounds *bounds,
                     struct detail *detail);
void search_fini(struct search *search);

/* The next trace that fits; `*ret_has` is false at the end and at a bound. Matching spans are shown when wanted. */
FALLIBLE search_next(struct search *search, bool wants_spans, struct detail *detail, bool *ret_has,
                     struct search_hit *ret_hit);

/* Before the first search_next, of filters that are tags only: all candidates from the index of the rarest tag.
 * `*ret_is_whole` is false when there are too many of them; then the search is as before. */
FALLIBLE search_by_tag(struct search *search, struct detail *detail, bool *ret_is_whole);

/* From now on at most so many milliseconds more. */
void search_hurry(struct search *search, int64_t ms);

#endif
