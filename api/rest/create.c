#include "api/api.h"
#include "api/http/body.h"
#include "api/rest/conversation.h"
#include "api/rest/intake.h"
#include "api/rest/rest.h"
#include "proto/base/check.h"
#include "proto/base/limits.h"

#include "proto/base/banned.h"

/* A create on its way: its answer is ready before the bus is asked. Only id and time may turn out to be those of
 * an earlier request that this one repeats; they have fixed places. */
struct create {
    struct exchange *exchange;
    uint8_t *answer; /* in the arena */
    size_t answer_len;
};

static const char answer_head[] = "{\"data\":{\"id\":\"";
static const char answer_created[] = "\",\"createdAt\":\"";

enum {
    ID_CHARS = UUID_TEXT_BYTES - 1,
    ID_AT = sizeof answer_head - 1,
    CREATED_AT = ID_AT + ID_CHARS + sizeof answer_created - 1,
    CREATED_CHARS = 24, /* 2026-01-02T03:04:05.678Z */
    IDEMPOTENCY_CHARS_MAX = 255,
    NS_PER_US = 1000,
};

static void answer_accepted(struct create *create, const struct bus_reply *reply)
{
    char id[UUID_TEXT_BYTES];
    char at[RFC3339_BYTES];
    uuid_to_text(reply->conversation, id);
    unix_to_rfc3339(reply->created, 3, at);
    INVARIANT(strlen(at) == CREATED_CHARS);
    memcpy(create->answer + ID_AT, id, ID_CHARS);
    memcpy(create->answer + CREATED_AT, at, CREATED_CHARS);
    exchange_bytes(create->exchange, 200, "application/json",
                   bytes_of(create->answer, create->answer_len));
}

static void answer_conflict(struct create *create, const struct bus_reply *reply)
{
    char holder[UUID_TEXT_BYTES];
    uuid_to_text(reply->conflict_holder, holder);
    const char *value = arena_text(exchange_arena(create->exchange), reply->conflict.value);
    exchange_error(create->exchange, 409, "conflict",
                   "%s %s is taken: the call or chat %s of this project has it",
                   intake_key_field(reply->conflict.kind), value == NULL ? "" : value, holder);
}

static void on_answer(void *context, err_t err, struct bytes wire)
{
    struct create *create = context;
    struct exchange *exchange = create->exchange;
    struct detail detail = {0};
    struct bus_reply reply;
    if (err_is_ok(err)) {
        err = bus_reply_unpack(wire, exchange_arena(exchange), &detail, &reply);
    }
    if (!err_is_ok(err)) {
        exchange_fail(exchange, err, &detail);
        return;
    }
    switch (reply.outcome) {
    case BUS_OUTCOME_ACCEPTED:
        answer_accepted(create, &reply);
        return;
    case BUS_OUTCOME_CONFLICT:
        answer_conflict(create, &reply);
        return;
    case BUS_OUTCOME_REJECTED:
        exchange_error(exchange, 400, "rejected", "%.*s", (int)reply.reason.len,
                       (const char *)reply.reason.ptr);
        return;
    case BUS_OUTCOME_UNAVAILABLE:
        break;
    }
    exchange_error(exchange, 503, "unavailable", "not stored now, send it again: %.*s",
                   (int)reply.reason.len, (const char *)reply.reason.ptr);
}

/* Hash of the project, what is asked and the octets given, for telling a repeated request. */
static FALLIBLE request_hash(struct uuid project, const char *what, struct bytes octets,
                             uint8_t ret_hash[16])
{
    struct buf text;
    buf_init(&text, octets.len + 64);
    buf_add(&text, bytes_of(project.b, sizeof project.b));
    buf_add_text(&text, what);
    buf_add_u8(&text, 0);
    buf_add(&text, octets);
    err_t err = buf_err(&text);
    if (err_is_ok(err)) {
        bytes_hash128(buf_bytes(&text), ret_hash);
    }
    buf_fini(&text);
    return err;
}

/* False: answered. */
static bool read_retry(struct exchange *exchange, struct bus_call *call)
{
    const struct http_request *request = exchange_http(exchange);
    const char *count = http_header(request, "X-Stainless-Retry-Count");
    const char *key = http_header(request, "Idempotency-Key");
    bool is_chat = call->kind == CONVERSATION_KIND_CHAT;
    call->is_retry = count != NULL && count[0] >= '1' && count[0] <= '9';
    err_t err =
        request_hash(call->project, is_chat ? "chat" : "call", call->body, call->request_hash);
    if (err_is_ok(err) && key != NULL && key[0] != '\0') {
        if (strlen(key) > IDEMPOTENCY_CHARS_MAX) {
            exchange_error(exchange, 400, "validation_error",
                           "the header Idempotency-Key has more than %d characters",
                           IDEMPOTENCY_CHARS_MAX);
            return false;
        }
        call->has_idempotency = true;
        err = request_hash(call->project, is_chat ? "chat key" : "call key", bytes_of_text(key),
                           call->idempotency_hash);
    }
    if (!err_is_ok(err)) {
        exchange_fail(exchange, err, &(struct detail){0});
        return false;
    }
    return true;
}

