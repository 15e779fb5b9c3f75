/* Any octets as the bodies of one call, a create's and integrations', one a line: what is put together of them is one
 * line of JSON that holds each name once. */
#include <jansson.h>

#include "api/rest/agent.h"
#include "api/rest/mend.h"
#include "api/rest/overlay.h"
#include "proto/base/check.h"

#include "proto/base/banned.h"

enum { ARENA_MAX = 16 << 20 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool is_json(struct bytes text)
{
    json_t *json = json_loadb((const char *)text.ptr, text.len, JSON_ALLOW_NUL, NULL);
    bool is_object = json_is_object(json);
    json_decref(json);
    return is_object;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena;
    struct bytes all = bytes_of(data, size);
    struct bytes json = {0};
    struct mend_field fields[] = {{.name = "properties"}, {.name = "agent"}, {.name = "customers"}};
    const uint8_t *feed = size == 0 ? NULL : memchr(data, '\n', size);
    size_t len = feed == NULL ? size : (size_t)(feed - data);
    size_t next = feed == NULL ? size : len + 1;
    struct bytes body = bytes_of(data, len);
    arena_init(&arena, ARENA_MAX);
    err_t err =
        overlay_object(body, bytes_of(data + next, size - next), "properties", &arena, &json);
    INVARIANT(err_is_ok(err) || err_is(err, ERR_NO_SPACE) || err_is(err, ERR_MEMORY));
    if (err_is_ok(err) && json.len > 0 && is_json(body) && next == size) {
        INVARIANT(is_json(json));
    }
    mend_pick_lines(all, fields, 3);
    for (size_t i = 0; i < 3; i++) {
        json_t *list = NULL;
        INVARIANT(fields[i].value.len <= size);
        INVARIANT(err_is_ok(parties_of_body(fields[i].value, bytes_of(NULL, 0), &list)));
        json_decref(list);
        INVARIANT(err_is_ok(parties_of_body(bytes_of(NULL, 0), fields[i].value, &list)));
        INVARIANT(list == NULL || json_is_array(list));
        json_decref(list);
    }
    arena_fini(&arena);
    return 0;
}
