#include "api/integrations/vapi/vapi.h"

#include <gnutls/gnutls.h>

#include "api/api.h"
#include "api/integrations/event.h"
#include "api/integrations/fetch.h"
#include "api/integrations/vapi/json.h"
#include "api/integrations/vapi/part.h"
#include "api/integrations/vapi/store.h"
#include "api/integrations/vapi/trace_message.h"
#include "api/metric.h"
#include "api/rest/check.h"
#include "api/rest/intake.h"
#include "api/rest/json_body.h"
#include "proto/base/log.h"

#include "proto/base/banned.h"

enum {
    /* Records of one log that tell something of the trace: an hour of talk has some 20,000. */
    RECORDS_MAX = 100000,
    FETCH_CONNECT_MS = 3000,
    FETCH_HOSTS_MAX = 16,
    GZIP_FIRST = 0x1F,
    GZIP_SECOND = 0x8B,
};

/* One report on its way. Lives in the exchange's arena; `json` is owned and given back by whoever sends or answers. */
struct taking {
    struct exchange *exchange;
    struct uuid project;
    json_t *json;
    const json_t *payload;
    const json_t *properties;
    const json_t *call_log;
    bool is_import;
    struct vapi_report report;
    struct vapi_log log;
    bool has_log;
};

/* --- ends ---------------------------------------------------------------------------------------------- */

static void refused_log(struct taking *taking, const char *sentence)
{
    static struct log_limit limit;
    uint64_t left_out = 0;
    metric_add(API_METRIC_VAPI_REFUSED, 1);
    if (log_limit_pass(&limit, &left_out)) {
        log_warn("vapi_refused", "request=%s left_out=%llu detail=%s",
                 http_id(exchange_http(taking->exchange)), (unsigned long long)left_out, sentence);
    }
}

/* Each of these ends the exchange: the taking is gone then. */
static void end_fail(struct taking *taking, err_t err, const struct detail *detail)
{
    json_decref(taking->json);
    exchange_fail(taking->exchange, err, detail);
}

static void end_bad(struct taking *taking, const char *code, const char *sentence)
{
    refused_log(taking, sentence);
    json_decref(taking->json);
    exchange_error(taking->exchange, 400, code, "%s", sentence);
}

static void end_empty(struct taking *taking, enum api_metric why)
{
    metric_add(why, 1);
    json_decref(taking->json);
    exchange_bytes(taking->exchange, 200, "application/json", bytes_of_text("{}"));
}

/* `was_there`: a report that is skipped because the call has one. Only then the answer says so. */
static void answer_call(struct exchange *exchange, struct uuid call, bool was_there)
{
    char text[UUID_TEXT_BYTES];
    uuid_to_text(call, text);
    const char *body = arena_printf(exchange_arena(exchange), "{\"data\":{\"callId\":\"%s\"%s}}",
                                    text, was_there ? ",\"alreadyImported\":true" : "");
    if (body == NULL) {
        exchange_fail(exchange, FAIL(NO_SPACE), &(struct detail){0});
        return;
    }
    exchange_bytes(exchange, 200, "application/json", bytes_of_text(body));
}

static void on_sent(struct exchange *exchange, const struct bus_reply *replies, void *context)
{
    (void)context;
    answer_call(exchange, replies[0].conversation, false);
}

/* --- sending ------------------------------------------------------------------------------------------- */

static FALLIBLE event_make(struct taking *taking, struct arena *arena, struct bus_message *message)
{
    struct match_key *key = arena_zero(arena, 1, sizeof *key);
    struct bus_part *part = arena_zero(arena, 1, sizeof *part);
    if (key == NULL || part == NULL) {
        return FAIL(NO_SPACE);
    }
    TRY(vapi_part_make(&taking->report, taking->properties, arena, part));
    *key = (struct match_key){.kind = MATCH_KIND_VAPI, .value = taking->report.call_id};
    *message = (struct bus_message){
        .id = uuid_make(),
        .what = BUS_WHAT_EVENT,
        .event = {.project = taking->project,
                  .id = uuid_make(),
                  .source = CONVERSATION_SOURCE_VAPI,
                  .keys = key,
                  .keys_count = 1,
                  .parts = part,
                  .parts_count = 1,
                  .received = clock_unix()},
    };
    return OK;
}

