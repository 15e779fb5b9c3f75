/* clocks: signs that a clock runs apart from the others. PURE.
 *
 * A trace that lies outside its call as a whole, or a service whose spans all lie outside their parents in other
 * services by about one amount, has another clock. Nothing is moved for it: a note says by how much.
 *
 * Thread: any. Notes live in the arena. */
#ifndef CALLTRACE_REST_CLOCKS_H
#define CALLTRACE_REST_CLOCKS_H

#include "api/rest/axis.h"

enum { CLOCKS_NOTES_MAX = 100 };
/* Less is how clocks of one cluster differ. */
#define CLOCKS_LEAST_NS (INT64_C(50) * NS_PER_MS)
/* More is no clock but another day. */
#define CLOCKS_MOST_NS (INT64_C(24) * 3600 * NS_PER_S)

struct clocks_call {
    bool has_started;
    bool has_ended;
    struct unix_ns started;
    struct unix_ns ended;
};

enum clocks_about { CLOCKS_TRACE = 0, CLOCKS_SERVICE };

struct clocks_note {
    enum clocks_about about;
    uint32_t trace;
    struct bytes service; /* of SERVICE */
    int64_t ahead_ns;     /* negative: behind */
};

struct clocks {
    struct clocks_note *notes;
    size_t count;
};

/* Errors: NO_SPACE. */
FALLIBLE clocks_read(const struct axis *axis, const struct clocks_call *call, struct arena *arena,
                     struct clocks *ret_clocks);

#endif
