/* Bytes become generated structs in the arena, and those become ours after every count, size and number
 * was checked. The schema does not recurse, so that nesting is bounded by its depth; what an arena of a
 * bounded size cannot hold is refused. */
#include "proto/base/limits.h"
#include "proto/base/reader.h"
#include "proto/bus/message.h"

#include "proto/bus/bus.pb-c.h"

#include "proto/base/banned.h"

enum {
    FIELD_VERSION = 1, /* of Envelope, Reply and Announcement alike */
    WIRE_VARINT = 0,
    WIRE_FIXED64 = 1,
    WIRE_BYTES = 2,
    WIRE_FIXED32 = 5,
    WIRE_BITS = 3,
    WIRE_MASK = 7,
};

static void *allocate(void *context, size_t bytes)
{
    struct arena *arena = context;
    return arena_alloc(arena, bytes);
}

/* The arena gives everything back at once. */
static void release(void *context, void *ptr)
{
    (void)context;
    (void)ptr;
}

static struct bytes view(ProtobufCBinaryData data)
{
    return bytes_of(data.data, data.len);
}

static FALLIBLE malformed(struct detail *detail, const char *what)
{
    detail_set(detail, "bus message: %s", what);
    return FAIL(MALFORMED);
}

/* A field of exactly `size` octets. */
static FALLIBLE take_fixed(ProtobufCBinaryData data, void *ret_out, size_t size, const char *what,
                           struct detail *detail)
{
    if (data.len != size) {
        return malformed(detail, what);
    }
    memcpy(ret_out, data.data, size);
    return OK;
}

static FALLIBLE skip_value(struct reader *reader, uint64_t wire_type)
{
    struct bytes skipped = {0};
    uint64_t number = 0;
    switch (wire_type) {
    case WIRE_VARINT:
        return reader_varint(reader, &number);
    case WIRE_FIXED64:
        return reader_take(reader, sizeof(uint64_t), &skipped);
    case WIRE_FIXED32:
        return reader_take(reader, sizeof(uint32_t), &skipped);
    case WIRE_BYTES:
        TRY(reader_varint(reader, &number));
        return reader_take(reader, number > SIZE_MAX ? SIZE_MAX : (size_t)number, &skipped);
    default:
        return FAIL(MALFORMED);
    }
}

/* The version is read before anything else is believed: fields of another version mean other things. */
static FALLIBLE check_version(struct bytes wire, struct detail *detail)
{
    struct reader reader = reader_of(wire);
    uint64_t version = 0;
    while (!reader_is_done(&reader)) {
        uint64_t tag = 0;
        if (!err_is_ok(reader_varint(&reader, &tag))) {
            return malformed(detail, "a tag is cut off");
        }
        if (tag == ((uint64_t)FIELD_VERSION << WIRE_BITS | WIRE_VARINT)) {
            if (!err_is_ok(reader_varint(&reader, &version))) {
                return malformed(detail, "the version is cut off");
            }
        } else if (!err_is_ok(skip_value(&reader, tag & WIRE_MASK))) {
            return malformed(detail, "a field is cut off");
        }
    }
    if (version != BUS_VERSION) {
        detail_set(detail, "bus message: version %llu, this process speaks version %d",
                   (unsigned long long)version, BUS_VERSION);
        return FAIL(UNKNOWN_VERSION);
    }
    return OK;
}

static FALLIBLE unpack(const ProtobufCMessageDescriptor *descriptor, struct bytes wire,
                       struct arena *arena, struct detail *detail, ProtobufCMessage **ret_message)
{
    if (wire.len > LIMIT_BUS_BYTES) {
        return malformed(detail, "larger than a bus message may be");
    }
    TRY(check_version(wire, detail));
    ProtobufCAllocator allocator = {.alloc = allocate, .free = release, .allocator_data = arena};
    *ret_message = protobuf_c_message_unpack(descriptor, &allocator, wire.len, wire.ptr);
    if (*ret_message == NULL) {
        if (arena_is_full(arena)) {
            detail_set(detail, "bus message: it needs more memory than set aside for it");
            return FAIL(NO_SPACE);
        }
        return malformed(detail, "not the protocol buffers it should be");
    }
    return OK;
}

