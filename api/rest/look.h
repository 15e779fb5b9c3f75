/* look: where a text stands in one span: its name, its status message, the keys and values of its attributes and those
 * of its events, at whatever depth. The case of ASCII letters does not count (fold.h); a number is looked at as it is
 * written. PURE, iterative. Thread: any. Views borrow from the span and from the caller's buffer. */
#ifndef CALLTRACE_REST_LOOK_H
#define CALLTRACE_REST_LOOK_H

#include "proto/otlp/view.h"

enum {
    /* Shown before and behind what was found, in octets. */
    LOOK_AROUND_BYTES = 40,
    LOOK_NUMBER_BYTES = 40,
};

enum look_place {
    LOOK_PLACE_NAME = 0,
    LOOK_PLACE_STATUS,
    LOOK_PLACE_ATTRIBUTE,
    LOOK_PLACE_EVENT,
    LOOK_PLACE_COUNT,
};

struct look_find {
    enum look_place place;
    struct bytes
        key; /* of the attribute, or of the event's one; the event's name when it has none */
    struct bytes before;
    struct bytes match;
    struct bytes after;
    size_t more; /* attributes, and the like, of the span in which it stands too */
    char number[LOOK_NUMBER_BYTES]; /* what the views borrow from when it stands in a number */
};

/* The first place; false: nowhere. `find` must not be moved while its views are used. */
bool look_span(const struct otlp_span *span, struct bytes needle, struct look_find *find);

#endif
