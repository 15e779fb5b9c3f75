/* GET, POST /v1/keys, DELETE /v1/keys/{keyId} and POST /v1/keys/{keyId}/rotate: the project's API keys; GET
 * /v1/refusal, what one of them was refused. */
#include <math.h>
#include <stdio.h>

#include "api/api.h"
#include "api/http/key_text.h"
#include "api/http/scope.h"
#include "api/integrations/event.h"
#include "api/rest/intake.h"
#include "api/rest/page.h"
#include "api/rest/query.h"
#include "api/rest/rest.h"

#include "proto/base/banned.h"

/* --- the list ----------------------------------------------------------------------------------------- */

static void scopes_write(struct out *out, unsigned scopes)
{
    size_t count = 0;
    const struct scope_row *rows = scope_rows(&count);
    out_array(out, "scopes");
    for (size_t i = 0; i < count; i++) {
        if ((scopes & rows[i].bit) != 0) {
            out_word(out, NULL, rows[i].name);
        }
    }
    out_end_array(out);
}

static void time_of_row(struct out *out, const char *name, const struct db_rows *rows, int column)
{
    if (db_is_null(rows, column)) {
        out_null(out, name);
    } else {
        out_time(out, name, db_get_time(rows, column), 3);
    }
}

static void key_write(struct out *out, const struct db_rows *rows, struct uuid own)
{
    struct uuid id = db_get_uuid(rows, 0);
    out_object(out, NULL);
    out_uuid(out, "id", id);
    out_text(out, "name", db_get_bytes(rows, 1));
    out_text(out, "hint", db_get_bytes(rows, 2));
    scopes_write(out, (unsigned)db_get_int(rows, 3));
    time_of_row(out, "createdAt", rows, 4);
    time_of_row(out, "lastUsedAt", rows, 5);
    time_of_row(out, "revokedAt", rows, 6);
    out_bool(out, "isOwn", uuid_equal(id, own));
    out_end_object(out);
}

void rest_key_list(struct exchange *exchange)
{
    struct db_rows *rows = NULL;
    struct uuid project = exchange_project(exchange);
    struct db_value value = db_uuid(&project);
    if (!query_read(exchange, NULL, 0, NULL) ||
        !page_run(exchange, STMT_KEY_LIST, &value, 1, &rows)) {
        return;
    }
    struct out out;
    page_begin(&out);
    while (db_next(rows)) {
        key_write(&out, rows, exchange_key(exchange));
    }
    page_end(&out, (int64_t)db_rows_count(rows), 0, NULL);
    out_answer(&out, exchange);
    db_rows_free(rows);
}

void rest_refusal(struct exchange *exchange)
{
    struct db_rows *rows = NULL;
    struct uuid project = exchange_project(exchange);
    struct db_value value = db_uuid(&project);
    if (!query_read(exchange, NULL, 0, NULL) ||
        !page_run(exchange, STMT_REFUSAL_GET, &value, 1, &rows)) {
        return;
    }
    struct out out;
    out_init(&out);
    out_object(&out, NULL);
    if (db_next(rows)) {
        out_object(&out, "data");
        out_time(&out, "at", db_get_time(rows, 0), 3);
        out_int(&out, "status", db_get_int(rows, 1));
        out_text(&out, "path", db_get_bytes(rows, 2));
        out_text(&out, "message", db_get_bytes(rows, 3));
        out_uuid(&out, "keyId", db_get_uuid(rows, 4));
        out_end_object(&out);
    } else {
        out_null(&out, "data");
    }
    out_end_object(&out);
    out_answer(&out, exchange);
    db_rows_free(rows);
}

/* --- a new key ---------------------------------------------------------------------------------------- */

struct making {
    struct bytes name; /* of the arena */
    unsigned scopes;
    char text[KEY_TEXT_BYTES]; /* shown once, with the answer */
};

static void bad(struct exchange *exchange, const char *sentence)
{
    exchange_error(exchange, 400, "validation_error", "%s", sentence);
}

/* False: answered. */
static bool scopes_read(struct exchange *exchange, const json_t *list, unsigned *ret_scopes)
{
    size_t index = 0;
    const json_t *one = NULL;
    unsigned scopes = 0;
    if (!json_is_array(list) || json_array_size(list) == 0) {
        bad(exchange, "scopes must be a list of at least one of ingest, read, write, manage");
        return false;
    }
    json_array_foreach(list, index, one)
    {
        unsigned bit = scope_of_name(bytes_of(json_string_value(one), json_string_length(one)));
        if (bit == 0) {
            bad(exchange, "scopes may hold ingest, read, write and manage, nothing else");
            return false;
        }
        scopes |= bit;
    }
    *ret_scopes = scopes;
    return true;
}

