#include "api/http/sign_in.h"

#include <stdio.h>

#include "api/http/exchange_private.h"

#include "proto/base/banned.h"

enum { ENDS_BYTES = 64 };

/* A proxy in front may speak TLS for us. */
static bool is_secure(struct http_request *request)
{
    const char *proto = http_header(request, "x-forwarded-proto");
    return http_is_tls(request) || (proto != NULL && strcmp(proto, "https") == 0);
}

static void answer_with(struct exchange *exchange, const char *cookie, struct bytes body)
{
    struct bytes kept = {0};
    char *header = arena_text(exchange_arena(exchange), bytes_of_text(cookie));
    if (header == NULL || !err_is_ok(arena_copy(exchange_arena(exchange), body, &kept))) {
        exchange_fail(exchange, FAIL(NO_SPACE), &(struct detail){0});
        return;
    }
    exchange_answer(exchange,
                    &(struct http_answer){.status = 200,
                                          .content_type = "application/json",
                                          .body = kept,
                                          .headers = {{"x-content-type-options", "nosniff"},
                                                      {"cache-control", "no-store"},
                                                      {"set-cookie", header}}});
}

void session_open(struct exchange *exchange)
{
    char text[SESSION_TEXT_BYTES];
    char cookie[SESSION_COOKIE_BYTES];
    char ends[RFC3339_BYTES];
    char body[ENDS_BYTES + RFC3339_BYTES];
    if (exchange->credential.is_session) {
        exchange_error(exchange, 400, "bad_request",
                       "a session is given to an API key: send it as Authorization: Bearer KEY");
        return;
    }
    int64_t ends_s = clock_unix().ns / NS_PER_S + SESSION_S;
    err_t err = session_make(exchange->facts.key, &exchange->credential.hash, ends_s, text);
    if (!err_is_ok(err)) {
        exchange_fail(exchange, err, &(struct detail){0});
        return;
    }
    session_cookie(text, SESSION_S, is_secure(exchange->request), cookie);
    unix_to_rfc3339((struct unix_ns){ends_s * NS_PER_S}, 0, ends);
    (void)snprintf(body, sizeof body, "{\"data\":{\"endsAt\":\"%s\"}}", ends);
    answer_with(exchange, cookie, bytes_of_text(body));
}

void session_close(struct exchange *exchange)
{
    char cookie[SESSION_COOKIE_BYTES];
    session_cookie(NULL, 0, is_secure(exchange->request), cookie);
    answer_with(exchange, cookie, bytes_of_text("{\"data\":{}}"));
}
