#include "tests/replay/tables.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "proto/base/check.h"

#include "proto/base/banned.h"

enum { OVERTAKEN_S = 60, FORGET_S = 86400, NAME_BYTES = 512 };

__attribute__((format(printf, 2, 3))) static void tell(struct tables *tables, const char *format,
                                                       ...)
{
    va_list args;
    va_start(args, format);
    int len = vsnprintf(tables->effects + tables->effects_len, EFFECTS_BYTES - tables->effects_len,
                        format, args);
    va_end(args);
    INVARIANT(len >= 0 && tables->effects_len + (size_t)len + 1 < EFFECTS_BYTES);
    tables->effects_len += (size_t)len;
    tables->effects[tables->effects_len++] = '\n';
    tables->effects[tables->effects_len] = '\0';
}

/* Scenarios number their projects, traces and calls; the first octet is that number. */
static const char *key_text(const struct match_key *key, char out[NAME_BYTES])
{
    (void)snprintf(out, NAME_BYTES, "%s=%.*s", match_kind_name((unsigned)key->kind),
                   (int)key->value.len, (const char *)key->value.ptr);
    return out;
}

static bool key_equal(const struct match_key *a, const struct match_key *b)
{
    return match_key_compare(a, b) == 0;
}

static struct row_trace *trace_find(struct tables *tables, struct uuid project, struct trace_id id)
{
    for (size_t i = 0; i < tables->traces_count; i++) {
        if (uuid_equal(tables->traces[i].project, project) &&
            trace_id_equal(tables->traces[i].id, id)) {
            return &tables->traces[i];
        }
    }
    return NULL;
}

/* --- the look ----------------------------------------------------------------------------------------- */

static bool link_stands(const struct tables *tables, const struct row_link *link)
{
    for (size_t i = 0; i < tables->links_count; i++) {
        const struct row_link *at = &tables->links[i];
        if (uuid_equal(at->project, link->project) && uuid_equal(at->call, link->call) &&
            trace_id_equal(at->trace, link->trace) && key_equal(&at->key, &link->key)) {
            return true;
        }
    }
    return false;
}

static void look(struct tables *tables)
{
    char name[NAME_BYTES];
    for (size_t c = 0; c < tables->call_keys_count; c++) {
        for (size_t k = 0; k < tables->keys_count; k++) {
            const struct row_call_key *held = &tables->call_keys[c];
            const struct row_key *key = &tables->keys[k];
            struct row_link link = {held->project, held->call, key->trace, key->key};
            if (!uuid_equal(held->project, key->project) || !key_equal(&held->key.key, &key->key) ||
                trace_find(tables, key->project, key->trace)->is_skipped ||
                link_stands(tables, &link)) {
                continue;
            }
            INVARIANT(tables->links_count < ROWS_MAX);
            tables->links[tables->links_count++] = link;
            tell(tables, "link c%d t%d %s", link.call.b[0], link.trace.b[0],
                 key_text(&link.key, name));
        }
    }
}

static void skip(struct tables *tables, struct row_trace *trace)
{
    char name[NAME_BYTES];
    tell(tables, "skip t%d", trace->id.b[0]);
    size_t kept = 0;
    for (size_t i = 0; i < tables->segments_count; i++) {
        const struct row_segment *segment = &tables->segments[i];
        if (uuid_equal(segment->project, trace->project) &&
            trace_id_equal(segment->trace, trace->id)) {
            tell(tables, "unsegment t%d %c", trace->id.b[0], segment->hash[0]);
        } else {
            tables->segments[kept++] = *segment;
        }
    }
    tables->segments_count = kept;
    kept = 0;
    for (size_t i = 0; i < tables->links_count; i++) {
        const struct row_link *link = &tables->links[i];
        if (uuid_equal(link->project, trace->project) && trace_id_equal(link->trace, trace->id)) {
            tell(tables, "unlink c%d t%d %s", link->call.b[0], link->trace.b[0],
                 key_text(&link->key, name));
        } else {
            tables->links[kept++] = *link;
        }
    }
    tables->links_count = kept;
}

static bool room_is_flagged(const struct tables *tables, const struct row_key *key)
{
    for (size_t i = 0; i < tables->keys_count; i++) {
        const struct row_key *flag = &tables->keys[i];
        if (flag->is_skipping && uuid_equal(flag->project, key->project) &&
            key_equal(&flag->key, &key->key)) {
            return true;
        }
    }
    return false;
}

