/* refuse: the one shape of every refusal: {"code", "message"} as JSON, and on OTLP paths a google.rpc.Status in
 * the request's encoding (api/ingest/ingest.h). Thread: any; everything lives in the request's arena. */
#ifndef CALLTRACE_API_REFUSE_H
#define CALLTRACE_API_REFUSE_H

#include "proto/http/http.h"

/* The code that goes with a status when nothing more is known: 404 "not_found", 503 "unavailable". */
const char *refuse_code(unsigned status);

/* Is it told by a Status, because an exporter asks? */
bool refuse_is_to_exporter(struct http_request *request);

/* Fills the answer. 503 carries Retry-After: 1, 409 x-should-retry: false, 401 WWW-Authenticate. `allow` may be
 * NULL. Borrows nothing: texts are copied. */
void refuse_fill(struct http_request *request, unsigned status, const char *code,
                 const char *message, const char *allow, struct http_answer *ret_answer);

#endif
