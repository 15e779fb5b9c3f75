/* fetch against a real TLS server: bounds of size and time, redirects, addresses, certificates, the key. */
#include "tests/unit/expect.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/integrations/fetch.h"
#include "proto/base/clock.h"
#include "tests/unit/integrations/tls_server.h"

#include "proto/base/banned.h"

enum { HOUR_S = 3600, BYTES_MAX = 10000, TOTAL_MS = 3000, SHORT_MS = 300, ARENA_BYTES = 1 << 20 };

static const char *const localhost[] = {"localhost"};
static const char *const both[] = {"LocalHost", "127.0.0.1"};

struct fixture {
    struct tls_server *server;
    struct tls_server *other;
    struct fetch_options options;
    struct arena arena;
    struct detail detail;
    struct bytes body;
    struct fetch_answer answer;
    char url[FETCH_URL_BYTES_MAX + 64];
};

static int set_up(void **state)
{
    static struct fixture fixture;
    time_t now = (time_t)(clock_unix().ns / NS_PER_S);
    fixture = (struct fixture){0};
    fixture.server = tls_server_new("localhost", now + HOUR_S);
    fixture.other = tls_server_new("localhost", now + HOUR_S);
    if (fixture.server == NULL || fixture.other == NULL) {
        return 1;
    }
    fixture.options = (struct fetch_options){
        .ca_file = tls_server_ca(fixture.server),
        .hosts_allowed = localhost,
        .hosts_count = 1,
        .bytes_max = BYTES_MAX,
        .connect_ms = TOTAL_MS,
        .total_ms = TOTAL_MS,
    };
    arena_init(&fixture.arena, ARENA_BYTES);
    *state = &fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    tls_server_free(fixture->server);
    tls_server_free(fixture->other);
    arena_fini(&fixture->arena);
    return 0;
}

static const char *url_at(struct fixture *fixture, const char *host, const char *path)
{
    (void)snprintf(fixture->url, sizeof fixture->url, "https://%s:%u%s", host,
                   tls_server_port(fixture->server), path);
    return fixture->url;
}

static err_t get(struct fixture *fixture, const char *url)
{
    arena_reset(&fixture->arena);
    fixture->detail = (struct detail){0};
    return fetch_get(&fixture->options, url, &fixture->arena, &fixture->detail, &fixture->body);
}

static err_t get_path(struct fixture *fixture, const char *path)
{
    return get(fixture, url_at(fixture, "localhost", path));
}

static bool body_has(const struct fixture *fixture, const char *text)
{
    return memmem(fixture->body.ptr, fixture->body.len, text, strlen(text)) != NULL;
}

static void expect_detail(const struct fixture *fixture, const char *text)
{
    if (strstr(fixture->detail.text, text) == NULL) {
        fail_msg("'%s' does not say '%s'", fixture->detail.text, text);
    }
}

/* --- what works --------------------------------------------------------------------------------------- */

static void a_body_comes_as_it_is(void **state)
{
    struct fixture *fixture = *state;
    EXPECT_OK(get_path(fixture, "/ok"));
    assert_true(bytes_equal_text(fixture->body, "hello"));
    EXPECT_OK(get_path(fixture, "/gzip"));
    assert_true(bytes_equal_text(fixture->body, "not gzip at all"));
    EXPECT_OK(get_path(fixture, "/heads"));
    assert_true(body_has(fixture, "User-Agent: calltrace/"));
    assert_false(body_has(fixture, "Authorization"));
    assert_false(body_has(fixture, "Accept-Encoding"));
}

