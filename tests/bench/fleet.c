#include "tests/bench/fleet.h"

#include <stdio.h>

#include "proto/base/check.h"
#include "proto/base/mem.h"
#include "tests/bench/put.h"

#include "proto/base/banned.h"

enum {
    SCRIPTS = 16,    /* conversations */
    TOOL_TURNS = 30, /* the first turns, in which the model asks for a tool */
    ITEMS_MAX = 1 + 2 * FLEET_TURNS + 2 * TOOL_TURNS,
    WORDS = 1024,        /* of the language */
    PROMPT_BYTES = 4000, /* of the system's first message */
    TOOLS_BYTES = 4200,  /* of the tools' descriptions */
    USER_BYTES = 90,     /* about, of what one side says at a time */
    AGENT_BYTES = 164,
    TOOL_BYTES = 96,
    TEXT_BYTES_MAX = 1 << 20,
};

/* One message of the conversation, and where the two forms of the context that ends with it end. */
struct item {
    size_t text_at; /* in the script's texts */
    size_t text_len;
    size_t context_len;  /* as llm_node has it */
    size_t messages_len; /* as llm_request has it */
};

struct script {
    struct buf texts;
    struct buf context;
    struct buf messages;
    struct buf tools;
    struct item items[ITEMS_MAX];
    unsigned items_count;
};

enum kind {
    KIND_ON_ENTER = 0,
    KIND_START_ACTIVITY,
    KIND_USER_SPEAKING,
    KIND_EOU_DETECTION,
    KIND_USER_TURN,
    KIND_LLM_RUN,
    KIND_LLM_REQUEST,
    KIND_LLM_NODE,
    KIND_FUNCTION_TOOL,
    KIND_TTS_RUN,
    KIND_TTS_REQUEST,
    KIND_TTS_NODE,
    KIND_AGENT_SPEAKING,
    KIND_AGENT_TURN,
    KIND_PAUSE_ACTIVITY,
    KIND_RESUME_ACTIVITY,
    KIND_ON_EXIT,
    KIND_DRAIN_ACTIVITY,
    KIND_SESSION,
};

static const char *const names[] = {
    "on_enter",       "start_agent_activity", "user_speaking",        "eou_detection",
    "user_turn",      "llm_request_run",      "llm_request",          "llm_node",
    "function_tool",  "tts_request_run",      "tts_request",          "tts_node",
    "agent_speaking", "agent_turn",           "pause_agent_activity", "resume_agent_activity",
    "on_exit",        "drain_agent_activity", "agent_session",
};

/* What one span of every call is. */
struct part {
    enum kind kind;
    unsigned turn;
    unsigned parent; /* a span's number; of the session its own */
    unsigned items;  /* of the conversation that it knows; the next one is what it brings */
};

struct fleet {
    char words[WORDS][12];
    struct script scripts[SCRIPTS];
    struct part parts[FLEET_CALL_SPANS];
    unsigned parts_count;
};

/* --- texts ---------------------------------------------------------------------------------------- */

static void make_words(struct fleet *fleet, uint64_t seed)
{
    static const char *const syllables[] = {"ta", "ro", "in", "ver", "a",   "con", "le",  "mi",
                                            "so", "en", "da", "qui", "per", "o",   "st",  "ch",
                                            "ne", "al", "ti", "er",  "um",  "be",  "gra", "ly"};
    enum { SYLLABLES = sizeof(syllables) / sizeof(syllables[0]) };
    for (unsigned i = 0; i < WORDS; i++) {
        uint64_t chance = recipe_mix(seed ^ recipe_mix(i));
        int len = snprintf(fleet->words[i], sizeof(fleet->words[i]), "%s%s%s",
                           syllables[chance % SYLLABLES], syllables[chance / 32 % SYLLABLES],
                           i < WORDS / 8 ? "" : syllables[chance / 1024 % SYLLABLES]);
        INVARIANT(len > 0 && (size_t)len < sizeof(fleet->words[i]));
    }
}

/* At least `bytes` of words, the first ones of the language more often than the last. */
static void add_words(const struct fleet *fleet, uint64_t chance, size_t bytes, struct buf *out)
{
    size_t end = buf_bytes(out).len + bytes;
    while (buf_bytes(out).len < end && err_is_ok(buf_err(out))) {
        chance = recipe_mix(chance);
        uint64_t rank = (chance % WORDS) * (chance / WORDS % WORDS) / WORDS;
        buf_add_text(out, fleet->words[rank]);
        buf_add_u8(out, ' ');
    }
}

