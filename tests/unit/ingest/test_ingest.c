#include "tests/unit/expect.h"

#include <stdio.h>
#include <stdlib.h>

#include "api/api.h"
#include "api/ingest/ingest.h"
#include "proto/base/limits.h"
#include "proto/bus/message.h"
#include "proto/otlp/status.pb-c.h"
#include "proto/otlp/trace_service.pb-c.h"
#include "tests/unit/otlp/make.h"

/* The route function between a fake listener and a fake bus. */

struct exchange {
    struct api api;
    struct api_conf conf;
    struct arena arena;
    const char *content_type;
    const char *content_encoding;
    const char *path;
    struct bytes body;
    /* the bus */
    err_t send_err;
    err_t reply_err;
    struct bus_reply reply;
    unsigned sent_count;
    struct buf sent;
    /* the answer */
    unsigned answers_count;
    struct http_answer answer;
};

static struct exchange *from_request(const struct http_request *request)
{
    struct exchange *exchange = NULL;
    memcpy(&exchange, &request, sizeof exchange);
    return exchange;
}

struct api *exchange_api(struct exchange *exchange)
{
    return &exchange->api;
}

struct http_request *exchange_http(struct exchange *exchange)
{
    struct http_request *request = NULL;
    memcpy(&request, &exchange, sizeof request);
    return request;
}

struct arena *exchange_arena(struct exchange *exchange)
{
    return &exchange->arena;
}

struct uuid exchange_project(const struct exchange *exchange)
{
    (void)exchange;
    return (struct uuid){{4, 2}};
}

void exchange_answer(struct exchange *exchange, const struct http_answer *answer)
{
    exchange->answers_count++;
    exchange->answer = *answer;
}

/* On these paths a refusal is a Status, see api/http/refuse.h. */
void exchange_error(struct exchange *exchange, unsigned status, const char *code,
                    const char *format, ...)
{
    char sentence[1024];
    struct http_answer answer;
    va_list args;
    (void)code;
    va_start(args, format);
    assert_true(vsnprintf(sentence, sizeof sentence, format, args) >= 0);
    va_end(args);
    ingest_status_answer(exchange_http(exchange), status, sentence, &answer);
    exchange_answer(exchange, &answer);
}

struct arena *http_arena(struct http_request *request)
{
    return &from_request(request)->arena;
}

const char *http_path(const struct http_request *request)
{
    return from_request(request)->path;
}

const char *http_header(const struct http_request *request, const char *name)
{
    const struct exchange *exchange = from_request(request);
    return strcmp(name, "Content-Type") == 0       ? exchange->content_type
           : strcmp(name, "Content-Encoding") == 0 ? exchange->content_encoding
                                                   : NULL;
}

struct bytes http_body(const struct http_request *request)
{
    return from_request(request)->body;
}

/* Answers at once, as a real bus may. */
err_t bus_client_send(struct bus_client *client, struct bytes wire, bus_answer_fn *on_answer,
                      void *context)
{
    struct exchange *exchange = NULL;
    memcpy(&exchange, &client, sizeof exchange);
    exchange->sent_count++;
    buf_reset(&exchange->sent);
    buf_add(&exchange->sent, wire);
    if (!err_is_ok(exchange->send_err)) {
        return exchange->send_err;
    }
    struct arena scratch;
    struct buf reply;
    arena_init(&scratch, 1 << 20);
    buf_init(&reply, 1 << 20);
    if (err_is_ok(exchange->reply_err)) {
        exchange->reply_err = bus_reply_pack(&exchange->reply, &scratch, &reply);
    }
    on_answer(context, exchange->reply_err, buf_bytes(&reply));
    buf_fini(&reply);
    arena_fini(&scratch);
    return OK;
}

struct fixture {
    struct exchange exchange;
    struct make make;
    struct arena arena;
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    struct exchange *exchange = &f->exchange;
    exchange->conf.body_bytes_max = LIMIT_BODY_BYTES;
    exchange->api.conf = &exchange->conf;
    memcpy(&exchange->api.bus, &exchange, sizeof exchange);
    arena_init(&exchange->arena, 16 << 20);
    buf_init(&exchange->sent, LIMIT_BUS_BYTES);
    exchange->path = "/v1/traces";
    exchange->content_type = "application/x-protobuf";
    exchange->reply.outcome = BUS_OUTCOME_ACCEPTED;
    make_init(&f->make);
    arena_init(&f->arena, 64 << 20);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    arena_fini(&f->exchange.arena);
    buf_fini(&f->exchange.sent);
    make_fini(&f->make);
    arena_fini(&f->arena);
    free(f);
    return 0;
}

