/* The transaction of an event that an integration tells, and its look; writer.h tells the way. */
#include "correlator/core/event.h"
#include "correlator/core/text.h"
#include "correlator/meeting.h"
#include "correlator/metrics.h"
#include "correlator/params.h"

#include "proto/base/banned.h"

struct event_work {
    struct store *store;
    const struct bus_call_event *event;
    struct event_plan plan;
    struct unix_ns created; /* of the target */
    struct call_key *keys;  /* all of the event's */
    size_t keys_count;
    struct meeting meeting; /* with those that the target holds then */
    /* parameters that several statements share */
    struct db_value project;
    struct db_value target;
    struct db_value kinds;
    struct db_value values;
    struct db_value superseded;
    struct db_value others;
};

/* --- reading: whose keys are these? ------------------------------------------------------------------- */

static FALLIBLE keys_pack(struct event_work *work)
{
    struct meeting all;
    struct db_value packed[2];
    TRY(call_keys_make(work->event->id, work->event->keys, work->event->keys_count,
                       &work->store->work, &work->keys, &work->keys_count));
    TRY(meeting_init(&all, work->store, work->event->project, work->keys, work->keys_count));
    TRY(meeting_pack(&all, packed));
    work->kinds = packed[0];
    work->values = packed[1];
    return OK;
}

static FALLIBLE holders_read(struct event_work *work, struct db_rows *rows,
                             struct event_holder **ret_holders, size_t *ret_count)
{
    struct arena *arena = &work->store->work;
    size_t count = 0;
    struct event_holder *holders = arena_zero(arena, db_rows_count(rows), sizeof *holders);
    if (holders == NULL) {
        return FAIL(NO_SPACE);
    }
    while (db_next(rows)) {
        struct event_holder *one = &holders[count++];
        one->key.kind = (enum match_kind)db_get_int(rows, 0);
        one->call = db_get_uuid(rows, 2);
        one->is_posted = db_get_bool(rows, 3);
        one->created = db_get_time(rows, 4);
        TRY(arena_copy(arena, db_get_bytes(rows, 1), &one->key.value));
    }
    *ret_holders = holders;
    *ret_count = count;
    return OK;
}

static bool is_held_by_other(const struct event_work *work, const struct match_key *key,
                             const struct event_holder *holders, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (holders[i].is_posted && !uuid_equal(holders[i].call, work->plan.target) &&
            match_key_compare(&holders[i].key, key) == 0) {
            return true;
        }
    }
    return false;
}

/* The meeting is about the keys that the target will hold. */
static FALLIBLE meeting_of_target(struct event_work *work, const struct event_holder *holders,
                                  size_t count)
{
    size_t kept = 0;
    struct call_key *keys = arena_zero(&work->store->work, work->keys_count, sizeof *keys);
    if (keys == NULL) {
        return FAIL(NO_SPACE);
    }
    for (size_t i = 0; i < work->keys_count; i++) {
        if (!is_held_by_other(work, &work->keys[i].key, holders, count)) {
            keys[kept++] = work->keys[i];
        }
    }
    return meeting_init(&work->meeting, work->store, work->event->project, keys, kept);
}

static FALLIBLE uuids_pack(struct event_work *work, const struct uuid *list, size_t count,
                           struct db_value *ret_array)
{
    static const enum db_type types[] = {DB_TYPE_UUID};
    struct params params;
    TRY(params_init(&params, &work->store->work, types, 1, count));
    for (size_t i = 0; i < count; i++) {
        params_row(&params, (struct db_value[]){db_uuid(&list[i])});
    }
    return params_pack(&params, ret_array);
}

static FALLIBLE plan_read(struct event_work *work, struct db_rows *rows)
{
    struct event_holder *holders = NULL;
    size_t count = 0;
    struct event_plan *plan = &work->plan;
    TRY(holders_read(work, rows, &holders, &count));
    TRY(event_plan_make(work->event, holders, count, &work->store->work, plan));
    work->created = work->event->received;
    for (size_t i = 0; i < count; i++) {
        if (uuid_equal(holders[i].call, plan->target)) {
            work->created = holders[i].created;
        }
    }
    work->target = db_uuid(&plan->target);
    TRY(uuids_pack(work, plan->superseded, plan->superseded_count, &work->superseded));
    TRY(uuids_pack(work, plan->others, plan->others_count, &work->others));
    return meeting_of_target(work, holders, count);
}

static FALLIBLE plan(struct event_work *work, struct detail *detail)
{
    struct db_rows *rows = NULL;
    work->project = db_uuid(&work->event->project);
    TRY(keys_pack(work));
    TRY(db_run(work->store->db, STMT_EVENT_HOLDERS,
               (struct db_value[]){work->project, work->kinds, work->values}, 3, detail, &rows));
    err_t err = plan_read(work, rows);
    db_rows_free(rows);
    return err;
}

/* --- commit ------------------------------------------------------------------------------------------- */

/* The call's row and those of the superseded ones, locked. */
static FALLIBLE queue_rows(struct event_work *work, struct detail *detail)
{
    struct db *db = work->store->db;
    const struct event_plan *plan = &work->plan;
    struct db_value locked;
    struct uuid *all = arena_zero(&work->store->work, plan->superseded_count + 1, sizeof *all);
    if (all == NULL) {
        return FAIL(NO_SPACE);
    }
    all[0] = plan->target;
    for (size_t i = 0; i < plan->superseded_count; i++) {
        all[i + 1] = plan->superseded[i];
    }
    TRY(uuids_pack(work, all, plan->superseded_count + 1, &locked));
    if (plan->is_new) {
        TRY(db_queue(db, STMT_EVENT_CALL_ADD,
                     (struct db_value[]){work->project, work->target,
                                         db_int2((int16_t)work->event->source),
                                         db_time(work->event->received)},
                     4, detail));
    }
    return db_queue(db, STMT_EVENT_CALLS_LOCK, (struct db_value[]){work->project, locked}, 2,
                    detail);
}