static void a_post_carries_its_body_and_key(void **state)
{
    struct fixture *fixture = *state;
    fixture->options.bearer = "secret-key";
    EXPECT_OK(fetch_post_json(&fixture->options, url_at(fixture, "localhost", "/echo"),
                              bytes_of_text("{\"a\":1}"), &fixture->arena, &fixture->detail,
                              &fixture->answer));
    assert_int_equal(fixture->answer.status, 200);
    assert_true(bytes_equal_text(fixture->answer.body, "{\"a\":1}"));
    EXPECT_OK(fetch_post_json(&fixture->options, url_at(fixture, "localhost", "/heads"),
                              bytes_of_text("{}"), &fixture->arena, &fixture->detail,
                              &fixture->answer));
    fixture->body = fixture->answer.body;
    assert_true(body_has(fixture, "POST /heads HTTP/1.1\r\n"));
    assert_true(body_has(fixture, "Content-Type: application/json\r\n"));
    assert_true(body_has(fixture, "Authorization: Bearer secret-key\r\n"));
}

static void a_post_follows_no_redirect(void **state)
{
    struct fixture *fixture = *state;
    EXPECT_OK(fetch_post_json(&fixture->options, url_at(fixture, "localhost", "/hops/1"),
                              bytes_of_text("{}"), &fixture->arena, &fixture->detail,
                              &fixture->answer));
    assert_int_equal(fixture->answer.status, 302);
    assert_int_equal(tls_server_requests(fixture->server), 1);
}

static void statuses_say_whether_to_ask_again(void **state)
{
    struct fixture *fixture = *state;
    EXPECT_ERR(get_path(fixture, "/status/404"), NOT_FOUND);
    expect_detail(fixture, "localhost: answered with status 404");
    EXPECT_ERR(get_path(fixture, "/status/403"), NOT_FOUND);
    EXPECT_ERR(get_path(fixture, "/status/408"), PEER_GONE);
    EXPECT_ERR(get_path(fixture, "/status/429"), PEER_GONE);
    EXPECT_ERR(get_path(fixture, "/status/503"), PEER_GONE);
    EXPECT_ERR(get_path(fixture, "/nowhere"), PEER_GONE);
    EXPECT_OK(fetch_get_answer(&fixture->options, url_at(fixture, "localhost", "/status/429"),
                               &fixture->arena, &fixture->detail, &fixture->answer));
    assert_int_equal(fixture->answer.status, 429);
    assert_int_equal(fixture->answer.retry_after_s, 7);
}

/* --- size and time ------------------------------------------------------------------------------------ */

static void sizes_are_bounded(void **state)
{
    struct fixture *fixture = *state;
    EXPECT_OK(get_path(fixture, "/declared/10000"));
    assert_int_equal(fixture->body.len, BYTES_MAX);
    EXPECT_OK(get_path(fixture, "/closed/10000"));
    assert_int_equal(fixture->body.len, BYTES_MAX);
    EXPECT_ERR(get_path(fixture, "/declared/10001"), TOO_LARGE);
    expect_detail(fixture, "larger than 10000 bytes");
    EXPECT_ERR(get_path(fixture, "/closed/10001"), TOO_LARGE);
    EXPECT_ERR(get_path(fixture, "/closed/100000000"), TOO_LARGE);
}

static void half_an_answer_is_none(void **state)
{
    struct fixture *fixture = *state;
    EXPECT_ERR(get_path(fixture, "/lies"), PEER_GONE);
}

static void times_are_bounded(void **state)
{
    static const char *const paths[] = {"/drip", "/silent"};
    struct fixture *fixture = *state;
    fixture->options.total_ms = SHORT_MS;
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        struct mono_ns start = clock_mono();
        EXPECT_ERR(get_path(fixture, paths[i]), TIMEOUT);
        assert_in_range(mono_ms_between(start, clock_mono()), SHORT_MS - 50, SHORT_MS + 1500);
        expect_detail(fixture, "localhost: no whole answer in time");
    }
}

static void a_small_arena_is_a_refusal(void **state)
{
    struct fixture *fixture = *state;
    struct arena small;
    arena_init(&small, 100);
    EXPECT_ERR(fetch_get(&fixture->options, url_at(fixture, "localhost", "/declared/1000"), &small,
                         &fixture->detail, &fixture->body),
               NO_SPACE);
    arena_fini(&small);
}

/* --- redirects ------------------------------------------------------------------------------------------ */