/* One good span, and one more without ids when asked for. */
static void make_export(struct fixture *f, bool has_bad)
{
    make_reset(&f->make);
    make_frame(&f->make, "svc", "s");
    make_span(&f->make, 1, 1, "good");
    make_attribute(&f->make, 9, "roark.external_id", "x");
    make_close(&f->make);
    if (has_bad) {
        make_open(&f->make, 2);
        make_close(&f->make);
    }
    make_close(&f->make);
    make_close(&f->make);
    f->exchange.body = make_bytes(&f->make);
}

static void run(struct fixture *f)
{
    f->exchange.answers_count = 0;
    f->exchange.answer = (struct http_answer){0};
    ingest_traces(&f->exchange);
    assert_int_equal(f->exchange.answers_count, 1);
}

static const char *header(const struct fixture *f, const char *name)
{
    for (size_t i = 0; f->exchange.answer.headers[i].name != NULL; i++) {
        if (strcmp(f->exchange.answer.headers[i].name, name) == 0) {
            return f->exchange.answer.headers[i].value;
        }
    }
    return NULL;
}

static void check_status(const struct fixture *f, unsigned status, int code, const char *says)
{
    const struct http_answer *answer = &f->exchange.answer;
    assert_int_equal(answer->status, status);
    assert_string_equal(answer->content_type, "application/x-protobuf");
    Google__Rpc__Status *got =
        google__rpc__status__unpack(NULL, answer->body.len, answer->body.ptr);
    assert_non_null(got);
    assert_int_equal(got->code, code);
    if (strstr(got->message, says) == NULL) {
        fail_msg("%s", got->message);
    }
    assert_int_equal(got->n_details, status == 400);
    if (status == 400) {
        Google__Rpc__BadRequest *bad = google__rpc__bad_request__unpack(
            NULL, got->details[0]->value.len, got->details[0]->value.data);
        assert_non_null(bad);
        assert_string_equal(got->details[0]->type_url, "type.googleapis.com/google.rpc.BadRequest");
        assert_string_equal(bad->field_violations[0]->description, got->message);
        google__rpc__bad_request__free_unpacked(bad, NULL);
    }
    google__rpc__status__free_unpacked(got, NULL);
}

static void check_partial(const struct fixture *f, int64_t rejected, const char *says)
{
    const struct http_answer *answer = &f->exchange.answer;
    assert_int_equal(answer->status, 200);
    Opentelemetry__Proto__Collector__Trace__V1__ExportTraceServiceResponse *got =
        opentelemetry__proto__collector__trace__v1__export_trace_service_response__unpack(
            NULL, answer->body.len, answer->body.ptr);
    assert_non_null(got);
    assert_non_null(got->partial_success);
    assert_int_equal(got->partial_success->rejected_spans, rejected);
    if (strstr(got->partial_success->error_message, says) == NULL) {
        fail_msg("%s", got->partial_success->error_message);
    }
    opentelemetry__proto__collector__trace__v1__export_trace_service_response__free_unpacked(got,
                                                                                             NULL);
}

/* --- what goes well ---------------------------------------------------------------------------------------- */

static void test_an_export_reaches_the_bus_and_is_answered_empty(void **state)
{
    struct fixture *f = *state;
    struct bus_message message;
    struct detail detail;
    make_export(f, false);
    run(f);
    assert_int_equal(f->exchange.answer.status, 200);
    assert_string_equal(f->exchange.answer.content_type, "application/x-protobuf");
    assert_int_equal(f->exchange.answer.body.len, 0);
    EXPECT_OK(bus_message_unpack(buf_bytes(&f->exchange.sent), &f->arena, &detail, &message));
    assert_int_equal(message.what, BUS_WHAT_SPANS);
    assert_int_equal(message.spans.project.b[0], 4);
    assert_int_equal(message.spans.traces_count, 1);
    assert_int_equal(message.spans.traces[0].spans_count, 1);
    assert_int_equal(message.spans.traces[0].keys_count, 1);
    assert_true(message.spans.traces[0].segment.len > 0);
}

