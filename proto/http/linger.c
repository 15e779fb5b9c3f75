#include "proto/http/linger.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "proto/base/mem.h"

#include "proto/base/banned.h"

enum {
    EVENTS_MAX = 32,
    RECEIVE_BYTES = 1 << 20,
    RECEIVES_MAX = 16, /* of one socket before the others have their turn */
};

struct slot {
    int fd; /* -1: free */
    int64_t deadline_ns;
};

struct lingerer {
    int epoll;
    pthread_mutex_t lock; /* guards slots; taken alone */
    struct slot slots[LINGER_MAX];
};

err_t linger_new(struct lingerer **ret_linger)
{
    struct lingerer *linger = mem_zero(1, sizeof *linger);
    if (linger == NULL) {
        return FAIL(MEMORY);
    }
    linger->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (linger->epoll == -1) {
        mem_free(linger);
        return FAIL(SYSTEM);
    }
    (void)pthread_mutex_init(&linger->lock, NULL); /* does not fail on Linux */
    for (size_t i = 0; i < LINGER_MAX; i++) {
        linger->slots[i].fd = -1;
    }
    *ret_linger = linger;
    return OK;
}

static void slot_end(struct lingerer *linger, struct slot *slot)
{
    (void)epoll_ctl(linger->epoll, EPOLL_CTL_DEL, slot->fd, NULL); /* it is in there */
    (void)close(slot->fd); /* what it says is of no interest */
    slot->fd = -1;
}

void linger_free(struct lingerer *linger)
{
    if (linger == NULL) {
        return;
    }
    for (size_t i = 0; i < LINGER_MAX; i++) {
        if (linger->slots[i].fd != -1) {
            slot_end(linger, &linger->slots[i]);
        }
    }
    (void)close(linger->epoll); /* it holds no data */
    (void)pthread_mutex_destroy(&linger->lock);
    mem_free(linger);
}

void linger_add(struct lingerer *linger, int fd, struct mono_ns deadline)
{
    (void)pthread_mutex_lock(&linger->lock);
    for (size_t i = 0; i < LINGER_MAX; i++) {
        struct slot *slot = &linger->slots[i];
        if (slot->fd != -1) {
            continue;
        }
        struct epoll_event event = {.events = EPOLLIN | EPOLLRDHUP, .data = {.u64 = i}};
        slot->fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
        slot->deadline_ns = deadline.ns;
        if (slot->fd != -1 && epoll_ctl(linger->epoll, EPOLL_CTL_ADD, slot->fd, &event) != 0) {
            (void)close(slot->fd); /* then there is a reset */
            slot->fd = -1;
        }
        break;
    }
    (void)pthread_mutex_unlock(&linger->lock);
}

/* True when the peer is done. With MSG_TRUNC TCP drops the octets without copying them. */
static bool is_drained(int fd)
{
    for (int i = 0; i < RECEIVES_MAX; i++) {
        ssize_t got = recv(fd, NULL, RECEIVE_BYTES, MSG_TRUNC | MSG_DONTWAIT);
        if (got == -1 && (errno == EAGAIN || errno == EINTR)) {
            return false;
        }
        if (got <= 0) {
            return true;
        }
    }
    return false;
}

void linger_run(struct lingerer *linger, int wait_ms)
{
    struct epoll_event events[EVENTS_MAX];
    int count = epoll_wait(linger->epoll, events, EVENTS_MAX, wait_ms);
    int64_t now = clock_mono().ns;
    (void)pthread_mutex_lock(&linger->lock);
    for (int i = 0; i < count; i++) {
        struct slot *slot = &linger->slots[events[i].data.u64];
        if (slot->fd != -1 && is_drained(slot->fd)) {
            slot_end(linger, slot);
        }
    }
    for (size_t i = 0; i < LINGER_MAX; i++) {
        if (linger->slots[i].fd != -1 && linger->slots[i].deadline_ns < now) {
            slot_end(linger, &linger->slots[i]);
        }
    }
    (void)pthread_mutex_unlock(&linger->lock);
}
