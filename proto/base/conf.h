/* conf: a daemon's configuration as a table of rows, each with its default, bounds and documentation.
 *
 * The daemon's conf.def holds rows
 *     TEXT(name, "default", "documentation")
 *     SECRET(name, "", "documentation")            a text never printed
 *     NUMBER(name, default, min, max, "unit", "documentation")
 *     FLAG(name, true, "documentation")            on or off
 * which the daemon expands into a struct of `char name[CONF_TEXT_BYTES]`, `uint64_t
 * name`, `bool name`, and a row array (see api/conf.h). Precedence: --name=value, env CALLTRACE_NAME,
 * the file given by --config (ini without sections, read by inih), default.
 *
 * Thread: filled once before threads, then frozen. */
#ifndef CALLTRACE_CONF_H
#define CALLTRACE_CONF_H

#include <stdio.h>

#include "proto/base/err.h"

#include <stdint.h>

enum { CONF_TEXT_BYTES = 1024 };

enum conf_kind {
    CONF_KIND_TEXT = 0,
    CONF_KIND_SECRET,
    CONF_KIND_NUMBER,
    CONF_KIND_FLAG,
};

struct conf_row {
    const char *name;
    enum conf_kind kind;
    size_t offset;       /* of the field in the daemon's struct */
    const char *initial; /* default as text */
    uint64_t min;
    uint64_t max;
    const char *unit;
    const char *doc;
};

/* Fills `target` from all four sources. `argv` holds only --name=value and --config FILE or
 * --config=FILE; anything else is refused. On failure `detail` names the row and the source.
 * Errors: BAD_CONFIG. */
FALLIBLE conf_load(const struct conf_row *rows, size_t count, void *target, int argc,
                   const char *const *argv, struct detail *detail);

/* Prints each row with default, bounds and documentation, as an ini file. */
void conf_describe(const struct conf_row *rows, size_t count, FILE *out);

#endif
