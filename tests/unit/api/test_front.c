/* The front door over real sockets: who gets in, what refusals look like, many clients at once. */
#include <assert.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include <pthread.h>

#include "api/api.h"
#include "api/http/front.h"
#include "api/ingest/ingest.h"
#include "api/metric.h"
#include "tests/unit/api/fake_db.h"
#include "tests/unit/http/wire.h"

#include "proto/base/banned.h"

#define KEY_ALL     "ct_live_0123456789012345678901234567890123456789all"
#define KEY_READ    "ct_live_01234567890123456789012345678901234567890rd"
#define KEY_REVOKED "ct_live_0123456789012345678901234567890123456789rev"
#define KEY_UNKNOWN "ct_live_0123456789012345678901234567890123456789unk"

enum { BODY_MAX = 1000, QUEUE_MAX = 64 };

static struct api api; /* frozen while the servers run */
static struct api_conf conf;
static struct wire_answer answer;
static _Atomic bool is_held;

/* --- OTLP's refusals, and routes ----------------------------------------------------------------------- */

bool ingest_is_otlp_path(const char *path)
{
    return strcmp(path, "/v1/traces") == 0;
}

void ingest_status_answer(struct http_request *request, unsigned status, const char *sentence,
                          struct http_answer *ret_answer)
{
    *ret_answer = (struct http_answer){
        .status = status,
        .content_type = "application/x-protobuf",
        .body = bytes_of_text(sentence),
    };
    (void)request;
}

static void echo(struct exchange *exchange)
{
    while (atomic_load(&is_held)) {
        clock_sleep_ms(1);
    }
    struct bytes copy = {0};
    if (err_is_ok(
            arena_copy(exchange_arena(exchange), http_body(exchange_http(exchange)), &copy))) {
        exchange_bytes(exchange, 200, "text/plain", copy);
    } else {
        exchange_fail(exchange, FAIL(NO_SPACE), &(struct detail){0});
    }
}

static void show(struct exchange *exchange)
{
    struct db *db = NULL;
    err_t err = exchange_db(exchange, &db);
    if (!err_is_ok(err)) {
        exchange_fail(exchange, err, &(struct detail){0});
        return;
    }
    exchange_json(exchange, 200,
                  json_pack("{s:s, s:i, s:i}", "id", exchange_path_part(exchange, 0), "project",
                            exchange_project(exchange).b[0], "scopes", exchange_scopes(exchange)));
}

static void failing(struct exchange *exchange)
{
    const char *what = exchange_path_part(exchange, 0);
    struct detail detail = {0};
    if (strcmp(what, "json") == 0) {
        exchange_json(exchange, 200, NULL);
        return;
    }
    if (strcmp(what, "conflict") == 0) {
        exchange_error(exchange, 409, "conflict", "it is \"taken\" by %d", 7);
        return;
    }
    if (strcmp(what, "internal") == 0) {
        detail_set(&detail, "relation secret does not exist");
    }
    static const struct {
        const char *name;
        err_t err;
    } errors[] = {
        {"input", {ERR_MALFORMED}},     {"found", {ERR_NOT_FOUND}}, {"limit", {ERR_TOO_LARGE}},
        {"scope", {ERR_NO_SCOPE}},      {"away", {ERR_DB_AWAY}},    {"closed", {ERR_CLOSED}},
        {"internal", {ERR_DB_REFUSED}}, {"key", {ERR_NO_KEY}},      {"conflict2", {ERR_CONFLICT}}};
    for (size_t i = 0; i < sizeof errors / sizeof errors[0]; i++) {
        if (strcmp(errors[i].name, what) == 0) {
            exchange_fail(exchange, errors[i].err, &detail);
            return;
        }
    }
    exchange_error(exchange, 404, "not_found", "no such error");
}

/* As every function behind a signature: without a good one it is 401 whatever else is wrong. */
static void signed_echo(struct exchange *exchange)
{
    const char *authorization = http_header(exchange_http(exchange), "authorization");
    if (authorization == NULL || strcmp(authorization, "signature") != 0) {
        exchange_error(exchange, 401, "unauthorized", "the signature is wrong");
        return;
    }
    assert(exchange_scopes(exchange) == 0);
    echo(exchange);
}

