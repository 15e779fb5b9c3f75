#include "api/admin/pull.h"

#include <stdio.h>

#include <gnutls/gnutls.h>
#include <jansson.h>

#include "api/admin/admin.h"
#include "api/admin/pull_options.h"
#include "api/admin/pull_report.h"
#include "api/admin/pull_walk.h"
#include "api/integrations/fetch.h"
#include "api/rest/mend.h"
#include "proto/base/limits.h"
#include "proto/base/mem.h"

#include "proto/base/banned.h"

enum {
    PAGE_BYTES_MAX = 32 << 20,              /* a larger page is asked for in parts */
    LOG_BYTES_MAX = 8 << 20,                /* as it lies there, gzipped */
    BODY_BYTES_MAX = LIMIT_REST_BODY_BYTES, /* what calltrace takes */
    ANSWER_BYTES_MAX = 1 << 20,
    ARENA_BYTES_MAX = 128 << 20,
    ADDRESSES_BYTES_MAX = 4 * FETCH_URL_BYTES_MAX,
    KEY_BYTES_MAX = 1024,
    CONNECT_MS = 10000,
    TOTAL_MS = 120000,
    TRIES_MAX = 7,
    PAUSE_FIRST_MS = 500, /* doubled each time, but a server's own word counts */
    PAUSE_MS_MAX = 60000,
    AWAY_MAX = 3, /* calls in a row that found calltrace away: it is */
    REASON_BYTES = 160,
    REASONS_MAX = 16,
};

enum status {
    STATUS_FINE = 200,
    STATUS_REDIRECT = 300,
    STATUS_BAD = 400,
    STATUS_NO_KEY = 401,
    STATUS_NO_SCOPE = 403,
    STATUS_NO_ROUTE = 404,
    STATUS_NO_METHOD = 405,
    STATUS_TIMEOUT = 408,
    STATUS_TOO_MANY = 429,
    STATUS_BROKEN = 500,
};

static const char *const loopback[] = {"localhost", "127.0.0.1", "[::1]"};

struct reason {
    char text[REASON_BYTES];
    size_t count;
};

struct pull {
    struct pull_options options;
    char key[KEY_BYTES_MAX];
    char vapi_key[KEY_BYTES_MAX];
    char host[FETCH_HOST_BYTES_MAX]; /* calltrace's, wherever it is: the operator named it */
    const char *hosts[1];
    struct fetch_options to_calltrace;
    struct fetch_options to_vapi;
    struct pull_walk walk;
    struct arena arena; /* a page's octets, or one call's log and answers */
    struct buf body;
    struct detail detail;
    size_t seen;
    size_t sent;
    size_t had;
    size_t running;
    size_t without_log;
    size_t refused;
    unsigned away; /* in a row */
    struct reason reasons[REASONS_MAX];
};

/* --- what is told --------------------------------------------------------------------------------------- */

static void reason_count(struct pull *pull, const char *text)
{
    struct reason *reason = pull->reasons;
    struct reason *last = &pull->reasons[REASONS_MAX - 1];
    char cut[REASON_BYTES];
    (void)snprintf(cut, sizeof cut, "%s", text); /* cut on purpose */
    while (reason < last && reason->count > 0 && strcmp(reason->text, cut) != 0) {
        reason++;
    }
    (void)snprintf(reason->text, sizeof reason->text, "%s", reason == last ? "others" : cut);
    reason->count++;
}

/* `who` is a call's id, or says which item of a page. */
static void refuse(struct pull *pull, const char *who, const char *why)
{
    pull->refused++;
    reason_count(pull, why);
    (void)fprintf(stderr, "calltrace-api: %s: %s\n", who, why);
}

static void summary_print(const struct pull *pull)
{
    (void)printf("seen=%zu sent=%zu already_there=%zu not_ended=%zu refused=%zu without_log=%zu\n",
                 pull->seen, pull->sent, pull->had, pull->running, pull->refused,
                 pull->without_log);
    for (size_t i = 0; i < REASONS_MAX && pull->reasons[i].count > 0; i++) {
        (void)printf("refused %zu: %s\n", pull->reasons[i].count, pull->reasons[i].text);
    }
}

