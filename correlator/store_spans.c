/* The transaction of an export and its look; writer.h tells the way. */
#include "correlator/metrics.h"
#include "correlator/params.h"
#include "correlator/store.h"
#include "proto/base/check.h"
#include "proto/base/fault.h"

#include "proto/base/banned.h"

/* What the rendezvous found: a call that claims a key of a trace. */
struct found {
    const struct plan_key *key;
    struct uuid conversation;
};

struct spans_work {
    struct store *store;
    struct plan plan;
    size_t messages_count;
    bool *is_looked;  /* of each key: committed and looked at before on this connection */
    bool *is_flagged; /* of each trace: Redis says that a room of it is skipped */
    struct found *found;
    size_t found_count;
    size_t met_links_count; /* that the rendezvous found */
    struct skipped *skipped;
    size_t skipped_count;
    size_t queued;   /* statements of the running pipeline */
    size_t links_at; /* places among their results */
    size_t words_at; /* 0: none was queued */
};

static struct memo_mark mark_of_key(const struct plan_key *key)
{
    uint8_t kind = (uint8_t)key->key.kind;
    struct bytes parts[] = {bytes_of(key->project.b, sizeof key->project.b), bytes_of(&kind, 1),
                            key->key.value, bytes_of(key->trace.b, sizeof key->trace.b)};
    return memo_mark_of(parts, sizeof parts / sizeof parts[0]);
}

static struct memo_mark mark_of_word(const struct plan_word *word)
{
    uint8_t kind = (uint8_t)word->word.kind;
    struct bytes parts[] = {bytes_of(word->project.b, sizeof word->project.b), bytes_of(&kind, 1),
                            word->word.key, word->word.value};
    return memo_mark_of(parts, sizeof parts / sizeof parts[0]);
}

/* Of a key whose values fill its part of the dictionary. */
static struct memo_mark mark_of_full(struct uuid project, enum word_kind kind, struct bytes key)
{
    uint8_t kind_octet = (uint8_t)kind;
    struct bytes parts[] = {bytes_of(project.b, sizeof project.b), bytes_of(&kind_octet, 1), key};
    return memo_mark_of(parts, sizeof parts / sizeof parts[0]);
}

static size_t trace_at(const struct plan *plan, struct uuid project, struct trace_id trace)
{
    size_t from = 0;
    size_t to = plan->traces_count;
    while (from < to) {
        size_t middle = from + (to - from) / 2;
        const struct plan_trace *at = &plan->traces[middle];
        int order = memcmp(at->project.b, project.b, sizeof project.b);
        order = order != 0 ? order : memcmp(at->id.b, trace.b, sizeof trace.b);
        if (order == 0) {
            return middle;
        }
        if (order < 0) {
            from = middle + 1;
        } else {
            to = middle;
        }
    }
    UNREACHABLE();
}

static FALLIBLE work_init(struct spans_work *work, struct store *store,
                          const struct bus_message *const *messages, size_t count)
{
    *work = (struct spans_work){.store = store, .messages_count = count};
    struct arena *arena = &store->work;
    TRY(plan_make(messages, count, arena, &work->plan));
    const struct plan *plan = &work->plan;
    work->is_looked = arena_zero(arena, plan->keys_count, sizeof *work->is_looked);
    work->is_flagged = arena_zero(arena, plan->traces_count, sizeof *work->is_flagged);
    work->found = arena_zero(arena, plan->keys_count, sizeof *work->found);
    if (work->is_looked == NULL || work->is_flagged == NULL || work->found == NULL) {
        return FAIL(NO_SPACE);
    }
    for (size_t i = 0; i < plan->keys_count; i++) {
        work->is_looked[i] =
            !plan->keys[i].is_skipping && memo_has(&store->looked, mark_of_key(&plan->keys[i]));
    }
    return OK;
}

/* --- rendezvous ------------------------------------------------------------------------------------- */

static bool is_met(const struct spans_work *work, size_t key)
{
    return !work->is_looked[key] && work->plan.keys[key].key.kind != MATCH_KIND_TRACE;
}

