#include "proto/base/metric.h"

#include <stdatomic.h>

#include "proto/base/check.h"
#include "proto/base/mem.h"

#include "proto/base/banned.h"

enum { BOUNDS = 17 };

/* Upper bounds. Of durations in nanoseconds, a decade in three steps from 100 us to 30 s; of amounts 1, 4, 16, ... */
static const int64_t bounds_ns[BOUNDS] = {
    100000,     250000,     500000,     1000000,     2500000,     5000000,
    10000000,   25000000,   50000000,   100000000,   250000000,   500000000,
    1000000000, 2500000000, 5000000000, 10000000000, 30000000000,
};
static const int64_t bounds_amount[BOUNDS] = {
    1,
    4,
    16,
    64,
    256,
    1024,
    4096,
    16384,
    65536,
    1 << 18,
    1 << 20,
    1 << 22,
    1 << 24,
    1 << 26,
    1 << 28,
    1 << 30,
    INT64_C(1) << 32,
};

struct cell {
    _Atomic int64_t value; /* of a histogram: the number of observations */
    _Atomic int64_t sum;   /* histogram only */
    _Atomic int64_t bucket[BOUNDS];
};

static const struct metric_row *table;
static size_t table_count;
static struct cell *cells;

err_t metric_start(const struct metric_row *rows, size_t count)
{
    PRE(cells == NULL);
    cells = mem_zero(count, sizeof *cells);
    if (cells == NULL) {
        return FAIL(MEMORY);
    }
    table = rows;
    table_count = count;
    return OK;
}

void metric_stop(void)
{
    mem_free(cells);
    cells = NULL;
    table_count = 0;
}

static struct cell *cell_at(size_t id)
{
    if (cells == NULL) {
        return NULL;
    }
    PRE(id < table_count);
    return &cells[id];
}

void metric_add(size_t id, uint64_t more)
{
    struct cell *cell = cell_at(id);
    if (cell != NULL) {
        atomic_fetch_add_explicit(&cell->value, (int64_t)more, memory_order_relaxed);
    }
}

void metric_set(size_t id, int64_t value)
{
    struct cell *cell = cell_at(id);
    if (cell != NULL) {
        atomic_store_explicit(&cell->value, value, memory_order_relaxed);
    }
}

static void observe(size_t id, const int64_t *bounds, int64_t observed)
{
    struct cell *cell = cell_at(id);
    if (cell == NULL) {
        return;
    }
    atomic_fetch_add_explicit(&cell->value, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&cell->sum, observed, memory_order_relaxed);
    for (size_t i = 0; i < BOUNDS; i++) {
        if (observed <= bounds[i]) {
            atomic_fetch_add_explicit(&cell->bucket[i], 1, memory_order_relaxed);
            return;
        }
    }
}

void metric_seconds(size_t id, int64_t duration_ns)
{
    observe(id, bounds_ns, duration_ns);
}

void metric_amount(size_t id, uint64_t amount)
{
    observe(id, bounds_amount, amount > INT64_MAX ? INT64_MAX : (int64_t)amount);
}

int64_t metric_value(size_t id)
{
    struct cell *cell = cell_at(id);
    return cell == NULL ? 0 : atomic_load_explicit(&cell->value, memory_order_relaxed);
}

static void render_histogram(struct buf *out, const struct metric_row *row, struct cell *cell)
{
    bool is_time = row->kind == METRIC_KIND_SECONDS;
    const int64_t *bounds = is_time ? bounds_ns : bounds_amount;
    double unit = is_time ? 1e9 : 1;
    const char *comma = row->labels[0] == '\0' ? "" : ",";
    int64_t sum = 0;
    for (size_t i = 0; i < BOUNDS; i++) {
        sum += atomic_load_explicit(&cell->bucket[i], memory_order_relaxed);
        buf_printf(out, "%s_bucket{%s%sle=\"%.10g\"} %lld\n", row->name, row->labels, comma,
                   (double)bounds[i] / unit, (long long)sum);
    }
    long long count = (long long)atomic_load_explicit(&cell->value, memory_order_relaxed);
    double total = (double)atomic_load_explicit(&cell->sum, memory_order_relaxed) / unit;
    const char *open = row->labels[0] == '\0' ? "" : "{";
    const char *close = row->labels[0] == '\0' ? "" : "}";
    buf_printf(out, "%s_bucket{%s%sle=\"+Inf\"} %lld\n", row->name, row->labels, comma, count);
    buf_printf(out, "%s_sum%s%s%s %.12g\n", row->name, open, row->labels, close, total);
    buf_printf(out, "%s_count%s%s%s %lld\n", row->name, open, row->labels, close, count);
}

void metric_render(struct buf *out)
{
    static const char *const kinds[] = {"counter", "gauge", "histogram", "histogram"};
    for (size_t i = 0; i < table_count; i++) {
        const struct metric_row *row = &table[i];
        if (i == 0 || strcmp(table[i - 1].name, row->name) != 0) {
            buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", row->name, row->help, row->name,
                       kinds[row->kind]);
        }
        if (row->kind == METRIC_KIND_SECONDS || row->kind == METRIC_KIND_AMOUNT) {
            render_histogram(out, row, &cells[i]);
        } else if (row->labels[0] == '\0') {
            buf_printf(out, "%s %lld\n", row->name, (long long)metric_value(i));
        } else {
            buf_printf(out, "%s{%s} %lld\n", row->name, row->labels, (long long)metric_value(i));
        }
    }
}
