/* The transaction of a create and its look; writer.h tells the way. */
#include "correlator/core/text.h"
#include "correlator/meeting.h"
#include "correlator/metrics.h"
#include "correlator/params.h"
#include "proto/base/fault.h"

#include "proto/base/banned.h"

struct call_work {
    struct store *store;
    const struct bus_call *call;
    struct uuid id; /* the message's; another one under a seeded fault */
    struct bytes title;
    struct meeting meeting;
    struct create_facts facts;
    bool is_new; /* made by this message */
};

static FALLIBLE work_init(struct call_work *work, struct store *store, const struct bus_call *call)
{
    *work = (struct call_work){.store = store, .call = call, .id = call->id};
    if (fault_is(FAULT_LOST_DEDUPE)) {
        work->id = uuid_make();
    }
    struct call_key *keys = NULL;
    size_t count = 0;
    TRY(call_keys_make(call->id, call->keys, call->keys_count, &store->work, &keys, &count));
    TRY(text_for_summary(call->title, &store->work, &work->title));
    return meeting_init(&work->meeting, store, call->project, keys, count);
}

/* --- commit ----------------------------------------------------------------------------------------- */

/* $1 project, $2 id, $3 request hash, $4 idempotency hash or NULL, $5 is this a retry. */
enum { IDENTITY = 5 };

static void identity_fill(const struct call_work *work, struct db_value values[IDENTITY])
{
    const struct bus_call *call = work->call;
    bool forget = fault_is(FAULT_LOST_DEDUPE);
    values[0] = db_uuid(&call->project);
    values[1] = db_uuid(&work->id);
    values[2] = db_bytes(bytes_of(call->request_hash, sizeof call->request_hash));
    values[3] = call->has_idempotency && !forget
                    ? db_bytes(bytes_of(call->idempotency_hash, sizeof call->idempotency_hash))
                    : db_null();
    values[4] = db_bool(call->is_retry && !forget);
}

static FALLIBLE queue_locks(struct call_work *work, struct detail *detail)
{
    int64_t locks[2];
    struct db_value cells[2];
    size_t count = call_locks_make(work->call, locks);
    for (size_t i = 0; i < count; i++) {
        cells[i] = db_int8(locks[i]);
    }
    struct db_value array = db_null();
    TRY(db_array(&work->store->work, DB_TYPE_INT8, cells, count, &array));
    return db_queue(work->store->db, STMT_CALL_LOCK, &array, 1, detail);
}

static FALLIBLE keys_pack(struct call_work *work, struct db_value ret_values[3])
{
    static const enum db_type types[] = {DB_TYPE_INT2, DB_TYPE_BYTEA, DB_TYPE_UUID};
    struct params params;
    TRY(params_init(&params, &work->store->work, types, 3, work->meeting.keys_count));
    for (size_t i = 0; i < work->meeting.keys_count; i++) {
        params_row(&params, (struct db_value[]){db_int2((int16_t)work->meeting.keys[i].key.kind),
                                                db_bytes(work->meeting.keys[i].key.value),
                                                db_uuid(&work->meeting.keys[i].slot)});
    }
    return params_pack(&params, ret_values);
}

/* What a create tells of its call: nine values. */
enum { FACTS = 9, COMPLETE_VALUES = IDENTITY + 3 + FACTS };

static void facts_fill(const struct call_work *work, struct db_value values[FACTS])
{
    const struct bus_call *call = work->call;
    values[0] = db_int2((int16_t)call->kind);
    values[1] = db_int2((int16_t)call->source);
    values[2] = db_time(call->created);
    values[3] = call->has_started ? db_time(call->started) : db_null();
    values[4] = call->has_ended ? db_time(call->ended) : db_null();
    values[5] = db_int2((int16_t)call->status);
    values[6] = db_int2((int16_t)call->direction);
    values[7] = work->title.len > 0 ? db_text(work->title) : db_null();
    values[8] = db_bytes(call->body);
}

static FALLIBLE queue_call(struct call_work *work, struct detail *detail)
{
    struct db_value values[IDENTITY + FACTS + 1];
    identity_fill(work, values);
    facts_fill(work, values + IDENTITY);
    values[IDENTITY + FACTS] = db_int8((int64_t)work->meeting.keys_count);
    return db_queue(work->store->db, STMT_CALL_ADD, values, IDENTITY + FACTS + 1, detail);
}

/* Places of the results that are read. */
enum { AT_ADD = 3, AT_FIND = 5, AT_HOLDER = 6 };

static FALLIBLE queue_all(struct call_work *work, struct detail *detail)
{
    struct db *db = work->store->db;
    struct db_value keys[3];
    struct db_value identity[IDENTITY];
    TRY(keys_pack(work, keys));
    identity_fill(work, identity);
    TRY(db_queue(db, STMT_BEGIN, NULL, 0, detail));
    TRY(queue_locks(work, detail));
    TRY(db_queue(db, STMT_CALL_KEYS_ADD,
                 (struct db_value[]){identity[0], identity[1], identity[2], identity[3],
                                     identity[4], keys[0], keys[1], keys[2]},
                 IDENTITY + 3, detail));
    TRY(queue_call(work, detail));
    TRY(db_queue(db, STMT_CALL_KEYS_UNDO, identity, 2, detail));
    TRY(db_queue(db, STMT_CALL_FIND, identity, IDENTITY, detail));
    TRY(db_queue(db, STMT_CALL_HOLDER,
                 (struct db_value[]){identity[0], identity[1], keys[0], keys[1]}, 4, detail));
    return db_queue(db, STMT_COMMIT, NULL, 0, detail);
}

