/* wire: a bare TCP client for tests that need to send what no library would. */
#ifndef CALLTRACE_TESTS_WIRE_H
#define CALLTRACE_TESTS_WIRE_H

#include <stdbool.h>
#include <stddef.h>

enum { WIRE_BYTES_MAX = 256 << 10 };

struct wire_answer {
    int status; /* 0: the connection ended without one */
    size_t body_len;
    char text[WIRE_BYTES_MAX]; /* head and body, NUL-terminated */
};

/* A connection to 127.0.0.1, or -1. */
int wire_open(unsigned port);
void wire_close(int fd);

/* False when the peer does not take it. */
bool wire_send(int fd, const char *text, size_t len);
bool wire_send_text(int fd, const char *text);

/* Reads one answer by its content-length (a HEAD answer ends with its head), at most `within_ms`. */
bool wire_read(int fd, bool is_head, int within_ms, struct wire_answer *ret_answer);

/* True when the peer ended the connection within that time; what it still says is thrown away. */
bool wire_ends(int fd, int within_ms);

/* The answer's body; NULL when there was no answer. */
const char *wire_body(const struct wire_answer *answer);
bool wire_has(const struct wire_answer *answer, const char *text);

/* Sends one request text on a fresh connection and reads the answer's status; 0 for none. */
int wire_status(unsigned port, const char *request);

#endif
