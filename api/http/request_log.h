/* request_log: what is told of a request when it is over: a line of the log by the row log_requests, and a span of our own
 * when tracing is on. Thread: the listener's. */
#ifndef CALLTRACE_API_REQUEST_LOG_H
#define CALLTRACE_API_REQUEST_LOG_H

#include "api/api.h"
#include "api/http/exchange.h"

/* At the head: remembers what only the head says. */
void request_log_begin(struct exchange *exchange);

/* `exchange` may be NULL, when memory ran out; `status` 0: nothing was answered. */
void request_log_end(struct api *api, const struct exchange *exchange, struct http_request *request,
                     unsigned status);

#endif