/* --- requests ------------------------------------------------------------------------------------------- */

static bool is_worth_another_try(err_t err, unsigned status)
{
    if (!err_is_ok(err)) {
        return err_is(err, ERR_PEER_GONE) || err_is(err, ERR_TIMEOUT);
    }
    return status == STATUS_TIMEOUT || status == STATUS_TOO_MANY || status >= STATUS_BROKEN;
}

/* GET, or POST when there is a body; again while that may help. */
static err_t ask(struct pull *pull, const struct fetch_options *options, const char *url,
                 struct bytes body, struct fetch_answer *ret_answer)
{
    int64_t pause_ms = PAUSE_FIRST_MS;
    for (unsigned tries = 1;; tries++) {
        struct arena_mark mark = arena_mark(&pull->arena);
        struct fetch_answer answer = {0};
        err_t err = body.len > 0
                        ? fetch_post_json(options, url, body, &pull->arena, &pull->detail, &answer)
                        : fetch_get_answer(options, url, &pull->arena, &pull->detail, &answer);
        if (tries == TRIES_MAX || !is_worth_another_try(err, answer.status)) {
            *ret_answer = answer;
            return err;
        }
        arena_rewind(&pull->arena, mark);
        int64_t asked_ms = (int64_t)answer.retry_after_s * MS_PER_S;
        int64_t now_ms = asked_ms > 0 ? asked_ms : pause_ms;
        clock_sleep_ms(now_ms < PAUSE_MS_MAX ? now_ms : PAUSE_MS_MAX);
        pause_ms *= 2;
    }
}

static bool is_fine(unsigned status)
{
    return status >= STATUS_FINE && status < STATUS_REDIRECT;
}

/* An answer's JSON; NULL when it is none. */
static json_t *json_read(struct bytes text)
{
    return text.len == 0 ? NULL
                         : json_loadb((const char *)text.ptr, text.len,
                                      JSON_ALLOW_NUL | JSON_REJECT_DUPLICATES, NULL);
}

/* calltrace's own sentence when there is one; no character in it that a terminal obeys. */
static const char *answer_sentence(struct pull *pull, const struct fetch_answer *answer)
{
    json_t *json = json_read(answer->body);
    const char *message = json_string_value(json_object_get(json, "message"));
    char *text = message == NULL
                     ? arena_printf(&pull->arena, "calltrace answered status %u", answer->status)
                     : arena_printf(&pull->arena, "calltrace answered status %u: %.300s",
                                    answer->status, message);
    json_decref(json);
    for (char *at = text; at != NULL && *at != '\0'; at++) {
        if ((unsigned char)*at < ' ' || *at == 0x7F) {
            *at = '?';
        }
    }
    return text == NULL ? "calltrace refused it" : text;
}

/* --- one call ------------------------------------------------------------------------------------------- */

static bool log_is_there(const json_t *item)
{
    const json_t *artifact = json_object_get(item, "artifact");
    return json_is_string(json_object_get(artifact, "logUrl")) ||
           json_is_string(json_object_get(artifact, "presignedLogUrl"));
}

/* The call's log, empty when it cannot be had: the report says most of what is in it. */
static struct bytes log_fetch(struct pull *pull, const json_t *item, const char *id)
{
    struct fetch_options options = pull->to_vapi;
    struct fetch_answer answer = {0};
    options.bytes_max = LOG_BYTES_MAX;
    if (pull->options.is_without_logs || !log_is_there(item)) {
        return (struct bytes){0};
    }
    const char *url =
        arena_printf(&pull->arena, "%s/call/%s/call-logs", pull->options.vapi_url, id);
    err_t err = url == NULL ? FAIL(NO_SPACE) : ask(pull, &options, url, (struct bytes){0}, &answer);
    if (err_is_ok(err) && is_fine(answer.status)) {
        return answer.body;
    }
    if (err_is_ok(err)) {
        detail_set(&pull->detail, "VAPI answered status %u", answer.status);
    }
    (void)fprintf(stderr, "calltrace-api: %s goes without its log: %s\n", id,
                  detail_or_text(&pull->detail, err));
    pull->without_log++;
    return (struct bytes){0};
}

