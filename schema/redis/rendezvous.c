#include "schema/redis/rendezvous.h"

#include <hiredis/hiredis.h>

#include "proto/base/clock.h"
#include "proto/base/limits.h"
#include "proto/base/mem.h"

#include "proto/base/banned.h"

extern const unsigned char rendezvous_script[];
extern const unsigned long rendezvous_script_len;

enum {
    SHA_HEX = 40,
    /* "ct:{" + a UUID's text + "|" + a kind + "|" + the value + "}" */
    KEY_BYTES_MAX = 4 + UUID_TEXT_BYTES + 12 + LIMIT_KEY_BYTES + 1,
    ANSWER_PARTS = 3,
    ARGUMENTS = 6,
};

static const char *const op_names[MEET_COUNT] = {
#define OP(name, text) [MEET_##name] = (text),
#include "schema/redis/ops.def"
#undef OP
};

struct rendezvous {
    struct rendezvous_address address;
    char *user; /* NULL: Redis' default user */
    char *password;
    struct timeval timeout;
    redisContext *context;
    char sha[SHA_HEX + 1];
    struct mono_ns not_before; /* no new connection earlier than this */
    int64_t pause_ms;
};

static struct timeval timeval_of_ms(int64_t ms)
{
    return (struct timeval){.tv_sec = ms / MS_PER_S, .tv_usec = ms % MS_PER_S * 1000};
}

/* A copy; NULL for none. */
static FALLIBLE text_keep(const char *text, char **ret_text)
{
    if (text == NULL || text[0] == '\0') {
        return OK;
    }
    *ret_text = mem_text(text);
    return *ret_text == NULL ? FAIL(MEMORY) : OK;
}

err_t rendezvous_new(const struct rendezvous_options *options, struct rendezvous **ret_rendezvous)
{
    struct rendezvous *rendezvous = mem_zero(1, sizeof *rendezvous);
    if (rendezvous == NULL) {
        return FAIL(MEMORY);
    }
    rendezvous->address = options->address;
    rendezvous->timeout = timeval_of_ms(options->timeout_ms);
    rendezvous->pause_ms = RENDEZVOUS_PAUSE_MIN_MS;
    err_t err = text_keep(options->user, &rendezvous->user);
    if (err_is_ok(err)) {
        err = text_keep(options->password, &rendezvous->password);
    }
    if (err_is_ok(err)) {
        *ret_rendezvous = rendezvous;
    } else {
        rendezvous_free(rendezvous);
    }
    return err;
}

static void disconnect(struct rendezvous *rendezvous)
{
    if (rendezvous->context != NULL) {
        redisFree(rendezvous->context);
        rendezvous->context = NULL;
    }
}

void rendezvous_free(struct rendezvous *rendezvous)
{
    if (rendezvous != NULL) {
        disconnect(rendezvous);
        mem_free(rendezvous->user);
        mem_free(rendezvous->password);
        mem_free(rendezvous);
    }
}

bool rendezvous_is_connected(const struct rendezvous *rendezvous)
{
    return rendezvous->context != NULL;
}

/* Closes, and doubles the pause before the next connection. */
static FALLIBLE away(struct rendezvous *rendezvous, const char *why, struct detail *detail)
{
    detail_set(detail, "Redis: %s", why);
    disconnect(rendezvous);
    rendezvous->not_before = mono_after_ms(clock_mono(), rendezvous->pause_ms);
    rendezvous->pause_ms *= 2;
    if (rendezvous->pause_ms > RENDEZVOUS_PAUSE_MAX_MS) {
        rendezvous->pause_ms = RENDEZVOUS_PAUSE_MAX_MS;
    }
    return FAIL(REDIS_AWAY);
}

/* --- connecting ------------------------------------------------------------------------------------- */

