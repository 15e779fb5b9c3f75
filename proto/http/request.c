#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "proto/base/check.h"
#include "proto/base/limits.h"
#include "proto/base/mem.h"
#include "proto/http/private.h"

#include "proto/base/banned.h"

enum { BODY_ROOM_FIRST = 16 << 10 };

static const struct {
    const char *name;
    enum http_method method;
} methods[] = {
    {"GET", HTTP_METHOD_GET},         {"HEAD", HTTP_METHOD_HEAD},   {"POST", HTTP_METHOD_POST},
    {"PUT", HTTP_METHOD_PUT},         {"PATCH", HTTP_METHOD_PATCH}, {"DELETE", HTTP_METHOD_DELETE},
    {"OPTIONS", HTTP_METHOD_OPTIONS},
};

/* --- bytes in flight -------------------------------------------------------------------------------- */

static bool count_more(_Atomic size_t *counter, size_t more, size_t max)
{
    size_t before = atomic_fetch_add(counter, more);
    if (more > max || before > max - more) {
        atomic_fetch_sub(counter, more);
        return false;
    }
    return true;
}

static bool room_count(struct http_request *request, size_t more)
{
    struct http_server *server = request->server;
    if (!count_more(&server->inflight_bytes, more, server->inflight_bytes_max)) {
        return false;
    }
    if (request->share != NULL && !count_more(request->share, more, request->share_bytes_max)) {
        atomic_fetch_sub(&server->inflight_bytes, more);
        return false;
    }
    return true;
}

static void room_uncount(struct http_request *request, size_t bytes)
{
    atomic_fetch_sub(&request->server->inflight_bytes, bytes);
    if (request->share != NULL) {
        atomic_fetch_sub(request->share, bytes);
    }
}

static void body_forget(struct http_request *request)
{
    mem_free(request->body);
    request->body = NULL;
    request->body_len = 0;
    room_uncount(request, request->body_room);
    request->body_room = 0;
}

/* Room for `need` bytes in all; doubles, and ends exactly at a declared length. */
static bool body_grow(struct http_request *request, size_t need)
{
    size_t last = request->is_chunked ? request->accept_bytes_max : (size_t)request->declared_bytes;
    size_t room = request->body_room == 0 ? BODY_ROOM_FIRST : request->body_room;
    while (room < need) {
        room *= 2; /* need is at most accept_bytes_max, far from overflow */
    }
    room = room > last && need <= last ? last : room;
    size_t more = room - request->body_room;
    if (!room_count(request, more)) {
        return false;
    }
    uint8_t *body = mem_resize(request->body, room);
    if (body == NULL) {
        room_uncount(request, more);
        return false;
    }
    request->body = body;
    request->body_room = room;
    return true;
}

/* --- the end of a request --------------------------------------------------------------------------- */

/* NULL: memory ran out when it began. */
static struct connection *connection_of(struct MHD_Connection *mhd)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    return info == NULL ? NULL : info->socket_context;
}

/* Its first line is here, the rest of its head still to come. */
void *request_new(void *cls, const char *target, struct MHD_Connection *mhd)
{
    struct http_server *server = cls;
    struct http_request *request = mem_zero(1, sizeof *request);
    if (request == NULL) {
        return NULL;
    }
    request->server = server;
    request->mhd = mhd;
    request->connection = connection_of(mhd);
    connection_wait_for(request->connection, WAIT_FOR_HEAD, server->head_ms_max);
    request->began = clock_mono();
    arena_init(&request->arena, server->arena_bytes_max);
    request->uri_err = uri_parse(&request->arena, target, &request->uri_detail, &request->uri);
    return request;
}

void request_over(void *cls, struct MHD_Connection *mhd, void **slot,
                  enum MHD_RequestTerminationCode code)
{
    struct http_server *server = cls;
    struct http_request *request = *slot;
    (void)mhd;
    *slot = NULL;
    if (request == NULL) {
        return;
    }
    INVARIANT(!request->is_suspended || request->decision != DECISION_NONE);
    connection_wait_for(request->connection, WAIT_FOR_HEAD, (int64_t)server->idle_s * MS_PER_S);
    if (request->is_shown && server->handlers.on_done != NULL) {
        bool is_sent = code == MHD_REQUEST_TERMINATED_COMPLETED_OK;
        server->handlers.on_done(server->handlers.context, request,
                                 is_sent ? request->status_sent : 0);
    }
    if (request->answer.free_body != NULL) {
        request->answer.free_body(request->answer.free_context);
    }
    if (request->stream != NULL) {
        stream_over(request->stream);
    }
    body_forget(request);
    if (request->is_head_counted) {
        atomic_fetch_sub(&server->requests_count, 1);
    }
    arena_fini(&request->arena);
    mem_free(request);
}

