#include "tests/unit/http/server_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include <pthread.h>

#include "tests/unit/http/wire.h"

#include "proto/base/banned.h"

static void echo(struct fixture *fixture, struct http_request *request)
{
    (void)fixture;
    struct bytes copy = {0};
    if (!err_is_ok(arena_copy(http_arena(request), http_body(request), &copy))) {
        http_answer(request, &(struct http_answer){.status = 500});
        return;
    }
    http_answer(request,
                &(struct http_answer){.status = 200, .content_type = "text/plain", .body = copy});
}

struct errand {
    struct fixture *fixture;
    struct http_request *request;
};

static void *accept_later(void *context)
{
    struct errand errand = *(struct errand *)context;
    free(context);
    clock_sleep_ms(20);
    if (strcmp(http_path(errand.request), "/parkdeny") == 0) {
        http_answer(errand.request, &(struct http_answer){.status = 401});
    } else {
        http_accept(errand.request, ACCEPT_BYTES);
    }
    return NULL;
}

static void *answer_later(void *context)
{
    struct errand errand = *(struct errand *)context;
    free(context);
    clock_sleep_ms(20);
    while (atomic_load(&errand.fixture->is_held)) {
        clock_sleep_ms(5);
    }
    echo(errand.fixture, errand.request);
    return NULL;
}

static void send_away(struct fixture *fixture, struct http_request *request,
                      void *(*errand_run)(void *))
{
    struct errand *errand = malloc(sizeof *errand);
    pthread_t thread;
    pthread_attr_t attributes;
    (void)pthread_attr_init(&attributes);
    (void)pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    *errand = (struct errand){fixture, request};
    (void)pthread_create(&thread, &attributes, errand_run, errand);
    (void)pthread_attr_destroy(&attributes);
}

static void on_head(void *context, struct http_request *request)
{
    struct fixture *fixture = context;
    const char *path = http_path(request);
    http_set_user(request, fixture);
    if (strncmp(path, "/park", 5) == 0) {
        http_park(request);
        send_away(fixture, request, accept_later);
    } else if (strcmp(path, "/deny") == 0) {
        http_answer(request, &(struct http_answer){.status = 401});
    } else if (strcmp(path, "/empty") == 0) {
        http_accept(request, 0);
    } else {
        if (strcmp(path, "/share") == 0) {
            http_set_share(request, &fixture->share, SHARE_BYTES);
        }
        http_accept(request, ACCEPT_BYTES);
    }
}

static void count_freed(void *context)
{
    struct fixture *fixture = context;
    atomic_fetch_add(&fixture->freed, 1);
}

static void answer_query(struct http_request *request)
{
    const struct http_parameter *all = NULL;
    size_t count = http_parameters(request, &all);
    char *text = arena_printf(http_arena(request), "%zu", count);
    for (size_t i = 0; i < count && text != NULL; i++) {
        text = arena_printf(http_arena(request), "%s|%s=%s", text, all[i].name, all[i].value);
    }
    const char *q = http_parameter(request, "q");
    text = text == NULL
               ? NULL
               : arena_printf(http_arena(request), "%s|first %s", text, q == NULL ? "-" : q);
    http_answer(request, &(struct http_answer){.status = 200,
                                               .body = bytes_of_text(text == NULL ? "" : text)});
}

static void on_request(void *context, struct http_request *request)
{
    struct fixture *fixture = context;
    const char *path = http_path(request);
    if (strcmp(path, "/later") == 0 || strcmp(path, "/hold") == 0) {
        send_away(fixture, request, answer_later);
    } else if (strcmp(path, "/query") == 0) {
        answer_query(request);
    } else if (strcmp(path, "/big") == 0) {
        http_answer(request, &(struct http_answer){
                                 .status = 200,
                                 .body = bytes_of(fixture->big, BIG_BYTES),
                                 .free_body = count_freed,
                                 .free_context = fixture,
                             });
    } else if (strcmp(path, "/teapot") == 0) {
        http_answer(request, &(struct http_answer){
                                 .status = 418,
                                 .content_type = "text/plain",
                                 .body = bytes_of_text(http_method_name(request)),
                                 .headers = {{"x-one", "1"}, {"x-two", "2"}},
                                 .close = true,
                             });
    } else {
        echo(fixture, request);
    }
}

static void on_refuse(void *context, struct http_request *request, unsigned status,
                      const char *sentence, struct http_answer *ret_answer)
{
    (void)context;
    (void)request;
    *ret_answer = (struct http_answer){
        .status = status,
        .content_type = "text/plain",
        .body = bytes_of_text(sentence),
    };
}

static void on_done(void *context, struct http_request *request, unsigned status)
{
    struct fixture *fixture = context;
    (void)status;
    if (http_user(request) == fixture) {
        atomic_fetch_add(&fixture->done, 1);
    }
}

struct http_options server_options(struct fixture *fixture)
{
    return (struct http_options){
        .addresses = "127.0.0.1:0",
        .handlers = {on_head, on_request, on_refuse, on_done, fixture},
        .threads = 2,
        .connections_max = 32,
        .idle_s = IDLE_S,
        .body_ms_max = BODY_MS,
        .arena_bytes_max = 1 << 20,
        .inflight_bytes_max = INFLIGHT_BYTES,
    };
}

int server_setup(void **state)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);
    struct http_options options = server_options(fixture);
    struct detail detail = {0};
    fixture->big = calloc(1, BIG_BYTES);
    if (!err_is_ok(http_server_start(&options, &detail, &fixture->server))) {
        print_error("%s\n", detail.text);
        return -1;
    }
    fixture->port = http_server_port(fixture->server);
    *state = fixture;
    return 0;
}

int server_teardown(void **state)
{
    struct fixture *fixture = *state;
    http_server_stop(fixture->server);
    free(fixture->big);
    free(fixture);
    return 0;
}

bool eventually_zero(size_t (*value)(const struct http_server *), const struct http_server *server)
{
    for (int i = 0; i < 300 && value(server) != 0; i++) {
        clock_sleep_ms(10);
    }
    return value(server) == 0;
}

size_t requests_of(const struct http_server *server)
{
    return http_server_requests(server);
}

size_t connections_of(const struct http_server *server)
{
    return http_server_connections(server);
}

void post_head(int fd, const char *path, size_t declared)
{
    char head[256];
    (void)snprintf(head, sizeof head, "POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: %zu\r\n\r\n",
                   path, declared);
    assert_true(wire_send_text(fd, head));
}

char *filler(size_t len)
{
    char *text = malloc(len + 1);
    memset(text, 'x', len);
    text[len] = '\0';
    return text;
}

void chunk_send(int fd, const char *data, size_t len)
{
    char head[32];
    (void)snprintf(head, sizeof head, "%zx\r\n", len);
    (void)(wire_send_text(fd, head) && wire_send(fd, data, len) && wire_send_text(fd, "\r\n"));
}
