/* pull_options: the words behind `vapi pull`. Pure.
 *
 * Texts are borrowed from the words. */
#ifndef CALLTRACE_API_ADMIN_PULL_OPTIONS_H
#define CALLTRACE_API_ADMIN_PULL_OPTIONS_H

#include <stdbool.h>

#include "proto/base/clock.h"
#include "proto/base/err.h"

struct pull_options {
    const char *url;      /* calltrace */
    const char *vapi_url; /* VAPI */
    const char *key_file; /* NULL each: from standard input */
    const char *vapi_key_file;
    const char *ca_file; /* NULL each: the system's authorities */
    const char *vapi_ca_file;
    const char *proxy; /* on the way to VAPI; NULL: none */
    struct unix_ns since;
    struct unix_ns until;
    bool is_without_logs;
    bool is_loopback_allowed;
};

/* --since and --until are times or so long ago ("90m", "36h", "7d"). Errors: BAD_VALUE; detail names the option. */
FALLIBLE pull_options_read(int argc, const char *const *words, struct unix_ns now,
                           struct detail *detail, struct pull_options *ret_options);

#endif
