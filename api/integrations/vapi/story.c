#include "api/integrations/vapi/story.h"

#include "proto/base/banned.h"

enum { ROOM_FIRST = 64 };

/* Room for one more element in an array that lives in the arena; it doubles. */
static FALLIBLE grow(struct arena *arena, void **array, size_t count, size_t *room, size_t bytes)
{
    if (count < *room) {
        return OK;
    }
    size_t wanted = *room == 0 ? ROOM_FIRST : *room * 2;
    void *grown = arena_zero(arena, wanted, bytes);
    if (grown == NULL) {
        return FAIL(NO_SPACE);
    }
    if (count > 0) {
        memcpy(grown, *array, count * bytes); // NOLINT: octets, ended by their count
    }
    *array = grown;
    *room = wanted;
    return OK;
}

/* One span is kept for the call itself. */
static bool is_full(struct vapi_story *story)
{
    if (story->turns_count + story->works_count + 1 < story->spans_max) {
        return false;
    }
    story->dropped++;
    return true;
}

err_t vapi_turn_add(struct vapi_story *story, struct unix_ns at, size_t *ret_turn)
{
    void *turns = story->turns;
    if (is_full(story)) {
        *ret_turn = VAPI_TURN_NONE;
        return OK;
    }
    TRY(grow(story->arena, &turns, story->turns_count, &story->turns_room, sizeof *story->turns));
    story->turns = turns;
    *ret_turn = story->turns_count++;
    story->turns[*ret_turn] = (struct vapi_turn){.start = at, .end = at};
    return OK;
}

err_t vapi_work_add(struct vapi_story *story, enum vapi_component_kind component, size_t turn,
                    struct unix_ns start, struct unix_ns end, struct vapi_work **ret_work)
{
    void *works = story->works;
    *ret_work = NULL;
    if (is_full(story)) {
        return OK;
    }
    TRY(grow(story->arena, &works, story->works_count, &story->works_room, sizeof *story->works));
    story->works = works;
    *ret_work = &story->works[story->works_count++];
    **ret_work =
        (struct vapi_work){.component = component, .turn = turn, .start = start, .end = end};
    return OK;
}

void vapi_turn_cover(struct vapi_story *story, size_t turn, struct unix_ns start,
                     struct unix_ns end)
{
    if (turn < story->turns_count) {
        struct vapi_turn *it = &story->turns[turn];
        it->start = start.ns < it->start.ns ? start : it->start;
        it->end = end.ns > it->end.ns ? end : it->end;
    }
}

/* --- latencies ---------------------------------------------------------------------------------------- */

/* Which turns an entry of turnLatencies may be about: several readings, the strictest first. */
enum reading { READING_ASKED = 0, READING_ANSWERED, READING_SPOKEN, READING_COUNT };

static bool is_meant(const struct vapi_turn *turn, enum reading reading)
{
    switch (reading) {
    case READING_ASKED:
        return turn->is_asked && turn->is_answered;
    case READING_ANSWERED:
        return turn->is_answered;
    case READING_SPOKEN:
        return turn->is_spoken;
    case READING_COUNT:
        break;
    }
    return false;
}

static size_t meant_count(const struct vapi_story *story, enum reading reading)
{
    size_t count = 0;
    for (size_t i = 0; i < story->turns_count; i++) {
        count += is_meant(&story->turns[i], reading);
    }
    return count;
}

static void latencies_align(const struct vapi_report *report, struct vapi_story *story)
{
    enum reading reading = READING_ASKED;
    while (reading < READING_COUNT && meant_count(story, reading) != report->latencies_count) {
        reading++;
    }
    story->has_unaligned = reading == READING_COUNT && report->latencies_count > 0;
    size_t next = 0;
    for (size_t i = 0; i < story->turns_count && reading < READING_COUNT; i++) {
        struct vapi_turn *turn = &story->turns[i];
        if (is_meant(turn, reading)) {
            turn->latency = &report->latencies[next++];
            if (turn->latency->turn_ms >= 0) {
                turn->has_latency = true;
                turn->latency_ms = turn->latency->turn_ms;
            }
        }
    }
}

static void first_set(struct vapi_work *work, double ms)
{
    if (!work->has_first && ms >= 0) {
        work->has_first = true;
        work->first_ms = ms;
    }
}

