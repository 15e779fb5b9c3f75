/* trace: whether a trace has its root. Thread: any. */
#ifndef CALLTRACE_REST_TRACE_H
#define CALLTRACE_REST_TRACE_H

#include <stdbool.h>

#include "proto/base/clock.h"

enum {
    /* Exporters send every 5 s while a call runs; a trace this long without any has lost its root. */
    TRACE_QUIET_S = 900,
};

/* "root"; "open": spans came lately, the root is still to come; "orphan-only": it will not come. */
const char *trace_root_state(bool has_root, struct unix_ns last_seen, struct unix_ns now);

#endif
