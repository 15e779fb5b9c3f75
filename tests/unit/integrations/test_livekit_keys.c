/* Key pairs of LiveKit, remembered for a while; Postgres is a fake that counts the questions. */
#include "tests/unit/expect.h"

#include <stdio.h>
#include <stdlib.h>

#include "api/integrations/livekit/keys.h"
#include "schema/db.h"

#include "proto/base/banned.h"

enum { ROWS_MAX = 4, SETS_MAX = 4 };

struct db {
    int asked;
    bool is_away;
};

struct db_rows {
    size_t count;
    size_t at; /* one more than the present row */
};

static struct {
    char api_key[64];
    struct uuid project;
    struct secret_sealed sealed;
    char path[64]; /* empty: sealed */
} table[ROWS_MAX];
static size_t table_count;
static size_t found[ROWS_MAX];
static struct db database;
static struct secret_key installation = {.octets = {1, 2, 3}, .is_there = true};

err_t db_run(struct db *db, enum stmt stmt, const struct db_value *values, size_t count,
             struct detail *detail, struct db_rows **ret_rows)
{
    assert_int_equal(stmt, STMT_LIVEKIT_KEYS_FIND);
    assert_int_equal(count, 1);
    db->asked++;
    if (db->is_away) {
        detail_set(detail, "away");
        return FAIL(DB_AWAY);
    }
    struct db_rows *rows = mem_zero(1, sizeof *rows);
    if (rows == NULL) {
        return FAIL(MEMORY);
    }
    for (size_t i = 0; i < table_count; i++) {
        if (bytes_equal_text(values[0].data, table[i].api_key)) {
            found[rows->count++] = i;
        }
    }
    *ret_rows = rows;
    return OK;
}

void db_rows_free(struct db_rows *rows)
{
    mem_free(rows);
}

size_t db_rows_count(const struct db_rows *rows)
{
    return rows->count;
}

bool db_next(struct db_rows *rows)
{
    return rows->at++ < rows->count;
}

struct uuid db_get_uuid(const struct db_rows *rows, int column)
{
    assert_int_equal(column, 0);
    return table[found[rows->at - 1]].project;
}

bool db_is_null(const struct db_rows *rows, int column)
{
    bool is_file = table[found[rows->at - 1]].path[0] != '\0';
    return column == 1 ? is_file : !is_file;
}

struct bytes db_get_bytes(const struct db_rows *rows, int column)
{
    size_t row = found[rows->at - 1];
    return column == 1 ? secret_sealed_bytes(&table[row].sealed) : bytes_of_text(table[row].path);
}

static void row_add(const char *api_key, uint8_t project, const char *secret)
{
    char room[LIVEKIT_ROW_NAME_BYTES];
    struct detail detail = {0};
    struct secret plain = {.len = strlen(secret)};
    memcpy(plain.octets, secret, plain.len);
    (void)snprintf(table[table_count].api_key, sizeof table[0].api_key, "%s", api_key);
    table[table_count].project = (struct uuid){{project}};
    table[table_count].path[0] = '\0';
    EXPECT_OK(secret_seal(&installation,
                          livekit_row_name(table[table_count].project, api_key, room), &plain,
                          &detail, &table[table_count].sealed));
    table_count++;
}

static struct livekit_keys *keys;

static int setup(void **state)
{
    (void)state;
    table_count = 0;
    database = (struct db){0};
    return err_is_ok(livekit_keys_new(SETS_MAX, &keys)) ? 0 : 1;
}

static int teardown(void **state)
{
    (void)state;
    livekit_keys_free(keys);
    return 0;
}

static struct mono_ns at_ms(int64_t ms)
{
    return (struct mono_ns){ms * NS_PER_MS};
}

/* As a request does: remembered, or asked for. */
static struct livekit_key_set *get(const char *api_key, int64_t ms)
{
    struct detail detail = {0};
    struct livekit_key_set *set = NULL;
    if (!livekit_keys_find(keys, api_key, at_ms(ms), &set)) {
        EXPECT_OK(
            livekit_keys_ask(keys, &database, &installation, api_key, at_ms(ms), &detail, &set));
    }
    assert_non_null(set);
    return set;
}

static bool has_secret(const struct livekit_key_set *set, size_t n, const char *secret)
{
    return bytes_equal_text(secret_bytes(&livekit_key_set_at(set, n)->secret), secret);
}

static void every_project_of_a_key_is_given(void **state)
{
    (void)state;
    row_add("APIx", 1, "secret one");
    row_add("APIy", 2, "secret two");
    row_add("APIx", 3, "secret three");
    struct livekit_key_set *set = get("APIx", 0);
    assert_int_equal(livekit_key_set_count(set), 2);
    assert_int_equal(livekit_key_set_at(set, 0)->project.b[0], 1);
    assert_true(has_secret(set, 0, "secret one"));
    assert_int_equal(livekit_key_set_at(set, 1)->project.b[0], 3);
    assert_true(has_secret(set, 1, "secret three"));
    livekit_keys_release(keys, set);
}

static void it_is_remembered_for_two_seconds_unknown_keys_too(void **state)
{
    static const char *const names[] = {"APIx", "APIunknown"};
    (void)state;
    row_add("APIx", 1, "secret one");
    for (int i = 0; i < 2; i++) {
        database.asked = 0;
        livekit_keys_release(keys, get(names[i], 0));
        livekit_keys_release(keys, get(names[i], LIVEKIT_KEYS_LIFETIME_MS - 1));
        assert_int_equal(database.asked, 1);
        struct livekit_key_set *set = get(names[i], LIVEKIT_KEYS_LIFETIME_MS);
        assert_int_equal(database.asked, 2);
        assert_int_equal(livekit_key_set_count(set), i == 0);
        livekit_keys_release(keys, set);
    }
    assert_int_equal(livekit_keys_count(keys), 2);
}

