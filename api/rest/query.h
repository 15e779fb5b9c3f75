/* query: the parameters of a read, checked by a table.
 *
 *     enum { Q_LIMIT, Q_AFTER, Q_COUNT };
 *     static const struct query_rule rules[Q_COUNT] = {
 *         [Q_LIMIT] = {"limit", QUERY_INTEGER, .least = 1, .most = 100}, [Q_AFTER] = {"after", QUERY_CURSOR}};
 *     struct query_value query[Q_COUNT];
 *     if (!query_read(exchange, rules, Q_COUNT, query)) { return; }      answered 400, naming the parameter
 *
 * Parameters that no rule names are ignored. Of a repeated one the first counts. Thread: the exchange's. Values borrow from the exchange. */
#ifndef CALLTRACE_REST_QUERY_H
#define CALLTRACE_REST_QUERY_H

#include "api/http/exchange.h"
#include "api/rest/query_value.h"
#include "proto/base/clock.h"
#include "proto/base/id.h"

bool query_read(struct exchange *exchange, const struct query_rule *rules, size_t count,
                struct query_value *ret_values);

/* Answers 400 about `name` and returns false. */
bool query_bad(struct exchange *exchange, const char *name, const char *message);

/* The n-th part of the path as an id; false: answered 404. `what` is "call", "chat", ... */
bool query_path_uuid(struct exchange *exchange, size_t n, const char *what, struct uuid *ret_id);
/* As a trace id of either case; false: answered 400 or 404. */
bool query_path_trace(struct exchange *exchange, size_t n, struct trace_id *ret_id);

#endif
