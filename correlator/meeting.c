#include "correlator/meeting.h"

#include "correlator/metrics.h"
#include "correlator/params.h"
#include "proto/base/fault.h"

#include "proto/base/banned.h"

err_t meeting_init(struct meeting *meeting, struct store *store, struct uuid project,
                   struct call_key *keys, size_t count)
{
    *meeting =
        (struct meeting){.store = store, .project = project, .keys = keys, .keys_count = count};
    meeting->meets = arena_zero(&store->work, count, sizeof *meeting->meets);
    return meeting->meets == NULL ? FAIL(NO_SPACE) : OK;
}

err_t meeting_pack(const struct meeting *meeting, struct db_value ret_values[2])
{
    static const enum db_type types[] = {DB_TYPE_INT2, DB_TYPE_BYTEA};
    struct params params;
    TRY(params_init(&params, &meeting->store->work, types, 2, meeting->keys_count));
    for (size_t i = 0; i < meeting->keys_count; i++) {
        params_row(&params, (struct db_value[]){db_int2((int16_t)meeting->keys[i].key.kind),
                                                db_bytes(meeting->keys[i].key.value)});
    }
    return params_pack(&params, ret_values);
}

void meeting_turn(struct meeting *meeting, enum meet_op op, struct uuid call)
{
    size_t count = 0;
    for (size_t i = 0; i < meeting->keys_count; i++) {
        if (meeting->keys[i].key.kind != MATCH_KIND_TRACE) {
            struct meet *one = &meeting->meets[count++];
            *one =
                (struct meet){.op = op, .project = meeting->project, .key = meeting->keys[i].key};
            memcpy(one->id, call.b, sizeof one->id);
        }
    }
    for (size_t i = count; i < meeting->keys_count; i++) {
        meeting->meets[i] = (struct meet){.op = MEET_NONE};
    }
    meeting->was_met = store_meet(meeting->store, meeting->meets, count);
}

void meeting_release(struct meeting *meeting, struct uuid call)
{
    if (meeting->was_met) {
        meeting_turn(meeting, MEET_RELEASE, call);
    }
}

static bool is_claimed_by(const struct meeting *meeting, struct uuid call)
{
    for (size_t i = 0; i < meeting->keys_count && meeting->meets[i].op != MEET_NONE; i++) {
        if (!meeting->meets[i].has_claim || !uuid_equal(meeting->meets[i].claim, call)) {
            return false;
        }
    }
    return true;
}

/* --- the look -------------------------------------------------------------------------------------- */

/* Links to the traces that waited in Redis. */
static FALLIBLE queue_waiting(struct store *store, struct detail *detail)
{
    static const enum db_type types[] = {DB_TYPE_UUID, DB_TYPE_UUID, DB_TYPE_BYTEA, DB_TYPE_INT2,
                                         DB_TYPE_BYTEA};
    size_t total = 0;
    for (const struct meeting *meeting = store->looks; meeting != NULL; meeting = meeting->next) {
        for (size_t i = 0; i < meeting->keys_count; i++) {
            total += meeting->meets[i].waiting_count;
        }
    }
    struct params params;
    TRY(params_init(&params, &store->work, types, 5, total));
    for (const struct meeting *meeting = store->looks; meeting != NULL; meeting = meeting->next) {
        for (size_t i = 0; i < meeting->keys_count; i++) {
            const struct meet *one = &meeting->meets[i];
            for (size_t n = 0; n < one->waiting_count; n++) {
                params_row(&params, (struct db_value[]){
                                        db_uuid(&meeting->project), db_uuid(&meeting->call),
                                        params_trace_id(&one->waiting[n]),
                                        db_int2((int16_t)one->key.kind), db_bytes(one->key.value)});
            }
        }
    }
    return params_queue(&params, store->db, STMT_LINKS_MEET, detail);
}

/* With the look off (a test of the rendezvous), keys that Redis does not know are still looked at. */
static bool is_to_look(const struct meeting *meeting)
{
    bool is_unknown_to_redis = false;
    for (size_t i = 0; i < meeting->keys_count; i++) {
        is_unknown_to_redis = is_unknown_to_redis || meeting->keys[i].key.kind == MATCH_KIND_TRACE;
    }
    return (meeting->store->look || is_unknown_to_redis) && !fault_is(FAULT_SKIP_LOOK);
}

static bool is_any(const struct meeting *meeting)
{
    (void)meeting;
    return true;
}

static FALLIBLE queue_calls(struct store *store, enum stmt stmt,
                            bool (*is_wanted)(const struct meeting *), struct detail *detail)
{
    static const enum db_type types[] = {DB_TYPE_UUID, DB_TYPE_UUID};
    size_t count = 0;
    for (const struct meeting *meeting = store->looks; meeting != NULL; meeting = meeting->next) {
        count++;
    }
    struct params params;
    TRY(params_init(&params, &store->work, types, 2, count));
    for (const struct meeting *meeting = store->looks; meeting != NULL; meeting = meeting->next) {
        if (is_wanted(meeting)) {
            params_row(&params,
                       (struct db_value[]){db_uuid(&meeting->project), db_uuid(&meeting->call)});
        }
    }
    return params_queue(&params, store->db, stmt, detail);
}

static FALLIBLE queue_looks(struct store *store, struct detail *detail)
{
    enum stmt stmt = STMT_LOOK_CALLS;
#if defined(CALLTRACE_FAULTS)
    if (fault_is(FAULT_IGNORE_PROJECT)) {
        stmt = STMT_LOOK_CALLS_ANY_PROJECT;
    }
#endif
    TRY(queue_waiting(store, detail));
    TRY(queue_calls(store, stmt, is_to_look, detail));
    return fault_is(FAULT_FORGET_SKIP)
               ? OK
               : queue_calls(store, STMT_LOOK_CALLS_SKIPPED, is_any, detail);
}

err_t store_look(struct store *store, struct detail *detail)
{
    struct mono_ns began = clock_mono();
    struct db_rows **results = NULL;
    size_t count = 0;
    if (store->looks == NULL) {
        return OK;
    }
    TRY(store_begin(store, detail));
    TRY(db_begin_pipeline(store->db, detail));
    TRY(store_end(store, queue_looks(store, detail), detail, &results, &count));
    metric_add(METRIC_LINKS_RENDEZVOUS, store_news_links(store, results[0]));
    metric_add(METRIC_LINKS_LOOK, store_news_links(store, results[1]));
    store_results_free(results, count);
    metric_seconds(METRIC_LOOK_SECONDS, clock_mono().ns - began.ns);
    for (const struct meeting *meeting = store->looks; meeting != NULL; meeting = meeting->next) {
        store_news(store, &(struct bus_announcement){.project = meeting->project,
                                                     .what = ANNOUNCE_CALL,
                                                     .has_conversation = true,
                                                     .conversation = meeting->call});
    }
    store->looks = NULL;
    return OK;
}

void store_forget_looks(struct store *store)
{
    store->looks = NULL;
}

err_t meeting_end(const struct meeting *meeting, struct uuid call)
{
    struct store *store = meeting->store;
    struct meeting *kept = arena_alloc(&store->work, sizeof *kept);
    if (kept == NULL) {
        return FAIL(NO_SPACE);
    }
    *kept = *meeting;
    kept->call = call;
    kept->next = store->looks;
    if (kept->was_met && !is_claimed_by(kept, call)) {
        meeting_turn(kept, MEET_FORCE, call);
    }
    store->looks = kept;
    return OK;
}
