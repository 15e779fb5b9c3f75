#include <stdio.h>

#include "api/ingest/decode.h"
#include "api/ingest/ingest.h"
#include "proto/otlp/jsontext.h"
#include "proto/otlp/wire.h"

#include "proto/base/banned.h"

enum { STATUS_BYTES_MAX = 16 << 10 };

static const char bad_request[] = "type.googleapis.com/google.rpc.BadRequest";

bool ingest_is_otlp_path(const char *path)
{
    static const char old[] = "/v1/otel";
    static const char *const signals[] = {"/v1/traces", "/v1/logs", "/v1/metrics"};
    if (strncmp(path, old, sizeof old - 1) == 0) {
        path += sizeof old - 1;
    }
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++) {
        if (strcmp(path, signals[i]) == 0) {
            return true;
        }
    }
    return false;
}

/* google.rpc.Code for an HTTP status. */
static unsigned rpc_code(unsigned status)
{
    static const struct {
        unsigned status;
        unsigned code;
    } codes[] = {{400, 3}, {401, 16}, {403, 7}, {404, 5}, {405, 12}, {408, 4},
                 {413, 8}, {415, 3},  {429, 8}, {431, 8}, {500, 13}, {503, 14}};
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++) {
        if (codes[i].status == status) {
            return codes[i].code;
        }
    }
    return 2; /* UNKNOWN */
}

static void protobuf_write(struct buf *out, unsigned status, struct bytes message)
{
    wire_put_u64(out, 1, rpc_code(status));
    wire_put_bytes(out, 2, message);
    if (status == 400) { /* details: Any of BadRequest with one violation's description */
        size_t violation = wire_bytes_size(message.len);
        size_t value = wire_bytes_size(violation);
        size_t any = wire_bytes_size(sizeof bad_request - 1) + wire_bytes_size(value);
        wire_put_head(out, 3, any);
        wire_put_bytes(out, 1, bytes_of_text(bad_request));
        wire_put_head(out, 2, value);
        wire_put_head(out, 1, violation);
        wire_put_bytes(out, 2, message);
    }
}

static void json_write(struct buf *out, unsigned status, struct bytes message)
{
    buf_printf(out, "{\"code\":%u,\"message\":", rpc_code(status));
    jsontext_add(out, message);
    if (status == 400) {
        buf_printf(out, ",\"details\":[{\"@type\":\"%s\",\"fieldViolations\":[{\"description\":",
                   bad_request);
        jsontext_add(out, message);
        buf_add_text(out, "}]}]");
    }
    buf_add_text(out, "}");
}

static void headers_fill(const char *path, unsigned status, struct http_answer *answer)
{
    size_t count = 0;
    if (status == 503) {
        answer->headers[count++] = (struct http_header){"Retry-After", "1"};
    } else if (status == 405) {
        answer->headers[count++] =
            (struct http_header){"Allow", strcmp(path, "/v1/traces") == 0 ? "GET, POST" : "POST"};
    } else if (status == 401) {
        answer->headers[count++] = (struct http_header){"WWW-Authenticate", "Bearer"};
    } else if (status == 415) {
        answer->headers[count++] =
            (struct http_header){"Accept-Encoding", "gzip, deflate, identity"};
    }
}

void ingest_status_answer(struct http_request *request, unsigned status, const char *sentence,
                          struct http_answer *ret_answer)
{
    enum ingest_encoding encoding = ingest_encoding_of(http_header(request, "Content-Type"));
    struct bytes message = bytes_of_text(sentence);
    struct bytes body = {0};
    struct buf out;
    buf_init(&out, STATUS_BYTES_MAX);
    if (encoding == INGEST_ENCODING_PROTOBUF) {
        protobuf_write(&out, status, message);
    } else {
        json_write(&out, status, message);
    }
    if (!err_is_ok(buf_err(&out)) ||
        !err_is_ok(arena_copy(http_arena(request), buf_bytes(&out), &body))) {
        /* Out of memory: an empty Status is a valid one, and the HTTP status says the rest. */
        body = bytes_of_text(encoding == INGEST_ENCODING_PROTOBUF ? "" : "{}");
    }
    buf_fini(&out);
    *ret_answer = (struct http_answer){
        .status = status, .content_type = ingest_content_type(encoding), .body = body};
    headers_fill(http_path(request), status, ret_answer);
}