static FALLIBLE keys_read(Calltrace__Bus__Key *const *wire, size_t count, size_t count_max,
                          struct arena *arena, struct detail *detail, struct match_key **ret_keys)
{
    if (count > count_max) {
        return malformed(detail, "too many keys");
    }
    struct match_key *keys = arena_zero(arena, count, sizeof *keys);
    if (keys == NULL) {
        return FAIL(NO_SPACE);
    }
    for (size_t i = 0; i < count; i++) {
        if (wire[i]->kind == 0 || wire[i]->kind >= MATCH_KIND_COUNT ||
            !match_value_is_valid(view(wire[i]->value))) {
            return malformed(detail, "a key that cannot be");
        }
        keys[i].kind = (enum match_kind)wire[i]->kind;
        keys[i].value = view(wire[i]->value);
    }
    *ret_keys = keys;
    return OK;
}

static FALLIBLE tags_read(const Calltrace__Bus__Trace *wire, struct arena *arena,
                          struct detail *detail, struct bus_trace *trace)
{
    if (wire->n_tags > LIMIT_TAGS_PER_TRACE) {
        return malformed(detail, "too many tags");
    }
    trace->tags = arena_zero(arena, wire->n_tags, sizeof *trace->tags);
    if (trace->tags == NULL) {
        return FAIL(NO_SPACE);
    }
    for (size_t i = 0; i < wire->n_tags; i++) {
        if (wire->tags[i]->key.len > (size_t)LIMIT_TAG_KEY_CHARS * 4 ||
            wire->tags[i]->value.len > (size_t)LIMIT_TAG_VALUE_CHARS * 4) {
            return malformed(detail, "a tag that is too long");
        }
        trace->tags[i].key = view(wire->tags[i]->key);
        trace->tags[i].value = view(wire->tags[i]->value);
    }
    trace->tags_count = wire->n_tags;
    return OK;
}

static FALLIBLE words_read(const Calltrace__Bus__Trace *wire, struct arena *arena,
                           struct detail *detail, struct bus_trace *trace)
{
    trace->words = arena_zero(arena, wire->n_words, sizeof *trace->words);
    if (trace->words == NULL) {
        return FAIL(NO_SPACE);
    }
    for (size_t i = 0; i < wire->n_words; i++) {
        uint32_t kind = wire->words[i]->kind;
        if (kind < WORD_KIND_SPAN_NAME || kind > WORD_KIND_TAG) {
            return malformed(detail, "a word of an unknown kind");
        }
        trace->words[i].kind = (enum word_kind)kind;
        trace->words[i].key = view(wire->words[i]->key);
        trace->words[i].value = view(wire->words[i]->value);
    }
    trace->words_count = wire->n_words;
    return OK;
}

static FALLIBLE root_read(const Calltrace__Bus__Root *wire, struct detail *detail,
                          struct bus_trace *trace)
{
    if (wire == NULL) {
        return OK;
    }
    TRY(take_fixed(wire->span_id, trace->root.span_id.b, sizeof trace->root.span_id.b,
                   "a root's span id is not 8 bytes", detail));
    trace->has_root = true;
    trace->root.start.ns = wire->start_ns;
    trace->root.end.ns = wire->end_ns;
    trace->root.name = view(wire->name);
    trace->root.service = view(wire->service);
    return OK;
}