static void add_item(const struct fleet *fleet, struct script *script, const char *role,
                     size_t bytes, uint64_t chance)
{
    struct item *item = &script->items[script->items_count];
    bool is_first = script->items_count++ == 0;
    item->text_at = buf_bytes(&script->texts).len;
    add_words(fleet, chance, bytes, &script->texts);
    item->text_len = buf_bytes(&script->texts).len - item->text_at;
    if (!err_is_ok(buf_err(&script->texts))) {
        return; /* make_script tells it */
    }
    int len = (int)item->text_len;
    const char *text = (const char *)buf_bytes(&script->texts).ptr + item->text_at;
    buf_printf(
        &script->context,
        "%s{\"id\":\"item_%012llx\",\"type\":\"message\",\"role\":\"%s\",\"content\":[\"%.*s\"],"
        "\"interrupted\":false}",
        is_first ? "{\"items\":[" : ",", (unsigned long long)chance >> 16, role, len, text);
    buf_printf(&script->messages,
               "%s{\"role\":\"%s\",\"parts\":[{\"type\":\"text\",\"content\":\"%.*s\"}]}",
               is_first ? "[" : ",", role, len, text);
    item->context_len = buf_bytes(&script->context).len;
    item->messages_len = buf_bytes(&script->messages).len;
}

static bool make_script(const struct fleet *fleet, struct script *script, uint64_t chance)
{
    buf_init(&script->texts, TEXT_BYTES_MAX);
    buf_init(&script->context, TEXT_BYTES_MAX);
    buf_init(&script->messages, TEXT_BYTES_MAX);
    buf_init(&script->tools, TEXT_BYTES_MAX);
    add_words(fleet, chance, TOOLS_BYTES, &script->tools);
    add_item(fleet, script, "system", PROMPT_BYTES, recipe_mix(chance));
    for (unsigned turn = 0; turn < FLEET_TURNS; turn++) {
        chance = recipe_mix(chance + turn);
        /* Between half and three halves of what is usual. */
        add_item(fleet, script, "user", USER_BYTES / 2 + chance % USER_BYTES, chance);
        if (turn < TOOL_TURNS) {
            add_item(fleet, script, "assistant", TOOL_BYTES / 2, chance + 1);
            add_item(fleet, script, "tool", TOOL_BYTES / 2 + chance / 512 % TOOL_BYTES, chance + 2);
        }
        add_item(fleet, script, "assistant", AGENT_BYTES / 2 + chance / 64 % AGENT_BYTES,
                 chance + 3);
    }
    INVARIANT(script->items_count == ITEMS_MAX);
    return err_is_ok(buf_err(&script->texts)) && err_is_ok(buf_err(&script->context)) &&
           err_is_ok(buf_err(&script->messages)) && err_is_ok(buf_err(&script->tools));
}

/* --- the order of a call's spans ------------------------------------------------------------------ */

static void add_part(struct fleet *fleet, enum kind kind, unsigned turn, unsigned ahead,
                     unsigned items)
{
    unsigned own = fleet->parts_count++;
    unsigned parent = ahead == 0 ? FLEET_CALL_SPANS - 1 : own + ahead;
    INVARIANT(own < FLEET_CALL_SPANS && parent < FLEET_CALL_SPANS);
    fleet->parts[own] = (struct part){.kind = kind, .turn = turn, .parent = parent, .items = items};
}

/* One answer of the model; its agent_turn comes `ahead` spans after its llm_node. */
static void add_llm(struct fleet *fleet, unsigned turn, unsigned ahead, unsigned items)
{
    add_part(fleet, KIND_LLM_RUN, turn, 1, items);
    add_part(fleet, KIND_LLM_REQUEST, turn, 1, items);
    add_part(fleet, KIND_LLM_NODE, turn, ahead, items);
}

