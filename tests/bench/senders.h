/* senders: the exporters. Each has a connection of its own and sends the exports of its traces in order,
 * either as soon as the one before is answered (the most that can be taken), or by the clock.
 *
 * By the clock an export has a time at which it is due, whatever became of those before. When the
 * connection is not free then, the export waits, and its time runs from when it was due: a server that
 * stops for a second shows a second, and not one slow answer. Owner thread: the load generator's. */
#ifndef CALLTRACE_TESTS_BENCH_SENDERS_H
#define CALLTRACE_TESTS_BENCH_SENDERS_H

#include "proto/base/clock.h"

struct load;
struct senders;

/* Keeps load, whose http client and calls exist already. NULL when out of memory. */
struct senders *senders_new(struct load *load);
void senders_free(struct senders *senders);

/* Opens every connection with a request that costs nothing, some at a time. */
void senders_open(struct senders *senders);

/* Sends what is due. Returns when it wants to be called again, or the deadline. */
struct mono_ns senders_move(struct senders *senders, struct mono_ns now);

/* Exports that were due before the deadline and were not sent. */
uint64_t senders_unsent(const struct senders *senders);

#endif
