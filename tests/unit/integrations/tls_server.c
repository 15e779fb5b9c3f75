#include "tests/unit/integrations/tls_server.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <gnutls/gnutls.h>
#include <gnutls/x509.h>

#include "proto/base/clock.h"
#include "proto/base/mem.h"

#include "proto/base/banned.h"

enum { HEAD_BYTES = 64 << 10, CHUNK_BYTES = 4096, DRIP_MS = 20, DRIP_BYTES = 5000, POLL_MS = 20 };

struct tls_server;

struct visit {
    struct tls_server *server;
    gnutls_session_t session;
    int fd;
    char head[HEAD_BYTES]; /* the request's head and what came with it */
    size_t len;
    char path[HEAD_BYTES];
};

struct tls_server {
    char directory[32];
    char ca[64];
    gnutls_certificate_credentials_t credentials;
    pthread_t thread;
    int listener;
    unsigned port;
    bool is_running;
    atomic_bool is_stopping;
    atomic_uint requests;
    struct visit visit; /* one at a time */
};

/* --- certificate -------------------------------------------------------------------------------------- */

static bool file_write(const char *path, const gnutls_datum_t *text)
{
    FILE *file = fopen(path, "we");
    bool is_written = file != NULL && fwrite(text->data, 1, text->size, file) == text->size;
    return file != NULL && fclose(file) == 0 && is_written;
}

static bool cert_fill(gnutls_x509_crt_t cert, gnutls_x509_privkey_t key, const char *name,
                      time_t ends_at)
{
    const unsigned char serial = 1;
    const struct in_addr loopback = {.s_addr = htonl(INADDR_LOOPBACK)};
    return gnutls_x509_privkey_generate(key, GNUTLS_PK_ECDSA,
                                        GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1), 0) == 0 &&
           gnutls_x509_crt_set_version(cert, 3) == 0 &&
           gnutls_x509_crt_set_serial(cert, &serial, 1) == 0 &&
           gnutls_x509_crt_set_activation_time(cert, ends_at - 7200) == 0 &&
           gnutls_x509_crt_set_expiration_time(cert, ends_at) == 0 &&
           gnutls_x509_crt_set_dn_by_oid(cert, GNUTLS_OID_X520_COMMON_NAME, 0, name,
                                         (unsigned)strlen(name)) == 0 &&
           gnutls_x509_crt_set_subject_alt_name(cert, GNUTLS_SAN_DNSNAME, name,
                                                (unsigned)strlen(name), GNUTLS_FSAN_SET) == 0 &&
           (strcmp(name, "localhost") != 0 ||
            gnutls_x509_crt_set_subject_alt_name(cert, GNUTLS_SAN_IPADDRESS, &loopback,
                                                 sizeof loopback, GNUTLS_FSAN_APPEND) == 0) &&
           gnutls_x509_crt_set_key(cert, key) == 0 &&
           gnutls_x509_crt_sign2(cert, cert, key, GNUTLS_DIG_SHA256, 0) == 0;
}

static bool cert_make(struct tls_server *server, const char *name, time_t ends_at)
{
    gnutls_x509_privkey_t key = NULL;
    gnutls_x509_crt_t cert = NULL;
    gnutls_datum_t text = {0};
    bool is_made = gnutls_x509_privkey_init(&key) == 0 && gnutls_x509_crt_init(&cert) == 0 &&
                   cert_fill(cert, key, name, ends_at) &&
                   gnutls_x509_crt_export2(cert, GNUTLS_X509_FMT_PEM, &text) == 0 &&
                   file_write(server->ca, &text) &&
                   gnutls_certificate_allocate_credentials(&server->credentials) == 0 &&
                   gnutls_certificate_set_x509_key(server->credentials, &cert, 1, key) >= 0;
    gnutls_free(text.data);
    gnutls_x509_crt_deinit(cert);
    gnutls_x509_privkey_deinit(key);
    return is_made;
}

/* --- answers ------------------------------------------------------------------------------------------ */