static err_t get_redirected(struct fixture *fixture, const char *host, unsigned port,
                            const char *rest)
{
    char path[256];
    (void)snprintf(path, sizeof path, "/to/%s:%u%s", host, port, rest);
    return get_path(fixture, path);
}

static void three_redirects_are_followed(void **state)
{
    struct fixture *fixture = *state;
    EXPECT_OK(get_path(fixture, "/hops/3"));
    assert_int_equal(tls_server_requests(fixture->server), 4);
    EXPECT_ERR(get_path(fixture, "/hops/4"), BAD_VALUE);
    expect_detail(fixture, "more than 3 redirects");
    assert_int_equal(tls_server_requests(fixture->server), 8);
}

static void a_redirect_is_checked_like_the_first_address(void **state)
{
    struct fixture *fixture = *state;
    unsigned port = tls_server_port(fixture->server);
    EXPECT_ERR(get_redirected(fixture, "http://localhost", port, "/ok"), BAD_VALUE);
    expect_detail(fixture, "after a redirect: localhost: the address is not https");
    EXPECT_ERR(get_redirected(fixture, "https://127.0.0.1", port, "/ok"), BAD_VALUE);
    expect_detail(fixture, "not on the public internet");
    EXPECT_ERR(get_redirected(fixture, "https://[::1]", port, "/ok"), BAD_VALUE);
    EXPECT_ERR(get_redirected(fixture, "https://[::ffff:127.0.0.1]", port, "/ok"), BAD_VALUE);
    EXPECT_ERR(get_redirected(fixture, "https://169.254.169.254", 443, "/latest"), BAD_VALUE);
    EXPECT_ERR(get_redirected(fixture, "https://user:pass@localhost", port, "/ok"), BAD_VALUE);
    EXPECT_ERR(get_path(fixture, "/to/file:///etc/passwd"), BAD_VALUE);
    EXPECT_ERR(get_path(fixture, "/to/gopher://localhost/x"), BAD_VALUE);
    assert_int_equal(tls_server_requests(fixture->server), 8); /* the first addresses only */
}

static void the_key_stays_at_its_host_and_port(void **state)
{
    struct fixture *fixture = *state;
    fixture->options.bearer = "secret-key";
    fixture->options.hosts_allowed = both;
    fixture->options.hosts_count = 2;
    EXPECT_OK(get_path(fixture, "/heads"));
    assert_true(body_has(fixture, "Authorization: Bearer secret-key\r\n"));
    EXPECT_OK(get_path(fixture, "/hops/2"));
    assert_true(body_has(fixture, "Authorization: Bearer secret-key\r\n"));
    EXPECT_OK(
        get_redirected(fixture, "https://127.0.0.1", tls_server_port(fixture->server), "/heads"));
    assert_true(body_has(fixture, "Host: 127.0.0.1"));
    assert_false(body_has(fixture, "secret-key"));
    /* Another port of the same host is another server. Its certificate has to be trusted, too. */
    EXPECT_ERR(
        get_redirected(fixture, "https://localhost", tls_server_port(fixture->other), "/heads"),
        BAD_VALUE);
    expect_detail(fixture, "certificate");
}

static void a_key_that_left_does_not_come_back(void **state)
{
    struct fixture *fixture = *state;
    char rest[128];
    fixture->options.bearer = "secret-key";
    fixture->options.hosts_allowed = both;
    fixture->options.hosts_count = 2;
    (void)snprintf(rest, sizeof rest, "/to/https://localhost:%u/heads",
                   tls_server_port(fixture->server));
    EXPECT_OK(get_redirected(fixture, "https://127.0.0.1", tls_server_port(fixture->server), rest));
    assert_true(body_has(fixture, "Host: localhost"));
    assert_false(body_has(fixture, "secret-key"));
}

/* --- addresses ------------------------------------------------------------------------------------------ */

