#include "correlator/tally.h"

#include <pthread.h>
#include <stdatomic.h>

#include "correlator/metrics.h"
#include "proto/base/log.h"
#include "proto/base/mem.h"
#include "proto/bus/bus.h"
#include "proto/bus/message.h"
#include "proto/otlp/segment.h"
#include "proto/voice/spans.h"
#include "schema/db.h"

#include "proto/base/banned.h"

enum {
    STATEMENT_TIMEOUT_MS = 10000,
    CONNECT_TIMEOUT_S = 2,
    TICK_MS = 100,
    LOOK_MS = 2000,      /* between two looks for what is due */
    FIND_MS = 10000,     /* between two looks for what has come, at most */
    HEARTBEAT_MS = 5000, /* between two announcements of nothing */
    DUE_MAX = 100,       /* of one look */
    REST_FACTOR = 3,
    /* A row shows with its commit, up to so long after the time that stands in it. */
    OVERLAP_S = 10,
    PAUSE_S_MAX = 60,
    ARENA_BYTES_MAX = 512 << 20,
    WIRE_BYTES_MAX = 1 << 10,
};

struct tally {
    struct tally_options options;
    struct db *db;
    struct arena arena; /* of one conversation */
    pthread_t thread;
    _Atomic bool is_stopping;
    bool is_mine; /* the lock is held by this connection */
    struct mono_ns found_at;
    int64_t pause_s_max; /* beyond it what came may have been sealed unseen */
};

struct due {
    struct uuid project;
    struct uuid conversation;
    bool is_chat;
    bool is_over;
    bool has_seen; /* something that was not counted yet */
    struct unix_ns seen;
    struct unix_ns counted; /* the last time, or when it was found */
    struct unix_ns now;     /* of Postgres */
};

struct counts {
    int32_t spans;
    int32_t errors;
    int32_t turns;
    int32_t answered;
    const struct turn *slowest;
};

/* --- counting --------------------------------------------------------------------------------------- */

struct opened {
    struct trace_id trace;
    struct bytes raw;
};

/* Segments of one trace stand together. */
static FALLIBLE views_open(const struct opened *opened, size_t count, struct arena *arena,
                           struct view **ret_views, size_t *ret_count)
{
    struct view *views = arena_zero(arena, count + 1, sizeof *views);
    struct bytes *raws = arena_zero(arena, count + 1, sizeof *raws);
    size_t views_count = 0;
    if (views == NULL || raws == NULL) {
        return FAIL(NO_SPACE);
    }
    for (size_t first = 0; first < count;) {
        size_t next = first;
        while (next < count && trace_id_equal(opened[next].trace, opened[first].trace)) {
            raws[next] = opened[next].raw;
            next++;
        }
        TRY(view_open(raws + first, next - first, arena, &views[views_count++]));
        first = next;
    }
    *ret_views = views;
    *ret_count = views_count;
    return OK;
}

static FALLIBLE segments_read(struct db_rows *rows, struct arena *arena, struct view **ret_views,
                              size_t *ret_count)
{
    struct opened *opened = arena_zero(arena, db_rows_count(rows) + 1, sizeof *opened);
    size_t count = 0;
    if (opened == NULL) {
        return FAIL(NO_SPACE);
    }
    while (db_next(rows)) {
        struct opened *one = &opened[count++];
        struct bytes trace = db_get_bytes(rows, 2);
        memcpy(one->trace.b, trace.ptr,
               trace.len < sizeof one->trace.b ? trace.len : sizeof one->trace.b);
        TRY(segment_inflate(db_get_bytes(rows, 1), (size_t)db_get_int(rows, 0), arena, &one->raw));
    }
    return views_open(opened, count, arena, ret_views, ret_count);
}

