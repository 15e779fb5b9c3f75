#include "tests/bench/spans.h"

#include <stdio.h>

#include "tests/bench/put.h"

#include "proto/base/banned.h"

enum { TURN_SPANS = 5, SENTENCE_WORDS = 30, VALUE_BYTES_MAX = 1024 };

/* `what` of recipe_draw. */
enum { DRAW_SPAN = 1024, DRAW_SPEECH = 2048 };

static const char *const words[] = {
    "the",      "appointment", "is",     "on",       "Tuesday",   "morning", "please", "wait",
    "while",    "I",           "look",   "that",     "up",        "for",     "you",    "your",
    "number",   "ends",        "with",   "seven",    "could",     "repeat",  "it",     "of",
    "course",   "we",          "have",   "a",        "free",      "table",   "at",     "eight",
    "tomorrow", "would",       "like",   "anything", "else",      "today",   "thank",  "goodbye",
    "order",    "arrives",     "under",  "address",  "confirmed", "payment", "failed", "again",
    "card",     "expired",     "doctor", "is",       "in",        "room",    "twelve", "parking",
    "behind",   "building",    "three",  "minutes",  "late",      "sorry",   "about",  "delay",
};
enum { WORDS_COUNT = sizeof(words) / sizeof(words[0]) };

static const char *const models[] = {"gpt-4o", "gpt-4o-mini", "gpt-4.1", "claude-sonnet"};

/* A sentence; never full, the buffer holds the longest. */
static void put_sentence(struct buf *out, const char *key, uint64_t chance)
{
    char text[VALUE_BYTES_MAX];
    size_t len = 0;
    for (unsigned n = 0; n < SENTENCE_WORDS; n++) {
        const char *word = words[(chance = recipe_mix(chance)) % WORDS_COUNT];
        size_t word_len = strlen(word);
        memcpy(text + len, word, word_len);
        len += word_len;
        text[len++] = ' ';
    }
    put_text(out, PUT_SPAN, key, bytes_of(text, len));
}

/* Span 0 is the session; of every five that follow the second is the parent of the last three. */
static unsigned parent_of(unsigned index)
{
    unsigned place = (index - 1) % TURN_SPANS;
    return place <= 1 ? 0 : index - place + 1;
}

static const char *name_of(unsigned index)
{
    static const char *const names[] = {"user_turn", "agent_turn", "llm_node", "tts_node",
                                        "function_tool"};
    return index == 0 ? "agent_session" : names[(index - 1) % TURN_SPANS];
}

static void put_speech(const struct recipe *recipe, uint64_t trace, unsigned index, const char *key,
                       struct buf *out)
{
    char speech[32];
    uint64_t chance = recipe_draw(recipe, trace, DRAW_SPEECH + index / TURN_SPANS);
    int len = snprintf(speech, sizeof(speech), "speech_%012llx", (unsigned long long)chance >> 16);
    put_text(out, PUT_SPAN, key, bytes_of(speech, (size_t)len));
}

static void put_llm(uint64_t chance, struct buf *out)
{
    char metrics[VALUE_BYTES_MAX];
    int len = snprintf(metrics, sizeof(metrics),
                       "{\"type\":\"llm_metrics\",\"label\":\"openai.LLM\",\"duration\":0.%03u,"
                       "\"ttft\":0.%03u,\"cancelled\":false,\"completion_tokens\":%u,"
                       "\"prompt_tokens\":%u,\"tokens_per_second\":%u.%u}",
                       (unsigned)(chance % 1000), (unsigned)(chance / 7 % 1000),
                       (unsigned)(chance / 11 % 200), (unsigned)(chance / 13 % 4000),
                       (unsigned)(chance / 17 % 90), (unsigned)(chance / 19 % 100));
    const char *model = models[chance % (sizeof(models) / sizeof(models[0]))];
    put_text(out, PUT_SPAN, "gen_ai.operation.name", bytes_of_text("chat"));
    put_text(out, PUT_SPAN, "gen_ai.request.model", bytes_of_text(model));
    put_int(out, PUT_SPAN, "gen_ai.usage.input_tokens", chance / 13 % 4000);
    put_int(out, PUT_SPAN, "gen_ai.usage.output_tokens", chance / 11 % 200);
    put_text(out, PUT_SPAN, "lk.llm_metrics", bytes_of(metrics, (size_t)len));
    put_sentence(out, "lk.response.text", chance);
}

static void put_attributes(const struct recipe *recipe, uint64_t trace, unsigned index,
                           struct buf *out)
{
    uint64_t chance = recipe_draw(recipe, trace, DRAW_SPAN + index);
    put_speech(recipe, trace, index, "lk.speech_id", out);
    switch (index == 0 ? 0 : 1 + (index - 1) % TURN_SPANS) {
    case 0:
        put_text(out, PUT_SPAN, "lk.agent_label", bytes_of_text("reception.Agent"));
        put_speech(recipe, trace, index, "lk.job_id", out);
        break;
    case 1:
        put_text(out, PUT_SPAN, "lk.participant_identity", bytes_of_text("sip_+4915112345678"));
        put_sentence(out, "lk.user_transcript", chance);
        put_sentence(out, "lk.transcript.final", chance + 1);
        break;
    case 3:
        put_llm(chance, out);
        break;
    case 4:
        put_text(out, PUT_SPAN, "lk.tts.label", bytes_of_text("cartesia.TTS"));
        put_text(out, PUT_SPAN, "lk.tts.streaming", bytes_of_text("true"));
        put_sentence(out, "lk.input_text", chance);
        break;
    case 5:
        put_text(out, PUT_SPAN, "lk.function_tool.name", bytes_of_text("look_up_appointment"));
        put_sentence(out, "lk.function_tool.output", chance);
        break;
    default:
        put_speech(recipe, trace, index, "lk.generation_id", out);
        put_sentence(out, "lk.instructions", recipe_mix(trace));
        break;
    }
}

void spans_livekit(const struct recipe *recipe, uint64_t trace, unsigned index, struct buf *out)
{
    recipe_span_head(recipe, trace, index, index == 0 ? 0 : parent_of(index), name_of(index), out);
    put_attributes(recipe, trace, index, out);
    recipe_span_tail(out);
}

void spans_small(const struct recipe *recipe, uint64_t trace, unsigned index, struct buf *out)
{
    recipe_span_head(recipe, trace, index, index == 0 ? 0 : parent_of(index), name_of(index), out);
    put_speech(recipe, trace, index, index == 0 ? "lk.job_id" : "lk.speech_id", out);
    put_int(out, PUT_SPAN, "lk.retry_count", recipe_draw(recipe, trace, DRAW_SPAN + index) % 3);
    recipe_span_tail(out);
}