/* False: there is none, and the log says why. The worker is to be trimmed then and only then. */
static bool trace_make(struct taking *taking, struct export_worker **ret_worker,
                       struct bus_message *ret_message)
{
    static struct log_limit limit;
    const struct api_conf *conf = api_conf(exchange_api(taking->exchange));
    const struct vapi_trace_limits limits = {.spans_max = (size_t)conf->vapi_spans_max,
                                             .body_bytes_max = (size_t)conf->body_bytes_max};
    struct detail detail = {0};
    struct vapi_trace trace;
    uint64_t left_out = 0;
    if (taking->report.kind != VAPI_KIND_REPORT) {
        return false;
    }
    err_t err = vapi_trace_message(&taking->report, taking->has_log ? &taking->log : NULL,
                                   taking->project, &limits, exchange_arena(taking->exchange),
                                   &detail, ret_worker, ret_message, &trace);
    if (err_is_ok(err)) {
        metric_add(API_METRIC_VAPI_SPANS_SENT, trace.spans_count);
        metric_add(API_METRIC_VAPI_SPANS_LEFT_OUT, trace.spans_dropped);
        return true;
    }
    metric_add(API_METRIC_VAPI_TRACES_FAILED, 1);
    if (log_limit_pass(&limit, &left_out)) {
        log_warn("vapi_trace_failed", "request=%s error=%s left_out=%llu detail=%s",
                 http_id(exchange_http(taking->exchange)), err_name(err),
                 (unsigned long long)left_out, detail_or_text(&detail, err));
    }
    return false;
}

static void send(struct taking *taking)
{
    struct bus_message messages[2];
    struct export_worker *worker = NULL;
    json_t *json = taking->json;
    err_t err = event_make(taking, exchange_arena(taking->exchange), &messages[0]);
    if (!err_is_ok(err)) {
        end_fail(taking, err, &(struct detail){0});
        return;
    }
    size_t count = trace_make(taking, &worker, &messages[1]) ? 2 : 1;
    metric_add(taking->report.kind == VAPI_KIND_REPORT ? API_METRIC_VAPI_REPORTS
                                                       : API_METRIC_VAPI_STATUSES,
               1);
    event_send(taking->exchange, messages, count, on_sent, NULL);
    /* The exchange may be over by now; the messages were packed. */
    if (worker != NULL) {
        export_worker_trim(worker);
    }
    json_decref(json);
}

/* --- the log ------------------------------------------------------------------------------------------- */

static void log_failed(struct taking *taking, const char *where, err_t err,
                       const struct detail *detail)
{
    static struct log_limit limit;
    uint64_t left_out = 0;
    metric_add(API_METRIC_VAPI_LOGS_FAILED, 1);
    if (log_limit_pass(&limit, &left_out)) {
        log_warn("vapi_log_unread", "request=%s from=%s error=%s left_out=%llu detail=%s",
                 http_id(exchange_http(taking->exchange)), where, err_name(err),
                 (unsigned long long)left_out, detail_or_text(detail, err));
    }
}

static void log_taken(struct taking *taking, enum api_metric from)
{
    static struct log_limit limit;
    uint64_t left_out = 0;
    const struct vapi_log *log = &taking->log;
    taking->has_log = true;
    metric_add(from, 1);
    metric_add(API_METRIC_VAPI_LOG_LINES_BROKEN, log->broken);
    if (log->broken + log->dropped > 0 && log_limit_pass(&limit, &left_out)) {
        log_warn("vapi_log_lines_left_out",
                 "request=%s lines=%zu broken=%zu beyond_bound=%zu left_out=%llu",
                 http_id(exchange_http(taking->exchange)), log->lines, log->broken, log->dropped,
                 (unsigned long long)left_out);
    }
}

