/* Our structs become generated ones that borrow everything, and those become bytes. */
#include "proto/base/check.h"
#include "proto/base/limits.h"
#include "proto/bus/message.h"

#include "proto/bus/bus.pb-c.h"

#include "proto/base/banned.h"

/* protobuf-c's binary fields are not const, but packing only reads them. */
static ProtobufCBinaryData borrow(struct bytes data)
{
    return (ProtobufCBinaryData){.len = data.len, .data = (uint8_t *)(uintptr_t)data.ptr};
}

#define BORROW_ARRAY(array) borrow(bytes_of((array), sizeof(array)))

static FALLIBLE pack_into(const ProtobufCMessage *message, struct buf *out)
{
    size_t size = protobuf_c_message_get_packed_size(message);
    if (size > LIMIT_BUS_BYTES) {
        return FAIL(TOO_LARGE);
    }
    if (!buf_reserve(out, size)) {
        return buf_err(out);
    }
    size_t wrote = protobuf_c_message_pack(message, out->ptr + out->len);
    POST(wrote == size);
    buf_wrote(out, wrote);
    return OK;
}

static FALLIBLE keys_fill(const struct match_key *keys, size_t count, struct arena *scratch,
                          Calltrace__Bus__Key ***ret_keys)
{
    Calltrace__Bus__Key **list = arena_zero(scratch, count, sizeof(Calltrace__Bus__Key *));
    Calltrace__Bus__Key *all = arena_zero(scratch, count, sizeof *all);
    if (list == NULL || all == NULL) {
        return FAIL(NO_SPACE);
    }
    for (size_t i = 0; i < count; i++) {
        calltrace__bus__key__init(&all[i]);
        all[i].kind = (uint32_t)keys[i].kind;
        all[i].value = borrow(keys[i].value);
        list[i] = &all[i];
    }
    *ret_keys = list;
    return OK;
}

static FALLIBLE tags_fill(const struct bus_trace *trace, struct arena *scratch,
                          Calltrace__Bus__Trace *out)
{
    out->tags = arena_zero(scratch, trace->tags_count, sizeof *out->tags);
    Calltrace__Bus__Tag *all = arena_zero(scratch, trace->tags_count, sizeof *all);
    if (out->tags == NULL || all == NULL) {
        return FAIL(NO_SPACE);
    }
    for (size_t i = 0; i < trace->tags_count; i++) {
        calltrace__bus__tag__init(&all[i]);
        all[i].key = borrow(trace->tags[i].key);
        all[i].value = borrow(trace->tags[i].value);
        out->tags[i] = &all[i];
    }
    out->n_tags = trace->tags_count;
    return OK;
}

static FALLIBLE words_fill(const struct bus_trace *trace, struct arena *scratch,
                           Calltrace__Bus__Trace *out)
{
    out->words = arena_zero(scratch, trace->words_count, sizeof *out->words);
    Calltrace__Bus__Word *all = arena_zero(scratch, trace->words_count, sizeof *all);
    if (out->words == NULL || all == NULL) {
        return FAIL(NO_SPACE);
    }
    for (size_t i = 0; i < trace->words_count; i++) {
        calltrace__bus__word__init(&all[i]);
        all[i].kind = (uint32_t)trace->words[i].kind;
        all[i].key = borrow(trace->words[i].key);
        all[i].value = borrow(trace->words[i].value);
        out->words[i] = &all[i];
    }
    out->n_words = trace->words_count;
    return OK;
}

static FALLIBLE root_fill(const struct bus_root *root, struct arena *scratch,
                          Calltrace__Bus__Trace *out)
{
    out->root = arena_zero(scratch, 1, sizeof *out->root);
    if (out->root == NULL) {
        return FAIL(NO_SPACE);
    }
    calltrace__bus__root__init(out->root);
    out->root->span_id = BORROW_ARRAY(root->span_id.b);
    out->root->start_ns = root->start.ns;
    out->root->end_ns = root->end.ns;
    out->root->name = borrow(root->name);
    out->root->service = borrow(root->service);
    return OK;
}

static FALLIBLE trace_fill(const struct bus_trace *trace, struct arena *scratch,
                           Calltrace__Bus__Trace *out)
{
    calltrace__bus__trace__init(out);
    out->id = BORROW_ARRAY(trace->id.b);
    out->is_skipped = trace->is_skipped;
    out->start_ns = trace->start.ns;
    out->end_ns = trace->end.ns;
    out->spans = trace->spans_count;
    out->errors = trace->errors_count;
    out->service = borrow(trace->service);
    out->n_terms = trace->terms_count;
    out->terms = trace->terms;
    out->segment_hash = BORROW_ARRAY(trace->segment_hash);
    out->segment = borrow(trace->segment);
    out->segment_raw_bytes = trace->segment_raw_bytes;
    out->keys_dropped = trace->keys_dropped;
    TRY(keys_fill(trace->keys, trace->keys_count, scratch, &out->keys));
    out->n_keys = trace->keys_count;
    TRY(tags_fill(trace, scratch, out));
    TRY(words_fill(trace, scratch, out));
    return trace->has_root ? root_fill(&trace->root, scratch, out) : OK;
}

