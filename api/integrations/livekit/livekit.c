#include "api/integrations/livekit/livekit.h"

#include "api/api.h"
#include "api/integrations/event.h"
#include "api/integrations/livekit/keys.h"
#include "api/integrations/livekit/token.h"
#include "api/integrations/livekit/webhook.h"
#include "api/metric.h"
#include "proto/base/check.h"
#include "proto/base/log.h"

#include "proto/base/banned.h"

enum { ISSUER_SHOWN_MAX = 64 };

/* One webhook on its way; it lives in the arena of its request. */
struct reception {
    struct exchange *exchange;
    struct livekit_token token;
    struct uuid projects[LIVEKIT_KEY_PROJECTS_MAX]; /* whose secret verifies */
    size_t projects_count;
};

static void refuse(struct reception *reception, enum api_metric outcome, unsigned status,
                   const char *code, const char *sentence)
{
    static struct log_limit limit;
    uint64_t left_out = 0;
    const char *issuer = reception->token.issuer == NULL ? "" : reception->token.issuer;
    metric_add(outcome, 1);
    if (log_limit_pass(&limit, &left_out)) {
        log_warn("livekit_refused", "request=%s status=%u left_out=%llu api_key=%.*s reason=%s",
                 http_id(exchange_http(reception->exchange)), status, (unsigned long long)left_out,
                 ISSUER_SHOWN_MAX, issuer, status == 400 ? "the body is no JSON" : sentence);
    }
    exchange_error(reception->exchange, status, code, "%s", sentence);
}

static void refuse_unsigned(struct reception *reception, const char *sentence)
{
    refuse(reception, API_METRIC_LIVEKIT_REFUSED, 401, "unauthorized", sentence);
}

static void refuse_now(struct reception *reception, const char *sentence)
{
    refuse(reception, API_METRIC_LIVEKIT_UNAVAILABLE, 503, "unavailable", sentence);
}

/* --- a signed event --------------------------------------------------------------------------------- */

static void on_stored(struct exchange *exchange, const struct bus_reply *replies, void *context)
{
    metric_add(API_METRIC_LIVEKIT_ACCEPTED, 1);
    event_done_empty(exchange, replies, context);
}

static void send(struct reception *reception, struct livekit_webhook *webhook)
{
    struct exchange *exchange = reception->exchange;
    struct unix_ns now = clock_unix();
    size_t count = reception->projects_count;
    struct bus_message *messages = arena_zero(exchange_arena(exchange), count, sizeof *messages);
    if (messages == NULL) {
        exchange_fail(exchange, FAIL(NO_SPACE), &(struct detail){0});
        return;
    }
    for (size_t i = 0; i < count; i++) {
        messages[i] = (struct bus_message){
            .id = uuid_make(),
            .what = BUS_WHAT_EVENT,
            .event = {.project = reception->projects[i],
                      .id = uuid_make(),
                      .source = CONVERSATION_SOURCE_LIVEKIT,
                      .keys = &webhook->key,
                      .keys_count = 1,
                      .parts = webhook->parts,
                      .parts_count = webhook->parts_count,
                      .received = now,
                      .is_skipped = webhook->is_skipped},
        };
    }
    event_send(exchange, messages, count, on_stored, NULL);
}

static void take(struct reception *reception)
{
    struct exchange *exchange = reception->exchange;
    struct detail detail = {0};
    struct livekit_webhook webhook;
    err_t err = livekit_webhook_read(http_body(exchange_http(exchange)), exchange_arena(exchange),
                                     &detail, &webhook);
    if (!err_is_ok(err) && err_class(err) == ERR_CLASS_UNAVAILABLE) {
        refuse_now(reception, detail_or_text(&detail, err));
    } else if (!err_is_ok(err)) {
        detail_prefix(&detail, "the body is no webhook");
        refuse(reception, API_METRIC_LIVEKIT_MALFORMED, 400, "bad_request",
               detail_or_text(&detail, err));
    } else if (webhook.is_ignored) {
        metric_add(API_METRIC_LIVEKIT_IGNORED, 1);
        event_done_empty(exchange, NULL, NULL);
    } else {
        send(reception, &webhook);
    }
}

/* --- who signed it ---------------------------------------------------------------------------------- */

