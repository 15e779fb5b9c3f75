#include "tests/unit/expect.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "proto/base/buf.h"
#include "tests/unit/voice/recorded.h"

#include "proto/base/banned.h"

enum {
    ARENA_BYTES = 64 << 20,
    ROUNDS = 400,
    SPANS_MAX = 40,
    TEXT_BYTES_MAX = 1 << 20,
};

/* --- what turns say, as text ------------------------------------------------------------------------ */

static struct unix_ns begin_of(const struct turns_span *spans, size_t count)
{
    struct unix_ns begin = {INT64_MAX};
    for (size_t i = 0; i < count; i++) {
        begin = spans[i].start.ns < begin.ns ? spans[i].start : begin;
    }
    return begin;
}

/* Times of the random spans lie further apart than 64 bits tell; the text only has to be the same again. */
static double ms_between(struct unix_ns from, struct unix_ns to)
{
    return (double)(int64_t)((uint64_t)to.ns - (uint64_t)from.ns) / NS_PER_MS;
}

static void wait_tell(struct buf *out, const struct turn_wait *wait, struct unix_ns begin)
{
    buf_printf(out, " [%.1f-%.1f %s %s", ms_between(begin, wait->from), ms_between(begin, wait->to),
               turn_anchor_name(wait->from_by), turn_anchor_name(wait->to_by));
    for (size_t i = 0; i < WAIT_STAGE_COUNT; i++) {
        if (wait->split.parts_ns[i] > 0) {
            buf_printf(out, " %s=%.1f", split_stage_name((enum wait_stage)i),
                       (double)wait->split.parts_ns[i] / NS_PER_MS);
        }
    }
    buf_add_text(out, wait->is_over ? " over" : wait->is_sums_only ? " sums" : "");
    buf_add_text(out, "]");
}

/* One line a turn: number kind, outcome, said, waits. */
static void tell(struct buf *out, const struct turns_span *spans, size_t count,
                 const struct turns *turns)
{
    for (size_t i = 0; i < turns->count; i++) {
        const struct turn *turn = &turns->turns[i];
        buf_printf(out, "%u %s, %s%s%s", turn->number, turn_kind_name(turn->kind),
                   turn_outcome_name(turn->outcome), turn->is_interrupted ? ", interrupted" : "",
                   turn->has_error ? ", error" : "");
        if (turn->said.len > 0) {
            buf_printf(out, " \"%.*s\"", (int)turn->said.len, (const char *)turn->said.ptr);
        }
        for (size_t n = 0; n < turn->waits_count; n++) {
            wait_tell(out, &turn->waits[n], begin_of(spans, count));
        }
        buf_add_text(out, "\n");
    }
    buf_add_u8(out, '\0');
}

static void expect_told(const struct turns_span *spans, size_t count,
                        const struct turns_options *options, const char *wanted)
{
    struct arena arena;
    struct turns turns;
    struct buf out;
    arena_init(&arena, ARENA_BYTES);
    buf_init(&out, TEXT_BYTES_MAX);
    EXPECT_OK(turns_make(spans, count, options, &arena, &turns));
    tell(&out, spans, count, &turns);
    assert_string_equal((const char *)buf_bytes(&out).ptr, wanted);
    buf_fini(&out);
    arena_fini(&arena);
}

/* --- what the frameworks sent ----------------------------------------------------------------------- */

#define FOUR_TURNS(last)                                            \
    "0 opening, agent opened\n"                                     \
    "1 text, not reported \"Good morning.\"\n"                      \
    "2 text, not reported \"What is the weather in Paris?\"\n"      \
    "3 text, not reported, interrupted \"Tell me a long story.\"\n" \
    "4 spoken, answered \"Stop, please.\" " last "\n"

