#include "api/integrations/vapi/story.h"

#include "api/integrations/vapi/part.h"
#include "proto/base/table.h"

#include "proto/base/banned.h"

enum {
    /* An interruption is written up to this long after the speech that it cut. */
    CUT_SLACK_NS = 100 * NS_PER_MS,
    /* A caller who fell silent longer ago did not end the turn with that. */
    SILENCE_MS_MAX = 60000,
};

/* A text that was seen and the number that it stands for: turns by their ids, work by component and spanId. */
struct name {
    struct bytes text;
    size_t number;
    UT_hash_handle hh;
};

struct telling {
    const struct vapi_report *report;
    struct vapi_story *story;
    struct name *turns;
    struct name *works;
    size_t open[VAPI_COMPONENT_COUNT];          /* of no turn; plus 1 */
    size_t transcribing;                        /* plus 1 */
    struct bytes pending[VAPI_COMPONENT_COUNT]; /* said before the work began */
    bool has_silence;
    struct unix_ns silence; /* the caller stopped */
    bool has_voice;
    bool is_voice_on;
    size_t voice_turn;
    struct unix_ns voice_end;
};

/* --- names -------------------------------------------------------------------------------------------- */

static struct name *name_find(struct name *names, struct bytes text)
{
    struct name *name = NULL;
    HASH_FIND(hh, names, text.ptr, text.len, name);
    return name;
}

/* `text` must live in the arena. */
static FALLIBLE name_put(struct arena *arena, struct name **names, struct bytes text, size_t number)
{
    struct name *name = name_find(*names, text);
    if (name == NULL) {
        name = arena_zero(arena, 1, sizeof *name);
        if (name == NULL) {
            return FAIL(NO_SPACE);
        }
        name->text = text;
        TABLE_OOM;
        HASH_ADD_KEYPTR(hh, *names, name->text.ptr, name->text.len, name);
        if (table_oom) {
            return FAIL(MEMORY);
        }
    }
    name->number = number;
    return OK;
}

static FALLIBLE span_text(const struct vapi_record *record, struct arena *arena,
                          struct bytes *ret_text)
{
    uint8_t *text = arena_alloc(arena, record->span.len + 1);
    if (text == NULL) {
        return FAIL(NO_SPACE);
    }
    text[0] = (uint8_t)record->component;
    memcpy(text + 1, record->span.ptr, record->span.len);
    *ret_text = bytes_of(text, record->span.len + 1);
    return OK;
}

static FALLIBLE turn_of(struct telling *telling, const struct vapi_record *record, size_t *ret_turn)
{
    struct vapi_story *story = telling->story;
    *ret_turn = VAPI_TURN_NONE;
    if (record->turn.len == 0) {
        return OK;
    }
    const struct name *name = name_find(telling->turns, record->turn);
    if (name != NULL) {
        *ret_turn = name->number;
        return OK;
    }
    TRY(vapi_turn_add(story, record->at, ret_turn));
    if (*ret_turn != VAPI_TURN_NONE) {
        story->turns[*ret_turn].id = record->turn;
    }
    return name_put(story->arena, &telling->turns, record->turn, *ret_turn);
}

/* --- work --------------------------------------------------------------------------------------------- */

static size_t *open_of(struct telling *telling, enum vapi_component_kind component, size_t turn)
{
    if (component == VAPI_COMPONENT_TRANSCRIBER) {
        return &telling->transcribing; /* a transcript may begin before its turn is known */
    }
    return turn == VAPI_TURN_NONE ? &telling->open[component]
                                  : &telling->story->turns[turn].open[component];
}

/* The work that a record goes on with; NULL: none that is known. */
static FALLIBLE work_find(struct telling *telling, const struct vapi_record *record, size_t turn,
                          struct vapi_work **ret_work)
{
    struct vapi_story *story = telling->story;
    size_t number = *open_of(telling, record->component, turn);
    if (record->span.len > 0) {
        struct bytes text = {0};
        struct arena_mark mark = arena_mark(story->arena);
        TRY(span_text(record, story->arena, &text));
        const struct name *name = name_find(telling->works, text);
        arena_rewind(story->arena, mark);
        number = name == NULL ? 0 : name->number;
    }
    *ret_work = number == 0 ? NULL : &story->works[number - 1];
    return OK;
}

static int64_t ns_of_ms(double ms)
{
    return (int64_t)(ms * NS_PER_MS);
}

/* `before_ms` ago it must have begun. */
static FALLIBLE work_begin(struct telling *telling, const struct vapi_record *record, size_t turn,
                           double before_ms, struct vapi_work **ret_work)
{
    struct vapi_story *story = telling->story;
    struct unix_ns start = {record->at.ns - ns_of_ms(before_ms)};
    TRY(vapi_work_add(story, record->component, turn, start, record->at, ret_work));
    if (*ret_work == NULL) {
        return OK;
    }
    (*ret_work)->texts[VAPI_TEXT_SAID] = telling->pending[record->component];
    telling->pending[record->component] = bytes_of(NULL, 0);
    *open_of(telling, record->component, turn) = story->works_count;
    if (record->span.len > 0) {
        struct bytes text = {0};
        TRY(span_text(record, story->arena, &text));
        TRY(name_put(story->arena, &telling->works, text, story->works_count));
    }
    return OK;
}

