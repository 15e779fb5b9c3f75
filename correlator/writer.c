#include "correlator/writer.h"

#include <pthread.h>

#include "correlator/metrics.h"
#include "proto/base/check.h"
#include "proto/base/fault.h"
#include "proto/base/limits.h"
#include "proto/base/log.h"
#include "proto/base/mem.h"

#include "proto/base/banned.h"

enum {
    TRIES_MAX = 4, /* of one transaction: deadlocks, a connection that was lost, a partition */
    RETRY_PAUSE_MS = 20,
    /* The messages of one group, unpacked: a large one has its segment once more, and its facts. */
    MESSAGES_ARENA_BYTES = 4 * LIMIT_BUS_BYTES,
    REPLY_BYTES_MAX = 1 << 20,
    FAULT_PAUSE_MS = 50, /* the seeded fault leaves time to be hit */
    LOOKS_TOGETHER = 32, /* calls of a group that one look is for: it costs a commit */
};

/* A call that is committed and waits for its look before it is answered. */
struct waiting {
    size_t at;
    struct mono_ns came;
    struct bus_reply reply;
};

struct group {
    struct bus_work *works[LIMIT_GROUP_MESSAGES]; /* NULL once replied to */
    struct bus_message messages[LIMIT_GROUP_MESSAGES];
    size_t count;
    struct waiting waiting[LOOKS_TOGETHER];
    size_t waiting_count;
};

struct writer {
    struct writer_options options;
    struct store store;
    struct arena messages;
    struct buf reply;
    struct group group;
    bool is_connected; /* as counted in options.connected */
    pthread_t thread;
};

/* A part of the span messages of a group. */
struct range {
    size_t first;
    size_t count;
};

/* --- replying --------------------------------------------------------------------------------------- */

static void reply_to(struct writer *writer, size_t at, const struct bus_reply *reply)
{
    struct bus_work *work = writer->group.works[at];
    if (work == NULL) {
        return;
    }
    struct arena scratch;
    arena_init(&scratch, REPLY_BYTES_MAX);
    buf_reset(&writer->reply);
    err_t err = bus_reply_pack(reply, &scratch, &writer->reply);
    arena_fini(&scratch);
    if (err_is_ok(err)) {
        bus_work_reply(work, buf_bytes(&writer->reply));
    } else {
        bus_work_drop(work);
    }
    writer->group.works[at] = NULL;
    metric_add(METRIC_UNAVAILABLE, reply->outcome == BUS_OUTCOME_UNAVAILABLE);
    metric_add(METRIC_REJECTED, reply->outcome == BUS_OUTCOME_REJECTED);
}

static void reply_outcome(struct writer *writer, size_t at, enum bus_outcome outcome,
                          const char *reason)
{
    reply_to(writer, at, &(struct bus_reply){.outcome = outcome, .reason = bytes_of_text(reason)});
}

static void announce_news(struct writer *writer)
{
    struct news *news = &writer->store.news;
    for (size_t i = 0; i < news->count; i++) {
        buf_reset(&writer->reply);
        if (err_is_ok(bus_announcement_pack(&news->items[i], &writer->reply))) {
            bus_server_announce(writer->options.server, buf_bytes(&writer->reply));
        }
    }
    news->count = 0;
}

/* --- what a failure means --------------------------------------------------------------------------- */

enum verdict { VERDICT_AGAIN, VERDICT_UNAVAILABLE, VERDICT_BAD_MESSAGE };

static void log_failure(const char *event, err_t err, const struct detail *detail,
                        const char *sqlstate)
{
    static struct log_limit limit;
    uint64_t left_out = 0;
    if (log_limit_pass(&limit, &left_out)) {
        log_warn(event, "err=%s sqlstate=%s detail=\"%s\" left_out=%llu", err_name(err), sqlstate,
                 detail_or_text(detail, err), (unsigned long long)left_out);
    }
}