static FALLIBLE spans_fill(const struct bus_span_batch *batch, struct arena *scratch,
                           Calltrace__Bus__SpanBatch *out)
{
    calltrace__bus__span_batch__init(out);
    out->project = BORROW_ARRAY(batch->project.b);
    out->received_ns = batch->received.ns;
    out->traces = arena_zero(scratch, batch->traces_count, sizeof *out->traces);
    Calltrace__Bus__Trace *all = arena_zero(scratch, batch->traces_count, sizeof *all);
    if (out->traces == NULL || all == NULL) {
        return FAIL(NO_SPACE);
    }
    for (size_t i = 0; i < batch->traces_count; i++) {
        TRY(trace_fill(&batch->traces[i], scratch, &all[i]));
        out->traces[i] = &all[i];
    }
    out->n_traces = batch->traces_count;
    return OK;
}

static FALLIBLE call_fill(const struct bus_call *call, struct arena *scratch,
                          Calltrace__Bus__CallUpsert *out)
{
    calltrace__bus__call_upsert__init(out);
    out->project = BORROW_ARRAY(call->project.b);
    out->id = BORROW_ARRAY(call->id.b);
    out->kind = (uint32_t)call->kind;
    out->source = (uint32_t)call->source;
    out->body = borrow(call->body);
    out->created_ns = call->created.ns;
    out->has_started = call->has_started;
    out->started_ns = call->started.ns;
    out->has_ended = call->has_ended;
    out->ended_ns = call->ended.ns;
    out->status = (uint32_t)call->status;
    out->direction = (uint32_t)call->direction;
    out->title = borrow(call->title);
    out->request_hash = BORROW_ARRAY(call->request_hash);
    if (call->has_idempotency) {
        out->idempotency_hash = BORROW_ARRAY(call->idempotency_hash);
    }
    out->is_retry = call->is_retry;
    TRY(keys_fill(call->keys, call->keys_count, scratch, &out->keys));
    out->n_keys = call->keys_count;
    return OK;
}

static void part_fill(const struct bus_part *part, Calltrace__Bus__Part *out)
{
    calltrace__bus__part__init(out);
    out->number = (uint32_t)part->number;
    out->at_ns = part->at.ns;
    out->has_started = part->has_started;
    out->started_ns = part->started.ns;
    out->has_ended = part->has_ended;
    out->ended_ns = part->ended.ns;
    out->status = (uint32_t)part->status;
    out->direction = (uint32_t)part->direction;
    out->title = borrow(part->title);
    out->body = borrow(part->body);
}

static FALLIBLE event_fill(const struct bus_call_event *event, struct arena *scratch,
                           Calltrace__Bus__CallEvent *out)
{
    calltrace__bus__call_event__init(out);
    out->project = BORROW_ARRAY(event->project.b);
    out->id = BORROW_ARRAY(event->id.b);
    out->source = (uint32_t)event->source;
    out->received_ns = event->received.ns;
    out->is_skipped = event->is_skipped;
    TRY(keys_fill(event->keys, event->keys_count, scratch, &out->keys));
    out->n_keys = event->keys_count;
    out->parts = arena_zero(scratch, event->parts_count, sizeof *out->parts);
    Calltrace__Bus__Part *all = arena_zero(scratch, event->parts_count, sizeof *all);
    if (out->parts == NULL || all == NULL) {
        return FAIL(NO_SPACE);
    }
    for (size_t i = 0; i < event->parts_count; i++) {
        part_fill(&event->parts[i], &all[i]);
        out->parts[i] = &all[i];
    }
    out->n_parts = event->parts_count;
    return OK;
}

static FALLIBLE key_use_fill(const struct bus_message *message, struct arena *scratch,
                             Calltrace__Bus__KeyUse *out)
{
    calltrace__bus__key_use__init(out);
    size_t count = message->key_use.count;
    out->used = arena_zero(scratch, count, sizeof *out->used);
    Calltrace__Bus__KeyUsed *all = arena_zero(scratch, count, sizeof *all);
    if (out->used == NULL || all == NULL) {
        return FAIL(NO_SPACE);
    }
    for (size_t i = 0; i < count; i++) {
        const struct bus_key_used *used = &message->key_use.used[i];
        calltrace__bus__key_used__init(&all[i]);
        all[i].project = BORROW_ARRAY(used->project.b);
        all[i].key = BORROW_ARRAY(used->key.b);
        all[i].at_ns = used->at.ns;
        all[i].refused_status = used->refused_status;
        all[i].refused_ns = used->refused.ns;
        all[i].refused_path = borrow(used->refused_path);
        all[i].refused_text = borrow(used->refused_text);
        out->used[i] = &all[i];
    }
    out->n_used = count;
    return OK;
}