static void only_allowed_names_may_be_private(void **state)
{
    static const char *const hosts[] = {"127.0.0.1",
                                        "127.1",
                                        "2130706433",
                                        "0x7f.1",
                                        "0177.0.0.1",
                                        "0.0.0.0",
                                        "[::1]",
                                        "[::]",
                                        "[0:0:0:0:0:0:0:1]",
                                        "[::ffff:127.0.0.1]",
                                        "[::ffff:7f00:1]",
                                        "[fe80::1]",
                                        "[fd00::1]",
                                        "10.0.0.1"};
    struct fixture *fixture = *state;
    for (size_t i = 0; i < sizeof hosts / sizeof hosts[0]; i++) {
        err_t err = get(fixture, url_at(fixture, hosts[i], "/ok"));
        if (!err_is(err, ERR_BAD_VALUE)) {
            fail_msg("%s: %s %s", hosts[i], err_name(err), fixture->detail.text);
        }
        expect_detail(fixture, "not on the public internet");
    }
    fixture->options.hosts_count = 0; /* now the name resolves to what is refused */
    EXPECT_ERR(get_path(fixture, "/ok"), BAD_VALUE);
    expect_detail(fixture, "localhost: its address is not on the public internet");
    assert_int_equal(tls_server_requests(fixture->server), 0);
}

static void addresses_that_are_no_https_are_refused(void **state)
{
    static const char *const urls[] = {"",
                                       "no url",
                                       "http://example.org/",
                                       "ftp://example.org/",
                                       "file:///etc/passwd",
                                       "https://",
                                       "//localhost/",
                                       "localhost",
                                       "https://user@localhost/",
                                       "https://user:pass@localhost/",
                                       "https://local host/",
                                       "https://localhost:99999/"};
    struct fixture *fixture = *state;
    for (size_t i = 0; i < sizeof urls / sizeof urls[0]; i++) {
        char host[FETCH_HOST_BYTES_MAX];
        err_t err = get(fixture, urls[i]);
        if (!err_is(err, ERR_BAD_VALUE) || fixture->detail.text[0] == '\0') {
            fail_msg("'%s': %s", urls[i], err_name(err));
        }
        EXPECT_ERR(fetch_url_check(urls[i], &fixture->detail, host), BAD_VALUE);
    }
}

static void long_addresses_are_refused(void **state)
{
    struct fixture *fixture = *state;
    static char path[FETCH_URL_BYTES_MAX + 2];
    size_t around = strlen(url_at(fixture, "localhost", ""));
    memset(path, 'a', sizeof path - 1);
    path[0] = '/';
    path[FETCH_URL_BYTES_MAX - around] = '\0';
    EXPECT_ERR(get_path(fixture, path), NOT_FOUND); /* the server's word */
    path[FETCH_URL_BYTES_MAX - around] = 'a';
    path[FETCH_URL_BYTES_MAX - around + 1] = '\0';
    EXPECT_ERR(get_path(fixture, path), BAD_VALUE);
}

static void details_hold_no_query(void **state)
{
    struct fixture *fixture = *state;
    EXPECT_ERR(get_path(fixture, "/status/404?signature=geheim"), NOT_FOUND);
    assert_null(strstr(fixture->detail.text, "geheim"));
    EXPECT_ERR(get_path(fixture, "/to/http://localhost/?signature=geheim"), BAD_VALUE);
    assert_null(strstr(fixture->detail.text, "geheim"));
}

static void a_key_with_odd_characters_is_not_sent(void **state)
{
    static const char *const keys[] = {"a\r\nX-Other: b", "a b", "a\x7f", "\xc3\xa4"};
    struct fixture *fixture = *state;
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        fixture->options.bearer = keys[i];
        EXPECT_ERR(get_path(fixture, "/ok"), BAD_VALUE);
    }
    assert_int_equal(tls_server_requests(fixture->server), 0);
}

static void the_environment_changes_nothing(void **state)
{
    struct fixture *fixture = *state;
    assert_int_equal(setenv("https_proxy", "http://127.0.0.1:9", 1), 0);
    assert_int_equal(setenv("ALL_PROXY", "http://127.0.0.1:9", 1), 0);
    EXPECT_OK(get_path(fixture, "/ok"));
    assert_int_equal(unsetenv("https_proxy"), 0);
    assert_int_equal(unsetenv("ALL_PROXY"), 0);
}

