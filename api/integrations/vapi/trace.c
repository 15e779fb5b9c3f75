#include "api/integrations/vapi/trace.h"

#include <stdio.h>

#include "api/integrations/vapi/json.h"

#include "proto/base/banned.h"

enum {
    STATUS_ERROR = 2,
    KIND_INTERNAL = 1,
    /* Comma and the ends of three lists. */
    TAIL_BYTES = 64,
    /* The call's span has five texts at most, each octet of which JSON may write in six. It is written last,
     * because it counts what was left out. */
    ROOT_BYTES = 6 * 6 * VAPI_TEXT_BYTES_MAX,
    ID_SEED_BYTES = 64,
    NUMBER_BYTES = 24,
};

static const struct {
    const char *name;
    const char *operation; /* NULL: there is none for it */
} component_names[VAPI_COMPONENT_COUNT] = {
    [VAPI_COMPONENT_PIPELINE] = {"endpointing", NULL},
    [VAPI_COMPONENT_TRANSCRIBER] = {"transcriber", "stt"},
    [VAPI_COMPONENT_MODEL] = {"model", "chat"},
    [VAPI_COMPONENT_TOOL] = {"tool", "execute_tool"},
    [VAPI_COMPONENT_VOICE] = {"voice", "tts"},
};

struct writing {
    const struct vapi_report *report;
    const struct vapi_log *log;
    struct vapi_story story;
    struct buf *out;
    struct buf one; /* the span that is being written */
    struct arena *arena;
    struct vapi_trace trace;
    char trace_hex[TRACE_ID_HEX + 1];
    struct span_id root;
    bool is_spoiled; /* out of memory while one span was made */
};

/* One span on its way; attributes go into its list. */
struct drawing {
    struct writing *writing;
    json_t *span;
    json_t *attributes;
};

/* --- ids ---------------------------------------------------------------------------------------------- */

struct trace_id vapi_trace_id(struct bytes call_id)
{
    struct trace_id id;
    struct uuid uuid;
    if (uuid_from_text(call_id, &uuid)) {
        memcpy(id.b, uuid.b, sizeof id.b);
    } else {
        bytes_hash128(call_id, id.b);
    }
    if (trace_id_is_zero(id)) {
        bytes_hash128(call_id, id.b);
    }
    return id;
}

static struct span_id span_id_make(const struct writing *writing, const char *what, size_t turn,
                                   size_t number)
{
    char text[ID_SEED_BYTES];
    struct span_id id;
    int len = snprintf(text, sizeof text, "%s %zu %zu", what, turn, number);
    uint64_t seed = bytes_hash64(bytes_of(writing->trace.id.b, sizeof writing->trace.id.b), 0);
    uint64_t hash = bytes_hash64(bytes_of(text, len < 0 ? 0 : (size_t)len), seed);
    hash = hash == 0 ? 1 : hash; /* an id of zeros is none */
    for (size_t i = 0; i < sizeof id.b; i++) {
        id.b[i] = (uint8_t)(hash >> (56 - 8 * i));
    }
    return id;
}

/* --- attributes --------------------------------------------------------------------------------------- */

/* Takes the value. */
static void attribute(struct drawing *drawing, const char *key, const char *type, json_t *value)
{
    json_t *pair = json_object();
    json_t *wrapped = json_object();
    bool is_fine = json_object_set_new(wrapped, type, value) == 0;
    is_fine = json_object_set_new(pair, "key", json_string(key)) == 0 && is_fine;
    is_fine = json_object_set_new(pair, "value", wrapped) == 0 && is_fine;
    is_fine = json_array_append_new(drawing->attributes, pair) == 0 && is_fine;
    drawing->writing->is_spoiled = drawing->writing->is_spoiled || !is_fine;
}

static void attribute_text(struct drawing *drawing, const char *key, struct bytes text)
{
    if (text.len > 0) {
        text = vapi_text_cut(text);
        attribute(drawing, key, "stringValue", json_stringn((const char *)text.ptr, text.len));
    }
}

