#include "correlator/intake.h"

#include <pthread.h>

#include "proto/base/check.h"
#include "proto/base/clock.h"
#include "proto/base/mem.h"

#include "proto/base/banned.h"

enum {
    MANY = 4,                /* works of one group that tell of more to come */
    WORTH_BYTES = 128 << 10, /* what a group costs by itself is little beside storing this much */
    STILL_SHARE = 2,         /* half of the wait without another work ends it */
};

struct item {
    struct bus_work *work;
    struct mono_ns came;
};

struct intake {
    pthread_mutex_t lock; /* guards everything below */
    pthread_cond_t changed;
    struct item items[BUS_SERVER_CONTEXTS];
    size_t first;
    size_t count;
    size_t bytes;
    size_t bytes_max;
    int64_t gather_ns;
    size_t last_taken; /* works of the last group */
    bool is_closed;
};

err_t intake_new(size_t bytes_max, int64_t gather_ms, struct intake **ret_intake)
{
    struct intake *intake = mem_zero(1, sizeof *intake);
    pthread_condattr_t attributes;
    if (intake == NULL) {
        return FAIL(MEMORY);
    }
    (void)pthread_mutex_init(&intake->lock, NULL); /* these cannot fail on Linux */
    (void)pthread_condattr_init(&attributes);
    (void)pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&intake->changed, &attributes);
    (void)pthread_condattr_destroy(&attributes);
    intake->bytes_max = bytes_max;
    intake->gather_ns = gather_ms * NS_PER_MS;
    *ret_intake = intake;
    return OK;
}

void intake_free(struct intake *intake)
{
    if (intake == NULL) {
        return;
    }
    PRE(intake->count == 0);
    pthread_cond_destroy(&intake->changed);
    pthread_mutex_destroy(&intake->lock);
    mem_free(intake);
}

bool intake_put(struct intake *intake, struct bus_work *work)
{
    size_t bytes = bus_work_bytes(work).len;
    struct mono_ns now = clock_mono();
    pthread_mutex_lock(&intake->lock);
    /* An empty queue takes any message, so that the largest one is never locked out. */
    bool has_room = intake->count < BUS_SERVER_CONTEXTS &&
                    (intake->count == 0 || bytes + intake->bytes <= intake->bytes_max);
    bool is_taken = has_room && !intake->is_closed;
    if (is_taken) {
        size_t at = (intake->first + intake->count) % BUS_SERVER_CONTEXTS;
        intake->items[at] = (struct item){.work = work, .came = now};
        intake->count++;
        intake->bytes += bytes;
        /* Who gathers wakes by itself, unless the group is worth it. */
        if (intake->count == 1 || intake->bytes >= WORTH_BYTES) {
            pthread_cond_signal(&intake->changed);
        }
    }
    pthread_mutex_unlock(&intake->lock);
    return is_taken;
}

/* With the lock held and something there. */
static struct item pop(struct intake *intake)
{
    struct item item = intake->items[intake->first];
    intake->first = (intake->first + 1) % BUS_SERVER_CONTEXTS;
    intake->count--;
    intake->bytes -= bus_work_bytes(item.work).len;
    return item;
}

/* With the lock held. A group costs Postgres a commit and its statements, whatever it holds. So while many works come
 * together the first waits for others, as long as they keep coming: senders that all wait for an answer send nothing. */
static void gather(struct intake *intake, size_t count_max)
{
    while (intake->count > 0 && intake->count < count_max && intake->bytes < WORTH_BYTES &&
           !intake->is_closed && (intake->count >= MANY || intake->last_taken >= MANY)) {
        size_t last = (intake->first + intake->count - 1) % BUS_SERVER_CONTEXTS;
        int64_t since_first = intake->items[intake->first].came.ns + intake->gather_ns;
        int64_t since_last = intake->items[last].came.ns + intake->gather_ns / STILL_SHARE;
        int64_t until = since_first < since_last ? since_first : since_last;
        struct timespec at = {.tv_sec = until / NS_PER_S, .tv_nsec = until % NS_PER_S};
        if (clock_mono().ns >= until) {
            return;
        }
        (void)pthread_cond_timedwait(&intake->changed, &intake->lock, &at);
    }
}

size_t intake_take(struct intake *intake, struct bus_work **ret_works, size_t count_max,
                   size_t bytes_max)
{
    size_t taken = 0;
    size_t bytes = 0;
    pthread_mutex_lock(&intake->lock);
    while (taken == 0) {
        while (intake->count == 0 && !intake->is_closed) {
            pthread_cond_wait(&intake->changed, &intake->lock);
        }
        gather(intake, count_max);
        if (intake->count == 0 && intake->is_closed) {
            break;
        }
        struct mono_ns now = clock_mono();
        while (intake->count > 0 && taken < count_max && bytes < bytes_max) {
            struct item item = pop(intake);
            if (mono_ms_between(item.came, now) > BUS_ANSWER_MS) {
                bus_work_drop(item.work);
                continue;
            }
            bytes += bus_work_bytes(item.work).len;
            ret_works[taken++] = item.work;
        }
    }
    intake->last_taken = taken;
    if (intake->count > 0) {
        pthread_cond_signal(&intake->changed);
    }
    pthread_mutex_unlock(&intake->lock);
    return taken;
}

void intake_close(struct intake *intake)
{
    pthread_mutex_lock(&intake->lock);
    intake->is_closed = true;
    pthread_cond_broadcast(&intake->changed);
    pthread_mutex_unlock(&intake->lock);
}

size_t intake_bytes(struct intake *intake)
{
    pthread_mutex_lock(&intake->lock);
    size_t bytes = intake->bytes;
    pthread_mutex_unlock(&intake->lock);
    return bytes;
}

size_t intake_count(struct intake *intake)
{
    pthread_mutex_lock(&intake->lock);
    size_t count = intake->count;
    pthread_mutex_unlock(&intake->lock);
    return count;
}