/* JSON lines, gzipped or not. */
static FALLIBLE log_octets(struct taking *taking, struct bytes octets, struct detail *detail)
{
    struct arena *arena = exchange_arena(taking->exchange);
    struct buf inflated;
    struct bytes lines = octets;
    struct inflater *inflater = NULL;
    bool is_gzip = octets.len > 2 && octets.ptr[0] == GZIP_FIRST && octets.ptr[1] == GZIP_SECOND;
    err_t err = OK;
    buf_init(&inflated, (size_t)api_conf(exchange_api(taking->exchange))->vapi_log_bytes_max);
    if (is_gzip) {
        inflater = inflater_new();
        TRY_OUT(inflater == NULL
                    ? FAIL(MEMORY)
                    : ingest_inflate(inflater, "gzip", octets, &inflated, detail, &lines));
    }
    err = vapi_log_read(lines, RECORDS_MAX, arena, &taking->log);
out:
    inflater_free(inflater);
    buf_fini(&inflated);
    return err;
}

static FALLIBLE log_base64(struct taking *taking, struct bytes text, struct detail *detail)
{
    union {
        const uint8_t *read;
        unsigned char *datum; /* GnuTLS' views are not const; it only reads */
    } view = {.read = text.ptr};
    const gnutls_datum_t encoded = {.data = view.datum, .size = (unsigned)text.len};
    gnutls_datum_t octets = {0};
    if (gnutls_base64_decode2(&encoded, &octets) != GNUTLS_E_SUCCESS) {
        detail_set(detail, "callLog is neither base64 nor JSON lines");
        return FAIL(MALFORMED);
    }
    err_t err = log_octets(taking, bytes_of(octets.data, octets.size), detail);
    gnutls_free(octets.data);
    return err;
}

/* What is wrong with a log costs the log alone. */
static void log_inline(struct taking *taking)
{
    struct detail detail = {0};
    const json_t *given = taking->call_log;
    err_t err = FAIL(BAD_VALUE);
    if (json_is_array(given)) {
        err = vapi_log_of_array(given, RECORDS_MAX, exchange_arena(taking->exchange), &taking->log);
    } else if (json_is_string(given)) {
        struct bytes text = bytes_of(json_string_value(given), json_string_length(given));
        bool is_lines = text.len > 0 && (text.ptr[0] == '{' || text.ptr[0] == '\n');
        err = is_lines ? log_octets(taking, text, &detail) : log_base64(taking, text, &detail);
    } else {
        detail_set(&detail, "callLog must be a text or an array");
    }
    if (err_is_ok(err)) {
        log_taken(taking, API_METRIC_VAPI_LOGS_GIVEN);
    } else {
        log_failed(taking, "request", err, &detail);
    }
}

/* The names of a list separated by commas. */
static size_t hosts_read(char *list, const char *hosts[FETCH_HOSTS_MAX])
{
    size_t count = 0;
    for (char *at = list; *at != '\0' && count < FETCH_HOSTS_MAX;) {
        at += strspn(at, ", ");
        size_t len = strcspn(at, ", ");
        char *end = at + len;
        if (len > 0) {
            hosts[count++] = at;
        }
        at = *end == '\0' ? end : end + 1;
        *end = '\0';
    }
    return count;
}

