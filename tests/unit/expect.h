/* expect: cmocka with the project's error type. Include first in a test; cmocka wants its own headers
 * before it. */
#ifndef CALLTRACE_EXPECT_H
#define CALLTRACE_EXPECT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "proto/base/err.h"
#include "proto/base/mem.h"

#define EXPECT_OK(expression)             assert_string_equal(err_name(expression), "OK")
#define EXPECT_ERR(expression, code_name) assert_string_equal(err_name(expression), #code_name)

/* Allocation-failure sweep: runs `body(context)` with the 1st, 2nd, ... allocation failing until one run
 * asks for fewer allocations than that. The body must leave nothing behind; the sanitizers watch. Gives
 * the number of allocations of a whole run. */
static inline uint64_t expect_survives_oom(void (*body)(void *context), void *context)
{
    for (uint64_t n = 1; n < 100000; n++) {
        (void)mem_fail_at(n, 1); /* the count so far does not matter */
        body(context);
        if (mem_fail_at(0, 0) < n) {
            return n - 1;
        }
    }
    fail_msg("the body never stops allocating");
    return 0;
}

#endif