static FALLIBLE trace_read(const Calltrace__Bus__Trace *wire, struct arena *arena,
                           struct detail *detail, struct bus_trace *trace)
{
    TRY(take_fixed(wire->id, trace->id.b, sizeof trace->id.b, "a trace id is not 16 bytes",
                   detail));
    TRY(take_fixed(wire->segment_hash, trace->segment_hash, sizeof trace->segment_hash,
                   "a segment's hash is not 16 bytes", detail));
    if (wire->spans > LIMIT_SPANS_PER_EXPORT || wire->errors > wire->spans ||
        wire->segment_raw_bytes > INT32_MAX || wire->keys_dropped > INT32_MAX) {
        return malformed(detail, "a count that cannot be");
    }
    trace->is_skipped = wire->is_skipped != 0;
    trace->start.ns = wire->start_ns;
    trace->end.ns = wire->end_ns;
    trace->spans_count = wire->spans;
    trace->errors_count = wire->errors;
    trace->service = view(wire->service);
    trace->terms = wire->terms;
    trace->terms_count = wire->n_terms;
    trace->segment = view(wire->segment);
    trace->segment_raw_bytes = wire->segment_raw_bytes;
    trace->keys_dropped = wire->keys_dropped;
    TRY(keys_read(wire->keys, wire->n_keys, LIMIT_KEYS_PER_TRACE, arena, detail, &trace->keys));
    trace->keys_count = wire->n_keys;
    TRY(tags_read(wire, arena, detail, trace));
    TRY(words_read(wire, arena, detail, trace));
    return root_read(wire->root, detail, trace);
}

static FALLIBLE spans_read(const Calltrace__Bus__SpanBatch *wire, struct arena *arena,
                           struct detail *detail, struct bus_span_batch *batch)
{
    TRY(take_fixed(wire->project, batch->project.b, sizeof batch->project.b,
                   "a project id is not 16 bytes", detail));
    if (wire->n_traces > LIMIT_SPANS_PER_EXPORT) {
        return malformed(detail, "too many traces");
    }
    batch->received.ns = wire->received_ns;
    batch->traces = arena_zero(arena, wire->n_traces, sizeof *batch->traces);
    if (batch->traces == NULL) {
        return FAIL(NO_SPACE);
    }
    batch->traces_count = wire->n_traces;
    for (size_t i = 0; i < wire->n_traces; i++) {
        TRY(trace_read(wire->traces[i], arena, detail, &batch->traces[i]));
    }
    return OK;
}

static FALLIBLE call_numbers_read(const Calltrace__Bus__CallUpsert *wire, struct detail *detail,
                                  struct bus_call *call)
{
    if (wire->kind < CONVERSATION_KIND_CALL || wire->kind > CONVERSATION_KIND_CHAT ||
        wire->source < CONVERSATION_SOURCE_API || wire->source > CONVERSATION_SOURCE_PIPECAT ||
        wire->status > CONVERSATION_STATUS_ENDED ||
        wire->direction > CONVERSATION_DIRECTION_OUTBOUND) {
        return malformed(detail, "a call with an unknown kind, source, status or direction");
    }
    call->kind = (enum conversation_kind)wire->kind;
    call->source = (enum conversation_source)wire->source;
    call->status = (enum conversation_status)wire->status;
    call->direction = (enum conversation_direction)wire->direction;
    call->created.ns = wire->created_ns;
    call->has_started = wire->has_started != 0;
    call->started.ns = wire->started_ns;
    call->has_ended = wire->has_ended != 0;
    call->ended.ns = wire->ended_ns;
    call->is_retry = wire->is_retry != 0;
    return OK;
}

static FALLIBLE call_read(const Calltrace__Bus__CallUpsert *wire, struct arena *arena,
                          struct detail *detail, struct bus_call *call)
{
    TRY(take_fixed(wire->project, call->project.b, sizeof call->project.b,
                   "a project id is not 16 bytes", detail));
    TRY(take_fixed(wire->id, call->id.b, sizeof call->id.b, "a call's id is not 16 bytes", detail));
    TRY(take_fixed(wire->request_hash, call->request_hash, sizeof call->request_hash,
                   "a request's hash is not 16 bytes", detail));
    if (wire->idempotency_hash.len > 0) {
        TRY(take_fixed(wire->idempotency_hash, call->idempotency_hash,
                       sizeof call->idempotency_hash, "an idempotency hash is not 16 bytes",
                       detail));
        call->has_idempotency = true;
    }
    TRY(call_numbers_read(wire, detail, call));
    call->body = view(wire->body);
    call->title = view(wire->title);
    TRY(keys_read(wire->keys, wire->n_keys, LIMIT_KEYS_PER_TRACE, arena, detail, &call->keys));
    call->keys_count = wire->n_keys;
    return OK;
}

