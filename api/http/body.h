/* body: whether a JSON route can read a request's body at all. Thread: any. */
#ifndef CALLTRACE_API_BODY_H
#define CALLTRACE_API_BODY_H

#include "api/http/exchange.h"

/* JSON by its Content-Type, or nothing said, without Content-Encoding. False: answered with 415. */
bool body_is_readable(struct exchange *exchange);

#endif
