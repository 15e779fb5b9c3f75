/* scan_fixture: a scan with its memory, for the tests of the scan. */
#ifndef CALLTRACE_TESTS_OTLP_SCAN_FIXTURE_H
#define CALLTRACE_TESTS_OTLP_SCAN_FIXTURE_H

#include "proto/otlp/scan.h"
#include "tests/unit/otlp/make.h"

struct fixture {
    struct make make;
    struct arena arena;
    struct scan_options options;
    struct detail detail;
    struct scan_result result;
};

/* cmocka's set-up and tear-down. */
int fixture_setup(void **state);
int fixture_teardown(void **state);

/* Scans what was made. */
err_t scan(struct fixture *f);

/* Ends what make_frame began. */
void frames_close(struct fixture *f);

#endif
