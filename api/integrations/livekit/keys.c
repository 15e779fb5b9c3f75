#include "api/integrations/livekit/keys.h"

#include <pthread.h>
#include <stdio.h>

#include "proto/base/check.h"
#include "proto/base/log.h"
#include "proto/base/table.h"
#include "schema/db.h"

#include "proto/base/banned.h"

enum {
    /* How many old sets are looked at for one that nobody holds. */
    EVICT_LOOK_MAX = 64,
    PATH_BYTES = 4096,
};

struct livekit_key_set {
    char *api_key;
    struct livekit_key *keys;
    size_t count;
    struct mono_ns asked_at;
    size_t refs;
    bool is_gone; /* out of the table, and freed with its last reference */
    UT_hash_handle hh;
};

struct livekit_keys {
    pthread_mutex_t lock;
    size_t sets_max;
    struct livekit_key_set *sets; /* in the order of their arrival */
};

struct bytes livekit_row_name(struct uuid project, const char *api_key,
                              char room[LIVEKIT_ROW_NAME_BYTES])
{
    char text[UUID_TEXT_BYTES];
    uuid_to_text(project, text);
    int len = snprintf(room, LIVEKIT_ROW_NAME_BYTES, "livekit_key %s %s", text, api_key);
    PRE(len > 0 && len < LIVEKIT_ROW_NAME_BYTES);
    return bytes_of(room, (size_t)len);
}

/* --- one set ---------------------------------------------------------------------------------------- */

static void set_free(struct livekit_key_set *set)
{
    if (set != NULL) {
        for (size_t i = 0; i < set->count; i++) {
            secret_clear(&set->keys[i].secret);
        }
        mem_free(set->keys);
        mem_free(set->api_key);
        mem_free(set);
    }
}

static err_t set_new(const char *api_key, size_t keys_max, struct livekit_key_set **ret_set)
{
    struct livekit_key_set *set = mem_zero(1, sizeof *set);
    if (set != NULL) {
        set->api_key = mem_text(api_key);
        set->keys = mem_zero(keys_max + 1, sizeof *set->keys);
    }
    if (set == NULL || set->api_key == NULL || set->keys == NULL) {
        set_free(set);
        return FAIL(MEMORY);
    }
    *ret_set = set;
    return OK;
}

/* With the lock held. */
static void set_forget(struct livekit_keys *keys, struct livekit_key_set *set)
{
    HASH_DEL(keys->sets, set); // NOLINT(clang-analyzer-unix.Malloc): the macro's bucket walk
    set->is_gone = true;
    if (set->refs == 0) {
        set_free(set);
    }
}

static struct livekit_key_set *set_find(struct livekit_keys *keys, const char *api_key)
{
    struct livekit_key_set *set = NULL;
    HASH_FIND(hh, keys->sets, api_key, strlen(api_key), set);
    return set;
}

static bool evict_one(struct livekit_keys *keys)
{
    struct livekit_key_set *set = keys->sets;
    for (int i = 0; i < EVICT_LOOK_MAX && set != NULL; i++) {
        if (set->refs == 0) {
            set_forget(keys, set);
            return true;
        }
        set = set->hh.next;
    }
    return false;
}

/* Takes the place of what was known of this API key. On failure the caller still owns the set. */
static err_t set_put(struct livekit_keys *keys, struct livekit_key_set *set)
{
    struct livekit_key_set *old = set_find(keys, set->api_key);
    if (old != NULL) {
        set_forget(keys, old);
    } else if (HASH_COUNT(keys->sets) >= keys->sets_max && !evict_one(keys)) {
        return FAIL(OVERLOAD);
    }
    TABLE_OOM;
    HASH_ADD_KEYPTR(hh, keys->sets, set->api_key, strlen(set->api_key), set);
    return table_oom ? FAIL(MEMORY) : OK;
}

/* --- the table -------------------------------------------------------------------------------------- */

err_t livekit_keys_new(size_t sets_max, struct livekit_keys **ret_keys)
{
    struct livekit_keys *keys = mem_zero(1, sizeof *keys);
    if (keys == NULL) {
        return FAIL(MEMORY);
    }
    keys->sets_max = sets_max;
    (void)pthread_mutex_init(&keys->lock, NULL); /* does not fail on Linux */
    *ret_keys = keys;
    return OK;
}

