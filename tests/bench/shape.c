#include "tests/bench/shape.h"

#include "proto/otlp/wire.h"
#include "tests/bench/fleet.h"
#include "tests/bench/put.h"
#include "tests/bench/spans.h"

#include "proto/base/banned.h"

enum { TRACE_ID_BYTES = 16, SPAN_ID_BYTES = 8, SPAN_NS = 40000000 };

/* `what` of recipe_draw: one number for a trace, or a block of them for its spans. */
enum { DRAW_TRACE_HIGH = 1, DRAW_TRACE_LOW, DRAW_ROOM, DRAW_BLOCK = 1024 };
enum { DRAW_SPAN_ID = 8 * DRAW_BLOCK, DRAW_START = 9 * DRAW_BLOCK, DRAW_LENGTH = 10 * DRAW_BLOCK };
enum { DRAW_MAX = 16 * DRAW_BLOCK };

/* fleet: a live call on a connection of its own, 8 spans every 5 s. bulk, small: a replay, trace after
 * trace. collector: what a Collector in front of 64 calls gathers. */
static const struct shape shapes[] = {
    {.name = "fleet",
     .span = fleet_span,
     .export_spans = 8,
     .open_traces = 1,
     .piece_spans = 8,
     .trace_spans = FLEET_CALL_SPANS,
     .period_ms = 5000,
     .is_one_connection = true,
     .starts_midway = 1,
     .is_call_late = true,
     .call_every = 1},
    {.name = "bulk",
     .span = spans_livekit,
     .export_spans = 512,
     .open_traces = 1,
     .piece_spans = 50,
     .trace_spans = 50,
     .call_every = 10},
    {.name = "small",
     .span = spans_small,
     .export_spans = 512,
     .open_traces = 1,
     .piece_spans = 50,
     .trace_spans = 50,
     .call_every = 10},
    {.name = "collector",
     .span = spans_livekit,
     .export_spans = 512,
     .open_traces = 64,
     .piece_spans = 8,
     .trace_spans = 48,
     .call_every = 10},
};

const struct shape *shape_find(const char *name)
{
    for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++) {
        if (strcmp(shapes[i].name, name) == 0) {
            return &shapes[i];
        }
    }
    return NULL;
}

bool recipe_init(struct recipe *recipe, const struct shape *shape, uint64_t seed, int64_t start_ns)
{
    *recipe = (struct recipe){.shape = shape, .seed = seed, .start_ns = start_ns};
    if (shape->span == fleet_span) {
        recipe->fleet = fleet_new(seed);
        return recipe->fleet != NULL;
    }
    return true;
}

void recipe_fini(struct recipe *recipe)
{
    fleet_free(recipe->fleet);
    recipe->fleet = NULL;
}

uint64_t recipe_mix(uint64_t value)
{
    value += UINT64_C(0x9e3779b97f4a7c15);
    value = (value ^ (value >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    value = (value ^ (value >> 27)) * UINT64_C(0x94d049bb133111eb);
    return value ^ (value >> 31);
}

uint64_t recipe_draw(const struct recipe *recipe, uint64_t trace, uint64_t what)
{
    return recipe_mix(recipe->seed ^ recipe_mix(trace * DRAW_MAX + what));
}

void recipe_trace_id(const struct recipe *recipe, uint64_t trace, uint8_t ret_id[16])
{
    uint64_t halves[2] = {recipe_draw(recipe, trace, DRAW_TRACE_HIGH),
                          recipe_draw(recipe, trace, DRAW_TRACE_LOW) | 1};
    memcpy(ret_id, halves, TRACE_ID_BYTES);
}

void recipe_room(const struct recipe *recipe, uint64_t trace, char ret_room[ROOM_BYTES])
{
    static const char letters[] = "23456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnpqrstuvwxyz";
    uint64_t chance = recipe_draw(recipe, trace, DRAW_ROOM);
    memcpy(ret_room, "RM_", 3);
    for (unsigned i = 3; i < ROOM_BYTES - 1; i++) {
        ret_room[i] = letters[chance % (sizeof(letters) - 1)];
        chance /= sizeof(letters) - 1;
    }
    ret_room[ROOM_BYTES - 1] = '\0';
}

static void put_span_id(const struct recipe *recipe, uint64_t trace, uint32_t field, unsigned index,
                        struct buf *out)
{
    uint64_t id = recipe_draw(recipe, trace, DRAW_SPAN_ID + index) | 1;
    wire_put_bytes(out, field, bytes_of(&id, SPAN_ID_BYTES));
}

void recipe_span_head(const struct recipe *recipe, uint64_t trace, unsigned index, unsigned parent,
                      const char *name, struct buf *out)
{
    uint8_t trace_id[TRACE_ID_BYTES];
    recipe_trace_id(recipe, trace, trace_id);
    uint64_t start = (uint64_t)recipe->start_ns + index * (uint64_t)SPAN_NS +
                     recipe_draw(recipe, trace, DRAW_START + index) % SPAN_NS;
    uint64_t length = recipe_draw(recipe, trace, DRAW_LENGTH + index) % SPAN_NS;
    wire_put_bytes(out, 1, bytes_of(trace_id, sizeof(trace_id)));
    put_span_id(recipe, trace, 2, index, out);
    if (parent != index) {
        put_span_id(recipe, trace, 4, parent, out);
    }
    wire_put_bytes(out, 5, bytes_of_text(name));
    wire_put_u64(out, 6, 1); /* kind: internal */
    wire_put_fixed64(out, 7, start);
    wire_put_fixed64(out, 8, start + length);
}

void recipe_span_tail(struct buf *out)
{
    wire_put_fixed32(out, 16, 0x101); /* flags: sampled, parent known and local */
}

static void put_resource(const struct recipe *recipe, uint64_t trace, struct buf *out)
{
    char room[ROOM_BYTES];
    recipe_room(recipe, trace, room);
    put_text(out, PUT_RESOURCE, "service.name", bytes_of_text("reception-agent"));
    put_text(out, PUT_RESOURCE, "livekit.room.id", bytes_of_text(room));
    put_text(out, PUT_RESOURCE, "telemetry.sdk.language", bytes_of_text("nodejs"));
    put_text(out, PUT_RESOURCE, "telemetry.sdk.name", bytes_of_text("opentelemetry"));
    put_text(out, PUT_RESOURCE, "telemetry.sdk.version", bytes_of_text("2.9.1"));
}

void recipe_piece(const struct recipe *recipe, uint64_t trace, unsigned first, unsigned count,
                  struct buf *scratch, struct buf *out)
{
    static const char scope[] = "livekit-agents";
    struct buf head;
    struct buf span;
    buf_init(&head, SHAPE_SPAN_BYTES_MAX);
    buf_init(&span, SHAPE_SPAN_BYTES_MAX);
    put_resource(recipe, trace, &head);

    buf_reset(scratch);
    wire_put_head(scratch, 1, wire_bytes_size(sizeof(scope) - 1));
    wire_put_bytes(scratch, 1, bytes_of(scope, sizeof(scope) - 1));
    for (unsigned i = 0; i < count; i++) {
        buf_reset(&span);
        recipe->shape->span(recipe, trace, first + i, &span);
        wire_put_bytes(scratch, 2, buf_bytes(&span));
    }

    wire_put_head(out, 1,
                  wire_bytes_size(buf_bytes(&head).len) + wire_bytes_size(buf_bytes(scratch).len));
    wire_put_bytes(out, 1, buf_bytes(&head));
    wire_put_bytes(out, 2, buf_bytes(scratch));
    buf_fini(&head);
    buf_fini(&span);
}
