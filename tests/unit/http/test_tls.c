/* TLS: versions, ALPN, a request that is parked and answered by another thread, peers that break off. The
 * certificate is made here and lives in a directory of its own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include <pthread.h>

#include <gnutls/gnutls.h>
#include <gnutls/x509.h>

#include "proto/http/http.h"
#include "tests/unit/expect.h"
#include "tests/unit/http/wire.h"

#include "proto/base/banned.h"

enum { IDLE_S = 2, BODY_MS = 500 };

struct fixture {
    char directory[32];
    char cert[64];
    char key[64];
    struct http_server *server;
    unsigned port;
};

/* --- a certificate ------------------------------------------------------------------------------------ */

static bool file_write(const char *path, const gnutls_datum_t *text)
{
    FILE *file = fopen(path, "we");
    bool is_written = file != NULL && fwrite(text->data, 1, text->size, file) == text->size;
    return file != NULL && fclose(file) == 0 && is_written;
}

static bool cert_make(const struct fixture *fixture)
{
    gnutls_x509_privkey_t key = NULL;
    gnutls_x509_crt_t cert = NULL;
    gnutls_datum_t key_text = {0};
    gnutls_datum_t cert_text = {0};
    const unsigned char serial = 1;
    bool is_made =
        gnutls_x509_privkey_init(&key) == 0 && gnutls_x509_crt_init(&cert) == 0 &&
        gnutls_x509_privkey_generate(key, GNUTLS_PK_ECDSA,
                                     GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1), 0) == 0 &&
        gnutls_x509_crt_set_version(cert, 3) == 0 &&
        gnutls_x509_crt_set_serial(cert, &serial, 1) == 0 &&
        gnutls_x509_crt_set_activation_time(cert, time(NULL) - 3600) == 0 &&
        gnutls_x509_crt_set_expiration_time(cert, time(NULL) + 3600) == 0 &&
        gnutls_x509_crt_set_dn_by_oid(cert, GNUTLS_OID_X520_COMMON_NAME, 0, "localhost", 9) == 0 &&
        gnutls_x509_crt_set_key(cert, key) == 0 &&
        gnutls_x509_crt_sign2(cert, cert, key, GNUTLS_DIG_SHA256, 0) == 0 &&
        gnutls_x509_crt_export2(cert, GNUTLS_X509_FMT_PEM, &cert_text) == 0 &&
        gnutls_x509_privkey_export2(key, GNUTLS_X509_FMT_PEM, &key_text) == 0 &&
        file_write(fixture->cert, &cert_text) && file_write(fixture->key, &key_text);
    gnutls_free(cert_text.data);
    gnutls_free(key_text.data);
    gnutls_x509_crt_deinit(cert);
    gnutls_x509_privkey_deinit(key);
    return is_made;
}

/* --- the server ----------------------------------------------------------------------------------------- */

static void *accept_later(void *context)
{
    clock_sleep_ms(10);
    http_accept(context, 1 << 20);
    return NULL;
}

static void *answer_later(void *context)
{
    struct http_request *request = context;
    struct bytes copy = {0};
    clock_sleep_ms(10);
    err_t err = arena_copy(http_arena(request), http_body(request), &copy);
    http_answer(request, &(struct http_answer){.status = err_is_ok(err) ? 200 : 500, .body = copy});
    return NULL;
}

static void send_away(struct http_request *request, void *(*run)(void *))
{
    pthread_t thread;
    pthread_attr_t attributes;
    (void)pthread_attr_init(&attributes);
    (void)pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    (void)pthread_create(&thread, &attributes, run, request);
    (void)pthread_attr_destroy(&attributes);
}

static void on_head(void *context, struct http_request *request)
{
    (void)context;
    http_park(request);
    send_away(request, accept_later);
}

static void on_request(void *context, struct http_request *request)
{
    (void)context;
    send_away(request, answer_later);
}

