/* json_parts: what json.c and json_value.c share; nobody else includes it. */
#ifndef CALLTRACE_OTLP_JSON_PARTS_H
#define CALLTRACE_OTLP_JSON_PARTS_H

#include "proto/otlp/jsonread.h"
#include "proto/otlp/schema.h"

/* Writes one scalar field. On a value that does not fit *ret_wrong says what is wanted ("must be a text"),
 * else it is NULL; nothing is written then. Failures of memory stay in `out` and `scratch`. */
void json_value(enum schema_message message, uint32_t number, const struct json_token *token,
                struct buf *scratch, struct buf *out, const char **ret_wrong);

#endif
