/* scope: the names of what an API key may do (scope.def). Thread: any. */
#ifndef CALLTRACE_API_SCOPE_H
#define CALLTRACE_API_SCOPE_H

#include "proto/base/bytes.h"

struct scope_row {
    unsigned bit; /* of enum api_scope */
    const char *name;
};

/* All of them. */
const struct scope_row *scope_rows(size_t *ret_count);

/* The bit; 0: no such scope. */
unsigned scope_of_name(struct bytes name);

#endif