static void add_turn(struct fleet *fleet, unsigned turn, unsigned *items)
{
    add_part(fleet, KIND_USER_SPEAKING, turn, 2, *items);
    add_part(fleet, KIND_EOU_DETECTION, turn, 1, *items);
    add_part(fleet, KIND_USER_TURN, turn, 0, *items);
    *items += 1;
    if (turn < TOOL_TURNS) {
        add_llm(fleet, turn, 2, *items);
        add_part(fleet, KIND_FUNCTION_TOOL, turn, 1, *items + 1);
        add_part(fleet, KIND_AGENT_TURN, turn, 0, *items);
        *items += 2;
    }
    add_llm(fleet, turn, 5, *items);
    add_part(fleet, KIND_TTS_RUN, turn, 1, *items);
    add_part(fleet, KIND_TTS_REQUEST, turn, 1, *items);
    add_part(fleet, KIND_TTS_NODE, turn, 2, *items);
    add_part(fleet, KIND_AGENT_SPEAKING, turn, 1, *items);
    add_part(fleet, KIND_AGENT_TURN, turn, 0, *items);
    *items += 1;
}

static void make_parts(struct fleet *fleet)
{
    unsigned items = 1;
    add_part(fleet, KIND_ON_ENTER, 0, 1, items);
    add_part(fleet, KIND_START_ACTIVITY, 0, 0, items);
    for (unsigned turn = 0; turn < FLEET_TURNS; turn++) {
        if (turn == FLEET_TURNS / 2) {
            add_part(fleet, KIND_PAUSE_ACTIVITY, turn, 0, items);
            add_part(fleet, KIND_RESUME_ACTIVITY, turn, 0, items);
        }
        add_turn(fleet, turn, &items);
    }
    add_part(fleet, KIND_ON_EXIT, FLEET_TURNS - 1, 1, items);
    add_part(fleet, KIND_DRAIN_ACTIVITY, FLEET_TURNS - 1, 0, items);
    add_part(fleet, KIND_SESSION, FLEET_TURNS - 1, 0, items);
    INVARIANT(fleet->parts_count == FLEET_CALL_SPANS);
}

struct fleet *fleet_new(uint64_t seed)
{
    struct fleet *fleet = mem_zero(1, sizeof(*fleet));
    bool ok = fleet != NULL;
    if (ok) {
        make_words(fleet, seed);
        make_parts(fleet);
    }
    for (unsigned i = 0; ok && i < SCRIPTS; i++) {
        ok = make_script(fleet, &fleet->scripts[i], recipe_mix(seed + i));
    }
    if (!ok) {
        fleet_free(fleet);
        return NULL;
    }
    return fleet;
}

void fleet_free(struct fleet *fleet)
{
    for (unsigned i = 0; fleet != NULL && i < SCRIPTS; i++) {
        buf_fini(&fleet->scripts[i].texts);
        buf_fini(&fleet->scripts[i].context);
        buf_fini(&fleet->scripts[i].messages);
        buf_fini(&fleet->scripts[i].tools);
    }
    mem_free(fleet);
}

/* --- spans ---------------------------------------------------------------------------------------- */

/* `what` of recipe_draw; the blocks follow the shape's own. */
enum { DRAW_SCRIPT = 4, DRAW_SPAN = 1024, DRAW_SPEECH = 2048, DRAW_GENERATION = 3072 };

/* A span in the making. */
struct made {
    const struct script *script;
    const struct part *part;
    const char *speech;     /* the turn's id */
    const char *generation; /* of one answer of the model */
    uint64_t chance;
    struct buf *out;
};

static void text(const struct made *made, const char *key, const char *value)
{
    put_text(made->out, PUT_SPAN, key, bytes_of_text(value));
}

static void seconds(const struct made *made, const char *key, uint64_t chance)
{
    put_double(made->out, PUT_SPAN, key, (double)(chance % 4000) / 1000);
}

/* What is said in message `number` of the conversation. */
static struct bytes said(const struct made *made, unsigned number)
{
    number = number < made->script->items_count ? number : made->script->items_count - 1;
    const struct item *item = &made->script->items[number];
    return bytes_of(buf_bytes(&made->script->texts).ptr + item->text_at, item->text_len);
}

static void put_said(const struct made *made, const char *key, unsigned number)
{
    put_text(made->out, PUT_SPAN, key, said(made, number));
}

static void put_model(const struct made *made, const char *model, const char *provider)
{
    text(made, "gen_ai.request.model", model);
    text(made, "gen_ai.provider.name", provider);
}

static void put_participant(const struct made *made)
{
    text(made, "lk.participant_id", "PA_8mTn2cVqXk4L");
    text(made, "lk.participant_kind", "SIP");
    text(made, "lk.pii.participant_identity", "sip_+4915112345678");
}

