#include "proto/voice/facts.h"

#include <math.h>
#include <stddef.h>
#include <stdlib.h>

#include "proto/otlp/jsonread.h"

#include "proto/base/banned.h"

/* What a duration is written in. */
enum unit { UNIT_TEXT, UNIT_COUNT, UNIT_TRUTH, UNIT_S, UNIT_MS, UNIT_SDK };

/* The rows of a fact are tried in their order; `fact` is where the result goes. */
enum fact {
    FACT_provider,
    FACT_model,
    FACT_tokens_in,
    FACT_tokens_out,
    FACT_tokens_cached,
    FACT_tokens_reasoning,
    FACT_ttft_ms,
    FACT_ttfb_ms,
    FACT_stt_delay_ms,
    FACT_end_of_turn_ms,
    FACT_response_latency_ms,
    FACT_tool_name,
    FACT_tool_call_id,
    FACT_is_tool_error,
    FACT_error_type,
    FACT_is_interrupted,
    FACT_is_derived,
    FACT_user_said,
    FACT_user_input,
    FACT_agent_said,
    FACT_speech_id,
    FACT_generation_id,
    FACT_parent_generation_id,
    FACT_COUNT,
};

struct row {
    enum fact fact;
    const char *key;
    size_t key_len;
    const char *member; /* of the JSON text under the key; NULL: the attribute itself */
    enum unit unit;
    enum voice_stage stage;
};

