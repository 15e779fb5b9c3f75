#include "api/integrations/vapi/log.h"

#include <stdio.h>
#include <stdlib.h>

#include "api/integrations/vapi/json.h"
#include "api/rest/intake.h"

#include "proto/base/banned.h"

enum { RECORDS_FIRST = 256, TURN_ID_BYTES = 255 };

struct event_row {
    const char *name;
    enum vapi_component_kind component;
    enum vapi_step step;
};

static const struct event_row event_rows[] = {
#define EVENT(name, component, step) {name, VAPI_COMPONENT_##component, VAPI_STEP_##step},
#include "api/integrations/vapi/log_events.def"
#undef EVENT
};

/* Where a text of a record may stand among its attributes; the first that is there counts. */
static const struct text_row {
    enum vapi_text text;
    const char *key;
} text_rows[] = {
    {VAPI_TEXT_SAID, "transcript"},     {VAPI_TEXT_SAID, "text"},
    {VAPI_TEXT_SAID, "input"},          {VAPI_TEXT_OUTPUT, "output"},
    {VAPI_TEXT_OUTPUT, "result"},       {VAPI_TEXT_NAME, "toolName"},
    {VAPI_TEXT_NAME, "name"},           {VAPI_TEXT_CALL_ID, "toolCallId"},
    {VAPI_TEXT_ARGUMENTS, "arguments"}, {VAPI_TEXT_ARGUMENTS, "parameters"},
    {VAPI_TEXT_ERROR, "error"},         {VAPI_TEXT_ERROR, "reason"},
    {VAPI_TEXT_MODEL, "model"},         {VAPI_TEXT_PROVIDER, "provider"},
};

struct reading {
    struct arena *arena;
    size_t records_max;
    size_t room;
    struct vapi_log log;
};

struct bytes vapi_text_cut(struct bytes text)
{
    size_t len = text.len;
    if (len > VAPI_TEXT_BYTES_MAX) {
        len = VAPI_TEXT_BYTES_MAX;
        while (len > 0 && (text.ptr[len] & 0xC0U) == 0x80) {
            len--;
        }
    }
    return bytes_of(text.ptr, len);
}

/* --- one record --------------------------------------------------------------------------------------- */

static bool event_read(const json_t *attributes, struct vapi_record *record)
{
    struct bytes name = vapi_json_text(attributes, "event");
    for (size_t i = 0; i < sizeof event_rows / sizeof event_rows[0]; i++) {
        if (bytes_equal_text(name, event_rows[i].name)) {
            record->component = event_rows[i].component;
            record->step = event_rows[i].step;
            return true;
        }
    }
    /* A line without an event that tells what a component was given or gave. */
    struct bytes category = vapi_json_text(attributes, "category");
    bool is_voice = bytes_equal_text(category, "voice");
    if (name.len > 0 || (!is_voice && !bytes_equal_text(category, "model"))) {
        return false;
    }
    record->component = is_voice ? VAPI_COMPONENT_VOICE : VAPI_COMPONENT_MODEL;
    record->step = VAPI_STEP_TEXT;
    return true;
}

static FALLIBLE keep(struct arena *arena, struct bytes text, struct bytes *ret_text)
{
    return text.len == 0 ? OK : arena_copy(arena, vapi_text_cut(text), ret_text);
}

/* Turns are numbered, by numbers or by texts. */
static FALLIBLE turn_read(const json_t *turn, struct arena *arena, struct bytes *ret_turn)
{
    struct bytes text = bytes_of(json_string_value(turn), json_string_length(turn));
    if (json_is_integer(turn)) {
        char *digits = arena_printf(arena, "%lld", (long long)json_integer_value(turn));
        if (digits == NULL) {
            return FAIL(NO_SPACE);
        }
        *ret_turn = bytes_of_text(digits);
        return OK;
    }
    bool is_none = bytes_equal_text(text, "CLEAN_UP") || text.len > TURN_ID_BYTES;
    return is_none ? OK : keep(arena, text, ret_turn);
}

/* An object or a list counts as its JSON. */
static FALLIBLE text_read(const json_t *value, struct arena *arena, struct bytes *ret_text)
{
    char text[1024];
    if (json_is_string(value)) {
        return keep(arena, bytes_of(json_string_value(value), json_string_length(value)), ret_text);
    }
    if (!json_is_object(value) && !json_is_array(value)) {
        return OK;
    }
    size_t len = json_dumpb(value, text, sizeof text, JSON_COMPACT);
    if (len <= sizeof text) {
        return keep(arena, bytes_of(text, len), ret_text);
    }
    char *room = len > VAPI_TEXT_BYTES_MAX ? NULL : arena_alloc(arena, len);
    if (room == NULL) {
        return len > VAPI_TEXT_BYTES_MAX ? OK : FAIL(NO_SPACE);
    }
    *ret_text = bytes_of(room, json_dumpb(value, room, len, JSON_COMPACT));
    return OK;
}

