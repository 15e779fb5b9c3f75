#include "api/live/ring.h"

#include <inttypes.h>

#include "proto/base/check.h"

#include "proto/base/banned.h"

enum { RUN_HEX = 16, DIGITS_MAX = 19 };

void ring_init(struct ring *ring, uint64_t run)
{
    memset(ring, 0, sizeof *ring);
    ring->run = run;
    ring->next = 1;
}

static bool is_same(const struct ring_event *a, const struct ring_event *b)
{
    return a->what == b->what && a->has_conversation == b->has_conversation &&
           a->has_trace == b->has_trace &&
           (!a->has_conversation || uuid_equal(a->conversation, b->conversation)) &&
           (!a->has_trace || trace_id_equal(a->trace, b->trace));
}

bool ring_put(struct ring *ring, const struct ring_event *event)
{
    uint64_t look_from = ring->dealt + 1;
    if (ring->next - look_from > RING_LOOK_BACK) {
        look_from = ring->next - RING_LOOK_BACK;
    }
    for (uint64_t n = look_from; n < ring->next; n++) {
        if (is_same(&ring->events[n % RING_EVENTS], event)) {
            return false;
        }
    }
    ring->events[ring->next++ % RING_EVENTS] = *event;
    return true;
}

void ring_lose(struct ring *ring, uint64_t run)
{
    ring_init(ring, run);
    ring->is_lost = true;
}

bool ring_next(struct ring *ring, uint64_t run, struct ring_event *ret_event)
{
    if (ring->next - ring->dealt > RING_EVENTS) {
        ring_lose(ring, run);
    }
    if (ring->dealt + 1 == ring->next) {
        return false;
    }
    ring->dealt++;
    *ret_event = ring->events[ring->dealt % RING_EVENTS];
    return true;
}

static int digit_of(uint8_t letter)
{
    static const char digits[] = "0123456789abcdef";
    const char *found = letter == '\0' ? NULL : strchr(digits, letter);
    return found == NULL ? -1 : (int)(found - digits);
}

/* "<16 hex digits>-<decimal>" */
static bool id_read(struct bytes id, uint64_t *ret_run, uint64_t *ret_number)
{
    uint64_t run = 0;
    uint64_t number = 0;
    if (id.len < RUN_HEX + 2 || id.len > RUN_HEX + 1 + DIGITS_MAX || id.ptr[RUN_HEX] != '-') {
        return false;
    }
    for (size_t i = 0; i < RUN_HEX; i++) {
        int digit = digit_of(id.ptr[i]);
        if (digit < 0) {
            return false;
        }
        run = run << 4 | (uint64_t)digit;
    }
    for (size_t i = RUN_HEX + 1; i < id.len; i++) {
        int digit = digit_of(id.ptr[i]);
        if (digit < 0 || digit > 9) {
            return false;
        }
        number = number * 10 + (uint64_t)digit;
    }
    *ret_run = run;
    *ret_number = number;
    return true;
}

bool ring_find(const struct ring *ring, struct bytes id, uint64_t *ret_after)
{
    uint64_t run = 0;
    uint64_t number = 0;
    if (!id_read(id, &run, &number) || run != ring->run || number > ring->dealt) {
        return false;
    }
    /* The oldest that is still there must be the next one. */
    if (ring->next - (number + 1) > RING_EVENTS) {
        return false;
    }
    *ret_after = number;
    return true;
}

const struct ring_event *ring_event_at(const struct ring *ring, uint64_t number)
{
    PRE(number > 0 && number <= ring->dealt && ring->next - number <= RING_EVENTS);
    return &ring->events[number % RING_EVENTS];
}

static void id_write(const struct ring *ring, uint64_t number, struct buf *out)
{
    buf_printf(out, "id: %016" PRIx64 "-%" PRIu64 "\n", ring->run, number);
}

static const char *name_of(enum announce_what what)
{
    switch (what) {
    case ANNOUNCE_CALL:
        return "call";
    case ANNOUNCE_TRACE:
        return "trace";
    case ANNOUNCE_LINK:
        return "link";
    case ANNOUNCE_KEY:
        return "key";
    }
    return "other";
}

void ring_write(const struct ring *ring, uint64_t number, struct buf *out)
{
    const struct ring_event *event = ring_event_at(ring, number);
    char uuid[UUID_TEXT_BYTES];
    char hex[TRACE_ID_HEX + 1] = {0};
    id_write(ring, number, out);
    buf_printf(out, "event: %s\ndata: {", name_of(event->what));
    if (event->has_conversation) {
        uuid_to_text(event->conversation, uuid);
        buf_printf(out, "\"conversationId\":\"%s\"%s", uuid, event->has_trace ? "," : "");
    }
    if (event->has_trace) {
        bytes_to_hex(bytes_of(event->trace.b, sizeof event->trace.b), hex);
        buf_printf(out, "\"traceId\":\"%s\"", hex);
    }
    buf_add_text(out, "}\n\n");
}

void ring_write_word(const struct ring *ring, const char *event, const char *data, struct buf *out)
{
    id_write(ring, ring->dealt, out);
    buf_printf(out, "event: %s\ndata: %s\n\n", event, data);
}
