/* facts: what the attributes of one span say about a voice agent's work: stage, model, tokens, delays, tool. PURE.
 *
 * The vocabularies of LiveKit (Python and Node), Pipecat, ElevenLabs and the GenAI conventions with their
 * order and unit traps are rows of facts.def. All durations come out in milliseconds.
 *
 *     voice_facts_read(&span, &facts);
 *     if (facts.has_ttft_ms) { ... facts.ttft_ms ... }
 *
 * Thread: any. Texts borrow from the span. */
#ifndef CALLTRACE_VOICE_FACTS_H
#define CALLTRACE_VOICE_FACTS_H

#include <stdbool.h>

#include "proto/base/bytes.h"

enum voice_stage {
    VOICE_STAGE_ANY = 0, /* not known to be part of a voice agent */
    VOICE_STAGE_SESSION,
    VOICE_STAGE_USER,
    VOICE_STAGE_END_OF_TURN,
    VOICE_STAGE_AGENT,
    VOICE_STAGE_STT,
    VOICE_STAGE_LLM,
    VOICE_STAGE_TTS,
    VOICE_STAGE_TOOL,
};

enum voice_form { VOICE_FORM_TEXT, VOICE_FORM_NUMBER, VOICE_FORM_TRUTH };

/* An attribute of one of three forms; others (arrays, maps, bytes) carry no fact and are left out. */
struct voice_attribute {
    struct bytes key;
    enum voice_form form;
    struct bytes text; /* TEXT */
    double number;     /* NUMBER */
    bool is_true;      /* TRUTH */
    bool is_integer;   /* NUMBER: it came as an integer */
};

struct voice_span {
    struct bytes name;
    bool is_node; /* resource attribute telemetry.sdk.language is "nodejs" */
    /* There is no such attribute: Node's SDK adds none to a resource made by hand. LiveKit's delays are
     * then told apart by their form: whole milliseconds from Node, fractions of a second from Python. */
    bool is_sdk_unknown;
    const struct voice_attribute *attributes;
    size_t count;
};

struct voice_facts {
    enum voice_stage stage;
    struct bytes operation; /* texts: length 0 means absent */
    struct bytes provider;
    struct bytes model;
    struct bytes tool_name;
    struct bytes tool_call_id;
    struct bytes error_type;
    struct bytes user_said;
    struct bytes user_input; /* what an agent's turn answers */
    struct bytes agent_said;
    struct bytes speech_id;
    struct bytes generation_id;
    struct bytes parent_generation_id;
    bool has_tokens_in;
    bool has_tokens_out;
    bool has_tokens_cached;
    bool has_tokens_reasoning;
    bool has_ttft_ms;
    bool has_ttfb_ms;
    bool has_stt_delay_ms;
    bool has_end_of_turn_ms;
    bool has_response_latency_ms;
    bool has_is_tool_error;
    bool has_is_interrupted;
    bool has_is_derived;
    double tokens_in;
    double tokens_out;
    double tokens_cached;
    double tokens_reasoning;
    double ttft_ms;
    double ttfb_ms;
    double stt_delay_ms;
    double end_of_turn_ms;
    double response_latency_ms;
    bool is_tool_error;
    bool is_interrupted;
    bool is_derived;
    /* The attribute that told it; NULL with has_ false. */
    const char *ttft_ms_from;
    const char *ttfb_ms_from;
    const char *end_of_turn_ms_from;
    const char *response_latency_ms_from;
};

void voice_facts_read(const struct voice_span *span, struct voice_facts *ret_facts);

/* True for a key that voice_facts_read may look at, so that a caller converts no others. */
bool voice_key_is_known(struct bytes key);

/* "llm", "tool", ...; "" for ANY. */
const char *voice_stage_name(enum voice_stage stage);

#endif
