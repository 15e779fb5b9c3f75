#include "api/http/pages.h"
#include "api/http/plain.h"
#include "api/http/route.h"
#include "api/http/sign_in.h"
#include "api/ingest/ingest.h"
#include "api/integrations/livekit/livekit.h"
#include "api/integrations/observer/observer.h"
#include "api/integrations/vapi/vapi.h"
#include "api/live/live.h"
#include "api/rest/rest.h"
#include "proto/base/limits.h"

#include "proto/base/banned.h"

static const struct route routes[] = {
#define ROUTE(method, path, fn, scope, body_bytes_max, pool) \
    {HTTP_METHOD_##method, path, fn, API_SCOPE_##scope, body_bytes_max, ROUTE_POOL_##pool},
#include "api/http/routes.def"
#undef ROUTE
};

const struct route *route_table(size_t *ret_count)
{
    *ret_count = sizeof routes / sizeof routes[0];
    return routes;
}
