#include "api/http/plain.h"

#include "api/api.h"

#include "proto/base/banned.h"

/* What a load balancer and the SDK's health call ask. Without Postgres neither reads nor exports work;
 * without a correlator reads still do. */
void plain_health(struct exchange *exchange)
{
    struct api *api = exchange_api(exchange);
    bool has_db = atomic_load(&api->is_db_up);
    bool has_correlator = bus_client_peers(api->bus) > 0;
    char now[RFC3339_BYTES];
    unix_to_rfc3339(clock_unix(), 3, now);
    const char *status = !has_db ? "unhealthy" : has_correlator ? "healthy" : "degraded";
    exchange_json(exchange, has_db ? 200 : 503,
                  json_pack("{s:{s:s, s:s, s:s}}", "data", "status", status, "timestamp", now,
                            "version", CALLTRACE_VERSION));
}

struct project {
    char id[UUID_TEXT_BYTES];
    const char *name;
    char created[RFC3339_BYTES];
};

/* The key's own project. A project that is gone is NOT_FOUND. */
static err_t project_read(struct exchange *exchange, struct detail *detail,
                          struct project *ret_project)
{
    struct db *db = NULL;
    struct db_rows *rows = NULL;
    struct uuid id = exchange_project(exchange);
    struct db_value value = db_uuid(&id);
    TRY(exchange_db(exchange, &db));
    TRY(db_run(db, STMT_PROJECT_GET, &value, 1, detail, &rows));
    err_t err = FAIL(NOT_FOUND);
    if (db_next(rows)) {
        uuid_to_text(id, ret_project->id);
        ret_project->name = arena_text(exchange_arena(exchange), db_get_bytes(rows, 0));
        unix_to_rfc3339(db_get_time(rows, 1), 3, ret_project->created);
        err = ret_project->name == NULL ? FAIL(NO_SPACE) : OK;
    }
    db_rows_free(rows);
    return err;
}

struct grant {
    unsigned scope;
    const char *name;
    const char *permissions[8]; /* as resource:action */
};

static const struct grant grants[] = {
    {API_SCOPE_INGEST, "ingest", {"trace:create"}},
    {API_SCOPE_READ,
     "read",
     {"call:read", "chat:read", "agent:read", "trace:read", "project:read"}},
    {API_SCOPE_WRITE, "write", {"call:create", "chat:create", "agent:create", "recording:create"}},
    {API_SCOPE_MANAGE, "manage", {"key:read", "key:create", "key:delete"}},
};

/* Gives a list of texts; NULL without memory. */
static json_t *grants_list(unsigned scopes, bool wants_permissions)
{
    json_t *list = json_array();
    for (size_t i = 0; i < sizeof grants / sizeof grants[0]; i++) {
        if ((scopes & grants[i].scope) == 0) {
            continue;
        }
        if (!wants_permissions) {
            /* Without memory a name is missing, or the list itself, which json_pack refuses. */
            (void)json_array_append_new(list, json_string(grants[i].name));
            continue;
        }
        for (size_t n = 0; grants[i].permissions[n] != NULL; n++) {
            (void)json_array_append_new(list, json_string(grants[i].permissions[n]));
        }
    }
    return list;
}

void plain_me(struct exchange *exchange)
{
    struct project project;
    struct detail detail = {0};
    unsigned scopes = exchange_scopes(exchange);
    err_t err = project_read(exchange, &detail, &project);
    if (!err_is_ok(err)) {
        exchange_fail(exchange, err, &detail);
        return;
    }
    /* There is nothing above a project here: it stands for the organization too. */
    exchange_json(exchange, 200,
                  json_pack("{s:{s:s, s:{s:s, s:s}, s:{s:s, s:s, s:s}, s:o, s:o, s:n}}", "data",
                            "tokenScope", "PROJECT", "organization", "id", project.id, "name",
                            project.name, "defaultProject", "id", project.id, "name", project.name,
                            "slug", project.name, "scopes", grants_list(scopes, false),
                            "grantedPermissions", grants_list(scopes, true), "user"));
}

void plain_projects(struct exchange *exchange)
{
    struct project project;
    struct detail detail = {0};
    unsigned scopes = exchange_scopes(exchange);
    err_t err = project_read(exchange, &detail, &project);
    if (!err_is_ok(err)) {
        exchange_fail(exchange, err, &detail);
        return;
    }
    exchange_json(exchange, 200,
                  json_pack("{s:{s:[{s:s, s:s, s:s, s:s, s:{s:s, s:s}, s:o}]}}", "data", "projects",
                            "id", project.id, "name", project.name, "slug", project.name,
                            "createdAt", project.created, "organization", "id", project.id, "name",
                            project.name, "grantedPermissions", grants_list(scopes, true)));
}

extern const unsigned char api_openapi[]; /* made from api/openapi.yaml */
extern const unsigned long api_openapi_len;

void plain_openapi(struct exchange *exchange)
{
    exchange_bytes(exchange, 200, "application/yaml", bytes_of(api_openapi, api_openapi_len));
}