static void a_proxy_is_used_when_asked_for(void **state)
{
    struct fixture *fixture = *state;
    fixture->options.proxy = "http://127.0.0.1:9"; /* nobody listens there */
    EXPECT_ERR(get_path(fixture, "/ok"), PEER_GONE);
    assert_int_equal(tls_server_requests(fixture->server), 0);
    EXPECT_ERR(get(fixture, "https://10.0.0.1/"), BAD_VALUE);
}

/* --- certificates --------------------------------------------------------------------------------------- */

static void certificates_are_verified(void **state)
{
    struct fixture *fixture = *state;
    fixture->options.ca_file = NULL; /* the system's authorities */
    EXPECT_ERR(get_path(fixture, "/ok"), BAD_VALUE);
    expect_detail(fixture, "localhost: its certificate is not trusted");
    fixture->options.ca_file = tls_server_ca(fixture->other);
    EXPECT_ERR(get_path(fixture, "/ok"), BAD_VALUE);
    fixture->options.ca_file = "/nonexistent/ca.pem";
    EXPECT_ERR(get_path(fixture, "/ok"), BAD_VALUE);
    assert_int_equal(tls_server_requests(fixture->server), 0);
}

static err_t get_from(struct fixture *fixture, struct tls_server *server)
{
    assert_non_null(server);
    fixture->options.ca_file = tls_server_ca(server);
    (void)snprintf(fixture->url, sizeof fixture->url, "https://localhost:%u/ok",
                   tls_server_port(server));
    err_t err = get(fixture, fixture->url);
    assert_int_equal(tls_server_requests(server), err_is_ok(err) ? 1 : 0);
    tls_server_free(server);
    return err;
}

static void certificates_for_others_and_old_ones_are_refused(void **state)
{
    struct fixture *fixture = *state;
    time_t now = (time_t)(clock_unix().ns / NS_PER_S);
    EXPECT_OK(get_from(fixture, tls_server_new("localhost", now + HOUR_S)));
    EXPECT_ERR(get_from(fixture, tls_server_new("localhost.example", now + HOUR_S)), BAD_VALUE);
    expect_detail(fixture, "its certificate is not trusted");
    EXPECT_ERR(get_from(fixture, tls_server_new("localhost", now - 60)), BAD_VALUE);
    expect_detail(fixture, "its certificate is not trusted");
}

static void nobody_there_may_change(void **state)
{
    struct fixture *fixture = *state;
    EXPECT_ERR(get(fixture, "https://localhost:9/ok"), PEER_GONE);
    expect_detail(fixture, "localhost: ");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_body_comes_as_it_is),
        TEST(a_post_carries_its_body_and_key),
        TEST(a_post_follows_no_redirect),
        TEST(statuses_say_whether_to_ask_again),
        TEST(sizes_are_bounded),
        TEST(half_an_answer_is_none),
        TEST(times_are_bounded),
        TEST(a_small_arena_is_a_refusal),
        TEST(three_redirects_are_followed),
        TEST(a_redirect_is_checked_like_the_first_address),
        TEST(the_key_stays_at_its_host_and_port),
        TEST(a_key_that_left_does_not_come_back),
        TEST(only_allowed_names_may_be_private),
        TEST(addresses_that_are_no_https_are_refused),
        TEST(long_addresses_are_refused),
        TEST(details_hold_no_query),
        TEST(a_key_with_odd_characters_is_not_sent),
        TEST(the_environment_changes_nothing),
        TEST(a_proxy_is_used_when_asked_for),
        TEST(certificates_are_verified),
        TEST(certificates_for_others_and_old_ones_are_refused),
        TEST(nobody_there_may_change),
    };
    (void)signal(SIGPIPE, SIG_IGN); /* the server's side of broken connections */
    return cmocka_run_group_tests_name("integrations_fetch", tests, NULL, NULL);
}
