/* conf: the api's rows (conf.def) as a struct. Filled once by api_conf_load before threads, then frozen. */
#ifndef CALLTRACE_API_CONF_H
#define CALLTRACE_API_CONF_H

#include "proto/base/conf.h"

struct api_conf {
#define TEXT(name, initial, doc)                   char name[CONF_TEXT_BYTES];
#define SECRET(name, initial, doc)                 char name[CONF_TEXT_BYTES];
#define NUMBER(name, initial, min, max, unit, doc) uint64_t name;
#define FLAG(name, initial, doc)                   bool name;
#include "api/conf.def"
#undef TEXT
#undef SECRET
#undef NUMBER
#undef FLAG
};

/* The row log_requests: whose end is logged. */
enum request_log { REQUEST_LOG_NONE = 0, REQUEST_LOG_FAILED, REQUEST_LOG_ALL };

/* Reads "none", "failed" (5xx, and answers that nobody took) or "all". */
bool request_log_from_text(const char *text, enum request_log *ret_log);

/* Reads and checks all rows; `argv` as conf_load. Errors: BAD_CONFIG, detail names the row. */
FALLIBLE api_conf_load(struct api_conf *conf, int argc, const char *const *argv,
                       struct detail *detail);

/* What `serve` needs beyond single rows: a certificate where HTTPS listens, some listener at all. */
FALLIBLE api_conf_check(const struct api_conf *conf, struct detail *detail);

void api_conf_describe(FILE *out);

#endif
