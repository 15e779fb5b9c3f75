#include "proto/base/check.h"

#include <stdio.h>
#include <stdlib.h>

#include "proto/base/banned.h"

void check_failed(const char *kind, const char *expression, const char *file, int line)
{
    (void)fprintf(stderr, "calltrace: %s failed: %s (%s:%d)\n", kind, expression, file, line);
    abort();
}