/* The first text stays, but of transcripts the last: the partial ones come before the final. */
static void texts_take(struct vapi_work *work, const struct vapi_record *record)
{
    bool is_transcript = record->component == VAPI_COMPONENT_TRANSCRIBER;
    for (size_t i = 0; i < VAPI_TEXT_COUNT; i++) {
        if (work->texts[i].len == 0 || (is_transcript && record->texts[i].len > 0)) {
            work->texts[i] = record->texts[i];
        }
    }
}

/* How long ago a step must have begun whose beginning is not in the log. */
static double before_ms(const struct vapi_record *record)
{
    return record->has_duration  ? record->duration_ms
           : record->has_latency ? record->latency_ms
                                 : 0;
}

static void step_first(struct vapi_work *work, const struct vapi_record *record)
{
    if (!work->has_first) {
        work->has_first = true;
        work->first_ms = record->has_latency ? record->latency_ms
                                             : (double)(record->at.ns - work->start.ns) / NS_PER_MS;
    }
}

static void step_end(struct telling *telling, struct vapi_work *work,
                     const struct vapi_record *record, size_t turn)
{
    work->has_end = true;
    work->is_failed = work->is_failed || record->step == VAPI_STEP_FAIL;
    *open_of(telling, record->component, turn) = 0;
    if (record->component == VAPI_COMPONENT_TRANSCRIBER) {
        work->turn = turn != VAPI_TURN_NONE ? turn : work->turn;
    }
}

/* A beginning that is told again goes on with what is open: partial transcripts do that. */
static bool is_new(const struct vapi_record *record, const struct vapi_work *work)
{
    if (work == NULL) {
        return true;
    }
    bool is_same = record->span.len > 0 || record->component == VAPI_COMPONENT_TRANSCRIBER;
    return record->step == VAPI_STEP_BEGIN && (work->has_end || !is_same);
}

static FALLIBLE work_told(struct telling *telling, const struct vapi_record *record, size_t turn)
{
    struct vapi_work *work = NULL;
    TRY(work_find(telling, record, turn, &work));
    if (record->step == VAPI_STEP_TEXT && work == NULL) {
        struct bytes said = record->texts[VAPI_TEXT_SAID];
        telling->pending[record->component] =
            said.len > 0 ? said : telling->pending[record->component];
        return OK;
    }
    if (is_new(record, work)) {
        TRY(work_begin(telling, record, turn, before_ms(record), &work));
    }
    if (work == NULL) {
        return OK; /* the bound is reached */
    }
    texts_take(work, record);
    if (record->step != VAPI_STEP_TEXT) {
        work->end = record->at.ns > work->end.ns ? record->at : work->end;
    }
    if (record->step == VAPI_STEP_FIRST) {
        step_first(work, record);
    } else if (record->step == VAPI_STEP_END || record->step == VAPI_STEP_FAIL) {
        step_end(telling, work, record, turn);
    }
    if (record->component == VAPI_COMPONENT_TOOL && turn != VAPI_TURN_NONE) {
        telling->story->turns[turn].is_answered = true;
    }
    return OK;
}

/* --- the pipeline ------------------------------------------------------------------------------------- */

static FALLIBLE endpoint_told(struct telling *telling, const struct vapi_record *record,
                              size_t turn)
{
    struct vapi_work *work = NULL;
    struct unix_ns start = {record->at.ns - ns_of_ms(before_ms(record))};
    bool is_recent = telling->has_silence && telling->silence.ns <= record->at.ns &&
                     record->at.ns - telling->silence.ns < ns_of_ms(SILENCE_MS_MAX);
    if (is_recent && !record->has_latency && !record->has_duration) {
        start = telling->silence;
    }
    TRY(vapi_work_add(telling->story, VAPI_COMPONENT_PIPELINE, turn, start, record->at, &work));
    if (work != NULL) {
        work->has_end = true;
    }
    return OK;
}

static void bot_started(struct telling *telling, const struct vapi_record *record, size_t turn)
{
    telling->has_voice = true;
    telling->is_voice_on = true;
    telling->voice_turn = turn;
    if (turn != VAPI_TURN_NONE) {
        struct vapi_turn *it = &telling->story->turns[turn];
        if (!it->is_spoken && telling->has_silence &&
            record->at.ns - telling->silence.ns < ns_of_ms(SILENCE_MS_MAX)) {
            it->has_latency = true;
            it->latency_ms = (double)(record->at.ns - telling->silence.ns) / NS_PER_MS;
        }
        it->is_spoken = true;
        it->is_answered = true;
    }
    telling->has_silence = false;
}