static void test_an_empty_export_succeeds_without_the_bus(void **state)
{
    struct fixture *f = *state;
    run(f);
    assert_int_equal(f->exchange.answer.status, 200);
    f->exchange.content_type = "application/json; charset=utf-8";
    f->exchange.body = bytes_of_text("{\"resourceSpans\":[]}");
    run(f);
    assert_int_equal(f->exchange.answer.status, 200);
    assert_string_equal(f->exchange.answer.content_type, "application/json");
    assert_true(bytes_equal_text(f->exchange.answer.body, "{}"));
    assert_int_equal(f->exchange.sent_count, 0);
}

static const char json_export[] =
    "{\"resourceSpans\":[{\"scopeSpans\":[{\"spans\":["
    "{\"traceId\":\"0102030405060708090A0B0C0D0E0F10\",\"spanId\":\"0102030405060708\"},"
    "{\"traceId\":\"0102030405060708090A0B0C0D0E0F10\",\"spanId\":\"01\"},"
    "{\"name\":5}]}]}]}";

static void test_json_rejects_are_told_in_json(void **state)
{
    struct fixture *f = *state;
    f->exchange.content_type = "application/json";
    f->exchange.body = bytes_of_text(json_export);
    run(f);
    assert_int_equal(f->exchange.answer.status, 200);
    assert_int_equal(f->exchange.sent_count, 1);
    struct bytes body = f->exchange.answer.body;
    static const char begin[] = "{\"partialSuccess\":{\"rejectedSpans\":\"2\",\"errorMessage\":\"";
    assert_true(bytes_start_with(body, begin));
    const char *text = arena_text(&f->arena, body);
    assert_non_null(strstr(text, "name must be a text"));
    assert_non_null(strstr(text, "span_id must be 8 bytes"));
}

static void test_rejects_are_told_beside_what_was_stored(void **state)
{
    struct fixture *f = *state;
    make_export(f, true);
    run(f);
    check_partial(f, 1, "trace_id must be 16 bytes");
    struct bus_rejected rejected = {
        .trace = {{1}}, .spans_count = 1, .reason = bytes_of_text("an odd octet")};
    f->exchange.reply.rejected = &rejected;
    f->exchange.reply.rejected_count = 1;
    run(f);
    check_partial(f, 2, "an odd octet");
    make_reset(&f->make);
    make_frame(&f->make, "svc", "s");
    make_open(&f->make, 2);
    make_close(&f->make);
    make_close(&f->make);
    make_close(&f->make);
    f->exchange.body = make_bytes(&f->make);
    f->exchange.sent_count = 0;
    run(f);
    check_partial(f, 1, "trace_id");
    assert_int_equal(f->exchange.sent_count, 0);
}

/* --- what is refused ------------------------------------------------------------------------------------------ */

static void test_other_content_types_are_415(void **state)
{
    struct fixture *f = *state;
    static const char *const types[] = {NULL, "text/plain", "application/x-protobuffer"};
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        f->exchange.content_type = types[i];
        run(f);
        assert_int_equal(f->exchange.answer.status, 415);
        assert_string_equal(f->exchange.answer.content_type, "application/json");
        assert_non_null(
            strstr(arena_text(&f->arena, f->exchange.answer.body), "\"code\":3,\"message\":\""));
    }
}

static void test_bad_bodies_are_refused_in_their_encoding(void **state)
{
    struct fixture *f = *state;
    f->exchange.body = bytes_of_text("\x0A\x05");
    run(f);
    check_status(f, 400, 3, "ends inside a message");
    f->exchange.content_encoding = "gzip";
    run(f);
    check_status(f, 400, 3, "not valid gzip");
    f->exchange.content_encoding = "br";
    run(f);
    check_status(f, 415, 3, "Content-Encoding br is not supported");
    assert_string_equal(header(f, "Accept-Encoding"), "gzip, deflate, identity");
    f->exchange.content_encoding = NULL;
    f->exchange.content_type = "application/json";
    f->exchange.body = bytes_of_text("{\"a\":");
    run(f);
    assert_int_equal(f->exchange.answer.status, 400);
    const char *text = arena_text(&f->arena, f->exchange.answer.body);
    assert_non_null(
        strstr(text, "the body is not valid JSON: expected a value at line 1, column 6"));
    assert_non_null(strstr(text, "\"fieldViolations\":[{\"description\":\""));
    assert_int_equal(f->exchange.sent_count, 0);
}

static void test_too_many_spans_are_413(void **state)
{
    struct fixture *f = *state;
    make_open(&f->make, 1);
    make_open(&f->make, 2);
    for (int i = 0; i <= LIMIT_SPANS_PER_EXPORT; i++) {
        wire_put_head(&f->make.out, 2, 0);
    }
    make_close(&f->make);
    make_close(&f->make);
    f->exchange.body = make_bytes(&f->make);
    run(f);
    check_status(f, 413, 8, "100001 spans");
}