static enum verdict judge(struct writer *writer, err_t err, const struct detail *detail,
                          unsigned tries)
{
    struct store *store = &writer->store;
    /* Connecting anew may take as long as an api waits, so that it is tried once. */
    bool may_again = tries < (store_is_connected(store) ? TRIES_MAX : 2);
    if (err_is(err, ERR_DB_REFUSED)) {
        if (store_is_bad_message(store)) {
            return VERDICT_BAD_MESSAGE;
        }
        if (store_lacks_partition(store) && may_again) {
            struct detail ignored = {.text = ""};
            (void)store_make_partition(store, &ignored).code; /* the next try tells */
            return VERDICT_AGAIN;
        }
    }
    log_failure("commit_failed", err, detail, db_sqlstate(store->db));
    if (!err_is(err, ERR_DB_AWAY) || !may_again) {
        return VERDICT_UNAVAILABLE;
    }
    metric_add(METRIC_RETRIES, 1);
    clock_sleep_ms(RETRY_PAUSE_MS * (int64_t)tries);
    return VERDICT_AGAIN;
}

/* --- spans ------------------------------------------------------------------------------------------ */

static void reply_range(struct writer *writer, const size_t *places, struct range range,
                        enum bus_outcome outcome, const char *reason)
{
    for (size_t i = 0; i < range.count; i++) {
        reply_outcome(writer, places[range.first + i], outcome, reason);
    }
}

/* Commits a range; false when it holds a bad message. */
static bool commit_range(struct writer *writer, const size_t *places, struct range range,
                         struct detail *detail)
{
    const struct bus_message *messages[LIMIT_GROUP_MESSAGES];
    for (size_t i = 0; i < range.count; i++) {
        messages[i] = &writer->group.messages[places[range.first + i]];
    }
    if (fault_is(FAULT_ACK_BEFORE_COMMIT)) {
        reply_range(writer, places, range, BUS_OUTCOME_ACCEPTED, "");
        clock_sleep_ms(FAULT_PAUSE_MS);
    }
    for (unsigned tries = 1;; tries++) {
        *detail = (struct detail){.text = ""};
        err_t err = store_spans(&writer->store, messages, range.count, detail);
        if (err_is_ok(err)) {
            reply_range(writer, places, range, BUS_OUTCOME_ACCEPTED, "");
            announce_news(writer);
            return true;
        }
        switch (judge(writer, err, detail, tries)) {
        case VERDICT_AGAIN:
            break;
        case VERDICT_UNAVAILABLE:
            reply_range(writer, places, range, BUS_OUTCOME_UNAVAILABLE,
                        detail_or_text(detail, err));
            return true;
        case VERDICT_BAD_MESSAGE:
            return false;
        }
    }
}

/* Halves until the one bad message stands alone, so that it fails nobody else. */
static void run_spans(struct writer *writer, const size_t *places, size_t count)
{
    struct range stack[32] = {{.first = 0, .count = count}};
    size_t depth = count > 0 ? 1 : 0;
    struct detail detail = {.text = ""};
    while (depth > 0) {
        struct range range = stack[--depth];
        if (commit_range(writer, places, range, &detail)) {
            continue;
        }
        if (range.count == 1) {
            log_failure("message_rejected", FAIL(DB_REFUSED), &detail,
                        db_sqlstate(writer->store.db));
            reply_range(writer, places, range, BUS_OUTCOME_REJECTED, detail.text);
            continue;
        }
        metric_add(METRIC_HALVED, 1);
        size_t half = range.count / 2;
        INVARIANT(depth + 2 <= sizeof stack / sizeof stack[0]);
        stack[depth++] = (struct range){.first = range.first, .count = half};
        stack[depth++] = (struct range){.first = range.first + half, .count = range.count - half};
    }
}

/* --- calls and key uses ----------------------------------------------------------------------------- */

static err_t run_once(struct writer *writer, size_t at, struct detail *detail,
                      struct bus_reply *ret_reply)
{
    const struct bus_message *message = &writer->group.messages[at];
    if (message->what == BUS_WHAT_CALL) {
        return store_call(&writer->store, &message->call, detail, ret_reply);
    }
    if (message->what == BUS_WHAT_EVENT) {
        return store_event(&writer->store, &message->event, detail, ret_reply);
    }
    if (message->what == BUS_WHAT_KEY_CHANGE) {
        return store_key_change(&writer->store, &message->key_change, detail, ret_reply);
    }
    *ret_reply = (struct bus_reply){.outcome = BUS_OUTCOME_ACCEPTED};
    return store_key_use(&writer->store, message, detail);
}

