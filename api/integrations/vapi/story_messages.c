#include "api/integrations/vapi/story.h"

#include "api/integrations/vapi/json.h"
#include "api/integrations/vapi/part.h"

#include "proto/base/banned.h"

/* Where the reading stands. */
struct telling {
    const struct vapi_report *report;
    struct vapi_story *story;
    struct vapi_tool *tools;
    size_t tools_count;
    size_t tools_next;
    const struct vapi_tool **leftovers; /* by message: a result without its call */
    size_t turn;
    bool has_turn;
    struct unix_ns heard; /* the caller's last word of a turn that is asked */
    /* The model thinks from here on: the caller has ended or a tool has answered. */
    bool has_thought;
    struct unix_ns thought;
};

static struct vapi_turn *turn_now(const struct telling *telling)
{
    return telling->has_turn && telling->turn < telling->story->turns_count
               ? &telling->story->turns[telling->turn]
               : NULL;
}

static FALLIBLE turn_begin(struct telling *telling, struct unix_ns at)
{
    TRY(vapi_turn_add(telling->story, at, &telling->turn));
    telling->has_turn = true;
    telling->has_thought = false;
    return OK;
}

static FALLIBLE work_told(struct telling *telling, enum vapi_component_kind component,
                          struct unix_ns start, struct unix_ns end, struct vapi_work **ret_work)
{
    TRY(vapi_work_add(telling->story, component, telling->turn, start, end, ret_work));
    if (*ret_work != NULL) {
        (*ret_work)->has_end = true;
    }
    return OK;
}

/* No message tells of the model: what lies between the caller's last word (or a tool's answer) and what came of it
 * is its time, the ways to and from it included. */
static FALLIBLE model_derive(struct telling *telling, struct unix_ns until, struct bytes output)
{
    struct vapi_work *work = NULL;
    if (telling->has_thought && telling->thought.ns <= until.ns) {
        TRY(work_told(telling, VAPI_COMPONENT_MODEL, telling->thought, until, &work));
    }
    telling->has_thought = false;
    if (work != NULL) {
        work->is_derived = true;
        work->texts[VAPI_TEXT_OUTPUT] = vapi_text_cut(output);
    }
    return OK;
}

static FALLIBLE user_told(struct telling *telling, const struct vapi_message *message)
{
    struct vapi_work *work = NULL;
    const struct vapi_turn *turn = turn_now(telling);
    if (turn == NULL || turn->is_answered) {
        TRY(turn_begin(telling, message->start));
    }
    struct vapi_turn *begun = turn_now(telling);
    if (begun != NULL) {
        begun->is_asked = true;
    }
    TRY(work_told(telling, VAPI_COMPONENT_TRANSCRIBER, message->start, message->end, &work));
    if (work != NULL) {
        work->texts[VAPI_TEXT_SAID] = vapi_text_cut(vapi_json_text(message->json, "message"));
    }
    telling->heard = message->end;
    telling->has_thought = true;
    telling->thought = message->end;
    return OK;
}

static FALLIBLE bot_told(struct telling *telling, const struct vapi_message *message)
{
    struct vapi_work *work = NULL;
    struct bytes text = vapi_json_text(message->json, "message");
    if (turn_now(telling) == NULL) {
        TRY(turn_begin(telling, message->start));
    }
    struct vapi_turn *turn = turn_now(telling);
    if (turn != NULL) {
        if (turn->is_asked && !turn->is_spoken && message->start.ns >= telling->heard.ns) {
            turn->has_latency = true;
            turn->latency_ms = (double)(message->start.ns - telling->heard.ns) / NS_PER_MS;
        }
        turn->is_answered = true;
        turn->is_spoken = true;
    }
    TRY(model_derive(telling, message->start, text));
    TRY(work_told(telling, VAPI_COMPONENT_VOICE, message->start, message->end, &work));
    if (work != NULL) {
        work->texts[VAPI_TEXT_SAID] = vapi_text_cut(text);
    }
    return OK;
}

