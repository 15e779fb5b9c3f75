/* json_body: what every route that takes JSON refuses in the same words. Thread: that of the route function. */
#ifndef CALLTRACE_REST_JSON_BODY_H
#define CALLTRACE_REST_JSON_BODY_H

#include "api/http/exchange.h"

/* JSON, or nothing said, and no Content-Encoding. False: answered with 415. */
bool json_body_is_readable(struct exchange *exchange);

/* Answers what intake_read or intake_json could not read: 400, or 503 when memory was short. `what` names what
 * the body should be: "call". */
void json_body_refuse(struct exchange *exchange, err_t err, const struct detail *detail,
                      const char *what);

#endif
