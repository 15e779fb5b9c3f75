/* mem: the one door to the heap. Every allocation of ours, and those of jansson, protobuf-c and uthash,
 * goes through here, so that a test can fail the n-th one. All functions return NULL when out of
 * memory; whoever allocates owns. Thread: any. */
#ifndef CALLTRACE_MEM_H
#define CALLTRACE_MEM_H

#include <stddef.h>
#include <stdint.h>

__attribute__((malloc, warn_unused_result)) void *mem_alloc(size_t bytes);
__attribute__((malloc, warn_unused_result)) void *mem_zero(size_t count, size_t bytes_each);
__attribute__((warn_unused_result)) void *mem_resize(void *ptr, size_t bytes);
__attribute__((malloc, warn_unused_result)) char *mem_text(const char *text);

/* NULL is fine. */
void mem_free(void *ptr);

/* Tests only: the n-th allocation from now fails (1 = the next), and every one after it too when
 * `and_all_after`; 0 switches failing off. Returns how many allocations were asked for since the
 * last call. Thread: a test's only thread. */
uint64_t mem_fail_at(uint64_t n, int and_all_after);

#endif