/* A log that makes the body larger than calltrace takes stays behind. */
static err_t body_write(struct pull *pull, json_t *item, const char *id, struct bytes log)
{
    buf_reset(&pull->body);
    err_t err = pull_report_write(item, log, &pull->body);
    if (err_is(err, ERR_TOO_LARGE) && log.len > 0) {
        (void)fprintf(stderr, "calltrace-api: %s goes without its log: it is too large\n", id);
        pull->without_log++;
        buf_reset(&pull->body);
        err = pull_report_write(item, (struct bytes){0}, &pull->body);
    }
    return err;
}

/* Statuses after which no other call would fare better. */
static bool is_end_of_all(unsigned status)
{
    return (status >= STATUS_REDIRECT && status < STATUS_BAD) || status == STATUS_NO_KEY ||
           status == STATUS_NO_SCOPE || status == STATUS_NO_ROUTE || status == STATUS_NO_METHOD;
}

static err_t answer_count(struct pull *pull, const char *id, const struct fetch_answer *answer)
{
    if (is_fine(answer->status)) {
        json_t *json = json_read(answer->body);
        const json_t *data = json_object_get(json, "data");
        bool was_there = json_is_true(json_object_get(data, "alreadyImported"));
        json_decref(json);
        pull->had += was_there;
        pull->sent += !was_there;
        pull->away = 0;
        return OK;
    }
    const char *why = answer_sentence(pull, answer);
    refuse(pull, id, why);
    if (is_end_of_all(answer->status)) {
        detail_set(&pull->detail, "%s", why);
        return FAIL(CLOSED);
    }
    pull->away = answer->status >= STATUS_BROKEN ? pull->away + 1 : 0;
    return OK;
}

static err_t call_send(struct pull *pull, json_t *item, const char *id)
{
    struct fetch_answer answer = {0};
    arena_reset(&pull->arena);
    struct bytes log = log_fetch(pull, item, id);
    err_t err = body_write(pull, item, id, log);
    const char *url = arena_printf(&pull->arena, "%s/v1/vapi/call", pull->options.url);
    if (err_is_ok(err) && url == NULL) {
        err = FAIL(NO_SPACE);
    }
    if (!err_is_ok(err)) {
        refuse(pull, id, err_text(err));
        return OK;
    }
    err = ask(pull, &pull->to_calltrace, url, buf_bytes(&pull->body), &answer);
    if (err_is_ok(err)) {
        TRY(answer_count(pull, id, &answer));
    } else {
        refuse(pull, id, detail_or_text(&pull->detail, err));
        pull->away += is_worth_another_try(err, 0);
        if (err_is(err, ERR_BAD_VALUE)) {
            return err; /* the address or its certificate */
        }
    }
    if (pull->away == AWAY_MAX) {
        detail_set(&pull->detail, "calltrace did not take %d calls in a row", AWAY_MAX);
        return FAIL(CLOSED);
    }
    return OK;
}

/* --- pages ---------------------------------------------------------------------------------------------- */

static err_t item_take(struct pull *pull, json_t *item, size_t number)
{
    char who[UUID_TEXT_BYTES + 32];
    bool is_fresh = false;
    struct pull_call call = pull_call_read(item);
    if (!call.has_id || !call.has_created) {
        (void)snprintf(who, sizeof who, "item %zu of a page", number + 1);
        pull->seen++;
        refuse(pull, who, call.has_id ? "it has no createdAt" : "it has no id that is a UUID");
        return OK;
    }
    TRY(pull_walk_take(&pull->walk, call.id, call.created, &is_fresh));
    if (!is_fresh) {
        return OK;
    }
    pull->seen++;
    if (!call.is_ended) {
        pull->running++;
        return OK;
    }
    uuid_to_text(call.id, who);
    return call_send(pull, item, who);
}

