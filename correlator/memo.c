#include "correlator/memo.h"

#include "proto/base/check.h"
#include "proto/base/mem.h"
#include "proto/base/table.h"

#include "proto/base/banned.h"

/* Nearly all words and keys fit. */
enum { RECORD_MAX = 256 };

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

/* The seed, then each part behind its length; 0 when there is no room. */
static size_t record_put(const struct bytes *parts, size_t count, uint64_t seed,
                         uint8_t out[RECORD_MAX])
{
    size_t at = sizeof seed;
    memcpy(out, &seed, sizeof seed);
    for (size_t i = 0; i < count; i++) {
        if (parts[i].len > RECORD_MAX || at + sizeof(uint32_t) + parts[i].len > RECORD_MAX) {
            return 0;
        }
        uint32_t len = (uint32_t)parts[i].len;
        memcpy(out + at, &len, sizeof len);
        at += sizeof len;
        if (len > 0) {
            memcpy(out + at, parts[i].ptr, len);
        }
        at += len;
    }
    return at;
}

/* Long parts are not copied: a chain of the mark so far and the next part's own hash. */
static struct memo_mark mark_of_long(const struct bytes *parts, size_t count, uint64_t seed)
{
    uint8_t chain[16 + 16 + sizeof(uint64_t)] = {0};
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

struct memo_mark memo_mark_of(const struct bytes *parts, size_t count)
{
    uint64_t seed = table_seed();
    uint8_t record[RECORD_MAX];
    size_t len = record_put(parts, count, seed, record);
    if (len == 0) {
        return mark_of_long(parts, count, seed);
    }
    struct memo_mark mark;
    bytes_hash128(bytes_of(record, len), mark.b);
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
