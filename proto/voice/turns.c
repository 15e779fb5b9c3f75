#include "proto/voice/turns.h"

#include <stdlib.h>

#include "proto/base/check.h"
#include "proto/voice/turns_private.h"

#include "proto/base/banned.h"

struct part_row {
    const char *name;
    enum turns_part part;
};

static const struct part_row part_rows[] = {
#define PART(name, part) {name, PART_##part},
#include "proto/voice/turns.def"
#undef PART
};

/* An index with what it is sorted by. */
struct sorted {
    const struct turns_span *span;
    uint32_t index;
    uint32_t turn;
};

int turns_span_compare(const struct turns_span *a, const struct turns_span *b)
{
    if (a->start.ns != b->start.ns) {
        return a->start.ns < b->start.ns ? -1 : 1;
    }
    if (a->end.ns != b->end.ns) {
        return a->end.ns > b->end.ns ? -1 : 1;
    }
    if (a->trace != b->trace) {
        return a->trace < b->trace ? -1 : 1;
    }
    return memcmp(a->id.b, b->id.b, sizeof a->id.b);
}

static int by_turn(const void *left, const void *right)
{
    const struct sorted *a = left;
    const struct sorted *b = right;
    if (a->turn != b->turn) {
        return a->turn < b->turn ? -1 : 1;
    }
    return turns_span_compare(a->span, b->span);
}

/* What begins a turn: at one instant a user's turn goes before its answer. `turn` is that rank. */
static int by_begin(const void *left, const void *right)
{
    const struct sorted *a = left;
    const struct sorted *b = right;
    if (a->span->start.ns == b->span->start.ns && a->turn != b->turn) {
        return a->turn < b->turn ? -1 : 1;
    }
    return turns_span_compare(a->span, b->span);
}

static int by_id(const void *left, const void *right)
{
    const struct sorted *a = left;
    const struct sorted *b = right;
    if (a->span->trace != b->span->trace) {
        return a->span->trace < b->span->trace ? -1 : 1;
    }
    return memcmp(a->span->id.b, b->span->id.b, sizeof a->span->id.b);
}

bool turns_span_has_error(uint32_t status, const struct voice_facts *facts)
{
    enum { STATUS_ERROR = 2 };
    bool is_tool = facts->stage == VOICE_STAGE_TOOL;
    return status == STATUS_ERROR ||
           (is_tool &&
            ((facts->has_is_tool_error && facts->is_tool_error) || facts->error_type.len > 0));
}

/* --- parts and parents ------------------------------------------------------------------------------ */

static enum turns_part part_of(const struct turns_span *span)
{
    for (size_t i = 0; i < sizeof part_rows / sizeof part_rows[0]; i++) {
        if (bytes_equal_text(span->name, part_rows[i].name)) {
            return part_rows[i].part;
        }
    }
    switch (span->facts.stage) {
    case VOICE_STAGE_LLM:
        return PART_LLM;
    case VOICE_STAGE_TTS:
        return PART_TTS;
    case VOICE_STAGE_TOOL:
        return PART_TOOL;
    case VOICE_STAGE_STT:
        return PART_STT;
    case VOICE_STAGE_END_OF_TURN:
        return PART_END_OF_TURN;
    case VOICE_STAGE_ANY:
    case VOICE_STAGE_SESSION:
    case VOICE_STAGE_USER:
    case VOICE_STAGE_AGENT:
        break;
    }
    return PART_NONE;
}

static bool is_llm(unsigned part)
{
    return part == PART_LLM_NODE || part == PART_LLM_INNER || part == PART_LLM;
}

static bool is_tts(unsigned part)
{
    return part == PART_TTS_NODE || part == PART_TTS_INNER || part == PART_TTS;
}

static bool is_same_stage(unsigned a, unsigned b)
{
    return (is_llm(a) && is_llm(b)) || (is_tts(a) && is_tts(b)) ||
           (a == PART_TOOL && b == PART_TOOL);
}

