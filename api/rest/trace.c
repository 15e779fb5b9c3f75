#include "api/rest/opened.h"
#include "api/rest/out.h"
#include "api/rest/query.h"
#include "api/rest/rest.h"
#include "api/rest/trace_row.h"
#include "api/rest/tree.h"
#include "proto/voice/spans.h"

#include "proto/base/banned.h"

/* --- the whole trace ------------------------------------------------------------------------------- */

static const char type_json[] = "application/json";
static const char type_protobuf[] = "application/x-protobuf";

/* The quality that an Accept header gives to a type, in thousandths; `absent` when it does not name it. */
static int accept_quality(const char *accept, const char *type, int absent)
{
    size_t type_len = strlen(type);
    for (const char *at = accept; *at != '\0';) {
        at += strspn(at, " ,\t");
        size_t len = strcspn(at, ",");
        size_t name_len = strcspn(at, ",; \t");
        if (name_len == type_len && strncasecmp(at, type, type_len) == 0) {
            const char *q = memmem(at, len, "q=", 2);
            if (q == NULL || q[2] == '1') {
                return 1000;
            }
            /* Enough to order them: the first digit behind the point. */
            bool has_digit = q[2] == '0' && q[3] == '.' && q[4] >= '0' && q[4] <= '9';
            return has_digit ? (q[4] - '0') * 100 + 1 : 0;
        }
        at += len;
    }
    return absent;
}

enum { Q_FORMAT, Q_COUNT };
enum { FORMAT_JSON = 0, FORMAT_PROTOBUF };

static const char *const formats[] = {"json", "protobuf", NULL};

static const struct query_rule rules[Q_COUNT] = {
    [Q_FORMAT] = {.name = "format", .type = QUERY_WORD, .words = formats},
};

/* What the address says, for a link cannot name a header; else protobuf only when it is named and JSON is not
 * preferred. */
static bool wants_protobuf(const struct http_request *request, const struct query_value *format)
{
    if (format->has) {
        return format->number == FORMAT_PROTOBUF;
    }
    const char *accept = http_header(request, "Accept");
    if (accept == NULL) {
        return false;
    }
    int protobuf = accept_quality(accept, type_protobuf, 0);
    return protobuf > 0 && protobuf > accept_quality(accept, type_json, -1);
}

void rest_trace_get(struct exchange *exchange)
{
    struct opened opened;
    struct query_value query[Q_COUNT];
    if (!query_read(exchange, rules, Q_COUNT, query) || !opened_init(exchange, &opened)) {
        return;
    }
    bool is_protobuf = wants_protobuf(exchange_http(exchange), &query[Q_FORMAT]);
    struct out out;
    err_t err = OK;
    out_init(&out);
    if (is_protobuf) {
        view_protobuf(&opened.view, &out.buf);
    } else {
        err = view_json(&opened.view, &opened.arena, &out.buf);
    }
    opened_fini(&opened);
    if (err_is_ok(err)) {
        out_answer_as(&out, exchange, is_protobuf ? type_protobuf : type_json);
    } else {
        struct detail detail = {0};
        detail_set(&detail, "the trace has no JSON form, ask for %s: %s", type_protobuf,
                   err_text(err));
        out_fini(&out);
        exchange_fail(exchange, err_class(err) == ERR_CLASS_INPUT ? FAIL(INTERNAL) : err, &detail);
    }
}

/* --- the tree --------------------------------------------------------------------------------------- */

static const char *kind_word(uint32_t kind)
{
    static const char *const words[] = {"unspecified", "internal", "server",
                                        "client",      "producer", "consumer"};
    return kind < sizeof words / sizeof words[0] ? words[kind] : words[0];
}

static const char *status_word(uint32_t status)
{
    static const char *const words[] = {"unset", "ok", "error"};
    return status < sizeof words / sizeof words[0] ? words[status] : words[0];
}

