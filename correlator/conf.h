/* conf: the correlator's configuration (conf.def). Thread: filled at start, then frozen. */
#ifndef CALLTRACE_CORRELATOR_CONF_H
#define CALLTRACE_CORRELATOR_CONF_H

#include "proto/base/conf.h"
#include "proto/base/log.h"

struct conf {
#define TEXT(name, initial, doc)                   char name[CONF_TEXT_BYTES];
#define SECRET(name, initial, doc)                 char name[CONF_TEXT_BYTES];
#define NUMBER(name, initial, min, max, unit, doc) uint64_t name;
#define FLAG(name, initial, doc)                   bool name;
#include "correlator/conf.def"
#undef TEXT
#undef SECRET
#undef NUMBER
#undef FLAG
};

/* Reads all sources and checks what the rows alone cannot say. Errors: BAD_CONFIG; detail names the row. */
FALLIBLE correlator_conf_load(int argc, const char *const *argv, struct detail *detail,
                              struct conf *ret_conf, enum log_level *ret_level);

/* Prints every row with its documentation. */
void correlator_conf_describe(FILE *out);

#endif
