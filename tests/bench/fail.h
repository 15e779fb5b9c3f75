/* fail: how the benchmark's programs give up. Thread: any. */
#ifndef CALLTRACE_TESTS_BENCH_FAIL_H
#define CALLTRACE_TESTS_BENCH_FAIL_H

#include <stdio.h>
#include <stdlib.h>

/* Says why and ends the process with code 1. */
__attribute__((noreturn)) static inline void bench_fail(const char *why)
{
    (void)fprintf(stderr, "bench: %s\n", why);
    exit(1);
}

#endif
