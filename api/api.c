#include "api/api.h"

#include <time.h>
#include <unistd.h>

#include "api/http/front.h"
#include "api/http/pages.h"
#include "api/integrations/livekit/keys.h"
#include "api/live/live.h"
#include "api/metric.h"
#include "proto/base/check.h"
#include "proto/base/log.h"
#include "proto/base/mem.h"
#include "proto/bus/message.h"
#include "proto/http/admin.h"
#include "schema/migrate.h"

#include "proto/base/banned.h"

enum {
    HOUSEKEEPER_MS = 1000,
    HOUSEKEEPER_AWAY_MS = 200, /* nobody else looks whether Postgres is back */
    STATEMENT_MS = 5000,
    /* Of one sort or hash of a read. With it 200,000 traces of a tag are hashed; without it Postgres looks at the tag of
     * each trace by itself, which takes six times as long. */
    WORK_MEM_MIB = 32,
    KEY_STATEMENT_MS = 2000,
    CONNECT_S = 2,
    PROCESSORS_MIN = 2,
    MESSAGE_BYTES_MAX = 1 << 20,
    /* Each may take as long as its sender waits for the answer. */
    FETCHES_WAITING_MAX = 16,
};

static unsigned processors(void)
{
    long count = sysconf(_SC_NPROCESSORS_ONLN);
    return count < PROCESSORS_MIN ? PROCESSORS_MIN : (unsigned)count;
}

static unsigned threads_of(uint64_t row)
{
    return row == 0 ? processors() : (unsigned)row;
}

/* --- the housekeeper ----------------------------------------------------------------------------------- */

static void on_uses_told(void *context, err_t err, struct bytes reply)
{
    (void)
        context; /* what was told may be lost: it is a hint, and the next use or refusal tells again */
    (void)err;
    (void)reply;
}

static void uses_tell(struct api *api)
{
    struct key_use uses[KEY_USES_MAX];
    struct bus_key_used used[KEY_USES_MAX];
    size_t count = key_cache_uses(api->keys, clock_mono(), clock_unix(), uses);
    if (count == 0) {
        return;
    }
    for (size_t i = 0; i < count; i++) {
        const struct key_refusal *refusal = uses[i].refusal;
        used[i] =
            (struct bus_key_used){.project = uses[i].project, .key = uses[i].key, .at = uses[i].at};
        if (refusal != NULL) {
            used[i].refused = refusal->at;
            used[i].refused_status = refusal->status;
            used[i].refused_path = bytes_of_text(refusal->path);
            used[i].refused_text = bytes_of_text(refusal->text);
        }
    }
    struct bus_message message = {
        .id = uuid_make(), .what = BUS_WHAT_KEY_USE, .key_use = {used, count}};
    struct arena scratch;
    struct buf wire;
    arena_init(&scratch, MESSAGE_BYTES_MAX);
    buf_init(&wire, MESSAGE_BYTES_MAX);
    err_t err = bus_message_pack(&message, &scratch, &wire);
    if (err_is_ok(err)) {
        err = bus_client_send(api->bus, buf_bytes(&wire), on_uses_told, NULL);
    }
    if (!err_is_ok(err)) {
        log_debug("key_use_lost", "keys=%zu error=%s", count, err_name(err));
    }
    for (size_t i = 0; i < count; i++) {
        mem_free(uses[i].refusal);
    }
    buf_fini(&wire);
    arena_fini(&scratch);
}

