#include "api/rest/out.h"

#include "api/http/exchange.h"
#include "proto/base/mem.h"
#include "proto/otlp/jsontext.h"

#include "proto/base/banned.h"

void out_init(struct out *out)
{
    buf_init(&out->buf, OUT_BYTES_MAX);
    out->needs_comma = false;
}

void out_fini(struct out *out)
{
    buf_fini(&out->buf);
}

static void begin(struct out *out, const char *key)
{
    if (out->needs_comma) {
        buf_add_u8(&out->buf, ',');
    }
    out->needs_comma = true;
    if (key != NULL) {
        buf_printf(&out->buf, "\"%s\":", key);
    }
}

static void open_with(struct out *out, const char *key, uint8_t bracket)
{
    begin(out, key);
    buf_add_u8(&out->buf, bracket);
    out->needs_comma = false;
}

static void close_with(struct out *out, uint8_t bracket)
{
    buf_add_u8(&out->buf, bracket);
    out->needs_comma = true;
}

void out_object(struct out *out, const char *key)
{
    open_with(out, key, '{');
}

void out_end_object(struct out *out)
{
    close_with(out, '}');
}

void out_array(struct out *out, const char *key)
{
    open_with(out, key, '[');
}

void out_end_array(struct out *out)
{
    close_with(out, ']');
}

void out_null(struct out *out, const char *key)
{
    begin(out, key);
    buf_add_text(&out->buf, "null");
}

void out_bool(struct out *out, const char *key, bool value)
{
    begin(out, key);
    buf_add_text(&out->buf, value ? "true" : "false");
}

/* A timeline has a million of them: printf would take longer than all else. */
void out_int(struct out *out, const char *key, int64_t value)
{
    enum { DIGITS_MAX = 20 };
    uint8_t digits[DIGITS_MAX];
    size_t first = DIGITS_MAX;
    uint64_t left = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
    do {
        digits[--first] = (uint8_t)('0' + left % 10);
        left /= 10;
    } while (left > 0);
    begin(out, key);
    if (value < 0) {
        buf_add_u8(&out->buf, '-');
    }
    buf_add(&out->buf, bytes_of(digits + first, DIGITS_MAX - first));
}

void out_double(struct out *out, const char *key, double value)
{
    begin(out, key);
    jsontext_add_double(&out->buf, value);
}

void out_text(struct out *out, const char *key, struct bytes text)
{
    begin(out, key);
    jsontext_add(&out->buf, text);
}

void out_word(struct out *out, const char *key, const char *text)
{
    out_text(out, key, bytes_of_text(text));
}

void out_raw(struct out *out, const char *key, struct bytes json)
{
    begin(out, key);
    buf_add(&out->buf, json);
}

void out_hex(struct out *out, const char *key, struct bytes data)
{
    begin(out, key);
    jsontext_add_hex(&out->buf, data);
}

void out_uuid(struct out *out, const char *key, struct uuid id)
{
    char text[UUID_TEXT_BYTES];
    uuid_to_text(id, text);
    out_word(out, key, text);
}

void out_time(struct out *out, const char *key, struct unix_ns at, unsigned decimals)
{
    char text[RFC3339_BYTES];
    unix_to_rfc3339(at, decimals, text);
    out_word(out, key, text);
}

void out_ms_between(struct out *out, const char *key, struct unix_ns from, struct unix_ns to)
{
    int64_t ns = 0;
    if (__builtin_sub_overflow(to.ns, from.ns, &ns)) {
        out_null(out, key);
    } else if (ns % NS_PER_MS == 0) {
        out_int(out, key, ns / NS_PER_MS);
    } else {
        out_double(out, key, (double)ns / NS_PER_MS);
    }
}

void out_answer_as(struct out *out, struct exchange *exchange, const char *content_type)
{
    err_t err = buf_err(&out->buf);
    if (!err_is_ok(err)) {
        struct detail detail = {0};
        if (err_is(err, ERR_TOO_LARGE)) {
            detail_set(&detail, "the answer would have more than %d MiB", OUT_BYTES_MAX >> 20);
        }
        out_fini(out);
        exchange_fail(exchange, err, &detail);
        return;
    }
    size_t len = 0;
    uint8_t *body = buf_take(&out->buf, &len);
    struct http_answer answer = {.status = 200,
                                 .content_type = content_type,
                                 .body = bytes_of(body, len),
                                 .free_body = mem_free,
                                 .free_context = body};
    exchange_answer_packed(exchange, &answer);
}

void out_answer(struct out *out, struct exchange *exchange)
{
    out_answer_as(out, exchange, "application/json");
}
