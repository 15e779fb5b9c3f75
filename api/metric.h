/* metric: the ids of metric.def, for metric_add and its like. */
#ifndef CALLTRACE_API_METRIC_H
#define CALLTRACE_API_METRIC_H

#include "proto/base/metric.h"

enum api_metric {
#define METRIC(id, kind, name, labels, help) API_METRIC_##id,
#include "api/metric.def"
#undef METRIC
    API_METRIC_COUNT
};

/* Registers the table. Once, before threads. Errors: MEMORY. */
FALLIBLE api_metric_start(void);

#endif