static FALLIBLE meet(struct spans_work *work)
{
    const struct plan *plan = &work->plan;
    struct meet *meets = arena_zero(&work->store->work, plan->keys_count, sizeof *meets);
    size_t *keys = arena_zero(&work->store->work, plan->keys_count, sizeof *keys);
    if (meets == NULL || keys == NULL) {
        return FAIL(NO_SPACE);
    }
    size_t count = 0;
    for (size_t i = 0; i < plan->keys_count; i++) {
        if (is_met(work, i)) {
            struct meet *one = &meets[count];
            *one = (struct meet){
                .op = MEET_OBSERVE, .project = plan->keys[i].project, .key = plan->keys[i].key};
            memcpy(one->id, plan->keys[i].trace.b, sizeof one->id);
            keys[count++] = i;
        }
    }
    if (!store_meet(work->store, meets, count)) {
        return OK;
    }
    for (size_t i = 0; i < count; i++) {
        const struct plan_key *key = &plan->keys[keys[i]];
        if (meets[i].has_claim) {
            work->found[work->found_count++] =
                (struct found){.key = key, .conversation = meets[i].claim};
        }
        if (meets[i].is_flagged) {
            work->is_flagged[trace_at(plan, key->project, key->trace)] = true;
        }
    }
    return OK;
}

/* Only after the commit: a flag in Redis must be the truth, because a skip is never taken back. */
static FALLIBLE meet_flags(struct spans_work *work)
{
    const struct plan *plan = &work->plan;
    struct meet *meets = arena_zero(&work->store->work, plan->keys_count, sizeof *meets);
    if (meets == NULL) {
        return FAIL(NO_SPACE);
    }
    size_t count = 0;
    for (size_t i = 0; i < plan->keys_count; i++) {
        if (plan->keys[i].is_skipping) {
            meets[count++] = (struct meet){
                .op = MEET_FLAG, .project = plan->keys[i].project, .key = plan->keys[i].key};
        }
    }
    (void)store_meet(work->store, meets,
                     count); /* a hint: the look finds what it would have told */
    return OK;
}

/* --- commit ----------------------------------------------------------------------------------------- */

static FALLIBLE queue(struct spans_work *work, enum stmt stmt, const struct db_value *values,
                      size_t count, struct detail *detail)
{
    work->queued++;
    return db_queue(work->store->db, stmt, values, count, detail);
}

static FALLIBLE queue_params(struct spans_work *work, enum stmt stmt, const struct params *params,
                             struct detail *detail)
{
    work->queued++;
    return params_queue(params, work->store->db, stmt, detail);
}

static struct db_value text_or_null(struct bytes text, bool has)
{
    return has && text.len > 0 ? db_text(text) : db_null();
}

static FALLIBLE queue_traces(struct spans_work *work, struct unix_ns now, struct detail *detail)
{
    static const enum db_type types[] = {DB_TYPE_UUID, DB_TYPE_BYTEA, DB_TYPE_BOOL,  DB_TYPE_BOOL,
                                         DB_TYPE_TIME, DB_TYPE_TIME,  DB_TYPE_INT8,  DB_TYPE_INT8,
                                         DB_TYPE_BOOL, DB_TYPE_TEXT,  DB_TYPE_BYTEA, DB_TYPE_INT8,
                                         DB_TYPE_INT8, DB_TYPE_TEXT,  DB_TYPE_TEXT,  DB_TYPE_INT4};
    enum { COLUMNS = sizeof types / sizeof types[0] };
    const struct plan *plan = &work->plan;
    struct params params;
    TRY(params_init(&params, &work->store->work, types, COLUMNS, plan->traces_count));
    for (size_t i = 0; i < plan->traces_count; i++) {
        const struct plan_trace *trace = &plan->traces[i];
        const struct bus_root *root = &trace->root;
        bool skips_rooms = trace->is_skipping && !fault_is(FAULT_FORGET_ROOM_FLAG);
        params_row(&params,
                   (struct db_value[]){
                       db_uuid(&trace->project),
                       params_trace_id(&trace->id),
                       db_bool(trace->is_skipping || work->is_flagged[i]),
                       db_bool(skips_rooms),
                       db_time(trace->first_seen),
                       db_time(trace->last_seen),
                       db_int8(trace->start.ns),
                       db_int8(trace->end.ns),
                       db_bool(trace->has_error),
                       text_or_null(trace->service, true),
                       trace->has_root ? db_bytes(bytes_of(root->span_id.b, sizeof root->span_id.b))
                                       : db_null(),
                       trace->has_root ? db_int8(root->start.ns) : db_null(),
                       trace->has_root ? db_int8(root->end.ns) : db_null(),
                       trace->has_root ? db_text(root->name) : db_null(),
                       text_or_null(root->service, trace->has_root),
                       db_int4((int32_t)trace->keys_dropped),
                   });
    }
    struct db_value values[COLUMNS + 1];
    TRY(params_pack(&params, values));
    values[COLUMNS] = db_time(now);
    return queue(work, STMT_TRACES_UPSERT, values, COLUMNS + 1, detail);
}