static const struct {
    const char *name;
    const char *wanted;
} recorded[] = {
    {"livekit-python",
     FOUR_TURNS("[831.6-893.6 reported speech endOfTurn=53.2 llm=2.1 firstSentence=5.1 tts=0.5 "
                "notMeasured=1.2]")},
    {"livekit-node",
     FOUR_TURNS("[952.0-1018.0 reported speech endOfTurn=54.0 llm=3.2 firstSentence=5.9 tts=0.4 "
                "notMeasured=2.5]")},
    /* Each span is a trace of its own: time tells the turns. */
    {"livekit-node-unregistered",
     FOUR_TURNS("[807.0-876.0 reported speech endOfTurn=56.0 firstSentence=8.9 tts=0.5 "
                "notMeasured=3.7]")},
    {"livekit-node-old",
     FOUR_TURNS("[921.0-993.0 reported speech endOfTurn=53.0 llm=6.7 firstSentence=11.4 tts=0.3 "
                "notMeasured=0.6]")},
    {"pipecat",
     "1 whole, answered \"Good morning.\" [54.9-70.7 reported ttsBegin llm=6.1 firstSentence=4.6 "
     "notMeasured=5.1]\n"
     "2 whole, answered \"What is the weather in Paris?\" [219.1-238.2 reported ttsBegin llm=3.5 "
     "firstSentence=7.2 notMeasured=8.4]\n"
     "3 whole, answered, interrupted \"Tell me a long story.\" [547.9-569.5 reported tts llm=2.0 "
     "firstSentence=16.6 tts=0.6 notMeasured=2.4]\n"
     "4 whole, answered, interrupted \"Stop, please.\" [826.6-843.9 reported ttsBegin llm=2.1 "
     "firstSentence=7.1 notMeasured=8.0]\n"},
    {"vapi-report",
     "1 whole, agent opened\n"
     "2 whole, answered \"When do you open?\" [5500.0-7900.0 reported ttsBegin endOfTurn=300.0 "
     "llm=600.0 tools=600.0 tts=250.0 notMeasured=650.0 sums]\n"
     "3 whole, answered \"Thank you.\" [11200.0-12000.0 reported ttsBegin endOfTurn=250.0 "
     "llm=300.0 tts=200.0 notMeasured=50.0 sums]\n"},
    {"vapi-log",
     "1 whole, agent opened\n"
     "2 whole, answered \"When do you open?\" [5450.0-7850.0 reported tts endOfTurn=180.0 "
     "llm=1170.0 tools=600.0 firstSentence=100.0 tts=250.0 notMeasured=100.0]\n"
     "3 whole, answered, interrupted \"Thank you.\" [11100.0-11900.0 reported tts endOfTurn=150.0 "
     "llm=250.0 tts=200.0 notMeasured=200.0]\n"
     "4 whole, no answer\n"},
};

static void what_the_frameworks_sent(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof recorded / sizeof recorded[0]; i++) {
        struct arena arena;
        struct turns_span *spans = NULL;
        size_t count = 0;
        arena_init(&arena, ARENA_BYTES);
        recorded_read(recorded[i].name, &arena, &spans, &count);
        expect_told(spans, count, &(struct turns_options){0}, recorded[i].wanted);
        arena_fini(&arena);
    }
}

/* --- calls made by hand ----------------------------------------------------------------------------- */

struct row {
    uint8_t id;
    uint8_t parent; /* 0: none; 255: never came */
    const char *name;
    int start_ms;
    int end_ms; /* -1: open */
    struct voice_facts facts;
};

#define STAGE(which) .stage = VOICE_STAGE_##which
#define MS(field, number) \
    .has_##field##_ms = true, .field##_ms = (number), .field##_ms_from = "attribute"
#define TEXT(field, words) .field = {.ptr = (const uint8_t *)(words), .len = sizeof(words) - 1}

static size_t spans_of(const struct row *rows, struct turns_span *ret_spans)
{
    size_t count = 0;
    for (; rows[count].id != 0; count++) {
        const struct row *row = &rows[count];
        bool is_open = row->end_ms < 0;
        ret_spans[count] = (struct turns_span){
            .id = {{row->id}},
            .parent = {{row->parent}},
            .has_parent = row->parent != 0,
            .is_open = is_open,
            .start = {(int64_t)row->start_ms * NS_PER_MS},
            .end = {is_open ? 0 : (int64_t)row->end_ms * NS_PER_MS},
            .name = bytes_of_text(row->name),
            .facts = row->facts,
        };
        ret_spans[count].has_error = turns_span_has_error(0, &row->facts);
    }
    return count;
}

