#include "tests/unit/expect.h"

#include "proto/base/table.h"

struct item {
    int key;
    UT_hash_handle hh;
};

static void items_free(struct item *table)
{
    struct item *item = NULL;
    struct item *next = NULL;
    HASH_ITER(hh, table, item, next)
    {
        HASH_DEL(table, item);
        mem_free(item);
    }
}

static void fill(void *context)
{
    size_t *added = context;
    struct item *table = NULL;
    *added = 0;
    for (int key = 0; key < 100; key++) {
        TABLE_OOM;
        struct item *item = mem_zero(1, sizeof *item);
        if (item == NULL) {
            continue;
        }
        item->key = key;
        HASH_ADD_INT(table, key, item);
        if (table_oom) {
            mem_free(item);
        } else {
            (*added)++;
        }
    }
    assert_int_equal(HASH_COUNT(table), *added);
    items_free(table);
}

static void test_an_element_without_memory_is_left_out(void **state)
{
    (void)state;
    size_t added = 0;
    assert_true(expect_survives_oom(fill, &added) > 100);
    assert_int_equal(added, 100);
}

static void test_the_seed_stays(void **state)
{
    (void)state;
    assert_int_not_equal(table_seed(), 0);
    assert_true(table_seed() == table_seed());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_an_element_without_memory_is_left_out),
        cmocka_unit_test(test_the_seed_stays),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