/* A trace's own id is no row: whoever looks for it reads the trace. */
static FALLIBLE queue_keys(struct spans_work *work, struct detail *detail)
{
    static const enum db_type types[] = {DB_TYPE_UUID, DB_TYPE_INT2, DB_TYPE_BYTEA, DB_TYPE_BYTEA,
                                         DB_TYPE_BOOL};
    const struct plan *plan = &work->plan;
    struct params params;
    TRY(params_init(&params, &work->store->work, types, 5, plan->keys_count));
    for (size_t i = 0; i < plan->keys_count; i++) {
        const struct plan_key *key = &plan->keys[i];
        if (key->key.kind == MATCH_KIND_TRACE) {
            continue;
        }
        bool is_skipping = key->is_skipping && !fault_is(FAULT_FORGET_ROOM_FLAG);
        params_row(&params,
                   (struct db_value[]){db_uuid(&key->project), db_int2((int16_t)key->key.kind),
                                       db_bytes(key->key.value), params_trace_id(&key->trace),
                                       db_bool(is_skipping)});
    }
    return params.rows == 0 ? OK : queue_params(work, STMT_TRACE_KEYS_ADD, &params, detail);
}

/* The skipping traces of the group: (project, trace). */
static FALLIBLE skipping_traces(struct spans_work *work, struct params *params)
{
    static const enum db_type types[] = {DB_TYPE_UUID, DB_TYPE_BYTEA};
    const struct plan *plan = &work->plan;
    TRY(params_init(params, &work->store->work, types, 2, plan->traces_count));
    for (size_t i = 0; i < plan->traces_count; i++) {
        if (plan->traces[i].is_skipping) {
            params_row(params, (struct db_value[]){db_uuid(&plan->traces[i].project),
                                                   params_trace_id(&plan->traces[i].id)});
        }
    }
    return OK;
}

/* Rooms that a trace named before it said roark.skip. */
static FALLIBLE queue_old_rooms(struct spans_work *work, struct detail *detail)
{
    struct params params;
    TRY(skipping_traces(work, &params));
    return params.rows == 0 ? OK : queue_params(work, STMT_TRACE_KEYS_SKIP, &params, detail);
}

static FALLIBLE queue_tags(struct spans_work *work, struct detail *detail)
{
    static const enum db_type types[] = {DB_TYPE_UUID, DB_TYPE_BYTEA, DB_TYPE_BYTEA, DB_TYPE_BYTEA};
    const struct plan *plan = &work->plan;
    if (plan->tags_count == 0) {
        return OK;
    }
    struct params params;
    TRY(params_init(&params, &work->store->work, types, 4, plan->tags_count));
    for (size_t i = 0; i < plan->tags_count; i++) {
        const struct plan_tag *tag = &plan->tags[i];
        params_row(&params,
                   (struct db_value[]){db_uuid(&tag->project), db_bytes(tag->tag.key),
                                       db_bytes(tag->tag.value), params_trace_id(&tag->trace)});
    }
    return queue_params(work, STMT_TRACE_TAGS_ADD, &params, detail);
}

/* The terms of all segments one after the other. */
static FALLIBLE pack_terms(struct spans_work *work, struct db_value *ret_terms)
{
    const struct plan *plan = &work->plan;
    struct arena *arena = &work->store->work;
    size_t total = 0;
    for (size_t i = 0; i < plan->segments_count; i++) {
        total += plan->segments[i].trace->terms_count;
    }
    struct db_value *terms = arena_zero(arena, total, sizeof *terms);
    if (terms == NULL) {
        return FAIL(NO_SPACE);
    }
    size_t at = 0;
    for (size_t i = 0; i < plan->segments_count; i++) {
        const struct bus_trace *trace = plan->segments[i].trace;
        for (size_t n = 0; n < trace->terms_count; n++) {
            terms[at++] = db_int8((int64_t)trace->terms[n]);
        }
    }
    return db_array(arena, DB_TYPE_INT8, terms, total, ret_terms);
}

