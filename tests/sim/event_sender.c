/* Sends events of integrations over the bus, as an api does, so that tests can drive the correlators with any
 * event. Usage: event_sender BUS-ADDRESSES < EVENTS. One event a line, a JSON object:
 *
 *     {"project": UUID, "id": UUID, "source": 2, "keys": [[2, "RM_1"]], "skipped": false, "received": NS,
 *      "parts": [{"number": 33, "at": NS, "started": NS or null, "ended": NS or null, "status": 1,
 *                 "direction": 0, "title": "...", "body": "{...}"}]}
 *
 * All go out at once; then one line each, in their order: outcome, the call's id, the reason. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/clock.h"
#include "proto/base/limits.h"
#include "proto/bus/bus.h"
#include "proto/bus/message.h"

enum { EVENTS_MAX = 1000, LINE_BYTES = 1 << 20, ARENA_BYTES = 64 << 20, WAIT_MS = 60000 };

struct answer {
    _Atomic bool is_done;
    err_t err;
    unsigned outcome;
    char conversation[UUID_TEXT_BYTES];
    char reason[256];
};

static struct answer answers[EVENTS_MAX];

static void die(const char *why)
{
    (void)fprintf(stderr, "event_sender: %s\n", why);
    exit(2);
}

static void on_answer(void *context, err_t err, struct bytes wire)
{
    struct answer *answer = context;
    struct arena arena;
    struct detail detail = {{0}};
    struct bus_reply reply;
    arena_init(&arena, 1 << 20);
    answer->err = err;
    if (err_is_ok(err)) {
        answer->err = bus_reply_unpack(wire, &arena, &detail, &reply);
    }
    if (err_is_ok(answer->err)) {
        answer->outcome = (unsigned)reply.outcome;
        uuid_to_text(reply.conversation, answer->conversation);
        (void)snprintf(answer->reason, sizeof answer->reason, "%.*s", (int)reply.reason.len,
                       (const char *)reply.reason.ptr);
    }
    arena_fini(&arena);
    answer->is_done = true;
}

static struct bytes text_of(const json_t *json)
{
    return bytes_of(json_string_value(json), json_string_length(json));
}

static struct uuid uuid_of(const json_t *object, const char *name)
{
    struct uuid id = {{0}};
    if (!uuid_from_text(text_of(json_object_get(object, name)), &id)) {
        die("a field is no UUID");
    }
    return id;
}

static int64_t number_of(const json_t *object, const char *name)
{
    return json_integer_value(json_object_get(object, name));
}

static void part_read(const json_t *json, struct bus_part *part)
{
    *part = (struct bus_part){
        .number = (enum call_part)number_of(json, "number"),
        .at = {number_of(json, "at")},
        .has_started = json_is_integer(json_object_get(json, "started")),
        .started = {number_of(json, "started")},
        .has_ended = json_is_integer(json_object_get(json, "ended")),
        .ended = {number_of(json, "ended")},
        .status = (enum conversation_status)number_of(json, "status"),
        .direction = (enum conversation_direction)number_of(json, "direction"),
        .title = text_of(json_object_get(json, "title")),
        .body = text_of(json_object_get(json, "body")),
    };
}

static void event_read(const json_t *json, struct arena *arena, struct bus_message *message)
{
    const json_t *keys = json_object_get(json, "keys");
    const json_t *parts = json_object_get(json, "parts");
    struct bus_call_event event = {
        .project = uuid_of(json, "project"),
        .id = uuid_of(json, "id"),
        .source = (enum conversation_source)number_of(json, "source"),
        .received = {number_of(json, "received")},
        .is_skipped = json_is_true(json_object_get(json, "skipped")),
        .keys_count = json_array_size(keys),
        .parts_count = json_array_size(parts),
    };
    event.keys = arena_zero(arena, event.keys_count, sizeof *event.keys);
    event.parts = arena_zero(arena, event.parts_count, sizeof *event.parts);
    if (event.keys == NULL || event.parts == NULL) {
        die("out of memory");
    }
    for (size_t i = 0; i < event.keys_count; i++) {
        const json_t *pair = json_array_get(keys, i);
        event.keys[i].kind = (enum match_kind)json_integer_value(json_array_get(pair, 0));
        event.keys[i].value = text_of(json_array_get(pair, 1));
    }
    for (size_t i = 0; i < event.parts_count; i++) {
        part_read(json_array_get(parts, i), &event.parts[i]);
    }
    *message = (struct bus_message){.id = uuid_make(), .what = BUS_WHAT_EVENT, .event = event};
}

static void send_line(struct bus_client *client, const char *line, struct arena *arena,
                      struct answer *answer)
{
    struct bus_message message;
    struct buf wire;
    json_t *json = json_loads(line, JSON_REJECT_DUPLICATES, NULL);
    if (json == NULL) {
        die("a line is no JSON");
    }
    event_read(json, arena, &message);
    buf_init(&wire, LIMIT_BUS_BYTES);
    err_t err = bus_message_pack(&message, arena, &wire);
    if (err_is_ok(err)) {
        err = bus_client_send(client, buf_bytes(&wire), on_answer, answer);
    }
    if (!err_is_ok(err)) {
        answer->err = err;
        answer->is_done = true;
    }
    buf_fini(&wire);
    json_decref(json);
}

static void wait_for(struct answer *answer, struct mono_ns end)
{
    while (!answer->is_done) {
        if (clock_mono().ns > end.ns) {
            die("no answer");
        }
        clock_sleep_ms(1);
    }
}

int main(int argc, char **argv)
{
    static char line[LINE_BYTES];
    struct bus_client *client = NULL;
    struct detail detail = {{0}};
    struct arena arena;
    size_t count = 0;
    if (argc != 2) {
        die("usage: event_sender BUS-ADDRESSES < EVENTS");
    }
    arena_init(&arena, ARENA_BYTES);
    if (!err_is_ok(bus_client_open(&(struct bus_client_options){.addresses = argv[1]}, &detail,
                                   &client))) {
        die(detail.text);
    }
    struct mono_ns end = mono_after_ms(clock_mono(), WAIT_MS);
    while (bus_client_peers(client) == 0) {
        if (clock_mono().ns > end.ns) {
            die("no correlator");
        }
        clock_sleep_ms(1);
    }
    while (count < EVENTS_MAX && fgets(line, sizeof line, stdin) != NULL) {
        send_line(client, line, &arena, &answers[count++]);
    }
    for (size_t i = 0; i < count; i++) {
        wait_for(&answers[i], end);
        (void)printf("%u %s %s\n", answers[i].outcome, answers[i].conversation,
                     err_is_ok(answers[i].err) ? answers[i].reason : err_text(answers[i].err));
    }
    bus_client_close(client);
    arena_fini(&arena);
    return 0;
}