static void attribute_word(struct drawing *drawing, const char *key, const char *word)
{
    attribute(drawing, key, "stringValue", json_string(word));
}

static void attribute_int(struct drawing *drawing, const char *key, int64_t number)
{
    attribute(drawing, key, "intValue", json_integer(number));
}

static void attribute_double(struct drawing *drawing, const char *key, double number)
{
    attribute(drawing, key, "doubleValue", json_real(number));
}

static void attribute_true(struct drawing *drawing, const char *key)
{
    attribute(drawing, key, "boolValue", json_true());
}

/* --- spans -------------------------------------------------------------------------------------------- */

static void member(struct drawing *drawing, const char *key, json_t *value)
{
    bool is_set = json_object_set_new(drawing->span, key, value) == 0;
    drawing->writing->is_spoiled = drawing->writing->is_spoiled || !is_set;
}

static void member_id(struct drawing *drawing, const char *key, struct span_id id)
{
    char hex[SPAN_ID_HEX + 1] = {0};
    bytes_to_hex(bytes_of(id.b, sizeof id.b), hex);
    member(drawing, key, json_string(hex));
}

static void member_time(struct drawing *drawing, const char *key, struct unix_ns at)
{
    char digits[NUMBER_BYTES];
    (void)snprintf(digits, sizeof digits, "%lld", (long long)at.ns);
    member(drawing, key, json_string(digits));
}

static struct drawing span_begin(struct writing *writing, const char *name, struct span_id id,
                                 const struct span_id *parent, struct unix_ns start,
                                 struct unix_ns end)
{
    struct drawing drawing = {writing, json_object(), json_array()};
    member(&drawing, "traceId", json_string(writing->trace_hex));
    member_id(&drawing, "spanId", id);
    if (parent != NULL) {
        member_id(&drawing, "parentSpanId", *parent);
    }
    member(&drawing, "name", json_string(name));
    member(&drawing, "kind", json_integer(KIND_INTERNAL));
    member_time(&drawing, "startTimeUnixNano", start);
    member_time(&drawing, "endTimeUnixNano", end);
    return drawing;
}

static void span_failed(struct drawing *drawing, struct bytes type)
{
    json_t *status = json_object();
    bool is_set = json_object_set_new(status, "code", json_integer(STATUS_ERROR)) == 0;
    drawing->writing->is_spoiled = drawing->writing->is_spoiled || !is_set;
    member(drawing, "status", status);
    attribute_text(drawing, "error.type", type);
}

static int on_text(const char *text, size_t len, void *context)
{
    struct buf *out = context;
    buf_add(out, bytes_of(text, len));
    return 0;
}

/* Writes the span behind those that stand there, when it leaves `reserve` octets of room. */
static void span_end(struct drawing *drawing, size_t reserve)
{
    struct writing *writing = drawing->writing;
    struct buf *one = &writing->one;
    struct buf *out = writing->out;
    buf_reset(one);
    member(drawing, "attributes", drawing->attributes);
    bool is_dumped = json_dump_callback(drawing->span, on_text, one, JSON_COMPACT) == 0;
    writing->is_spoiled = writing->is_spoiled || !is_dumped || err_is(buf_err(one), ERR_MEMORY);
    struct bytes text = buf_bytes(one);
    if (!err_is_ok(buf_err(one)) || text.len + reserve > out->max - buf_bytes(out).len) {
        writing->trace.spans_dropped++;
    } else {
        buf_add_text(out, writing->trace.spans_count > 0 ? "," : "");
        buf_add(out, text);
        writing->trace.spans_count++;
    }
    json_decref(drawing->span);
}

/* --- one kind of span each ---------------------------------------------------------------------------- */

static const struct vapi_component *component_of(const struct writing *writing,
                                                 enum vapi_component_kind kind)
{
    static const struct vapi_component none;
    const struct vapi_report *report = writing->report;
    switch (kind) {
    case VAPI_COMPONENT_TRANSCRIBER:
        return &report->transcriber;
    case VAPI_COMPONENT_MODEL:
        return &report->model;
    case VAPI_COMPONENT_VOICE:
        return &report->voice;
    case VAPI_COMPONENT_PIPELINE:
    case VAPI_COMPONENT_TOOL:
    case VAPI_COMPONENT_COUNT:
        break;
    }
    return &none;
}

