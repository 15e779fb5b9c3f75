/* log: one line per event on stderr: time, level, event id, then key=value pairs.
 *
 *     log_info("listener_started", "address=%s tls=%s", address, "yes");
 *     2026-01-02T03:04:05.678Z level=info event=listener_started address=[::]:4318 tls=yes
 *
 * Control characters and line ends in values become '?', so that nobody forges a line. Payloads, key
 * values and secrets are never logged. Pure and wire code does not log. A failure that may repeat
 * without end goes through a struct log_limit: one line a second, with the number left out.
 *
 * Thread: any; a line is one write(2). */
#ifndef CALLTRACE_LOG_H
#define CALLTRACE_LOG_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum log_level {
    LOG_LEVEL_DEBUG = 0,
    LOG_LEVEL_INFO,
    LOG_LEVEL_WARN,
    LOG_LEVEL_ERROR,
};

/* Lines below `level` are dropped. At start, before threads. */
void log_set_level(enum log_level level);

/* Reads "debug", "info", "warn" or "error". */
bool log_level_from_text(const char *text, enum log_level *ret_level);

__attribute__((format(printf, 3, 4))) void log_event(enum log_level level, const char *event,
                                                     const char *format, ...);

#define log_debug(...) log_event(LOG_LEVEL_DEBUG, __VA_ARGS__)
#define log_info(...)  log_event(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_warn(...)  log_event(LOG_LEVEL_WARN, __VA_ARGS__)
#define log_error(...) log_event(LOG_LEVEL_ERROR, __VA_ARGS__)

/* A place in the code that may fail over and over. Static storage, zero-initialised. */
struct log_limit {
    /* private */
    _Atomic int64_t next_ns;
    _Atomic uint64_t left_out;
};

/* True when a line may be written now; *ret_left_out tells how many were not since the last. */
bool log_limit_pass(struct log_limit *limit, uint64_t *ret_left_out);

#endif
