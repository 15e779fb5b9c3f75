#include "tests/unit/http/wire.h"

#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "proto/base/clock.h"

#include "proto/base/banned.h"

int wire_open(unsigned port)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET,
        .sin_port = htons((unsigned short)port),
        .sin_addr = {.s_addr = htonl(INADDR_LOOPBACK)},
    };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd != -1 && connect(fd, (struct sockaddr *)&address, sizeof address) != 0) {
        (void)close(fd);
        fd = -1;
    }
    return fd;
}

void wire_close(int fd)
{
    if (fd != -1) {
        (void)close(fd);
    }
}

bool wire_send(int fd, const char *text, size_t len)
{
    while (len > 0) {
        ssize_t sent = send(fd, text, len, MSG_NOSIGNAL);
        if (sent <= 0) {
            return false;
        }
        text += sent;
        len -= (size_t)sent;
    }
    return true;
}

bool wire_send_text(int fd, const char *text)
{
    return wire_send(fd, text, strlen(text));
}

static ssize_t read_some(int fd, char *out, size_t room, int64_t until_ns)
{
    int64_t left = (until_ns - clock_mono().ns) / NS_PER_MS;
    struct pollfd poll_fd = {.fd = fd, .events = POLLIN};
    if (left <= 0 || poll(&poll_fd, 1, (int)left) != 1) {
        return -2;
    }
    return recv(fd, out, room, 0);
}

static size_t length_of(const char *head)
{
    const char *at = strcasestr(head, "content-length:");
    return at == NULL ? 0 : (size_t)strtoull(at + strlen("content-length:"), NULL, 10);
}

bool wire_read(int fd, bool is_head, int within_ms, struct wire_answer *ret_answer)
{
    int64_t until = mono_after_ms(clock_mono(), within_ms).ns;
    size_t len = 0;
    ret_answer->status = 0;
    ret_answer->body_len = 0;
    ret_answer->text[0] = '\0';
    for (;;) {
        const char *end = strstr(ret_answer->text, "\r\n\r\n");
        if (end != NULL && strncmp(ret_answer->text, "HTTP/1.1 100", 12) == 0) {
            size_t cut = (size_t)(end + 4 - ret_answer->text);
            memmove(ret_answer->text, ret_answer->text + cut, len - cut + 1);
            len -= cut;
            continue;
        }
        if (end != NULL) {
            ret_answer->body_len = is_head ? 0 : length_of(ret_answer->text);
            if (len >= (size_t)(end + 4 - ret_answer->text) + ret_answer->body_len) {
                ret_answer->status = (int)strtol(ret_answer->text + 9, NULL, 10);
                return true;
            }
        }
        ssize_t got =
            read_some(fd, ret_answer->text + len, sizeof ret_answer->text - 1 - len, until);
        if (got <= 0) {
            return false;
        }
        len += (size_t)got;
        ret_answer->text[len] = '\0';
    }
}

bool wire_ends(int fd, int within_ms)
{
    int64_t until = mono_after_ms(clock_mono(), within_ms).ns;
    char text[4096];
    ssize_t got = 0;
    do {
        got = read_some(fd, text, sizeof text, until);
    } while (got > 0);
    return got != -2;
}

const char *wire_body(const struct wire_answer *answer)
{
    const char *end = strstr(answer->text, "\r\n\r\n");
    return end == NULL ? NULL : end + 4;
}

bool wire_has(const struct wire_answer *answer, const char *text)
{
    return strcasestr(answer->text, text) != NULL;
}

int wire_status(unsigned port, const char *request)
{
    static struct wire_answer answer;
    int fd = wire_open(port);
    bool is_head = strncmp(request, "HEAD ", 5) == 0;
    int status = 0;
    if (fd != -1 && wire_send_text(fd, request) && wire_read(fd, is_head, 5000, &answer)) {
        status = answer.status;
    }
    wire_close(fd);
    return status;
}
