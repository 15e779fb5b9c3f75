#include "proto/http/listen.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "proto/base/banned.h"

enum {
    PORT_MAX = 65535,
    BACKLOG = 4096, /* the kernel takes less if somaxconn is less */
    /* Descriptors that are not connections: listeners, epoll, Postgres, the bus, the log. */
    FILES_OTHER = 512,
};

bool listen_next(const char **list, char ret_address[LISTEN_ADDRESS_BYTES])
{
    const char *at = *list + strspn(*list, ", ");
    size_t len = strcspn(at, ", ");
    if (len == 0) {
        return false;
    }
    size_t kept = len < LISTEN_ADDRESS_BYTES ? len : LISTEN_ADDRESS_BYTES - 1;
    memcpy(ret_address, at, kept);
    ret_address[kept] = '\0';
    *list = at + len;
    return true;
}

/* Cuts "host:port" and "[host]:port" in place. */
static bool address_cut(char *text, char **ret_host, char **ret_port)
{
    char *colon = strrchr(text, ':');
    if (colon == NULL || colon[1] == '\0' || strspn(colon + 1, "0123456789") != strlen(colon + 1) ||
        strlen(colon + 1) > 5 || strtoul(colon + 1, NULL, 10) > PORT_MAX) {
        return false;
    }
    *colon = '\0';
    *ret_port = colon + 1;
    *ret_host = text;
    size_t len = strlen(text);
    if (text[0] == '[') {
        if (text[len - 1] != ']') {
            return false;
        }
        text[len - 1] = '\0';
        *ret_host = text + 1;
        return true;
    }
    return strchr(text, ':') == NULL;
}

enum { NO_FD = -1 };

/* An open socket bound and listening, or NO_FD with errno. */
static int socket_open(const struct addrinfo *info)
{
    const int on = 1;
    const int off = 0;
    int fd = socket(info->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd == -1) {
        return NO_FD;
    }
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0 &&
        (info->ai_family != AF_INET6 ||
         setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off) == 0) &&
        bind(fd, info->ai_addr, info->ai_addrlen) == 0 && listen(fd, BACKLOG) == 0) {
        return fd;
    }
    int reason = errno;
    (void)close(fd); /* nothing was written */
    errno = reason;
    return NO_FD;
}

static err_t host_open(const char *host, const char *port, const char *address,
                       struct detail *detail, int *ret_fd)
{
    struct addrinfo hints = {
        .ai_flags =
            AI_PASSIVE | AI_NUMERICSERV | (strcmp(host, "localhost") == 0 ? 0 : AI_NUMERICHOST),
        .ai_socktype = SOCK_STREAM,
    };
    struct addrinfo *infos = NULL;
    int failed = getaddrinfo(*host == '\0' ? NULL : host, port, &hints, &infos);
    if (failed != 0) {
        detail_set(detail, "'%s' is not an address to listen on: %s", address,
                   gai_strerror(failed));
        return FAIL(BAD_CONFIG);
    }
    int fd = -1;
    for (const struct addrinfo *info = infos; info != NULL && fd == -1; info = info->ai_next) {
        fd = socket_open(info);
    }
    int reason = errno;
    freeaddrinfo(infos);
    if (fd == -1) {
        char text[128];
        detail_set(detail, "cannot listen on %s: %s", address,
                   strerror_r(reason, text, sizeof text));
        errno = reason;
        return FAIL(SYSTEM);
    }
    *ret_fd = fd;
    return OK;
}

err_t listen_open(const char *address, struct detail *detail, int *ret_fd)
{
    char copy[LISTEN_ADDRESS_BYTES];
    size_t len = strlen(address);
    char *host = NULL;
    char *port = NULL;
    if (len >= sizeof copy) {
        detail_set(detail, "an address to listen on is longer than %d characters",
                   LISTEN_ADDRESS_BYTES - 1);
        return FAIL(BAD_CONFIG);
    }
    memcpy(copy, address, len + 1);
    if (!address_cut(copy, &host, &port)) {
        detail_set(detail, "'%s' is not of the form host:port, such as [::]:4318", address);
        return FAIL(BAD_CONFIG);
    }
    err_t err = host_open(host, port, address, detail, ret_fd);
    if (err_is(err, ERR_SYSTEM) && (errno == EAFNOSUPPORT || errno == EADDRNOTAVAIL) &&
        strcmp(host, "::") == 0) {
        err = host_open("0.0.0.0", port, address, detail, ret_fd);
    }
    return err;
}

unsigned listen_port(int fd)
{
    struct sockaddr_storage address = {0};
    socklen_t len = sizeof address;
    if (getsockname(fd, (struct sockaddr *)&address, &len) != 0) {
        return 0;
    }
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
    if (address.ss_family == AF_INET) {
        memcpy(&v4, &address, sizeof v4);
        return ntohs(v4.sin_port);
    }
    memcpy(&v6, &address, sizeof v6);
    return ntohs(v6.sin6_port);
}

bool listen_end(int fd)
{
    int silent = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (silent == -1) {
        return false;
    }
    bool is_ended = dup3(silent, fd, O_CLOEXEC) != -1;
    (void)close(silent); /* fd is the other name of it, or nothing was done */
    return is_ended;
}

unsigned listen_files_raise(unsigned wanted)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) {
        return wanted;
    }
    rlim_t need = (rlim_t)wanted + FILES_OTHER;
    if (limit.rlim_cur < need) {
        struct rlimit more = {.rlim_cur = need, .rlim_max = limit.rlim_max};
        if (more.rlim_cur > more.rlim_max) {
            more.rlim_max = need; /* allowed to a privileged process only */
        }
        if (setrlimit(RLIMIT_NOFILE, &more) != 0) {
            more = (struct rlimit){.rlim_cur = limit.rlim_max, .rlim_max = limit.rlim_max};
            (void)setrlimit(RLIMIT_NOFILE, &more); /* what was reached is read again below */
        }
    }
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= need) {
        return wanted;
    }
    return limit.rlim_cur > (rlim_t)FILES_OTHER * 2 ? (unsigned)(limit.rlim_cur - FILES_OTHER)
                                                    : FILES_OTHER / 2;
}