static FALLIBLE log_fetch(struct taking *taking, struct detail *detail)
{
    const struct api_conf *conf = api_conf(exchange_api(taking->exchange));
    const char *hosts[FETCH_HOSTS_MAX];
    char list[CONF_TEXT_BYTES];
    struct bytes octets = {0};
    memcpy(list, conf->vapi_fetch_hosts, sizeof list);
    const struct fetch_options options = {
        .ca_file = conf->vapi_fetch_ca[0] == '\0' ? NULL : conf->vapi_fetch_ca,
        .hosts_allowed = hosts,
        .hosts_count = hosts_read(list, hosts),
        .bytes_max = (size_t)conf->vapi_log_bytes_max,
        .connect_ms = FETCH_CONNECT_MS,
        .total_ms = (int64_t)conf->vapi_fetch_ms_max,
    };
    TRY(fetch_get(&options, taking->report.log_url, exchange_arena(taking->exchange), detail,
                  &octets));
    return log_octets(taking, octets, detail);
}

/* On a thread that may wait for a stranger's server. */
static void fetch_run(struct pool_thread *thread, void *context)
{
    struct taking *taking = context;
    struct detail detail = {0};
    (void)thread;
    err_t err = atomic_load(&exchange_api(taking->exchange)->is_ending)
                    ? FAIL(CLOSED)
                    : log_fetch(taking, &detail);
    if (err_is_ok(err)) {
        log_taken(taking, API_METRIC_VAPI_LOGS_FETCHED);
    } else {
        log_failed(taking, "address", err, &detail);
    }
    send(taking);
}

static void log_find(struct taking *taking)
{
    struct api *api = exchange_api(taking->exchange);
    if (taking->report.kind == VAPI_KIND_REPORT && taking->call_log != NULL) {
        log_inline(taking);
    } else if (taking->report.kind == VAPI_KIND_REPORT && taking->report.log_url != NULL &&
               api->fetchers != NULL) {
        if (pool_put(api->fetchers, fetch_run, taking)) {
            return;
        }
        log_failed(taking, "address", FAIL(OVERLOAD), &(struct detail){0});
    }
    send(taking);
}

/* --- reading ------------------------------------------------------------------------------------------- */

/* False: ended. */
static bool body_load(struct taking *taking)
{
    const struct http_request *request = exchange_http(taking->exchange);
    struct detail detail = {0};
    if (!json_body_is_readable(taking->exchange)) {
        return false;
    }
    err_t err = intake_json(http_body(request), &detail, &taking->json);
    bool is_ours = err_class(err) == ERR_CLASS_UNAVAILABLE || err_is(err, ERR_NO_SPACE);
    if (is_ours) {
        exchange_fail(taking->exchange, err, &detail);
    } else if (!err_is_ok(err)) {
        detail_prefix(&detail, "the body is not the JSON of a VAPI message");
        end_bad(taking, "invalid_json", detail_or_text(&detail, err));
    } else if (!json_is_object(taking->json)) {
        end_bad(taking, "invalid_json", "the body is no JSON object");
    } else {
        return true;
    }
    return false;
}

/* False: ended. `path` names the payload in the body. */
static bool report_read(struct taking *taking, const char *path)
{
    struct detail detail = {0};
    struct arena *arena = exchange_arena(taking->exchange);
    err_t err = vapi_report_read(taking->payload, clock_unix(), arena, &detail, &taking->report);
    if (err_is_ok(err)) {
        return true;
    }
    if (!err_is(err, ERR_BAD_VALUE)) {
        end_fail(taking, err, &detail);
        return false;
    }
    struct check_issues issues = {.count = 0};
    const char *sentence = arena_printf(arena, "%s: %s", path, detail.text);
    if (taking->is_import && sentence != NULL &&
        err_is_ok(check_add(&issues, arena, "custom", path, sentence))) {
        refused_log(taking, sentence);
        json_decref(taking->json);
        exchange_json(taking->exchange, 400, check_answer(&issues, arena));
    } else {
        end_bad(taking, "validation_error", detail.text);
    }
    return false;
}

/* --- server messages ----------------------------------------------------------------------------------- */

