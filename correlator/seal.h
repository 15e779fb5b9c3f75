/* seal: a thread that rewrites a trace which has been quiet for quiet_s as one segment: each span once, by the rule of
 * the reads (proto/otlp/view.h), compressed over the whole trace, its counts exact in the trace's row. An answer does not
 * change by it, but that counts are no longer approximate.
 *
 *     due (one statement) -> of each trace: pieces (core/pieces.h) -> of each piece: bodies, merge (proto/otlp/merge.h)
 *         -> of some pieces together: one transaction -> rest
 *
 * Reading and compressing stand outside any transaction. The transaction locks the traces' rows, as everybody does who
 * adds or removes segments; then a piece is swapped only if all segments that were read still stand, and the trace is
 * marked sealed only if it has no others. What was overtaken stays as it is and comes up again when it is quiet. A reader
 * takes a trace's segments by one statement, so it sees what was before or what is after. Spans that come late stand
 * beside the sealed segment, and the writer's upsert takes the mark away; a retry may bring a segment again that is
 * sealed already: its spans are shown once, and the next sealing removes it.
 *
 * A trace beyond the bounds of one segment becomes several, whose counts stay approximate. A piece that cannot be read is
 * left as it is. Neither comes up again until something new comes.
 *
 * One correlator at a time seals (advisory lock): the work is done outside transactions, where no row lock could keep two
 * of them from the same trace, and one share of a processor is what an installation gives for it. A crash at any moment
 * leaves the old segments or the new ones.
 *
 * Bounds: DUE traces of a turn, BATCH bytes of a transaction (or one piece), memory of one piece: 32 MiB of spans take
 * about 150 MB for a moment, ordinary traces a few.
 * Owner thread: its own (background.h); sealer_* from main. */
#ifndef CALLTRACE_CORRELATOR_SEAL_H
#define CALLTRACE_CORRELATOR_SEAL_H

#include <stdint.h>

#include "proto/base/err.h"

struct sealer;

struct sealer_options {
    const char *conninfo; /* kept */
    uint64_t quiet_s;
    uint64_t share_percent; /* of one processor, 1 to 100 */
};

/* Errors: MEMORY, SYSTEM. */
FALLIBLE sealer_start(const struct sealer_options *options, struct sealer **ret_sealer);
/* NULL is fine. */
void sealer_stop(struct sealer *sealer);

#endif