/* --- answers ---------------------------------------------------------------------------------------- */

static void header_add(struct MHD_Response *response, const char *name, const char *value)
{
    (void)MHD_add_response_header(response, name,
                                  value); /* without memory the header is left out */
}

static enum MHD_Result answer_queue(struct http_request *request, bool must_close)
{
    const struct http_answer *answer = &request->answer;
    struct http_server *server = request->server;
    union {
        const uint8_t *in;
        void *out;
    } body = {.in = answer->body.ptr}; /* libmicrohttpd takes no const, and does not write */
    struct MHD_Response *response =
        request->stream != NULL
            ? stream_response(request->stream)
            : MHD_create_response_from_buffer(answer->body.len, body.out, MHD_RESPMEM_PERSISTENT);
    if (response == NULL) {
        return MHD_NO;
    }
    body_forget(request);
    request->stage = STAGE_ANSWERED;
    request->status_sent = answer->status;
    if (answer->content_type != NULL) {
        header_add(response, MHD_HTTP_HEADER_CONTENT_TYPE, answer->content_type);
    }
    for (size_t i = 0; i < HTTP_ANSWER_HEADERS_MAX && answer->headers[i].name != NULL; i++) {
        header_add(response, answer->headers[i].name, answer->headers[i].value);
    }
    header_add(response, "x-request-id", request->id);
    if (must_close || request->is_last || answer->close || atomic_load(&server->is_draining)) {
        header_add(response, MHD_HTTP_HEADER_CONNECTION, "close");
    }
    int64_t read_ms = (int64_t)(answer->body.len / (HTTP_READ_BYTES_PER_S / MS_PER_S));
    connection_wait_for(request->connection, WAIT_FOR_READER, server->body_ms_max + read_ms);
    enum MHD_Result result = MHD_queue_response(request->mhd, answer->status, response);
    MHD_destroy_response(response);
    return result;
}

/* The listener's own refusal, in whatever form the handlers give it. */
static void refuse_fill(struct http_request *request)
{
    struct http_server *server = request->server;
    request->answer = (struct http_answer){
        .status = request->refuse_status,
        .content_type = "text/plain; charset=utf-8",
        .body = bytes_of_text(request->refuse_sentence),
    };
    if (server->handlers.on_refuse != NULL) {
        server->handlers.on_refuse(server->handlers.context, request, request->refuse_status,
                                   request->refuse_sentence, &request->answer);
    }
    if (request->refuse_status == MHD_HTTP_SERVICE_UNAVAILABLE) {
        for (size_t i = 0; i < HTTP_ANSWER_HEADERS_MAX; i++) {
            const char *name = request->answer.headers[i].name;
            if (name == NULL) {
                request->answer.headers[i] = (struct http_header){"retry-after", "1"};
                break;
            }
            if (strcasecmp(name, "retry-after") == 0) {
                break;
            }
        }
    }
}

/* The answer is known while the body is still to come. libmicrohttpd ends the connection when a POST or PUT is
 * answered at its head, so a short or absent body is read first; of other methods it would read on, so theirs
 * is read first too. */
static enum MHD_Result head_answer(struct http_request *request)
{
    bool has_upload = request->method == HTTP_METHOD_POST || request->method == HTTP_METHOD_PUT;
    bool is_long = request->is_chunked || request->declared_bytes > HTTP_DRAIN_BYTES;
    bool is_asking = request->declared_bytes > 0 && http_header(request, "expect") != NULL;
    if (has_upload && (is_long || is_asking)) {
        if (request->connection != NULL) {
            request->connection->is_unread = true;
        }
        return answer_queue(request, true);
    }
    request->stage = STAGE_DRAIN;
    request->drain_bytes_max = is_long ? HTTP_SWALLOW_BYTES : HTTP_DRAIN_BYTES;
    connection_wait_for(request->connection, WAIT_FOR_BODY, request->server->body_ms_max);
    return MHD_YES;
}

static enum MHD_Result head_refuse(struct http_request *request, unsigned status,
                                   const char *sentence)
{
    request->refuse_status = status;
    request->refuse_sentence = sentence;
    refuse_fill(request);
    return head_answer(request);
}