static FALLIBLE queue_superseding(struct event_work *work, struct detail *detail)
{
    struct db *db = work->store->db;
    const struct db_value values[] = {work->project, work->superseded, work->target,
                                      db_time(work->event->received)};
    if (work->plan.superseded_count == 0) {
        return OK;
    }
    TRY(db_queue(db, STMT_SUPERSEDE_CALLS, values, 4, detail));
    TRY(db_queue(db, STMT_SUPERSEDE_KEYS, values, 3, detail));
    TRY(db_queue(db, STMT_SUPERSEDE_PARTS, values, 3, detail));
    return db_queue(db, STMT_SUPERSEDE_LINKS, values, 2, detail);
}

static FALLIBLE part_row(struct event_work *work, const struct bus_part *part,
                         struct params *params)
{
    struct bytes title = {0};
    TRY(text_for_summary(part->title, &work->store->work, &title));
    params_row(params, (struct db_value[]){
                           db_int2((int16_t)part->number),
                           db_int8(event_part_order(part)),
                           part->has_started ? db_time(part->started) : db_null(),
                           part->has_ended ? db_time(part->ended) : db_null(),
                           db_int2((int16_t)part->status),
                           db_int2((int16_t)part->direction),
                           title.len > 0 ? db_text(title) : db_null(),
                           db_bytes(part->body),
                       });
    return OK;
}

static FALLIBLE queue_parts(struct event_work *work, struct detail *detail)
{
    static const enum db_type types[] = {DB_TYPE_INT2, DB_TYPE_INT8, DB_TYPE_TIME, DB_TYPE_TIME,
                                         DB_TYPE_INT2, DB_TYPE_INT2, DB_TYPE_TEXT, DB_TYPE_BYTEA};
    struct db *db = work->store->db;
    const struct bus_call_event *event = work->event;
    struct db_value values[10] = {work->project, work->target};
    struct params params;
    TRY(params_init(&params, &work->store->work, types, 8, event->parts_count));
    for (size_t i = 0; i < event->parts_count; i++) {
        TRY(part_row(work, &event->parts[i], &params));
    }
    TRY(params_pack(&params, values + 2));
    TRY(db_queue(db, STMT_PART_POSTED, values, 2, detail));
    TRY(db_queue(db, STMT_PART_SWEPT_DROP, values, 2, detail));
    TRY(db_queue(db, STMT_PARTS_ADD, values, 10, detail));
    return db_queue(db, STMT_EVENT_FOLD,
                    (struct db_value[]){work->project, work->target, db_time(event->received),
                                        db_bool(event->is_skipped)},
                    4, detail);
}

static FALLIBLE queue_all(struct event_work *work, struct detail *detail)
{
    struct db *db = work->store->db;
    const struct db_value values[] = {work->project, work->target,     work->kinds,
                                      work->values,  work->superseded, work->others};
    TRY(db_queue(db, STMT_BEGIN, NULL, 0, detail));
    if (work->plan.superseded_count > 0) { /* traces before calls: the order of locks */
        TRY(db_queue(db, STMT_SUPERSEDE_TRACES_LOCK,
                     (struct db_value[]){work->project, work->superseded}, 2, detail));
    }
    TRY(queue_rows(work, detail));
    TRY(queue_superseding(work, detail));
    TRY(db_queue(db, STMT_EVENT_KEYS_ADD, values, 4, detail));
    TRY(db_queue(db, STMT_EVENT_GUARD, values, 6, detail));
    TRY(queue_parts(work, detail));
    return db_queue(db, STMT_COMMIT, NULL, 0, detail);
}

static FALLIBLE commit(struct event_work *work, struct detail *detail)
{
    struct store *store = work->store;
    struct mono_ns began = clock_mono();
    struct db_rows **results = NULL;
    size_t count = 0;
    TRY(db_begin_pipeline(store->db, detail));
    TRY(store_end(store, queue_all(work, detail), detail, &results, &count));
    store_results_free(results, count);
    metric_seconds(METRIC_COMMIT_SECONDS, clock_mono().ns - began.ns);
    metric_add(METRIC_SUPERSEDED, work->plan.superseded_count);
    return OK;
}

/* A trace that committed meanwhile may have been linked to a superseded call by its claim in Redis. */
static FALLIBLE drop_superseded_links(struct event_work *work, struct detail *detail)
{
    if (work->plan.superseded_count == 0) {
        return OK;
    }
    return db_do(work->store->db, STMT_SUPERSEDE_LINKS,
                 (struct db_value[]){work->project, work->superseded}, 2, detail, NULL);
}

err_t store_event(struct store *store, const struct bus_call_event *event, struct detail *detail,
                  struct bus_reply *ret_reply)
{
    struct event_work work = {.store = store, .event = event};
    TRY(store_begin(store, detail));
    TRY(plan(&work, detail));
    TRY(commit(&work, detail));
    meeting_turn(&work.meeting, MEET_FORCE, work.plan.target);
    TRY(drop_superseded_links(&work, detail));
    TRY(meeting_end(&work.meeting, work.plan.target));
    err_t err = store_look(store, detail);
    if (!err_is_ok(err)) {
        store_forget_looks(store); /* the next try is of the whole event */
        return err;
    }
    *ret_reply = (struct bus_reply){
        .outcome = BUS_OUTCOME_ACCEPTED, .conversation = work.plan.target, .created = work.created};
    return OK;
}