static FALLIBLE part_read(const Calltrace__Bus__Part *wire, struct detail *detail,
                          struct bus_part *part)
{
    if (call_part_keep(wire->number) == 0 || wire->status > CONVERSATION_STATUS_ENDED ||
        wire->direction > CONVERSATION_DIRECTION_OUTBOUND) {
        return malformed(detail, "a part with an unknown number, status or direction");
    }
    if (wire->body.len > 0 && memchr(wire->body.data, '\n', wire->body.len) != NULL) {
        return malformed(detail, "a part whose body is not on one line");
    }
    *part = (struct bus_part){.number = (enum call_part)wire->number,
                              .at = {wire->at_ns},
                              .has_started = wire->has_started != 0,
                              .started = {wire->started_ns},
                              .has_ended = wire->has_ended != 0,
                              .ended = {wire->ended_ns},
                              .status = (enum conversation_status)wire->status,
                              .direction = (enum conversation_direction)wire->direction,
                              .title = view(wire->title),
                              .body = view(wire->body)};
    return OK;
}

static FALLIBLE event_read(const Calltrace__Bus__CallEvent *wire, struct arena *arena,
                           struct detail *detail, struct bus_call_event *event)
{
    TRY(take_fixed(wire->project, event->project.b, sizeof event->project.b,
                   "a project id is not 16 bytes", detail));
    TRY(take_fixed(wire->id, event->id.b, sizeof event->id.b, "a call's id is not 16 bytes",
                   detail));
    if (wire->source < CONVERSATION_SOURCE_API || wire->source > CONVERSATION_SOURCE_PIPECAT) {
        return malformed(detail, "an event with an unknown source");
    }
    if (wire->n_keys == 0 || wire->n_parts > LIMIT_PARTS_PER_EVENT) {
        return malformed(detail, "an event without a key or with too many parts");
    }
    event->source = (enum conversation_source)wire->source;
    event->received.ns = wire->received_ns;
    event->is_skipped = wire->is_skipped != 0;
    TRY(keys_read(wire->keys, wire->n_keys, LIMIT_KEYS_PER_TRACE, arena, detail, &event->keys));
    event->keys_count = wire->n_keys;
    event->parts = arena_zero(arena, wire->n_parts, sizeof *event->parts);
    if (event->parts == NULL) {
        return FAIL(NO_SPACE);
    }
    for (size_t i = 0; i < wire->n_parts; i++) {
        TRY(part_read(wire->parts[i], detail, &event->parts[i]));
    }
    event->parts_count = wire->n_parts;
    return OK;
}

static FALLIBLE key_use_read(const Calltrace__Bus__KeyUse *wire, struct arena *arena,
                             struct detail *detail, struct bus_message *message)
{
    struct bus_key_used *used = arena_zero(arena, wire->n_used, sizeof *used);
    if (used == NULL) {
        return FAIL(NO_SPACE);
    }
    for (size_t i = 0; i < wire->n_used; i++) {
        TRY(take_fixed(wire->used[i]->project, used[i].project.b, sizeof used[i].project.b,
                       "a project id is not 16 bytes", detail));
        TRY(take_fixed(wire->used[i]->key, used[i].key.b, sizeof used[i].key.b,
                       "an API key's id is not 16 bytes", detail));
        used[i].at.ns = wire->used[i]->at_ns;
        used[i].refused_status = wire->used[i]->refused_status;
        used[i].refused.ns = wire->used[i]->refused_ns;
        used[i].refused_path = view(wire->used[i]->refused_path);
        used[i].refused_text = view(wire->used[i]->refused_text);
    }
    message->key_use.used = used;
    message->key_use.count = wire->n_used;
    return OK;
}