/* Where this request ends is not known, or is not what the sender meant: what follows must not be read as another. */
static enum MHD_Result head_refuse_last(struct http_request *request, unsigned status,
                                        const char *sentence)
{
    request->is_last = true;
    return head_refuse(request, status, sentence);
}

/* --- the head --------------------------------------------------------------------------------------- */

struct head_scan {
    unsigned lengths;
    unsigned encodings;
    unsigned hosts;
    bool has_odd_name;
    const char *length;
    const char *encoding;
};

/* libmicrohttpd takes any name, so that "Content-Length : 5" would be no length here and one to others. */
static bool is_token(const char *name)
{
    static const char others[] = "!#$%&'*+-.^_`|~";
    bool is = name[0] != '\0';
    for (const char *c = name; *c != '\0' && is; c++) {
        unsigned char lower = (unsigned char)((unsigned char)*c | 0x20U);
        bool is_alnum = (lower >= 'a' && lower <= 'z') || (*c >= '0' && *c <= '9');
        is = is_alnum || strchr(others, *c) != NULL;
    }
    return is;
}

/* libmicrohttpd (0.9.75) puts what a folded line holds behind the header's name, so that "Content-Length:", a line's end and
 * " 5" is a header Content-Length5. */
static bool is_folded_framing(const char *name)
{
    static const char *const framing[] = {MHD_HTTP_HEADER_CONTENT_LENGTH,
                                          MHD_HTTP_HEADER_TRANSFER_ENCODING};
    for (size_t i = 0; i < sizeof framing / sizeof framing[0]; i++) {
        size_t len = strlen(framing[i]);
        if (strncasecmp(name, framing[i], len) == 0 && name[len] != '\0') {
            return true;
        }
    }
    return false;
}

static enum MHD_Result head_scan_one(void *cls, enum MHD_ValueKind kind, const char *name,
                                     const char *value)
{
    struct head_scan *scan = cls;
    (void)kind;
    scan->has_odd_name = scan->has_odd_name || !is_token(name) || is_folded_framing(name);
    if (value == NULL) {
        return MHD_YES;
    }
    scan->hosts += strcasecmp(name, MHD_HTTP_HEADER_HOST) == 0;
    if (strcasecmp(name, MHD_HTTP_HEADER_CONTENT_LENGTH) == 0) {
        scan->lengths++;
        scan->length = value;
    } else if (strcasecmp(name, MHD_HTTP_HEADER_TRANSFER_ENCODING) == 0) {
        scan->encodings++;
        scan->encoding = value;
    }
    return MHD_YES;
}

/* How long the body is. Two lengths, or a length beside chunks, are what request smuggling is made of. */
static const char *framing_read(struct http_request *request)
{
    struct head_scan scan = {0};
    (void)MHD_get_connection_values(request->mhd, MHD_HEADER_KIND, head_scan_one, &scan);
    if (scan.has_odd_name) {
        return "the name of a header holds what no name may hold";
    }
    if (scan.hosts > 1) {
        return "the request names more than one host";
    }
    if (scan.encodings > 1 || scan.lengths > 1 || (scan.encodings > 0 && scan.lengths > 0)) {
        return "the request gives more than one length for its body";
    }
    if (scan.encoding != NULL) {
        request->is_chunked = true;
        return strcasecmp(scan.encoding, "chunked") == 0
                   ? NULL
                   : "the only transfer encoding understood is chunked";
    }
    if (scan.length != NULL) {
        char *end = NULL;
        size_t digits = strspn(scan.length, "0123456789");
        if (digits == 0 || digits > 18 || scan.length[digits] != '\0') {
            return "the content length is not a number";
        }
        request->declared_bytes = strtoull(scan.length, &end, 10);
    }
    return NULL;
}

static uint64_t id_make(struct http_server *server)
{
    uint64_t x = server->id_seed + atomic_fetch_add(&server->id_next, 1) * 0x9E3779B97F4A7C15U;
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9U;
    x = (x ^ (x >> 27)) * 0x94D049BB133111EBU;
    return x ^ (x >> 31);
}

static enum MHD_Result head_decided(struct http_request *request);

static void head_identify(struct http_request *request, const char *method)
{
    const char *given = http_header(request, "x-request-id");
    if (context_id_is_good(given)) {
        memcpy(request->id, given, strlen(given) + 1);
    } else {
        (void)snprintf(request->id, sizeof request->id, "%016" PRIx64, id_make(request->server));
    }
    request->method_name = method;
    for (size_t i = 0; i < sizeof methods / sizeof methods[0]; i++) {
        if (strcmp(method, methods[i].name) == 0) {
            request->method = methods[i].method;
        }
    }
}

