/* What a statement answered. */
#include <libpq-fe.h>

#include "proto/base/check.h"
#include "proto/base/mem.h"
#include "schema/db_private.h"

#include "proto/base/banned.h"

static int64_t get_be(const uint8_t *in, unsigned octets)
{
    uint64_t value = 0;
    for (unsigned i = 0; i < octets; i++) {
        value = value << 8 | in[i];
    }
    unsigned shift = 64 - 8 * octets;
    return (int64_t)(value << shift) >> shift;
}

size_t db_rows_count(const struct db_rows *rows)
{
    return (size_t)rows->count;
}

size_t db_rows_affected(const struct db_rows *rows)
{
    const char *text = PQcmdTuples(rows->result);
    size_t count = 0;
    for (; *text >= '0' && *text <= '9'; text++) {
        count = count * 10 + (size_t)(*text - '0');
    }
    return count;
}

void db_rows_free(struct db_rows *rows)
{
    if (rows != NULL) {
        PQclear(rows->result);
        mem_free(rows);
    }
}

bool db_next(struct db_rows *rows)
{
    if (rows->row + 1 >= rows->count) {
        return false;
    }
    rows->row++;
    return true;
}

bool db_is_null(const struct db_rows *rows, int column)
{
    return PQgetisnull(rows->result, rows->row, column) != 0;
}

static struct bytes cell(const struct db_rows *rows, int column)
{
    INVARIANT(rows->row >= 0 && column < PQnfields(rows->result));
    INVARIANT(!db_is_null(rows, column));
    return bytes_of(PQgetvalue(rows->result, rows->row, column),
                    (size_t)PQgetlength(rows->result, rows->row, column));
}

bool db_get_bool(const struct db_rows *rows, int column)
{
    struct bytes octets = cell(rows, column);
    INVARIANT(octets.len == 1);
    return octets.ptr[0] != 0;
}

int64_t db_get_int(const struct db_rows *rows, int column)
{
    struct bytes octets = cell(rows, column);
    INVARIANT(octets.len == 2 || octets.len == 4 || octets.len == 8);
    return get_be(octets.ptr, (unsigned)octets.len);
}

struct uuid db_get_uuid(const struct db_rows *rows, int column)
{
    struct bytes octets = cell(rows, column);
    struct uuid id;
    INVARIANT(octets.len == sizeof id.b);
    memcpy(id.b, octets.ptr, sizeof id.b);
    return id;
}

struct bytes db_get_bytes(const struct db_rows *rows, int column)
{
    return cell(rows, column);
}

struct unix_ns db_get_time(const struct db_rows *rows, int column)
{
    int64_t us = db_get_int(rows, column);
    int64_t ns = 0;
    if (__builtin_add_overflow(us, DB_EPOCH_S * INT64_C(1000000), &us) ||
        __builtin_mul_overflow(us, INT64_C(1000), &ns)) {
        ns = us < 0 ? INT64_MIN : INT64_MAX; /* infinity, or beyond what nanoseconds reach */
    }
    return (struct unix_ns){.ns = ns};
}