static struct bytes one_of(struct bytes first, struct bytes second)
{
    return first.len > 0 ? first : second;
}

static void tool_attributes(struct drawing *drawing, const struct vapi_work *work)
{
    attribute_text(drawing, "gen_ai.tool.name", work->texts[VAPI_TEXT_NAME]);
    attribute_text(drawing, "gen_ai.tool.call.id", work->texts[VAPI_TEXT_CALL_ID]);
    attribute_text(drawing, "gen_ai.tool.call.arguments", work->texts[VAPI_TEXT_ARGUMENTS]);
    attribute_text(drawing, "gen_ai.tool.call.result", work->texts[VAPI_TEXT_OUTPUT]);
}

static void work_attributes(struct drawing *drawing, const struct vapi_work *work)
{
    double ms = (double)(work->end.ns - work->start.ns) / NS_PER_MS;
    const struct bytes *texts = work->texts;
    switch (work->component) {
    case VAPI_COMPONENT_PIPELINE:
        attribute_double(drawing, "vapi.endpointing.latency_ms", ms);
        break;
    case VAPI_COMPONENT_TRANSCRIBER:
        attribute_text(drawing, "transcript", texts[VAPI_TEXT_SAID]);
        if (work->has_first) {
            attribute_double(drawing, "vapi.transcriber.latency_ms", work->first_ms);
        }
        break;
    case VAPI_COMPONENT_MODEL:
        attribute_text(drawing, "output", texts[VAPI_TEXT_OUTPUT]);
        if (work->has_first) {
            attribute_double(drawing, "gen_ai.response.time_to_first_chunk",
                             work->first_ms / MS_PER_S);
        }
        break;
    case VAPI_COMPONENT_TOOL:
        tool_attributes(drawing, work);
        break;
    case VAPI_COMPONENT_VOICE:
        attribute_text(drawing, "text", texts[VAPI_TEXT_SAID]);
        attribute_text(drawing, "gen_ai.speech.voice", drawing->writing->report->voice.voice);
        if (work->has_first) {
            attribute_double(drawing, "vapi.voice.latency_ms", work->first_ms);
        }
        break;
    case VAPI_COMPONENT_COUNT:
        break;
    }
}

static void work_write(struct writing *writing, const struct vapi_work *work, size_t number)
{
    const struct vapi_component *component = component_of(writing, work->component);
    const char *name = component_names[work->component].name;
    const char *operation = component_names[work->component].operation;
    bool has_turn = work->turn < writing->story.turns_count;
    size_t turn = has_turn ? work->turn + 1 : 0;
    struct span_id parent = has_turn ? span_id_make(writing, "turn", turn, 0) : writing->root;
    struct drawing drawing = span_begin(writing, name, span_id_make(writing, name, turn, number),
                                        &parent, work->start, work->end);
    if (operation != NULL) {
        attribute_word(&drawing, "gen_ai.operation.name", operation);
    }
    attribute_text(&drawing, "gen_ai.provider.name",
                   one_of(work->texts[VAPI_TEXT_PROVIDER], component->provider));
    attribute_text(&drawing, "gen_ai.request.model",
                   one_of(work->texts[VAPI_TEXT_MODEL], component->model));
    work_attributes(&drawing, work);
    if (work->is_derived) {
        attribute_true(&drawing, "vapi.derived");
    }
    if (!work->has_end && !work->has_first) {
        attribute_true(&drawing, "vapi.unfinished");
    }
    if (work->is_failed) {
        span_failed(&drawing, one_of(work->texts[VAPI_TEXT_ERROR], bytes_of_text("failed")));
    }
    span_end(&drawing, ROOT_BYTES);
}