struct made {
    const char *why;
    struct turns_options options;
    struct row rows[14];
    const char *wanted;
};

static const struct made made[] = {
    {"nothing", {0}, {{0}}, ""},
    {"spans of something else", {0}, {{1, 0, "GET /", 0, 10, {0}}}, ""},
    {"an LLM without turns in a call",
     {0},
     {{1, 0, "call", 0, 90, {STAGE(SESSION)}}, {2, 1, "chat gpt", 0, 10, {STAGE(LLM)}}},
     ""},
    {"without a reported length the end of speech is the begin",
     {0},
     {{1, 0, "user_turn", 0, 500, {MS(end_of_turn, 90)}},
      {2, 1, "user_speaking", 0, 400, {0}},
      {3, 0, "agent_turn", 500, 2000, {0}},
      {4, 3, "llm_node", 500, 800, {STAGE(LLM), MS(ttft, 100)}},
      {5, 3, "tts_node", 510, 900, {STAGE(TTS), MS(ttfb, 50)}},
      {6, 3, "agent_speaking", 1000, 2000, {0}}},
     "1 spoken, answered [400.0-1000.0 speech speech endOfTurn=100.0 llm=100.0 "
     "firstSentence=200.0 tts=50.0 notMeasured=150.0]\n"},
    {"without speech the end of turn minus its delay",
     {0},
     {{1, 0, "user_turn", 0, 500, {MS(end_of_turn, 90)}},
      {3, 0, "agent_turn", 500, 2000, {0}},
      {6, 3, "agent_speaking", 1000, 2000, {0}}},
     "1 spoken, answered [410.0-1000.0 delay speech endOfTurn=90.0 notMeasured=500.0]\n"},
    {"neither: a word, no figure",
     {0},
     {{1, 0, "user_turn", 0, 500, {0}},
      {3, 0, "agent_turn", 500, 2000, {0}},
      {6, 3, "agent_speaking", 1000, 2000, {0}}},
     "1 spoken, not reported\n"},
    {"a tool's LLM counts to its end, and a tool after a filler makes a second wait",
     {0},
     {{1, 0, "user_turn", 0, 100, {0}},
      {2, 1, "user_speaking", 0, 80, {0}},
      {3, 0, "agent_turn", 100, 900, {TEXT(speech_id, "s")}},
      {4, 3, "llm_node", 100, 200, {STAGE(LLM), MS(ttft, 40)}},
      {5, 3, "agent_speaking", 180, 300, {0}},
      {6,
       3,
       "function_tool",
       210,
       700,
       {STAGE(TOOL), .has_is_tool_error = true, .is_tool_error = true}},
      {7, 0, "agent_turn", 700, 1500, {TEXT(speech_id, "s")}},
      {8, 7, "llm_node", 700, 800, {STAGE(LLM), MS(ttft, 60)}},
      {9, 7, "agent_speaking", 900, 1500, {0}}},
     "1 spoken, answered, error [80.0-180.0 speech speech endOfTurn=20.0 llm=80.0] "
     "[300.0-900.0 speech speech llm=60.0 tools=400.0 firstSentence=40.0 notMeasured=100.0]\n"},
    {"a silence in which nothing works is no wait",
     {0},
     {{1, 0, "user_turn", 0, 100, {0}},
      {2, 1, "user_speaking", 0, 80, {0}},
      {3, 0, "agent_turn", 100, 900, {0}},
      {4, 3, "agent_speaking", 180, 300, {0}},
      {5, 3, "agent_speaking", 9000, 9900, {0}}},
     "1 spoken, answered [80.0-180.0 speech speech endOfTurn=20.0 notMeasured=80.0]\n"},
    {"the user went on, and nobody answered the last",
     {0},
     {{1, 0, "user_turn", 0, 100, {TEXT(user_said, "and")}},
      {2, 0, "user_turn", 200, 300, {TEXT(user_said, "then")}}},
     "1 spoken, user went on \"and\"\n2 spoken, no answer \"then\"\n"},
    {"while the call runs the last may still be answered",
     {.is_live = true},
     {{1, 0, "user_turn", 0, 100, {0}}},
     "1 spoken, open\n"},
    {"an answer begun before the turn was accepted stays with it",
     {0},
     {{1, 0, "user_turn", 0, 100, {TEXT(user_said, "b")}},
      {2, 0, "agent_turn", 50, 60, {TEXT(user_input, "a"), TEXT(speech_id, "x")}},
      {3, 0, "agent_turn", 70, 500, {TEXT(user_input, "b"), TEXT(speech_id, "y")}},
      {4, 3, "agent_speaking", 150, 400, {MS(response_latency, 60)}}},
     "1 spoken, answered \"b\" [90.0-150.0 reported speech endOfTurn=10.0 notMeasured=50.0]\n"},
    {"pieces of one generation stay together",
     {0},
     {{1, 0, "user_turn", 0, 10, {0}},
      {2, 0, "agent_turn", 10, 20, {TEXT(generation_id, "g")}},
      {3, 0, "user_turn", 30, 40, {0}},
      {4, 0, "agent_turn", 50, 60, {TEXT(parent_generation_id, "g"), TEXT(agent_said, "late")}}},
     "1 spoken, not reported\n2 spoken, no answer\n"},
    {"parents in a circle, orphans and a root that is open",
     {0},
     {{1, 2, "llm_node", 120, 130, {STAGE(LLM)}},
      {2, 1, "llm_request", 121, 129, {STAGE(LLM), MS(ttft, 5)}},
      {3, 255, "user_turn", 0, 100, {0}},
      {4, 255, "agent_speaking", 150, -1, {MS(response_latency, 50)}},
      {5, 0, "agent_session", 0, -1, {STAGE(SESSION)}}},
     "1 spoken, answered [100.0-150.0 reported speech llm=10.0 notMeasured=40.0]\n"},
    {"a turn of VAPI with a log",
     {0},
     {{1, 0, "call", 0, 5000, {STAGE(SESSION)}},
      {2, 1, "turn", 1000, 4000, {MS(response_latency, 900)}},
      {3, 2, "transcriber", 1000, 1500, {STAGE(STT), TEXT(user_said, "hi")}},
      {4, 2, "endpointing", 1500, 1700, {STAGE(END_OF_TURN)}},
      {5, 2, "model", 1700, 2100, {STAGE(LLM), MS(ttft, 300)}},
      {6, 2, "voice", 2050, 3900, {STAGE(TTS), MS(ttfb, 350)}}},
     "1 whole, answered \"hi\" [1500.0-2400.0 reported tts endOfTurn=200.0 llm=300.0 "
     "firstSentence=50.0 tts=350.0]\n"},
    {"a turn of VAPI of which only sums are known",
     {0},
     {{2, 0, "turn", 1000, 4000, {MS(response_latency, 900)}},
      {3, 2, "transcriber", 1000, 1500, {STAGE(STT)}},
      {4, 2, "endpointing", 1500, 1700, {STAGE(END_OF_TURN), MS(end_of_turn, 200)}},
      {5,
       2,
       "model",
       1500,
       2400,
       {STAGE(LLM), MS(ttft, 300), .has_is_derived = true, .is_derived = true}},
      {6, 2, "voice", 2400, 3900, {STAGE(TTS), MS(ttfb, 350)}}},
     "1 whole, answered [500.0-1400.0 reported ttsBegin endOfTurn=200.0 llm=300.0 tts=350.0 "
     "notMeasured=50.0 sums]\n"},
    {"sums that exceed the wait split nothing",
     {0},
     {{2, 0, "turn", 1000, 4000, {MS(response_latency, 500)}},
      {5,
       2,
       "model",
       1500,
       2400,
       {STAGE(LLM), MS(ttft, 300), .has_is_derived = true, .is_derived = true}},
      {6, 2, "voice", 2400, 3900, {STAGE(TTS), MS(ttfb, 350)}}},
     "1 whole, answered [900.0-1400.0 reported ttsBegin notMeasured=500.0 over]\n"},
    {"the agent speaks first in a turn of its own",
     {0},
     {{2, 0, "turn", 0, 400, {0}}, {6, 2, "tts", 10, 300, {STAGE(TTS), MS(ttfb, 5)}}},
     "1 whole, agent opened\n"},
    {"a chat's requests, a tool between",
     {.is_chat = true},
     {{1, 0, "POST /chat", 0, 1000, {0}},
      {2, 1, "chat gpt", 100, 300, {STAGE(LLM), MS(ttft, 50)}},
      {3, 1, "execute_tool", 300, 600, {STAGE(TOOL)}},
      {4, 1, "chat gpt", 600, 900, {STAGE(LLM), MS(ttft, 80)}},
      {5, 0, "chat gpt", 2000, 2500, {STAGE(LLM)}},
      {6, 0, "call", 3000, 4000, {STAGE(SESSION)}},
      {7, 6, "invoke_agent", 3000, 3500, {STAGE(AGENT)}},
      {8, 7, "chat gpt", 3100, 3400, {STAGE(LLM)}}},
     "1 request, answered [0.0-680.0 request request llm=280.0 tools=300.0 notMeasured=100.0]\n"
     "2 request, answered [2000.0-2500.0 request request llm=500.0]\n"
     "3 request, answered [3000.0-3500.0 request request llm=300.0 notMeasured=200.0]\n"},
    {"figures out of any range are none",
     {0},
     {{1, 0, "user_turn", 0, 100, {MS(end_of_turn, 1e300)}},
      {2, 0, "agent_turn", 100, 200, {MS(response_latency, -5)}},
      {3, 2, "llm_node", 100, 200, {STAGE(LLM), MS(ttft, 1e18)}},
      {4, 2, "agent_speaking", 150, 190, {0}}},
     "1 spoken, not reported\n"},
};

