/* vapi_fixture: a report and a call log of VAPI as texts, and the readers over them. Asserts that they can be read. */
#ifndef CALLTRACE_TESTS_VAPI_FIXTURE_H
#define CALLTRACE_TESTS_VAPI_FIXTURE_H

#include "api/integrations/vapi/log.h"
#include "api/integrations/vapi/report.h"

enum { FIXTURE_ARENA_BYTES = 64 << 20 };

/* A greeting, a turn with a tool, a plain turn; two turnLatencies. */
extern const char *const fixture_report;
/* The same call's log. */
extern const char *const fixture_log;

/* To be freed by json_decref. */
json_t *fixture_json(const char *text);

/* Borrows from `json`. */
struct vapi_report fixture_read(const json_t *json, struct arena *arena);
struct vapi_log fixture_log_read(const char *lines, struct arena *arena);

#endif
