#include "proto/base/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "proto/base/clock.h"

#include "proto/base/banned.h"

enum { LINE_BYTES_MAX = 2048 };

static const char *const level_names[] = {"debug", "info", "warn", "error"};
static _Atomic int level_min = LOG_LEVEL_INFO;

void log_set_level(enum log_level level)
{
    atomic_store(&level_min, (int)level);
}

bool log_level_from_text(const char *text, enum log_level *ret_level)
{
    for (size_t i = 0; i < sizeof level_names / sizeof level_names[0]; i++) {
        if (strcmp(text, level_names[i]) == 0) {
            *ret_level = (enum log_level)i;
            return true;
        }
    }
    return false;
}

static size_t cap(int len, size_t room)
{
    return len < 0 ? 0 : (size_t)len < room ? (size_t)len : room - 1;
}

void log_event(enum log_level level, const char *event, const char *format, ...)
{
    if ((int)level < atomic_load_explicit(&level_min, memory_order_relaxed)) {
        return;
    }
    char line[LINE_BYTES_MAX];
    char time[RFC3339_BYTES];
    unix_to_rfc3339(clock_unix(), 3, time);
    size_t room = sizeof line - 1; /* one for the line end */
    size_t len =
        cap(snprintf(line, room, "%s level=%s event=%s ", time, level_names[level], event), room);
    va_list args;
    va_start(args, format);
    len += cap(vsnprintf(line + len, room - len, format, args), room - len);
    va_end(args);
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)line[i];
        if (c < 0x20 || c == 0x7F) {
            line[i] = '?';
        }
    }
    while (len > 0 && line[len - 1] == ' ') {
        len--;
    }
    line[len++] = '\n';
    ssize_t written = write(STDERR_FILENO, line, len);
    (void)written; /* a full log disk must not stop the service */
}

bool log_limit_pass(struct log_limit *limit, uint64_t *ret_left_out)
{
    int64_t now = clock_mono().ns;
    int64_t next = atomic_load(&limit->next_ns);
    if (now < next || !atomic_compare_exchange_strong(&limit->next_ns, &next, now + NS_PER_S)) {
        atomic_fetch_add(&limit->left_out, 1);
        return false;
    }
    *ret_left_out = atomic_exchange(&limit->left_out, 0);
    return true;
}