static void put_eou(const struct made *made)
{
    const struct item *items = made->script->items;
    size_t from = items[made->part->items > 4 ? made->part->items - 4 : 0].context_len;
    size_t to = items[made->part->items].context_len;
    put_text(made->out, PUT_SPAN, "lk.pii.chat_ctx",
             bytes_of(buf_bytes(&made->script->context).ptr + from, to - from));
    seconds(made, "lk.eou.probability", made->chance);
    seconds(made, "lk.eou.unlikely_threshold", 15);
    put_int(made->out, PUT_SPAN, "lk.eou.endpointing_delay", 500 + made->chance % 2000);
    text(made, "lk.eou.language", "en");
    text(made, "lk.eou.source", "stt");
}

static void put_user_turn(const struct made *made)
{
    put_said(made, "lk.pii.user_transcript", made->part->items);
    seconds(made, "lk.transcript_confidence", 900 + made->chance % 100);
    put_int(made->out, PUT_SPAN, "lk.transcription_delay", made->chance % 400);
    put_int(made->out, PUT_SPAN, "lk.end_of_turn_delay", 300 + made->chance / 7 % 900);
    put_model(made, "nova-3", "deepgram");
    put_participant(made);
}

static void put_llm_request(const struct made *made)
{
    char metrics[512];
    size_t seen = made->script->items[made->part->items - 1].messages_len;
    struct bytes messages = bytes_of(buf_bytes(&made->script->messages).ptr, seen);
    uint64_t chance = made->chance;
    int len = snprintf(
        metrics, sizeof(metrics),
        "{\"type\":\"llm_metrics\",\"label\":\"openai.LLM\",\"durationMs\":%u,\"ttftMs\":%u,"
        "\"cancelled\":false,\"completionTokens\":%u,\"promptTokens\":%u,"
        "\"promptCachedTokens\":%u,\"tokensPerSecond\":%u,\"speechId\":\"%s\"}",
        (unsigned)(chance % 3000), (unsigned)(chance / 7 % 1000), (unsigned)(chance / 11 % 200),
        (unsigned)(seen / 4), (unsigned)(seen / 5), (unsigned)(chance / 17 % 90), made->speech);
    text(made, "gen_ai.operation.name", "chat");
    put_model(made, "gpt-4o", "openai");
    put_int(made->out, PUT_SPAN, "gen_ai.usage.input_tokens", seen / 4);
    put_int(made->out, PUT_SPAN, "gen_ai.usage.output_tokens", chance / 11 % 200);
    put_int(made->out, PUT_SPAN, "gen_ai.usage.cache_read.input_tokens", seen / 5);
    seconds(made, "gen_ai.response.time_to_first_chunk", chance / 7);
    text(made, "gen_ai.response.id", made->generation);
    put_text(made->out, PUT_SPAN, "lk.llm_metrics", bytes_of(metrics, (size_t)len));
    put_text(made->out, PUT_SPAN, "gen_ai.tool.definitions",
             bytes_of(buf_bytes(&made->script->tools).ptr, TOOLS_BYTES / 4));
    put_texts(made->out, PUT_SPAN, "gen_ai.input.messages", messages, bytes_of_text("]"));
    put_said(made, "gen_ai.output.messages", made->part->items);
}

static void put_llm_node(const struct made *made)
{
    size_t seen = made->script->items[made->part->items - 1].context_len;
    put_texts(made->out, PUT_SPAN, "lk.pii.chat_ctx",
              bytes_of(buf_bytes(&made->script->context).ptr, seen), bytes_of_text("]}"));
    put_text(made->out, PUT_SPAN, "lk.function_tools", buf_bytes(&made->script->tools));
    text(made, "lk.provider_tools", "[]");
    text(made, "lk.tool_sets", "[]");
    put_said(made, "lk.pii.response.text", made->part->items);
    seconds(made, "lk.response.ttft", made->chance / 7);
    put_model(made, "gpt-4o", "openai");
}

static void put_tool(const struct made *made)
{
    text(made, "gen_ai.operation.name", "execute_tool");
    text(made, "lk.function_tool.name", "look_up_appointment");
    text(made, "lk.function_tool.id", made->generation);
    put_said(made, "lk.pii.function_tool.arguments", made->part->items - 1);
    put_said(made, "lk.pii.function_tool.output", made->part->items);
    put_bool(made->out, PUT_SPAN, "lk.function_tool.is_error", made->chance % 50 == 0);
}

