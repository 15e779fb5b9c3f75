/* pieces: PURE. Which segments of a trace are sealed together.
 *
 * A trace's segments stand in the order in which they came; a piece is a run of them, as long as the bounds of a sealed
 * segment allow. The same segments always make the same pieces, and a piece that is one sealed segment is left alone: a
 * trace too large for one segment becomes several and stays so.
 *
 *     count = pieces_unique(parts, count);
 *     for (at = 0; at < count; at = piece.next) {
 *         piece = piece_at(parts, count, at);
 *         if (piece.is_due) ... seal parts[piece.first .. piece.next)
 *     }
 *
 * Limits: LIMIT_SEALED_BYTES and LIMIT_SEALED_SPANS of a piece. Thread: any. */
#ifndef CALLTRACE_CORE_PIECES_H
#define CALLTRACE_CORE_PIECES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/base/clock.h"

/* One segment as it stands in the store, without its body. */
struct part {
    uint8_t hash[16];
    uint32_t spans;
    uint32_t errors;
    uint32_t raw_bytes;
    struct unix_ns seen;
    bool is_sealed;
};

struct piece {
    size_t first;
    size_t next;
    uint64_t raw_bytes;
    bool is_due; /* there is something to seal */
};

/* Keeps one part of each hash, in their order; how many. A retry may bring a segment again that was sealed alone: the
 * part that is kept is due then, and sealing it removes both. */
size_t pieces_unique(struct part *parts, size_t count);

/* The piece that begins with part `first`, below `count`. */
struct piece piece_at(const struct part *parts, size_t count, size_t first);

#endif
