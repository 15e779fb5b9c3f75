/* listen: listening sockets of the form "host:port" with a numeric host or "localhost"; "[::]" takes IPv4
 * too, and on a machine without IPv6 stands for 0.0.0.0. Thread: any. The descriptor is given. */
#ifndef CALLTRACE_HTTP_LISTEN_H
#define CALLTRACE_HTTP_LISTEN_H

#include "proto/base/err.h"

enum { LISTEN_ADDRESS_BYTES = 256 };

/* Copies the next address of the comma list and moves `*list` behind it; false at the end. */
bool listen_next(const char **list, char ret_address[LISTEN_ADDRESS_BYTES]);

/* Errors: BAD_CONFIG (not an address), SYSTEM (taken, forbidden); detail names the address and the reason. */
FALLIBLE listen_open(const char *address, struct detail *detail, int *ret_fd);

/* The port that the socket is bound to. */
unsigned listen_port(int fd);

/* Nobody can connect from now on, and who was not accepted yet is refused. The number stays open and is never
 * readable, so a thread that still polls it sees nothing. False: out of descriptors, it listens on. */
bool listen_end(int fd);

/* Raises RLIMIT_NOFILE as far as allowed; returns how many of `wanted` connections fit. */
unsigned listen_files_raise(unsigned wanted);

#endif