static bool making_read(struct exchange *exchange, struct making *making)
{
    struct bytes body = http_body(exchange_http(exchange));
    struct detail detail = {0};
    json_t *json = NULL;
    err_t err = intake_json(body, &detail, &json);
    if (!err_is_ok(err)) {
        exchange_error(exchange, 400, "invalid_json", "the body is not JSON: %s",
                       detail_or_text(&detail, err));
        return false;
    }
    const json_t *name = json_object_get(json, "name");
    struct bytes text = bytes_of(json_string_value(name), json_string_length(name));
    bool is_good = false;
    if (!json_is_object(json)) {
        bad(exchange, "the body must be a JSON object with name and scopes");
    } else if (!json_is_string(name) || !key_name_is_good(text)) {
        bad(exchange, "name must be 1 to 255 characters without control characters");
    } else {
        is_good = scopes_read(exchange, json_object_get(json, "scopes"), &making->scopes);
    }
    if (is_good && !err_is_ok(arena_copy(exchange_arena(exchange), text, &making->name))) {
        exchange_fail(exchange, FAIL(NO_SPACE), &(struct detail){0});
        is_good = false;
    }
    json_decref(json);
    return is_good;
}

static void made_answer(struct exchange *exchange, const struct bus_reply *replies, void *context)
{
    const struct making *making = context;
    struct out out;
    out_init(&out);
    out_object(&out, NULL);
    out_object(&out, "data");
    out_uuid(&out, "id", replies[0].conversation);
    out_text(&out, "name", making->name);
    out_text(&out, "hint", bytes_of(making->text, KEY_HINT_CHARS));
    scopes_write(&out, making->scopes);
    out_time(&out, "createdAt", replies[0].created, 3);
    out_word(&out, "key", making->text);
    out_end_object(&out);
    out_end_object(&out);
    out_answer(&out, exchange);
}

static FALLIBLE making_send(struct exchange *exchange, struct making *making)
{
    struct key_hash hash;
    struct bus_message message = {.id = uuid_make(),
                                  .what = BUS_WHAT_KEY_CHANGE,
                                  .key_change = {.project = exchange_project(exchange),
                                                 .key = uuid_make(),
                                                 .by = exchange_key(exchange),
                                                 .at = clock_unix(),
                                                 .name = making->name,
                                                 .scopes = making->scopes}};
    TRY(key_text_make(making->text));
    TRY(key_text_hash(bytes_of_text(making->text), &hash));
    message.key_change.hint = bytes_of(making->text, KEY_HINT_CHARS);
    memcpy(message.key_change.hash, hash.b, sizeof hash.b);
    event_send(exchange, &message, 1, made_answer, making);
    return OK;
}

void rest_key_create(struct exchange *exchange)
{
    struct making *making = arena_zero(exchange_arena(exchange), 1, sizeof *making);
    if (making == NULL) {
        exchange_fail(exchange, FAIL(NO_SPACE), &(struct detail){0});
        return;
    }
    if (making_read(exchange, making)) {
        err_t err = making_send(exchange, making);
        if (!err_is_ok(err)) {
            exchange_fail(exchange, err, &(struct detail){0});
        }
    }
}

/* --- a new one for an old one --------------------------------------------------------------------------- */

struct rotation {
    struct uuid old;
    struct unix_ns ends;
    char text[KEY_TEXT_BYTES];
};

/* {"graceSeconds": n}; no body, and none of it, is the default. False: answered. */
static bool grace_read(struct exchange *exchange, int64_t *ret_grace_s)
{
    struct bytes body = http_body(exchange_http(exchange));
    struct detail detail = {0};
    json_t *json = NULL;
    *ret_grace_s = KEY_GRACE_S;
    if (body.len == 0) {
        return true;
    }
    err_t err = intake_json(body, &detail, &json);
    if (!err_is_ok(err)) {
        exchange_error(exchange, 400, "invalid_json", "the body is not JSON: %s",
                       detail_or_text(&detail, err));
        return false;
    }
    const json_t *grace = json_object_get(json, "graceSeconds");
    bool is_good = json_is_object(json);
    if (is_good && grace != NULL) {
        double grace_s = json_number_value(grace); /* 60.0 is a whole number too */
        is_good = json_is_number(grace) && grace_s >= 0 && grace_s <= KEY_GRACE_S_MAX &&
                  floor(grace_s) == grace_s;
        *ret_grace_s = is_good ? (int64_t)grace_s : KEY_GRACE_S;
    }
    json_decref(json);
    if (!is_good) {
        bad(exchange, "graceSeconds must be a whole number from 0 to 2592000 in a JSON object");
    }
    return is_good;
}