static FALLIBLE read_facts(struct call_work *work, struct db_rows *found, struct db_rows *holder)
{
    struct create_facts *facts = &work->facts;
    facts->has_call = db_next(found);
    if (facts->has_call) {
        facts->call_id = db_get_uuid(found, 0);
        facts->call_created = db_get_time(found, 1);
        facts->is_other_body = db_get_bool(found, 2);
    }
    facts->has_holder = db_next(holder);
    if (facts->has_holder) {
        facts->held.kind = (enum match_kind)db_get_int(holder, 0);
        facts->holder = db_get_uuid(holder, 2);
        return arena_copy(&work->store->work, db_get_bytes(holder, 1), &facts->held.value);
    }
    return OK;
}

static FALLIBLE commit(struct call_work *work, struct detail *detail)
{
    struct store *store = work->store;
    struct mono_ns began = clock_mono();
    struct db_rows **results = NULL;
    size_t count = 0;
    TRY(db_begin_pipeline(store->db, detail));
    TRY(store_end(store, queue_all(work, detail), detail, &results, &count));
    metric_seconds(METRIC_COMMIT_SECONDS, clock_mono().ns - began.ns);
    work->is_new = db_rows_affected(results[AT_ADD]) > 0;
    err_t err = read_facts(work, results[AT_FIND], results[AT_HOLDER]);
    store_results_free(results, count);
    return err;
}

/* The call of an earlier try may be committed here and not at a synchronous standby: that try's wait was cancelled, or
 * ended in a crash. A lock is written, so that its COMMIT waits for all that stands before it in the log. */
static FALLIBLE known_is_durable(const struct call_work *work, struct detail *detail)
{
    struct db_value id = db_uuid(&work->facts.call_id);
    struct db_value values[] = {db_uuid(&work->call->project), db_null()};
    TRY(db_array(&work->store->work, DB_TYPE_UUID, &id, 1, &values[1]));
    return db_do(work->store->db, STMT_EVENT_CALLS_LOCK, values, 2, detail, NULL);
}

/* --- a POST that completes a call which only events have made -------------------------------------------- */

/* Provider keys are held by calls of their integrations; the POST tells the rest of the same call. */
static bool may_complete(const struct call_work *work)
{
    const struct create_facts *facts = &work->facts;
    return !facts->has_call && facts->has_holder && work->call->kind == CONVERSATION_KIND_CALL &&
           (facts->held.kind == MATCH_KIND_LIVEKIT || facts->held.kind == MATCH_KIND_VAPI);
}

enum { AT_COMPLETED = 4, AT_HOLDER_AFTER = 8 };

static FALLIBLE queue_completion(struct call_work *work, struct detail *detail)
{
    const struct bus_call *call = work->call;
    struct db *db = work->store->db;
    struct db_value keys[2];
    struct db_value holders;
    struct db_value holder = db_uuid(&work->facts.holder);
    struct db_value identity[IDENTITY];
    struct db_value values[COMPLETE_VALUES];
    TRY(meeting_pack(&work->meeting, keys));
    TRY(db_array(&work->store->work, DB_TYPE_UUID, &holder, 1, &holders));
    identity_fill(work, identity);
    memcpy(values, identity, sizeof identity);
    values[IDENTITY] = holder;
    values[IDENTITY + 1] = keys[0];
    values[IDENTITY + 2] = keys[1];
    facts_fill(work, values + IDENTITY + 3);
    TRY(db_queue(db, STMT_BEGIN, NULL, 0, detail));
    TRY(queue_locks(work, detail));
    TRY(db_queue(db, STMT_EVENT_CALLS_LOCK, (struct db_value[]){identity[0], holders}, 2, detail));
    TRY(db_queue(db, STMT_COMPLETE_KEYS, (struct db_value[]){identity[0], holder, keys[0], keys[1]},
                 4, detail));
    TRY(db_queue(db, STMT_COMPLETE_CALL, values, COMPLETE_VALUES, detail));
    TRY(db_queue(db, STMT_COMPLETE_UNDO, (struct db_value[]){identity[0], holder}, 2, detail));
    TRY(db_queue(db, STMT_PART_POSTED, (struct db_value[]){identity[0], holder}, 2, detail));
    TRY(db_queue(db, STMT_EVENT_FOLD,
                 (struct db_value[]){identity[0], holder, db_time(call->created), db_bool(false)},
                 4, detail));
    TRY(db_queue(db, STMT_CALL_HOLDER,
                 (struct db_value[]){identity[0], identity[1], keys[0], keys[1]}, 4, detail));
    return db_queue(db, STMT_COMMIT, NULL, 0, detail);
}

static FALLIBLE complete(struct call_work *work, struct detail *detail)
{
    struct store *store = work->store;
    struct db_rows **results = NULL;
    size_t count = 0;
    TRY(db_begin_pipeline(store->db, detail));
    TRY(store_end(store, queue_completion(work, detail), detail, &results, &count));
    err_t err = read_facts(work, results[AT_COMPLETED], results[AT_HOLDER_AFTER]);
    store_results_free(results, count);
    return err;
}

err_t store_call(struct store *store, const struct bus_call *call, struct detail *detail,
                 struct bus_reply *ret_reply)
{
    struct call_work work;
    TRY(store_begin(store, detail));
    TRY(work_init(&work, store, call));
    meeting_turn(&work.meeting, MEET_CLAIM, work.id);
    TRY(commit(&work, detail));
    if (work.facts.has_call && !work.is_new) {
        TRY(known_is_durable(&work, detail));
    }
    if (may_complete(&work)) {
        TRY(complete(&work, detail));
    }
    if (work.facts.has_call && !work.facts.is_other_body) {
        TRY(meeting_end(&work.meeting, work.facts.call_id));
    } else {
        meeting_release(&work.meeting, work.id);
    }
    create_decide(&work.facts, ret_reply);
    return OK;
}