/* What the secrets say of the signature; `why` when there is no project that it verifies for. */
struct verdict {
    bool is_known;   /* some project has this API key */
    bool is_certain; /* and every one's secret could be had */
    struct detail why;
};

static void judge(struct reception *reception, const struct livekit_key_set *set,
                  struct verdict *ret_verdict)
{
    struct bytes body = http_body(exchange_http(reception->exchange));
    struct unix_ns now = clock_unix();
    *ret_verdict = (struct verdict){.is_known = livekit_key_set_count(set) > 0, .is_certain = true};
    PRE(livekit_key_set_count(set) <= LIVEKIT_KEY_PROJECTS_MAX); /* the statement has that limit */
    for (size_t i = 0; i < livekit_key_set_count(set); i++) {
        const struct livekit_key *key = livekit_key_set_at(set, i);
        if (key->secret.len == 0) {
            ret_verdict->is_certain = false;
            continue;
        }
        err_t err = livekit_token_check(&reception->token, secret_bytes(&key->secret), body, now,
                                        &ret_verdict->why);
        if (err_is_ok(err)) {
            reception->projects[reception->projects_count++] = key->project;
        } else if (!err_is(err, ERR_BAD_KEY)) {
            ret_verdict->is_certain = false; /* no memory: that proves nothing */
        }
    }
}

/* Ends the exchange in every way. */
static void judge_and_take(struct reception *reception, struct livekit_key_set *set)
{
    struct verdict verdict;
    judge(reception, set, &verdict);
    livekit_keys_release(exchange_api(reception->exchange)->livekit_keys, set);
    if (reception->projects_count > 0) {
        take(reception);
    } else if (!verdict.is_certain) {
        refuse_now(reception, "the API key's secret cannot be had now, send again");
    } else if (!verdict.is_known) {
        refuse_unsigned(reception, "no project here knows the API key that signed this");
    } else {
        refuse_unsigned(reception, verdict.why.text);
    }
}

static void ask(struct pool_thread *thread, void *context)
{
    static struct log_limit limit;
    struct reception *reception = context;
    struct api *api = exchange_api(reception->exchange);
    struct livekit_key_set *set = NULL;
    struct detail detail = {0};
    struct db *db = NULL;
    uint64_t left_out = 0;
    struct mono_ns now = clock_mono(); /* before the question: what changes after it counts */
    err_t err = OK;
    if (!livekit_keys_find(api->livekit_keys, reception->token.issuer, now, &set)) {
        err = pool_db(thread, &detail, &db);
        if (err_is_ok(err)) {
            err = livekit_keys_ask(api->livekit_keys, db, &api->secrets_key,
                                   reception->token.issuer, now, &detail, &set);
        }
    }
    if (err_is_ok(err)) {
        judge_and_take(reception, set);
        return;
    }
    if (log_limit_pass(&limit, &left_out)) {
        log_warn("livekit_lookup_failed", "request=%s error=%s left_out=%llu detail=%s",
                 http_id(exchange_http(reception->exchange)), err_name(err),
                 (unsigned long long)left_out, detail_or_text(&detail, err));
    }
    refuse_now(reception, "the API key cannot be looked up now, send again");
}

void livekit_receive(struct exchange *exchange)
{
    struct api *api = exchange_api(exchange);
    struct arena *arena = exchange_arena(exchange);
    struct reception *reception = arena_zero(arena, 1, sizeof *reception);
    struct livekit_key_set *set = NULL;
    struct detail detail = {0};
    if (reception == NULL) {
        exchange_fail(exchange, FAIL(NO_SPACE), &detail);
        return;
    }
    reception->exchange = exchange;
    err_t err = livekit_token_read(http_header(exchange_http(exchange), "authorization"), arena,
                                   &detail, &reception->token);
    if (err_is(err, ERR_BAD_KEY)) {
        refuse_unsigned(reception, detail_or_text(&detail, err));
    } else if (!err_is_ok(err)) {
        refuse_now(reception, detail_or_text(&detail, err));
    } else if (livekit_keys_find(api->livekit_keys, reception->token.issuer, clock_mono(), &set)) {
        judge_and_take(reception, set);
    } else if (!pool_put(api->auth, ask, reception)) {
        refuse_now(reception, "too many requests are waiting, send again");
    }
}
