#include "correlator/core/event.h"

#include <stdlib.h>
#include <string.h>

#include "proto/base/banned.h"

static int compare_uuids(const void *left, const void *right)
{
    const struct uuid *a = left;
    const struct uuid *b = right;
    return memcmp(a->b, b->b, sizeof a->b);
}

static bool is_better(const struct event_holder *a, const struct event_holder *b)
{
    if (a->is_posted != b->is_posted) {
        return a->is_posted;
    }
    if (a->created.ns != b->created.ns) {
        return a->created.ns < b->created.ns;
    }
    return compare_uuids(&a->call, &b->call) < 0;
}

/* The calls of this sort except the target, each once, sorted. */
static FALLIBLE list_make(const struct event_holder *holders, size_t count, bool is_posted,
                          struct uuid target, struct arena *arena, struct uuid **ret_list,
                          size_t *ret_count)
{
    struct uuid *list = arena_zero(arena, count, sizeof *list);
    size_t kept = 0;
    size_t all = 0;
    if (list == NULL) {
        return FAIL(NO_SPACE);
    }
    for (size_t i = 0; i < count; i++) {
        if (holders[i].is_posted == is_posted && !uuid_equal(holders[i].call, target)) {
            list[all++] = holders[i].call;
        }
    }
    qsort(list, all, sizeof *list, compare_uuids);
    for (size_t i = 0; i < all; i++) {
        if (kept == 0 || compare_uuids(&list[kept - 1], &list[i]) != 0) {
            list[kept++] = list[i];
        }
    }
    *ret_list = list;
    *ret_count = kept;
    return OK;
}

err_t event_plan_make(const struct bus_call_event *event, const struct event_holder *holders,
                      size_t count, struct arena *arena, struct event_plan *ret_plan)
{
    struct event_plan plan = {.target = event->id, .is_new = count == 0};
    size_t best = 0;
    for (size_t i = 1; i < count; i++) {
        if (is_better(&holders[i], &holders[best])) {
            best = i;
        }
    }
    if (count > 0) {
        plan.target = holders[best].call;
    }
    TRY(list_make(holders, count, false, plan.target, arena, &plan.superseded,
                  &plan.superseded_count));
    TRY(list_make(holders, count, true, plan.target, arena, &plan.others, &plan.others_count));
    *ret_plan = plan;
    return OK;
}

int64_t event_part_order(const struct bus_part *part)
{
    switch (call_part_keep((unsigned)part->number)) {
    case CALL_KEEP_EARLIEST:
        return part->at.ns == INT64_MIN ? INT64_MAX : -part->at.ns;
    case CALL_KEEP_LATEST:
        break;
    }
    return part->at.ns;
}
