#include "tests/unit/expect.h"

#include <stdlib.h>

#include "proto/base/limits.h"
#include "tests/unit/otlp/scan_fixture.h"

int fixture_setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    make_init(&f->make);
    arena_init(&f->arena, LIMIT_SCAN_BYTES);
    memset(f->options.project.b, 7, sizeof f->options.project.b);
    *state = f;
    return 0;
}

int fixture_teardown(void **state)
{
    struct fixture *f = *state;
    make_fini(&f->make);
    arena_fini(&f->arena);
    free(f);
    return 0;
}

err_t scan(struct fixture *f)
{
    return scan_export(&f->options, make_bytes(&f->make), &f->arena, &f->detail, &f->result);
}

void frames_close(struct fixture *f)
{
    make_close(&f->make);
    make_close(&f->make);
}