static void text_if(struct out *out, const char *key, struct bytes text)
{
    if (text.len > 0) {
        out_text(out, key, text);
    }
}

static void number_if(struct out *out, const char *key, bool has, double number)
{
    if (has) {
        out_double(out, key, number);
    }
}

static void bool_if(struct out *out, const char *key, bool has, bool value)
{
    if (has) {
        out_bool(out, key, value);
    }
}

static void facts_write(struct out *out, const struct otlp_span *span, enum voice_sdk sdk)
{
    struct voice_facts facts;
    voice_span_facts(span, sdk, &facts);
    out_object(out, "voice");
    if (facts.stage != VOICE_STAGE_ANY) {
        out_word(out, "stage", voice_stage_name(facts.stage));
    }
    text_if(out, "operation", facts.operation);
    text_if(out, "provider", facts.provider);
    text_if(out, "model", facts.model);
    number_if(out, "tokensIn", facts.has_tokens_in, facts.tokens_in);
    number_if(out, "tokensOut", facts.has_tokens_out, facts.tokens_out);
    number_if(out, "tokensCached", facts.has_tokens_cached, facts.tokens_cached);
    number_if(out, "tokensReasoning", facts.has_tokens_reasoning, facts.tokens_reasoning);
    number_if(out, "timeToFirstTokenMs", facts.has_ttft_ms, facts.ttft_ms);
    number_if(out, "timeToFirstByteMs", facts.has_ttfb_ms, facts.ttfb_ms);
    number_if(out, "transcriptionDelayMs", facts.has_stt_delay_ms, facts.stt_delay_ms);
    number_if(out, "endOfTurnMs", facts.has_end_of_turn_ms, facts.end_of_turn_ms);
    number_if(out, "responseLatencyMs", facts.has_response_latency_ms, facts.response_latency_ms);
    text_if(out, "toolName", facts.tool_name);
    text_if(out, "toolCallId", facts.tool_call_id);
    bool_if(out, "isToolError", facts.has_is_tool_error, facts.is_tool_error);
    text_if(out, "errorType", facts.error_type);
    bool_if(out, "isInterrupted", facts.has_is_interrupted, facts.is_interrupted);
    out_end_object(out);
}

/* What the rows of one tree share. */
struct drawing {
    const struct view *view;
    const struct tree *tree;
    const enum voice_sdk *sdks; /* by resource */
    uint32_t provisional;       /* its row, which is not shown; TREE_NONE: there is none */
    struct unix_ns start;
};

static void row_write(struct out *out, const struct drawing *drawing, const struct tree_row *row)
{
    const struct otlp_span *span = &drawing->view->spans[row->span];
    const struct otlp_scope *scope = &drawing->view->scopes[span->scope];
    const struct otlp_resource *resource = &drawing->view->resources[scope->resource];
    bool is_top = row->parent == TREE_NONE || row->parent == drawing->provisional;
    out_object(out, NULL);
    out_hex(out, "spanId", bytes_of(span->id.b, sizeof span->id.b));
    if (span->has_parent) {
        out_hex(out, "parentSpanId", bytes_of(span->parent.b, sizeof span->parent.b));
    } else {
        out_null(out, "parentSpanId");
    }
    out_int(out, "depth", row->depth);
    if (is_top) {
        out_null(out, "parent");
    } else {
        out_int(out, "parent", (int64_t)row->parent - (row->parent > drawing->provisional));
    }
    out_text(out, "name", span->name);
    out_word(out, "kind", kind_word(span->kind));
    out_word(out, "status", status_word(span->status));
    text_if(out, "statusMessage", span->status_message);
    out_text(out, "service", resource->service);
    out_text(out, "scope", scope->name);
    out_ms_between(out, "startOffsetMs", drawing->start, span->start);
    out_ms_between(out, "durationMs", span->start, span->end);
    out_int(out, "attributeCount", span->attributes_count);
    out_int(out, "eventCount", span->events_count);
    out_int(out, "linkCount", span->links_count);
    out_bool(out, "isOrphan", row->is_orphan);
    out_bool(out, "isCut", row->is_cut);
    facts_write(out, span, drawing->sdks[scope->resource]);
    out_end_object(out);
}