static void look_rooms(struct tables *tables)
{
    for (size_t i = 0; i < tables->keys_count; i++) {
        const struct row_key *key = &tables->keys[i];
        struct row_trace *trace = trace_find(tables, key->project, key->trace);
        if (key->key.kind == MATCH_KIND_LIVEKIT && !trace->is_skipped &&
            room_is_flagged(tables, key)) {
            trace->is_skipped = true;
            skip(tables, trace);
        }
    }
}

/* --- exports ------------------------------------------------------------------------------------------ */

static void upsert_trace(struct tables *tables, const struct plan_trace *plan, struct unix_ns now)
{
    struct row_trace *row = trace_find(tables, plan->project, plan->id);
    if (row == NULL) {
        char text[RFC3339_BYTES];
        INVARIANT(tables->traces_count < ROWS_MAX);
        row = &tables->traces[tables->traces_count++];
        *row = (struct row_trace){.project = plan->project, .id = plan->id};
        unix_to_rfc3339(now, 0, text);
        memcpy(row->day, text, strlen("2026-01-02"));
        tell(tables, "trace t%d day=%s", plan->id.b[0], row->day);
    }
    row->skips_rooms = row->skips_rooms || plan->is_skipping;
    if (plan->has_root && (!row->has_root || root_is_before(&plan->root, &row->root))) {
        row->has_root = true;
        row->root = plan->root;
        tell(tables, "root t%d %.*s", plan->id.b[0], (int)plan->root.name.len,
             (const char *)plan->root.name.ptr);
    }
}

static void add_key(struct tables *tables, const struct plan_key *key)
{
    const struct row_trace *trace = trace_find(tables, key->project, key->trace);
    bool is_skipping =
        key->is_skipping || (key->key.kind == MATCH_KIND_LIVEKIT && trace->skips_rooms);
    for (size_t i = 0; i < tables->keys_count; i++) {
        struct row_key *row = &tables->keys[i];
        if (uuid_equal(row->project, key->project) && key_equal(&row->key, &key->key) &&
            trace_id_equal(row->trace, key->trace)) {
            row->is_skipping = row->is_skipping || is_skipping;
            return;
        }
    }
    INVARIANT(tables->keys_count < ROWS_MAX);
    tables->keys[tables->keys_count++] =
        (struct row_key){key->project, key->key, key->trace, is_skipping};
}

static void flag_old_rooms(struct tables *tables)
{
    for (size_t i = 0; i < tables->keys_count; i++) {
        struct row_key *key = &tables->keys[i];
        if (key->key.kind == MATCH_KIND_LIVEKIT &&
            trace_find(tables, key->project, key->trace)->skips_rooms) {
            key->is_skipping = true;
        }
    }
}

static void add_segment(struct tables *tables, const struct plan_segment *segment)
{
    const struct row_trace *trace = trace_find(tables, segment->project, segment->trace->id);
    if (trace->is_skipped) {
        tell(tables, "drop t%d", trace->id.b[0]);
        return;
    }
    for (size_t i = 0; i < tables->segments_count; i++) {
        const struct row_segment *row = &tables->segments[i];
        if (uuid_equal(row->project, segment->project) && trace_id_equal(row->trace, trace->id) &&
            memcmp(row->hash, segment->trace->segment_hash, sizeof row->hash) == 0) {
            return;
        }
    }
    INVARIANT(tables->segments_count < ROWS_MAX);
    struct row_segment *row = &tables->segments[tables->segments_count++];
    *row = (struct row_segment){.project = segment->project, .trace = trace->id};
    memcpy(row->hash, segment->trace->segment_hash, sizeof row->hash);
    tell(tables, "segment t%d %c", trace->id.b[0], row->hash[0]);
}

void tables_export(struct tables *tables, const struct bus_message *const *messages, size_t count,
                   struct unix_ns now)
{
    struct plan plan;
    err_t err = plan_make(messages, count, &tables->arena, &plan);
    INVARIANT(err_is_ok(err));
    for (size_t i = 0; i < plan.traces_count; i++) {
        upsert_trace(tables, &plan.traces[i], now);
    }
    for (size_t i = 0; i < plan.traces_count; i++) {
        struct row_trace *row = trace_find(tables, plan.traces[i].project, plan.traces[i].id);
        if (plan.traces[i].is_skipping && !row->is_skipped) {
            row->is_skipped = true;
            skip(tables, row);
        }
    }
    for (size_t i = 0; i < plan.keys_count; i++) {
        add_key(tables, &plan.keys[i]);
    }
    flag_old_rooms(tables);
    for (size_t i = 0; i < plan.segments_count; i++) {
        add_segment(tables, &plan.segments[i]);
    }
    look_rooms(tables);
    look(tables);
}