static enum MHD_Result head_begin(struct http_request *request, const char *method,
                                  const char *version)
{
    struct http_server *server = request->server;
    request->stage = STAGE_HEAD;
    request->is_head_counted = true;
    atomic_fetch_add(&server->requests_count, 1);
    head_identify(request, method);
    connection_wait_for(request->connection, WAIT_FOR_NOTHING, 0);
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(request->mhd, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);
    const char *problem = framing_read(request);
    if (err_is(request->uri_err, ERR_NO_SPACE)) {
        return MHD_NO; /* not even the path is known */
    }
    if (problem != NULL) {
        return head_refuse_last(request, MHD_HTTP_BAD_REQUEST, problem);
    }
    if (info != NULL && info->header_size > LIMIT_HEAD_BYTES) {
        return head_refuse_last(request, MHD_HTTP_REQUEST_HEADER_FIELDS_TOO_LARGE,
                                "the head of the request is larger than 16 KiB");
    }
    if (strncmp(version, "HTTP/1.", 7) != 0) {
        return head_refuse_last(request, MHD_HTTP_HTTP_VERSION_NOT_SUPPORTED,
                                "only HTTP/1.1 is spoken");
    }
    if (!err_is_ok(request->uri_err)) {
        return head_refuse(request, MHD_HTTP_BAD_REQUEST, request->uri_detail.text);
    }
    if (atomic_load(&server->is_stopping)) {
        return head_refuse(request, MHD_HTTP_SERVICE_UNAVAILABLE, "the server is stopping");
    }
    request->is_shown = true;
    server->handlers.on_head(server->handlers.context, request);
    return request->is_suspended ? MHD_YES : head_decided(request);
}

/* `len` is what was declared; 0: nothing was, and more came than is taken. */
static const char *too_large_sentence(struct http_request *request, uint64_t len)
{
    size_t bytes_max = request->accept_bytes_max;
    const char *sentence =
        len == 0 ? arena_printf(&request->arena, "the body is larger than %zu bytes", bytes_max)
                 : arena_printf(&request->arena, "the body has %llu bytes, the limit is %zu",
                                (unsigned long long)len, bytes_max);
    return sentence == NULL ? "the body is larger than allowed" : sentence;
}

static enum MHD_Result head_decided(struct http_request *request)
{
    switch (request->decision) {
    case DECISION_NONE:
        UNREACHABLE(); /* on_head must accept, answer or park */
    case DECISION_ANSWER:
        return head_answer(request);
    case DECISION_ACCEPT:
        break;
    }
    if (!request->is_chunked && request->declared_bytes > request->accept_bytes_max) {
        return head_refuse(request, MHD_HTTP_CONTENT_TOO_LARGE,
                           too_large_sentence(request, request->declared_bytes));
    }
    request->stage = STAGE_BODY;
    request->decision = DECISION_NONE;
    connection_wait_for(request->connection, WAIT_FOR_BODY, request->server->body_ms_max);
    return MHD_YES;
}

/* --- the body --------------------------------------------------------------------------------------- */

static void body_refuse(struct http_request *request, unsigned status, const char *sentence,
                        uint64_t drain_bytes_max)
{
    body_forget(request);
    request->refuse_status = status;
    request->refuse_sentence = sentence;
    request->drain_bytes_max = drain_bytes_max;
    request->stage = STAGE_DRAIN;
}

static void body_take(struct http_request *request, const char *data, size_t len)
{
    if (len > request->accept_bytes_max - request->body_len) {
        body_refuse(request, MHD_HTTP_CONTENT_TOO_LARGE, too_large_sentence(request, 0),
                    HTTP_SWALLOW_BYTES);
        return;
    }
    size_t need = request->body_len + len;
    if (need > request->body_room && !body_grow(request, need)) {
        body_refuse(request, MHD_HTTP_SERVICE_UNAVAILABLE, "too much is in flight, send again",
                    request->accept_bytes_max);
        return;
    }
    memcpy(request->body + request->body_len, data, len);
    request->body_len = need;
}

static void request_suspend(struct http_request *request)
{
    request->is_suspended = true;
    atomic_fetch_add(&request->server->suspended_count, 1);
    connection_wait_for(request->connection, WAIT_FOR_NOTHING, 0);
    MHD_suspend_connection(request->mhd);
}

