/* metrics: the correlator's numbers (metric.def). Thread: any. */
#ifndef CALLTRACE_CORRELATOR_METRICS_H
#define CALLTRACE_CORRELATOR_METRICS_H

#include "proto/base/metric.h"

enum metric_id {
#define METRIC(id, kind, name, labels, help) METRIC_##id,
#include "correlator/metric.def"
#undef METRIC
    METRIC_COUNT
};

#endif
