/* jsontext: writes JSON values of untrusted content into a buf. Thread: any. */
#ifndef CALLTRACE_OTLP_JSONTEXT_H
#define CALLTRACE_OTLP_JSONTEXT_H

#include "proto/base/buf.h"

/* A quoted JSON text. Control characters are escaped; a lone surrogate (three octets, ED A0..BF xx, as
 * json.h keeps them) becomes its \udXXX escape again; any other octet that is not UTF-8 becomes U+FFFD. */
void jsontext_add(struct buf *out, struct bytes text);

/* A decimal of 15 to 17 digits, as few as read back to the same double; "NaN", "Infinity", "-Infinity" in quotes. */
void jsontext_add_double(struct buf *out, double value);

/* Standard base64 with padding, in quotes. */
void jsontext_add_base64(struct buf *out, struct bytes data);

/* Lower-case hex in quotes. */
void jsontext_add_hex(struct buf *out, struct bytes data);

#endif
