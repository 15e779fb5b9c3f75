/* The transaction of a create and its look; writer.h tells the way. */
#include "correlator/core/decide.h"
#include "correlator/core/text.h"
#include "correlator/metrics.h"
#include "correlator/params.h"
#include "correlator/store.h"
#include "proto/base/check.h"
#include "proto/base/fault.h"

#include "proto/base/banned.h"

struct call_work {
    struct store *store;
    const struct bus_call *call;
    struct uuid id; /* the message's; another one under a seeded fault */
    struct bytes title;
    struct call_key *keys;
    size_t keys_count;
    struct meet *meets; /* one of each key; op MEET_NONE where Redis is not asked */
    bool was_met;
    struct create_facts facts;
};

static FALLIBLE work_init(struct call_work *work, struct store *store, const struct bus_call *call)
{
    *work = (struct call_work){.store = store, .call = call, .id = call->id};
    if (fault_is(FAULT_LOST_DEDUPE)) {
        work->id = uuid_make();
    }
    TRY(call_keys_make(call, &store->work, &work->keys, &work->keys_count));
    TRY(text_for_summary(call->title, &store->work, &work->title));
    work->meets = arena_zero(&store->work, work->keys_count, sizeof *work->meets);
    return work->meets == NULL ? FAIL(NO_SPACE) : OK;
}

/* --- rendezvous ------------------------------------------------------------------------------------- */

/* One operation for each key that Redis knows. False when Redis is away. */
static bool meet(struct call_work *work, enum meet_op op, struct uuid id)
{
    size_t count = 0;
    for (size_t i = 0; i < work->keys_count; i++) {
        if (work->keys[i].key.kind != MATCH_KIND_TRACE) {
            struct meet *one = &work->meets[count++];
            *one =
                (struct meet){.op = op, .project = work->call->project, .key = work->keys[i].key};
            memcpy(one->id, id.b, sizeof one->id);
        }
    }
    for (size_t i = count; i < work->keys_count; i++) {
        work->meets[i] = (struct meet){.op = MEET_NONE};
    }
    return store_meet(work->store, work->meets, count);
}

static bool is_claimed_by(const struct call_work *work, struct uuid id)
{
    for (size_t i = 0; i < work->keys_count && work->meets[i].op != MEET_NONE; i++) {
        if (!work->meets[i].has_claim || !uuid_equal(work->meets[i].claim, id)) {
            return false;
        }
    }
    return true;
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
    TRY(params_init(&params, &work->store->work, types, 3, work->keys_count));
    for (size_t i = 0; i < work->keys_count; i++) {
        params_row(&params, (struct db_value[]){db_int2((int16_t)work->keys[i].key.kind),
                                                db_bytes(work->keys[i].key.value),
                                                db_uuid(&work->keys[i].slot)});
    }
    return params_pack(&params, ret_values);
}

static FALLIBLE queue_call(struct call_work *work, struct detail *detail)
{
    const struct bus_call *call = work->call;
    struct db_value values[IDENTITY + 10];
    identity_fill(work, values);
    values[5] = db_int2((int16_t)call->kind);
    values[6] = db_int2((int16_t)call->source);
    values[7] = db_time(call->created);
    values[8] = call->has_started ? db_time(call->started) : db_null();
    values[9] = call->has_ended ? db_time(call->ended) : db_null();
    values[10] = db_int2((int16_t)call->status);
    values[11] = db_int2((int16_t)call->direction);
    values[12] = work->title.len > 0 ? db_text(work->title) : db_null();
    values[13] = db_bytes(call->body);
    values[14] = db_int8((int64_t)work->keys_count);
    return db_queue(work->store->db, STMT_CALL_ADD, values, IDENTITY + 10, detail);
}

/* Places of the results that are read. */
enum { AT_FIND = 5, AT_HOLDER = 6 };

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
    err_t err = read_facts(work, results[AT_FIND], results[AT_HOLDER]);
    store_results_free(results, count);
    return err;
}

/* --- look ------------------------------------------------------------------------------------------- */