static FALLIBLE queue_segments(struct spans_work *work, struct detail *detail)
{
    static const enum db_type types[] = {DB_TYPE_UUID, DB_TYPE_BYTEA, DB_TYPE_BYTEA,
                                         DB_TYPE_INT4, DB_TYPE_INT4,  DB_TYPE_INT4,
                                         DB_TYPE_INT4, DB_TYPE_INT4,  DB_TYPE_BYTEA};
    enum { COLUMNS = sizeof types / sizeof types[0] };
    const struct plan *plan = &work->plan;
    struct params params;
    TRY(params_init(&params, &work->store->work, types, COLUMNS, plan->segments_count));
    int32_t terms_before = 0;
    for (size_t i = 0; i < plan->segments_count; i++) {
        const struct plan_segment *segment = &plan->segments[i];
        const struct bus_trace *trace = segment->trace;
        int32_t terms_to = terms_before + (int32_t)trace->terms_count;
        params_row(&params, (struct db_value[]){
                                db_uuid(&segment->project),
                                params_trace_id(&trace->id),
                                db_bytes(bytes_of(trace->segment_hash, sizeof trace->segment_hash)),
                                db_int4((int32_t)trace->spans_count),
                                db_int4((int32_t)trace->errors_count),
                                db_int4((int32_t)trace->segment_raw_bytes),
                                db_int4(terms_before + 1), /* SQL counts from one */
                                db_int4(terms_to),
                                db_bytes(trace->segment),
                            });
        terms_before = terms_to;
    }
    struct db_value values[COLUMNS + 1];
    TRY(params_pack(&params, values));
    TRY(pack_terms(work, &values[COLUMNS]));
    return queue(work, STMT_SEGMENTS_ADD, values, COLUMNS + 1, detail);
}

static FALLIBLE queue_links(struct spans_work *work, struct detail *detail)
{
    static const enum db_type types[] = {DB_TYPE_UUID, DB_TYPE_UUID, DB_TYPE_BYTEA, DB_TYPE_INT2,
                                         DB_TYPE_BYTEA};
    struct params params;
    TRY(params_init(&params, &work->store->work, types, 5, work->found_count));
    for (size_t i = 0; i < work->found_count; i++) {
        const struct plan_key *key = work->found[i].key;
        params_row(&params, (struct db_value[]){
                                db_uuid(&key->project), db_uuid(&work->found[i].conversation),
                                params_trace_id(&key->trace), db_int2((int16_t)key->key.kind),
                                db_bytes(key->key.value)});
    }
    return queue_params(work, STMT_LINKS_ADD, &params, detail);
}

static FALLIBLE queue_words(struct spans_work *work, struct detail *detail)
{
    static const enum db_type types[] = {DB_TYPE_UUID, DB_TYPE_INT2, DB_TYPE_BYTEA, DB_TYPE_BYTEA};
    const struct plan *plan = &work->plan;
    struct memo *memo = &work->store->words;
    struct params params;
    TRY(params_init(&params, &work->store->work, types, 4, plan->words_count));
    for (size_t i = 0; i < plan->words_count; i++) {
        const struct plan_word *word = &plan->words[i];
        if (!memo_has(memo, mark_of_word(word)) &&
            !memo_has(memo, mark_of_full(word->project, word->word.kind, word->word.key))) {
            params_row(&params, (struct db_value[]){
                                    db_uuid(&word->project), db_int2((int16_t)word->word.kind),
                                    db_bytes(word->word.key), db_bytes(word->word.value)});
        }
    }
    if (params.rows == 0) {
        return OK;
    }
    work->words_at = work->queued;
    return queue_params(work, STMT_WORDS_ADD, &params, detail);
}

enum { AT_TRACES = 1 }; /* BEGIN is 0 */

static FALLIBLE queue_all(struct spans_work *work, struct detail *detail)
{
    work->queued = 0;
    work->words_at = 0;
    TRY(queue(work, STMT_BEGIN, NULL, 0, detail));
    TRY(queue_traces(work, clock_unix(), detail));
    TRY(queue_keys(work, detail));
    TRY(queue_old_rooms(work, detail));
    TRY(queue_tags(work, detail));
    TRY(queue_segments(work, detail));
    work->links_at = work->queued;
    TRY(queue_links(work, detail));
    TRY(queue_words(work, detail));
    return queue(work, STMT_COMMIT, NULL, 0, detail);
}

/* The traces whose row says that they are skipped: what this group brought of them goes. */
static void read_skipped(struct spans_work *work, struct db_rows *rows)
{
    const struct plan *plan = &work->plan;
    INVARIANT(db_rows_count(rows) == plan->traces_count);
    for (size_t i = 0; db_next(rows); i++) {
        if (db_get_bool(rows, 0)) {
            work->skipped[work->skipped_count++] =
                (struct skipped){.project = plan->traces[i].project,
                                 .trace = plan->traces[i].id,
                                 .spans_count = plan->traces[i].spans_count};
        }
    }
}

