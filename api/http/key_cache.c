#include "api/http/key_cache.h"

#include <pthread.h>

#include "proto/base/check.h"
#include "proto/base/table.h"

#include "proto/base/banned.h"

struct key_entry {
    struct key_hash hash;
    struct key_facts facts;
    struct mono_ns asked_at;
    struct mono_ns used_at; /* 0: not since it was told */
    struct mono_ns told_at; /* 0: never */
    bool is_refreshing;
    size_t refs;
    _Atomic size_t inflight;
    struct rate rate;
    struct key_refusal *refusal; /* owned; NULL: none that is not told of */
    UT_hash_handle hh;           /* in the order of their first arrival */
};

struct key_cache {
    pthread_mutex_t lock;
    size_t entries_max;
    struct key_entry *entries;
};

enum {
    /* How many old entries are looked at for one that nobody holds. */
    EVICT_LOOK_MAX = 64,
};

err_t key_cache_new(size_t entries_max, struct key_cache **ret_cache)
{
    struct key_cache *cache = mem_zero(1, sizeof *cache);
    if (cache == NULL) {
        return FAIL(MEMORY);
    }
    cache->entries_max = entries_max;
    (void)pthread_mutex_init(&cache->lock, NULL); /* does not fail on Linux */
    *ret_cache = cache;
    return OK;
}

static void entry_delete(struct key_cache *cache, struct key_entry *entry)
{
    HASH_DEL(cache->entries, entry); // NOLINT(clang-analyzer-unix.Malloc): the macro's bucket walk
    mem_free(entry->refusal);
    mem_free(entry);
}

void key_cache_free(struct key_cache *cache)
{
    if (cache == NULL) {
        return;
    }
    while (cache->entries != NULL) {
        INVARIANT(cache->entries->refs == 0);
        entry_delete(cache, cache->entries);
    }
    (void)pthread_mutex_destroy(&cache->lock);
    mem_free(cache);
}

static struct key_entry *entry_find(struct key_cache *cache, const struct key_hash *hash)
{
    struct key_entry *entry = NULL;
    HASH_FIND(hh, cache->entries, hash->b, sizeof hash->b, entry);
    return entry;
}

static bool evict_one(struct key_cache *cache)
{
    struct key_entry *entry = cache->entries;
    for (int i = 0; i < EVICT_LOOK_MAX && entry != NULL; i++) {
        if (entry->refs == 0) {
            entry_delete(cache, entry);
            return true;
        }
        entry = entry->hh.next;
    }
    return false;
}

static err_t entry_add(struct key_cache *cache, const struct key_hash *hash,
                       struct key_entry **ret_entry)
{
    if (HASH_COUNT(cache->entries) >= cache->entries_max && !evict_one(cache)) {
        return FAIL(OVERLOAD);
    }
    TABLE_OOM;
    struct key_entry *entry = mem_zero(1, sizeof *entry);
    if (entry == NULL) {
        return FAIL(MEMORY);
    }
    entry->hash = *hash;
    HASH_ADD(hh, cache->entries, hash, sizeof entry->hash, entry);
    if (table_oom) {
        mem_free(entry);
        return FAIL(MEMORY);
    }
    *ret_entry = entry;
    return OK;
}

static struct key_entry *entry_take(struct key_entry *entry, struct mono_ns now)
{
    if (!entry->facts.is_valid) {
        return NULL;
    }
    entry->refs++;
    entry->used_at = now;
    return entry;
}

bool key_cache_find(struct key_cache *cache, const struct key_hash *hash, struct mono_ns now,
                    struct key_facts *ret_facts, struct key_entry **ret_entry,
                    bool *ret_wants_refresh)
{
    (void)pthread_mutex_lock(&cache->lock);
    struct key_entry *entry = entry_find(cache, hash);
    bool is_fresh = entry != NULL && mono_ms_between(entry->asked_at, now) < KEY_LIFETIME_MS;
    if (is_fresh) {
        bool is_ageing = mono_ms_between(entry->asked_at, now) >= KEY_REFRESH_MS;
        *ret_wants_refresh = is_ageing && entry->facts.is_valid && !entry->is_refreshing;
        entry->is_refreshing = entry->is_refreshing || *ret_wants_refresh;
        *ret_facts = entry->facts;
        *ret_entry = entry_take(entry, now);
    }
    (void)pthread_mutex_unlock(&cache->lock);
    return is_fresh;
}