static void turn_write(struct writing *writing, size_t number)
{
    const struct vapi_turn *turn = &writing->story.turns[number];
    struct drawing drawing =
        span_begin(writing, "turn", span_id_make(writing, "turn", number + 1, 0), &writing->root,
                   turn->start, turn->end);
    attribute_int(&drawing, "turn.number", (int64_t)number + 1);
    attribute_text(&drawing, "vapi.turn.id", turn->id);
    if (turn->has_latency) {
        attribute_double(&drawing, "vapi.turn.latency_ms", turn->latency_ms);
    }
    attribute(&drawing, "turn.was_interrupted", "boolValue", json_boolean(turn->is_interrupted));
    span_end(&drawing, ROOT_BYTES);
}

/* Only the whole call's tokens are told. */
static void tokens_write(struct drawing *drawing, const struct vapi_tokens *tokens)
{
    if (tokens->is_known) {
        attribute_int(drawing, "gen_ai.usage.input_tokens", tokens->prompt);
        attribute_int(drawing, "gen_ai.usage.output_tokens", tokens->completion);
        if (tokens->cached > 0) {
            attribute_int(drawing, "gen_ai.usage.cache_read.input_tokens", tokens->cached);
        }
        if (tokens->reasoning > 0) {
            attribute_int(drawing, "gen_ai.usage.reasoning.output_tokens", tokens->reasoning);
        }
    }
}

static void counts_write(struct drawing *drawing)
{
    const struct writing *writing = drawing->writing;
    const struct vapi_story *story = &writing->story;
    size_t dropped = story->dropped + writing->trace.spans_dropped;
    attribute_word(drawing, "vapi.source", story->is_from_log ? "log" : "messages");
    if (story->interruptions > 0) {
        attribute_int(drawing, "vapi.interruptions", (int64_t)story->interruptions);
    }
    if (story->has_unaligned) {
        attribute_true(drawing, "vapi.turn_latencies_left_out");
    }
    if (dropped > 0) {
        attribute_int(drawing, "vapi.spans_left_out", (int64_t)dropped);
    }
    if (writing->report->messages_dropped > 0) {
        attribute_int(drawing, "vapi.messages_left_out",
                      (int64_t)writing->report->messages_dropped);
    }
    if (writing->log != NULL && writing->log->broken > 0) {
        attribute_int(drawing, "vapi.log_lines_left_out", (int64_t)writing->log->broken);
    }
}

static bool is_failure(const char *ended_status)
{
    return strcmp(ended_status, "AGENT_ERROR") == 0 || strcmp(ended_status, "DIAL_ERROR") == 0 ||
           strcmp(ended_status, "PHONE_CALL_PROVIDER_CONNECTION_ERROR") == 0;
}

/* False when no time is known. */
static bool root_times(const struct writing *writing, struct unix_ns *ret_start,
                       struct unix_ns *ret_end)
{
    const struct vapi_report *report = writing->report;
    const struct vapi_story *story = &writing->story;
    bool has_start = report->has_started;
    bool has_end = report->has_ended;
    struct unix_ns start = report->started;
    struct unix_ns end = report->ended;
    for (size_t i = 0; i < story->turns_count; i++) {
        const struct vapi_turn *turn = &story->turns[i];
        if (!report->has_started && (!has_start || turn->start.ns < start.ns)) {
            start = turn->start;
            has_start = true;
        }
        if (!report->has_ended && (!has_end || turn->end.ns > end.ns)) {
            end = turn->end;
            has_end = true;
        }
    }
    if (!has_start && !has_end) {
        return false;
    }
    start = has_start ? start : end;
    end = has_end && end.ns >= start.ns ? end : start;
    *ret_start = start;
    *ret_end = end;
    return true;
}