static FALLIBLE count_spans(struct db_rows *rows, const struct due *due, struct arena *arena,
                            struct counts *counts)
{
    struct view *views = NULL;
    size_t views_count = 0;
    struct turns_span *spans = NULL;
    size_t spans_count = 0;
    struct turns turns;
    const struct turns_options options = {.is_chat = due->is_chat, .is_live = !due->is_over};
    TRY(segments_read(rows, arena, &views, &views_count));
    TRY(voice_spans_read(views, views_count, arena, &spans, &spans_count));
    TRY(turns_make(spans, spans_count, &options, arena, &turns));
    counts->spans = (int32_t)spans_count; /* at most TALLY_SPANS_MAX */
    for (size_t i = 0; i < spans_count; i++) {
        counts->errors += spans[i].has_error;
    }
    for (size_t i = 0; i < turns.count; i++) {
        counts->turns += turns.turns[i].kind != TURN_OPENING;
        counts->answered += turns.turns[i].waits_count > 0;
    }
    counts->slowest = turns_slowest(&turns);
    return OK;
}

static FALLIBLE put(struct tally *tally, const struct due *due, const struct counts *counts,
                    struct detail *detail)
{
    const struct turn *slowest = counts->slowest;
    const struct db_value values[] = {
        db_uuid(&due->project),
        db_uuid(&due->conversation),
        db_time(due->seen),
        db_int4(counts->spans),
        db_int4(counts->errors),
        db_int4(counts->turns),
        db_int4(counts->answered),
        slowest == NULL ? db_null() : db_int8(turn_response_ns(slowest)),
        slowest == NULL ? db_null() : db_int4((int32_t)slowest->number),
    };
    return db_do(tally->db, STMT_TALLY_PUT, values, sizeof values / sizeof values[0], detail, NULL);
}

static void announce(struct tally *tally, const struct due *due)
{
    const struct bus_announcement news = {.project = due->project,
                                          .what = ANNOUNCE_CALL,
                                          .has_conversation = true,
                                          .conversation = due->conversation};
    struct buf wire;
    buf_init(&wire, WIRE_BYTES_MAX);
    if (err_is_ok(bus_announcement_pack(&news, &wire))) {
        bus_server_announce(tally->options.server, buf_bytes(&wire));
    }
    buf_fini(&wire);
}

/* What cannot be read is counted as nothing, so that it does not come up for ever. */
static FALLIBLE run_one(struct tally *tally, const struct due *due, struct detail *detail)
{
    struct counts counts = {.spans = 0};
    struct db_rows *rows = NULL;
    const struct db_value values[] = {
        db_uuid(&due->project),       db_uuid(&due->conversation), db_null(),
        db_time((struct unix_ns){0}), db_int8(TALLY_SPANS_MAX),    db_int8(TALLY_BYTES_MAX)};
    TRY(db_run(tally->db, STMT_TIMELINE_SEGMENTS, values, 6, detail, &rows));
    err_t err = count_spans(rows, due, &tally->arena, &counts);
    db_rows_free(rows);
    if (!err_is_ok(err)) {
        char id[UUID_TEXT_BYTES];
        uuid_to_text(due->conversation, id);
        log_warn("tally_unread", "conversation=%s err=%s", id, err_name(err));
        counts = (struct counts){.spans = 0};
    }
    err = put(tally, due, &counts, detail);
    arena_fini(&tally->arena);
    TRY(err);
    metric_add(METRIC_TALLIES, 1);
    announce(tally, due);
    return OK;
}

/* --- what is due ------------------------------------------------------------------------------------ */

static void sleep_until_stopped(struct tally *tally, int64_t ms)
{
    struct mono_ns end = mono_after_ms(clock_mono(), ms);
    while (!tally->is_stopping && clock_mono().ns < end.ns) {
        clock_sleep_ms(ms < TICK_MS ? ms : TICK_MS);
    }
}