/* --- creates ------------------------------------------------------------------------------------------ */

static bool answers(const struct row_call *row, const struct bus_call *call, struct unix_ns now)
{
    int64_t age_s = (now.ns - row->created.ns) / NS_PER_S;
    bool is_remembered = age_s < FORGET_S;
    bool is_same_key = call->has_idempotency && row->has_idempotency &&
                       memcmp(row->idempotency_hash, call->idempotency_hash, 16) == 0;
    bool is_same_body = memcmp(row->request_hash, call->request_hash, 16) == 0;
    bool is_overtaken = row->is_retry && age_s < OVERTAKEN_S;
    return uuid_equal(row->id, call->id) ||
           (is_remembered && (is_same_key || (is_same_body && (call->is_retry || is_overtaken))));
}

static void read_facts(const struct tables *tables, const struct bus_call *call,
                       const struct call_key *keys, size_t count, struct unix_ns now,
                       struct create_facts *facts)
{
    for (size_t i = 0; i < tables->calls_count && !facts->has_call; i++) {
        const struct row_call *row = &tables->calls[i];
        if (uuid_equal(row->project, call->project) && answers(row, call, now)) {
            facts->has_call = true;
            facts->call_id = row->id;
            facts->call_created = row->created;
        }
    }
    for (size_t n = 0; n < count && !facts->has_holder; n++) {
        for (size_t i = 0; i < tables->call_keys_count; i++) {
            const struct row_call_key *row = &tables->call_keys[i];
            if (uuid_equal(row->project, call->project) && key_equal(&row->key.key, &keys[n].key) &&
                uuid_equal(row->key.slot, keys[n].slot)) {
                facts->has_holder = true;
                facts->held = row->key.key;
                facts->holder = row->call;
            }
        }
    }
}

static void add_call(struct tables *tables, const struct bus_call *call,
                     const struct call_key *keys, size_t count, struct unix_ns now)
{
    INVARIANT(tables->calls_count < ROWS_MAX && tables->call_keys_count + count <= ROWS_MAX);
    struct row_call *row = &tables->calls[tables->calls_count++];
    *row = (struct row_call){.project = call->project,
                             .id = call->id,
                             .created = now,
                             .has_idempotency = call->has_idempotency,
                             .is_retry = call->is_retry};
    memcpy(row->request_hash, call->request_hash, sizeof row->request_hash);
    memcpy(row->idempotency_hash, call->idempotency_hash, sizeof row->idempotency_hash);
    for (size_t i = 0; i < count; i++) {
        tables->call_keys[tables->call_keys_count++] =
            (struct row_call_key){call->project, keys[i], call->id};
    }
}

void tables_create(struct tables *tables, const struct bus_call *call, struct unix_ns now)
{
    char name[NAME_BYTES];
    struct call_key *keys = NULL;
    size_t count = 0;
    struct create_facts facts = {.has_call = false};
    err_t err =
        call_keys_make(call->id, call->keys, call->keys_count, &tables->arena, &keys, &count);
    INVARIANT(err_is_ok(err));
    read_facts(tables, call, keys, count, now, &facts);
    bool is_new = !facts.has_call && !facts.has_holder;
    if (is_new) {
        add_call(tables, call, keys, count, now);
        facts = (struct create_facts){.has_call = true, .call_id = call->id, .call_created = now};
    }
    struct bus_reply reply;
    create_decide(&facts, &reply);
    switch (reply.outcome) {
    case BUS_OUTCOME_ACCEPTED:
        tell(tables, "%s c%d", is_new ? "accept" : "answer", reply.conversation.b[0]);
        break;
    case BUS_OUTCOME_CONFLICT:
        tell(tables, "conflict %s held by c%d", key_text(&reply.conflict, name),
             reply.conflict_holder.b[0]);
        break;
    case BUS_OUTCOME_UNAVAILABLE:
    case BUS_OUTCOME_REJECTED:
        UNREACHABLE();
    }
    look(tables);
}