static int setup(void **state)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);
    struct detail detail = {0};
    (void)snprintf(fixture->directory, sizeof fixture->directory, "/tmp/ct-tls-XXXXXX");
    if (mkdtemp(fixture->directory) == NULL) {
        return -1;
    }
    (void)snprintf(fixture->cert, sizeof fixture->cert, "%s/cert.pem", fixture->directory);
    (void)snprintf(fixture->key, sizeof fixture->key, "%s/key.pem", fixture->directory);
    const struct http_options options = {
        .addresses = "127.0.0.1:0,[::1]:0",
        .tls_cert = fixture->cert,
        .tls_key = fixture->key,
        .handlers = {.on_head = on_head, .on_request = on_request},
        .threads = 2,
        .connections_max = 100,
        .idle_s = IDLE_S,
        .body_ms_max = BODY_MS,
        .arena_bytes_max = 4 << 20,
        .inflight_bytes_max = 4 << 20,
    };
    if (!cert_make(fixture) || !err_is_ok(http_server_start(&options, &detail, &fixture->server))) {
        print_error("%s\n", detail.text);
        return -1;
    }
    fixture->port = http_server_port(fixture->server);
    *state = fixture;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;
    http_server_stop(fixture->server);
    (void)unlink(fixture->cert);
    (void)unlink(fixture->key);
    (void)rmdir(fixture->directory);
    free(fixture);
    return 0;
}

/* --- the client ----------------------------------------------------------------------------------------- */

struct client {
    int fd;
    gnutls_session_t session;
    gnutls_certificate_credentials_t credentials;
};

/* Shakes hands under these priorities; the certificate is not checked, the tests of both daemons do that. */
static bool client_open(struct client *client, unsigned port, const char *priorities,
                        const char *protocol)
{
    *client = (struct client){.fd = wire_open(port)};
    gnutls_datum_t name = {(unsigned char *)(uintptr_t)protocol, (unsigned)strlen(protocol)};
    if (client->fd == -1 || gnutls_init(&client->session, GNUTLS_CLIENT) != 0 ||
        gnutls_certificate_allocate_credentials(&client->credentials) != 0 ||
        gnutls_priority_set_direct(client->session, priorities, NULL) != 0 ||
        gnutls_alpn_set_protocols(client->session, &name, 1, 0) != 0 ||
        gnutls_credentials_set(client->session, GNUTLS_CRD_CERTIFICATE, client->credentials) != 0) {
        return false;
    }
    gnutls_transport_set_int(client->session, client->fd);
    gnutls_handshake_set_timeout(client->session, 3000);
    gnutls_record_set_timeout(client->session, 3000);
    int result = GNUTLS_E_AGAIN;
    while (result < 0 && gnutls_error_is_fatal(result) == 0) {
        result = gnutls_handshake(client->session);
    }
    return result == 0;
}

static void client_close(struct client *client)
{
    gnutls_deinit(client->session);
    gnutls_certificate_free_credentials(client->credentials);
    wire_close(client->fd);
}

static bool client_send(struct client *client, const char *text, size_t len)
{
    while (len > 0) {
        ssize_t sent = gnutls_record_send(client->session, text, len);
        if (sent < 0 && gnutls_error_is_fatal((int)sent) != 0) {
            return false;
        }
        text += sent > 0 ? sent : 0;
        len -= sent > 0 ? (size_t)sent : 0;
    }
    return true;
}

/* Reads until `wanted` bytes of body have come; their number, 0 when the peer ended before. */
static size_t client_read(struct client *client, size_t wanted)
{
    static char text[1 << 17];
    size_t len = 0;
    for (;;) {
        ssize_t got = gnutls_record_recv(client->session, text + len, sizeof text - 1 - len);
        if (got == GNUTLS_E_AGAIN || got == GNUTLS_E_INTERRUPTED) {
            continue;
        }
        if (got <= 0) {
            return 0;
        }
        len += (size_t)got;
        text[len] = '\0';
        const char *end = strstr(text, "\r\n\r\n");
        if (end != NULL && len - (size_t)(end + 4 - text) >= wanted) {
            return len - (size_t)(end + 4 - text);
        }
    }
}