static FALLIBLE load_script(struct rendezvous *rendezvous, struct detail *detail)
{
    const char *arguments[] = {"SCRIPT", "LOAD", (const char *)rendezvous_script};
    const size_t lengths[] = {6, 4, rendezvous_script_len};
    redisReply *reply = redisCommandArgv(rendezvous->context, 3, arguments, lengths);
    if (reply == NULL) {
        return away(rendezvous, rendezvous->context->errstr, detail);
    }
    err_t err = OK;
    if (reply->type != REDIS_REPLY_STRING || reply->len != SHA_HEX) {
        err =
            away(rendezvous, reply->type == REDIS_REPLY_ERROR ? reply->str : "SCRIPT LOAD", detail);
    } else {
        memcpy(rendezvous->sha, reply->str, SHA_HEX + 1);
    }
    freeReplyObject(reply);
    return err;
}

static FALLIBLE authenticate(struct rendezvous *rendezvous, struct detail *detail)
{
    if (rendezvous->password == NULL) {
        return OK;
    }
    /* Without a user's name the form that every Redis knows. */
    redisReply *reply = rendezvous->user == NULL
                            ? redisCommand(rendezvous->context, "AUTH %s", rendezvous->password)
                            : redisCommand(rendezvous->context, "AUTH %s %s", rendezvous->user,
                                           rendezvous->password);
    if (reply == NULL) {
        return away(rendezvous, rendezvous->context->errstr, detail);
    }
    bool is_refused = reply->type == REDIS_REPLY_ERROR;
    freeReplyObject(reply);
    return is_refused ? away(rendezvous, "user or password are refused", detail) : OK;
}

static FALLIBLE connect_now(struct rendezvous *rendezvous, struct detail *detail)
{
    const struct rendezvous_address *address = &rendezvous->address;
    if (address->is_none) {
        detail_set(detail, "Redis: none is configured");
        return FAIL(REDIS_AWAY);
    }
    if (clock_mono().ns < rendezvous->not_before.ns) {
        detail_set(detail, "Redis: it was away a moment ago");
        return FAIL(REDIS_AWAY);
    }
    rendezvous->context =
        address->is_unix
            ? redisConnectUnixWithTimeout(address->host, rendezvous->timeout)
            : redisConnectWithTimeout(address->host, address->port, rendezvous->timeout);
    if (rendezvous->context == NULL) {
        return away(rendezvous, "out of memory", detail);
    }
    if (rendezvous->context->err != 0) {
        struct detail why = {.text = ""};
        detail_set(&why, "%s", rendezvous->context->errstr);
        return away(rendezvous, why.text, detail);
    }
    if (redisSetTimeout(rendezvous->context, rendezvous->timeout) != REDIS_OK) {
        return away(rendezvous, "setting a timeout failed", detail);
    }
    TRY(authenticate(rendezvous, detail));
    TRY(load_script(rendezvous, detail));
    rendezvous->pause_ms = RENDEZVOUS_PAUSE_MIN_MS;
    return OK;
}

/* --- a turn ----------------------------------------------------------------------------------------- */

static size_t put(uint8_t *out, size_t at, struct bytes data)
{
    memcpy(out + at, data.ptr, data.len);
    return at + data.len;
}

static size_t key_write(const struct meet *meet, uint8_t out[KEY_BYTES_MAX])
{
    char project[UUID_TEXT_BYTES];
    uuid_to_text(meet->project, project);
    size_t at = put(out, 0, bytes_of_text("ct:{"));
    at = put(out, at, bytes_of_text(project));
    at = put(out, at, bytes_of_text("|"));
    at = put(out, at, bytes_of_text(match_kind_name((unsigned)meet->key.kind)));
    at = put(out, at, bytes_of_text("|"));
    at = put(out, at, meet->key.value);
    return put(out, at, bytes_of_text("}"));
}

static bool send_one(struct rendezvous *rendezvous, const struct meet *meet)
{
    uint8_t key[KEY_BYTES_MAX];
    size_t key_len = key_write(meet, key);
    const char *op = op_names[meet->op];
    const char *arguments[ARGUMENTS] = {"EVALSHA", rendezvous->sha,       "1", (const char *)key,
                                        op,        (const char *)meet->id};
    const size_t lengths[ARGUMENTS] = {7, SHA_HEX, 1, key_len, strlen(op), sizeof meet->id};
    return redisAppendCommandArgv(rendezvous->context, ARGUMENTS, arguments, lengths) == REDIS_OK;
}