static void waiting_reply(struct writer *writer, const struct bus_reply *reply)
{
    struct group *group = &writer->group;
    for (size_t i = 0; i < group->waiting_count; i++) {
        reply_to(writer, group->waiting[i].at, reply == NULL ? &group->waiting[i].reply : reply);
    }
    group->waiting_count = 0;
}

/* Looks at the calls that wait, and answers them. Their data is stored: whatever fails now is no fault of it. */
static void run_looks(struct writer *writer)
{
    struct group *group = &writer->group;
    struct detail detail = {.text = ""};
    err_t err = OK;
    if (group->waiting_count == 0) {
        return;
    }
    writer->store.arrived = group->waiting[0].came; /* the first came first */
    unsigned tries = 0;
    do {
        err = store_look(&writer->store, &detail);
    } while (!err_is_ok(err) && judge(writer, err, &detail, ++tries) == VERDICT_AGAIN);
    if (err_is_ok(err)) {
        metric_add(METRIC_CREATES, group->waiting_count);
        waiting_reply(writer, NULL);
        announce_news(writer);
        return;
    }
    store_forget_looks(&writer->store);
    waiting_reply(writer,
                  &(struct bus_reply){.outcome = BUS_OUTCOME_UNAVAILABLE,
                                      .reason = bytes_of_text(detail_or_text(&detail, err))});
}

static void run_alone(struct writer *writer, size_t at)
{
    struct detail detail = {.text = ""};
    struct bus_reply reply = {.outcome = BUS_OUTCOME_UNAVAILABLE};
    const struct bus_message *message = &writer->group.messages[at];
    if (message->what != BUS_WHAT_CALL) {
        run_looks(writer); /* an event looks by itself, and may fail */
    }
    writer->store.arrived = bus_work_came(writer->group.works[at]);
    if (fault_is(FAULT_ACK_BEFORE_COMMIT) && message->what == BUS_WHAT_CALL) {
        reply_to(writer, at,
                 &(struct bus_reply){.outcome = BUS_OUTCOME_ACCEPTED,
                                     .conversation = message->call.id,
                                     .created = message->call.created});
        clock_sleep_ms(FAULT_PAUSE_MS);
    }
    for (unsigned tries = 1;; tries++) {
        err_t err = run_once(writer, at, &detail, &reply);
        if (err_is_ok(err)) {
            if (message->what == BUS_WHAT_CALL && reply.outcome == BUS_OUTCOME_ACCEPTED) {
                struct group *group = &writer->group;
                group->waiting[group->waiting_count++] =
                    (struct waiting){at, writer->store.arrived, reply};
                return;
            }
            metric_add(METRIC_CONFLICTS, reply.outcome == BUS_OUTCOME_CONFLICT);
            reply_to(writer, at, &reply);
            announce_news(writer);
            return;
        }
        switch (judge(writer, err, &detail, tries)) {
        case VERDICT_AGAIN:
            break;
        case VERDICT_UNAVAILABLE:
            reply_outcome(writer, at, BUS_OUTCOME_UNAVAILABLE, detail_or_text(&detail, err));
            return;
        case VERDICT_BAD_MESSAGE:
            reply_outcome(writer, at, BUS_OUTCOME_REJECTED, detail_or_text(&detail, err));
            return;
        }
    }
}

/* --- a group ---------------------------------------------------------------------------------------- */

static void refuse(struct writer *writer, size_t at, err_t err, const struct detail *detail,
                   bool is_alone)
{
    /* Memory that others of the group used up is no fault of this message. */
    bool is_later = err_is(err, ERR_NO_SPACE) && !is_alone;
    log_failure("message_unreadable", err, detail, "");
    reply_outcome(writer, at, is_later ? BUS_OUTCOME_UNAVAILABLE : BUS_OUTCOME_REJECTED,
                  detail_or_text(detail, err));
}