static void bodies_of_all_sizes_pass_both_versions(void **state)
{
    struct fixture *fixture = *state;
    static const char *const versions[] = {"NORMAL:-VERS-ALL:+VERS-TLS1.2",
                                           "NORMAL:-VERS-ALL:+VERS-TLS1.3"};
    static const size_t lengths[] = {0, 1, 5000, 16384, 16385, 100000};
    char *body = calloc(1, 100000);
    for (size_t v = 0; v < 2; v++) {
        struct client client;
        gnutls_datum_t chosen = {0};
        assert_true(client_open(&client, fixture->port, versions[v], "http/1.1"));
        assert_int_equal(gnutls_alpn_get_selected_protocol(client.session, &chosen), 0);
        assert_int_equal(chosen.size, 8);
        for (size_t i = 0; i < 2 * sizeof lengths / sizeof lengths[0]; i++) {
            size_t len = lengths[i / 2];
            char head[128];
            (void)snprintf(head, sizeof head,
                           "POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: %zu\r\n\r\n", len);
            assert_true(client_send(&client, head, strlen(head)));
            assert_true(client_send(&client, body, len));
            assert_int_equal(client_read(&client, len), len);
        }
        client_close(&client);
    }
    free(body);
}

/* A request that comes with the last message of the handshake is served like any other. */
static void requests_right_behind_the_handshake_are_served(void **state)
{
    struct fixture *fixture = *state;
    static const char *const versions[] = {"NORMAL:-VERS-ALL:+VERS-TLS1.2",
                                           "NORMAL:-VERS-ALL:+VERS-TLS1.3"};
    static const char head[] = "POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: 20000\r\n\r\n";
    char *body = calloc(1, 20000);
    for (size_t i = 0; i < 100; i++) {
        struct client client;
        assert_true(client_open(&client, fixture->port, versions[i % 2], "http/1.1"));
        assert_true(client_send(&client, head, sizeof head - 1));
        assert_true(client_send(&client, body, 20000));
        size_t got = client_read(&client, 20000);
        assert_int_equal(got, 20000);
        client_close(&client);
    }
    free(body);
}

static void old_versions_are_refused_and_http2_is_not_chosen(void **state)
{
    struct fixture *fixture = *state;
    struct client client;
    assert_false(client_open(&client, fixture->port,
                             "NORMAL:-VERS-ALL:+VERS-TLS1.1:+VERS-TLS1.0:%COMPAT", "http/1.1"));
    client_close(&client);
    if (client_open(&client, fixture->port, "NORMAL", "h2")) {
        gnutls_datum_t chosen = {0};
        assert_int_not_equal(gnutls_alpn_get_selected_protocol(client.session, &chosen), 0);
    }
    client_close(&client);
}

static void plain_text_and_broken_handshakes_are_ended(void **state)
{
    struct fixture *fixture = *state;
    int plain = wire_open(fixture->port);
    int silent = wire_open(fixture->port);
    int half = wire_open(fixture->port);
    assert_true(wire_send_text(plain, "GET / HTTP/1.1\r\nHost: x\r\n\r\n"));
    assert_true(wire_send(half, "\x16\x03\x01\x02\x00\x01", 6));
    assert_true(wire_ends(plain, 5000));
    assert_true(wire_ends(silent, IDLE_S * 1000 + 3000));
    assert_true(wire_ends(half, IDLE_S * 1000 + 3000));
    wire_close(plain);
    wire_close(silent);
    wire_close(half);
}

static void clients_may_vanish_behind_tls_too(void **state)
{
    struct fixture *fixture = *state;
    static const char *const texts[] = {
        "GET /x HT",
        "POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n",
        "POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nhalf",
        "POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nfull",
    };
    for (size_t i = 0; i < 4 * sizeof texts / sizeof texts[0]; i++) {
        struct client client;
        assert_true(client_open(&client, fixture->port, "NORMAL", "http/1.1"));
        assert_true(client_send(&client, texts[i / 4], strlen(texts[i / 4])));
        clock_sleep_ms((int64_t)(i % 4) * 7);
        client_close(&client);
    }
    for (int i = 0; i < 500 && http_server_connections(fixture->server) > 0; i++) {
        clock_sleep_ms(10);
    }
    assert_int_equal(http_server_connections(fixture->server), 0);
    assert_int_equal(http_server_inflight_bytes(fixture->server), 0);
}

