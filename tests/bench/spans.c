#include "tests/bench/spans.h"

#include <stdio.h>

#include "proto/base/banned.h"

enum { VARINT = 0, FIXED64 = 1, LENGTH = 2 };
enum { TRACE_ID_BYTES = 16, SPAN_ID_BYTES = 8, TURN_SPANS = 5, VALUE_BYTES_MAX = 1024 };
enum { SPAN_NS = 40000000 };

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

/* splitmix64: good enough to spread ids and words. */
static uint64_t mix(uint64_t value)
{
    value += UINT64_C(0x9e3779b97f4a7c15);
    value = (value ^ (value >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    value = (value ^ (value >> 27)) * UINT64_C(0x94d049bb133111eb);
    return value ^ (value >> 31);
}

static uint64_t draw(const struct recipe *recipe, uint64_t trace, uint64_t what)
{
    return mix(recipe->seed ^ mix(trace * 4096 + what));
}

static void put_varint(struct buf *out, uint64_t value)
{
    while (value >= 0x80) {
        buf_add_u8(out, (uint8_t)(value | 0x80));
        value >>= 7;
    }
    buf_add_u8(out, (uint8_t)value);
}

static void put_tag(struct buf *out, unsigned field, unsigned type)
{
    put_varint(out, field << 3 | type);
}

static void put_bytes(struct buf *out, unsigned field, struct bytes value)
{
    put_tag(out, field, LENGTH);
    put_varint(out, value.len);
    buf_add(out, value);
}

static void put_fixed64(struct buf *out, unsigned field, uint64_t value)
{
    uint8_t octets[8];
    for (unsigned i = 0; i < sizeof(octets); i++) {
        octets[i] = (uint8_t)(value >> 8 * i);
    }
    put_tag(out, field, FIXED64);
    buf_add(out, bytes_of(octets, sizeof(octets)));
}

static size_t varint_bytes(uint64_t value)
{
    size_t count = 1;
    while (value >= 0x80) {
        value >>= 7;
        count++;
    }
    return count;
}

/* A KeyValue in `field` whose value is a text. */
static void put_text(struct buf *out, unsigned field, const char *key, struct bytes text)
{
    size_t key_len = strlen(key);
    size_t value_len = 1 + varint_bytes(text.len) + text.len;
    put_tag(out, field, LENGTH);
    put_varint(out, 1 + varint_bytes(key_len) + key_len + 1 + varint_bytes(value_len) + value_len);
    put_bytes(out, 1, bytes_of(key, key_len));
    put_tag(out, 2, LENGTH);
    put_varint(out, value_len);
    put_bytes(out, 1, text);
}

/* The same with an integer. */
static void put_int(struct buf *out, unsigned field, const char *key, uint64_t number)
{
    size_t key_len = strlen(key);
    size_t value_len = 1 + varint_bytes(number);
    put_tag(out, field, LENGTH);
    put_varint(out, 1 + varint_bytes(key_len) + key_len + 1 + varint_bytes(value_len) + value_len);
    put_bytes(out, 1, bytes_of(key, key_len));
    put_tag(out, 2, LENGTH);
    put_varint(out, value_len);
    put_tag(out, 3, VARINT);
    put_varint(out, number);
}

/* A sentence of the recipe's length; never full, the buffer holds the longest. */
static void put_sentence(struct buf *out, const char *key, const struct recipe *recipe,
                         uint64_t chance)
{
    char text[VALUE_BYTES_MAX];
    size_t len = 0;
    for (unsigned n = 0; n < recipe->words; n++) {
        const char *word = words[(chance = mix(chance)) % WORDS_COUNT];
        size_t word_len = strlen(word);
        if (len + word_len + 1 > sizeof(text)) {
            break;
        }
        memcpy(text + len, word, word_len);
        len += word_len;
        text[len++] = ' ';
    }
    put_text(out, 9, key, bytes_of(text, len));
}

void recipe_trace_id(const struct recipe *recipe, uint64_t trace, uint8_t ret_id[16])
{
    uint64_t halves[2] = {draw(recipe, trace, 1), draw(recipe, trace, 2) | 1};
    memcpy(ret_id, halves, TRACE_ID_BYTES);
}

void recipe_room(const struct recipe *recipe, uint64_t trace, char ret_room[ROOM_BYTES])
{
    static const char letters[] = "23456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnpqrstuvwxyz";
    uint64_t chance = draw(recipe, trace, 3);
    memcpy(ret_room, "RM_", 3);
    for (unsigned i = 3; i < ROOM_BYTES - 1; i++) {
        ret_room[i] = letters[chance % (sizeof(letters) - 1)];
        chance /= sizeof(letters) - 1;
    }
    ret_room[ROOM_BYTES - 1] = '\0';
}

static struct bytes span_id(const struct recipe *recipe, uint64_t trace, unsigned index,
                            uint64_t *room)
{
    *room = draw(recipe, trace, 16 + index) | 1;
    return bytes_of(room, SPAN_ID_BYTES);
}

/* Span 0 is the session; of every five that follow the second is the parent of the last three. */
static unsigned parent_of(unsigned index)
{
    unsigned place = (index - 1) % TURN_SPANS;
    return place <= 1 ? 0 : index - place + 1;
}

static void put_llm(const struct recipe *recipe, uint64_t chance, struct buf *out)
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
    put_text(out, 9, "gen_ai.operation.name", bytes_of_text("chat"));
    put_text(out, 9, "gen_ai.request.model", bytes_of_text(model));
    put_int(out, 9, "gen_ai.usage.input_tokens", chance / 13 % 4000);
    put_int(out, 9, "gen_ai.usage.output_tokens", chance / 11 % 200);
    put_text(out, 9, "lk.llm_metrics", bytes_of(metrics, (size_t)len));
    put_sentence(out, "lk.response.text", recipe, chance);
}

static void put_attributes(const struct recipe *recipe, uint64_t trace, unsigned index,
                           struct buf *out)
{
    uint64_t chance = draw(recipe, trace, 512 + index);
    char speech[32];
    int len = snprintf(speech, sizeof(speech), "speech_%012llx",
                       (unsigned long long)draw(recipe, trace, 1024 + index / TURN_SPANS) >> 16);
    put_text(out, 9, "lk.speech_id", bytes_of(speech, (size_t)len));
    switch (index == 0 ? 0 : 1 + (index - 1) % TURN_SPANS) {
    case 0:
        put_text(out, 9, "lk.agent_label", bytes_of_text("reception.Agent"));
        put_text(out, 9, "lk.job_id", bytes_of(speech, (size_t)len));
        break;
    case 1:
        put_text(out, 9, "lk.participant_identity", bytes_of_text("sip_+4915112345678"));
        put_sentence(out, "lk.user_transcript", recipe, chance);
        put_sentence(out, "lk.transcript.final", recipe, chance + 1);
        break;
    case 3:
        put_llm(recipe, chance, out);
        break;
    case 4:
        put_text(out, 9, "lk.tts.label", bytes_of_text("cartesia.TTS"));
        put_text(out, 9, "lk.tts.streaming", bytes_of_text("true"));
        put_sentence(out, "lk.input_text", recipe, chance);
        break;
    case 5:
        put_text(out, 9, "lk.function_tool.name", bytes_of_text("look_up_appointment"));
        put_sentence(out, "lk.function_tool.output", recipe, chance);
        break;
    default:
        put_text(out, 9, "lk.generation_id", bytes_of(speech, (size_t)len));
        put_sentence(out, "lk.instructions", recipe, trace);
        break;
    }
}

void recipe_span(const struct recipe *recipe, uint64_t trace, unsigned index, struct buf *out)
{
    static const char *const names[] = {"user_turn", "agent_turn", "llm_node", "tts_node",
                                        "function_tool"};
    const char *name = index == 0 ? "agent_session" : names[(index - 1) % TURN_SPANS];
    uint8_t trace_id[TRACE_ID_BYTES];
    uint64_t own;
    uint64_t parent;
    recipe_trace_id(recipe, trace, trace_id);
    uint64_t start = (uint64_t)recipe->start_ns + index * (uint64_t)SPAN_NS +
                     draw(recipe, trace, 2048 + index) % SPAN_NS;

    put_bytes(out, 1, bytes_of(trace_id, sizeof(trace_id)));
    put_bytes(out, 2, span_id(recipe, trace, index, &own));
    if (index > 0) {
        put_bytes(out, 4, span_id(recipe, trace, parent_of(index), &parent));
    }
    put_bytes(out, 5, bytes_of_text(name));
    put_tag(out, 6, VARINT);
    put_varint(out, 1);
    put_fixed64(out, 7, start);
    put_fixed64(out, 8, start + draw(recipe, trace, 3072 + index) % SPAN_NS);
    put_attributes(recipe, trace, index, out);
    put_tag(out, 16, 5); /* flags, fixed32: sampled, parent known and local */
    buf_add(out, bytes_of("\x01\x01\x00\x00", 4));
}

void recipe_export(const struct recipe *recipe, uint64_t trace, unsigned first, unsigned count,
                   struct buf *scratch, struct buf *out)
{
    enum { SPAN_BYTES_MAX = 8192, HEAD_BYTES_MAX = 1024 };
    struct buf head;
    struct buf span;
    char room[ROOM_BYTES];
    buf_init(&head, HEAD_BYTES_MAX);
    buf_init(&span, SPAN_BYTES_MAX);

    recipe_room(recipe, trace, room);
    put_text(&head, 1, "service.name", bytes_of_text("reception-agent"));
    put_text(&head, 1, "livekit.room.id", bytes_of_text(room));
    put_text(&head, 1, "telemetry.sdk.language", bytes_of_text("python"));
    put_text(&head, 1, "telemetry.sdk.name", bytes_of_text("opentelemetry"));
    put_text(&head, 1, "telemetry.sdk.version", bytes_of_text("1.45.2"));

    buf_reset(scratch);
    put_bytes(scratch, 1,
              bytes_of("\x0a\x0elivekit-agents\x12\x05"
                       "1.8.2",
                       23));
    for (unsigned i = 0; i < count; i++) {
        buf_reset(&span);
        recipe_span(recipe, trace, first + i, &span);
        put_bytes(scratch, 2, buf_bytes(&span));
    }

    size_t head_len = buf_bytes(&head).len;
    size_t scope_len = buf_bytes(scratch).len;
    put_tag(out, 1, LENGTH);
    put_varint(out,
               1 + varint_bytes(head_len) + head_len + 1 + varint_bytes(scope_len) + scope_len);
    put_bytes(out, 1, buf_bytes(&head));
    put_bytes(out, 2, buf_bytes(scratch));
    buf_fini(&head);
    buf_fini(&span);
}
