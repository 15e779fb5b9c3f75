#include "tests/unit/expect.h"

#include <stdio.h>

#include "proto/base/arena.h"
#include "proto/voice/facts.h"

#include "proto/base/banned.h"

#define KEY(key_)                                 \
    {                                             \
        (const uint8_t *)(key_), sizeof(key_) - 1 \
    }
#define TEXT(key_, text_)                                             \
    {                                                                 \
        .key = KEY(key_), .form = VOICE_FORM_TEXT, .text = KEY(text_) \
    }
#define NUMBER(key_, number_)                                            \
    {                                                                    \
        .key = KEY(key_), .form = VOICE_FORM_NUMBER, .number = (number_) \
    }
#define TRUTH(key_, truth_)                                             \
    {                                                                   \
        .key = KEY(key_), .form = VOICE_FORM_TRUTH, .is_true = (truth_) \
    }

/* A span and what is said of it: "stage fact=value ..." in the order of struct voice_facts. */
struct fixture {
    const char *name;
    bool is_node;
    struct voice_attribute attributes[5];
    const char *wanted;
};

static const struct fixture fixtures[] = {
    {"GET /x", false, {TEXT("http.method", "GET")}, ""},
    {"chat gpt", false, {TEXT("gen_ai.operation.name", "chat")}, "llm op=chat "},
    {"llm_node", false, {TEXT("lk.x", "y")}, "llm "},
    /* The operation goes first. */
    {"llm_node", false, {TEXT("gen_ai.operation.name", "execute_tool")}, "tool op=execute_tool "},
    /* An unknown operation leaves it to the name. */
    {"turn", false, {TEXT("gen_ai.operation.name", "dance")}, "agent op=dance "},
    {"x",
     false,
     {TEXT("gen_ai.request.model", "asked"), TEXT("gen_ai.response.model", "got"),
      TEXT("gen_ai.system", "old"), TEXT("gen_ai.provider.name", "new")},
     "provider=new model=got "},
    {"x",
     false,
     {TEXT("gen_ai.response.model", ""), TEXT("gen_ai.request.model", "m")},
     "model=m "},
    {"x",
     false,
     {NUMBER("gen_ai.usage.prompt_tokens", 1), NUMBER("gen_ai.usage.input_tokens", 2),
      NUMBER("gen_ai.usage.completion_tokens", 3),
      NUMBER("gen_ai.usage.cache_read.input_tokens", 4)},
     "in=2 out=3 cached=4 "},
    {"x", false, {TEXT("gen_ai.usage.input_tokens", "2")}, ""},

    /* Seconds whoever wrote them. */
    {"llm_node", false, {NUMBER("lk.response.ttft", 0.25)}, "llm ttft=250 "},
    {"llm_node", true, {NUMBER("lk.response.ttft", 0.25)}, "llm ttft=250 "},
    {"agent_turn", true, {NUMBER("lk.e2e_latency", 1.5)}, "agent response=1500 "},
    {"eou_wait", true, {NUMBER("lk.eou.wait_duration", 0.5)}, "end_of_turn eot=500 "},
    /* Python seconds, Node milliseconds. */
    {"user_turn", false, {NUMBER("lk.transcription_delay", 0.12)}, "user stt=120 "},
    {"user_turn", true, {NUMBER("lk.transcription_delay", 120)}, "user stt=120 "},
    {"user_turn", false, {NUMBER("lk.end_of_turn_delay", 0.5)}, "user eot=500 "},
    {"user_turn", true, {NUMBER("lk.end_of_turn_delay", 500)}, "user eot=500 "},
    /* The member tells the unit inside the metrics' JSON, whatever the SDK. */
    {"llm_request",
     false,
     {TEXT("lk.llm_metrics", "{\"a\":{\"ttft\":9},\"ttft\": 0.5}")},
     "llm ttft=500 "},
    {"llm_request", true, {TEXT("lk.llm_metrics", "{\"ttftMs\":500,\"ttft\":7}")}, "llm ttft=500 "},
    {"tts_request", true, {TEXT("lk.tts_metrics", "{\"ttfbMs\":80.5}")}, "tts ttfb=80.5 "},
    {"tts_request", false, {TEXT("lk.tts_metrics", "{\"ttfb\":0.0805}")}, "tts ttfb=80.5 "},
    {"llm_request", true, {TEXT("lk.llm_metrics", "{\"ttftMs\":\"x\"}")}, "llm "},
    {"llm_request", true, {TEXT("lk.llm_metrics", "{\"ttftMs\":1e999}")}, "llm "},
    {"llm_request", true, {TEXT("lk.llm_metrics", "no json")}, "llm "},
    {"llm_request", true, {TEXT("lk.llm_metrics", "[1]")}, "llm "},
    {"llm_request", true, {NUMBER("lk.llm_metrics", 5)}, "llm "},
    /* metrics.ttfb is three things. */
    {"llm", false, {NUMBER("metrics.ttfb", 0.1)}, "llm ttft=100 "},
    {"tts", false, {NUMBER("metrics.ttfb", 0.1)}, "tts ttfb=100 "},
    {"stt", false, {NUMBER("metrics.ttfb", 0.1)}, "stt stt=100 "},
    {"other", false, {NUMBER("metrics.ttfb", 0.1)}, ""},

    {"function_tool",
     false,
     {TEXT("lk.function_tool.name", "look"), TEXT("gen_ai.tool.name", "look_up"),
      TRUTH("lk.function_tool.is_error", true), TEXT("error.type", "tool_error")},
     "tool name=look_up error=tool_error is_error=1 "},
    {"agent_turn", false, {TEXT("lk.interrupted", "true")}, "agent interrupted=1 "},
    {"agent_turn", false, {TEXT("lk.interrupted", "false")}, "agent interrupted=0 "},
    {"agent_turn", false, {TEXT("lk.interrupted", "yes")}, "agent "},
    {"agent_turn", false, {NUMBER("lk.interrupted", 1)}, "agent "},
};