static void rotated_answer(struct exchange *exchange, const struct bus_reply *replies,
                           void *context)
{
    const struct rotation *rotation = context;
    struct out out;
    if (uuid_equal(replies[0].conversation, (struct uuid){{0}})) {
        exchange_error(exchange, 404, "not_found", "there is no such key that is not revoked yet");
        return;
    }
    out_init(&out);
    out_object(&out, NULL);
    out_object(&out, "data");
    out_uuid(&out, "id", replies[0].conversation);
    out_text(&out, "hint", bytes_of(rotation->text, KEY_HINT_CHARS));
    out_time(&out, "createdAt", replies[0].created, 3);
    out_uuid(&out, "replaces", rotation->old);
    out_time(&out, "replacedUntil", rotation->ends, 3);
    out_word(&out, "key", rotation->text);
    out_end_object(&out);
    out_end_object(&out);
    out_answer(&out, exchange);
}

static FALLIBLE rotation_send(struct exchange *exchange, struct rotation *rotation, int64_t grace_s)
{
    struct key_hash hash;
    struct unix_ns now = clock_unix();
    rotation->ends = (struct unix_ns){now.ns + grace_s * NS_PER_S};
    struct bus_message message = {.id = uuid_make(),
                                  .what = BUS_WHAT_KEY_CHANGE,
                                  .key_change = {.project = exchange_project(exchange),
                                                 .key = uuid_make(),
                                                 .by = exchange_key(exchange),
                                                 .at = now,
                                                 .is_rotated = true,
                                                 .replaces = rotation->old,
                                                 .ends = rotation->ends}};
    TRY(key_text_make(rotation->text));
    TRY(key_text_hash(bytes_of_text(rotation->text), &hash));
    message.key_change.hint = bytes_of(rotation->text, KEY_HINT_CHARS);
    memcpy(message.key_change.hash, hash.b, sizeof hash.b);
    event_send(exchange, &message, 1, rotated_answer, rotation);
    return OK;
}

void rest_key_rotate(struct exchange *exchange)
{
    int64_t grace_s = 0;
    struct rotation *rotation = arena_zero(exchange_arena(exchange), 1, sizeof *rotation);
    if (rotation == NULL) {
        exchange_fail(exchange, FAIL(NO_SPACE), &(struct detail){0});
        return;
    }
    if (!uuid_from_text(bytes_of_text(exchange_path_part(exchange, 0)), &rotation->old)) {
        exchange_error(exchange, 404, "not_found", "there is no such key");
        return;
    }
    if (grace_read(exchange, &grace_s)) {
        err_t err = rotation_send(exchange, rotation, grace_s);
        if (!err_is_ok(err)) {
            exchange_fail(exchange, err, &(struct detail){0});
        }
    }
}

/* --- the end of one ----------------------------------------------------------------------------------- */

static void revoked_answer(struct exchange *exchange, const struct bus_reply *replies,
                           void *context)
{
    if (uuid_equal(replies[0].conversation, (struct uuid){{0}})) {
        exchange_error(exchange, 404, "not_found", "there is no such key that is not revoked yet");
    } else {
        event_done_empty(exchange, replies, context);
    }
}

void rest_key_revoke(struct exchange *exchange)
{
    struct bus_message message = {.id = uuid_make(),
                                  .what = BUS_WHAT_KEY_CHANGE,
                                  .key_change = {.project = exchange_project(exchange),
                                                 .by = exchange_key(exchange),
                                                 .at = clock_unix(),
                                                 .is_revoked = true}};
    if (!uuid_from_text(bytes_of_text(exchange_path_part(exchange, 0)), &message.key_change.key)) {
        exchange_error(exchange, 404, "not_found", "there is no such key");
        return;
    }
    event_send(exchange, &message, 1, revoked_answer, NULL);
}
