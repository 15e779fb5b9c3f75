/* sign_in: the pages' sessions (session.h). POST /v1/session with an API key in its headers gives the cookie, DELETE
 * takes it back. */
#ifndef CALLTRACE_API_SIGN_IN_H
#define CALLTRACE_API_SIGN_IN_H

#include "api/http/exchange.h"

exchange_fn session_open;
exchange_fn session_close;

#endif