static const char *told(const struct voice_facts *facts, struct arena *arena)
{
    const char *text = voice_stage_name(facts->stage);
    if (text[0] != '\0') {
        text = arena_printf(arena, "%s ", text);
    }
    const struct {
        const char *name;
        struct bytes value;
    } texts[] = {{"op", facts->operation},
                 {"provider", facts->provider},
                 {"model", facts->model},
                 {"name", facts->tool_name},
                 {"error", facts->error_type}};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        if (texts[i].value.len > 0) {
            text = arena_printf(arena, "%s%s=%.*s ", text, texts[i].name, (int)texts[i].value.len,
                                (const char *)texts[i].value.ptr);
        }
    }
    const struct {
        const char *name;
        bool has;
        double value;
    } numbers[] = {{"in", facts->has_tokens_in, facts->tokens_in},
                   {"out", facts->has_tokens_out, facts->tokens_out},
                   {"cached", facts->has_tokens_cached, facts->tokens_cached},
                   {"ttft", facts->has_ttft_ms, facts->ttft_ms},
                   {"ttfb", facts->has_ttfb_ms, facts->ttfb_ms},
                   {"stt", facts->has_stt_delay_ms, facts->stt_delay_ms},
                   {"eot", facts->has_end_of_turn_ms, facts->end_of_turn_ms},
                   {"response", facts->has_response_latency_ms, facts->response_latency_ms},
                   {"is_error", facts->has_is_tool_error, facts->is_tool_error},
                   {"interrupted", facts->has_is_interrupted, facts->is_interrupted}};
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        if (numbers[i].has) {
            text = arena_printf(arena, "%s%s=%.10g ", text, numbers[i].name, numbers[i].value);
        }
    }
    return text;
}

static void spans(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof fixtures / sizeof fixtures[0]; i++) {
        const struct fixture *fixture = &fixtures[i];
        struct arena arena;
        arena_init(&arena, 1 << 16);
        struct voice_span span = {.name = bytes_of_text(fixture->name),
                                  .is_node = fixture->is_node,
                                  .attributes = fixture->attributes};
        while (span.count < 5 && fixture->attributes[span.count].key.len > 0) {
            span.count++;
        }
        struct voice_facts facts;
        voice_facts_read(&span, &facts);
        const char *text = told(&facts, &arena);
        if (strcmp(text, fixture->wanted) != 0) {
            print_error("fixture %zu, %s\n", i, fixture->name);
        }
        assert_string_equal(text, fixture->wanted);
        arena_fini(&arena);
    }
}

/* Node's SDK adds no telemetry.sdk.language to a resource that was made by hand. */
static void an_unknown_sdk_is_told_by_the_form_of_its_numbers(void **state)
{
    (void)state;
    const struct {
        bool is_sdk_unknown;
        bool is_integer;
        double number;
        double wanted_ms;
    } cases[] = {
        {true, true, 50, 50},
        {true, false, 0.05, 50},
        {false, true, 2, 2000},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const struct voice_attribute delay = {.key = bytes_of_text("lk.end_of_turn_delay"),
                                              .form = VOICE_FORM_NUMBER,
                                              .number = cases[i].number,
                                              .is_integer = cases[i].is_integer};
        const struct voice_span span = {.name = bytes_of_text("user_turn"),
                                        .is_sdk_unknown = cases[i].is_sdk_unknown,
                                        .attributes = &delay,
                                        .count = 1};
        struct voice_facts facts;
        voice_facts_read(&span, &facts);
        assert_true(facts.has_end_of_turn_ms);
        assert_float_equal(facts.end_of_turn_ms, cases[i].wanted_ms, 1e-9);
    }
}

static void keys_that_are_read_are_known(void **state)
{
    (void)state;
    assert_true(voice_key_is_known(bytes_of_text("gen_ai.operation.name")));
    assert_true(voice_key_is_known(bytes_of_text("lk.llm_metrics")));
    assert_true(voice_key_is_known(bytes_of_text("metrics.ttfb")));
    assert_false(voice_key_is_known(bytes_of_text("lk.pii.chat_ctx")));
    assert_false(voice_key_is_known(bytes_of_text("")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(spans),
        cmocka_unit_test(an_unknown_sdk_is_told_by_the_form_of_its_numbers),
        cmocka_unit_test(keys_that_are_read_are_known),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
