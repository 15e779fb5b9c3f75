#include "correlator/memo.h"

#include "proto/base/check.h"
#include "proto/base/mem.h"
#include "proto/base/table.h"

#include "proto/base/banned.h"

err_t memo_init(struct memo *memo, size_t count)
{
    PRE(count > 0 && (count & (count - 1)) == 0);
    memo->places = mem_zero(count, sizeof *memo->places);
    memo->count = count;
    return memo->places == NULL ? FAIL(MEMORY) : OK;
}

void memo_fini(struct memo *memo)
{
    mem_free(memo->places);
    memo->places = NULL;
    memo->count = 0;
}

void memo_clear(struct memo *memo)
{
    memset(memo->places, 0, memo->count * sizeof *memo->places);
}

/* Hashes a chain: the mark so far and the next part's own hash, so that no part is copied. */
struct memo_mark memo_mark_of(const struct bytes *parts, size_t count)
{
    uint8_t chain[16 + 16 + sizeof(uint64_t)] = {0};
    uint64_t seed = table_seed();
    memcpy(chain + 32, &seed, sizeof seed);
    for (size_t i = 0; i < count; i++) {
        uint64_t keyed[2] = {bytes_hash64(parts[i], seed), bytes_hash64(parts[i], ~seed)};
        memcpy(chain + 16, keyed, sizeof keyed);
        uint8_t next[16];
        bytes_hash128(bytes_of(chain, sizeof chain), next);
        memcpy(chain, next, sizeof next);
    }
    struct memo_mark mark;
    memcpy(mark.b, chain, sizeof mark.b);
    return mark;
}

static struct memo_mark *place_of(const struct memo *memo, struct memo_mark mark)
{
    size_t at = 0;
    memcpy(&at, mark.b, sizeof at);
    return &memo->places[at & (memo->count - 1)];
}

bool memo_has(const struct memo *memo, struct memo_mark mark)
{
    return memcmp(place_of(memo, mark)->b, mark.b, sizeof mark.b) == 0;
}

void memo_add(struct memo *memo, struct memo_mark mark)
{
    *place_of(memo, mark) = mark;
}