static FALLIBLE texts_read(const json_t *attributes, struct arena *arena,
                           struct vapi_record *record)
{
    for (size_t i = 0; i < sizeof text_rows / sizeof text_rows[0]; i++) {
        const json_t *value = json_object_get(attributes, text_rows[i].key);
        struct bytes *to = &record->texts[text_rows[i].text];
        if (value != NULL && to->len == 0) {
            TRY(text_read(value, arena, to));
        }
    }
    return OK;
}

static FALLIBLE record_fill(const json_t *attributes, struct arena *arena,
                            struct vapi_record *record)
{
    record->has_latency = vapi_json_ms(attributes, "latency", &record->latency_ms);
    record->has_duration = vapi_json_ms(attributes, "duration", &record->duration_ms);
    record->is_interruption = json_is_true(json_object_get(attributes, "wasInterruption"));
    TRY(turn_read(json_object_get(attributes, "turnId"), arena, &record->turn));
    TRY(keep(arena, vapi_json_text(attributes, "spanId"), &record->span));
    return texts_read(attributes, arena, record);
}

/* The assistant's own speech is transcribed, too: that is no work on a turn. */
static bool is_asked(const struct vapi_record *record, const json_t *attributes)
{
    return record->component != VAPI_COMPONENT_TRANSCRIBER ||
           !bytes_equal_text(vapi_json_text(attributes, "channel"), "assistant");
}

static FALLIBLE room_make(struct reading *reading)
{
    struct vapi_log *log = &reading->log;
    if (log->count < reading->room) {
        return OK;
    }
    size_t room = reading->room == 0 ? RECORDS_FIRST : reading->room * 2;
    room = room > reading->records_max ? reading->records_max : room;
    struct vapi_record *records = arena_zero(reading->arena, room, sizeof *records);
    if (records == NULL) {
        return FAIL(NO_SPACE);
    }
    if (log->count > 0) {
        memcpy(records, log->records, log->count * sizeof *records);
    }
    log->records = records;
    reading->room = room;
    return OK;
}

static FALLIBLE record_add(struct reading *reading, const json_t *json)
{
    struct vapi_log *log = &reading->log;
    struct vapi_record record = {.line = log->lines++};
    const json_t *attributes = vapi_json_object(json, "attributes");
    if (!json_is_object(json) || !vapi_json_time(json_object_get(json, "time"), &record.at)) {
        log->broken++;
        return OK;
    }
    if (!event_read(attributes, &record) || !is_asked(&record, attributes)) {
        return OK;
    }
    if (log->count == reading->records_max) {
        log->dropped++;
        return OK;
    }
    TRY(record_fill(attributes, reading->arena, &record));
    TRY(room_make(reading));
    log->records[log->count++] = record;
    return OK;
}

static int compare_records(const void *left, const void *right)
{
    const struct vapi_record *a = left;
    const struct vapi_record *b = right;
    int order = (a->at.ns > b->at.ns) - (a->at.ns < b->at.ns);
    return order != 0 ? order : (a->line > b->line) - (a->line < b->line);
}

static void finish(struct reading *reading, struct vapi_log *ret_log)
{
    if (reading->log.count > 1) {
        qsort(reading->log.records, reading->log.count, sizeof *reading->log.records,
              compare_records);
    }
    *ret_log = reading->log;
}

/* --- all of them -------------------------------------------------------------------------------------- */

static bool is_blank(struct bytes line)
{
    for (size_t i = 0; i < line.len; i++) {
        if (line.ptr[i] != ' ' && line.ptr[i] != '\t' && line.ptr[i] != '\r') {
            return false;
        }
    }
    return true;
}

static FALLIBLE line_read(struct reading *reading, struct bytes line)
{
    struct detail detail = {0};
    json_t *json = NULL;
    err_t err = intake_json(line, &detail, &json);
    if (!err_is_ok(err)) {
        reading->log.lines++;
        reading->log.broken++;
        return err_is(err, ERR_MEMORY) ? err : OK;
    }
    err = record_add(reading, json);
    json_decref(json);
    return err;
}

err_t vapi_log_read(struct bytes lines, size_t records_max, struct arena *arena,
                    struct vapi_log *ret_log)
{
    struct reading reading = {.arena = arena, .records_max = records_max};
    for (size_t at = 0; at < lines.len;) {
        const uint8_t *from = lines.ptr + at;
        const uint8_t *end = memchr(from, '\n', lines.len - at);
        struct bytes line = bytes_of(from, end == NULL ? lines.len - at : (size_t)(end - from));
        at += line.len + 1;
        if (!is_blank(line)) {
            TRY(line_read(&reading, line));
        }
    }
    finish(&reading, ret_log);
    return OK;
}

err_t vapi_log_of_array(const json_t *records, size_t records_max, struct arena *arena,
                        struct vapi_log *ret_log)
{
    struct reading reading = {.arena = arena, .records_max = records_max};
    for (size_t i = 0; i < json_array_size(records); i++) {
        TRY(record_add(&reading, json_array_get(records, i)));
    }
    finish(&reading, ret_log);
    return OK;
}
