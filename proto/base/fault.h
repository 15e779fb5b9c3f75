/* fault: seeded faults for the tests of the tests (fault.def). In an ordinary build fault_is() is
 * constant false and costs nothing. */
#ifndef CALLTRACE_FAULT_H
#define CALLTRACE_FAULT_H

#include <stdbool.h>

enum fault {
#define FAULT(number, name, what) FAULT_##name = (number),
#include "proto/base/fault.def"
#undef FAULT
};

#if defined(CALLTRACE_FAULTS)
/* True when env CALLTRACE_FAULT holds this fault's number. Thread: any. */
bool fault_is(enum fault fault);
#else
static inline bool fault_is(enum fault fault)
{
    (void)fault;
    return false;
}
#endif

#endif
