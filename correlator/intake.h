/* intake: the bounded queue between the bus and the writers. A work that finds it full is answered at once
 * with `unavailable`; one that waited longer than its api does is given back without an answer.
 *
 * Threads: intake_put from any thread of the bus; intake_take from any writer. */
#ifndef CALLTRACE_CORRELATOR_INTAKE_H
#define CALLTRACE_CORRELATOR_INTAKE_H

#include "proto/bus/bus.h"

struct intake;

/* `gather_ms`: how long a work waits at most for others that come together with it; 0: it never waits.
 * Errors: MEMORY. */
FALLIBLE intake_new(size_t bytes_max, int64_t gather_ms, struct intake **ret_intake);
/* Only when it is empty. NULL is fine. */
void intake_free(struct intake *intake);

/* Takes the work when it returns true. */
bool intake_put(struct intake *intake, struct bus_work *work);

/* Waits until there is something, gathers, then takes what is there: at most `count_max` works, and no further one
 * once they hold `bytes_max`. 0 when the queue is closed and empty. */
size_t intake_take(struct intake *intake, struct bus_work **ret_works, size_t count_max,
                   size_t bytes_max);

/* Lets intake_take return 0 when all is taken. */
void intake_close(struct intake *intake);

/* Bytes that wait, and works. */
size_t intake_bytes(struct intake *intake);
size_t intake_count(struct intake *intake);

#endif
