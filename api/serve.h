/* serve: the daemon itself, from its rows to its exit code. */
#ifndef CALLTRACE_API_SERVE_H
#define CALLTRACE_API_SERVE_H

/* `argv` holds the rows only. Returns the process' exit code. */
int serve_run(int argc, const char *const *argv);

#endif