static FALLIBLE find_parents(struct turns_work *work)
{
    struct arena_mark mark = arena_mark(work->arena);
    struct sorted *sorted = arena_zero(work->arena, work->count + 1U, sizeof *sorted);
    if (sorted == NULL) {
        return FAIL(NO_SPACE);
    }
    for (uint32_t i = 0; i < work->count; i++) {
        sorted[i] = (struct sorted){.span = &work->spans[i], .index = i};
    }
    qsort(sorted, work->count, sizeof *sorted, by_id);
    for (uint32_t i = 0; i < work->count; i++) {
        const struct turns_span *span = &work->spans[i];
        struct turns_span wanted = {.trace = span->trace, .id = span->parent};
        struct sorted key = {.span = &wanted};
        const struct sorted *found =
            span->has_parent ? bsearch(&key, sorted, work->count, sizeof *sorted, by_id) : NULL;
        work->parents[i] = found == NULL ? TURNS_NONE : found->index;
    }
    arena_rewind(work->arena, mark);
    return OK;
}

/* The outermost span of the same stage above `at`; `at` itself when there is none. */
static uint32_t outermost(const struct turns_work *work, uint32_t at)
{
    uint32_t outer = at;
    uint32_t up = work->parents[at];
    for (unsigned i = 0; i < TURNS_ANCESTORS_MAX && up != TURNS_NONE; i++) {
        if (up == at) {
            return at; /* a circle has no outside */
        }
        if (is_same_stage(work->parts[at], work->parts[up])) {
            outer = up;
        }
        up = work->parents[up];
    }
    return outer;
}

static struct unix_ns after_ms(struct unix_ns at, double ms)
{
    /* A figure out of any range is no figure of a call; the caller has checked it. */
    return (struct unix_ns){at.ns + (int64_t)(ms * NS_PER_MS)};
}

static bool is_plausible_ms(double ms)
{
    return ms >= 0 && ms <= (double)TURNS_WAIT_NS_MAX / NS_PER_MS;
}

/* First tokens and first bytes: of a stage without one the earliest that is told inside it. */
static void mark_stages(struct turns_work *work)
{
    for (uint32_t i = 0; i < work->count; i++) {
        const struct voice_facts *facts = &work->spans[i].facts;
        bool has_token = is_llm(work->parts[i]) && facts->has_ttft_ms &&
                         is_plausible_ms(facts->ttft_ms) &&
                         work->spans[i].start.ns < INT64_MAX - TURNS_WAIT_NS_MAX;
        bool has_byte =
            is_tts(work->parts[i]) && facts->has_ttfb_ms && is_plausible_ms(facts->ttfb_ms);
        if (!has_token && !has_byte) {
            continue;
        }
        int64_t ns = has_token ? after_ms(work->spans[i].start, facts->ttft_ms).ns
                               : after_ms((struct unix_ns){0}, facts->ttfb_ms).ns;
        uint32_t outer = outermost(work, i);
        struct turns_mark *mark = &work->marks[outer];
        bool is_own = outer == i;
        bool has_own =
            has_token ? work->spans[outer].facts.has_ttft_ms : work->spans[outer].facts.has_ttfb_ms;
        if (is_own || (!has_own && (!mark->has || ns < mark->ns))) {
            *mark =
                (struct turns_mark){.has = true,
                                    .ns = ns,
                                    .from = has_token ? facts->ttft_ms_from : facts->ttfb_ms_from};
        }
    }
}

static void find_inner(struct turns_work *work)
{
    bool has_llm_node = false;
    bool has_tts_node = false;
    for (uint32_t i = 0; i < work->count; i++) {
        has_llm_node = has_llm_node || work->parts[i] == PART_LLM_NODE;
        has_tts_node = has_tts_node || work->parts[i] == PART_TTS_NODE;
    }
    for (uint32_t i = 0; i < work->count; i++) {
        work->is_inner[i] = (work->parts[i] == PART_LLM_INNER && has_llm_node) ||
                            (work->parts[i] == PART_TTS_INNER && has_tts_node) ||
                            outermost(work, i) != i;
    }
}

/* --- where turns begin ------------------------------------------------------------------------------ */