/* Is Postgres there, and new enough? Logs the first finding and then the changes. */
static void database_look(struct api *api, struct db *db)
{
    struct detail detail = {0};
    bool is_new = false;
    err_t err = db_ready(db, &detail, &is_new);
    if (err_is_ok(err)) {
        err = db_do(db, STMT_PING, NULL, 0, &detail, NULL);
    }
    if (err_is_ok(err) && (is_new || !atomic_load(&api->is_schema_known))) {
        err_t schema = migrate_check(db, &detail);
        bool is_known = err_is_ok(schema);
        if (!is_known && (is_new || atomic_load(&api->is_schema_known))) {
            log_warn("schema_unknown", "detail=%s", detail_or_text(&detail, schema));
        }
        atomic_store(&api->is_schema_known, is_known);
    }
    bool is_up = err_is_ok(err);
    atomic_store(&api->is_db_away, !is_up);
    (void)pthread_mutex_lock(&api->lock);
    api->db_words = detail;
    (void)pthread_mutex_unlock(&api->lock);
    bool is_news = atomic_exchange(&api->is_db_up, is_up) != is_up || !api->has_looked;
    api->has_looked = true;
    if (is_news) {
        if (is_up) {
            log_info("postgres_up", "%s", "");
        } else {
            log_warn("postgres_away", "detail=%s", detail_or_text(&detail, err));
        }
    }
}

static void certificate_renew(struct api *api, bool is_asked)
{
    struct detail detail = {0};
    struct http_server *server = api->servers[API_LISTENER_HTTPS];
    bool is_read = false;
    if (server == NULL) {
        return;
    }
    err_t err = http_server_renew(server, is_asked, &detail, &is_read);
    if (!err_is_ok(err)) {
        log_warn("certificate_kept", "error=%s detail=\"%s\"", err_name(err),
                 detail_or_text(&detail, err));
    } else if (is_read) {
        char ends[RFC3339_BYTES];
        unix_to_rfc3339((struct unix_ns){http_server_cert_ends_s(server) * NS_PER_S}, 0, ends);
        log_info("certificate_renewed", "ends=%s", ends);
    }
}

void api_renew(struct api *api)
{
    certificate_renew(api, true);
}

static bool housekeeper_waits(struct api *api)
{
    bool is_up = atomic_load(&api->is_db_up);
    int64_t until = mono_after_ms(clock_mono(), is_up ? HOUSEKEEPER_MS : HOUSEKEEPER_AWAY_MS).ns;
    struct timespec at = {.tv_sec = until / NS_PER_S, .tv_nsec = until % NS_PER_S};
    (void)pthread_mutex_lock(&api->lock);
    while (!api->is_stopping && pthread_cond_timedwait(&api->wake, &api->lock, &at) == 0) {
    }
    bool goes_on = !api->is_stopping;
    (void)pthread_mutex_unlock(&api->lock);
    return goes_on;
}

static void *housekeeper_run(void *context)
{
    struct api *api = context;
    struct db *db = NULL;
    if (!err_is_ok(db_new(&api->auth_db, &db))) {
        log_error("housekeeper_failed", "%s", "error=MEMORY");
        return NULL;
    }
    do {
        database_look(api, db);
        uses_tell(api);
        certificate_renew(api, false);
    } while (housekeeper_waits(api));
    db_free(db);
    return NULL;
}

/* --- the admin listener --------------------------------------------------------------------------------- */

static void on_ready(void *context, struct http_ready *ready)
{
    struct api *api = context;
    (void)pthread_mutex_lock(&api->lock);
    struct detail words = api->db_words;
    (void)pthread_mutex_unlock(&api->lock);
    if (!atomic_load(&api->is_db_up)) {
        http_ready_missing(ready, "postgres", "reads and new keys get 503: %s",
                           detail_or_text(&words, FAIL(DB_AWAY)));
    } else if (!atomic_load(&api->is_schema_known)) {
        http_ready_missing(ready, "schema", "run calltrace-api migrate: %s",
                           detail_or_text(&words, FAIL(DB_AWAY)));
    }
    if (bus_client_peers(api->bus) == 0) {
        http_ready_missing(ready, "correlator",
                           "exports and creates get 503: no correlator is connected at %s",
                           api->conf->bus);
    } else if (bus_client_answering(api->bus) < bus_client_addresses(api->bus)) {
        http_ready_note(ready, "correlator",
                        "%zu of %zu correlators answer; what was sent to another is sent again",
                        bus_client_answering(api->bus), bus_client_addresses(api->bus));
    }
}