static const struct route table[] = {
    {HTTP_METHOD_GET, "/open", echo, API_SCOPE_NONE, 0, ROUTE_POOL_WORK},
    {HTTP_METHOD_POST, "/v1/traces", echo, API_SCOPE_INGEST, BODY_MAX, ROUTE_POOL_WORK},
    {HTTP_METHOD_GET, "/v1/traces", echo, API_SCOPE_READ, 0, ROUTE_POOL_WORK},
    {HTTP_METHOD_POST, "/v1/call", echo, API_SCOPE_WRITE, BODY_MAX, ROUTE_POOL_WORK},
    {HTTP_METHOD_GET, "/v1/call/{id}", show, API_SCOPE_READ, 0, ROUTE_POOL_READ},
    {HTTP_METHOD_GET, "/v1/fail/{what}", failing, API_SCOPE_ANY, 0, ROUTE_POOL_WORK},
    {HTTP_METHOD_POST, "/v1/signed", signed_echo, API_SCOPE_SIGNED, BODY_MAX, ROUTE_POOL_WORK},
};

static int setup(void **state)
{
    struct detail detail = {0};
    static const struct db_options db = {.conninfo = ""};
    const struct pool_options work = {.threads = 2, .queue_max = QUEUE_MAX};
    const struct pool_options read = {.threads = 2, .queue_max = QUEUE_MAX, .db = &db};
    (void)state;
    json_object_seed(1); /* before threads: jansson draws its seed on first use */
    fake_key_add(KEY_ALL, 15);
    fake_key_add(KEY_READ, API_SCOPE_READ);
    fake_key_add(KEY_REVOKED, 15);
    conf.body_bytes_max = BODY_MAX;
    api = (struct api){.conf = &conf,
                       .routes = table,
                       .routes_count = sizeof table / sizeof table[0],
                       .share_bytes_max = 100000};
    api.doors[API_LISTENER_HTTP] = (struct door){&api, false};
    if (!err_is_ok(key_cache_new(64, &api.keys)) ||
        !err_is_ok(pool_start(&work, &api.pools[ROUTE_POOL_WORK])) ||
        !err_is_ok(pool_start(&read, &api.pools[ROUTE_POOL_READ])) ||
        !err_is_ok(pool_start(&read, &api.auth))) {
        return -1;
    }
    const struct http_options options = {
        .addresses = "127.0.0.1:0",
        .handlers = front_handlers(&api.doors[API_LISTENER_HTTP]),
        .threads = 2,
        .connections_max = 200,
        .idle_s = 10,
        .body_ms_max = 2000,
        .arena_bytes_max = 1 << 20,
        .inflight_bytes_max = 1 << 20,
    };
    return err_is_ok(http_server_start(&options, &detail, &api.servers[API_LISTENER_HTTP])) ? 0
                                                                                            : -1;
}

static int teardown(void **state)
{
    (void)state;
    pool_close(api.auth);
    pool_close(api.pools[ROUTE_POOL_WORK]);
    pool_close(api.pools[ROUTE_POOL_READ]);
    http_server_stop(api.servers[API_LISTENER_HTTP]);
    pool_free(api.auth);
    pool_free(api.pools[ROUTE_POOL_WORK]);
    pool_free(api.pools[ROUTE_POOL_READ]);
    key_cache_free(api.keys);
    return 0;
}

/* One request on a fresh connection; the answer stands in `answer`. */
static int ask(const char *method, const char *path, const char *headers, const char *body)
{
    char text[4096];
    int fd = wire_open(http_server_port(api.servers[API_LISTENER_HTTP]));
    (void)snprintf(text, sizeof text,
                   "%s %s HTTP/1.1\r\nHost: x\r\nContent-Length: %zu\r\n%s\r\n%s", method, path,
                   strlen(body), headers, body);
    answer.status = 0;
    assert_true(wire_send_text(fd, text));
    (void)wire_read(fd, strcmp(method, "HEAD") == 0, 10000, &answer);
    wire_close(fd);
    return answer.status;
}

#define BEARER(key) "Authorization: Bearer " key "\r\n"

/* --- who gets in --------------------------------------------------------------------------------------- */