err_t key_cache_put(struct key_cache *cache, const struct key_hash *hash, struct mono_ns now,
                    const struct key_facts *facts, struct key_entry **ret_entry)
{
    err_t err = OK;
    (void)pthread_mutex_lock(&cache->lock);
    struct key_entry *entry = entry_find(cache, hash);
    if (entry == NULL) {
        err = entry_add(cache, hash, &entry);
    }
    if (err_is_ok(err)) {
        entry->facts = *facts;
        entry->asked_at = now;
        entry->is_refreshing = false;
        if (ret_entry != NULL) {
            *ret_entry = entry_take(entry, now);
        }
    }
    (void)pthread_mutex_unlock(&cache->lock);
    return err;
}

void key_cache_refresh_failed(struct key_cache *cache, const struct key_hash *hash)
{
    (void)pthread_mutex_lock(&cache->lock);
    struct key_entry *entry = entry_find(cache, hash);
    if (entry != NULL) {
        entry->is_refreshing = false;
    }
    (void)pthread_mutex_unlock(&cache->lock);
}

void key_entry_release(struct key_cache *cache, struct key_entry *entry)
{
    if (entry != NULL) {
        (void)pthread_mutex_lock(&cache->lock);
        INVARIANT(entry->refs > 0);
        entry->refs--;
        (void)pthread_mutex_unlock(&cache->lock);
    }
}

_Atomic size_t *key_entry_inflight(struct key_entry *entry)
{
    return &entry->inflight;
}

void key_entry_refused(struct key_cache *cache, struct key_entry *entry,
                       const struct key_refusal *refusal)
{
    (void)pthread_mutex_lock(&cache->lock);
    if (entry->refusal == NULL) {
        entry->refusal = mem_alloc(sizeof *refusal);
    }
    if (entry->refusal != NULL) {
        *entry->refusal = *refusal;
    }
    (void)pthread_mutex_unlock(&cache->lock);
}

enum rate_verdict key_entry_ask(struct key_cache *cache, struct key_entry *entry,
                                const struct rate_limits *limits, struct mono_ns now,
                                int64_t *ret_wait_ms)
{
    (void)pthread_mutex_lock(&cache->lock);
    enum rate_verdict verdict = rate_ask(&entry->rate, limits, now, ret_wait_ms);
    (void)pthread_mutex_unlock(&cache->lock);
    return verdict;
}

void key_entry_charge(struct key_cache *cache, struct key_entry *entry,
                      const struct rate_limits *limits, struct mono_ns now, size_t bytes)
{
    (void)pthread_mutex_lock(&cache->lock);
    rate_charge(&entry->rate, limits, now, bytes);
    (void)pthread_mutex_unlock(&cache->lock);
}

size_t key_cache_uses(struct key_cache *cache, struct mono_ns now, struct unix_ns now_unix,
                      struct key_use ret_uses[KEY_USES_MAX])
{
    size_t count = 0;
    (void)pthread_mutex_lock(&cache->lock);
    for (struct key_entry *entry = cache->entries; entry != NULL && count < KEY_USES_MAX;
         entry = entry->hh.next) {
        bool is_due = entry->told_at.ns == 0 || mono_ms_between(entry->told_at, now) >= KEY_USE_MS;
        is_due = (is_due && entry->used_at.ns != 0) || entry->refusal != NULL;
        if (entry->facts.is_valid && is_due) {
            int64_t ago = entry->used_at.ns == 0 ? 0 : now.ns - entry->used_at.ns;
            ret_uses[count++] = (struct key_use){
                .project = entry->facts.project,
                .key = entry->facts.key,
                .at = {.ns = now_unix.ns - (ago > 0 ? ago : 0)},
                .refusal = entry->refusal,
            };
            entry->refusal = NULL;
            entry->told_at = now;
            entry->used_at = (struct mono_ns){0};
        }
    }
    (void)pthread_mutex_unlock(&cache->lock);
    return count;
}

size_t key_cache_count(struct key_cache *cache)
{
    (void)pthread_mutex_lock(&cache->lock);
    size_t count = HASH_COUNT(cache->entries);
    (void)pthread_mutex_unlock(&cache->lock);
    return count;
}