static bool is_owner(const struct turns_work *work, uint32_t span)
{
    unsigned part = work->parts[span];
    return part == PART_USER_TURN || part == PART_AGENT_TURN || part == PART_TURN ||
           work->is_request[span];
}

static void begin_add(struct turns_work *work, uint32_t span, enum turn_kind kind)
{
    work->begins[work->begins_count++] =
        (struct turns_begin){.at = work->spans[span].start, .span = span, .kind = kind};
}

/* Of the agent turns before `at` in `order` one that says the same thing on. */
static uint32_t speech_before(const struct turns_work *work, const struct sorted *order, size_t at)
{
    const struct voice_facts *facts = &work->spans[order[at].index].facts;
    size_t back = at < TURNS_SPEECHES_BACK ? at : TURNS_SPEECHES_BACK;
    for (size_t i = 1; i <= back; i++) {
        uint32_t other = order[at - i].index;
        const struct voice_facts *earlier = &work->spans[other].facts;
        bool is_same =
            (facts->speech_id.len > 0 && bytes_equal(facts->speech_id, earlier->speech_id)) ||
            (facts->parent_generation_id.len > 0 &&
             bytes_equal(facts->parent_generation_id, earlier->generation_id));
        if (is_same && work->parts[other] == PART_AGENT_TURN) {
            return work->turn_of[other];
        }
    }
    return TURNS_NONE;
}

/* Does this agent turn answer the user's turn that begins `begin`? */
static bool answers(const struct turns_work *work, uint32_t agent, const struct turns_begin *begin)
{
    const struct turns_span *user = &work->spans[begin->span];
    const struct turns_span *span = &work->spans[agent];
    return begin->kind == TURN_SPOKEN &&
           (!begin->is_answered || span->start.ns < turns_span_end(user).ns ||
            bytes_equal(span->facts.user_input, user->facts.user_said));
}

static void place_agent_turn(struct turns_work *work, const struct sorted *order, size_t at)
{
    uint32_t agent = order[at].index;
    uint32_t latest = work->begins_count - 1;
    uint32_t turn = speech_before(work, order, at);
    if (turn == TURNS_NONE && work->spans[agent].facts.user_input.len == 0) {
        turn = latest;
    }
    if (turn == TURNS_NONE && answers(work, agent, &work->begins[latest])) {
        work->begins[latest].is_answered = true;
        turn = latest;
    }
    if (turn == TURNS_NONE) {
        turn = work->begins_count;
        begin_add(work, agent, TURN_TEXT);
    }
    work->turn_of[agent] = turn;
}

/* LiveKit: user turns and agent turns in their order; Pipecat, VAPI and chats: spans that hold all of a turn. */
static FALLIBLE find_begins(struct turns_work *work)
{
    struct sorted *order = arena_zero(work->arena, work->count + 1U, sizeof *order);
    size_t count = 0;
    if (order == NULL) {
        return FAIL(NO_SPACE);
    }
    for (uint32_t i = 0; i < work->count; i++) {
        unsigned part = work->parts[i];
        if (is_owner(work, i)) {
            order[count++] = (struct sorted){&work->spans[i], i, part == PART_AGENT_TURN};
        }
        work->is_livekit = work->is_livekit || part == PART_USER_TURN || part == PART_AGENT_TURN ||
                           part == PART_AGENT_SPEAKING;
    }
    qsort(order, count, sizeof *order, by_begin);
    for (size_t i = 0; i < count; i++) {
        uint32_t index = order[i].index;
        if (work->parts[index] == PART_AGENT_TURN) {
            place_agent_turn(work, order, i);
            continue;
        }
        work->turn_of[index] = work->begins_count;
        begin_add(work, index,
                  work->parts[index] == PART_USER_TURN ? TURN_SPOKEN
                  : work->parts[index] == PART_TURN    ? TURN_WHOLE
                                                       : TURN_REQUEST);
    }
    return OK;
}