static struct bytes text_of(const json_t *value)
{
    return vapi_text_cut(bytes_of(json_string_value(value), json_string_length(value)));
}

static FALLIBLE tool_told(struct telling *telling, const struct vapi_tool *tool,
                          const struct vapi_message *from)
{
    struct vapi_work *work = NULL;
    bool has_answer = tool->answered != NULL && tool->answered->has_time;
    TRY(work_told(telling, VAPI_COMPONENT_TOOL, from->start,
                  has_answer ? tool->answered->start : from->end, &work));
    if (work != NULL) {
        work->has_end = has_answer;
        work->texts[VAPI_TEXT_NAME] = vapi_text_cut(tool->name);
        work->texts[VAPI_TEXT_CALL_ID] = vapi_text_cut(tool->id);
        work->texts[VAPI_TEXT_ARGUMENTS] = text_of(tool->arguments);
        work->texts[VAPI_TEXT_OUTPUT] = text_of(tool->result);
    }
    return OK;
}

static FALLIBLE tools_told(struct telling *telling, const struct vapi_message *message)
{
    if (turn_now(telling) == NULL) {
        TRY(turn_begin(telling, message->start));
    }
    struct vapi_turn *turn = turn_now(telling);
    if (turn != NULL) {
        turn->is_answered = true;
    }
    TRY(model_derive(telling, message->start, bytes_of(NULL, 0)));
    while (telling->tools_next < telling->tools_count &&
           telling->tools[telling->tools_next].called == message) {
        TRY(tool_told(telling, &telling->tools[telling->tools_next++], message));
    }
    return OK;
}

static FALLIBLE result_told(struct telling *telling, size_t at)
{
    const struct vapi_message *message = &telling->report->messages[at];
    if (turn_now(telling) == NULL) {
        TRY(turn_begin(telling, message->start));
    }
    if (telling->leftovers[at] != NULL) {
        TRY(tool_told(telling, telling->leftovers[at], message));
    }
    telling->has_thought = true;
    telling->thought = message->start;
    return OK;
}

static FALLIBLE message_told(struct telling *telling, size_t at)
{
    const struct vapi_message *message = &telling->report->messages[at];
    switch (message->role) {
    case VAPI_ROLE_USER:
        return user_told(telling, message);
    case VAPI_ROLE_BOT:
        return bot_told(telling, message);
    case VAPI_ROLE_TOOL_CALLS:
        return tools_told(telling, message);
    case VAPI_ROLE_TOOL_RESULT:
        return result_told(telling, at);
    case VAPI_ROLE_OTHER:
        break;
    }
    return OK;
}

static FALLIBLE leftovers_find(struct telling *telling, struct arena *arena)
{
    const struct vapi_report *report = telling->report;
    telling->leftovers = arena_zero(arena, report->messages_count + 1, sizeof *telling->leftovers);
    if (telling->leftovers == NULL) {
        return FAIL(NO_SPACE);
    }
    for (size_t i = 0; i < telling->tools_count; i++) {
        const struct vapi_tool *tool = &telling->tools[i];
        if (tool->called == NULL) {
            telling->leftovers[tool->answered - report->messages] = tool;
        }
    }
    return OK;
}

err_t vapi_story_of_messages(const struct vapi_report *report, struct vapi_story *story)
{
    struct telling telling = {.report = report, .story = story};
    TRY(vapi_tools_read(report, story->arena, &telling.tools, &telling.tools_count));
    TRY(leftovers_find(&telling, story->arena));
    for (size_t i = 0; i < report->messages_count; i++) {
        if (report->messages[i].has_time) {
            TRY(message_told(&telling, i));
        } else { /* its tools, should it have any, have no place either */
            while (telling.tools_next < telling.tools_count &&
                   telling.tools[telling.tools_next].called == &report->messages[i]) {
                telling.tools_next++;
            }
        }
    }
    return OK;
}