void livekit_keys_free(struct livekit_keys *keys)
{
    if (keys == NULL) {
        return;
    }
    while (keys->sets != NULL) {
        INVARIANT(keys->sets->refs == 0);
        set_forget(keys, keys->sets);
    }
    (void)pthread_mutex_destroy(&keys->lock);
    mem_free(keys);
}

bool livekit_keys_find(struct livekit_keys *keys, const char *api_key, struct mono_ns now,
                       struct livekit_key_set **ret_set)
{
    (void)pthread_mutex_lock(&keys->lock);
    struct livekit_key_set *set = set_find(keys, api_key);
    bool is_fresh = set != NULL && mono_ms_between(set->asked_at, now) < LIVEKIT_KEYS_LIFETIME_MS;
    if (is_fresh) {
        set->refs++;
        *ret_set = set;
    }
    (void)pthread_mutex_unlock(&keys->lock);
    return is_fresh;
}

void livekit_keys_release(struct livekit_keys *keys, struct livekit_key_set *set)
{
    if (set == NULL) {
        return;
    }
    (void)pthread_mutex_lock(&keys->lock);
    INVARIANT(set->refs > 0);
    set->refs--;
    if (set->refs == 0 && set->is_gone) {
        set_free(set);
    }
    (void)pthread_mutex_unlock(&keys->lock);
}

size_t livekit_key_set_count(const struct livekit_key_set *set)
{
    return set->count;
}

const struct livekit_key *livekit_key_set_at(const struct livekit_key_set *set, size_t n)
{
    PRE(n < set->count);
    return &set->keys[n];
}

size_t livekit_keys_count(struct livekit_keys *keys)
{
    (void)pthread_mutex_lock(&keys->lock);
    size_t count = HASH_COUNT(keys->sets);
    (void)pthread_mutex_unlock(&keys->lock);
    return count;
}

/* --- asking Postgres -------------------------------------------------------------------------------- */

/* The present row: project, sealed secret or NULL, path or NULL. */
static void key_read(const struct db_rows *rows, const struct secret_key *secrets_key,
                     const char *api_key, struct livekit_key *key)
{
    static struct log_limit limit;
    char room[LIVEKIT_ROW_NAME_BYTES];
    char path[PATH_BYTES] = "";
    struct detail detail = {0};
    uint64_t left_out = 0;
    key->project = db_get_uuid(rows, 0);
    struct bytes sealed = db_is_null(rows, 1) ? (struct bytes){0} : db_get_bytes(rows, 1);
    bool is_file = !db_is_null(rows, 2);
    if (is_file) {
        struct bytes text = db_get_bytes(rows, 2);
        (void)snprintf(path, sizeof path, "%.*s", (int)text.len, (const char *)text.ptr);
    }
    err_t err = secret_get(secrets_key, livekit_row_name(key->project, api_key, room), sealed,
                           is_file ? path : NULL, &detail, &key->secret);
    if (!err_is_ok(err)) {
        key->secret.len = 0;
        if (log_limit_pass(&limit, &left_out)) {
            char project[UUID_TEXT_BYTES];
            uuid_to_text(key->project, project);
            log_error("livekit_secret_unusable", "project=%s error=%s left_out=%llu detail=%s",
                      project, err_name(err), (unsigned long long)left_out,
                      detail_or_text(&detail, err));
        }
    }
}

err_t livekit_keys_ask(struct livekit_keys *keys, struct db *db,
                       const struct secret_key *secrets_key, const char *api_key,
                       struct mono_ns now, struct detail *detail, struct livekit_key_set **ret_set)
{
    struct db_rows *rows = NULL;
    struct livekit_key_set *set = NULL;
    struct db_value value = db_text(bytes_of_text(api_key));
    TRY(db_run(db, STMT_LIVEKIT_KEYS_FIND, &value, 1, detail, &rows));
    err_t err = set_new(api_key, db_rows_count(rows), &set);
    while (err_is_ok(err) && db_next(rows)) {
        key_read(rows, secrets_key, api_key, &set->keys[set->count]);
        set->count++;
    }
    db_rows_free(rows);
    TRY(err);
    set->asked_at = now;
    set->refs = 1;
    (void)pthread_mutex_lock(&keys->lock);
    err = set_put(keys, set);
    (void)pthread_mutex_unlock(&keys->lock);
    if (err_is_ok(err)) {
        *ret_set = set;
    } else {
        set_free(set);
    }
    return err;
}
