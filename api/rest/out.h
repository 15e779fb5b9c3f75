/* out: writes an answer's JSON as it goes. jansson builds a tree first and takes no ready-made JSON; an answer here
 * may have 100,000 spans, and gives back what clients sent byte for byte (out_raw).
 *
 *     out_init(&out);
 *     out_object(&out, NULL);
 *     out_text(&out, "id", id);
 *     out_array(&out, "spans"); ... out_end_array(&out);
 *     out_end_object(&out);
 *     out_answer(&out, exchange);       (takes the memory, also after a failure)
 *
 * A key is NULL inside an array and for the outermost value. Failure is sticky, as in buf.
 * Owner thread: the caller's. */
#ifndef CALLTRACE_REST_OUT_H
#define CALLTRACE_REST_OUT_H

#include "proto/base/arena.h"
#include "proto/base/buf.h"
#include "proto/base/clock.h"
#include "proto/base/id.h"

struct exchange;

enum {
    /* An answer: a whole trace, or a page of calls with large properties. */
    OUT_BYTES_MAX = 256 << 20,
};

struct out {
    struct buf buf;
    bool needs_comma;
};

void out_init(struct out *out);
void out_fini(struct out *out);

void out_object(struct out *out, const char *key);
void out_end_object(struct out *out);
void out_array(struct out *out, const char *key);
void out_end_array(struct out *out);

void out_null(struct out *out, const char *key);
void out_bool(struct out *out, const char *key, bool value);
void out_int(struct out *out, const char *key, int64_t value);
void out_double(struct out *out, const char *key, double value);
/* Any octets; what is not UTF-8 is replaced. */
void out_text(struct out *out, const char *key, struct bytes text);
void out_word(struct out *out, const char *key, const char *text);
/* JSON as it is; nothing is checked. */
void out_raw(struct out *out, const char *key, struct bytes json);
void out_hex(struct out *out, const char *key, struct bytes data);
void out_uuid(struct out *out, const char *key, struct uuid id);
/* RFC 3339 with so many decimals. */
void out_time(struct out *out, const char *key, struct unix_ns at, unsigned decimals);
/* From one time to another in milliseconds with fractions; null when that does not fit 64 bits. */
void out_ms_between(struct out *out, const char *key, struct unix_ns from, struct unix_ns to);

/* Answers 200 with what was written, or the failure. Takes the memory. */
void out_answer(struct out *out, struct exchange *exchange);
/* The same with another content type. */
void out_answer_as(struct out *out, struct exchange *exchange, const char *content_type);

#endif