static void gauge(enum api_metric id, uint64_t value)
{
    metric_set(id, (int64_t)value);
}

static void on_metrics(void *context)
{
    const struct api *api = context;
    struct http_cuts cuts = {0};
    uint64_t connections = 0;
    uint64_t requests = 0;
    uint64_t bytes = 0;
    for (size_t i = 0; i < API_LISTENER_COUNT; i++) {
        const struct http_server *server = api->servers[i];
        if (server != NULL) {
            struct http_cuts more = http_server_cuts(server);
            cuts.connections += more.connections;
            cuts.head += more.head;
            cuts.body += more.body;
            cuts.answer += more.answer;
            connections += http_server_connections(server);
            requests += http_server_requests(server);
            bytes += http_server_inflight_bytes(server);
        }
    }
    struct http_server *secure = api->servers[API_LISTENER_HTTPS];
    metric_set(API_METRIC_CERTIFICATE_ENDS, secure == NULL ? 0 : http_server_cert_ends_s(secure));
    gauge(API_METRIC_CUT_CONNECTIONS, cuts.connections);
    gauge(API_METRIC_CUT_HEAD, cuts.head);
    gauge(API_METRIC_CUT_BODY, cuts.body);
    gauge(API_METRIC_CUT_ANSWER, cuts.answer);
    gauge(API_METRIC_CONNECTIONS, connections);
    gauge(API_METRIC_REQUESTS_NOW, requests);
    gauge(API_METRIC_INFLIGHT_BYTES, bytes);
    gauge(API_METRIC_QUEUE_WORK, pool_waiting(api->pools[ROUTE_POOL_WORK]));
    gauge(API_METRIC_QUEUE_READ, pool_waiting(api->pools[ROUTE_POOL_READ]));
    gauge(API_METRIC_QUEUE_AUTH, pool_waiting(api->auth));
    gauge(API_METRIC_BUS_OUTSTANDING, bus_client_outstanding(api->bus));
    gauge(API_METRIC_BUS_PEERS, bus_client_peers(api->bus));
    gauge(API_METRIC_BUS_PEERS_ANSWERING, bus_client_answering(api->bus));
    gauge(API_METRIC_LIVE_LISTENERS, live_listeners(api->live));
    gauge(API_METRIC_KEYS_CACHED, key_cache_count(api->keys));
    gauge(API_METRIC_POSTGRES_UP,
          atomic_load(&api->is_db_up) && atomic_load(&api->is_schema_known));
}

/* --- start ---------------------------------------------------------------------------------------------- */

static err_t listener_start(struct api *api, enum api_listener which, const char *addresses,
                            struct detail *detail)
{
    const struct api_conf *conf = api->conf;
    bool is_tls = which == API_LISTENER_HTTPS;
    api->doors[which] = (struct door){api, which == API_LISTENER_PAGES};
    if (addresses[0] == '\0') {
        return OK;
    }
    const struct http_options options = {
        .addresses = addresses,
        .tls_cert = is_tls ? conf->tls_cert : NULL,
        .tls_key = is_tls ? conf->tls_key : NULL,
        .handlers = front_handlers(&api->doors[which]),
        .threads = threads_of(conf->listener_threads),
        .connections_max = (unsigned)conf->connections_max,
        .connections_per_address_max = (unsigned)conf->connections_per_address_max,
        .idle_s = (unsigned)conf->idle_s,
        .head_ms_max = (unsigned)conf->head_ms_max,
        .body_ms_max = (unsigned)conf->body_ms_max,
        .arena_bytes_max = (size_t)conf->request_bytes_max,
        .inflight_bytes_max = (size_t)conf->inflight_bytes_max,
    };
    TRY(http_server_start(&options, detail, &api->servers[which]));
    log_info("listening", "addresses=%s tls=%s pages_only=%s port=%u", addresses,
             is_tls ? "yes" : "no", which == API_LISTENER_PAGES ? "yes" : "no",
             http_server_port(api->servers[which]));
    return OK;
}

