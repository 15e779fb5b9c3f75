/* Any octets as an observer's event or as a request for an upload. */
#include "api/integrations/observer/read.h"
#include "proto/base/check.h"

#include "proto/base/banned.h"

enum { ARENA_MAX = 64 << 20 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_event(const struct observer_event *event)
{
    INVARIANT(event->keys_count > 0 && event->keys_count <= OBSERVER_KEYS_MAX);
    for (size_t i = 0; i < event->keys_count; i++) {
        INVARIANT(match_value_is_valid(event->keys[i].value));
        INVARIANT(i == 0 || match_key_compare(&event->keys[i - 1], &event->keys[i]) < 0);
    }
    INVARIANT(memchr(event->part.body.ptr, '\n', event->part.body.len) == NULL);
    json_t *body = json_loadb((const char *)event->part.body.ptr, event->part.body.len,
                              JSON_ALLOW_NUL | JSON_REJECT_DUPLICATES, NULL);
    INVARIANT(json_is_object(body));
    json_decref(body);
}

static void read(enum observer observer, struct bytes body)
{
    struct arena arena;
    struct detail detail = {{0}};
    struct observer_event event;
    arena_init(&arena, ARENA_MAX);
    err_t err = observer_read(observer, body, &arena, &detail, &event);
    if (!err_is_ok(err)) {
        INVARIANT(detail.text[0] != '\0' || err_class(err) != ERR_CLASS_INPUT);
    } else {
        if (event.issues.count > 0) {
            json_t *answer = check_answer(&event.issues, &arena);
            INVARIANT(answer != NULL);
            json_decref(answer);
        } else if (event.what != OBSERVER_UNKNOWN) {
            check_event(&event);
        }
        observer_event_fini(&event);
    }
    arena_fini(&arena);
}

static void read_chunk(enum observer observer, struct bytes body)
{
    struct arena arena;
    struct detail detail = {{0}};
    struct check_issues issues;
    int64_t index = 0;
    const char *type = NULL;
    arena_init(&arena, ARENA_MAX);
    err_t err = observer_read_chunk(observer, body, &arena, &detail, &issues, &index, &type);
    INVARIANT(!err_is_ok(err) || issues.count > 0 || (index >= -1 && type != NULL));
    arena_fini(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes body = bytes_of(data, size);
    for (enum observer observer = OBSERVER_LIVEKIT; observer < OBSERVER_COUNT; observer++) {
        read(observer, body);
        read_chunk(observer, body);
    }
    return 0;
}