static void what_is_held_outlives_what_takes_its_place(void **state)
{
    (void)state;
    row_add("APIx", 1, "old secret");
    struct livekit_key_set *old = get("APIx", 0);
    table_count = 0;
    row_add("APIx", 1, "new secret");
    struct livekit_key_set *new = get("APIx", 5000);
    assert_true(has_secret(old, 0, "old secret"));
    assert_true(has_secret(new, 0, "new secret"));
    assert_int_equal(livekit_keys_count(keys), 1);
    livekit_keys_release(keys, old);
    livekit_keys_release(keys, new);
    livekit_keys_release(keys, NULL);
}

static void the_oldest_that_nobody_holds_makes_room(void **state)
{
    struct livekit_key_set *held[SETS_MAX];
    struct livekit_key_set *set = NULL;
    struct detail detail = {0};
    char name[16];
    (void)state;
    for (int i = 0; i < SETS_MAX; i++) {
        (void)snprintf(name, sizeof name, "API%d", i);
        held[i] = get(name, 0);
    }
    EXPECT_ERR(livekit_keys_ask(keys, &database, &installation, "APInew", at_ms(0), &detail, &set),
               OVERLOAD);
    assert_null(set);
    livekit_keys_release(keys, held[2]);
    livekit_keys_release(keys, get("APInew", 0));
    assert_int_equal(livekit_keys_count(keys), SETS_MAX);
    assert_false(livekit_keys_find(keys, "API2", at_ms(0), &set));
    assert_true(livekit_keys_find(keys, "API1", at_ms(0), &set));
    livekit_keys_release(keys, set);
    for (int i = 0; i < SETS_MAX; i++) {
        if (i != 2) {
            livekit_keys_release(keys, held[i]);
        }
    }
}

static void postgres_away_is_an_error_and_not_remembered(void **state)
{
    struct livekit_key_set *set = NULL;
    struct detail detail = {0};
    (void)state;
    database.is_away = true;
    EXPECT_ERR(livekit_keys_ask(keys, &database, &installation, "APIx", at_ms(0), &detail, &set),
               DB_AWAY);
    assert_null(set);
    assert_int_equal(livekit_keys_count(keys), 0);
}

static void a_secret_that_cannot_be_had_is_empty_and_the_others_are_there(void **state)
{
    (void)state;
    row_add("APIx", 1, "secret one");
    row_add("APIx", 2, "secret two");
    row_add("APIx", 3, "secret three");
    table[1].sealed.octets[20] ^= 1;
    (void)snprintf(table[2].path, sizeof table[2].path, "/nonexistent/secret");
    struct livekit_key_set *set = get("APIx", 0);
    assert_int_equal(livekit_key_set_count(set), 3);
    assert_true(has_secret(set, 0, "secret one"));
    assert_int_equal(livekit_key_set_at(set, 1)->secret.len, 0);
    assert_int_equal(livekit_key_set_at(set, 2)->secret.len, 0);
    livekit_keys_release(keys, set);
}

/* What was sealed for one project or key is no secret of another's. */
static void a_sealed_secret_is_bound_to_its_row(void **state)
{
    (void)state;
    row_add("APIx", 1, "secret one");
    row_add("APIy", 1, "secret two");
    table[1].sealed = table[0].sealed;
    table[0].project.b[0] = 9;
    struct livekit_key_set *set = get("APIx", 0);
    assert_int_equal(livekit_key_set_at(set, 0)->secret.len, 0);
    livekit_keys_release(keys, set);
    set = get("APIy", 0);
    assert_int_equal(livekit_key_set_at(set, 0)->secret.len, 0);
    livekit_keys_release(keys, set);
}

static void ask_once(void *context)
{
    struct livekit_keys *own = NULL;
    struct livekit_key_set *set = NULL;
    struct detail detail = {0};
    (void)context;
    if (!err_is_ok(livekit_keys_new(SETS_MAX, &own))) {
        return;
    }
    err_t err = livekit_keys_ask(own, &database, &installation, "APIx", at_ms(0), &detail, &set);
    assert_true(err_is_ok(err) || err_is(err, ERR_MEMORY));
    livekit_keys_release(own, set);
    livekit_keys_free(own);
}

static void no_memory_is_said_and_nothing_leaks(void **state)
{
    (void)state;
    row_add("APIx", 1, "secret one");
    assert_true(expect_survives_oom(ask_once, NULL) > 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(every_project_of_a_key_is_given, setup, teardown),
        cmocka_unit_test_setup_teardown(it_is_remembered_for_two_seconds_unknown_keys_too, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(what_is_held_outlives_what_takes_its_place, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(the_oldest_that_nobody_holds_makes_room, setup, teardown),
        cmocka_unit_test_setup_teardown(postgres_away_is_an_error_and_not_remembered, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(
            a_secret_that_cannot_be_had_is_empty_and_the_others_are_there, setup, teardown),
        cmocka_unit_test_setup_teardown(a_sealed_secret_is_bound_to_its_row, setup, teardown),
        cmocka_unit_test_setup_teardown(no_memory_is_said_and_nothing_leaks, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
