/* One turn: who spoke when, the waits between, and what ran in them. */
#include "proto/base/check.h"
#include "proto/voice/turns_private.h"

#include "proto/base/banned.h"

enum {
    SUMS_MAX = 1000, /* stages of one turn that are told by their lengths alone */
};

/* What a turn is read from; arrays hold spans in the order of their start. */
struct reading {
    const struct turns_work *work;
    const struct turns_members *members;
    const struct turns_span *user;  /* LiveKit's user_turn */
    const struct turns_span *whole; /* the span that holds all of it */
    uint32_t user_at;
    uint32_t whole_at;
    uint32_t *llms;
    size_t llms_count;
    uint32_t *tools;
    size_t tools_count;
    uint32_t *ttses;
    size_t ttses_count;
    uint32_t *speeches; /* of the agent */
    size_t speeches_count;
    uint32_t *heard; /* of the user */
    size_t heard_count;
    uint32_t *stts;
    size_t stts_count;
    uint32_t *ends; /* end-of-turn spans */
    size_t ends_count;
    bool has_agent_turn;
    bool is_sums_only; /* the model's times are read off its neighbours: only lengths are known */
    bool has_reported;
    int64_t reported_ns;
    const char *reported_by;
};

static const struct turns_span *span_at(const struct reading *reading, uint32_t index)
{
    return &reading->work->spans[index];
}

/* --- reading ---------------------------------------------------------------------------------------- */

static bool ns_of_ms(double ms, int64_t *ret_ns)
{
    if (!(ms >= 0 && ms <= (double)TURNS_WAIT_NS_MAX / NS_PER_MS)) {
        return false;
    }
    *ret_ns = (int64_t)(ms * NS_PER_MS);
    return true;
}

static void put(uint32_t *list, size_t *count, uint32_t index)
{
    list[(*count)++] = index;
}

static void sort_in(struct reading *reading, uint32_t index)
{
    if (reading->work->is_inner[index]) {
        return;
    }
    switch ((enum turns_part)reading->work->parts[index]) {
    case PART_LLM_NODE:
    case PART_LLM_INNER:
    case PART_LLM:
        reading->is_sums_only =
            reading->is_sums_only ||
            (reading->whole != NULL && span_at(reading, index)->facts.is_derived);
        put(reading->llms, &reading->llms_count, index);
        return;
    case PART_TTS_NODE:
    case PART_TTS_INNER:
    case PART_TTS:
        put(reading->ttses, &reading->ttses_count, index);
        return;
    case PART_TOOL:
        put(reading->tools, &reading->tools_count, index);
        return;
    case PART_AGENT_SPEAKING:
        put(reading->speeches, &reading->speeches_count, index);
        return;
    case PART_USER_SPEAKING:
        put(reading->heard, &reading->heard_count, index);
        return;
    case PART_STT:
        put(reading->stts, &reading->stts_count, index);
        return;
    case PART_END_OF_TURN:
        put(reading->ends, &reading->ends_count, index);
        return;
    case PART_AGENT_TURN:
        reading->has_agent_turn = true;
        return;
    case PART_NONE:
    case PART_USER_TURN:
    case PART_TURN:
        return;
    }
}

static void text_first(struct bytes *text, struct bytes more)
{
    *text = text->len == 0 ? more : *text;
}

/* What every span of the turn adds to it. */
static void take(struct reading *reading, uint32_t index, struct turn *turn)
{
    const struct turns_span *span = span_at(reading, index);
    const struct voice_facts *facts = &span->facts;
    struct unix_ns end = span->is_open ? span->start : span->end;
    bool is_first = turn->spans_count++ == 0;
    turn->start = is_first ? span->start : turn->start; /* they come by their start */
    turn->end = is_first || end.ns > turn->end.ns ? end : turn->end;
    turn->has_error = turn->has_error || span->has_error;
    turn->is_interrupted =
        turn->is_interrupted || (facts->has_is_interrupted && facts->is_interrupted);
    text_first(&turn->said, facts->user_said);
    if (!reading->has_reported && facts->has_response_latency_ms &&
        ns_of_ms(facts->response_latency_ms, &reading->reported_ns)) {
        reading->has_reported = true;
        reading->reported_by = facts->response_latency_ms_from;
    }
    sort_in(reading, index);
}