static void key_change_fill(const struct bus_key_change *change, Calltrace__Bus__KeyChange *out)
{
    calltrace__bus__key_change__init(out);
    out->project = BORROW_ARRAY(change->project.b);
    out->key = BORROW_ARRAY(change->key.b);
    out->by = BORROW_ARRAY(change->by.b);
    out->at_ns = change->at.ns;
    out->is_revoked = change->is_revoked;
    out->name = borrow(change->name);
    out->hint = borrow(change->hint);
    out->hash = BORROW_ARRAY(change->hash);
    out->scopes = change->scopes;
    if (change->is_rotated) {
        out->replaces = BORROW_ARRAY(change->replaces.b);
        out->ends_ns = change->ends.ns;
    }
}

err_t bus_message_pack(const struct bus_message *message, struct arena *scratch, struct buf *out)
{
    Calltrace__Bus__Envelope envelope = CALLTRACE__BUS__ENVELOPE__INIT;
    Calltrace__Bus__SpanBatch spans;
    Calltrace__Bus__CallUpsert call;
    Calltrace__Bus__CallEvent event;
    Calltrace__Bus__KeyUse key_use;
    Calltrace__Bus__KeyChange key_change;
    envelope.version = BUS_VERSION;
    envelope.id = BORROW_ARRAY(message->id.b);
    switch (message->what) {
    case BUS_WHAT_SPANS:
        TRY(spans_fill(&message->spans, scratch, &spans));
        envelope.body_case = CALLTRACE__BUS__ENVELOPE__BODY_SPANS;
        envelope.spans = &spans;
        break;
    case BUS_WHAT_CALL:
        TRY(call_fill(&message->call, scratch, &call));
        envelope.body_case = CALLTRACE__BUS__ENVELOPE__BODY_CALL;
        envelope.call = &call;
        break;
    case BUS_WHAT_EVENT:
        TRY(event_fill(&message->event, scratch, &event));
        envelope.body_case = CALLTRACE__BUS__ENVELOPE__BODY_EVENT;
        envelope.event = &event;
        break;
    case BUS_WHAT_KEY_CHANGE:
        key_change_fill(&message->key_change, &key_change);
        envelope.body_case = CALLTRACE__BUS__ENVELOPE__BODY_KEY_CHANGE;
        envelope.key_change = &key_change;
        break;
    case BUS_WHAT_KEY_USE:
        TRY(key_use_fill(message, scratch, &key_use));
        envelope.body_case = CALLTRACE__BUS__ENVELOPE__BODY_KEY_USE;
        envelope.key_use = &key_use;
        break;
    }
    return pack_into(&envelope.base, out);
}

/* protobuf `string` fields of the reply are NUL-terminated in C. */
static FALLIBLE text_fill(struct bytes text, struct arena *scratch, char **ret_text)
{
    *ret_text = arena_text(scratch, text);
    return *ret_text == NULL ? FAIL(NO_SPACE) : OK;
}

static FALLIBLE rejected_fill(const struct bus_reply *reply, struct arena *scratch,
                              Calltrace__Bus__Reply *out)
{
    out->rejected = arena_zero(scratch, reply->rejected_count, sizeof *out->rejected);
    Calltrace__Bus__Rejected *all = arena_zero(scratch, reply->rejected_count, sizeof *all);
    if (out->rejected == NULL || all == NULL) {
        return FAIL(NO_SPACE);
    }
    for (size_t i = 0; i < reply->rejected_count; i++) {
        const struct bus_rejected *rejected = &reply->rejected[i];
        calltrace__bus__rejected__init(&all[i]);
        all[i].trace = BORROW_ARRAY(rejected->trace.b);
        all[i].spans = rejected->spans_count;
        TRY(text_fill(rejected->reason, scratch, &all[i].reason));
        out->rejected[i] = &all[i];
    }
    out->n_rejected = reply->rejected_count;
    return OK;
}

err_t bus_reply_pack(const struct bus_reply *reply, struct arena *scratch, struct buf *out)
{
    Calltrace__Bus__Reply wire;
    calltrace__bus__reply__init(&wire); /* the INIT macro casts const away, which clang refuses */
    wire.version = BUS_VERSION;
    wire.outcome = (uint32_t)reply->outcome;
    TRY(text_fill(reply->reason, scratch, &wire.reason));
    wire.conversation = BORROW_ARRAY(reply->conversation.b);
    wire.created_ns = reply->created.ns;
    if (reply->outcome == BUS_OUTCOME_CONFLICT) {
        wire.conflict_kind = (uint32_t)reply->conflict.kind;
        wire.conflict_value = borrow(reply->conflict.value);
        wire.conflict_holder = BORROW_ARRAY(reply->conflict_holder.b);
    }
    TRY(rejected_fill(reply, scratch, &wire));
    return pack_into(&wire.base, out);
}

err_t bus_announcement_pack(const struct bus_announcement *announcement, struct buf *out)
{
    Calltrace__Bus__Announcement wire;
    calltrace__bus__announcement__init(&wire);
    wire.version = BUS_VERSION;
    wire.project = BORROW_ARRAY(announcement->project.b);
    wire.what = (uint32_t)announcement->what;
    if (announcement->has_conversation) {
        wire.conversation = BORROW_ARRAY(announcement->conversation.b);
    }
    if (announcement->has_trace) {
        wire.trace = BORROW_ARRAY(announcement->trace.b);
    }
    return pack_into(&wire.base, out);
}
