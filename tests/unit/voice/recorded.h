/* recorded: what the real frameworks sent (recorded/, see record.py there), as spans for turns_make. */
#ifndef CALLTRACE_TESTS_RECORDED_H
#define CALLTRACE_TESTS_RECORDED_H

#include "proto/voice/spans.h"

/* Reads tests/unit/voice/recorded/NAME.json; fails the test when it cannot. Everything lives in the arena. */
void recorded_read(const char *name, struct arena *arena, struct turns_span **ret_spans,
                   size_t *ret_count);

#endif