/* The cut belongs to the turn whose speech was on; before any speech, to its own. */
static void cleared(struct telling *telling, const struct vapi_record *record, size_t turn)
{
    bool is_cut = telling->has_voice &&
                  (telling->is_voice_on || record->at.ns - telling->voice_end.ns <= CUT_SLACK_NS);
    size_t hit = is_cut ? telling->voice_turn : turn;
    if (record->is_interruption && hit != VAPI_TURN_NONE) {
        telling->story->interruptions++;
        telling->story->turns[hit].is_interrupted = true;
    }
}

static FALLIBLE pipeline_told(struct telling *telling, const struct vapi_record *record,
                              size_t turn)
{
    switch (record->step) {
    case VAPI_STEP_USER_STARTED:
        telling->has_silence = false;
        break;
    case VAPI_STEP_USER_STOPPED:
        telling->has_silence = true;
        telling->silence = record->at;
        break;
    case VAPI_STEP_ENDPOINT:
        return endpoint_told(telling, record, turn);
    case VAPI_STEP_BOT_STARTED:
        bot_started(telling, record, turn);
        break;
    case VAPI_STEP_BOT_STOPPED:
        telling->is_voice_on = false;
        telling->voice_end = record->at;
        break;
    case VAPI_STEP_CLEARED:
        cleared(telling, record, turn);
        break;
    case VAPI_STEP_TURN:
    case VAPI_STEP_BEGIN:
    case VAPI_STEP_FIRST:
    case VAPI_STEP_END:
    case VAPI_STEP_FAIL:
    case VAPI_STEP_TEXT:
        break;
    }
    return OK;
}

/* --- what the messages know better -------------------------------------------------------------------- */

static void tool_enrich(struct vapi_work *work, const struct vapi_tool *tool)
{
    const struct bytes known[VAPI_TEXT_COUNT] = {
        [VAPI_TEXT_NAME] = tool->name,
        [VAPI_TEXT_CALL_ID] = tool->id,
        [VAPI_TEXT_ARGUMENTS] =
            bytes_of(json_string_value(tool->arguments), json_string_length(tool->arguments)),
        [VAPI_TEXT_OUTPUT] =
            bytes_of(json_string_value(tool->result), json_string_length(tool->result)),
    };
    for (size_t i = 0; i < VAPI_TEXT_COUNT; i++) {
        if (work->texts[i].len == 0) {
            work->texts[i] = vapi_text_cut(known[i]);
        }
    }
}

/* The log need not name its tools; where it tells of as many as the messages, they are the same ones. */
static FALLIBLE tools_enrich(struct telling *telling)
{
    struct vapi_story *story = telling->story;
    struct vapi_tool *tools = NULL;
    size_t tools_count = 0;
    size_t works = 0;
    TRY(vapi_tools_read(telling->report, story->arena, &tools, &tools_count));
    for (size_t i = 0; i < story->works_count; i++) {
        works += story->works[i].component == VAPI_COMPONENT_TOOL;
    }
    size_t next = 0;
    for (size_t i = 0; i < story->works_count && works == tools_count; i++) {
        if (story->works[i].component == VAPI_COMPONENT_TOOL) {
            tool_enrich(&story->works[i], &tools[next++]);
        }
    }
    return OK;
}

/* A turn in which something was transcribed or endpointed was asked for. */
static void turns_asked(struct vapi_story *story)
{
    for (size_t i = 0; i < story->works_count; i++) {
        const struct vapi_work *work = &story->works[i];
        bool is_user = work->component == VAPI_COMPONENT_TRANSCRIBER ||
                       work->component == VAPI_COMPONENT_PIPELINE;
        if (is_user && work->turn < story->turns_count) {
            story->turns[work->turn].is_asked = true;
        }
    }
}

static FALLIBLE record_told(struct telling *telling, const struct vapi_record *record)
{
    size_t turn = VAPI_TURN_NONE;
    TRY(turn_of(telling, record, &turn));
    vapi_turn_cover(telling->story, turn, record->at, record->at);
    return record->component == VAPI_COMPONENT_PIPELINE ? pipeline_told(telling, record, turn)
                                                        : work_told(telling, record, turn);
}

err_t vapi_story_of_log(const struct vapi_report *report, const struct vapi_log *log,
                        struct vapi_story *story)
{
    struct telling telling = {.report = report, .story = story};
    err_t err = OK;
    for (size_t i = 0; i < log->count; i++) {
        TRY_OUT(record_told(&telling, &log->records[i]));
    }
    turns_asked(story);
    err = tools_enrich(&telling);
out:
    HASH_CLEAR(hh, telling.turns);
    HASH_CLEAR(hh, telling.works);
    return err;
}
