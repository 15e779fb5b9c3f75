#include "api/integrations/observer/observer.h"

#include <stdio.h>

#include "api/integrations/event.h"
#include "api/integrations/observer/read.h"
#include "api/metric.h"
#include "api/rest/json_body.h"
#include "proto/base/log.h"
#include "proto/http/context.h"

#include "proto/base/banned.h"

static const char *observer_name(enum observer observer)
{
    return observer == OBSERVER_LIVEKIT ? "livekit-sdk" : "pipecat";
}

/* Nobody sends a refused event again: its author should find the reason. Values stand in no issue. */
static void log_refused(const char *request, enum observer observer, const char *reason)
{
    static struct log_limit limit;
    uint64_t left_out = 0;
    metric_add(API_METRIC_OBSERVER_REFUSED, 1);
    if (log_limit_pass(&limit, &left_out)) {
        log_warn("observer_event_refused", "request=%s observer=%s left_out=%llu reason=%s",
                 request, observer_name(observer), (unsigned long long)left_out, reason);
    }
}

static void answer_call(struct exchange *exchange, const struct bus_reply *replies, void *context)
{
    char id[UUID_TEXT_BYTES];
    (void)context;
    uuid_to_text(replies[0].conversation, id);
    exchange_json(exchange, 200, json_pack("{s:{s:s}}", "data", "callId", id));
}

static void event_forward(struct exchange *exchange, enum observer observer,
                          struct observer_event *event)
{
    struct bus_message message = {.id = uuid_make(),
                                  .what = BUS_WHAT_EVENT,
                                  .event = {.project = exchange_project(exchange),
                                            .id = uuid_make(),
                                            .source = observer == OBSERVER_LIVEKIT
                                                          ? CONVERSATION_SOURCE_LIVEKIT_SDK
                                                          : CONVERSATION_SOURCE_PIPECAT,
                                            .keys = event->keys,
                                            .keys_count = event->keys_count,
                                            .parts = &event->part,
                                            .parts_count = 1,
                                            .received = clock_unix()}};
    metric_add(event->what == OBSERVER_STARTED ? API_METRIC_OBSERVER_STARTED
                                               : API_METRIC_OBSERVER_ENDED,
               1);
    event_send(exchange, &message, 1, answer_call, NULL);
}

static void event(struct exchange *exchange, enum observer observer)
{
    struct arena *arena = exchange_arena(exchange);
    struct detail detail = {{0}};
    struct observer_event event;
    char request[CONTEXT_ID_CHARS_MAX +
                 1]; /* the exchange may be answered before the line is written */
    (void)snprintf(request, sizeof request, "%s", http_id(exchange_http(exchange)));
    if (!json_body_is_readable(exchange)) {
        log_refused(request, observer, "no JSON by its headers");
        return;
    }
    err_t err = observer_read(observer, http_body(exchange_http(exchange)), arena, &detail, &event);
    if (!err_is_ok(err)) {
        log_refused(request, observer, err_name(err));
        json_body_refuse(exchange, err, &detail, "call event");
        return;
    }
    if (event.issues.count > 0) {
        log_refused(request, observer, event.issues.list[0].message);
        exchange_json(exchange, 400, check_answer(&event.issues, arena));
    } else if (event.what == OBSERVER_UNKNOWN) {
        metric_add(API_METRIC_OBSERVER_UNKNOWN, 1);
        event_done_empty(exchange, NULL, NULL);
    } else {
        event_forward(exchange, observer, &event);
    }
    observer_event_fini(&event);
}

void observer_livekit(struct exchange *exchange)
{
    event(exchange, OBSERVER_LIVEKIT);
}

void observer_pipecat(struct exchange *exchange)
{
    event(exchange, OBSERVER_PIPECAT);
}
