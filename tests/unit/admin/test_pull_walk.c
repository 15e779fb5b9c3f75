/* The walk against a list that answers as VAPI does: every call is seen once, whatever the times and the pages. */
#include "tests/unit/expect.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/admin/pull_walk.h"

#include "proto/base/banned.h"

enum { CALLS_MAX = 600, TURNS_MAX = 3000 };

static const int64_t base_ns = INT64_C(1750000000) * NS_PER_S;

/* A server: calls with times in nanoseconds, of which it shows and compares its own precision. */
struct list {
    struct {
        int64_t at_ns;
        unsigned number;
        unsigned taken;
    } calls[CALLS_MAX];
    size_t count;
    size_t page_max; /* less than it was asked for */
    bool is_upside_down;
    bool is_deaf; /* to createdAtLt */
};

static int newest_first(const void *a, const void *b)
{
    int64_t left = *(const int64_t *)a;
    int64_t right = *(const int64_t *)b;
    return left < right ? 1 : left > right ? -1 : 0;
}

static void list_sort(struct list *list)
{
    qsort(list->calls, list->count, sizeof list->calls[0], newest_first);
}

static void list_add(struct list *list, int64_t at_ns)
{
    assert_true(list->count < CALLS_MAX);
    list->calls[list->count].at_ns = base_ns + at_ns;
    list->calls[list->count].number = (unsigned)list->count;
    list->count++;
}

static struct uuid id_of(unsigned number)
{
    struct uuid id = {{0}};
    memcpy(id.b, &number, sizeof number);
    return id;
}

/* The times as VAPI writes them: milliseconds. */
static struct unix_ns shown(int64_t at_ns)
{
    return (struct unix_ns){.ns = at_ns - at_ns % NS_PER_MS};
}

static void query_read(const struct pull_walk *walk, unsigned *ret_limit, struct unix_ns *ret_since,
                       struct unix_ns *ret_before)
{
    char query[PULL_QUERY_BYTES];
    pull_walk_query(walk, query);
    assert_int_equal(strncmp(query, "limit=", 6), 0);
    *ret_limit = (unsigned)strtoul(query + 6, NULL, 10);
    const char *since = strstr(query, "&createdAtGe=") + 13;
    const char *before = strstr(query, "&createdAtLt=") + 13;
    assert_true(unix_from_rfc3339(bytes_of(since, strcspn(since, "&")), ret_since));
    assert_true(unix_from_rfc3339(bytes_of_text(before), ret_before));
}

/* One page; gives how many items it had. */
static size_t page_take(struct pull_walk *walk, struct list *list)
{
    unsigned limit;
    struct unix_ns since;
    struct unix_ns before;
    size_t items = 0;
    query_read(walk, &limit, &since, &before);
    if (list->page_max > 0 && list->page_max < limit) {
        limit = (unsigned)list->page_max;
    }
    for (size_t i = 0; i < list->count && items < limit; i++) {
        size_t at = list->is_upside_down ? list->count - 1 - i : i;
        int64_t at_ns = list->calls[at].at_ns;
        bool is_fresh = false;
        if (at_ns < since.ns || (at_ns >= before.ns && !list->is_deaf)) {
            continue;
        }
        EXPECT_OK(pull_walk_take(walk, id_of(list->calls[at].number), shown(at_ns), &is_fresh));
        list->calls[at].taken += is_fresh;
        items++;
    }
    return items;
}

static err_t walk_over(struct list *list, int64_t until_ns, struct detail *detail,
                       bool *ret_is_crowded)
{
    struct pull_walk walk;
    err_t err = OK;
    size_t turns = 0;
    pull_walk_init(&walk, (struct unix_ns){.ns = base_ns},
                   (struct unix_ns){.ns = base_ns + until_ns});
    while (err_is_ok(err) && !pull_walk_is_over(&walk)) {
        assert_true(turns++ < TURNS_MAX);
        err = pull_walk_page_end(&walk, page_take(&walk, list), detail);
    }
    *ret_is_crowded = pull_walk_is_crowded(&walk);
    pull_walk_fini(&walk);
    return err;
}