/* Errors: TOO_LARGE, TOO_MANY and NO_SPACE: ask for less. */
static err_t page_read(struct pull *pull, struct bytes body, json_t **ret_page)
{
    err_t err = OK;
    json_t *page = NULL;
    struct buf mended;
    struct bytes text;
    buf_init(&mended, 2 * (size_t)PAGE_BYTES_MAX);
    TRY_OUT(mend_body(body, &mended, &pull->detail));
    text = buf_bytes(&mended);
    page =
        json_loadb((const char *)text.ptr, text.len, JSON_ALLOW_NUL | JSON_REJECT_DUPLICATES, NULL);
    if (!json_is_array(page)) {
        detail_set(&pull->detail, "VAPI's answer is no array of calls");
        err = FAIL(BAD_VALUE);
        goto out;
    }
    *ret_page = page;
    page = NULL;
out:
    json_decref(page);
    buf_fini(&mended);
    return err;
}

static err_t page_fetch(struct pull *pull, json_t **ret_page)
{
    char query[PULL_QUERY_BYTES];
    struct fetch_answer answer = {0};
    arena_reset(&pull->arena);
    pull_walk_query(&pull->walk, query);
    const char *url = arena_printf(&pull->arena, "%s/call?%s", pull->options.vapi_url, query);
    if (url == NULL) {
        return FAIL(NO_SPACE);
    }
    TRY(ask(pull, &pull->to_vapi, url, (struct bytes){0}, &answer));
    if (answer.status == STATUS_NO_KEY || answer.status == STATUS_NO_SCOPE) {
        detail_set(&pull->detail, "VAPI refused its key with status %u", answer.status);
        return FAIL(BAD_KEY);
    }
    if (!is_fine(answer.status)) {
        detail_set(&pull->detail, "VAPI answered status %u", answer.status);
        return FAIL(PEER_GONE);
    }
    return page_read(pull, answer.body, ret_page);
}

static bool is_too_much(err_t err)
{
    return err_is(err, ERR_TOO_LARGE) || err_is(err, ERR_TOO_MANY) || err_is(err, ERR_NO_SPACE);
}

static err_t page_walk(struct pull *pull)
{
    json_t *page = NULL;
    err_t err = page_fetch(pull, &page);
    if (is_too_much(err) && pull_walk_smaller(&pull->walk)) {
        return OK; /* the same again, in smaller parts */
    }
    TRY(err);
    size_t items = json_array_size(page);
    for (size_t i = 0; i < items && err_is_ok(err); i++) {
        err = item_take(pull, json_array_get(page, i), i);
    }
    if (err_is_ok(err)) {
        err = pull_walk_page_end(&pull->walk, items, &pull->detail);
    }
    json_decref(page);
    return err;
}

static err_t walk_all(struct pull *pull)
{
    while (!pull_walk_is_over(&pull->walk)) {
        TRY(page_walk(pull));
    }
    if (pull_walk_is_crowded(&pull->walk)) {
        detail_set(&pull->detail,
                   "a whole page was created in one millisecond, so that there may be more");
        return FAIL(TOO_MANY);
    }
    return OK;
}

/* --- getting ready -------------------------------------------------------------------------------------- */

/* One line, without what is around it. */
static err_t key_read(FILE *file, const char *whose, struct detail *detail,
                      char ret_key[KEY_BYTES_MAX])
{
    char line[KEY_BYTES_MAX];
    if (fgets(line, sizeof line, file) == NULL) {
        line[0] = '\0';
    }
    size_t start = strspn(line, " \t");
    size_t len = strcspn(line + start, " \t\r\n");
    if (len == 0 || start + len == sizeof line - 1) {
        detail_set(detail, "the key for %s is missing or too long", whose);
        return FAIL(BAD_VALUE);
    }
    memcpy(ret_key, line + start, len);
    ret_key[len] = '\0';
    return OK;
}

static err_t key_find(const char *path, const char *whose, struct detail *detail,
                      char ret_key[KEY_BYTES_MAX])
{
    if (path == NULL) {
        return key_read(stdin, whose, detail, ret_key);
    }
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        detail_set(detail, "the file with the key for %s cannot be read: %s", whose, path);
        return FAIL(BAD_VALUE);
    }
    err_t err = key_read(file, whose, detail, ret_key);
    (void)fclose(file); /* it was only read */
    return err;
}

