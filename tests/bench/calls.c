#include "tests/bench/calls.h"

#include <stdio.h>

#include "proto/base/check.h"
#include "proto/base/mem.h"
#include "tests/bench/load.h"

#include "proto/base/banned.h"

enum { ID_BYTES = 36, BODY_BYTES_MAX = 1024, PATH_BYTES = 96 };
#define WATCH_NS_MAX (10 * NS_PER_S)

/* CREATE -> (answered) -> WATCH -> (shown) -> gone. A call created before its trace is acknowledged
 * waits in IDLE between the two. */
enum call_state {
    CALL_CREATE = 0,
    CALL_IDLE,
    CALL_WATCH,
};

struct call {
    struct call *next; /* in the queue */
    uint64_t trace;
    enum call_state state;
    bool is_trace_acked;
    struct mono_ns due; /* of its creation */
    struct mono_ns created_at;
    char id[ID_BYTES + 1];
};

struct worker {
    struct calls *calls;
    struct lane *lane;
    struct call *call; /* what it works on */
    struct buf body;
};

struct calls {
    struct load *load;
    struct call **by_number; /* of calls not gone: trace / call_every -> call */
    size_t numbers_room;
    struct call *head; /* queue of steps to be done */
    struct call *tail;
    unsigned queued;
    unsigned busy;
    struct worker *workers;
    struct samples link_ms;
    struct samples show_ms;
    uint64_t created;
    uint64_t counted;
    uint64_t linked;
    uint64_t lost;
};

static void answered(struct lane *lane, void *owner, const struct answer *answer);

struct calls *calls_new(struct load *load)
{
    struct calls *calls = mem_zero(1, sizeof(*calls));
    if (calls == NULL) {
        return NULL;
    }
    calls->load = load;
    calls->workers = mem_zero(load->options.api_connections, sizeof(*calls->workers));
    for (unsigned i = 0; calls->workers != NULL && i < load->options.api_connections; i++) {
        struct worker *worker = &calls->workers[i];
        worker->calls = calls;
        worker->lane = lane_new(load->http, answered, worker);
        buf_init(&worker->body, BODY_BYTES_MAX);
        if (worker->lane == NULL) {
            bench_fail("out of memory");
        }
    }
    if (calls->workers == NULL) {
        mem_free(calls);
        return NULL;
    }
    return calls;
}

void calls_free(struct calls *calls)
{
    for (unsigned i = 0; i < calls->load->options.api_connections; i++) {
        buf_fini(&calls->workers[i].body);
    }
    for (size_t i = 0; i < calls->numbers_room; i++) {
        mem_free(calls->by_number[i]);
    }
    samples_fini(&calls->link_ms);
    samples_fini(&calls->show_ms);
    mem_free(calls->by_number);
    mem_free(calls->workers);
    mem_free(calls);
}

/* A look goes before everything else, so that its time is the server's and not this queue's. */
static void enqueue(struct calls *calls, struct call *call, enum call_state state)
{
    call->state = state;
    call->next = NULL;
    if (calls->head == NULL) {
        calls->head = call;
        calls->tail = call;
    } else if (state == CALL_WATCH) {
        call->next = calls->head;
        calls->head = call;
    } else {
        calls->tail->next = call;
        calls->tail = call;
    }
    calls->queued++;
}

static bool has_call(const struct calls *calls, uint64_t trace)
{
    unsigned every = calls->load->options.shape.call_every;
    return every > 0 && trace % every == 0;
}

/* The slot of this trace's call; grows the table. */
static struct call **slot_of(struct calls *calls, uint64_t trace)
{
    size_t number = trace / calls->load->options.shape.call_every;
    while (number >= calls->numbers_room) {
        size_t room = calls->numbers_room == 0 ? 1024 : calls->numbers_room * 2;
        struct call **grown = mem_resize(calls->by_number, room * sizeof(struct call *));
        if (grown == NULL) {
            bench_fail("out of memory");
        }
        for (size_t i = calls->numbers_room; i < room; i++) {
            grown[i] = NULL;
        }
        calls->by_number = grown;
        calls->numbers_room = room;
    }
    return &calls->by_number[number];
}

static struct call *add_call(struct calls *calls, uint64_t trace, struct mono_ns due)
{
    struct call *call = mem_zero(1, sizeof(*call));
    if (call == NULL) {
        bench_fail("out of memory");
    }
    call->trace = trace;
    call->due = due;
    *slot_of(calls, trace) = call;
    enqueue(calls, call, CALL_CREATE);
    return call;
}

void calls_trace_begins(struct calls *calls, uint64_t trace, struct mono_ns due)
{
    const struct shape *shape = &calls->load->options.shape;
    if (has_call(calls, trace) && !shape->is_call_late && trace / shape->call_every % 2 == 0) {
        (void)add_call(calls, trace, due); /* it is in the queue now */
    }
}

void calls_trace_acked(struct calls *calls, uint64_t trace)
{
    if (!has_call(calls, trace)) {
        return;
    }
    struct call *call = *slot_of(calls, trace);
    if (call == NULL) {
        call = add_call(calls, trace, calls->load->traces[trace].acked_at);
    }
    call->is_trace_acked = true;
    if (call->state == CALL_IDLE) {
        enqueue(calls, call, CALL_WATCH);
    }
}