static const struct row rows[] = {
#define STAGE_OF(operation, stage)
#define STAGE_NAMED(name, stage)
#define FACT(fact, key, form, stage) \
    {FACT_##fact, key, sizeof(key) - 1, NULL, UNIT_##form, VOICE_STAGE_##stage},
#define METRIC(fact, key, member, form, stage) \
    {FACT_##fact, key, sizeof(key) - 1, member, UNIT_##form, VOICE_STAGE_##stage},
#include "proto/voice/facts.def"
#undef STAGE_OF
#undef STAGE_NAMED
#undef FACT
#undef METRIC
};

struct stage_row {
    const char *operation; /* or the name */
    const char *name;
    enum voice_stage stage;
};

static const struct stage_row stages[] = {
#define STAGE_OF(operation, stage) {operation, NULL, VOICE_STAGE_##stage},
#define STAGE_NAMED(name, stage)   {NULL, name, VOICE_STAGE_##stage},
#define FACT(fact, key, form, stage)
#define METRIC(fact, key, member, form, stage)
#include "proto/voice/facts.def"
#undef STAGE_OF
#undef STAGE_NAMED
#undef FACT
#undef METRIC
};

/* Where a fact lands in struct voice_facts: a text, or a number or truth with its has_ flag, and the key that told
 * it. */
struct place {
    size_t value;
    size_t has;
    size_t from; /* 0: nobody asks */
};

#define TEXT_AT(field)                            \
    {                                             \
        offsetof(struct voice_facts, field), 0, 0 \
    }
#define NUMBER_AT(field)                                                                  \
    {                                                                                     \
        offsetof(struct voice_facts, field), offsetof(struct voice_facts, has_##field), 0 \
    }
#define TOLD_AT(field)                                                                  \
    {                                                                                   \
        offsetof(struct voice_facts, field), offsetof(struct voice_facts, has_##field), \
            offsetof(struct voice_facts, field##_from)                                  \
    }
static const struct place places[FACT_COUNT] = {
    [FACT_provider] = TEXT_AT(provider),
    [FACT_model] = TEXT_AT(model),
    [FACT_tokens_in] = NUMBER_AT(tokens_in),
    [FACT_tokens_out] = NUMBER_AT(tokens_out),
    [FACT_tokens_cached] = NUMBER_AT(tokens_cached),
    [FACT_tokens_reasoning] = NUMBER_AT(tokens_reasoning),
    [FACT_ttft_ms] = TOLD_AT(ttft_ms),
    [FACT_ttfb_ms] = TOLD_AT(ttfb_ms),
    [FACT_stt_delay_ms] = NUMBER_AT(stt_delay_ms),
    [FACT_end_of_turn_ms] = TOLD_AT(end_of_turn_ms),
    [FACT_response_latency_ms] = TOLD_AT(response_latency_ms),
    [FACT_tool_name] = TEXT_AT(tool_name),
    [FACT_tool_call_id] = TEXT_AT(tool_call_id),
    [FACT_is_tool_error] = NUMBER_AT(is_tool_error),
    [FACT_error_type] = TEXT_AT(error_type),
    [FACT_is_interrupted] = NUMBER_AT(is_interrupted),
    [FACT_is_derived] = NUMBER_AT(is_derived),
    [FACT_user_said] = TEXT_AT(user_said),
    [FACT_user_input] = TEXT_AT(user_input),
    [FACT_agent_said] = TEXT_AT(agent_said),
    [FACT_speech_id] = TEXT_AT(speech_id),
    [FACT_generation_id] = TEXT_AT(generation_id),
    [FACT_parent_generation_id] = TEXT_AT(parent_generation_id),
};

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

static const char operation_key[] = "gen_ai.operation.name";

static const struct voice_attribute *find(const struct voice_span *span, struct bytes key)
{
    for (size_t i = 0; i < span->count; i++) {
        if (bytes_equal(span->attributes[i].key, key)) {
            return &span->attributes[i];
        }
    }
    return NULL;
}

static enum voice_stage stage_find(struct bytes operation, struct bytes name)
{
    for (size_t i = 0; i < COUNT_OF(stages); i++) {
        const struct stage_row *row = &stages[i];
        bool is_it = row->operation != NULL ? bytes_equal_text(operation, row->operation)
                                            : bytes_equal_text(name, row->name);
        if (is_it) {
            return row->stage;
        }
    }
    return VOICE_STAGE_ANY;
}

/* The number under `member` at the top of the JSON text; false when there is none. */
static bool member_number(struct bytes json, const char *member, double *ret_number)
{
    enum { DEPTH_MAX = 16, NUMBER_BYTES = 64 };
    struct jsonread reader;
    struct json_token token;
    jsonread_init(&reader, json, DEPTH_MAX);
    if (!err_is_ok(jsonread_next(&reader, &token)) || token.kind != JSONREAD_OBJECT) {
        return false;
    }
    while (err_is_ok(jsonread_next(&reader, &token)) && token.kind == JSONREAD_KEY) {
        if (!jsonread_equals(&token, member)) {
            if (!err_is_ok(jsonread_skip(&reader))) {
                return false;
            }
            continue;
        }
        if (!err_is_ok(jsonread_next(&reader, &token)) || token.kind != JSONREAD_NUMBER ||
            token.text.len >= NUMBER_BYTES) {
            return false;
        }
        char digits[NUMBER_BYTES];
        memcpy(digits, token.text.ptr, token.text.len);
        digits[token.text.len] = '\0';
        *ret_number = strtod(digits, NULL);
        return true;
    }
    return false;
}

static bool row_number(const struct row *row, const struct voice_attribute *attribute,
                       double *ret_number)
{
    if (row->member != NULL) {
        return attribute->form == VOICE_FORM_TEXT &&
               member_number(attribute->text, row->member, ret_number);
    }
    if (attribute->form != VOICE_FORM_NUMBER) {
        return false;
    }
    *ret_number = attribute->number;
    return true;
}

/* Booleans stand as texts where a convention knows only texts. */
static bool row_truth(const struct voice_attribute *attribute, bool *ret_is_true)
{
    if (attribute->form == VOICE_FORM_TRUTH) {
        *ret_is_true = attribute->is_true;
        return true;
    }
    bool is_true = attribute->form == VOICE_FORM_TEXT && bytes_equal_text(attribute->text, "true");
    bool is_false =
        attribute->form == VOICE_FORM_TEXT && bytes_equal_text(attribute->text, "false");
    if (is_true || is_false) {
        *ret_is_true = is_true;
    }
    return is_true || is_false;
}

static double unit_factor(enum unit unit, const struct voice_span *span,
                          const struct voice_attribute *attribute)
{
    bool is_node = span->is_node || (span->is_sdk_unknown && attribute->is_integer);
    bool is_seconds = unit == UNIT_S || (unit == UNIT_SDK && !is_node);
    return is_seconds ? 1000.0 : 1.0;
}

/* Reads the attribute as the row says into the fact's place; false when it does not fit. */
static bool row_read(const struct row *row, const struct voice_attribute *attribute,
                     const struct voice_span *span, struct voice_facts *facts)
{
    uint8_t *base = (uint8_t *)facts;
    const struct place *place = &places[row->fact];
    bool has = false;
    if (row->unit == UNIT_TEXT) {
        has = attribute->form == VOICE_FORM_TEXT && attribute->text.len > 0;
        if (has) {
            memcpy(base + place->value, &attribute->text, sizeof attribute->text);
        }
        return has;
    }
    if (row->unit == UNIT_TRUTH) {
        bool is_true = false;
        has = row_truth(attribute, &is_true);
        if (has) {
            memcpy(base + place->value, &is_true, sizeof is_true);
        }
    } else {
        double number = 0;
        has = row_number(row, attribute, &number) && isfinite(number);
        number *= unit_factor(row->unit, span, attribute);
        if (has) {
            memcpy(base + place->value, &number, sizeof number);
        }
    }
    if (has) {
        memcpy(base + place->has, &has, sizeof has);
    }
    if (has && place->from != 0) {
        memcpy(base + place->from, &row->key, sizeof row->key);
    }
    return has;
}

void voice_facts_read(const struct voice_span *span, struct voice_facts *ret_facts)
{
    *ret_facts = (struct voice_facts){0};
    const struct voice_attribute *operation =
        find(span, bytes_of(operation_key, sizeof operation_key - 1));
    if (operation != NULL && operation->form == VOICE_FORM_TEXT) {
        ret_facts->operation = operation->text;
    }
    ret_facts->stage = stage_find(ret_facts->operation, span->name);
    bool is_found[FACT_COUNT] = {false};
    for (size_t i = 0; i < COUNT_OF(rows) && span->count > 0; i++) {
        const struct row *row = &rows[i];
        bool is_asked = !is_found[row->fact] &&
                        (row->stage == VOICE_STAGE_ANY || row->stage == ret_facts->stage);
        const struct voice_attribute *attribute =
            is_asked ? find(span, bytes_of(row->key, row->key_len)) : NULL;
        if (attribute != NULL) {
            is_found[row->fact] = row_read(row, attribute, span, ret_facts);
        }
    }
}

bool voice_key_is_known(struct bytes key)
{
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        if (bytes_equal(key, bytes_of(rows[i].key, rows[i].key_len))) {
            return true;
        }
    }
    return bytes_equal_text(key, operation_key);
}

const char *voice_stage_name(enum voice_stage stage)
{
    static const char *const names[] = {"",    "session", "user", "end_of_turn", "agent",
                                        "stt", "llm",     "tts",  "tool"};
    return names[stage];
}