/* Values of a key that is full are not asked for again: ids that never repeat would be, in every group. */
static void remember_words(struct spans_work *work, struct db_rows *full)
{
    struct memo *memo = &work->store->words;
    while (full != NULL && db_next(full)) {
        memo_add(memo, mark_of_full(db_get_uuid(full, 0), (enum word_kind)db_get_int(full, 1),
                                    db_get_bytes(full, 2)));
    }
    for (size_t i = 0; i < work->plan.words_count; i++) {
        const struct plan_word *word = &work->plan.words[i];
        if (!memo_has(memo, mark_of_full(word->project, word->word.kind, word->word.key))) {
            memo_add(memo, mark_of_word(word));
        }
    }
}

static void count_commit(const struct spans_work *work)
{
    uint64_t bytes = 0;
    for (size_t i = 0; i < work->plan.segments_count; i++) {
        bytes += work->plan.segments[i].trace->segment.len;
    }
    metric_amount(METRIC_COMMIT_BYTES, bytes);
    metric_amount(METRIC_COMMIT_MESSAGES, work->messages_count);
}

static FALLIBLE commit(struct spans_work *work, struct detail *detail)
{
    struct store *store = work->store;
    work->skipped = arena_zero(&store->work, work->plan.traces_count, sizeof *work->skipped);
    if (work->skipped == NULL) {
        return FAIL(NO_SPACE);
    }
    struct mono_ns began = clock_mono();
    struct db_rows **results = NULL;
    size_t count = 0;
    TRY(db_begin_pipeline(store->db, detail));
    TRY(store_end(store, queue_all(work, detail), detail, &results, &count));
    metric_seconds(METRIC_COMMIT_SECONDS, clock_mono().ns - began.ns);
    count_commit(work);
    read_skipped(work, results[AT_TRACES]);
    work->met_links_count = store_news_links(store, results[work->links_at]);
    metric_add(METRIC_LINKS_RENDEZVOUS, work->met_links_count);
    remember_words(work, work->words_at == 0 ? NULL : results[work->words_at]);
    store_results_free(results, count);
    return OK;
}

/* --- look ------------------------------------------------------------------------------------------- */

/* With the look off (a test of the rendezvous), keys that Redis does not know are still looked at. */
static bool is_to_look(const struct spans_work *work, size_t key)
{
    if (work->is_looked[key] || fault_is(FAULT_SKIP_LOOK)) {
        return false;
    }
    return work->store->look || work->plan.keys[key].key.kind == MATCH_KIND_TRACE;
}

static FALLIBLE queue_look(struct spans_work *work, struct detail *detail)
{
    static const enum db_type types[] = {DB_TYPE_UUID, DB_TYPE_INT2, DB_TYPE_BYTEA, DB_TYPE_BYTEA};
    const struct plan *plan = &work->plan;
    struct params params;
    TRY(params_init(&params, &work->store->work, types, 4, plan->keys_count));
    for (size_t i = 0; i < plan->keys_count; i++) {
        const struct plan_key *key = &plan->keys[i];
        if (is_to_look(work, i)) {
            params_row(&params,
                       (struct db_value[]){db_uuid(&key->project), db_int2((int16_t)key->key.kind),
                                           db_bytes(key->key.value), params_trace_id(&key->trace)});
        }
    }
#if defined(CALLTRACE_FAULTS)
    if (fault_is(FAULT_IGNORE_PROJECT)) {
        return queue_params(work, STMT_LOOK_TRACES_ANY_PROJECT, &params, detail);
    }
#endif
    return queue_params(work, STMT_LOOK_TRACES, &params, detail);
}

static FALLIBLE queue_rooms(struct spans_work *work, struct detail *detail)
{
    static const enum db_type types[] = {DB_TYPE_UUID, DB_TYPE_BYTEA};
    const struct plan *plan = &work->plan;
    struct params rooms;
    struct params traces;
    struct db_value values[4];
    TRY(params_init(&rooms, &work->store->work, types, 2, plan->keys_count));
    for (size_t i = 0; i < plan->keys_count; i++) {
        const struct plan_key *key = &plan->keys[i];
        if (!work->is_looked[i] && key->key.kind == MATCH_KIND_LIVEKIT) {
            params_row(&rooms,
                       (struct db_value[]){db_uuid(&key->project), db_bytes(key->key.value)});
        }
    }
    TRY(skipping_traces(work, &traces));
    TRY(params_pack(&rooms, values));
    TRY(params_pack(&traces, values + 2));
    return queue(work, STMT_LOOK_ROOMS, values, 4, detail);
}