static void test_whatever_is_away_is_503_with_retry_after(void **state)
{
    struct fixture *f = *state;
    make_export(f, false);
    static const err_t away[] = {{ERR_OVERLOAD}, {ERR_PEER_GONE}, {ERR_MEMORY}, {ERR_CLOSED}};
    for (size_t i = 0; i < sizeof away / sizeof *away; i++) {
        f->exchange.send_err = away[i];
        run(f);
        check_status(f, 503, 14, err_text(away[i]));
        assert_string_equal(header(f, "Retry-After"), "1");
    }
    f->exchange.send_err = OK;
    f->exchange.reply_err = FAIL(TIMEOUT);
    run(f);
    check_status(f, 503, 14, "too long");
    f->exchange.reply_err = OK;
    f->exchange.reply = (struct bus_reply){.outcome = BUS_OUTCOME_UNAVAILABLE,
                                           .reason = bytes_of_text("Postgres is away")};
    run(f);
    check_status(f, 503, 14, "Postgres is away");
    assert_string_equal(header(f, "Retry-After"), "1");
}

static void test_what_can_never_be_stored_is_400(void **state)
{
    struct fixture *f = *state;
    make_export(f, false);
    f->exchange.reply = (struct bus_reply){.outcome = BUS_OUTCOME_REJECTED,
                                           .reason = bytes_of_text("no such project")};
    run(f);
    check_status(f, 400, 3, "no such project");
}

static void test_statuses_by_number(void **state)
{
    struct fixture *f = *state;
    static const struct {
        unsigned status;
        int code;
        const char *header;
        const char *value;
    } cases[] = {
        {401, 16, "WWW-Authenticate", "Bearer"}, {403, 7, NULL, NULL}, {404, 5, NULL, NULL},
        {405, 12, "Allow", "GET, POST"},         {413, 8, NULL, NULL}, {500, 13, NULL, NULL},
        {503, 14, "Retry-After", "1"},           {418, 2, NULL, NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ingest_status_answer(exchange_http(&f->exchange), cases[i].status, "said \"so\"",
                             &f->exchange.answer);
        check_status(f, cases[i].status, cases[i].code, "said \"so\"");
        if (cases[i].header != NULL) {
            assert_string_equal(header(f, cases[i].header), cases[i].value);
        }
    }
}

static void test_logs_and_metrics_are_404(void **state)
{
    struct fixture *f = *state;
    f->exchange.path = "/v1/logs";
    ingest_other_signal(&f->exchange);
    check_status(f, 404, 5, "traces only");
    static const struct {
        const char *path;
        bool is_otlp;
    } paths[] = {
        {"/v1/traces", true},         {"/v1/logs", true},         {"/v1/metrics", true},
        {"/v1/otel/v1/traces", true}, {"/v1/otel/v1/logs", true}, {"/v1/otel", false},
        {"/v1/call", false},          {"/v1/traces/1234", false}, {"/v1/otel/v1/call", false},
    };
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        assert_int_equal(ingest_is_otlp_path(paths[i].path), paths[i].is_otlp);
    }
}

static void run_once(void *context)
{
    struct fixture *f = context;
    run(f);
    unsigned status = f->exchange.answer.status;
    assert_true(status == 200 || status == 503);
    arena_fini(&f->exchange.arena);
    f->exchange.reply_err = OK;
}

static void test_failing_allocations_are_answered(void **state)
{
    struct fixture *f = *state;
    make_export(f, true);
    assert_true(expect_survives_oom(run_once, f) > 3);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_failing_allocations_are_answered), /* first: this thread has no worker yet */
        TEST(test_an_export_reaches_the_bus_and_is_answered_empty),
        TEST(test_an_empty_export_succeeds_without_the_bus),
        TEST(test_json_rejects_are_told_in_json),
        TEST(test_rejects_are_told_beside_what_was_stored),
        TEST(test_other_content_types_are_415),
        TEST(test_bad_bodies_are_refused_in_their_encoding),
        TEST(test_too_many_spans_are_413),
        TEST(test_whatever_is_away_is_503_with_retry_after),
        TEST(test_what_can_never_be_stored_is_400),
        TEST(test_statuses_by_number),
        TEST(test_logs_and_metrics_are_404),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