/* Writes down which conversations the spans and links of the last moment belong to. */
static FALLIBLE find(struct tally *tally, struct detail *detail)
{
    struct db_rows *rows = NULL;
    TRY(db_run(tally->db, STMT_TALLY_STATE, NULL, 0, detail, &rows));
    bool has_state = db_next(rows);
    struct unix_ns since = has_state ? db_get_time(rows, 0) : (struct unix_ns){0};
    struct unix_ns now = has_state ? db_get_time(rows, 1) : (struct unix_ns){0};
    db_rows_free(rows);
    bool has_paused = now.ns - since.ns > tally->pause_s_max * NS_PER_S;
    since.ns -= OVERLAP_S * NS_PER_S;
    const struct db_value values[] = {db_time(since),
                                      db_int8((int64_t)tally->options.quiet_s * MS_PER_S)};
    TRY(db_do(tally->db, has_paused ? STMT_TALLY_FIND_ALL : STMT_TALLY_FIND, values, 2, detail,
              NULL));
    struct db_value found = db_time(now);
    return db_do(tally->db, STMT_TALLY_FOUND, &found, 1, detail, NULL);
}

static FALLIBLE due_read(struct tally *tally, struct detail *detail, struct due *due,
                         size_t *ret_count)
{
    struct db_value most = db_int4(DUE_MAX);
    struct db_rows *rows = NULL;
    size_t count = 0;
    TRY(db_run(tally->db, STMT_TALLY_DUE, &most, 1, detail, &rows));
    while (count < DUE_MAX && db_next(rows)) {
        struct due *one = &due[count++];
        *one = (struct due){.project = db_get_uuid(rows, 0),
                            .conversation = db_get_uuid(rows, 1),
                            .is_chat = db_get_int(rows, 2) == CONVERSATION_KIND_CHAT,
                            .is_over = db_get_bool(rows, 3),
                            .has_seen = !db_is_null(rows, 4),
                            .counted = db_get_time(rows, 5),
                            .now = db_get_time(rows, 6)};
        if (one->has_seen) {
            one->seen = db_get_time(rows, 4);
        }
    }
    db_rows_free(rows);
    *ret_count = count;
    return OK;
}

static FALLIBLE done(struct tally *tally, const struct due *due, struct detail *detail)
{
    const struct db_value values[] = {db_uuid(&due->project), db_uuid(&due->conversation)};
    return db_do(tally->db, STMT_TALLY_DONE, values, 2, detail, NULL);
}

static FALLIBLE wait_until(struct tally *tally, const struct due *due, int64_t at_ns,
                           struct detail *detail)
{
    const struct db_value values[] = {db_uuid(&due->project), db_uuid(&due->conversation),
                                      db_time((struct unix_ns){at_ns})};
    return db_do(tally->db, STMT_TALLY_AGAIN, values, 3, detail, NULL);
}

/* Counts what is quiet, and what still talks when it was not counted for a while. What comes between the reading and
 * the end is found again. */
static FALLIBLE settle(struct tally *tally, const struct due *due, struct detail *detail)
{
    int64_t again_ns = (int64_t)tally->options.again_s * NS_PER_S;
    int64_t quiet_at = due->seen.ns + (int64_t)tally->options.quiet_s * NS_PER_S;
    int64_t again_at = due->counted.ns + again_ns;
    if (!due->has_seen) {
        return done(tally, due, detail);
    }
    if (quiet_at <= due->now.ns) {
        TRY(run_one(tally, due, detail));
        return done(tally, due, detail);
    }
    if (again_at <= due->now.ns) {
        TRY(run_one(tally, due, detail));
        again_at = due->now.ns + again_ns;
    }
    return wait_until(tally, due, quiet_at < again_at ? quiet_at : again_at, detail);
}

static FALLIBLE run_due(struct tally *tally, struct detail *detail)
{
    struct due due[DUE_MAX];
    size_t count = 0;
    TRY(due_read(tally, detail, due, &count));
    for (size_t i = 0; i < count && !tally->is_stopping; i++) {
        struct mono_ns began = clock_mono();
        TRY(settle(tally, &due[i], detail));
        sleep_until_stopped(tally, mono_ms_between(began, clock_mono()) * REST_FACTOR);
    }
    return OK;
}

