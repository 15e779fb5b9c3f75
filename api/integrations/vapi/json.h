/* json: how VAPI's payloads are read: forgiving getters over jansson, and times whose unit is known by their size
 * alone. PURE.
 *
 * Thread: any. Texts borrow from the JSON. */
#ifndef CALLTRACE_VAPI_JSON_H
#define CALLTRACE_VAPI_JSON_H

#include <jansson.h>

#include "proto/base/bytes.h"
#include "proto/base/clock.h"
#include "proto/base/err.h"

/* The member when it is of that kind, else NULL (a text: length 0). `object` may be NULL. */
const json_t *vapi_json_object(const json_t *object, const char *name);
const json_t *vapi_json_array(const json_t *object, const char *name);
struct bytes vapi_json_text(const json_t *object, const char *name);

/* A finite number, or its decimal text. */
bool vapi_json_number(const json_t *value, double *ret_number);

/* Milliseconds that are written as a number and cannot be negative. */
bool vapi_json_ms(const json_t *object, const char *name, double *ret_ms);

/* A time: ISO 8601, or a number since 1970 in s, ms, us or ns. The unit is told by the size: the four ranges of
 * the years 1973 to 5138 do not meet. */
bool vapi_json_time(const json_t *value, struct unix_ns *ret_at);
bool vapi_time_of_text(struct bytes text, struct unix_ns *ret_at);

#endif