/* In a chat without turns a request is the topmost span that holds an LLM and is no session. */
static void find_requests(struct turns_work *work)
{
    for (uint32_t i = 0; i < work->count; i++) {
        if (is_owner(work, i)) {
            return;
        }
    }
    for (uint32_t i = 0; i < work->count; i++) {
        if (!is_llm(work->parts[i])) {
            continue;
        }
        uint32_t top = i;
        uint32_t up = work->parents[i];
        for (unsigned n = 0; n < TURNS_ANCESTORS_MAX && up != TURNS_NONE; n++) {
            bool is_session = work->spans[up].facts.stage == VOICE_STAGE_SESSION;
            top = is_session ? top : up;
            up = is_session ? TURNS_NONE : work->parents[up];
        }
        work->is_request[top] = true;
    }
}

/* --- which turn a span belongs to ------------------------------------------------------------------- */

/* The last begin at or before `at`; of spoken ones only when asked so. The opening is before everything. */
static uint32_t begin_before(const struct turns_work *work, struct unix_ns at, bool is_spoken)
{
    uint32_t low = 0;
    uint32_t high = work->begins_count;
    while (high - low > 1) {
        uint32_t middle = low + (high - low) / 2;
        if (work->begins[middle].at.ns <= at.ns) {
            low = middle;
        } else {
            high = middle;
        }
    }
    for (unsigned i = 0;
         is_spoken && i < TURNS_SPEECHES_BACK && low > 0 && work->begins[low].kind != TURN_SPOKEN;
         i++) {
        low--;
    }
    return low;
}

static bool tells_its_turn(unsigned part)
{
    return is_llm(part) || is_tts(part) || part == PART_TOOL || part == PART_USER_SPEAKING ||
           part == PART_AGENT_SPEAKING;
}

static uint32_t turn_by_time(const struct turns_work *work, uint32_t span)
{
    unsigned part = work->parts[span];
    if (!work->is_livekit || !tells_its_turn(part)) {
        return TURNS_NONE;
    }
    if (part != PART_USER_SPEAKING) {
        return begin_before(work, work->spans[span].start, false);
    }
    uint32_t turn = begin_before(work, turns_span_end(&work->spans[span]), true);
    return work->begins[turn].kind == TURN_SPOKEN ? turn : TURNS_NONE;
}

/* By what holds it, else by time. Owners have their turn already. */
static void assign(struct turns_work *work)
{
    for (uint32_t i = 0; i < work->count; i++) {
        uint32_t up = work->parents[i];
        if (is_owner(work, i)) {
            continue;
        }
        for (unsigned n = 0; n < TURNS_ANCESTORS_MAX && up != TURNS_NONE; n++) {
            if (is_owner(work, up)) {
                break;
            }
            up = n + 1 < TURNS_ANCESTORS_MAX ? work->parents[up] : TURNS_NONE;
        }
        work->turn_of[i] = up != TURNS_NONE ? work->turn_of[up] : turn_by_time(work, i);
    }
}

/* --- all of it -------------------------------------------------------------------------------------- */

static FALLIBLE work_init(struct turns_work *work)
{
    size_t room = work->count + 1U;
    work->parts = arena_zero(work->arena, room, sizeof *work->parts);
    work->parents = arena_zero(work->arena, room, sizeof *work->parents);
    work->turn_of = arena_zero(work->arena, room, sizeof *work->turn_of);
    work->is_inner = arena_zero(work->arena, room, sizeof *work->is_inner);
    work->is_request = arena_zero(work->arena, room, sizeof *work->is_request);
    work->marks = arena_zero(work->arena, room, sizeof *work->marks);
    work->begins = arena_zero(work->arena, room, sizeof *work->begins);
    work->members = arena_zero(work->arena, room, sizeof *work->members);
    if (arena_is_full(work->arena) || work->members == NULL || work->begins == NULL ||
        work->marks == NULL || work->is_inner == NULL || work->is_request == NULL ||
        work->turn_of == NULL || work->parents == NULL || work->parts == NULL) {
        return FAIL(NO_SPACE);
    }
    for (uint32_t i = 0; i < work->count; i++) {
        work->parts[i] = (uint8_t)part_of(&work->spans[i]);
        work->turn_of[i] = TURNS_NONE;
    }
    work->begins[work->begins_count++] =
        (struct turns_begin){.at = {INT64_MIN}, .span = TURNS_NONE, .kind = TURN_OPENING};
    return OK;
}