/* A base address without slashes at its end. */
static err_t base_check(struct pull *pull, struct arena *arena, const char *option,
                        const char **url, char ret_host[FETCH_HOST_BYTES_MAX])
{
    size_t len = strlen(*url);
    err_t err = fetch_url_check(*url, &pull->detail, ret_host);
    if (err_is_ok(err) && strpbrk(*url, "?#") != NULL) {
        detail_set(&pull->detail, "the address has a query");
        err = FAIL(BAD_VALUE);
    }
    if (!err_is_ok(err)) {
        detail_prefix(&pull->detail, "%s", option);
        return err;
    }
    while ((*url)[len - 1] == '/') {
        len--;
    }
    *url = arena_text(arena, bytes_of(*url, len));
    return *url == NULL ? FAIL(MEMORY) : OK;
}

static err_t prepare(struct pull *pull, struct arena *addresses, int argc, const char *const *words)
{
    char vapi_host[FETCH_HOST_BYTES_MAX];
    struct pull_options *options = &pull->options;
    TRY(pull_options_read(argc, words, clock_unix(), &pull->detail, options));
    TRY(base_check(pull, addresses, "--url", &options->url, pull->host));
    TRY(base_check(pull, addresses, "--vapi-url", &options->vapi_url, vapi_host));
    TRY(key_find(options->vapi_key_file, "VAPI", &pull->detail, pull->vapi_key));
    TRY(key_find(options->key_file, "calltrace", &pull->detail, pull->key));
    pull->hosts[0] = pull->host;
    pull->to_calltrace = (struct fetch_options){
        .ca_file = options->ca_file,
        .bearer = pull->key,
        .hosts_allowed = pull->hosts,
        .hosts_count = 1,
        .bytes_max = ANSWER_BYTES_MAX,
        .connect_ms = CONNECT_MS,
        .total_ms = TOTAL_MS,
    };
    pull->to_vapi = (struct fetch_options){
        .ca_file = options->vapi_ca_file,
        .bearer = pull->vapi_key,
        .proxy = options->proxy,
        .hosts_allowed = loopback,
        .hosts_count = options->is_loopback_allowed ? sizeof loopback / sizeof loopback[0] : 0,
        .bytes_max = PAGE_BYTES_MAX,
        .connect_ms = CONNECT_MS,
        .total_ms = TOTAL_MS,
    };
    pull_walk_init(&pull->walk, options->since, options->until);
    return OK;
}

int pull_run(int argc, const char *const *words)
{
    struct pull pull = {0};
    struct arena addresses;
    json_set_alloc_funcs(mem_alloc, mem_free);
    arena_init(&addresses, ADDRESSES_BYTES_MAX);
    arena_init(&pull.arena, ARENA_BYTES_MAX);
    buf_init(&pull.body, BODY_BYTES_MAX);
    int code = ADMIN_EXIT_USAGE;
    err_t err = prepare(&pull, &addresses, argc, words);
    if (err_is_ok(err)) {
        err = walk_all(&pull);
        summary_print(&pull);
        code = err_is_ok(err) && pull.refused == 0 ? ADMIN_EXIT_FINE : ADMIN_EXIT_FAILED;
    }
    if (!err_is_ok(err)) {
        (void)fprintf(stderr, "calltrace-api: %s%s\n",
                      code == ADMIN_EXIT_USAGE ? "" : "not all calls were seen: ",
                      detail_or_text(&pull.detail, err));
    }
    gnutls_memset(pull.key, 0, sizeof pull.key);
    gnutls_memset(pull.vapi_key, 0, sizeof pull.vapi_key);
    pull_walk_fini(&pull.walk);
    buf_fini(&pull.body);
    arena_fini(&pull.arena);
    arena_fini(&addresses);
    return fflush(stdout) == 0 ? code : ADMIN_EXIT_FAILED;
}
