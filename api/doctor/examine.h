/* examine: gathers what the doctor must know of a batch of unmatched rows, and lets it decide. Private to
 * api/doctor/unmatched.c. One statement for the near misses of a whole batch; the spans of a trace are opened for
 * their clues, a bounded part of them.
 *
 * Owner thread: the walk's. Findings borrow from the side's arena. Errors: those of the db, NO_SPACE, MEMORY. */
#ifndef CALLTRACE_DOCTOR_EXAMINE_H
#define CALLTRACE_DOCTOR_EXAMINE_H

#include "api/doctor/unmatched.h"

FALLIBLE examine_traces(struct unmatched_walk *walk, struct unmatched_side *side,
                        struct detail *detail);
FALLIBLE examine_calls(struct unmatched_walk *walk, struct unmatched_side *side,
                       struct detail *detail);

#endif