static void keys_scopes_and_paths(void **state)
{
    static const struct {
        const char *method;
        const char *path;
        const char *headers;
        int status;
        const char *has;
    } cases[] = {
        {"GET", "/open", "", 200, NULL},
        {"POST", "/open", "", 401, "www-authenticate: Bearer"},
        {"GET", "/v1/call/x", "", 401, "\"code\":\"unauthorized\""},
        {"GET", "/nothing", "", 401, NULL},
        {"GET", "/v1/call/x", BEARER("rk_live_x"), 401, "not valid"},
        {"GET", "/v1/call/x", BEARER(KEY_UNKNOWN), 401, "not valid"},
        {"GET", "/v1/call/x", BEARER(KEY_ALL " x"), 401, NULL},
        {"GET", "/v1/call/x", "Authorization: Basic " KEY_ALL "\r\n", 401, NULL},
        {"GET", "/v1/call/x", BEARER(KEY_ALL), 200, "{\"id\":\"x\",\"project\":1,\"scopes\":15}"},
        {"GET", "/v1/call/x%2Fy", BEARER(KEY_READ), 200, "\"id\":\"x/y\",\"project\":2"},
        {"GET", "/v1/call/x", "x-roark-api-key: " KEY_ALL "\r\n", 200, NULL},
        {"GET", "/v1/call/x", "X-API-Key: " KEY_ALL "\r\n", 200, "nosniff"},
        {"HEAD", "/v1/call/x", BEARER(KEY_ALL), 200, "content-length: 34"},
        {"POST", "/v1/call", BEARER(KEY_READ), 403, "scope write"},
        {"POST", "/v1/call", BEARER(KEY_ALL), 200, "cache-control: no-store"},
        {"GET", "/nothing", BEARER(KEY_ALL), 404, "not_found"},
        {"DELETE", "/v1/traces", BEARER(KEY_READ), 405, NULL},
        {"PUT", "/v1/call/x", BEARER(KEY_ALL), 405, "allow: GET, HEAD"},
        {"BREW", "/open", BEARER(KEY_ALL), 405, "allow: GET, HEAD"},
        {"GET", "/%ff", BEARER(KEY_ALL), 400, "bad_request"},
        {"GET", "/open?%zz", "", 400, "query"},
        {"POST", "/v1/traces", "", 401, "application/x-protobuf"},
        {"POST", "/v1/traces", BEARER(KEY_READ), 403, "application/x-protobuf"},
        {"GET", "/v1/traces", "", 401, "application/json"},
        {"POST", "/v1/signed", "", 401, "the signature is wrong"},
        {"POST", "/v1/signed", BEARER(KEY_ALL), 401, "the signature is wrong"},
        {"POST", "/v1/signed", "Authorization: signature\r\n", 200, "no-store"},
        {"GET", "/v1/signed", "Authorization: signature\r\n", 401, "API key is required"},
        {"GET", "/v1/signed", BEARER(KEY_ALL), 405, "allow: POST"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        int status = ask(cases[i].method, cases[i].path, cases[i].headers, "");
        print_message("%s %s: %d\n", cases[i].method, cases[i].path, status);
        assert_int_equal(status, cases[i].status);
        if (cases[i].has != NULL) {
            assert_true(wire_has(&answer, cases[i].has));
        }
    }
}

static void errors_have_their_status_code_and_headers(void **state)
{
    static const struct {
        const char *path;
        int status;
        const char *has;
    } cases[] = {
        {"/v1/fail/json", 503, "retry-after: 1"},
        {"/v1/fail/conflict", 409, "x-should-retry: false"},
        {"/v1/fail/conflict", 409, "it is \\\"taken\\\" by 7"},
        {"/v1/fail/conflict2", 409, "x-should-retry: false"},
        {"/v1/fail/input", 400, "the data is malformed"},
        {"/v1/fail/found", 404, "not_found"},
        {"/v1/fail/limit", 413, "too_large"},
        {"/v1/fail/scope", 403, "forbidden"},
        {"/v1/fail/key", 401, "unauthorized"},
        {"/v1/fail/away", 503, "retry-after: 1"},
        {"/v1/fail/closed", 503, "unavailable"},
        {"/v1/fail/internal", 500, "an internal error"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_int_equal(ask("GET", cases[i].path, BEARER(KEY_READ), ""), cases[i].status);
        assert_true(wire_has(&answer, cases[i].has));
        assert_false(wire_has(&answer, "secret"));
    }
}

static void bodies_are_bounded_by_route(void **state)
{
    char body[BODY_MAX + 2];
    (void)state;
    memset(body, 'x', sizeof body - 1);
    body[BODY_MAX] = '\0';
    assert_int_equal(ask("POST", "/v1/call", BEARER(KEY_ALL), body), 200);
    assert_int_equal(answer.body_len, BODY_MAX);
    body[BODY_MAX] = 'x';
    body[BODY_MAX + 1] = '\0';
    assert_int_equal(ask("POST", "/v1/call", BEARER(KEY_ALL), body), 413);
    assert_true(wire_has(&answer, "\"code\":\"too_large\""));
    assert_int_equal(ask("GET", "/open", "", "x"), 413);
    assert_int_equal(ask("POST", "/v1/signed", "", body), 413);
    body[BODY_MAX] = '\0';
    assert_int_equal(ask("POST", "/v1/signed", "Authorization: signature\r\n", body), 200);
    assert_int_equal(answer.body_len, BODY_MAX);
}

/* Nobody has looked at a signature yet while these bodies arrive. */
static void bodies_behind_a_signature_share_one_bound(void **state)
{
    enum { MANY = 3 };
    static const char half[] =
        "POST /v1/signed HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nhalf";
    int fds[MANY];
    (void)state;
    size_t share = api.share_bytes_max;
    api.share_bytes_max = BODY_MAX * MANY;
    for (int i = 0; i < MANY; i++) {
        fds[i] = wire_open(http_server_port(api.servers[API_LISTENER_HTTP]));
        assert_true(wire_send_text(fds[i], half));
    }
    for (int i = 0; i < 500 && atomic_load(&api.signed_inflight_bytes) < BODY_MAX * MANY; i++) {
        clock_sleep_ms(5);
    }
    assert_int_equal(atomic_load(&api.signed_inflight_bytes), BODY_MAX * MANY);
    assert_int_equal(ask("POST", "/v1/signed", "Authorization: signature\r\n", "body"), 503);
    assert_true(wire_has(&answer, "retry-after: 1"));
    assert_int_equal(ask("POST", "/v1/call", BEARER(KEY_ALL), "body"), 200);
    for (int i = 0; i < MANY; i++) {
        wire_close(fds[i]);
    }
    for (int i = 0; i < 500 && atomic_load(&api.signed_inflight_bytes) > 0; i++) {
        clock_sleep_ms(5);
    }
    assert_int_equal(ask("POST", "/v1/signed", "Authorization: signature\r\n", "body"), 200);
    api.share_bytes_max = share;
}

/* --- time, absence, overload --------------------------------------------------------------------------- */

static void revocation_counts_soon_and_busy_keys_do_not_wait(void **state)
{
    (void)state;
    assert_int_equal(ask("GET", "/v1/call/x", BEARER(KEY_REVOKED), ""), 200);
    fake_key_revoke(KEY_REVOKED);
    struct mono_ns began = clock_mono();
    int status = 200;
    while (status == 200 && mono_ms_between(began, clock_mono()) < 5000) {
        clock_sleep_ms(50);
        status = ask("GET", "/v1/call/x", BEARER(KEY_REVOKED), "");
    }
    assert_int_equal(status, 401);
    assert_true(mono_ms_between(began, clock_mono()) < 3000);
}

static void refused_keys_are_remembered(void **state)
{
    (void)state;
    (void)ask("GET", "/v1/call/x", BEARER(KEY_UNKNOWN), "");
    int before = atomic_load(&fake_key_asked);
    for (int i = 0; i < 20; i++) {
        assert_int_equal(ask("GET", "/v1/call/x", BEARER(KEY_UNKNOWN), ""), 401);
    }
    assert_true(atomic_load(&fake_key_asked) <= before + 1);
}

static void absent_postgres_is_503_and_comes_back(void **state)
{
    (void)state;
    clock_sleep_ms(KEY_LIFETIME_MS); /* nothing is remembered */
    pool_close(api.auth);            /* the connections of these threads are open: begin anew */
    pool_free(api.auth);
    static const struct db_options db = {.conninfo = ""};
    const struct pool_options options = {.threads = 2, .queue_max = QUEUE_MAX, .db = &db};
    assert_true(err_is_ok(pool_start(&options, &api.auth)));
    atomic_store(&fake_db_is_away, true);
    assert_int_equal(ask("GET", "/v1/call/x", BEARER(KEY_ALL), ""), 503);
    assert_true(wire_has(&answer, "retry-after: 1"));
    assert_int_equal(ask("POST", "/v1/traces", BEARER(KEY_ALL), ""), 503);
    assert_int_equal(ask("GET", "/open", "", ""), 200);
    atomic_store(&fake_db_is_away, false);
    clock_sleep_ms(POOL_DB_REST_MS + 100);
    assert_int_equal(ask("GET", "/v1/call/x", BEARER(KEY_ALL), ""), 200);
}

struct caller {
    pthread_t id;
    int fd;
    int ok;
    int refused;
    int other;
    struct wire_answer *answer;
};

static void *call_often(void *context)
{
    struct caller *caller = context;
    static const char request[] =
        "POST /v1/call HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n" BEARER(KEY_ALL) "\r\nbody";
    for (int i = 0; i < 100; i++) {
        if (!wire_send_text(caller->fd, request) ||
            !wire_read(caller->fd, false, 10000, caller->answer)) {
            caller->other++;
            return NULL;
        }
        caller->ok += caller->answer->status == 200;
        caller->refused += caller->answer->status == 503;
        caller->other += caller->answer->status != 200 && caller->answer->status != 503;
    }
    return NULL;
}

static void many_clients_at_once(void **state)
{
    enum { CALLERS = 8 };
    struct caller callers[CALLERS] = {0};
    (void)state;
    for (int i = 0; i < CALLERS; i++) {
        callers[i].fd = wire_open(http_server_port(api.servers[API_LISTENER_HTTP]));
        callers[i].answer = calloc(1, sizeof *callers[i].answer);
        assert_int_equal(pthread_create(&callers[i].id, NULL, call_often, &callers[i]), 0);
    }
    for (int i = 0; i < CALLERS; i++) {
        assert_int_equal(pthread_join(callers[i].id, NULL), 0);
        wire_close(callers[i].fd);
        free(callers[i].answer);
        assert_int_equal(callers[i].ok, 100);
        assert_int_equal(callers[i].refused, 0);
        assert_int_equal(callers[i].other, 0);
    }
}

static int readable_count(const int *fds, int count)
{
    int readable = 0;
    for (int i = 0; i < count; i++) {
        struct pollfd one = {.fd = fds[i], .events = POLLIN};
        readable += poll(&one, 1, 0) == 1;
    }
    return readable;
}

static void full_queue_is_503_and_the_connection_lives(void **state)
{
    enum { MANY = QUEUE_MAX + 20 };
    int fds[MANY];
    int refused = 0;
    (void)state;
    assert_int_equal(ask("POST", "/v1/call", BEARER(KEY_ALL), ""), 200);
    atomic_store(&is_held, true);
    for (int i = 0; i < MANY; i++) {
        fds[i] = wire_open(http_server_port(api.servers[API_LISTENER_HTTP]));
        assert_true(wire_send_text(
            fds[i], "POST /v1/call HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n" BEARER(
                        KEY_ALL) "\r\nbody"));
    }
    /* Two threads hold one each, the queue holds QUEUE_MAX; all others are answered while these wait. */
    for (int waited = 0; waited < 1000 && readable_count(fds, MANY) < MANY - QUEUE_MAX - 2;
         waited++) {
        clock_sleep_ms(10);
    }
    atomic_store(&is_held, false);
    for (int i = 0; i < MANY; i++) {
        assert_true(wire_read(fds[i], false, 10000, &answer));
        assert_true(answer.status == 200 || answer.status == 503);
        if (answer.status == 503) {
            refused++;
            assert_true(wire_has(&answer, "retry-after: 1"));
            assert_true(wire_send_text(fds[i], "GET /open HTTP/1.1\r\nHost: x\r\n\r\n"));
            assert_true(wire_read(fds[i], false, 10000, &answer));
            assert_int_equal(answer.status, 200);
        }
        wire_close(fds[i]);
    }
    /* A thread that was slow to take its one let the queue fill first. */
    assert_in_range(refused, MANY - QUEUE_MAX - 2, MANY - QUEUE_MAX);
}

static void clients_that_leave_while_parked_cost_nothing(void **state)
{
    (void)state;
    atomic_store(&fake_key_ask_ms, 50);
    clock_sleep_ms(KEY_LIFETIME_MS);
    for (int i = 0; i < 30; i++) {
        int fd = wire_open(http_server_port(api.servers[API_LISTENER_HTTP]));
        assert_true(wire_send_text(
            fd,
            "POST /v1/call HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n" BEARER(KEY_ALL) "\r\nbo"));
        if (i % 2 == 0) {
            clock_sleep_ms(2);
        }
        wire_close(fd);
    }
    for (int i = 0; i < 300 && http_server_requests(api.servers[API_LISTENER_HTTP]) > 0; i++) {
        clock_sleep_ms(10);
    }
    atomic_store(&fake_key_ask_ms, 0);
    assert_int_equal(http_server_requests(api.servers[API_LISTENER_HTTP]), 0);
    assert_int_equal(http_server_inflight_bytes(api.servers[API_LISTENER_HTTP]), 0);
    assert_int_equal(ask("GET", "/v1/call/x", BEARER(KEY_ALL), ""), 200);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_scopes_and_paths),
        cmocka_unit_test(errors_have_their_status_code_and_headers),
        cmocka_unit_test(bodies_are_bounded_by_route),
        cmocka_unit_test(bodies_behind_a_signature_share_one_bound),
        cmocka_unit_test(revocation_counts_soon_and_busy_keys_do_not_wait),
        cmocka_unit_test(refused_keys_are_remembered),
        cmocka_unit_test(absent_postgres_is_503_and_comes_back),
        cmocka_unit_test(many_clients_at_once),
        cmocka_unit_test(full_queue_is_503_and_the_connection_lives),
        cmocka_unit_test(clients_that_leave_while_parked_cost_nothing),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