static void calls_made_by_hand(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof made / sizeof made[0]; i++) {
        struct turns_span spans[16];
        size_t count = spans_of(made[i].rows, spans);
        print_message("%s\n", made[i].why);
        expect_told(spans, count, &made[i].options, made[i].wanted);
    }
}

/* --- whatever comes --------------------------------------------------------------------------------- */

static const char *const names[] = {"user_turn", "agent_turn", "turn",          "user_speaking",
                                    "llm_node",  "tts_node",   "function_tool", "agent_speaking",
                                    "llm",       "tts",        "other",         "endpointing"};
static const enum voice_stage stages[] = {
    VOICE_STAGE_USER, VOICE_STAGE_AGENT, VOICE_STAGE_AGENT, VOICE_STAGE_USER,
    VOICE_STAGE_LLM,  VOICE_STAGE_TTS,   VOICE_STAGE_TOOL,  VOICE_STAGE_AGENT,
    VOICE_STAGE_LLM,  VOICE_STAGE_TTS,   VOICE_STAGE_ANY,   VOICE_STAGE_END_OF_TURN};

static int64_t any_time(void)
{
    switch (random() % 40) {
    case 0:
        return INT64_MIN;
    case 1:
        return INT64_MAX;
    case 2:
        return -5;
    default:
        return random() % 3000 * NS_PER_MS;
    }
}

