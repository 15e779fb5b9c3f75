#include "proto/base/bounded.h"

#include <pthread.h>
#include <time.h>

#include "proto/base/clock.h"
#include "proto/base/mem.h"

#include "proto/base/banned.h"

struct bounded {
    void (*fn)(void *context);
    void *context;
    pthread_mutex_t lock; /* guards what follows; who comes last frees */
    pthread_cond_t changed;
    bool has_ended;
    bool is_left;
};

static void bounded_free(struct bounded *call)
{
    (void)pthread_cond_destroy(&call->changed);
    (void)pthread_mutex_destroy(&call->lock);
    mem_free(call);
}

static void *bounded_run(void *context)
{
    struct bounded *call = context;
    call->fn(call->context);
    (void)pthread_mutex_lock(&call->lock);
    call->has_ended = true;
    bool is_left = call->is_left;
    (void)pthread_cond_signal(&call->changed);
    (void)pthread_mutex_unlock(&call->lock);
    if (is_left) {
        bounded_free(call);
    }
    return NULL;
}

static struct bounded *bounded_new(void (*fn)(void *context), void *context)
{
    pthread_condattr_t attributes;
    struct bounded *call = mem_zero(1, sizeof *call);
    if (call == NULL) {
        return NULL;
    }
    call->fn = fn;
    call->context = context;
    (void)pthread_mutex_init(&call->lock, NULL); /* these cannot fail on Linux */
    (void)pthread_condattr_init(&attributes);
    (void)pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&call->changed, &attributes);
    (void)pthread_condattr_destroy(&attributes);
    return call;
}

bool bounded_call(void (*fn)(void *context), void *context, int64_t ms)
{
    pthread_t thread;
    struct bounded *call = bounded_new(fn, context);
    if (call == NULL || pthread_create(&thread, NULL, bounded_run, call) != 0) {
        mem_free(call);
        fn(context);
        return true;
    }
    int64_t until = mono_after_ms(clock_mono(), ms).ns;
    struct timespec at = {.tv_sec = until / NS_PER_S, .tv_nsec = until % NS_PER_S};
    (void)pthread_mutex_lock(&call->lock);
    while (!call->has_ended && pthread_cond_timedwait(&call->changed, &call->lock, &at) == 0) {
    }
    bool has_ended = call->has_ended;
    call->is_left = !has_ended;
    (void)pthread_mutex_unlock(&call->lock);
    if (has_ended) {
        (void)pthread_join(thread, NULL);
        bounded_free(call);
    } else {
        (void)pthread_detach(thread);
    }
    return has_ended;
}
