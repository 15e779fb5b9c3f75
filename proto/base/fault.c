#include "proto/base/fault.h"

#if defined(CALLTRACE_FAULTS)
#include <stdlib.h>

#include "proto/base/banned.h"

bool fault_is(enum fault fault)
{
    const char *text =
        getenv("CALLTRACE_FAULT"); // NOLINT(concurrency-mt-unsafe): nobody calls setenv
    return text != NULL && strtol(text, NULL, 10) == (long)fault;
}
#else
typedef int fault_has_no_code_in_this_build;
#endif
