/* plain: the small routes: /health, /v1/me, /v1/projects, /openapi.yaml. */
#ifndef CALLTRACE_API_PLAIN_H
#define CALLTRACE_API_PLAIN_H

#include "api/http/exchange.h"

void plain_health(struct exchange *exchange);
void plain_me(struct exchange *exchange);
void plain_projects(struct exchange *exchange);
void plain_openapi(struct exchange *exchange);

#endif