static bool say(struct visit *visit, const char *text, size_t len)
{
    while (len > 0) {
        ssize_t sent = gnutls_record_send(visit->session, text, len);
        if (sent == GNUTLS_E_AGAIN || sent == GNUTLS_E_INTERRUPTED) {
            continue;
        }
        if (sent <= 0) {
            return false;
        }
        text += sent;
        len -= (size_t)sent;
    }
    return true;
}

static void answer(struct visit *visit, unsigned status, const char *head, const char *body)
{
    char text[HEAD_BYTES + 512];
    int len =
        snprintf(text, sizeof text,
                 "HTTP/1.1 %u Whatever\r\nConnection: close\r\nContent-Length: %zu\r\n%s\r\n%s",
                 status, strlen(body), head, body);
    if (len > 0 && (size_t)len < sizeof text) {
        (void)say(visit, text, (size_t)len);
    }
}

static void redirect(struct visit *visit, const char *url)
{
    char head[HEAD_BYTES];
    (void)snprintf(head, sizeof head, "Location: %s\r\n", url);
    answer(visit, 302, head, "moved");
}

static void octets(struct visit *visit, size_t count, size_t declared)
{
    static const char some[CHUNK_BYTES] = "x";
    char head[128];
    int len = snprintf(head, sizeof head, "HTTP/1.1 200 OK\r\nConnection: close\r\n");
    (void)say(visit, head, (size_t)len);
    if (declared > 0) {
        len = snprintf(head, sizeof head, "Content-Length: %zu\r\n", declared);
        (void)say(visit, head, (size_t)len);
    }
    (void)say(visit, "\r\n", 2);
    while (count > 0) {
        size_t now = count < sizeof some ? count : sizeof some;
        if (!say(visit, some, now)) {
            return;
        }
        count -= now;
    }
}

static bool is_alive(struct visit *visit)
{
    struct pollfd ask = {.fd = visit->fd, .events = POLLRDHUP};
    return !visit->server->is_stopping && poll(&ask, 1, 0) == 0;
}

static void drip(struct visit *visit, bool is_silent)
{
    if (!is_silent) {
        octets(visit, 0, DRIP_BYTES);
    }
    while (is_alive(visit) && (is_silent || say(visit, "x", 1))) {
        clock_sleep_ms(DRIP_MS);
    }
}

static void answer_by_path(struct visit *visit, char *path, const char *body)
{
    char next[64];
    size_t number = strtoul(strrchr(path, '/') + 1, NULL, 10);
    if (strcmp(path, "/ok") == 0) {
        answer(visit, 200, "", "hello");
    } else if (strcmp(path, "/heads") == 0 || strcmp(path, "/hops/0") == 0) {
        answer(visit, 200, "", visit->head);
    } else if (strcmp(path, "/echo") == 0) {
        answer(visit, 200, "", body);
    } else if (strncmp(path, "/declared/", 10) == 0) {
        octets(visit, number, number);
    } else if (strncmp(path, "/closed/", 8) == 0) {
        octets(visit, number, 0);
    } else if (strcmp(path, "/lies") == 0) {
        octets(visit, 10, 100);
    } else if (strcmp(path, "/gzip") == 0) {
        answer(visit, 200, "Content-Encoding: gzip\r\n", "not gzip at all");
    } else if (strncmp(path, "/status/", 8) == 0) {
        answer(visit, (unsigned)number, "Retry-After: 7\r\n", "as you wish");
    } else if (strncmp(path, "/hops/", 6) == 0) {
        (void)snprintf(next, sizeof next, "/hops/%zu", number - 1);
        redirect(visit, next);
    } else if (strncmp(path, "/to/", 4) == 0) {
        redirect(visit, path + 4);
    } else if (strcmp(path, "/nowhere") == 0) {
        answer(visit, 302, "", "");
    } else if (strcmp(path, "/drip") == 0 || strcmp(path, "/silent") == 0) {
        drip(visit, path[1] == 's');
    } else {
        answer(visit, 404, "", "");
    }
}

/* --- requests ------------------------------------------------------------------------------------------- */

static bool hear(struct visit *visit)
{
    ssize_t got;
    do {
        got = gnutls_record_recv(visit->session, visit->head + visit->len,
                                 sizeof visit->head - 1 - visit->len);
    } while (got == GNUTLS_E_AGAIN || got == GNUTLS_E_INTERRUPTED);
    if (got <= 0) {
        return false;
    }
    visit->len += (size_t)got;
    visit->head[visit->len] = '\0';
    return true;
}