static FALLIBLE answer_make(const struct bus_call *call, struct arena *arena, struct create *create)
{
    struct conversation shown = {.project = call->project,
                                 .id = call->id,
                                 .kind = call->kind,
                                 .source = call->source,
                                 .created = call->created,
                                 .updated = call->created,
                                 .has_started = call->has_started,
                                 .started = call->started,
                                 .has_ended = call->has_ended,
                                 .ended = call->ended,
                                 .status = call->status,
                                 .direction = call->direction,
                                 .keys = call->keys,
                                 .keys_count = call->keys_count,
                                 .body = call->body};
    struct out out;
    struct bytes text;
    out_init(&out);
    out_object(&out, NULL);
    err_t err = conversation_write(&out, "data", &shown, CONVERSATION_FORM_CREATED, arena);
    out_end_object(&out);
    TRY_OUT(err);
    TRY_OUT(buf_err(&out.buf));
    text = buf_bytes(&out.buf);
    INVARIANT(text.len > CREATED_AT + CREATED_CHARS && bytes_start_with(text, answer_head) &&
              memcmp(text.ptr + ID_AT + ID_CHARS, answer_created, sizeof answer_created - 1) == 0);
    create->answer = arena_alloc(arena, text.len);
    if (create->answer == NULL) {
        err = FAIL(NO_SPACE);
        goto out;
    }
    memcpy(create->answer, text.ptr, text.len);
    create->answer_len = text.len;
out:
    out_fini(&out);
    return err;
}

static FALLIBLE send(struct exchange *exchange, const struct bus_call *call, struct create *create)
{
    struct arena *arena = exchange_arena(exchange);
    const struct bus_message message = {.id = uuid_make(), .what = BUS_WHAT_CALL, .call = *call};
    struct buf wire;
    buf_init(&wire, LIMIT_BUS_BYTES);
    err_t err = bus_message_pack(&message, arena, &wire);
    if (err_is_ok(err)) {
        err = bus_client_send(exchange_api(exchange)->bus, buf_bytes(&wire), on_answer, create);
    }
    buf_fini(&wire);
    return err;
}

static void create_send(struct exchange *exchange, struct bus_call *call)
{
    struct arena *arena = exchange_arena(exchange);
    struct create *create = arena_zero(arena, 1, sizeof *create);
    err_t err = create == NULL ? FAIL(NO_SPACE) : OK;
    if (err_is_ok(err)) {
        create->exchange = exchange;
        err = answer_make(call, arena, create);
    }
    if (err_is_ok(err)) {
        err = send(exchange, call, create);
        if (err_is_ok(err)) {
            return; /* on_answer has the exchange now */
        }
    }
    exchange_fail(exchange, err, &(struct detail){0});
}

static void call_fill(const struct intake *intake, struct bus_call *call, struct match_key *keys)
{
    memcpy(keys, intake->keys, sizeof intake->keys);
    call->keys = keys;
    call->keys_count = intake->keys_count;
    call->has_started = intake->has_started;
    call->started = intake->started;
    call->has_ended = intake->has_ended;
    call->ended = intake->ended;
    call->direction = intake->direction;
}

static void create(struct exchange *exchange, enum conversation_kind kind)
{
    struct arena *arena = exchange_arena(exchange);
    if (!body_is_readable(exchange)) {
        return;
    }
    int64_t now = clock_unix().ns;
    struct bus_call call = {.project = exchange_project(exchange),
                            .id = uuid_make(),
                            .kind = kind,
                            .source = CONVERSATION_SOURCE_API,
                            .body = http_body(exchange_http(exchange)),
                            .created = {now - now % NS_PER_US}, /* as Postgres keeps it */
                            .status = CONVERSATION_STATUS_ENDED};
    struct detail detail = {0};
    struct intake intake;
    err_t err = intake_read(kind, call.body, arena, &detail, &intake);
    if (!err_is_ok(err)) {
        bool is_ours = err_class(err) == ERR_CLASS_UNAVAILABLE || err_is(err, ERR_NO_SPACE);
        if (is_ours) {
            exchange_fail(exchange, err, &detail);
        } else {
            exchange_error(exchange, 400, "invalid_json", "the body is not the JSON of a %s: %s",
                           conversation_kind_name(kind), detail_or_text(&detail, err));
        }
        return;
    }
    if (intake.issues.count > 0) {
        exchange_json(exchange, 400, check_answer(&intake.issues, arena));
    } else if (read_retry(exchange, &call)) {
        struct match_key keys[INTAKE_KEYS_MAX];
        call_fill(&intake, &call, keys);
        create_send(exchange, &call);
    }
    intake_fini(&intake);
}

void rest_call_create(struct exchange *exchange)
{
    create(exchange, CONVERSATION_KIND_CALL);
}

void rest_chat_create(struct exchange *exchange)
{
    create(exchange, CONVERSATION_KIND_CHAT);
}