/* The key or the signature was checked. */
static void message_take(struct taking *taking, struct db *db)
{
    struct detail detail = {0};
    bool is_selected = false;
    if (!body_load(taking)) {
        return;
    }
    taking->payload = taking->json;
    if (vapi_payload_kind(taking->payload) == VAPI_KIND_OTHER) {
        end_empty(taking, API_METRIC_VAPI_IGNORED);
        return;
    }
    if (!report_read(taking, "message")) {
        return;
    }
    if (taking->report.status == CONVERSATION_STATUS_NONE) {
        end_empty(taking, API_METRIC_VAPI_IGNORED);
        return;
    }
    err_t err = vapi_is_selected(db, taking->project, &taking->report,
                                 exchange_arena(taking->exchange), &detail, &is_selected);
    if (!err_is_ok(err)) {
        end_fail(taking, err, &detail);
    } else if (!is_selected) {
        end_empty(taking, API_METRIC_VAPI_UNSELECTED);
    } else {
        log_find(taking);
    }
}

/* Both are done in one place, because what is in the arena must not be used after the exchange has ended. */
static struct taking *taking_new(struct exchange *exchange, struct db **ret_db)
{
    struct taking *taking = arena_zero(exchange_arena(exchange), 1, sizeof *taking);
    err_t err = taking == NULL ? FAIL(NO_SPACE) : exchange_db(exchange, ret_db);
    if (!err_is_ok(err)) {
        exchange_fail(exchange, err, &(struct detail){0});
        return NULL;
    }
    taking->exchange = exchange;
    taking->project = exchange_project(exchange);
    return taking;
}

void vapi_message(struct exchange *exchange)
{
    struct db *db = NULL;
    struct taking *taking = taking_new(exchange, &db);
    if (taking != NULL) {
        message_take(taking, db);
    }
}

/* Where VAPI sent it, as far as the request says. */
static const char *url_of(struct exchange *exchange)
{
    const struct http_request *request = exchange_http(exchange);
    const char *host = http_header(request, "Host");
    return host == NULL ? NULL
                        : arena_printf(exchange_arena(exchange), "https://%s%s", host,
                                       http_raw_path(request));
}

static FALLIBLE signature_check(struct taking *taking, struct db *db, struct detail *detail)
{
    struct exchange *exchange = taking->exchange;
    const struct http_request *request = exchange_http(exchange);
    struct vapi_credential credential = {0};
    struct uuid id;
    if (!uuid_from_text(bytes_of_text(exchange_path_part(exchange, 0)), &id)) {
        return FAIL(NOT_FOUND);
    }
    TRY(vapi_credential_find(db, &exchange_api(exchange)->secrets_key, id, detail, &credential));
    const struct vapi_signing *signing = &credential.signing;
    const struct vapi_signed message = {
        .signature = http_header(request, signing->signature_header),
        .timestamp = http_header(request, signing->timestamp_header),
        .message_id = http_header(request, signing->message_id_header),
        .method = "POST",
        .url = url_of(exchange),
        .body = http_body(request),
    };
    err_t err = vapi_signing_verify(signing, secret_bytes(&credential.secret), &message,
                                    clock_unix(), detail);
    secret_clear(&credential.secret);
    taking->project = credential.project;
    return err;
}

static void signature_refuse(struct taking *taking, err_t err, struct detail *detail)
{
    static struct log_limit limit;
    uint64_t left_out = 0;
    bool is_unknown = err_is(err, ERR_NOT_FOUND);
    if (is_unknown) {
        detail_set(detail, "there is no VAPI credential of this id");
    }
    if (err_is(err, ERR_BAD_KEY) || is_unknown) {
        metric_add(API_METRIC_VAPI_UNSIGNED, 1);
        refused_log(taking, detail_or_text(detail, FAIL(BAD_KEY)));
        /* What is wrong stands in the log: a stranger must not learn which credentials there are. */
        exchange_error(taking->exchange, 401, "unauthorized",
                       "the message is not signed by the VAPI credential of this address");
        return;
    }
    if (log_limit_pass(&limit, &left_out)) {
        log_error("vapi_secret_unusable", "request=%s error=%s left_out=%llu detail=%s",
                  http_id(exchange_http(taking->exchange)), err_name(err),
                  (unsigned long long)left_out, detail_or_text(detail, err));
    }
    exchange_error(taking->exchange, 503, "unavailable",
                   "the signature cannot be checked now, send again");
}