static FALLIBLE read_answer(const redisReply *reply, struct arena *arena, struct meet *meet)
{
    const redisReply *claim = reply->element[0];
    const redisReply *flag = reply->element[1];
    const redisReply *waiting = reply->element[2];
    meet->has_claim = claim->len == sizeof meet->claim.b;
    if (meet->has_claim) {
        memcpy(meet->claim.b, claim->str, sizeof meet->claim.b);
    }
    meet->is_flagged = flag->len > 0;
    size_t count = (size_t)waiting->len / sizeof(struct trace_id);
    struct trace_id *ids = arena_zero(arena, count, sizeof *ids);
    if (ids == NULL) {
        return FAIL(NO_SPACE);
    }
    memcpy(ids, waiting->str, count * sizeof *ids);
    meet->waiting = ids;
    meet->waiting_count = count;
    return OK;
}

static bool is_answer(const redisReply *reply)
{
    if (reply->type != REDIS_REPLY_ARRAY || reply->elements != ANSWER_PARTS) {
        return false;
    }
    for (size_t i = 0; i < ANSWER_PARTS; i++) {
        if (reply->element[i]->type != REDIS_REPLY_STRING) {
            return false;
        }
    }
    return true;
}

/* Reads every answer, so that the connection stays in step. `*ret_is_unknown` is true when Redis has lost
 * the script (it was flushed or restarted). */
static FALLIBLE read_answers(struct rendezvous *rendezvous, struct meet *meets, size_t count,
                             struct arena *arena, struct detail *detail, bool *ret_is_unknown)
{
    struct detail refused = {.text = ""};
    err_t err = OK;
    *ret_is_unknown = false;
    for (size_t i = 0; i < count; i++) {
        void *got = NULL;
        if (redisGetReply(rendezvous->context, &got) != REDIS_OK || got == NULL) {
            detail_set(&refused, "%s", rendezvous->context->errstr);
            return away(rendezvous, refused.text, detail);
        }
        redisReply *reply = got;
        if (is_answer(reply)) {
            err = err_is_ok(err) ? read_answer(reply, arena, &meets[i]) : err;
        } else if (reply->type == REDIS_REPLY_ERROR &&
                   bytes_start_with(bytes_of(reply->str, (size_t)reply->len), "NOSCRIPT")) {
            *ret_is_unknown = true;
        } else if (refused.text[0] == '\0') {
            detail_set(&refused, "%s",
                       reply->type == REDIS_REPLY_ERROR ? reply->str : "an unexpected answer");
        }
        freeReplyObject(reply);
    }
    return refused.text[0] != '\0' ? away(rendezvous, refused.text, detail) : err;
}

static FALLIBLE turn_once(struct rendezvous *rendezvous, struct meet *meets, size_t count,
                          struct arena *arena, struct detail *detail, bool *ret_is_unknown)
{
    for (size_t i = 0; i < count; i++) {
        if (!send_one(rendezvous, &meets[i])) {
            return away(rendezvous, "out of memory", detail);
        }
    }
    return read_answers(rendezvous, meets, count, arena, detail, ret_is_unknown);
}

err_t rendezvous_turn(struct rendezvous *rendezvous, struct meet *meets, size_t count,
                      struct arena *arena, struct detail *detail)
{
    if (count == 0) {
        return OK;
    }
    if (rendezvous->context == NULL) {
        TRY(connect_now(rendezvous, detail));
    }
    bool is_unknown = false;
    TRY(turn_once(rendezvous, meets, count, arena, detail, &is_unknown));
    if (is_unknown) {
        TRY(load_script(rendezvous, detail));
        TRY(turn_once(rendezvous, meets, count, arena, detail, &is_unknown));
    }
    return is_unknown ? away(rendezvous, "it forgets the script", detail) : OK;
}