static double any_ms(void)
{
    switch (random() % 20) {
    case 0:
        return -1;
    case 1:
        return 1e300;
    case 2:
        return (double)NAN;
    default:
        return (double)(random() % 900);
    }
}

static void any_span(struct turns_span *span, size_t number)
{
    size_t which = (size_t)random() % (sizeof names / sizeof names[0]);
    *span = (struct turns_span){.trace = (uint32_t)(random() % 2),
                                .id = {{(uint8_t)(number + 1)}},
                                .parent = {{(uint8_t)(random() % (SPANS_MAX + 5) + 1)}},
                                .has_parent = random() % 4 > 0,
                                .is_open = random() % 12 == 0,
                                .start = {any_time()},
                                .end = {any_time()},
                                .name = bytes_of_text(names[which])};
    span->end.ns =
        random() % 10 > 0 && span->end.ns < span->start.ns ? span->start.ns : span->end.ns;
    span->facts.stage = stages[which];
    span->facts.has_ttft_ms = random() % 2 == 0;
    span->facts.ttft_ms = any_ms();
    span->facts.has_ttfb_ms = random() % 2 == 0;
    span->facts.ttfb_ms = any_ms();
    span->facts.has_end_of_turn_ms = random() % 2 == 0;
    span->facts.end_of_turn_ms = any_ms();
    span->facts.has_response_latency_ms = random() % 4 == 0;
    span->facts.response_latency_ms = any_ms();
    span->facts.is_derived = random() % 6 == 0;
    span->facts.has_is_derived = span->facts.is_derived;
    span->facts.speech_id = bytes_of_text(random() % 3 == 0 ? "s" : "");
    span->facts.user_input = bytes_of_text(random() % 3 == 0 ? "text" : "");
}