/* What was said by the text of the spoken answer, else by what the model or the voice was given. */
static void take_texts(const struct reading *reading, struct turn *turn)
{
    const struct turns_members *members = reading->members;
    for (size_t i = 0; i < members->count; i++) {
        const struct turns_span *span = span_at(reading, members->spans[i]);
        text_first(&turn->said, span->facts.user_input);
        if (reading->work->parts[members->spans[i]] == PART_AGENT_TURN) {
            text_first(&turn->answer, span->facts.agent_said);
        }
    }
    for (size_t i = reading->llms_count; i > 0; i--) {
        text_first(&turn->answer, span_at(reading, reading->llms[i - 1])->facts.agent_said);
    }
    for (size_t i = 0; i < reading->ttses_count; i++) {
        text_first(&turn->answer, span_at(reading, reading->ttses[i])->facts.agent_said);
    }
}

static FALLIBLE reading_init(struct reading *reading, const struct turns_members *members)
{
    struct arena *arena = members->work->arena;
    size_t room = members->count + 1;
    *reading = (struct reading){
        .work = members->work, .members = members, .user_at = TURNS_NONE, .whole_at = TURNS_NONE};
    uint32_t **lists[] = {&reading->llms,  &reading->tools, &reading->ttses, &reading->speeches,
                          &reading->heard, &reading->stts,  &reading->ends};
    for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++) {
        *lists[i] = arena_zero(arena, room, sizeof **lists[i]);
        if (*lists[i] == NULL) {
            return FAIL(NO_SPACE);
        }
    }
    const struct turns_begin *begin = members->begin;
    if (begin->kind == TURN_SPOKEN) {
        reading->user_at = begin->span;
        reading->user = &members->work->spans[begin->span];
    } else if (begin->kind == TURN_WHOLE || begin->kind == TURN_REQUEST) {
        reading->whole_at = begin->span;
        reading->whole = &members->work->spans[begin->span];
    }
    return OK;
}

/* --- the two ends of a wait ------------------------------------------------------------------------- */

struct anchor {
    bool has;
    struct unix_ns at;
    enum turn_anchor by;
};