static FALLIBLE key_change_read(const Calltrace__Bus__KeyChange *wire, struct detail *detail,
                                struct bus_key_change *change)
{
    TRY(take_fixed(wire->project, change->project.b, sizeof change->project.b,
                   "a project id is not 16 bytes", detail));
    TRY(take_fixed(wire->key, change->key.b, sizeof change->key.b,
                   "an API key's id is not 16 bytes", detail));
    TRY(take_fixed(wire->by, change->by.b, sizeof change->by.b, "an API key's id is not 16 bytes",
                   detail));
    TRY(take_fixed(wire->hash, change->hash, sizeof change->hash,
                   "an API key's hash is not 32 bytes", detail));
    change->at.ns = wire->at_ns;
    change->is_revoked = wire->is_revoked != 0;
    change->name = view(wire->name);
    change->hint = view(wire->hint);
    change->scopes = wire->scopes;
    change->is_rotated = wire->replaces.len > 0;
    change->ends.ns = wire->ends_ns;
    return change->is_rotated
               ? take_fixed(wire->replaces, change->replaces.b, sizeof change->replaces.b,
                            "an API key's id is not 16 bytes", detail)
               : OK;
}

/* Says so when one of ours, and not the data, was too small. */
static err_t explain(err_t err, struct detail *detail)
{
    if (err_is(err, ERR_NO_SPACE)) {
        detail_set(detail, "bus message: it needs more memory than set aside for it");
    }
    return err;
}

err_t bus_message_unpack(struct bytes wire, struct arena *arena, struct detail *detail,
                         struct bus_message *ret_message)
{
    ProtobufCMessage *base = NULL;
    TRY(unpack(&calltrace__bus__envelope__descriptor, wire, arena, detail, &base));
    const Calltrace__Bus__Envelope *envelope = (const Calltrace__Bus__Envelope *)base;
    struct bus_message message = {0};
    TRY(take_fixed(envelope->id, message.id.b, sizeof message.id.b, "its id is not 16 bytes",
                   detail));
    switch (envelope->body_case) {
    case CALLTRACE__BUS__ENVELOPE__BODY_SPANS:
        message.what = BUS_WHAT_SPANS;
        TRY(explain(spans_read(envelope->spans, arena, detail, &message.spans), detail));
        break;
    case CALLTRACE__BUS__ENVELOPE__BODY_CALL:
        message.what = BUS_WHAT_CALL;
        TRY(explain(call_read(envelope->call, arena, detail, &message.call), detail));
        break;
    case CALLTRACE__BUS__ENVELOPE__BODY_EVENT:
        message.what = BUS_WHAT_EVENT;
        TRY(explain(event_read(envelope->event, arena, detail, &message.event), detail));
        break;
    case CALLTRACE__BUS__ENVELOPE__BODY_KEY_CHANGE:
        message.what = BUS_WHAT_KEY_CHANGE;
        TRY(key_change_read(envelope->key_change, detail, &message.key_change));
        break;
    case CALLTRACE__BUS__ENVELOPE__BODY_KEY_USE:
        message.what = BUS_WHAT_KEY_USE;
        TRY(explain(key_use_read(envelope->key_use, arena, detail, &message), detail));
        break;
    case CALLTRACE__BUS__ENVELOPE__BODY__NOT_SET:
    case _CALLTRACE__BUS__ENVELOPE__BODY__CASE_IS_INT_SIZE:
        return malformed(detail, "an envelope without a body");
    }
    *ret_message = message;
    return OK;
}

static FALLIBLE conflict_read(const Calltrace__Bus__Reply *wire, struct detail *detail,
                              struct bus_reply *reply)
{
    if (reply->outcome != BUS_OUTCOME_CONFLICT) {
        return OK;
    }
    if (wire->conflict_kind == 0 || wire->conflict_kind >= MATCH_KIND_COUNT) {
        return malformed(detail, "a conflict without a key");
    }
    reply->conflict.kind = (enum match_kind)wire->conflict_kind;
    reply->conflict.value = view(wire->conflict_value);
    return take_fixed(wire->conflict_holder, reply->conflict_holder.b,
                      sizeof reply->conflict_holder.b, "a holder's id is not 16 bytes", detail);
}