static void count_message(const struct bus_message *message)
{
    switch (message->what) {
    case BUS_WHAT_SPANS:
        metric_add(METRIC_MESSAGES_SPANS, 1);
        return;
    case BUS_WHAT_CALL:
        metric_add(METRIC_MESSAGES_CALL, 1);
        return;
    case BUS_WHAT_EVENT:
        metric_add(METRIC_MESSAGES_EVENT, 1);
        return;
    case BUS_WHAT_KEY_USE:
        metric_add(METRIC_MESSAGES_KEY_USE, 1);
        return;
    case BUS_WHAT_KEY_CHANGE:
        metric_add(METRIC_MESSAGES_KEY_CHANGE, 1);
        return;
    }
}

/* Spans first: a create may wait for a lock. */
static void run_group(struct writer *writer)
{
    struct group *group = &writer->group;
    size_t spans[LIMIT_GROUP_MESSAGES];
    size_t spans_count = 0;
    arena_reset(&writer->messages);
    metric_add(METRIC_GROUPS, 1);
    metric_add(METRIC_GROUP_MESSAGES, group->count);
    for (size_t i = 0; i < group->count; i++) {
        struct detail detail = {.text = ""};
        struct arena_mark mark = arena_mark(&writer->messages);
        err_t err = bus_message_unpack(bus_work_bytes(group->works[i]), &writer->messages, &detail,
                                       &group->messages[i]);
        if (!err_is_ok(err)) {
            arena_rewind(&writer->messages, mark);
            refuse(writer, i, err, &detail, group->count == 1);
            continue;
        }
        count_message(&group->messages[i]);
        if (group->messages[i].what == BUS_WHAT_SPANS) {
            spans[spans_count++] = i;
        }
    }
    if (spans_count > 0) {
        writer->store.arrived = bus_work_came(group->works[spans[0]]); /* the first came first */
    }
    run_spans(writer, spans, spans_count);
    for (size_t i = 0; i < group->count; i++) {
        if (group->works[i] != NULL) {
            run_alone(writer, i);
        }
        if (group->waiting_count == LOOKS_TOGETHER) {
            run_looks(writer);
        }
    }
    run_looks(writer);
}

static void connected_tell(struct writer *writer)
{
    bool is_connected = store_is_connected(&writer->store);
    if (is_connected != writer->is_connected) {
        writer->is_connected = is_connected;
        *writer->options.connected += is_connected ? 1U : -1U;
    }
}

static void *writer_run(void *context)
{
    struct writer *writer = context;
    for (;;) {
        writer->group.count = intake_take(writer->options.intake, writer->group.works,
                                          LIMIT_GROUP_MESSAGES, LIMIT_GROUP_BYTES);
        if (writer->group.count == 0) {
            return NULL;
        }
        run_group(writer);
        connected_tell(writer);
    }
}

static void writer_free(struct writer *writer)
{
    store_fini(&writer->store);
    arena_fini(&writer->messages);
    buf_fini(&writer->reply);
    mem_free(writer);
}

err_t writer_start(const struct writer_options *options, struct writer **ret_writer)
{
    struct writer *writer = mem_zero(1, sizeof *writer);
    if (writer == NULL) {
        return FAIL(MEMORY);
    }
    writer->options = *options;
    arena_init(&writer->messages, MESSAGES_ARENA_BYTES);
    buf_init(&writer->reply, REPLY_BYTES_MAX);
    err_t err = store_init(&writer->store, &options->store);
    if (err_is_ok(err) && pthread_create(&writer->thread, NULL, writer_run, writer) != 0) {
        err = FAIL(SYSTEM);
    }
    if (!err_is_ok(err)) {
        writer_free(writer);
        return err;
    }
    *ret_writer = writer;
    return OK;
}

void writer_join(struct writer *writer)
{
    if (writer != NULL) {
        pthread_join(writer->thread, NULL);
        writer_free(writer);
    }
}

bool writer_has_redis(const struct writer *writer)
{
    return writer->store.has_redis;
}