/* The first of a list, in the order of their starts, that does not start before `at`; count: none. */
static size_t first_from(const struct reading *reading, const uint32_t *list, size_t count,
                         struct unix_ns at)
{
    size_t low = 0;
    size_t high = count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (span_at(reading, list[middle])->start.ns < at.ns) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static bool starts_between(const struct reading *reading, const uint32_t *list, size_t count,
                           struct unix_ns from, struct unix_ns to)
{
    size_t first = first_from(reading, list, count, from);
    return first < count && span_at(reading, list[first])->start.ns < to.ns;
}

/* Did a tool call come of this request? One that begins before the next request does; or, where tools have no
 * spans (Pipecat), a next request after this one's end with nothing to say in between. */
static bool has_tool(const struct reading *reading, size_t llm)
{
    const struct turns_span *span = span_at(reading, reading->llms[llm]);
    if (llm + 1 == reading->llms_count) {
        return first_from(reading, reading->tools, reading->tools_count, span->start) <
               reading->tools_count;
    }
    struct unix_ns next = span_at(reading, reading->llms[llm + 1])->start;
    bool is_silent =
        reading->whole != NULL && turns_span_end(span).ns <= next.ns &&
        !starts_between(reading, reading->ttses, reading->ttses_count, span->start, next);
    return is_silent ||
           starts_between(reading, reading->tools, reading->tools_count, span->start, next);
}

static struct anchor audio_first(const struct reading *reading)
{
    if (reading->speeches_count > 0) {
        return (struct anchor){true, span_at(reading, reading->speeches[0])->start,
                               TURN_ANCHOR_SPEECH};
    }
    /* LiveKit's TTS opens long before text reaches it; in a turn of one span it is asked sentence by sentence. */
    if (reading->whole == NULL || reading->ttses_count == 0) {
        return (struct anchor){.has = false};
    }
    const struct turns_mark *mark = &reading->work->marks[reading->ttses[0]];
    struct unix_ns start = span_at(reading, reading->ttses[0])->start;
    /* A voice told by its message begins when it is heard. */
    if (reading->is_sums_only || !mark->has || start.ns > INT64_MAX - mark->ns) {
        return (struct anchor){true, start, TURN_ANCHOR_TTS_BEGIN};
    }
    return (struct anchor){true, {start.ns + mark->ns}, TURN_ANCHOR_TTS};
}

/* A chat's answer: the first token of its last request, else its end. */
static struct anchor answer_first(const struct reading *reading)
{
    if (reading->llms_count > 0 && !has_tool(reading, reading->llms_count - 1)) {
        const struct turns_mark *mark =
            &reading->work->marks[reading->llms[reading->llms_count - 1]];
        if (mark->has) {
            return (struct anchor){true, {mark->ns}, TURN_ANCHOR_REQUEST};
        }
    }
    return (struct anchor){!reading->whole->is_open, reading->whole->end, TURN_ANCHOR_REQUEST};
}

/* The last end, not after the audio, of the spans in a list. */
static struct anchor last_end(const struct reading *reading, const uint32_t *list, size_t count,
                              struct unix_ns audio, enum turn_anchor by)
{
    struct anchor anchor = {.has = false, .by = by};
    for (size_t i = 0; i < count; i++) {
        const struct turns_span *span = span_at(reading, list[i]);
        if (!span->is_open && span->end.ns <= audio.ns &&
            (!anchor.has || span->end.ns > anchor.at.ns)) {
            anchor.has = true;
            anchor.at = span->end;
        }
    }
    return anchor;
}

/* When the user had spoken, as the spans tell. */
static struct anchor speech_last(const struct reading *reading, struct unix_ns audio)
{
    struct anchor anchor =
        last_end(reading, reading->heard, reading->heard_count, audio, TURN_ANCHOR_SPEECH);
    const struct turns_span *user = reading->user;
    int64_t delay_ns = 0;
    if (!anchor.has && user != NULL && !user->is_open && user->facts.has_end_of_turn_ms &&
        ns_of_ms(user->facts.end_of_turn_ms, &delay_ns) && user->end.ns >= INT64_MIN + delay_ns) {
        struct unix_ns at = {user->end.ns - delay_ns};
        anchor = (struct anchor){at.ns <= audio.ns, at, TURN_ANCHOR_DELAY};
    }
    return anchor.has
               ? anchor
               : last_end(reading, reading->stts, reading->stts_count, audio, TURN_ANCHOR_STT);
}

static bool is_wait(struct unix_ns from, struct unix_ns to)
{
    int64_t ns = 0;
    return !__builtin_sub_overflow(to.ns, from.ns, &ns) && ns >= 0 && ns <= TURNS_WAIT_NS_MAX;
}

/* --- stages ----------------------------------------------------------------------------------------- */

static void stage_add(struct turn_wait *wait, const struct turn_stage *stage)
{
    if (stage->to.ns > wait->from.ns && stage->from.ns < wait->to.ns &&
        stage->from.ns < stage->to.ns) {
        wait->stages[wait->stages_count++] = *stage;
    }
}

static struct unix_ns earlier(struct unix_ns a, struct unix_ns b)
{
    return a.ns < b.ns ? a : b;
}

static void add_end_of_turn(const struct reading *reading, struct turn_wait *wait)
{
    if (reading->user != NULL) {
        struct turn_stage stage = {.stage = WAIT_END_OF_TURN,
                                   .span = reading->user_at,
                                   .from = wait->from,
                                   .to = turns_span_end(reading->user)};
        const struct voice_facts *facts = &reading->user->facts;
        stage.has_own = facts->has_end_of_turn_ms && ns_of_ms(facts->end_of_turn_ms, &stage.own_ns);
        stage.attribute = stage.has_own ? facts->end_of_turn_ms_from : NULL;
        stage_add(wait, &stage);
    }
    for (size_t i = 0; i < reading->ends_count && reading->whole != NULL; i++) {
        const struct turns_span *span = span_at(reading, reading->ends[i]);
        stage_add(wait, &(struct turn_stage){.stage = WAIT_END_OF_TURN,
                                             .span = reading->ends[i],
                                             .from = span->start,
                                             .to = turns_span_end(span)});
    }
}

/* The TTS that gave the wait's last instant, and when it had its text. */
static struct unix_ns add_tts(const struct reading *reading, struct turn_wait *wait)
{
    uint32_t found = TURNS_NONE;
    for (size_t i = 0; i < reading->ttses_count; i++) {
        bool is_before = span_at(reading, reading->ttses[i])->start.ns <= wait->to.ns;
        if (is_before && reading->work->marks[reading->ttses[i]].has) {
            found = reading->ttses[i];
        }
    }
    if (found == TURNS_NONE) {
        return wait->to;
    }
    const struct turns_mark *mark = &reading->work->marks[found];
    struct unix_ns from = {wait->to.ns < INT64_MIN + mark->ns ? INT64_MIN : wait->to.ns - mark->ns};
    stage_add(wait, &(struct turn_stage){.stage = WAIT_TTS,
                                         .span = found,
                                         .from = from,
                                         .to = wait->to,
                                         .has_own = true,
                                         .own_ns = mark->ns,
                                         .attribute = mark->from});
    return from;
}

static void add_llms(const struct reading *reading, struct turn_wait *wait, struct unix_ns tts)
{
    for (size_t i = 0; i < reading->llms_count; i++) {
        uint32_t index = reading->llms[i];
        const struct turns_span *span = span_at(reading, index);
        const struct turns_mark *mark = &reading->work->marks[index];
        struct unix_ns end = turns_span_end(span);
        struct unix_ns token = {mark->ns};
        struct turn_stage stage = {
            .stage = WAIT_LLM, .span = index, .from = span->start, .to = end};
        stage.has_own =
            mark->has && !__builtin_sub_overflow(mark->ns, span->start.ns, &stage.own_ns);
        stage.attribute = stage.has_own ? mark->from : NULL;
        if (!has_tool(reading, i)) {
            stage.to = mark->has ? token : earlier(end, tts);
            struct turn_stage sentence = {.stage = WAIT_FIRST_SENTENCE,
                                          .span = index,
                                          .from = token,
                                          .to = earlier(end, tts)};
            if (mark->has) {
                stage_add(wait, &sentence);
            }
        }
        stage_add(wait, &stage);
    }
}

static void add_tools(const struct reading *reading, struct turn_wait *wait)
{
    for (size_t i = 0; i < reading->tools_count; i++) {
        const struct turns_span *span = span_at(reading, reading->tools[i]);
        stage_add(wait, &(struct turn_stage){.stage = WAIT_TOOLS,
                                             .span = reading->tools[i],
                                             .from = span->start,
                                             .to = turns_span_end(span)});
    }
}

static void add_sum(struct turn_wait *wait, int64_t *sums, uint32_t span, enum wait_stage stage,
                    bool has, double ms, const char *from)
{
    struct turn_stage one = {
        .stage = stage, .span = span, .from = wait->from, .to = wait->from, .attribute = from};
    if (has && wait->stages_count < SUMS_MAX && ns_of_ms(ms, &one.own_ns)) {
        one.has_own = true;
        sums[stage] += one.own_ns;
        wait->stages[wait->stages_count++] = one;
    }
}

/* Lengths without a place: stacked in the order of their stages, unless they exceed the wait. */
static FALLIBLE sums_fill(const struct reading *reading, struct turn_wait *wait)
{
    struct arena *arena = reading->work->arena;
    int64_t sums[WAIT_STAGE_COUNT] = {0};
    size_t room = reading->members->count + 1;
    struct split_interval intervals[WAIT_NOT_MEASURED];
    wait->stages = arena_zero(arena, room, sizeof *wait->stages);
    wait->is_sums_only = true;
    if (wait->stages == NULL) {
        return FAIL(NO_SPACE);
    }
    for (size_t i = 0; i < reading->members->count; i++) {
        uint32_t index = reading->members->spans[i];
        const struct turns_span *span = span_at(reading, index);
        const struct voice_facts *facts = &span->facts;
        unsigned part = reading->work->parts[index];
        if (part == PART_END_OF_TURN) {
            add_sum(wait, sums, index, WAIT_END_OF_TURN, facts->has_end_of_turn_ms,
                    facts->end_of_turn_ms, facts->end_of_turn_ms_from);
        } else if (part == PART_STT) {
            add_sum(wait, sums, index, WAIT_END_OF_TURN, facts->has_stt_delay_ms,
                    facts->stt_delay_ms, NULL);
        } else if (part == PART_LLM) {
            add_sum(wait, sums, index, WAIT_LLM, facts->has_ttft_ms, facts->ttft_ms,
                    facts->ttft_ms_from);
        } else if (part == PART_TTS) {
            add_sum(wait, sums, index, WAIT_TTS, facts->has_ttfb_ms, facts->ttfb_ms,
                    facts->ttfb_ms_from);
        } else if (part == PART_TOOL && span->start.ns < wait->to.ns &&
                   is_wait(span->start, span->end)) {
            add_sum(wait, sums, index, WAIT_TOOLS, true,
                    (double)(span->end.ns - span->start.ns) / NS_PER_MS, NULL);
        }
    }
    int64_t at = wait->from.ns;
    for (size_t i = 0; i < WAIT_NOT_MEASURED; i++) {
        int64_t left = wait->to.ns - at;
        wait->is_over = wait->is_over || sums[i] > left;
        intervals[i] = (struct split_interval){
            (enum wait_stage)i, {at}, {at + (sums[i] > left ? left : sums[i])}};
        at = intervals[i].to.ns;
        wait->sums_ns += sums[i];
    }
    return split_make(wait->from, wait->to, intervals, wait->is_over ? 0 : WAIT_NOT_MEASURED, arena,
                      &wait->split);
}

/* Fills stages and split of the wait, whose ends are known. */
static FALLIBLE wait_fill(const struct reading *reading, bool is_response, struct turn_wait *wait)
{
    struct arena *arena = reading->work->arena;
    size_t room = 2 * reading->llms_count + reading->tools_count + reading->ends_count + 2;
    wait->stages = arena_zero(arena, room, sizeof *wait->stages);
    struct split_interval *intervals = arena_zero(arena, room, sizeof *intervals);
    if (wait->stages == NULL || intervals == NULL) {
        return FAIL(NO_SPACE);
    }
    if (is_response) {
        add_end_of_turn(reading, wait);
    }
    struct unix_ns tts =
        reading->members->begin->kind == TURN_REQUEST ? wait->to : add_tts(reading, wait);
    add_llms(reading, wait, tts);
    add_tools(reading, wait);
    POST(wait->stages_count <= room);
    for (size_t i = 0; i < wait->stages_count; i++) {
        const struct turn_stage *stage = &wait->stages[i];
        intervals[i] = (struct split_interval){stage->stage, stage->from, stage->to};
    }
    return split_make(wait->from, wait->to, intervals, wait->stages_count, arena, &wait->split);
}

/* --- waits ------------------------------------------------------------------------------------------ */

static FALLIBLE response_make(const struct reading *reading, struct turn *turn)
{
    bool is_request = turn->kind == TURN_REQUEST;
    struct anchor audio = is_request ? answer_first(reading) : audio_first(reading);
    if (!audio.has) {
        return OK;
    }
    struct anchor speech = speech_last(reading, audio.at);
    if (is_request) {
        speech = (struct anchor){true, reading->whole->start, TURN_ANCHOR_REQUEST};
    }
    struct turn_wait *wait = &turn->waits[0];
    *wait = (struct turn_wait){.to = audio.at, .to_by = audio.by};
    wait->has_measured = speech.has && is_wait(speech.at, audio.at);
    wait->measured_ns = wait->has_measured ? audio.at.ns - speech.at.ns : 0;
    wait->has_reported = reading->has_reported && audio.at.ns >= INT64_MIN + reading->reported_ns;
    wait->reported_ns = reading->reported_ns;
    wait->reported_by = reading->reported_by;
    if (wait->has_reported) {
        wait->from.ns = audio.at.ns - reading->reported_ns;
        wait->from_by = TURN_ANCHOR_REPORTED;
    } else if (wait->has_measured) {
        wait->from = speech.at;
        wait->from_by = speech.by;
    } else {
        return OK;
    }
    turn->waits_count = 1;
    return reading->is_sums_only ? sums_fill(reading, wait) : wait_fill(reading, true, wait);
}

/* Walks along the lists with the silences, which come in their order. */
struct working {
    size_t tools;
    size_t llms;
    int64_t tools_end; /* the latest of those that began */
    int64_t llms_end;
};

/* Does a tool run in this silence, or did the LLM work when it began? */
static bool is_worked_in(const struct reading *reading, struct unix_ns from, struct unix_ns to,
                         struct working *working)
{
    while (working->tools < reading->tools_count &&
           span_at(reading, reading->tools[working->tools])->start.ns < to.ns) {
        int64_t end = turns_span_end(span_at(reading, reading->tools[working->tools++])).ns;
        working->tools_end = end > working->tools_end ? end : working->tools_end;
    }
    while (working->llms < reading->llms_count &&
           span_at(reading, reading->llms[working->llms])->start.ns <= from.ns) {
        int64_t end = turns_span_end(span_at(reading, reading->llms[working->llms++])).ns;
        working->llms_end = end > working->llms_end ? end : working->llms_end;
    }
    return working->tools_end > from.ns || working->llms_end > from.ns;
}

static FALLIBLE silences_make(const struct reading *reading, struct turn *turn)
{
    struct working working = {.tools_end = INT64_MIN, .llms_end = INT64_MIN};
    struct unix_ns silent = {INT64_MIN};
    for (size_t i = 0; i < reading->speeches_count && turn->waits_count < TURNS_WAITS_MAX; i++) {
        const struct turns_span *speech = span_at(reading, reading->speeches[i]);
        bool is_silence = i > 0 && speech->start.ns > silent.ns && is_wait(silent, speech->start);
        if (is_silence && is_worked_in(reading, silent, speech->start, &working)) {
            struct turn_wait *wait = &turn->waits[turn->waits_count++];
            *wait = (struct turn_wait){.from = silent,
                                       .to = speech->start,
                                       .from_by = TURN_ANCHOR_SPEECH,
                                       .to_by = TURN_ANCHOR_SPEECH,
                                       .has_measured = true,
                                       .measured_ns = speech->start.ns - silent.ns};
            TRY(wait_fill(reading, false, wait));
        }
        struct unix_ns end = turns_span_end(speech);
        silent = end.ns > silent.ns ? end : silent;
    }
    return OK;
}

static enum turn_outcome outcome_of(const struct reading *reading, const struct turn *turn)
{
    const struct turns_members *members = reading->members;
    bool is_awaited = members->is_last && members->work->options->is_live;
    bool is_asked = turn->said.len > 0 || reading->user != NULL || reading->heard_count > 0 ||
                    reading->stts_count > 0;
    bool is_heard = reading->speeches_count > 0 || reading->ttses_count > 0;
    if (turn->waits_count > 0) {
        return TURN_ANSWERED;
    }
    if (turn->kind == TURN_OPENING || (members->is_first && is_heard && !is_asked)) {
        return TURN_AGENT_OPENED;
    }
    if (is_heard) {
        return TURN_NOT_REPORTED;
    }
    if (is_awaited) {
        return TURN_OPEN;
    }
    if (turn->is_interrupted || (!reading->has_agent_turn && reading->user != NULL &&
                                 reading->llms_count == 0 && !members->is_last)) {
        return TURN_USER_WENT_ON;
    }
    /* An answer in text alone leaves no audio to measure to. */
    return reading->has_agent_turn && turn->answer.len > 0 ? TURN_NOT_REPORTED : TURN_NO_ANSWER;
}

err_t turns_read(const struct turns_members *members, struct turn *ret_turn)
{
    struct reading reading;
    struct turn turn = {.kind = members->begin->kind};
    TRY(reading_init(&reading, members));
    for (size_t i = 0; i < members->count; i++) {
        take(&reading, members->spans[i], &turn);
    }
    take_texts(&reading, &turn);
    turn.waits = arena_zero(members->work->arena, TURNS_WAITS_MAX, sizeof *turn.waits);
    if (turn.waits == NULL) {
        return FAIL(NO_SPACE);
    }
    if (turn.kind != TURN_OPENING) {
        TRY(response_make(&reading, &turn));
    }
    if (turn.waits_count > 0) {
        TRY(silences_make(&reading, &turn));
    }
    turn.outcome = outcome_of(&reading, &turn);
    *ret_turn = turn;
    return OK;
}
