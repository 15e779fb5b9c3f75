/* places: where on a trace a key of the link equation stands (proto/base/match_attributes.def). PURE.
 *
 * Thread: any. Borrows from the view. */
#ifndef CALLTRACE_REST_PLACES_H
#define CALLTRACE_REST_PLACES_H

#include "proto/base/match_key.h"
#include "proto/otlp/view.h"

struct place {
    bool is_found;
    bool is_resource;
    struct span_id span; /* of a span's attribute: the first that has it */
    struct bytes name;   /* that span's */
    const char *attribute;
};

/* Fills one place for each key; one that is not found stands on a span that is not shown, or is the trace's id. */
void places_find(const struct view *view, const struct match_key *keys, size_t count,
                 struct place *ret_places);

#endif