static FALLIBLE find_when_time(struct tally *tally, struct detail *detail)
{
    int64_t pause_ms = (int64_t)tally->options.quiet_s * MS_PER_S;
    pause_ms = pause_ms < FIND_MS ? pause_ms : FIND_MS;
    struct mono_ns now = clock_mono();
    if (tally->found_at.ns != 0 && mono_ms_between(tally->found_at, now) < pause_ms) {
        return OK;
    }
    TRY(find(tally, detail));
    tally->found_at = now;
    return OK;
}

/* The lock is held as long as the connection lives: another correlator takes over when this one goes. */
static FALLIBLE look(struct tally *tally, struct detail *detail)
{
    bool is_new = false;
    TRY(db_ready(tally->db, detail, &is_new));
    if (is_new || !tally->is_mine) {
        struct db_rows *rows = NULL;
        TRY(db_run(tally->db, STMT_TALLY_LOCK, NULL, 0, detail, &rows));
        tally->is_mine = db_next(rows) && db_get_bool(rows, 0);
        db_rows_free(rows);
    }
    if (!tally->is_mine) {
        return OK;
    }
    TRY(find_when_time(tally, detail));
    return run_due(tally, detail);
}

static void *tally_run(void *context)
{
    static struct log_limit limit;
    struct tally *tally = context;
    struct mono_ns beaten = clock_mono();
    while (!tally->is_stopping) {
        struct detail detail = {.text = ""};
        err_t err = look(tally, &detail);
        uint64_t left_out = 0;
        if (!err_is_ok(err) && log_limit_pass(&limit, &left_out)) {
            log_warn("tally_failed", "err=%s detail=\"%s\" left_out=%llu", err_name(err),
                     detail_or_text(&detail, err), (unsigned long long)left_out);
        }
        if (mono_ms_between(beaten, clock_mono()) >= HEARTBEAT_MS) {
            beaten = clock_mono();
            bus_server_announce(tally->options.server, bytes_of(NULL, 0));
        }
        sleep_until_stopped(tally, LOOK_MS);
    }
    return NULL;
}

/* --- start and end ------------------------------------------------------------------------------------ */

/* What came is older than the pause by the overlap, and so is a trace that is about to be sealed. */
static int64_t pause_s_max(uint64_t sealed_after_s)
{
    const uint64_t overlaps_s = UINT64_C(2) * OVERLAP_S;
    uint64_t pause_s = sealed_after_s > overlaps_s ? sealed_after_s - overlaps_s : 0;
    return pause_s < PAUSE_S_MAX ? (int64_t)pause_s : PAUSE_S_MAX;
}

err_t tally_start(const struct tally_options *tally_options, struct tally **ret_tally)
{
    struct tally *tally = mem_zero(1, sizeof *tally);
    if (tally == NULL) {
        return FAIL(MEMORY);
    }
    tally->options = *tally_options;
    tally->pause_s_max = pause_s_max(tally_options->sealed_after_s);
    arena_init(&tally->arena, ARENA_BYTES_MAX);
    struct db_options options = {
        .conninfo = tally_options->conninfo,
        .application_name = "calltrace-correlator tally",
        .statement_timeout_ms = STATEMENT_TIMEOUT_MS,
        .idle_in_transaction_ms = STATEMENT_TIMEOUT_MS,
        .connect_timeout_s = CONNECT_TIMEOUT_S,
    };
    err_t err = db_new(&options, &tally->db);
    if (err_is_ok(err) && pthread_create(&tally->thread, NULL, tally_run, tally) != 0) {
        err = FAIL(SYSTEM);
    }
    if (!err_is_ok(err)) {
        db_free(tally->db);
        mem_free(tally);
        return err;
    }
    *ret_tally = tally;
    return OK;
}

void tally_stop(struct tally *tally)
{
    if (tally != NULL) {
        tally->is_stopping = true;
        pthread_join(tally->thread, NULL);
        db_free(tally->db);
        arena_fini(&tally->arena);
        mem_free(tally);
    }
}