static void settings_fill(struct api *api)
{
    const struct api_conf *conf = api->conf;
    api->read_db = (struct db_options){
        .conninfo = conf->postgres,
        .application_name = "calltrace-api",
        .is_read_only = true,
        .statement_timeout_ms = STATEMENT_MS,
        .work_mem_mib = WORK_MEM_MIB,
        .idle_in_transaction_ms = STATEMENT_MS,
        .connect_timeout_s = CONNECT_S,
    };
    api->auth_db = api->read_db;
    api->auth_db.statement_timeout_ms = KEY_STATEMENT_MS;
    api->auth_db.work_mem_mib = 0;
    api->key_limits = (struct rate_limits){.requests_per_s = conf->key_requests_per_s,
                                           .bytes_per_s = conf->key_bytes_per_s};
    /* A quarter, but always one body of the largest size. */
    uint64_t quarter = conf->inflight_bytes_max / 4;
    api->share_bytes_max =
        (size_t)(quarter > conf->body_bytes_max ? quarter : conf->body_bytes_max);
}

static err_t pools_start(struct api *api)
{
    const struct api_conf *conf = api->conf;
    size_t queue_max = (size_t)conf->queue_max;
    const struct pool_options work = {threads_of(conf->workers), queue_max, NULL, NULL};
    const struct pool_options read = {(unsigned)conf->reader_threads, queue_max, &api->read_db,
                                      &api->is_db_away};
    const struct pool_options auth = {(unsigned)conf->auth_threads, queue_max, &api->auth_db,
                                      &api->is_db_away};
    TRY(pool_start(&work, &api->pools[ROUTE_POOL_WORK]));
    TRY(pool_start(&read, &api->pools[ROUTE_POOL_READ]));
    TRY(pool_start(&auth, &api->auth));
    if (!conf->vapi_fetch_logs) {
        return OK;
    }
    const struct pool_options fetch = {(unsigned)conf->vapi_fetch_threads, FETCHES_WAITING_MAX,
                                       NULL, NULL};
    return pool_start(&fetch, &api->fetchers);
}

static err_t housekeeper_start(struct api *api, struct detail *detail)
{
    if (pthread_create(&api->housekeeper, NULL, housekeeper_run, api) != 0) {
        detail_set(detail, "cannot start a thread");
        return FAIL(SYSTEM);
    }
    api->has_housekeeper = true;
    return OK;
}

static err_t parts_start(struct api *api, struct detail *detail)
{
    const struct api_conf *conf = api->conf;
    const struct live_options live = {
        .api = api,
        .listeners_max = (size_t)conf->live_listeners_max,
        .listeners_per_project_max = (size_t)conf->live_listeners_per_project_max,
    };
    const struct http_admin_options admin = {
        .address = conf->admin_listen,
        .on_ready = on_ready,
        .on_metrics = on_metrics,
        .context = api,
    };
    const struct tracing_options tracing = {.url = conf->own_traces_url,
                                            .bearer = conf->own_traces_bearer,
                                            .ca_file = conf->own_traces_ca,
                                            .percent = conf->own_traces_percent};
    if (conf->own_traces_url[0] != '\0') {
        TRY(tracing_start(&tracing, detail, &api->tracing));
    }
    if (conf->pages_dir[0] != '\0') {
        TRY(pages_load(conf->pages_dir, detail, &api->pages));
    }
    TRY(livekit_keys_new(LIVEKIT_KEYS_SETS_MAX, &api->livekit_keys));
    TRY(secret_key_read(conf->secrets_key_file, detail, &api->secrets_key));
    TRY(key_cache_new((size_t)conf->keys_cached_max, &api->keys));
    TRY(live_start(&live, &api->live));
    const struct bus_client_options bus = {.addresses = conf->bus,
                                           .event_addresses = conf->bus_events,
                                           .tls = {conf->bus_tls_cert, conf->bus_tls_ca},
                                           .on_announcement = live_announced,
                                           .on_gap = live_lost,
                                           .context = api->live};
    TRY(bus_client_open(&bus, detail, &api->bus));
    TRY(pools_start(api));
    TRY(listener_start(api, API_LISTENER_HTTPS, conf->listen, detail));
    TRY(listener_start(api, API_LISTENER_HTTP, conf->listen_http, detail));
    TRY(listener_start(api, API_LISTENER_PAGES, conf->listen_pages, detail));
    TRY(housekeeper_start(api, detail)); /* looks after the listeners' certificate */
    /* Last: its numbers are read off all of the above. */
    return conf->admin_listen[0] == '\0' ? OK : http_admin_start(&admin, detail, &api->admin);
}

