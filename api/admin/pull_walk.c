#include "api/admin/pull_walk.h"

#include <stdio.h>

#include "proto/base/check.h"
#include "proto/base/table.h"

#include "proto/base/banned.h"

struct pull_seen {
    struct uuid id;
    UT_hash_handle hh;
};

void pull_walk_init(struct pull_walk *walk, struct unix_ns since, struct unix_ns until)
{
    *walk = (struct pull_walk){
        .since = since,
        .before = until,
        .limit = PULL_LIMIT_MAX,
        .is_over = until.ns <= since.ns,
    };
}

void pull_walk_fini(struct pull_walk *walk)
{
    struct pull_seen *seen = walk->seen;
    HASH_CLEAR(hh, walk->seen); /* frees the table, not the elements, which stay chained */
    while (seen != NULL) {
        struct pull_seen *next = seen->hh.next;
        mem_free(seen);
        seen = next;
    }
    walk->seen_count = 0;
}

bool pull_walk_is_over(const struct pull_walk *walk)
{
    return walk->is_over;
}

bool pull_walk_is_crowded(const struct pull_walk *walk)
{
    /* How much a page can hold at most may have shown itself only later. */
    return walk->is_crowded || (walk->truncated_at > 0 && walk->still_max >= walk->truncated_at);
}

void pull_walk_query(const struct pull_walk *walk, char ret_query[PULL_QUERY_BYTES])
{
    char since[RFC3339_BYTES];
    char before[RFC3339_BYTES];
    unix_to_rfc3339(walk->since, 3, since);
    unix_to_rfc3339(walk->before, 3, before);
    int len = snprintf(ret_query, PULL_QUERY_BYTES, "limit=%u&createdAtGe=%s&createdAtLt=%s",
                       walk->limit, since, before);
    POST(len > 0 && len < PULL_QUERY_BYTES);
}

bool pull_walk_smaller(struct pull_walk *walk)
{
    if (walk->limit / 2 < PULL_LIMIT_MIN) {
        return false;
    }
    walk->limit /= 2;
    return true;
}

/* --- a page -------------------------------------------------------------------------------------------- */

static err_t remember(struct pull_walk *walk, struct uuid id, bool *ret_is_fresh)
{
    TABLE_OOM;
    struct pull_seen *seen = NULL;
    HASH_FIND(hh, walk->seen, &id, sizeof id, seen);
    if (seen != NULL) {
        *ret_is_fresh = false;
        return OK;
    }
    if (walk->seen_count == PULL_CALLS_MAX) {
        return FAIL(TOO_MANY);
    }
    seen = mem_zero(1, sizeof *seen);
    if (seen == NULL) {
        return FAIL(MEMORY);
    }
    seen->id = id;
    HASH_ADD(hh, walk->seen, id, sizeof seen->id, seen);
    if (table_oom) {
        mem_free(seen);
        return FAIL(MEMORY);
    }
    walk->seen_count++;
    *ret_is_fresh = true;
    return OK;
}

err_t pull_walk_take(struct pull_walk *walk, struct uuid id, struct unix_ns created,
                     bool *ret_is_fresh)
{
    bool is_fresh = false;
    TRY(remember(walk, id, &is_fresh));
    if (walk->page.taken == 0 || created.ns < walk->page.oldest.ns) {
        walk->page.oldest = created;
    }
    if (walk->page.taken > 0 && created.ns > walk->page.latest_taken.ns) {
        walk->page.is_unordered = true;
    }
    walk->page.latest_taken = created;
    walk->page.taken++;
    walk->page.fresh += is_fresh;
    *ret_is_fresh = is_fresh;
    return OK;
}

static struct unix_ns millisecond_of(struct unix_ns at)
{
    int64_t rest = at.ns % NS_PER_MS;
    return (struct unix_ns){.ns = at.ns - (rest < 0 ? rest + NS_PER_MS : rest)};
}

/* What the walk relies on. */
static err_t page_check(const struct pull_walk *walk, size_t items, struct detail *detail)
{
    if (walk->page.taken == 0) {
        detail_set(detail, "none of the %zu calls of a page has an id and a createdAt", items);
        return FAIL(BAD_VALUE);
    }
    if (walk->page.oldest.ns >= walk->before.ns) {
        detail_set(detail, "the list does not keep to createdAtLt, so that it has no end");
        return FAIL(BAD_VALUE);
    }
    if (walk->page.is_unordered) {
        detail_set(detail, "the list is not newest first, so that older calls would be missed");
        return FAIL(BAD_VALUE);
    }
    if (walk->pages == PULL_PAGES_MAX) {
        detail_set(detail, "the list has more than %d pages", PULL_PAGES_MAX);
        return FAIL(BAD_VALUE);
    }
    return OK;
}

static err_t page_close(struct pull_walk *walk, size_t items, struct detail *detail)
{
    walk->pages++;
    if (items == 0) {
        walk->is_over = true;
        return OK;
    }
    if (walk->page.fresh > 0 && walk->pages > 1 && walk->page_before > walk->truncated_at) {
        walk->truncated_at = walk->page_before;
    }
    TRY(page_check(walk, items, detail));
    struct unix_ns start = millisecond_of(walk->page.oldest);
    struct unix_ns end = {.ns = start.ns + NS_PER_MS};
    if (end.ns < walk->before.ns) {
        walk->before = end;
    } else { /* nothing older on it: all of it is of one millisecond */
        walk->is_crowded = walk->is_crowded || items >= walk->limit;
        walk->still_max = items > walk->still_max ? items : walk->still_max;
        walk->before = start;
    }
    walk->is_over = walk->before.ns <= walk->since.ns;
    walk->page_before = items;
    return OK;
}

err_t pull_walk_page_end(struct pull_walk *walk, size_t items, struct detail *detail)
{
    err_t err = page_close(walk, items, detail);
    memset(&walk->page, 0, sizeof walk->page);
    return err;
}
