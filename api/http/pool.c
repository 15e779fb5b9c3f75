#include "api/http/pool.h"

#include <pthread.h>

#include "proto/base/mem.h"

#include "proto/base/banned.h"

struct pool_item {
    pool_fn *fn;
    void *context;
};

struct pool_thread {
    struct pool *pool;
    pthread_t id;
    struct db *db;
    struct mono_ns db_failed_at; /* 0: not lately */
};

struct pool {
    struct pool_options options;
    pthread_mutex_t lock; /* guards items, first, count, is_stopping; taken alone */
    pthread_cond_t wake;
    struct pool_item *items; /* a ring of queue_max */
    size_t first;
    size_t count;
    bool is_stopping;
    unsigned started;
    struct pool_thread threads[];
};

static bool item_take(struct pool *pool, struct pool_item *ret_item)
{
    (void)pthread_mutex_lock(&pool->lock);
    while (pool->count == 0 && !pool->is_stopping) {
        (void)pthread_cond_wait(&pool->wake, &pool->lock);
    }
    bool has_item = pool->count > 0;
    if (has_item) {
        *ret_item = pool->items[pool->first];
        pool->first = (pool->first + 1) % pool->options.queue_max;
        pool->count--;
    }
    (void)pthread_mutex_unlock(&pool->lock);
    return has_item;
}

static void *thread_run(void *context)
{
    struct pool_thread *thread = context;
    struct pool_item item;
    while (item_take(thread->pool, &item)) {
        item.fn(thread, item.context);
    }
    db_free(thread->db);
    thread->db = NULL;
    return NULL;
}

err_t pool_start(const struct pool_options *options, struct pool **ret_pool)
{
    unsigned threads = options->threads < POOL_THREADS_MAX ? options->threads : POOL_THREADS_MAX;
    struct pool *pool = mem_zero(1, sizeof *pool + threads * sizeof pool->threads[0]);
    if (pool == NULL) {
        return FAIL(MEMORY);
    }
    pool->options = *options;
    (void)pthread_mutex_init(&pool->lock, NULL); /* neither fails on Linux */
    (void)pthread_cond_init(&pool->wake, NULL);
    pool->items = mem_zero(options->queue_max, sizeof *pool->items);
    if (pool->items == NULL) {
        pool_free(pool);
        return FAIL(MEMORY);
    }
    for (; pool->started < threads; pool->started++) {
        struct pool_thread *thread = &pool->threads[pool->started];
        thread->pool = pool;
        if (pthread_create(&thread->id, NULL, thread_run, thread) != 0) {
            pool_close(pool);
            pool_free(pool);
            return FAIL(SYSTEM);
        }
    }
    *ret_pool = pool;
    return OK;
}

bool pool_put(struct pool *pool, pool_fn *fn, void *context)
{
    (void)pthread_mutex_lock(&pool->lock);
    bool is_taken = !pool->is_stopping && pool->count < pool->options.queue_max;
    if (is_taken) {
        size_t at = (pool->first + pool->count) % pool->options.queue_max;
        pool->items[at] = (struct pool_item){fn, context};
        pool->count++;
        (void)pthread_cond_signal(&pool->wake);
    }
    (void)pthread_mutex_unlock(&pool->lock);
    return is_taken;
}

void pool_close(struct pool *pool)
{
    if (pool == NULL) {
        return;
    }
    (void)pthread_mutex_lock(&pool->lock);
    pool->is_stopping = true;
    (void)pthread_cond_broadcast(&pool->wake);
    (void)pthread_mutex_unlock(&pool->lock);
    for (unsigned i = 0; i < pool->started; i++) {
        (void)pthread_join(pool->threads[i].id, NULL);
    }
    pool->started = 0;
}

void pool_free(struct pool *pool)
{
    if (pool == NULL) {
        return;
    }
    (void)pthread_cond_destroy(&pool->wake);
    (void)pthread_mutex_destroy(&pool->lock);
    mem_free(pool->items);
    mem_free(pool);
}

size_t pool_waiting(struct pool *pool)
{
    (void)pthread_mutex_lock(&pool->lock);
    size_t count = pool->count;
    (void)pthread_mutex_unlock(&pool->lock);
    return count;
}

err_t pool_db(struct pool_thread *thread, struct detail *detail, struct db **ret_db)
{
    struct mono_ns now = clock_mono();
    if (thread->pool->options.db == NULL) {
        return FAIL(INTERNAL);
    }
    if (thread->db == NULL) {
        TRY(db_new(thread->pool->options.db, &thread->db));
    }
    const _Atomic bool *away = thread->pool->options.is_db_away;
    bool is_away = away != NULL && atomic_load(away);
    bool rests = thread->db_failed_at.ns != 0 &&
                 mono_ms_between(thread->db_failed_at, now) < POOL_DB_REST_MS;
    if (!db_is_connected(thread->db) && (is_away || rests)) {
        detail_set(detail, "Postgres is away");
        return FAIL(DB_AWAY);
    }
    err_t err = db_ready(thread->db, detail, NULL);
    thread->db_failed_at = err_is_ok(err) ? (struct mono_ns){0} : clock_mono();
    TRY(err);
    *ret_db = thread->db;
    return OK;
}