static void check_wait(const struct turn_wait *wait)
{
    int64_t sum = 0;
    for (size_t i = 0; i < WAIT_STAGE_COUNT; i++) {
        assert_true(wait->split.parts_ns[i] >= 0);
        sum += wait->split.parts_ns[i];
    }
    assert_true(wait->to.ns >= wait->from.ns);
    assert_int_equal(sum, wait->to.ns - wait->from.ns);
    assert_true(wait->to.ns - wait->from.ns <= TURNS_WAIT_NS_MAX);
}

static void check_turns(const struct turns *turns, size_t count)
{
    size_t members = 0;
    for (size_t i = 0; i < turns->count; i++) {
        const struct turn *turn = &turns->turns[i];
        assert_true((turn->outcome == TURN_ANSWERED) == (turn->waits_count > 0));
        assert_true(turn->waits_count <= TURNS_WAITS_MAX);
        for (size_t n = 0; n < turn->waits_count; n++) {
            check_wait(&turn->waits[n]);
        }
        members += turn->spans_count;
    }
    size_t told = 0;
    for (size_t i = 0; i < count; i++) {
        told += turns->turn_of[i] != TURNS_NONE;
        assert_true(turns->turn_of[i] == TURNS_NONE || turns->turn_of[i] < turns->count);
    }
    assert_int_equal(members, told);
}

static void shuffle(struct turns_span *spans, size_t count)
{
    for (size_t i = count; i > 1; i--) {
        size_t other = (size_t)random() % i;
        struct turns_span kept = spans[i - 1];
        spans[i - 1] = spans[other];
        spans[other] = kept;
    }
}

static void told_shuffled(struct turns_span *spans, size_t count,
                          const struct turns_options *options, struct buf *out)
{
    struct arena arena;
    struct turns turns;
    arena_init(&arena, ARENA_BYTES);
    EXPECT_OK(turns_make(spans, count, options, &arena, &turns));
    check_turns(&turns, count);
    buf_reset(out);
    tell(out, spans, count, &turns);
    arena_fini(&arena);
}

static void parts_sum_up_and_order_does_not_matter(void **state)
{
    (void)state;
    struct buf first;
    struct buf again;
    buf_init(&first, TEXT_BYTES_MAX);
    buf_init(&again, TEXT_BYTES_MAX);
    srandom(7);
    for (size_t round = 0; round < ROUNDS; round++) {
        struct turns_span spans[SPANS_MAX];
        size_t count = (size_t)random() % SPANS_MAX;
        const struct turns_options options = {.is_chat = random() % 2 == 0,
                                              .is_live = random() % 2 == 0};
        for (size_t i = 0; i < count; i++) {
            any_span(&spans[i], i);
        }
        told_shuffled(spans, count, &options, &first);
        shuffle(spans, count);
        told_shuffled(spans, count, &options, &again);
        assert_string_equal((const char *)buf_bytes(&first).ptr,
                            (const char *)buf_bytes(&again).ptr);
    }
    buf_fini(&first);
    buf_fini(&again);
}