/* A turn's latencies are those of its first model and voice, and of its last transcript. */
static FALLIBLE latencies_spread(struct vapi_story *story, struct arena *arena)
{
    bool(*seen)[VAPI_COMPONENT_COUNT] = arena_zero(arena, story->turns_count + 1, sizeof *seen);
    if (seen == NULL) {
        return FAIL(NO_SPACE);
    }
    for (size_t i = 0; i < story->works_count; i++) {
        struct vapi_work *work = &story->works[i];
        const struct vapi_latency *latency =
            work->turn < story->turns_count ? story->turns[work->turn].latency : NULL;
        bool is_first = latency != NULL && !seen[work->turn][work->component];
        if (is_first && work->component == VAPI_COMPONENT_MODEL) {
            first_set(work, latency->model_ms);
        } else if (is_first && work->component == VAPI_COMPONENT_VOICE) {
            first_set(work, latency->voice_ms);
        }
        if (latency != NULL) {
            seen[work->turn][work->component] = true;
        }
    }
    for (size_t i = story->works_count; i > 0; i--) {
        struct vapi_work *work = &story->works[i - 1];
        const struct vapi_latency *latency =
            work->turn < story->turns_count ? story->turns[work->turn].latency : NULL;
        bool is_it = latency != NULL && work->component == VAPI_COMPONENT_TRANSCRIBER;
        if (is_it && seen[work->turn][VAPI_COMPONENT_TRANSCRIBER]) {
            seen[work->turn][VAPI_COMPONENT_TRANSCRIBER] = false;
            first_set(work, latency->transcriber_ms);
        }
    }
    return OK;
}

/* What is known of one turn before its endpointing is added. */
struct turn_known {
    struct unix_ns heard; /* the caller's last word */
    bool is_told;         /* there is endpointing already */
    size_t model;         /* the first one's number, plus 1 */
};

static struct turn_known *turns_know(const struct vapi_story *story, struct arena *arena)
{
    struct turn_known *known = arena_zero(arena, story->turns_count + 1, sizeof *known);
    for (size_t i = 0; i < story->turns_count && known != NULL; i++) {
        known[i].heard = story->turns[i].start;
    }
    for (size_t i = 0; i < story->works_count && known != NULL; i++) {
        const struct vapi_work *work = &story->works[i];
        struct turn_known *turn = work->turn < story->turns_count ? &known[work->turn] : NULL;
        if (turn != NULL && work->component == VAPI_COMPONENT_TRANSCRIBER) {
            turn->heard = work->end;
        } else if (turn != NULL && work->component == VAPI_COMPONENT_PIPELINE) {
            turn->is_told = true;
        } else if (turn != NULL && work->component == VAPI_COMPONENT_MODEL && turn->model == 0) {
            turn->model = i + 1;
        }
    }
    return known;
}

/* Where the log does not tell of endpointing, it stands from the caller's last word on; what was taken for the
 * model's time begins behind it. */
static FALLIBLE endpointing_add(struct vapi_story *story, struct arena *arena)
{
    const struct turn_known *known = turns_know(story, arena);
    if (known == NULL) {
        return FAIL(NO_SPACE);
    }
    for (size_t i = 0; i < story->turns_count; i++) {
        const struct vapi_latency *latency = story->turns[i].latency;
        struct vapi_work *work = NULL;
        if (latency == NULL || latency->endpointing_ms < 0 || known[i].is_told) {
            continue;
        }
        struct unix_ns from = known[i].heard;
        struct unix_ns end = {from.ns + (int64_t)(latency->endpointing_ms * NS_PER_MS)};
        TRY(vapi_work_add(story, VAPI_COMPONENT_PIPELINE, i, from, end, &work));
        if (work == NULL) {
            continue;
        }
        work->has_end = true;
        work->is_derived = true;
        struct vapi_work *model = known[i].model == 0 ? NULL : &story->works[known[i].model - 1];
        if (model != NULL && model->is_derived && model->start.ns == from.ns &&
            model->end.ns >= end.ns) {
            model->start = end;
        }
    }
    return OK;
}

err_t vapi_story_read(const struct vapi_report *report, const struct vapi_log *log,
                      size_t spans_max, struct arena *arena, struct vapi_story *ret_story)
{
    struct vapi_story story = {.arena = arena, .spans_max = spans_max};
    story.is_from_log = log != NULL && log->count > 0;
    if (story.is_from_log) {
        TRY(vapi_story_of_log(report, log, &story));
    } else {
        TRY(vapi_story_of_messages(report, &story));
    }
    latencies_align(report, &story);
    TRY(latencies_spread(&story, arena));
    TRY(endpointing_add(&story, arena));
    for (size_t i = 0; i < story.works_count; i++) {
        struct vapi_work *work = &story.works[i];
        work->end = work->end.ns < work->start.ns ? work->start : work->end;
        vapi_turn_cover(&story, work->turn, work->start, work->end);
    }
    *ret_story = story;
    return OK;
}
