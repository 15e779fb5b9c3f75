/* pull_report: a call of VAPI's list as the report that its end would have sent. PURE.
 *
 * Thread: any. */
#ifndef CALLTRACE_API_ADMIN_PULL_REPORT_H
#define CALLTRACE_API_ADMIN_PULL_REPORT_H

#include "proto/base/buf.h"
#include "proto/base/clock.h"
#include "proto/base/id.h"

struct json_t;

struct pull_call {
    struct uuid id;
    struct unix_ns created;
    bool has_id;
    bool has_created;
    bool is_ended;
};

/* What the walk wants to know; an item that is no object has nothing. */
struct pull_call pull_call_read(const struct json_t *item);

/* Appends the body of POST /v1/vapi/call: the call as an end-of-call-report, and its log (gzip or plain JSON lines)
 * when there is one. The call is left as it was. Errors: MEMORY, TOO_LARGE of `out`. */
FALLIBLE pull_report_write(struct json_t *call, struct bytes log, struct buf *out);

#endif
