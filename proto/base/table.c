#include "proto/base/table.h"

#include <stdatomic.h>
#include <sys/random.h>

#include "proto/base/clock.h"

#include "proto/base/banned.h"

static _Atomic uint64_t seed;

uint64_t table_seed(void)
{
    uint64_t value = atomic_load_explicit(&seed, memory_order_relaxed);
    if (value != 0) {
        return value;
    }
    uint64_t fresh = 0;
    if (getrandom(&fresh, sizeof fresh, 0) != (ssize_t)sizeof fresh || fresh == 0) {
        fresh = (uint64_t)clock_mono().ns | 1;
    }
    return atomic_compare_exchange_strong(&seed, &value, fresh) ? fresh : value;
}
