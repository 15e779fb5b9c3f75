/* GET /v1/traces/{traceId}/spans/{spanId} and its long values: what a panel shows of one span, loaded when it is
 * opened. */
#include "api/rest/opened.h"
#include "api/rest/out.h"
#include "api/rest/rest.h"
#include "proto/base/mem.h"

#include "proto/base/banned.h"

enum {
    /* A longer value stands by itself under an address of its own: nobody reads it before asking for it. */
    VALUE_CHARS_MAX = 200000,
    HASH_BYTES = 16,
    HASH_HEX = 2 * HASH_BYTES,
};

static void hash_hex(struct bytes value, char ret_hex[HASH_HEX])
{
    uint8_t hash[HASH_BYTES];
    bytes_hash128(value, hash);
    bytes_to_hex(bytes_of(hash, sizeof hash), ret_hex);
}

/* --- the span --------------------------------------------------------------------------------------- */

struct placing {
    const struct opened *opened;
    const struct otlp_span *span;
};

/* In the place of a long value: how long it is, and where it is served. It is known by its hash, so that an address
 * never gives another value, though the span may be replaced by a later copy. */
static void place_write(void *context, struct bytes value, bool is_text, struct buf *buf)
{
    const struct placing *placing = context;
    char hash[HASH_HEX];
    char trace[TRACE_ID_HEX];
    char span[SPAN_ID_HEX];
    hash_hex(value, hash);
    bytes_to_hex(bytes_of(placing->opened->id.b, sizeof placing->opened->id.b), trace);
    bytes_to_hex(bytes_of(placing->span->id.b, sizeof placing->span->id.b), span);
    buf_printf(buf,
               "{\"characters\":%zu,\"bytes\":%zu,"
               "\"address\":\"/v1/traces/%.*s/spans/%.*s/values/%.*s\"}",
               is_text ? view_value_chars(value) : value.len, value.len, TRACE_ID_HEX, trace,
               SPAN_ID_HEX, span, HASH_HEX, hash);
}

void rest_span_get(struct exchange *exchange)
{
    struct opened opened;
    if (!opened_init(exchange, &opened)) {
        return;
    }
    const struct otlp_span *span = opened_span(exchange, &opened);
    if (span != NULL) {
        struct placing placing = {.opened = &opened, .span = span};
        const struct view_cut cut = {
            .chars_max = VALUE_CHARS_MAX, .write = place_write, .context = &placing};
        struct out out;
        out_init(&out);
        err_t err = view_one_json(&opened.view, span, &cut, &opened.arena, &out.buf);
        if (err_is_ok(err)) {
            out_answer(&out, exchange);
        } else {
            out_fini(&out);
            exchange_fail(exchange, err_class(err) == ERR_CLASS_INPUT ? FAIL(INTERNAL) : err,
                          &(struct detail){0});
        }
    }
    opened_fini(&opened);
}

/* --- one long value ---------------------------------------------------------------------------------- */

struct wanted {
    const char *hash;
    bool is_found;
    bool is_text;
    struct bytes value;
};

static void value_compare(void *context, struct bytes value, bool is_text, struct buf *buf)
{
    struct wanted *wanted = context;
    char hash[HASH_HEX];
    hash_hex(value, hash);
    if (memcmp(hash, wanted->hash, sizeof hash) == 0) {
        *wanted = (struct wanted){
            .hash = wanted->hash, .is_found = true, .is_text = is_text, .value = value};
    }
    buf_add_text(buf, "null");
}

static FALLIBLE value_find(struct opened *opened, const struct otlp_span *span,
                           struct wanted *wanted)
{
    const struct view_cut cut = {
        .chars_max = VALUE_CHARS_MAX, .write = value_compare, .context = wanted};
    struct buf ignored;
    buf_init(&ignored, OUT_BYTES_MAX);
    err_t err = view_one_json(&opened->view, span, &cut, &opened->arena, &ignored);
    buf_fini(&ignored);
    return err;
}

/* The octets as they came; a browser must neither guess a type nor show them as a page. */
static void value_answer(struct exchange *exchange, const struct wanted *wanted)
{
    uint8_t *copy = mem_alloc(wanted->value.len);
    if (copy == NULL) {
        exchange_fail(exchange, FAIL(MEMORY), &(struct detail){0});
        return;
    }
    memcpy(copy, wanted->value.ptr, wanted->value.len);
    struct http_answer answer = {
        .status = 200,
        .content_type = wanted->is_text ? "text/plain; charset=utf-8" : "application/octet-stream",
        .body = bytes_of(copy, wanted->value.len),
        .free_body = mem_free,
        .free_context = copy,
        .headers = {{"x-content-type-options", "nosniff"}, {"content-disposition", "attachment"}}};
    exchange_answer_packed(exchange, &answer);
}

void rest_span_value(struct exchange *exchange)
{
    struct opened opened;
    struct wanted wanted = {.hash = exchange_path_part(exchange, 2)};
    if (!opened_init(exchange, &opened)) {
        return;
    }
    const struct otlp_span *span = opened_span(exchange, &opened);
    if (span != NULL) {
        err_t err = strlen(wanted.hash) == HASH_HEX ? value_find(&opened, span, &wanted) : OK;
        if (!err_is_ok(err)) {
            exchange_fail(exchange, err_class(err) == ERR_CLASS_INPUT ? FAIL(INTERNAL) : err,
                          &(struct detail){0});
        } else if (!wanted.is_found) {
            exchange_error(exchange, 404, "not_found",
                           "there is no such long value in the span; a later copy may have "
                           "replaced it");
        } else {
            value_answer(exchange, &wanted);
        }
    }
    opened_fini(&opened);
}
