/* Any octets as a bus message, a reply and an announcement: refused with a sentence, or read; and what was read
 * and packed again reads as the same. */
#include "proto/base/check.h"
#include "proto/base/limits.h"
#include "proto/bus/message.h"

#include "proto/base/banned.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { ARENA_BYTES = 64 << 20 };

static void try_message(struct bytes wire)
{
    struct arena arena;
    struct detail detail = {.text = ""};
    struct bus_message message;
    struct bus_message again;
    struct buf first;
    struct buf second;
    arena_init(&arena, ARENA_BYTES);
    buf_init(&first, LIMIT_BUS_BYTES);
    buf_init(&second, LIMIT_BUS_BYTES);
    err_t err = bus_message_unpack(wire, &arena, &detail, &message);
    INVARIANT(err_is_ok(err) || detail.text[0] != '\0');
    if (err_is_ok(err) && err_is_ok(bus_message_pack(&message, &arena, &first))) {
        err = bus_message_unpack(buf_bytes(&first), &arena, &detail, &again);
        INVARIANT(err_is_ok(err) || err_is(err, ERR_NO_SPACE));
        if (err_is_ok(err) && err_is_ok(bus_message_pack(&again, &arena, &second))) {
            INVARIANT(bytes_equal(buf_bytes(&first), buf_bytes(&second)));
        }
    }
    buf_fini(&first);
    buf_fini(&second);
    arena_fini(&arena);
}

static void try_reply(struct bytes wire)
{
    struct arena arena;
    struct detail detail = {.text = ""};
    struct bus_reply reply;
    struct bus_announcement announcement;
    arena_init(&arena, ARENA_BYTES);
    err_t err = bus_reply_unpack(wire, &arena, &detail, &reply);
    INVARIANT(err_is_ok(err) || detail.text[0] != '\0');
    detail.text[0] = '\0';
    err = bus_announcement_unpack(wire, &detail, &announcement);
    INVARIANT(err_is_ok(err) || detail.text[0] != '\0');
    arena_fini(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    try_message(bytes_of(data, size));
    try_reply(bytes_of(data, size));
    return 0;
}