/* Members turn by turn; how many have one. */
static FALLIBLE gather(struct turns_work *work, size_t *ret_count)
{
    struct sorted *sorted = arena_zero(work->arena, work->count + 1U, sizeof *sorted);
    size_t count = 0;
    if (sorted == NULL) {
        return FAIL(NO_SPACE);
    }
    for (uint32_t i = 0; i < work->count; i++) {
        if (work->turn_of[i] != TURNS_NONE) {
            sorted[count++] = (struct sorted){&work->spans[i], i, work->turn_of[i]};
        }
    }
    qsort(sorted, count, sizeof *sorted, by_turn);
    for (size_t i = 0; i < count; i++) {
        work->members[i] = sorted[i].index;
    }
    *ret_count = count;
    return OK;
}

/* Begins become turns; the opening only when it has spans. */
static FALLIBLE write_turns(struct turns_work *work, size_t members_count, struct turns *turns)
{
    turns->turns = arena_zero(work->arena, work->begins_count, sizeof *turns->turns);
    if (turns->turns == NULL) {
        return FAIL(NO_SPACE);
    }
    size_t at = 0;
    bool has_opening = members_count > 0 && work->turn_of[work->members[0]] == 0;
    for (uint32_t i = has_opening ? 0 : 1; i < work->begins_count; i++) {
        size_t first = at;
        while (at < members_count && work->turn_of[work->members[at]] == i) {
            at++;
        }
        struct turns_members members = {.work = work,
                                        .begin = &work->begins[i],
                                        .spans = work->members + first,
                                        .count = at - first,
                                        .is_first = i <= 1 && !has_opening,
                                        .is_last = i + 1 == work->begins_count};
        struct turn *turn = &turns->turns[turns->count++];
        TRY(turns_read(&members, turn));
        turn->number = i;
        turn->span = work->begins[i].span;
    }
    POST(at == members_count);
    for (uint32_t i = 0; i < work->count && !has_opening; i++) {
        work->turn_of[i] -= work->turn_of[i] != TURNS_NONE;
    }
    turns->turn_of = work->turn_of;
    return OK;
}

err_t turns_make(const struct turns_span *spans, size_t count, const struct turns_options *options,
                 struct arena *arena, struct turns *ret_turns)
{
    PRE(count < TURNS_NONE - 1);
    struct turns turns = {.count = 0};
    struct turns_work work = {
        .spans = spans, .count = (uint32_t)count, .options = options, .arena = arena};
    size_t members_count = 0;
    TRY(work_init(&work));
    TRY(find_parents(&work));
    find_inner(&work);
    mark_stages(&work);
    if (options->is_chat) {
        find_requests(&work);
    }
    TRY(find_begins(&work));
    assign(&work);
    TRY(gather(&work, &members_count));
    TRY(write_turns(&work, members_count, &turns));
    *ret_turns = turns;
    return OK;
}

int64_t turn_response_ns(const struct turn *turn)
{
    return turn->waits_count == 0 ? 0 : turn->waits[0].to.ns - turn->waits[0].from.ns;
}

const struct turn *turns_slowest(const struct turns *turns)
{
    const struct turn *slowest = NULL;
    for (size_t i = 0; i < turns->count; i++) {
        const struct turn *turn = &turns->turns[i];
        if (turn->waits_count > 0 &&
            (slowest == NULL || turn_response_ns(turn) > turn_response_ns(slowest))) {
            slowest = turn;
        }
    }
    return slowest;
}

const char *turn_kind_name(enum turn_kind kind)
{
    static const char *const names[] = {"opening", "spoken", "text", "whole", "request"};
    return names[kind];
}

const char *turn_outcome_name(enum turn_outcome outcome)
{
    static const char *const names[] = {"answered",  "agent opened", "user went on",
                                        "no answer", "not reported", "open"};
    return names[outcome];
}

const char *turn_anchor_name(enum turn_anchor anchor)
{
    static const char *const names[] = {"reported", "speech",   "delay",  "stt",
                                        "tts",      "ttsBegin", "request"};
    return names[anchor];
}