static enum MHD_Result body_step(struct http_request *request, const char *data, size_t *data_len)
{
    size_t len = *data_len;
    *data_len = 0;
    if (request->stage == STAGE_BODY && len > 0) {
        body_take(request, data, len);
    } else if (request->stage == STAGE_BODY) {
        struct http_server *server = request->server;
        request->stage = STAGE_WORK;
        request_suspend(request);
        server->handlers.on_request(server->handlers.context, request);
        return MHD_YES; /* the owner may have answered already: nothing of the request is touched */
    } else if (len > 0) {
        request->drained_bytes += len;
        return request->drained_bytes <= request->drain_bytes_max ? MHD_YES : MHD_NO;
    } else {
        if (request->decision != DECISION_ANSWER && request->refuse_status != 0) {
            refuse_fill(request);
        }
        return answer_queue(request, false);
    }
    return MHD_YES;
}

enum MHD_Result request_step(void *cls, struct MHD_Connection *mhd, const char *url,
                             const char *method, const char *version, const char *data,
                             size_t *data_len, void **slot)
{
    struct http_request *request = *slot;
    (void)cls;
    (void)mhd;
    (void)url; /* decoded by libmicrohttpd with less care than uri_parse */
    if (request == NULL) {
        return MHD_NO; /* out of memory when its head began */
    }
    if (request->stage != STAGE_NEW && request->is_suspended) {
        request->is_suspended = false; /* its owner resumed it */
        return request->stage == STAGE_HEAD ? head_decided(request) : answer_queue(request, false);
    }
    switch (request->stage) {
    case STAGE_NEW:
        return head_begin(request, method, version);
    case STAGE_BODY:
    case STAGE_DRAIN:
        return body_step(request, data, data_len);
    case STAGE_HEAD:
    case STAGE_WORK:
    case STAGE_ANSWERED:
        break;
    }
    *data_len = 0; /* nothing is wanted any more */
    return MHD_YES;
}

/* --- the owner's side --------------------------------------------------------------------------------- */

void request_decide(struct http_request *request, enum decision decision)
{
    PRE(request->decision == DECISION_NONE);
    request->decision = decision;
    if (request->is_suspended) {
        struct http_server *server = request->server;
        MHD_resume_connection(request->mhd);
        /* The last touch: the server may end once nothing is suspended, the request before that. */
        atomic_fetch_sub(&server->suspended_count, 1);
    }
}

void http_park(struct http_request *request)
{
    PRE(request->stage == STAGE_HEAD && !request->is_suspended);
    request_suspend(request);
}

void http_accept(struct http_request *request, size_t bytes_max)
{
    PRE(request->stage == STAGE_HEAD);
    request->accept_bytes_max = bytes_max;
    request_decide(request, DECISION_ACCEPT);
}

void http_answer(struct http_request *request, const struct http_answer *answer)
{
    request->answer = *answer;
    request_decide(request, DECISION_ANSWER);
}

void http_set_share(struct http_request *request, _Atomic size_t *counter, size_t bytes_max)
{
    PRE(request->body_room == 0);
    request->share = counter;
    request->share_bytes_max = bytes_max;
}

struct arena *http_arena(struct http_request *request)
{
    return &request->arena;
}

enum http_method http_method(const struct http_request *request)
{
    return request->method;
}

bool http_is_tls(const struct http_request *request)
{
    return request->server->tls != NULL;
}

const char *http_method_name(const struct http_request *request)
{
    return request->method_name;
}

const char *http_path(const struct http_request *request)
{
    return request->uri.path;
}

const char *http_raw_path(const struct http_request *request)
{
    return request->uri.raw_path;
}

const char *http_header(const struct http_request *request, const char *name)
{
    return MHD_lookup_connection_value(request->mhd, MHD_HEADER_KIND, name);
}

struct bytes http_body(const struct http_request *request)
{
    return bytes_of(request->body, request->body_len);
}

struct mono_ns http_began(const struct http_request *request)
{
    return request->began;
}

const char *http_id(const struct http_request *request)
{
    return request->id;
}

size_t http_parameters(const struct http_request *request, const struct http_parameter **ret_all)
{
    *ret_all = request->uri.parameters;
    return request->uri.parameters_count;
}

const char *http_parameter(const struct http_request *request, const char *name)
{
    for (size_t i = 0; i < request->uri.parameters_count; i++) {
        if (strcmp(request->uri.parameters[i].name, name) == 0) {
            return request->uri.parameters[i].value;
        }
    }
    return NULL;
}

void http_set_user(struct http_request *request, void *user)
{
    request->user = user;
}

void *http_user(const struct http_request *request)
{
    return request->user;
}