static void recorded_calls_may_come_in_any_order_and_without_any_span(void **state)
{
    (void)state;
    struct buf first;
    struct buf again;
    buf_init(&first, TEXT_BYTES_MAX);
    buf_init(&again, TEXT_BYTES_MAX);
    srandom(11);
    for (size_t i = 0; i < sizeof recorded / sizeof recorded[0]; i++) {
        struct arena arena;
        struct turns_span *spans = NULL;
        size_t count = 0;
        arena_init(&arena, ARENA_BYTES);
        recorded_read(recorded[i].name, &arena, &spans, &count);
        while (count > 0) {
            told_shuffled(spans, count, &(struct turns_options){0}, &first);
            shuffle(spans, count);
            told_shuffled(spans, count, &(struct turns_options){0}, &again);
            assert_string_equal((const char *)buf_bytes(&first).ptr,
                                (const char *)buf_bytes(&again).ptr);
            count--; /* whichever stands last now is lost */
        }
        arena_fini(&arena);
    }
    buf_fini(&first);
    buf_fini(&again);
}

static void the_slowest_is_the_first_of_equals(void **state)
{
    (void)state;
    struct turn_wait waits[] = {
        {.from = {0}, .to = {5}}, {.from = {0}, .to = {9}}, {.from = {1}, .to = {10}}};
    struct turn list[] = {{.number = 1, .waits = &waits[0], .waits_count = 1},
                          {.number = 2},
                          {.number = 3, .waits = &waits[1], .waits_count = 1},
                          {.number = 4, .waits = &waits[2], .waits_count = 1}};
    struct turns turns = {.turns = list, .count = 4};
    assert_int_equal(turns_slowest(&turns)->number, 3);
    turns.count = 0;
    assert_null(turns_slowest(&turns));
}

/* As many spans as are ever shown, all of one turn, must not take quadratic time. */
static void a_turn_of_all_spans(void **state)
{
    (void)state;
    enum { MANY = 100000 };
    struct arena arena;
    struct turns turns;
    arena_init(&arena, 512 << 20);
    struct turns_span *spans = arena_zero(&arena, MANY, sizeof *spans);
    assert_non_null(spans);
    for (size_t i = 0; i < MANY; i++) {
        size_t which = i == 0 ? 0 : 4 + i % 4;
        spans[i] = (struct turns_span){
            .id = {{(uint8_t)i, (uint8_t)(i >> 8), (uint8_t)(i >> 16)}},
            .parent = {{(uint8_t)(i - 1), (uint8_t)((i - 1) >> 8), (uint8_t)((i - 1) >> 16)}},
            .has_parent = i > 0 && i % 8 == 0,
            .start = {(int64_t)i * NS_PER_MS},
            .end = {(int64_t)(i + 3) * NS_PER_MS},
            .name = bytes_of_text(names[which])};
        spans[i].facts.stage = stages[which];
    }
    EXPECT_OK(turns_make(spans, MANY, &(struct turns_options){0}, &arena, &turns));
    check_turns(&turns, MANY);
    arena_fini(&arena);
}

static void sweep_body(void *context)
{
    struct arena arena;
    struct turns turns;
    const struct made *one = context;
    struct turns_span spans[16];
    size_t count = spans_of(one->rows, spans);
    arena_init(&arena, ARENA_BYTES);
    err_t err = turns_make(spans, count, &one->options, &arena, &turns);
    assert_true(err_is_ok(err) || err_is(err, ERR_NO_SPACE));
    arena_fini(&arena);
}

static void memory_may_run_out_anywhere(void **state)
{
    (void)state;
    struct made one = made[6];
    assert_true(expect_survives_oom(sweep_body, &one) > 0);
    for (size_t bytes = 0; bytes < 20000; bytes += 64) {
        struct arena arena;
        struct turns turns;
        struct turns_span spans[16];
        size_t count = spans_of(one.rows, spans);
        arena_init(&arena, bytes);
        err_t err = turns_make(spans, count, &one.options, &arena, &turns);
        assert_true(err_is_ok(err) || err_is(err, ERR_NO_SPACE));
        arena_fini(&arena);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_the_frameworks_sent),
        cmocka_unit_test(calls_made_by_hand),
        cmocka_unit_test(parts_sum_up_and_order_does_not_matter),
        cmocka_unit_test(recorded_calls_may_come_in_any_order_and_without_any_span),
        cmocka_unit_test(the_slowest_is_the_first_of_equals),
        cmocka_unit_test(a_turn_of_all_spans),
        cmocka_unit_test(memory_may_run_out_anywhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