void vapi_message_signed(struct exchange *exchange)
{
    struct db *db = NULL;
    struct detail detail = {0};
    struct taking *taking = taking_new(exchange, &db);
    if (taking == NULL) {
        return;
    }
    err_t err = signature_check(taking, db, &detail);
    if (err_is_ok(err)) {
        message_take(taking, db);
    } else {
        signature_refuse(taking, err, &detail);
    }
}

/* --- reports by the Customer API ----------------------------------------------------------------------- */

/* False: ended with every field that is wrong. */
static bool import_check(struct taking *taking)
{
    struct arena *arena = exchange_arena(taking->exchange);
    const json_t *skip = json_object_get(taking->json, "skipAlreadyImported");
    struct check_issues issues = {.count = 0};
    err_t err = OK;
    taking->payload = json_object_get(taking->json, "vapiEndOfCallReportPayload");
    taking->properties = json_object_get(taking->json, "properties");
    taking->call_log = json_object_get(taking->json, "callLog");
    if (!json_is_object(taking->payload)) {
        err = check_add(&issues, arena, "invalid_type", "vapiEndOfCallReportPayload",
                        "vapiEndOfCallReportPayload must be an object");
    } else if (vapi_payload_kind(taking->payload) != VAPI_KIND_REPORT) {
        err = check_add(&issues, arena, "custom", "vapiEndOfCallReportPayload",
                        "vapiEndOfCallReportPayload.type must be end-of-call-report");
    }
    if (err_is_ok(err) && taking->properties != NULL && !json_is_object(taking->properties)) {
        err =
            check_add(&issues, arena, "invalid_type", "properties", "properties must be an object");
    }
    if (err_is_ok(err) && skip != NULL && !json_is_boolean(skip)) {
        err = check_add(&issues, arena, "invalid_type", "skipAlreadyImported",
                        "skipAlreadyImported must be a boolean");
    }
    if (!err_is_ok(err)) {
        end_fail(taking, err, &(struct detail){0});
    } else if (issues.count > 0) {
        refused_log(taking, issues.list[0].message);
        json_decref(taking->json);
        exchange_json(taking->exchange, 400, check_answer(&issues, arena));
    }
    return err_is_ok(err) && issues.count == 0;
}

/* A call whose report is there already is answered with its id and left as it is. False: ended. */
static bool import_wanted(struct taking *taking, struct db *db)
{
    struct detail detail = {0};
    struct uuid call;
    bool is_found = false;
    if (!json_is_true(json_object_get(taking->json, "skipAlreadyImported"))) {
        return true;
    }
    err_t err =
        vapi_imported_find(db, taking->project, taking->report.call_id, &detail, &is_found, &call);
    if (!err_is_ok(err)) {
        end_fail(taking, err, &detail);
    } else if (is_found) {
        metric_add(API_METRIC_VAPI_REPEATED, 1);
        json_decref(taking->json);
        answer_call(taking->exchange, call, true);
    }
    return err_is_ok(err) && !is_found;
}

void vapi_call_import(struct exchange *exchange)
{
    struct db *db = NULL;
    struct taking *taking = taking_new(exchange, &db);
    if (taking == NULL) {
        return;
    }
    taking->is_import = true;
    if (body_load(taking) && import_check(taking) &&
        report_read(taking, "vapiEndOfCallReportPayload") && import_wanted(taking, db)) {
        log_find(taking);
    }
}
