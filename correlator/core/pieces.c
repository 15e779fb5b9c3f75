#include "correlator/core/pieces.h"

#include <string.h>

#include "proto/base/check.h"
#include "proto/base/limits.h"

#include "proto/base/banned.h"

/* A hash stands twice only as one sealed part and one that is not. */
static struct part *twin_of(struct part *parts, size_t count, const struct part *part)
{
    for (size_t i = 0; i < count; i++) {
        if (parts[i].is_sealed != part->is_sealed &&
            memcmp(parts[i].hash, part->hash, sizeof part->hash) == 0) {
            return &parts[i];
        }
    }
    return NULL;
}

size_t pieces_unique(struct part *parts, size_t count)
{
    size_t kept = 0;
    bool has_sealed = false;
    for (size_t i = 0; i < count; i++) {
        has_sealed = has_sealed || parts[i].is_sealed;
    }
    for (size_t i = 0; i < count; i++) {
        struct part *twin = has_sealed ? twin_of(parts, kept, &parts[i]) : NULL;
        if (twin == NULL) {
            parts[kept++] = parts[i];
        } else {
            twin->is_sealed = false;
        }
    }
    return kept;
}

struct piece piece_at(const struct part *parts, size_t count, size_t first)
{
    struct piece piece = {.first = first, .next = first + 1, .raw_bytes = parts[first].raw_bytes};
    uint64_t spans = parts[first].spans;
    PRE(first < count);
    while (piece.next < count &&
           piece.raw_bytes + parts[piece.next].raw_bytes <= LIMIT_SEALED_BYTES &&
           spans + parts[piece.next].spans <= LIMIT_SEALED_SPANS) {
        piece.raw_bytes += parts[piece.next].raw_bytes;
        spans += parts[piece.next].spans;
        piece.next++;
    }
    piece.is_due = (piece.next - first > 1 || !parts[first].is_sealed) &&
                   piece.raw_bytes <= LIMIT_SEALED_BYTES && spans <= LIMIT_SEALED_SPANS;
    return piece;
}
