#include "proto/http/admin.h"

#include "proto/base/mem.h"
#include "proto/base/metric.h"
#include "proto/http/http.h"

#include "proto/base/banned.h"

enum {
    CONNECTIONS_MAX = 64,
    IDLE_S = 30,
    ANSWER_BYTES_MAX = 1 << 20,
    ARENA_BYTES_MAX = 64 << 10,
    PEER_MS_MAX = 5000,
};

struct http_admin {
    struct http_server *server;
    struct http_admin_options options;
};

void http_admin_missing(struct buf *missing, const char *what)
{
    buf_printf(missing, "%s\"%s\"", buf_bytes(missing).len == 0 ? "" : ",", what);
}

/* Answers with what stands in the buffer, and takes it. */
static void answer_buf(struct http_request *request, unsigned status, const char *content_type,
                       struct buf *buf)
{
    struct http_answer answer = {.status = 503};
    if (err_is_ok(buf_err(buf))) {
        size_t len = 0;
        uint8_t *text = buf_take(buf, &len);
        answer = (struct http_answer){
            .status = status,
            .content_type = content_type,
            .body = bytes_of(text, len),
            .free_body = mem_free,
            .free_context = text,
            .headers = {{"cache-control", "no-store"}},
        };
    }
    buf_fini(buf);
    http_answer(request, &answer);
}

static void answer_ready(struct http_admin *admin, struct http_request *request)
{
    struct buf missing;
    struct buf text;
    buf_init(&missing, ANSWER_BYTES_MAX);
    buf_init(&text, ANSWER_BYTES_MAX);
    admin->options.on_ready(admin->options.context, &missing);
    struct bytes names = buf_bytes(&missing);
    bool is_ready = names.len == 0;
    if (is_ready) {
        buf_add_text(&text, "{\"ready\":true}\n");
    } else {
        buf_add_text(&text, "{\"ready\":false,\"missing\":[");
        buf_add(&text, names);
        buf_add_text(&text, "]}\n");
    }
    buf_fini(&missing);
    answer_buf(request, is_ready ? 200 : 503, "application/json", &text);
}

static void answer_metrics(struct http_admin *admin, struct http_request *request)
{
    struct buf text;
    buf_init(&text, ANSWER_BYTES_MAX);
    if (admin->options.on_metrics != NULL) {
        admin->options.on_metrics(admin->options.context);
    }
    metric_render(&text);
    answer_buf(request, 200, "text/plain; version=0.0.4; charset=utf-8", &text);
}

static void on_head(void *context, struct http_request *request)
{
    struct http_admin *admin = context;
    bool is_get =
        http_method(request) == HTTP_METHOD_GET || http_method(request) == HTTP_METHOD_HEAD;
    bool is_ready = strcmp(http_path(request), "/ready") == 0;
    bool is_metrics = strcmp(http_path(request), "/metrics") == 0;
    if (is_get && is_ready) {
        answer_ready(admin, request);
    } else if (is_get && is_metrics) {
        answer_metrics(admin, request);
    } else if (is_ready || is_metrics) {
        http_answer(request,
                    &(struct http_answer){.status = 405, .headers = {{"allow", "GET, HEAD"}}});
    } else {
        http_answer(request, &(struct http_answer){.status = 404});
    }
}

static void on_request(void *context, struct http_request *request)
{
    (void)context; /* never reached: every head is answered */
    http_answer(request, &(struct http_answer){.status = 404});
}

err_t http_admin_start(const struct http_admin_options *options, struct detail *detail,
                       struct http_admin **ret_admin)
{
    struct http_admin *admin = mem_zero(1, sizeof *admin);
    if (admin == NULL) {
        return FAIL(MEMORY);
    }
    admin->options = *options;
    const struct http_options server = {
        .addresses = options->address,
        .handlers = {.on_head = on_head, .on_request = on_request, .context = admin},
        .threads = 1,
        .connections_max = CONNECTIONS_MAX,
        .idle_s = IDLE_S,
        .body_ms_max = PEER_MS_MAX,
        .arena_bytes_max = ARENA_BYTES_MAX,
    };
    err_t err = http_server_start(&server, detail, &admin->server);
    if (!err_is_ok(err)) {
        mem_free(admin);
        return err;
    }
    *ret_admin = admin;
    return OK;
}

unsigned http_admin_port(const struct http_admin *admin)
{
    return http_server_port(admin->server);
}

void http_admin_stop(struct http_admin *admin)
{
    if (admin != NULL) {
        http_server_stop(admin->server);
        mem_free(admin);
    }
}