static FALLIBLE queue_waiting(struct call_work *work, struct detail *detail)
{
    static const enum db_type types[] = {DB_TYPE_UUID, DB_TYPE_UUID, DB_TYPE_BYTEA, DB_TYPE_INT2,
                                         DB_TYPE_BYTEA};
    size_t total = 0;
    for (size_t i = 0; i < work->keys_count; i++) {
        total += work->meets[i].waiting_count;
    }
    struct params params;
    TRY(params_init(&params, &work->store->work, types, 5, total));
    for (size_t i = 0; i < work->keys_count; i++) {
        const struct meet *one = &work->meets[i];
        for (size_t n = 0; n < one->waiting_count; n++) {
            params_row(&params, (struct db_value[]){
                                    db_uuid(&work->call->project), db_uuid(&work->facts.call_id),
                                    params_trace_id(&one->waiting[n]),
                                    db_int2((int16_t)one->key.kind), db_bytes(one->key.value)});
        }
    }
    return params_queue(&params, work->store->db, STMT_LINKS_MEET, detail);
}

/* With the look off (a test of the rendezvous), keys that Redis does not know are still looked at. */
static bool is_to_look(const struct call_work *work)
{
    bool is_unknown_to_redis = false;
    for (size_t i = 0; i < work->keys_count; i++) {
        is_unknown_to_redis = is_unknown_to_redis || work->keys[i].key.kind == MATCH_KIND_TRACE;
    }
    return (work->store->look || is_unknown_to_redis) && !fault_is(FAULT_SKIP_LOOK);
}

static FALLIBLE queue_looks(struct call_work *work, struct detail *detail)
{
    struct arena *arena = &work->store->work;
    struct db *db = work->store->db;
    struct db_value call[2];
    struct db_value project = db_uuid(&work->call->project);
    struct db_value id = db_uuid(&work->facts.call_id);
    TRY(db_array(arena, DB_TYPE_UUID, &project, 1, &call[0]));
    TRY(db_array(arena, DB_TYPE_UUID, &id, 1, &call[1]));
    TRY(queue_waiting(work, detail));
    enum stmt stmt = STMT_LOOK_CALLS;
#if defined(CALLTRACE_FAULTS)
    if (fault_is(FAULT_IGNORE_PROJECT)) {
        stmt = STMT_LOOK_CALLS_ANY_PROJECT;
    }
#endif
    if (is_to_look(work)) {
        TRY(db_queue(db, stmt, call, 2, detail));
    }
    return fault_is(FAULT_FORGET_SKIP) ? OK
                                       : db_queue(db, STMT_LOOK_CALLS_SKIPPED, call, 2, detail);
}

static FALLIBLE look(struct call_work *work, struct detail *detail)
{
    struct store *store = work->store;
    struct mono_ns began = clock_mono();
    struct db_rows **results = NULL;
    size_t count = 0;
    TRY(db_begin_pipeline(store->db, detail));
    TRY(store_end(store, queue_looks(work, detail), detail, &results, &count));
    metric_add(METRIC_LINKS_RENDEZVOUS, store_news_links(store, results[0]));
    if (is_to_look(work)) {
        metric_add(METRIC_LINKS_LOOK, store_news_links(store, results[1]));
    }
    store_results_free(results, count);
    metric_seconds(METRIC_LOOK_SECONDS, clock_mono().ns - began.ns);
    return OK;
}

/* The call is committed: Redis hears of it if it thought otherwise, and tells who waits. */
static FALLIBLE win(struct call_work *work, struct detail *detail)
{
    if (work->was_met && !is_claimed_by(work, work->facts.call_id)) {
        work->was_met = meet(work, MEET_FORCE, work->facts.call_id);
    }
    TRY(look(work, detail));
    store_news(work->store, &(struct bus_announcement){.project = work->call->project,
                                                       .what = ANNOUNCE_CALL,
                                                       .has_conversation = true,
                                                       .conversation = work->facts.call_id});
    return OK;
}

err_t store_call(struct store *store, const struct bus_call *call, struct detail *detail,
                 struct bus_reply *ret_reply)
{
    struct call_work work;
    TRY(store_begin(store, detail));
    TRY(work_init(&work, store, call));
    work.was_met = meet(&work, MEET_CLAIM, work.id);
    TRY(commit(&work, detail));
    if (work.facts.has_call && !work.facts.is_other_body) {
        TRY(win(&work, detail));
    } else if (work.was_met) {
        (void)meet(&work, MEET_RELEASE, work.id); /* a claim that stays is found out by Postgres */
    }
    create_decide(&work.facts, ret_reply);
    return OK;
}