static void request(struct visit *visit)
{
    char *end = NULL;
    size_t body_len = 0;
    while (end == NULL) {
        if (!hear(visit)) {
            return;
        }
        end = strstr(visit->head, "\r\n\r\n");
    }
    const char *length = strcasestr(visit->head, "\r\nContent-Length:");
    if (length != NULL) {
        body_len = strtoul(length + 17, NULL, 10);
    }
    while (visit->len < (size_t)(end + 4 - visit->head) + body_len) {
        if (!hear(visit)) {
            return;
        }
    }
    atomic_fetch_add(&visit->server->requests, 1);
    const char *start = strchr(visit->head, ' ') + 1;
    size_t path_len = strcspn(start, " ");
    memcpy(visit->path, start, path_len);
    visit->path[path_len] = '\0';
    answer_by_path(visit, visit->path, end + 4);
}

static void serve(struct tls_server *server, int fd)
{
    struct visit *visit = &server->visit;
    *visit = (struct visit){.server = server, .fd = fd};
    if (gnutls_init(&visit->session, GNUTLS_SERVER) == 0) {
        if (gnutls_set_default_priority(visit->session) == 0 &&
            gnutls_credentials_set(visit->session, GNUTLS_CRD_CERTIFICATE, server->credentials) ==
                0) {
            gnutls_transport_set_int(visit->session, fd);
            gnutls_handshake_set_timeout(visit->session, 2000);
            if (gnutls_handshake(visit->session) == 0) {
                request(visit);
                (void)gnutls_bye(visit->session, GNUTLS_SHUT_WR);
            }
        }
        gnutls_deinit(visit->session);
    }
    (void)close(fd);
}

static void *run(void *context)
{
    struct tls_server *server = context;
    struct pollfd ask = {.fd = server->listener, .events = POLLIN};
    while (!server->is_stopping) {
        if (poll(&ask, 1, POLL_MS) == 1) {
            int fd = accept(server->listener, NULL, NULL);
            if (fd >= 0) {
                serve(server, fd);
            }
        }
    }
    return NULL;
}

/* --- lifecycle ------------------------------------------------------------------------------------------ */

static bool listen_on_loopback(struct tls_server *server)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof in;
    server->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (server->listener < 0 || bind(server->listener, (struct sockaddr *)&in, len) != 0 ||
        listen(server->listener, 16) != 0 ||
        getsockname(server->listener, (struct sockaddr *)&in, &len) != 0) {
        return false;
    }
    server->port = ntohs(in.sin_port);
    return true;
}

struct tls_server *tls_server_new(const char *name, time_t ends_at)
{
    struct tls_server *server = mem_zero(1, sizeof *server);
    if (server == NULL) {
        return NULL;
    }
    server->listener = -1;
    memcpy(server->directory, "/tmp/ct-fetch-XXXXXX", 21);
    if (mkdtemp(server->directory) == NULL) {
        mem_free(server);
        return NULL;
    }
    (void)snprintf(server->ca, sizeof server->ca, "%s/ca.pem", server->directory);
    if (!cert_make(server, name, ends_at) || !listen_on_loopback(server) ||
        pthread_create(&server->thread, NULL, run, server) != 0) {
        tls_server_free(server);
        return NULL;
    }
    server->is_running = true;
    return server;
}

void tls_server_free(struct tls_server *server)
{
    if (server == NULL) {
        return;
    }
    server->is_stopping = true;
    if (server->is_running) {
        (void)pthread_join(server->thread, NULL);
    }
    if (server->listener >= 0) {
        (void)close(server->listener);
    }
    gnutls_certificate_free_credentials(server->credentials);
    (void)unlink(server->ca);
    (void)rmdir(server->directory);
    mem_free(server);
}

unsigned tls_server_port(const struct tls_server *server)
{
    return server->port;
}

const char *tls_server_ca(const struct tls_server *server)
{
    return server->ca;
}

unsigned tls_server_requests(const struct tls_server *server)
{
    return server->requests;
}