/* A claim may have been that of a call which was superseded while the links to it were on their way. */
static FALLIBLE queue_superseded(struct spans_work *work, struct detail *detail)
{
    static const enum db_type types[] = {DB_TYPE_UUID, DB_TYPE_BYTEA};
    const struct plan *plan = &work->plan;
    struct params params;
    TRY(params_init(&params, &work->store->work, types, 2, plan->traces_count));
    for (size_t i = 0; i < plan->traces_count; i++) {
        params_row(&params, (struct db_value[]){db_uuid(&plan->traces[i].project),
                                                params_trace_id(&plan->traces[i].id)});
    }
    return queue_params(work, STMT_LINKS_SUPERSEDED, &params, detail);
}

static FALLIBLE queue_looks(struct spans_work *work, struct detail *detail)
{
    TRY(queue_look(work, detail));
    TRY(queue_rooms(work, detail));
    return work->met_links_count > 0 ? queue_superseded(work, detail) : OK;
}

static FALLIBLE read_rooms(struct spans_work *work, struct db_rows *rows)
{
    struct skipped *list =
        arena_zero(&work->store->work, work->skipped_count + db_rows_count(rows), sizeof *list);
    if (list == NULL) {
        return FAIL(NO_SPACE);
    }
    if (work->skipped_count > 0) {
        memcpy(list, work->skipped, work->skipped_count * sizeof *list);
    }
    while (db_next(rows)) {
        struct skipped *one = &list[work->skipped_count++];
        struct bytes trace = db_get_bytes(rows, 1);
        INVARIANT(trace.len == sizeof one->trace.b);
        one->project = db_get_uuid(rows, 0);
        memcpy(one->trace.b, trace.ptr, sizeof one->trace.b);
    }
    work->skipped = list;
    return OK;
}

static bool has_to_look(const struct spans_work *work)
{
    for (size_t i = 0; i < work->plan.keys_count; i++) {
        if (!work->is_looked[i]) {
            return true;
        }
    }
    for (size_t i = 0; i < work->plan.traces_count; i++) {
        if (work->plan.traces[i].is_skipping) { /* its older rooms are flagged now */
            return true;
        }
    }
    return false;
}

static FALLIBLE look(struct spans_work *work, struct detail *detail)
{
    struct store *store = work->store;
    if (!has_to_look(work)) {
        return OK;
    }
    struct mono_ns began = clock_mono();
    struct db_rows **results = NULL;
    size_t count = 0;
    TRY(db_begin_pipeline(store->db, detail));
    TRY(store_end(store, queue_looks(work, detail), detail, &results, &count));
    metric_add(METRIC_LINKS_LOOK, store_news_links(store, results[0]));
    err_t err = read_rooms(work, results[1]);
    store_results_free(results, count);
    metric_seconds(METRIC_LOOK_SECONDS, clock_mono().ns - began.ns);
    return err;
}

/* Only what was looked at may be passed over later. */
static void remember(struct spans_work *work)
{
    for (size_t i = 0; i < work->plan.keys_count && work->store->look; i++) {
        memo_add(&work->store->looked, mark_of_key(&work->plan.keys[i]));
    }
}

static void tell(struct spans_work *work)
{
    for (size_t i = 0; i < work->plan.traces_count; i++) {
        store_news(work->store, &(struct bus_announcement){.project = work->plan.traces[i].project,
                                                           .what = ANNOUNCE_TRACE,
                                                           .has_trace = true,
                                                           .trace = work->plan.traces[i].id});
    }
    for (size_t i = 0; i < work->plan.segments_count; i++) {
        metric_add(METRIC_SPANS, work->plan.segments[i].trace->spans_count);
    }
    metric_add(METRIC_SEGMENTS, work->plan.segments_count);
}

err_t store_spans(struct store *store, const struct bus_message *const *messages, size_t count,
                  struct detail *detail)
{
    struct spans_work work;
    TRY(store_begin(store, detail));
    TRY(work_init(&work, store, messages, count));
    if (work.plan.traces_count == 0) {
        return OK;
    }
    TRY(meet(&work));
    TRY(commit(&work, detail));
    TRY(look(&work, detail));
    TRY(store_skip(store, work.skipped, work.skipped_count, detail));
    TRY(meet_flags(&work));
    remember(&work);
    tell(&work);
    return OK;
}
