/* Any octets as a LiveKit webhook: what is read of them can be sent over the bus and stored, and reading them again
 * says the same. */
#include "api/integrations/livekit/webhook.h"
#include "proto/base/check.h"
#include "proto/base/limits.h"

#include "proto/base/banned.h"

enum { ARENA_MAX = 16 << 20 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void part_check(const struct bus_part *part)
{
    INVARIANT(call_part_keep((unsigned)part->number) != 0);
    INVARIANT(part->title.len <= LIMIT_NAME_BYTES && bytes_are_utf8(part->title));
    INVARIANT(part->title.len == 0 || memchr(part->title.ptr, '\0', part->title.len) == NULL);
    INVARIANT(bytes_are_utf8(part->body));
    INVARIANT(part->body.len == 0 || memchr(part->body.ptr, '\n', part->body.len) == NULL);
    INVARIANT(part->body.len == 0 || memchr(part->body.ptr, '\0', part->body.len) == NULL);
    INVARIANT(part->started.ns >= 0 && part->ended.ns >= 0);
}

static bool is_same(const struct livekit_webhook *a, const struct livekit_webhook *b)
{
    bool is = a->is_ignored == b->is_ignored && a->is_skipped == b->is_skipped &&
              a->parts_count == b->parts_count && bytes_equal(a->key.value, b->key.value);
    for (size_t i = 0; is && i < a->parts_count; i++) {
        is = a->parts[i].at.ns == b->parts[i].at.ns &&
             bytes_equal(a->parts[i].body, b->parts[i].body) &&
             bytes_equal(a->parts[i].title, b->parts[i].title);
    }
    return is;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena;
    struct detail detail = {{0}};
    struct livekit_webhook webhook;
    struct livekit_webhook again;
    arena_init(&arena, ARENA_MAX);
    err_t err = livekit_webhook_read(bytes_of(data, size), &arena, &detail, &webhook);
    if (err_is_ok(err)) {
        INVARIANT(webhook.is_ignored == (webhook.parts_count == 0));
        INVARIANT(webhook.is_ignored || match_value_is_valid(webhook.key.value));
        for (size_t i = 0; i < webhook.parts_count; i++) {
            part_check(&webhook.parts[i]);
        }
        err = livekit_webhook_read(bytes_of(data, size), &arena, &detail, &again);
        INVARIANT(err_is_ok(err) && is_same(&webhook, &again));
    } else {
        INVARIANT(detail.text[0] != '\0');
    }
    arena_fini(&arena);
    return 0;
}