err_t api_start(struct api *api, const struct api_conf *conf, const struct route *routes,
                size_t routes_count, struct detail *detail)
{
    *api = (struct api){.conf = conf, .routes = routes, .routes_count = routes_count};
    pthread_condattr_t attributes;
    (void)pthread_mutex_init(&api->lock, NULL); /* these cannot fail on Linux */
    (void)pthread_condattr_init(&attributes);
    (void)pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&api->wake, &attributes);
    (void)pthread_condattr_destroy(&attributes);
    settings_fill(api);
    (void)request_log_from_text(conf->log_requests, &api->request_log); /* api_conf_check has */
    err_t err = parts_start(api, detail);
    if (!err_is_ok(err)) {
        api_stop(api);
    }
    return err;
}

/* --- the end ---------------------------------------------------------------------------------------------- */

static unsigned requests_left(const struct api *api)
{
    unsigned left = 0;
    for (size_t i = 0; i < API_LISTENER_COUNT; i++) {
        left += api->servers[i] == NULL ? 0 : http_server_requests(api->servers[i]);
    }
    return left;
}

void api_drain(struct api *api, int64_t ms_max, bool (*is_hurried)(void))
{
    struct mono_ns began = clock_mono();
    for (size_t i = 0; i < API_LISTENER_COUNT; i++) {
        http_server_drain(api->servers[i]);
    }
    live_stop(api->live); /* these answers end when we say so */
    while (requests_left(api) > 0 && !is_hurried() &&
           mono_ms_between(began, clock_mono()) < ms_max) {
        clock_sleep_ms(5);
    }
}

/* Every request that is parked, queued or on the bus must be answered before its listener ends: pools run what
 * they hold, a closing bus calls back what is outstanding. */
void api_stop(struct api *api)
{
    http_admin_stop(api->admin);
    atomic_store(&api->is_ending, true);
    (void)pthread_mutex_lock(&api->lock);
    api->is_stopping = true;
    (void)pthread_cond_signal(&api->wake);
    (void)pthread_mutex_unlock(&api->lock);
    if (api->has_housekeeper) {
        (void)pthread_join(api->housekeeper, NULL);
    }
    live_stop(api->live);
    pool_close(api->auth);
    pool_close(api->pools[ROUTE_POOL_READ]);
    pool_close(api->fetchers); /* after READ, which hands over to it */
    pool_close(api->pools[ROUTE_POOL_WORK]);
    bus_client_close(api->bus);
    for (size_t i = 0; i < API_LISTENER_COUNT; i++) {
        http_server_stop(api->servers[i]);
    }
    pool_free(api->auth);
    pool_free(api->pools[ROUTE_POOL_READ]);
    pool_free(api->fetchers);
    pool_free(api->pools[ROUTE_POOL_WORK]);
    live_free(api->live);
    key_cache_free(api->keys);
    pages_free(api->pages);
    livekit_keys_free(api->livekit_keys);
    secret_key_clear(&api->secrets_key);
    tracing_stop(api->tracing); /* no request is left that could add to it */
    (void)pthread_cond_destroy(&api->wake);
    (void)pthread_mutex_destroy(&api->lock);
    *api = (struct api){0};
}