static void stalled_bodies_behind_tls_are_cut_off(void **state)
{
    struct fixture *fixture = *state;
    struct client client;
    static const char head[] = "POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nhalf";
    assert_true(client_open(&client, fixture->port, "NORMAL", "http/1.1"));
    assert_true(client_send(&client, head, strlen(head)));
    assert_int_equal(client_read(&client, 1), 0);
    assert_int_equal(http_server_cuts(fixture->server).body, 1);
    client_close(&client);
}

/* --- another certificate ---------------------------------------------------------------------------------- */

/* The certificate that a connection got, by its first octets' sum: tells two of them apart. */
static uint64_t cert_of(const struct client *client)
{
    unsigned count = 0;
    const gnutls_datum_t *certs = gnutls_certificate_get_peers(client->session, &count);
    uint64_t sum = 0;
    for (unsigned i = 0; certs != NULL && i < certs[0].size; i++) {
        sum = sum * 31 + certs[0].data[i];
    }
    return sum;
}

static uint64_t cert_now(const struct fixture *fixture)
{
    struct client client;
    assert_true(client_open(&client, fixture->port, "NORMAL", "http/1.1"));
    uint64_t cert = cert_of(&client);
    client_close(&client);
    return cert;
}

static bool exchange(struct client *client)
{
    static const char request[] = "POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nhi";
    return client_send(client, request, strlen(request)) && client_read(client, 2) == 2;
}

static void a_new_certificate_is_for_new_connections(void **state)
{
    struct fixture *fixture = *state;
    struct detail detail = {0};
    struct client old;
    struct client asked;
    bool is_read = true;
    assert_true(client_open(&old, fixture->port, "NORMAL", "http/1.1"));
    uint64_t first = cert_of(&old);
    EXPECT_OK(http_server_renew(fixture->server, false, &detail, &is_read));
    assert_false(is_read); /* nothing has changed */
    assert_true(exchange(&old));
    assert_true(cert_make(fixture));
    assert_int_equal(cert_now(fixture), first); /* nobody has looked yet */
    EXPECT_OK(http_server_renew(fixture->server, false, &detail, &is_read));
    assert_true(is_read);
    uint64_t second = cert_now(fixture);
    assert_int_not_equal(second, first);
    assert_true(exchange(&old));
    EXPECT_OK(http_server_renew(fixture->server, true, &detail, &is_read));
    assert_true(is_read); /* asked for, though nothing has changed */
    assert_int_equal(cert_now(fixture), second);
    assert_true(client_open(&asked, fixture->port, "NORMAL:-VERS-ALL:+VERS-TLS1.2", "http/1.1"));
    assert_true(exchange(&asked));
    client_close(&asked);
    client_close(&old);
    assert_true(http_server_cert_ends_s(fixture->server) > time(NULL));
}

/* Writes `text` there and tries; the certificate in use stays. */
static void expect_kept(const struct fixture *fixture, const char *path, const char *text,
                        uint64_t cert)
{
    struct detail detail = {0};
    bool is_read = false;
    gnutls_datum_t octets = {(unsigned char *)(uintptr_t)text, (unsigned)strlen(text)};
    assert_true(file_write(path, &octets));
    EXPECT_ERR(http_server_renew(fixture->server, false, &detail, &is_read), BAD_CONFIG);
    assert_true(is_read);
    assert_non_null(strstr(detail.text, ".pem"));
    EXPECT_OK(http_server_renew(fixture->server, false, &detail, &is_read));
    assert_false(is_read); /* the same fault is told once */
    assert_int_equal(cert_now(fixture), cert);
}