static FALLIBLE rejected_read(const Calltrace__Bus__Reply *wire, struct arena *arena,
                              struct detail *detail, struct bus_reply *reply)
{
    reply->rejected = arena_zero(arena, wire->n_rejected, sizeof *reply->rejected);
    if (reply->rejected == NULL) {
        return FAIL(NO_SPACE);
    }
    for (size_t i = 0; i < wire->n_rejected; i++) {
        struct bus_rejected *rejected = &reply->rejected[i];
        TRY(take_fixed(wire->rejected[i]->trace, rejected->trace.b, sizeof rejected->trace.b,
                       "a trace id is not 16 bytes", detail));
        rejected->spans_count = wire->rejected[i]->spans;
        rejected->reason = bytes_of_text(wire->rejected[i]->reason);
    }
    reply->rejected_count = wire->n_rejected;
    return OK;
}

err_t bus_reply_unpack(struct bytes wire, struct arena *arena, struct detail *detail,
                       struct bus_reply *ret_reply)
{
    ProtobufCMessage *base = NULL;
    TRY(unpack(&calltrace__bus__reply__descriptor, wire, arena, detail, &base));
    const Calltrace__Bus__Reply *fields = (const Calltrace__Bus__Reply *)base;
    if (fields->outcome < BUS_OUTCOME_ACCEPTED || fields->outcome > BUS_OUTCOME_REJECTED) {
        return malformed(detail, "a reply with an unknown outcome");
    }
    struct bus_reply reply = {.outcome = (enum bus_outcome)fields->outcome,
                              .reason = bytes_of_text(fields->reason),
                              .created = {fields->created_ns}};
    TRY(take_fixed(fields->conversation, reply.conversation.b, sizeof reply.conversation.b,
                   "a call's id is not 16 bytes", detail));
    TRY(conflict_read(fields, detail, &reply));
    TRY(explain(rejected_read(fields, arena, detail, &reply), detail));
    *ret_reply = reply;
    return OK;
}

enum { ANNOUNCEMENT_ARENA_BYTES = 4096 };

static FALLIBLE announcement_read(const Calltrace__Bus__Announcement *fields, struct detail *detail,
                                  struct bus_announcement *out)
{
    if (fields->what < ANNOUNCE_CALL || fields->what > ANNOUNCE_KEY) {
        return malformed(detail, "an unknown announcement");
    }
    out->what = (enum announce_what)fields->what;
    TRY(take_fixed(fields->project, out->project.b, sizeof out->project.b,
                   "a project id is not 16 bytes", detail));
    if (fields->conversation.len > 0) {
        TRY(take_fixed(fields->conversation, out->conversation.b, sizeof out->conversation.b,
                       "a call's id is not 16 bytes", detail));
        out->has_conversation = true;
    }
    if (fields->trace.len > 0) {
        TRY(take_fixed(fields->trace, out->trace.b, sizeof out->trace.b,
                       "a trace id is not 16 bytes", detail));
        out->has_trace = true;
    }
    return OK;
}

err_t bus_announcement_unpack(struct bytes wire, struct detail *detail,
                              struct bus_announcement *ret_announcement)
{
    struct arena arena;
    arena_init(&arena, ANNOUNCEMENT_ARENA_BYTES);
    struct bus_announcement announcement = {0};
    ProtobufCMessage *base = NULL;
    err_t err = OK;
    TRY_OUT(unpack(&calltrace__bus__announcement__descriptor, wire, &arena, detail, &base));
    TRY_OUT(announcement_read((const Calltrace__Bus__Announcement *)base, detail, &announcement));
    *ret_announcement = announcement;
out:
    arena_fini(&arena);
    return err;
}
