#include "api/metric.h"

#include "proto/base/banned.h"

static const struct metric_row rows[API_METRIC_COUNT] = {
#define METRIC(id, kind, name, labels, help) {name, labels, help, METRIC_KIND_##kind},
#include "api/metric.def"
#undef METRIC
};

err_t api_metric_start(void)
{
    return metric_start(rows, API_METRIC_COUNT);
}
