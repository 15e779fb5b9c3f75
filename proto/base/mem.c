#include "proto/base/mem.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/banned.h"

static _Atomic uint64_t fail_at;
static _Atomic uint64_t asked;
static _Atomic int fail_all_after;
static _Atomic bool counting;

static bool must_fail(void)
{
    if (!atomic_load_explicit(&counting, memory_order_relaxed)) {
        return false;
    }
    uint64_t nth = atomic_fetch_add(&asked, 1) + 1;
    uint64_t target = atomic_load(&fail_at);
    return target != 0 && (nth == target || (nth > target && atomic_load(&fail_all_after) != 0));
}

uint64_t mem_fail_at(uint64_t n, int and_all_after)
{
    uint64_t before = atomic_exchange(&asked, 0);
    atomic_store(&fail_at, n);
    atomic_store(&fail_all_after, and_all_after);
    atomic_store(&counting, true);
    return before;
}

void *mem_alloc(size_t bytes)
{
    return must_fail() ? NULL : malloc(bytes == 0 ? 1 : bytes);
}

void *mem_zero(size_t count, size_t bytes_each)
{
    return must_fail() ? NULL : calloc(count == 0 ? 1 : count, bytes_each == 0 ? 1 : bytes_each);
}

void *mem_resize(void *ptr, size_t bytes)
{
    return must_fail() ? NULL : realloc(ptr, bytes == 0 ? 1 : bytes);
}

char *mem_text(const char *text)
{
    size_t bytes = strlen(text) + 1;
    char *copy = mem_alloc(bytes);
    if (copy != NULL) {
        memcpy(copy, text, bytes);
    }
    return copy;
}

void mem_free(void *ptr)
{
    free(ptr);
}
