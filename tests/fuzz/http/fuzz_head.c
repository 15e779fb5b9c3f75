/* Any octets as what we read ourselves of a request's head, one value a line: path, Authorization, X-Vapi-Secret, Cookie,
 * X-Request-Id, traceparent, Last-Event-ID, Content-Type,
 * Accept-Encoding. Nobody made a session under the hash used here: none is good. */
#include <stdio.h>

#include "api/http/exchange.h"
#include "api/http/key_text.h"
#include "api/http/route.h"
#include "api/http/session.h"
#include "api/ingest/decode.h"
#include "api/live/ring.h"
#include "proto/base/check.h"
#include "proto/http/coding.h"
#include "proto/http/context.h"

#include "proto/base/banned.h"

enum line {
    LINE_PATH = 0,
    LINE_AUTHORIZATION,
    LINE_VAPI_SECRET,
    LINE_COOKIE,
    LINE_REQUEST_ID,
    LINE_PARENT,
    LINE_LAST_EVENT,
    LINE_TYPE,
    LINE_CODINGS,
    LINE_COUNT,
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void nothing(struct exchange *exchange)
{
    (void)exchange; /* the table's functions are never called */
}

static void route_try(const char *path, struct arena *arena)
{
    static const struct route routes[] = {
        {HTTP_METHOD_GET, "/v1/call", nothing, API_SCOPE_READ, 0, ROUTE_POOL_READ},
        {HTTP_METHOD_POST, "/v1/call", nothing, API_SCOPE_WRITE, 16, ROUTE_POOL_WORK},
        {HTTP_METHOD_GET, "/v1/call/{callId}/traces", nothing, API_SCOPE_READ, 0, ROUTE_POOL_READ},
        {HTTP_METHOD_GET, "/v1/traces/{traceId}/spans/{spanId}/values/{valueId}", nothing,
         API_SCOPE_READ, 0, ROUTE_POOL_READ},
        {HTTP_METHOD_GET, "/assets/{file}", nothing, API_SCOPE_NONE, 0, ROUTE_POOL_WORK},
    };
    struct route_match match = {0};
    err_t err =
        route_find(routes, sizeof routes / sizeof routes[0], arena, HTTP_METHOD_GET, path, &match);
    for (size_t i = 0; err_is_ok(err) && match.route != NULL && i < ROUTE_PARTS_MAX; i++) {
        INVARIANT(match.parts[i] == NULL || bytes_are_utf8(bytes_of_text(match.parts[i])));
    }
    INVARIANT(!err_is_ok(err) || match.route == NULL || match.methods != 0);
}

static void key_try(const char *const *lines)
{
    const struct key_headers headers = {.authorization = lines[LINE_AUTHORIZATION],
                                        .vapi_secret = lines[LINE_VAPI_SECRET]};
    struct bytes text;
    struct key_hash hash;
    if (key_text_of_headers(&headers, &text) && key_text_is_plausible(text)) {
        INVARIANT(text.len == KEY_TEXT_CHARS && err_is_ok(key_text_hash(text, &hash)));
    }
}

static void session_try(const char *cookie)
{
    static const struct key_hash stored = {{0xc3, 0x5a}};
    struct bytes text;
    struct session_claim claim;
    if (session_of_cookie(cookie, &text, &claim)) {
        INVARIANT(text.len < SESSION_TEXT_BYTES && claim.ends_s >= 0);
        INVARIANT(!session_is_valid(&claim, &stored, 0));
    }
}

/* What was read of the header says the same when it is written anew. */
static void parent_try(const char *text)
{
    struct context_parent parent;
    struct context_parent again;
    char trace[TRACE_ID_HEX + 1] = {0};
    char span[SPAN_ID_HEX + 1] = {0};
    char written[CONTEXT_PARENT_CHARS + 1];
    if (!context_parent_read(text, &parent)) {
        return;
    }
    INVARIANT(!trace_id_is_zero(parent.trace) && !span_id_is_zero(parent.span));
    bytes_to_hex(bytes_of(parent.trace.b, sizeof parent.trace.b), trace);
    bytes_to_hex(bytes_of(parent.span.b, sizeof parent.span.b), span);
    (void)snprintf(written, sizeof written, "00-%s-%s-%02x", trace, span, parent.is_sampled);
    INVARIANT(context_parent_read(written, &again));
    INVARIANT(trace_id_equal(again.trace, parent.trace) && again.is_sampled == parent.is_sampled);
}

static void ring_try(struct bytes id)
{
    static struct ring ring;
    uint64_t after = 0;
    if (ring.run == 0) {
        ring_init(&ring, UINT64_C(0xABCDEF));
    }
    INVARIANT(!ring_find(&ring, id, &after) || after <= ring.dealt);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena;
    const char *lines[LINE_COUNT] = {NULL};
    arena_init(&arena, 1 << 20);
    struct bytes rest = bytes_of(data, size);
    for (size_t i = 0; i < LINE_COUNT && rest.len > 0; i++) {
        const uint8_t *feed = memchr(rest.ptr, '\n', rest.len);
        size_t len = feed == NULL ? rest.len : (size_t)(feed - rest.ptr);
        lines[i] = len == 0 ? NULL : arena_text(&arena, bytes_of(rest.ptr, len));
        len += feed != NULL;
        rest = bytes_of(rest.ptr + len, rest.len - len);
    }
    if (lines[LINE_PATH] != NULL) {
        route_try(lines[LINE_PATH], &arena);
    }
    key_try(lines);
    session_try(lines[LINE_COOKIE]);
    INVARIANT(!context_id_is_good(lines[LINE_REQUEST_ID]) ||
              strlen(lines[LINE_REQUEST_ID]) <= CONTEXT_ID_CHARS_MAX);
    parent_try(lines[LINE_PARENT]);
    ring_try(bytes_of_text(lines[LINE_LAST_EVENT] == NULL ? "" : lines[LINE_LAST_EVENT]));
    (void)ingest_encoding_of(lines[LINE_TYPE]);
    (void)coding_accepts_gzip(lines[LINE_CODINGS]);
    arena_fini(&arena);
    return 0;
}
