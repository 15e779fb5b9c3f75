/* ingest: POST /v1/traces (and /v1/otel/v1/traces): an OTLP export -> segments and facts on the bus -> the
 * answer when the correlator has committed.
 *
 * Also the shape of every refusal on OTLP paths: a google.rpc.Status in the request's encoding, whoever
 * refuses. Thread: any; a worker thread keeps a reusable context of its own. */
#ifndef CALLTRACE_API_INGEST_H
#define CALLTRACE_API_INGEST_H

#include "api/http/exchange.h"

/* Route functions (pool WORK). Traces: body limit LIMIT_BODY_BYTES, scope ingest. */
void ingest_traces(struct exchange *exchange);

/* /v1/logs, /v1/metrics and the same under /v1/otel: 404 with a sentence. Body limit LIMIT_BODY_BYTES. */
void ingest_other_signal(struct exchange *exchange);

/* Whether refusals on this path are a Status: /v1/traces, /v1/logs, /v1/metrics, also under /v1/otel. */
bool ingest_is_otlp_path(const char *path);

/* Fills an answer with a Status in the encoding that the request's Content-Type asks for (JSON when that is
 * neither of OTLP's two). `sentence` is copied into the request's arena. 503 gets Retry-After: 1, 405
 * Allow: POST, 401 WWW-Authenticate. For on_refuse, authentication failures and methods on OTLP paths. */
void ingest_status_answer(struct http_request *request, unsigned status, const char *sentence,
                          struct http_answer *ret_answer);

#endif