static void expect_all_once(struct list *list, int64_t until_ns)
{
    struct detail detail = {0};
    bool is_crowded = false;
    list_sort(list);
    EXPECT_OK(walk_over(list, until_ns, &detail, &is_crowded));
    assert_false(is_crowded);
    for (size_t i = 0; i < list->count; i++) {
        bool is_inside = list->calls[i].at_ns < base_ns + until_ns;
        assert_int_equal(list->calls[i].taken, is_inside ? 1 : 0);
    }
}

/* --- what is seen ---------------------------------------------------------------------------------------- */

static void an_empty_list_ends_at_once(void **state)
{
    struct list list = {0};
    (void)state;
    expect_all_once(&list, NS_PER_S);
}

static void every_page_border_loses_nothing(void **state)
{
    (void)state;
    /* Groups of equal times of every size that a page can hold, so that each falls on a border. */
    for (size_t page = 8; page < 40; page++) {
        for (size_t group = 1; group < page; group++) {
            struct list list = {.page_max = page};
            for (size_t i = 0; i < 150; i++) {
                list_add(&list, (int64_t)(i / group) * 7 * NS_PER_MS);
            }
            expect_all_once(&list, NS_PER_S * 3600);
        }
    }
}

static void times_finer_than_they_are_shown_lose_nothing(void **state)
{
    (void)state;
    struct list list = {.page_max = 10};
    for (size_t i = 0; i < 200; i++) {
        list_add(&list, (int64_t)i * 123457); /* eight calls a millisecond */
    }
    expect_all_once(&list, NS_PER_S);
}

static void random_times_are_all_seen(void **state)
{
    (void)state;
    uint64_t seed = 12345;
    for (unsigned round = 0; round < 200; round++) {
        struct list list = {.page_max = 20};
        size_t in_this_ms = 0;
        int64_t at_ms = 0;
        for (size_t i = 0; i < 300; i++) {
            seed = seed * 6364136223846793005U + 1442695040888963407U;
            uint64_t step = (seed >> 33) % 4 == 0 ? 1 + (seed >> 40) % 3 : 0;
            step = in_this_ms == 18 ? 1 : step; /* fewer than a page */
            in_this_ms = step == 0 ? in_this_ms + 1 : 0;
            at_ms += (int64_t)step;
            list_add(&list, at_ms * NS_PER_MS + (int64_t)((seed >> 35) % NS_PER_MS));
        }
        expect_all_once(&list, NS_PER_S * 3600);
    }
}

static void the_end_of_the_range_is_not_in_it(void **state)
{
    (void)state;
    struct list list = {0};
    list_add(&list, 0);
    list_add(&list, 99 * NS_PER_MS);
    list_add(&list, 100 * NS_PER_MS);
    list_add(&list, 101 * NS_PER_MS);
    expect_all_once(&list, 100 * NS_PER_MS);
}

static void smaller_pages_see_the_same(void **state)
{
    (void)state;
    struct list list = {.page_max = 300};
    struct pull_walk walk;
    struct detail detail = {0};
    for (size_t i = 0; i < CALLS_MAX; i++) {
        list_add(&list, (int64_t)(i / 3) * NS_PER_MS);
    }
    list_sort(&list);
    pull_walk_init(&walk, (struct unix_ns){.ns = base_ns},
                   (struct unix_ns){.ns = base_ns + NS_PER_S});
    for (size_t turns = 0; !pull_walk_is_over(&walk); turns++) {
        assert_true(turns < TURNS_MAX);
        while (turns == 1 && pull_walk_smaller(&walk)) { /* 500, 250, 125, 62, 31, 15 */
        }
        EXPECT_OK(pull_walk_page_end(&walk, page_take(&walk, &list), &detail));
    }
    assert_false(pull_walk_smaller(&walk));
    assert_false(pull_walk_is_crowded(&walk));
    pull_walk_fini(&walk);
    for (size_t i = 0; i < list.count; i++) {
        assert_int_equal(list.calls[i].taken, 1);
    }
}

/* --- what cannot be walked -------------------------------------------------------------------------------- */

static void a_whole_page_of_one_millisecond_is_told(void **state)
{
    (void)state;
    for (size_t first = 0; first <= 60;
         first += 30) { /* the forty lie at the start, amid, at the end */
        struct list list = {.page_max = 20};
        struct detail detail = {0};
        bool is_crowded = false;
        for (size_t i = 0; i < 100; i++) {
            bool is_one_of_forty = i >= first && i < first + 40;
            list_add(&list, (int64_t)(is_one_of_forty ? first : i) * NS_PER_MS);
        }
        list_sort(&list);
        EXPECT_OK(walk_over(&list, NS_PER_S, &detail, &is_crowded));
        assert_true(is_crowded);
    }
}

