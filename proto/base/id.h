/* id: the identifiers that cross module borders, as newtypes. Thread: any. */
#ifndef CALLTRACE_ID_H
#define CALLTRACE_ID_H

#include "proto/base/bytes.h"

struct uuid {
    uint8_t b[16];
};

struct trace_id {
    uint8_t b[16];
};

struct span_id {
    uint8_t b[8];
};

enum { UUID_TEXT_BYTES = 37, TRACE_ID_HEX = 32, SPAN_ID_HEX = 16 };

/* A random (version 4) UUID. */
struct uuid uuid_make(void);

/* Lower-case text of 36 characters and a NUL. */
void uuid_to_text(struct uuid id, char ret_text[UUID_TEXT_BYTES]);

/* Reads the 36-character form, either case. */
bool uuid_from_text(struct bytes text, struct uuid *ret_id);

static inline bool uuid_equal(struct uuid a, struct uuid b)
{
    return memcmp(a.b, b.b, sizeof a.b) == 0;
}

static inline bool trace_id_equal(struct trace_id a, struct trace_id b)
{
    return memcmp(a.b, b.b, sizeof a.b) == 0;
}

/* W3C Trace Context: an id of only zeros is invalid. */
bool trace_id_is_zero(struct trace_id id);
bool span_id_is_zero(struct span_id id);

#endif