static void root_write(struct writing *writing, struct unix_ns start, struct unix_ns end)
{
    const struct vapi_report *report = writing->report;
    struct drawing drawing = span_begin(writing, "call", writing->root, NULL, start, end);
    attribute_text(&drawing, "gen_ai.conversation.id", report->call_id);
    if (report->assistants_count > 0) {
        attribute_text(&drawing, "gen_ai.agent.name", report->assistants[0].name);
        attribute_text(&drawing, "gen_ai.agent.id", report->assistants[0].id);
    }
    attribute_text(&drawing, "vapi.call.type", report->call_type);
    attribute_text(&drawing, "vapi.ended_reason", report->ended_reason);
    if (report->has_cost) {
        attribute_double(&drawing, "vapi.cost_usd", report->cost);
    }
    tokens_write(&drawing, &report->tokens);
    counts_write(&drawing);
    if (is_failure(vapi_ended_status(report->ended_reason))) {
        span_failed(&drawing, report->ended_reason);
    }
    span_end(&drawing, TAIL_BYTES);
}

/* --- the export --------------------------------------------------------------------------------------- */

static void head_write(struct writing *writing)
{
    struct bytes id = writing->report->call_id;
    json_t *text = json_stringn((const char *)id.ptr, id.len);
    buf_add_text(writing->out,
                 "{\"resourceSpans\":[{\"resource\":{\"attributes\":[{\"key\":\"service.name\","
                 "\"value\":{\"stringValue\":\"vapi\"}},{\"key\":\"vapi.call.id\",\"value\":{"
                 "\"stringValue\":");
    bool is_fine = text != NULL && json_dump_callback(text, on_text, writing->out,
                                                      JSON_ENCODE_ANY | JSON_COMPACT) == 0;
    writing->is_spoiled = writing->is_spoiled || !is_fine;
    json_decref(text);
    buf_add_text(writing->out, "}}]},\"scopeSpans\":[{\"scope\":{\"name\":\"vapi\"},\"spans\":[");
}

static FALLIBLE works_write(struct writing *writing)
{
    const struct vapi_story *story = &writing->story;
    size_t(*numbers)[VAPI_COMPONENT_COUNT] =
        arena_zero(writing->arena, story->turns_count + 1, sizeof *numbers);
    if (numbers == NULL) {
        return FAIL(NO_SPACE);
    }
    for (size_t i = 0; i < story->works_count; i++) {
        const struct vapi_work *work = &story->works[i];
        size_t turn = work->turn < story->turns_count ? work->turn + 1 : 0;
        work_write(writing, work, numbers[turn][work->component]++);
    }
    return OK;
}

static FALLIBLE spans_write(struct writing *writing, struct unix_ns start, struct unix_ns end)
{
    head_write(writing);
    for (size_t i = 0; i < writing->story.turns_count; i++) {
        turn_write(writing, i);
    }
    TRY(works_write(writing));
    size_t before = writing->trace.spans_count;
    root_write(writing, start, end);
    bool has_root = writing->trace.spans_count > before;
    buf_add_text(writing->out, "]}]}]}");
    if (writing->is_spoiled) {
        return FAIL(MEMORY);
    }
    return has_root ? buf_err(writing->out) : FAIL(TOO_LARGE);
}

err_t vapi_trace_write(const struct vapi_report *report, const struct vapi_log *log,
                       size_t spans_max, struct arena *arena, struct buf *out,
                       struct vapi_trace *ret_trace)
{
    struct unix_ns start = {0};
    struct unix_ns end = {0};
    struct writing writing = {.report = report, .log = log, .out = out, .arena = arena};
    writing.trace.id = vapi_trace_id(report->call_id);
    writing.root = span_id_make(&writing, "call", 0, 0);
    bytes_to_hex(bytes_of(writing.trace.id.b, sizeof writing.trace.id.b), writing.trace_hex);
    TRY(vapi_story_read(report, log, spans_max, arena, &writing.story));
    if (!root_times(&writing, &start, &end)) {
        return FAIL(NOT_FOUND);
    }
    buf_init(&writing.one, out->max);
    err_t err = spans_write(&writing, start, end);
    buf_fini(&writing.one);
    if (err_is_ok(err)) {
        writing.trace.spans_dropped += writing.story.dropped;
        *ret_trace = writing.trace;
    }
    return err;
}