static FALLIBLE drawing_make(struct opened *opened, struct tree *tree, struct drawing *ret_drawing)
{
    const struct view *view = &opened->view;
    struct tree_span *spans = arena_zero(&opened->arena, view->spans_count + 1, sizeof *spans);
    enum voice_sdk *sdks = arena_zero(&opened->arena, view->resources_count + 1, sizeof *sdks);
    if (spans == NULL || sdks == NULL) {
        return FAIL(NO_SPACE);
    }
    *ret_drawing =
        (struct drawing){.view = view, .tree = tree, .sdks = sdks, .provisional = TREE_NONE};
    ret_drawing->start.ns = INT64_MAX;
    for (size_t i = 0; i < view->spans_count; i++) {
        const struct otlp_span *span = &view->spans[i];
        spans[i] = (struct tree_span){.id = span->id,
                                      .parent = span->parent,
                                      .has_parent = span->has_parent,
                                      .start = span->start,
                                      .end = span->end};
        if (span->start.ns < ret_drawing->start.ns) {
            ret_drawing->start = span->start;
        }
    }
    for (size_t i = 0; i < view->resources_count; i++) {
        sdks[i] = voice_sdk_of(&view->resources[i]);
    }
    TRY(tree_build(spans, view->spans_count, &opened->arena, tree));
    for (size_t i = 0; i < tree->count; i++) {
        if (tree->rows[i].span == TREE_NONE) {
            ret_drawing->provisional = (uint32_t)i;
        }
    }
    return OK;
}

static void tree_write(struct out *out, const struct opened *opened, const struct drawing *drawing)
{
    const struct view *view = drawing->view;
    struct unix_ns end = drawing->start;
    int64_t errors = 0;
    for (size_t i = 0; i < view->spans_count; i++) {
        end = view->spans[i].end.ns > end.ns ? view->spans[i].end : end;
        errors += status_word(view->spans[i].status)[0] == 'e';
    }
    out_object(out, NULL);
    out_object(out, "data");
    out_hex(out, "traceId", bytes_of(opened->id.b, sizeof opened->id.b));
    out_word(out, "rootState", trace_root_state(opened->has_root, opened->last_seen, clock_unix()));
    out_time(out, "startedAt", drawing->start, 9);
    out_ms_between(out, "durationMs", drawing->start, end);
    out_int(out, "spanCount", (int64_t)view->spans_count);
    out_int(out, "errorCount", errors);
    out_int(out, "rootCount", (int64_t)drawing->tree->roots);
    if (drawing->tree->orphans > 0) {
        out_object(out, "provisionalRoot");
        out_int(out, "childCount", (int64_t)drawing->tree->orphans);
        out_int(out, "firstRow", drawing->provisional);
        out_end_object(out);
    } else {
        out_null(out, "provisionalRoot");
    }
    out_array(out, "spans");
    for (size_t i = 0; i < drawing->tree->count; i++) {
        if (drawing->tree->rows[i].span != TREE_NONE) {
            row_write(out, drawing, &drawing->tree->rows[i]);
        }
    }
    out_end_array(out);
    out_end_object(out);
    out_end_object(out);
}

void rest_trace_tree(struct exchange *exchange)
{
    struct opened opened;
    struct tree tree;
    struct drawing drawing;
    if (!opened_init(exchange, &opened)) {
        return;
    }
    err_t err = drawing_make(&opened, &tree, &drawing);
    if (err_is_ok(err)) {
        struct out out;
        out_init(&out);
        tree_write(&out, &opened, &drawing);
        out_answer(&out, exchange);
    } else {
        exchange_fail(exchange, err, &(struct detail){0});
    }
    opened_fini(&opened);
}
