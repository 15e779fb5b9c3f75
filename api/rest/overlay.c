#include "api/rest/overlay.h"

#include "api/rest/mend.h"
#include "proto/base/table.h"
#include "proto/otlp/jsonread.h"

#include "proto/base/banned.h"

struct member {
    UT_hash_handle hh;
    struct bytes name; /* without escapes */
};

struct overlay {
    struct arena *arena;
    struct member *members;
    struct buf out;
    struct buf name;
};

static struct bytes object_of(struct bytes body, const char *name)
{
    struct mend_field field = {.name = name};
    mend_pick(body, &field, 1);
    bool is_object = field.value.len > 0 && field.value.ptr[0] == '{';
    return is_object ? field.value : bytes_of(NULL, 0);
}

/* Cuts the first line off. */
static struct bytes line_take(struct bytes *lines)
{
    const uint8_t *feed = lines->len == 0 ? NULL : memchr(lines->ptr, '\n', lines->len);
    size_t len = feed == NULL ? lines->len : (size_t)(feed - lines->ptr);
    struct bytes line = bytes_of(lines->ptr, len);
    size_t step = feed == NULL ? len : len + 1;
    *lines = bytes_of(lines->ptr + step, lines->len - step);
    return line;
}

/* *ret_is_new: the name was not there before. */
static FALLIBLE name_add(struct overlay *overlay, const struct json_token *key, bool *ret_is_new)
{
    TABLE_OOM;
    struct member *member = NULL;
    struct bytes name;
    buf_reset(&overlay->name);
    jsonread_unescape(key, &overlay->name);
    TRY(buf_err(&overlay->name));
    name = buf_bytes(&overlay->name);
    name = name.len == 0 ? bytes_of("", 0) : name; /* uthash compares it */
    HASH_FIND(hh, overlay->members, name.ptr, name.len, member);
    *ret_is_new = member == NULL;
    if (member != NULL) {
        return OK;
    }
    member = arena_zero(overlay->arena, 1, sizeof *member);
    if (member == NULL) {
        return FAIL(NO_SPACE);
    }
    TRY(arena_copy(overlay->arena, name, &member->name));
    HASH_ADD_KEYPTR(hh, overlay->members, member->name.ptr, member->name.len, member);
    return table_oom ? FAIL(MEMORY) : OK;
}

static void member_write(struct overlay *overlay, const struct json_token *key, struct bytes value)
{
    if (buf_bytes(&overlay->out).len > 1) {
        buf_add_u8(&overlay->out, ',');
    }
    buf_add_u8(&overlay->out, '"');
    buf_add(&overlay->out, key->text);
    buf_add_text(&overlay->out, "\":");
    buf_add(&overlay->out, value);
}

static FALLIBLE object_add(struct overlay *overlay, struct bytes object)
{
    struct jsonread reader;
    struct json_token token;
    jsonread_init(&reader, object, MEND_DEPTH_MAX);
    TRY(jsonread_next(&reader, &token));
    for (;;) {
        bool is_new = false;
        TRY(jsonread_next(&reader, &token));
        if (token.kind != JSONREAD_KEY) {
            return OK;
        }
        size_t start = jsonread_offset(&reader);
        TRY(jsonread_skip(&reader));
        TRY(name_add(overlay, &token, &is_new));
        if (is_new) {
            member_write(overlay, &token,
                         bytes_of(object.ptr + start, jsonread_offset(&reader) - start));
        }
    }
}

static FALLIBLE merge(struct overlay *overlay, struct bytes body, struct bytes lines,
                      const char *name)
{
    struct bytes object = object_of(body, name);
    buf_add_u8(&overlay->out, '{');
    for (;;) {
        if (object.len > 0) {
            TRY(object_add(overlay, object));
        }
        if (lines.len == 0) {
            buf_add_u8(&overlay->out, '}');
            return buf_err(&overlay->out);
        }
        object = object_of(line_take(&lines), name);
    }
}

/* How many have the object, and the last of them. */
static size_t objects_count(struct bytes body, struct bytes lines, const char *name,
                            struct bytes *ret_last)
{
    *ret_last = object_of(body, name);
    size_t count = ret_last->len > 0;
    while (lines.len > 0) {
        struct bytes object = object_of(line_take(&lines), name);
        if (object.len > 0) {
            *ret_last = object;
            count++;
        }
    }
    return count;
}

FALLIBLE overlay_object(struct bytes body, struct bytes lines, const char *name,
                        struct arena *arena, struct bytes *ret_json)
{
    struct overlay overlay = {.arena = arena};
    struct bytes last;
    if (objects_count(body, lines, name, &last) < 2) {
        *ret_json = last;
        return OK;
    }
    buf_init(&overlay.out, body.len + lines.len + 16);
    buf_init(&overlay.name, body.len + lines.len + 16);
    err_t err = merge(&overlay, body, lines, name);
    if (err_is_ok(err)) {
        err = arena_copy(arena, buf_bytes(&overlay.out), ret_json);
    }
    HASH_CLEAR(hh, overlay.members);
    buf_fini(&overlay.out);
    buf_fini(&overlay.name);
    return err;
}
