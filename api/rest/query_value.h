/* query_value: one parameter of a read, by its rule. PURE. Thread: any. */
#ifndef CALLTRACE_REST_QUERY_VALUE_H
#define CALLTRACE_REST_QUERY_VALUE_H

#include "api/rest/cursor.h"
#include "proto/base/clock.h"
#include "proto/base/id.h"

enum query_type {
    QUERY_INTEGER,  /* number */
    QUERY_TIME,     /* at */
    QUERY_TRUTH,    /* number: 0 or 1, written true or false */
    QUERY_WORD,     /* number: which of `words` */
    QUERY_TEXT,     /* text, 1 to `most` characters; an empty one counts as absent */
    QUERY_UUID,     /* uuid */
    QUERY_TRACE_ID, /* trace */
    QUERY_CURSOR,   /* cursor */
};

struct query_rule {
    const char *name;
    enum query_type type;
    int64_t least;
    int64_t most;
    const char *const *words; /* ends in NULL */
};

struct query_value {
    bool has;
    int64_t number;
    struct unix_ns at;
    struct bytes text;
    struct uuid uuid;
    struct trace_id trace;
    struct cursor cursor;
};

/* False: it does not fit the rule; `*ret_value` then means nothing. A text or cursor borrows from `given` and the arena. */
bool query_value_read(const struct query_rule *rule, const char *given, struct arena *arena,
                      struct query_value *ret_value);

/* "must be ..."; NULL when the arena is full. */
const char *query_value_wanted(const struct query_rule *rule, struct arena *arena);

/* A trace id of either case. */
bool query_trace_read(struct bytes text, struct trace_id *ret_trace);

#endif