static void put_tts_request(const struct made *made)
{
    char metrics[256];
    int len = snprintf(metrics, sizeof(metrics),
                       "{\"type\":\"tts_metrics\",\"label\":\"cartesia.TTS\",\"ttfbMs\":%u,"
                       "\"durationMs\":%u,\"charactersCount\":%u,\"speechId\":\"%s\"}",
                       (unsigned)(made->chance % 400), (unsigned)(made->chance / 7 % 3000),
                       (unsigned)said(made, made->part->items).len, made->speech);
    put_text(made->out, PUT_SPAN, "lk.tts_metrics", bytes_of(metrics, (size_t)len));
    put_said(made, "lk.pii.input_text", made->part->items);
    text(made, "lk.tts.label", "cartesia.TTS");
    put_bool(made->out, PUT_SPAN, "lk.tts.streaming", true);
}

static void put_agent_turn(const struct made *made)
{
    text(made, "gen_ai.operation.name", "invoke_agent");
    text(made, "gen_ai.agent.name", "reception");
    text(made, "lk.generation_id", made->generation);
    put_said(made, "lk.pii.user_input", made->part->items - 1);
    put_said(made, "lk.pii.response.text", made->part->items);
    put_bool(made->out, PUT_SPAN, "lk.interrupted", made->chance % 8 == 0);
    seconds(made, "lk.e2e_latency", made->chance / 64);
}

static void put_attributes(const struct made *made)
{
    text(made, "lk.speech_id", made->speech);
    switch (made->part->kind) {
    case KIND_USER_SPEAKING:
    case KIND_AGENT_SPEAKING:
        put_participant(made);
        break;
    case KIND_EOU_DETECTION:
        put_eou(made);
        break;
    case KIND_USER_TURN:
        put_user_turn(made);
        break;
    case KIND_LLM_RUN:
        put_int(made->out, PUT_SPAN, "lk.retry_count", 0);
        put_model(made, "gpt-4o", "openai");
        break;
    case KIND_LLM_REQUEST:
        put_llm_request(made);
        break;
    case KIND_LLM_NODE:
        put_llm_node(made);
        break;
    case KIND_FUNCTION_TOOL:
        put_tool(made);
        break;
    case KIND_TTS_RUN:
        put_int(made->out, PUT_SPAN, "lk.retry_count", 0);
        put_model(made, "sonic-2", "cartesia");
        break;
    case KIND_TTS_REQUEST:
        put_tts_request(made);
        break;
    case KIND_TTS_NODE:
        seconds(made, "lk.response.ttfb", made->chance);
        put_model(made, "sonic-2", "cartesia");
        break;
    case KIND_AGENT_TURN:
        put_agent_turn(made);
        break;
    case KIND_ON_ENTER:
    case KIND_START_ACTIVITY:
    case KIND_PAUSE_ACTIVITY:
    case KIND_RESUME_ACTIVITY:
    case KIND_ON_EXIT:
    case KIND_DRAIN_ACTIVITY:
    case KIND_SESSION:
        text(made, "lk.agent_label", "reception.Agent");
        break;
    }
}

void fleet_span(const struct recipe *recipe, uint64_t trace, unsigned index, struct buf *out)
{
    const struct fleet *fleet = recipe->fleet;
    const struct part *part = &fleet->parts[index];
    char speech[32];
    char generation[32];
    (void)snprintf(speech, sizeof(speech), "speech_%012llx",
                   (unsigned long long)recipe_draw(recipe, trace, DRAW_SPEECH + part->turn) >> 16);
    (void)snprintf(generation, sizeof(generation), "item_%012llx",
                   (unsigned long long)recipe_draw(recipe, trace, DRAW_GENERATION + part->items) >>
                       16);
    const struct made made = {
        .script = &fleet->scripts[recipe_draw(recipe, trace, DRAW_SCRIPT) % SCRIPTS],
        .part = part,
        .speech = speech,
        .generation = generation,
        .chance = recipe_draw(recipe, trace, DRAW_SPAN + index),
        .out = out,
    };
    recipe_span_head(recipe, trace, index, part->parent, names[part->kind], out);
    put_attributes(&made);
    recipe_span_tail(out);
}