static void a_broken_certificate_changes_nothing(void **state)
{
    struct fixture *fixture = *state;
    struct detail detail = {0};
    bool is_read = false;
    uint64_t cert = cert_now(fixture);
    expect_kept(fixture, fixture->cert, "", cert);
    expect_kept(fixture, fixture->cert,
                "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", cert);
    assert_int_equal(unlink(fixture->cert), 0);
    EXPECT_ERR(http_server_renew(fixture->server, true, &detail, &is_read), BAD_CONFIG);
    assert_int_equal(cert_now(fixture), cert);
    assert_true(cert_make(fixture));
    EXPECT_OK(http_server_renew(fixture->server, false, &detail, &is_read));
    uint64_t second = cert_now(fixture);
    assert_int_not_equal(second, cert);
    expect_kept(fixture, fixture->key, "no key", second);
}

/* As a tool that writes one file after the other leaves it for a moment. */
static void a_key_of_another_certificate_changes_nothing(void **state)
{
    struct fixture *fixture = *state;
    struct detail detail = {0};
    bool is_read = false;
    char kept[sizeof fixture->cert + 4];
    uint64_t cert = cert_now(fixture);
    (void)snprintf(kept, sizeof kept, "%s.old", fixture->cert);
    assert_int_equal(rename(fixture->cert, kept), 0);
    assert_true(cert_make(fixture)); /* a new certificate, and its key */
    assert_int_equal(rename(kept, fixture->cert), 0);
    EXPECT_ERR(http_server_renew(fixture->server, false, &detail, &is_read), BAD_CONFIG);
    assert_int_equal(cert_now(fixture), cert);
}

static void two_certificates_in_one_process_are_refused(void **state)
{
    struct fixture *fixture = *state;
    struct http_options options = {.addresses = "127.0.0.1:0",
                                   .tls_cert = fixture->cert,
                                   .tls_key = fixture->key,
                                   .handlers = {.on_head = on_head, .on_request = on_request},
                                   .threads = 1,
                                   .connections_max = 10,
                                   .idle_s = 1,
                                   .body_ms_max = 1000,
                                   .arena_bytes_max = 1 << 20,
                                   .inflight_bytes_max = 1 << 20};
    struct detail detail = {0};
    struct http_server *second = NULL;
    EXPECT_ERR(http_server_start(&options, &detail, &second), BAD_CONFIG);
    assert_non_null(strstr(detail.text, "another certificate"));
    (void)cert_now(fixture);
}

static void weak_ciphers_are_refused(void **state)
{
    struct fixture *fixture = *state;
    static const char *const weak[] = {
        "NORMAL:-VERS-ALL:+VERS-TLS1.2:-KX-ALL:+RSA",
        "NORMAL:-VERS-ALL:+VERS-TLS1.2:-CIPHER-ALL:+AES-128-CBC:+AES-256-CBC",
        "NORMAL:-VERS-ALL:+VERS-TLS1.2:-CIPHER-ALL:+AES-128-CCM:+3DES-CBC",
        "NORMAL:-VERS-ALL:+VERS-TLS1.2:-KX-ALL:+DHE-RSA:+ANON-ECDH:+ANON-DH",
        "NORMAL:-VERS-ALL:+VERS-TLS1.2:-SIGN-ALL:+SIGN-ECDSA-SHA1:+SIGN-RSA-SHA1"};
    for (size_t i = 0; i < sizeof weak / sizeof weak[0]; i++) {
        struct client client;
        assert_false(client_open(&client, fixture->port, weak[i], "http/1.1"));
        client_close(&client);
    }
    struct client client;
    assert_true(client_open(&client, fixture->port,
                            "NORMAL:-VERS-ALL:+VERS-TLS1.2:-CIPHER-ALL:+AES-128-GCM", "http/1.1"));
    client_close(&client);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(bodies_of_all_sizes_pass_both_versions),
        TEST(requests_right_behind_the_handshake_are_served),
        TEST(old_versions_are_refused_and_http2_is_not_chosen),
        TEST(plain_text_and_broken_handshakes_are_ended),
        TEST(clients_may_vanish_behind_tls_too),
        TEST(stalled_bodies_behind_tls_are_cut_off),
        TEST(a_new_certificate_is_for_new_connections),
        TEST(a_broken_certificate_changes_nothing),
        TEST(a_key_of_another_certificate_changes_nothing),
        TEST(two_certificates_in_one_process_are_refused),
        TEST(weak_ciphers_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