static void a_list_in_another_order_is_refused(void **state)
{
    (void)state;
    static const size_t pages[] = {0, 20};
    for (size_t i = 0; i < sizeof pages / sizeof pages[0]; i++) {
        struct list list = {.page_max = pages[i], .is_upside_down = true};
        struct detail detail = {0};
        bool is_crowded = false;
        list_add(&list, 0);
        EXPECT_OK(walk_over(&list, NS_PER_S, &detail, &is_crowded)); /* one is in every order */
        list_add(&list, NS_PER_MS);
        list_sort(&list);
        EXPECT_ERR(walk_over(&list, NS_PER_S, &detail, &is_crowded), BAD_VALUE);
        assert_non_null(strstr(detail.text, "newest first"));
    }
}

static void a_list_without_end_is_refused(void **state)
{
    (void)state;
    struct list list = {.page_max = 20, .is_deaf = true};
    struct detail detail = {0};
    bool is_crowded = false;
    for (size_t i = 0; i < 100; i++) {
        list_add(&list, (int64_t)i * NS_PER_MS);
    }
    list_sort(&list);
    EXPECT_ERR(walk_over(&list, NS_PER_S, &detail, &is_crowded), BAD_VALUE);
    assert_non_null(strstr(detail.text, "createdAtLt"));
}

static void a_page_of_nothing_known_is_refused(void **state)
{
    (void)state;
    struct pull_walk walk;
    struct detail detail = {0};
    pull_walk_init(&walk, (struct unix_ns){.ns = base_ns},
                   (struct unix_ns){.ns = base_ns + NS_PER_S});
    EXPECT_ERR(pull_walk_page_end(&walk, 3, &detail), BAD_VALUE);
    assert_non_null(strstr(detail.text, "none of the 3 calls"));
    pull_walk_fini(&walk);
}

static void an_empty_range_is_over(void **state)
{
    (void)state;
    struct pull_walk walk;
    pull_walk_init(&walk, (struct unix_ns){.ns = base_ns}, (struct unix_ns){.ns = base_ns});
    assert_true(pull_walk_is_over(&walk));
    pull_walk_fini(&walk);
}

static void without_memory(void *context)
{
    struct pull_walk walk;
    struct detail detail = {0};
    (void)context;
    pull_walk_init(&walk, (struct unix_ns){.ns = base_ns},
                   (struct unix_ns){.ns = base_ns + NS_PER_S});
    err_t err = OK;
    for (unsigned i = 0; i < 20 && err_is_ok(err); i++) {
        bool is_fresh = false;
        err = pull_walk_take(&walk, id_of(i), (struct unix_ns){.ns = base_ns}, &is_fresh);
        assert_true(err_is_ok(err) ? is_fresh : err_is(err, ERR_MEMORY));
    }
    if (err_is_ok(err)) {
        EXPECT_OK(pull_walk_page_end(&walk, 20, &detail));
    }
    pull_walk_fini(&walk);
}

static void no_memory_is_an_error(void **state)
{
    (void)state;
    assert_true(expect_survives_oom(without_memory, NULL) >= 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_list_ends_at_once),
        cmocka_unit_test(every_page_border_loses_nothing),
        cmocka_unit_test(times_finer_than_they_are_shown_lose_nothing),
        cmocka_unit_test(random_times_are_all_seen),
        cmocka_unit_test(the_end_of_the_range_is_not_in_it),
        cmocka_unit_test(smaller_pages_see_the_same),
        cmocka_unit_test(a_whole_page_of_one_millisecond_is_told),
        cmocka_unit_test(a_list_in_another_order_is_refused),
        cmocka_unit_test(a_list_without_end_is_refused),
        cmocka_unit_test(a_page_of_nothing_known_is_refused),
        cmocka_unit_test(an_empty_range_is_over),
        cmocka_unit_test(no_memory_is_an_error),
    };
    return cmocka_run_group_tests_name("admin_pull_walk", tests, NULL, NULL);
}
