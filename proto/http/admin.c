#include "proto/http/admin.h"

#include <stdarg.h>
#include <stdio.h>

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
    WORDS_BYTES = 512,
};

struct http_admin {
    struct http_server *server;
    struct http_admin_options options;
};

/* Two lists of JSON as they grow. */
struct http_ready {
    struct buf missing;
    struct buf words;
};

/* A JSON text. What is no printable ASCII, which libraries may put into their sentences, becomes '?'. */
static void text_add(struct buf *out, const char *text)
{
    buf_add_u8(out, '"');
    for (const char *c = text; *c != '\0'; c++) {
        if (*c == '"' || *c == '\\') {
            buf_add_u8(out, '\\');
        }
        buf_add_u8(out, *c >= 0x20 && *c < 0x7F ? (uint8_t)*c : '?');
    }
    buf_add_u8(out, '"');
}

static void comma_add(struct buf *out)
{
    if (buf_bytes(out).len > 0) {
        buf_add_u8(out, ',');
    }
}

__attribute__((format(printf, 3, 0))) static void
words_add(struct http_ready *ready, const char *what, const char *format, va_list args)
{
    char sentence[WORDS_BYTES];
    int len = vsnprintf(sentence, sizeof sentence, format, args);
    comma_add(&ready->words);
    text_add(&ready->words, what);
    buf_add_u8(&ready->words, ':');
    text_add(&ready->words, len < 0 ? "" : sentence);
}

void http_ready_missing(struct http_ready *ready, const char *what, const char *format, ...)
{
    va_list args;
    comma_add(&ready->missing);
    text_add(&ready->missing, what);
    va_start(args, format);
    words_add(ready, what, format, args);
    va_end(args);
}

void http_ready_note(struct http_ready *ready, const char *what, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    words_add(ready, what, format, args);
    va_end(args);
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
    struct http_ready ready;
    struct buf text;
    buf_init(&ready.missing, ANSWER_BYTES_MAX);
    buf_init(&ready.words, ANSWER_BYTES_MAX);
    buf_init(&text, ANSWER_BYTES_MAX);
    admin->options.on_ready(admin->options.context, &ready);
    struct bytes missing = buf_bytes(&ready.missing);
    struct bytes words = buf_bytes(&ready.words);
    bool is_ready = missing.len == 0;
    buf_printf(&text, "{\"ready\":%s", is_ready ? "true" : "false");
    if (!is_ready) {
        buf_add_text(&text, ",\"missing\":[");
        buf_add(&text, missing);
        buf_add_text(&text, "]");
    }
    if (words.len > 0) {
        buf_add_text(&text, ",\"words\":{");
        buf_add(&text, words);
        buf_add_text(&text, "}");
    }
    buf_add_text(&text, "}\n");
    buf_fini(&ready.missing);
    buf_fini(&ready.words);
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