static void forget(struct calls *calls, struct call *call)
{
    *slot_of(calls, call->trace) = NULL;
    mem_free(call);
}

static void created(struct calls *calls, struct call *call, const struct answer *answer)
{
    static const char mark[] = "\"id\":\"";
    const uint8_t *found = memmem(answer->body.ptr, answer->body.len, mark, sizeof(mark) - 1);
    size_t before = found == NULL ? 0 : (size_t)(found - answer->body.ptr) + sizeof(mark) - 1;
    if (answer->status != 200 || found == NULL || answer->body.len < before + ID_BYTES) {
        (void)fprintf(stderr, "loadgen: a call was answered with %ld: %.*s\n", answer->status,
                      (int)answer->body.len, (const char *)answer->body.ptr);
        bench_fail("a call was not created");
    }
    memcpy(call->id, answer->body.ptr + before, ID_BYTES);
    call->created_at = answer->at;
    calls->created++;
    calls->counted += load_counts(calls->load, answer->at) ? 1 : 0;
    if (call->is_trace_acked) {
        enqueue(calls, call, CALL_WATCH);
    } else {
        call->state = CALL_IDLE;
    }
}

static struct mono_ns later_of(struct mono_ns one, struct mono_ns other)
{
    return one.ns > other.ns ? one : other;
}

static void shown(struct calls *calls, const struct call *call, struct mono_ns at)
{
    const struct trace_state *trace = &calls->load->traces[call->trace];
    struct mono_ns due = later_of(call->due, trace->due);
    struct mono_ns acked = later_of(call->created_at, trace->acked_at);
    calls->linked++;
    if (load_counts(calls->load, due)) {
        samples_add(&calls->link_ms, (double)(at.ns - due.ns) / NS_PER_MS);
        samples_add(&calls->show_ms, (double)(at.ns - acked.ns) / NS_PER_MS);
    }
}

static void watched(struct calls *calls, struct call *call, const struct answer *answer)
{
    const struct trace_state *trace = &calls->load->traces[call->trace];
    uint8_t id[16];
    char hex[32];
    recipe_trace_id(&calls->load->recipe, call->trace, id);
    bytes_to_hex(bytes_of(id, sizeof(id)), hex);
    if (answer->status == 200 &&
        memmem(answer->body.ptr, answer->body.len, hex, sizeof(hex)) != NULL) {
        shown(calls, call, answer->at);
        forget(calls, call);
    } else if (answer->at.ns - later_of(call->created_at, trace->acked_at).ns > WATCH_NS_MAX) {
        calls->lost++;
        (void)fprintf(stderr, "loadgen: call %s never showed trace %.32s\n", call->id, hex);
        forget(calls, call);
    } else {
        enqueue(calls, call, CALL_WATCH);
    }
}

static void answered(struct lane *lane, void *owner, const struct answer *answer)
{
    struct worker *worker = owner;
    struct calls *calls = worker->calls;
    struct call *call = worker->call;
    (void)lane;
    worker->call = NULL;
    calls->busy--;
    if (call->state == CALL_CREATE) {
        created(calls, call, answer);
    } else {
        watched(calls, call, answer);
    }
}

static void work(struct worker *worker, struct call *call)
{
    char path[PATH_BYTES];
    char room[ROOM_BYTES];
    worker->call = call;
    worker->calls->busy++;
    if (call->state == CALL_WATCH) {
        (void)snprintf(path, sizeof(path), "/v1/call/%s/traces", call->id);
        lane_send(worker->lane, &(struct request){.path = path, .type = "application/json"});
        return;
    }
    recipe_room(&worker->calls->load->recipe, call->trace, room);
    buf_reset(&worker->body);
    buf_printf(&worker->body,
               "{\"livekitRoomId\":\"%s\",\"startedAt\":\"2026-01-02T03:04:05.678Z\","
               "\"interfaceType\":\"PHONE\",\"callDirection\":\"INBOUND\","
               "\"recordingUrl\":\"https://recordings.invalid/%s.wav\"}",
               room, room);
    lane_send(
        worker->lane,
        &(struct request){.path = "/v1/call", .type = "application/json", .body = &worker->body});
}

unsigned calls_move(struct calls *calls)
{
    for (unsigned i = 0; i < calls->load->options.api_connections && calls->head != NULL; i++) {
        struct worker *worker = &calls->workers[i];
        if (worker->call == NULL) {
            struct call *call = calls->head;
            calls->head = call->next;
            calls->tail = calls->head == NULL ? NULL : calls->tail;
            calls->queued--;
            work(worker, call);
        }
    }
    return calls->queued + calls->busy;
}

struct calls_result calls_result(const struct calls *calls)
{
    return (struct calls_result){.created = calls->created,
                                 .counted = calls->counted,
                                 .linked = calls->linked,
                                 .lost = calls->lost};
}

struct samples *calls_link_ms(struct calls *calls)
{
    return &calls->link_ms;
}

struct samples *calls_show_ms(struct calls *calls)
{
    return &calls->show_ms;
}
