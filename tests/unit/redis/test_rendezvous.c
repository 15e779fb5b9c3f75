#include "tests/unit/expect.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "proto/base/clock.h"
#include "schema/redis/rendezvous.h"

enum { ARENA_BYTES = 1 << 20, START_MS = 5000, TIMEOUT_MS = 250 };

/* --- addresses ---------------------------------------------------------------------------------------- */

static void test_addresses_are_read(void **state)
{
    (void)state;
    struct detail detail = {.text = ""};
    struct rendezvous_address address;
    EXPECT_OK(rendezvous_address_read("", &detail, &address));
    assert_true(address.is_none);
    EXPECT_OK(rendezvous_address_read("unix:/run/redis.sock", &detail, &address));
    assert_true(address.is_unix && !address.is_none);
    assert_string_equal(address.host, "/run/redis.sock");
    EXPECT_OK(rendezvous_address_read("localhost:6379", &detail, &address));
    assert_string_equal(address.host, "localhost");
    assert_int_equal(address.port, 6379);
    EXPECT_OK(rendezvous_address_read("[::1]:1", &detail, &address));
    assert_string_equal(address.host, "::1");
    EXPECT_OK(rendezvous_address_read("redis://r:65535", &detail, &address));
    assert_string_equal(address.host, "r");
    assert_int_equal(address.port, 65535);
}

static void test_bad_addresses_are_refused(void **state)
{
    (void)state;
    const char *bad[] = {"localhost", "host:", "host:0",  "host:65536",        "host:1x",
                         ":6379",     "unix:", "host:-1", "rediss://host:6379"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct detail detail = {.text = ""};
        struct rendezvous_address address;
        EXPECT_ERR(rendezvous_address_read(bad[i], &detail, &address), BAD_CONFIG);
        assert_non_null(strstr(detail.text, bad[i]));
    }
    struct detail detail = {.text = ""};
    struct rendezvous_address address;
    EXPECT_ERR(rendezvous_address_read("rediss://h:1", &detail, &address), BAD_CONFIG);
    assert_non_null(strstr(detail.text, "TLS"));
}

/* --- a real server ------------------------------------------------------------------------------------ */

struct fixture {
    char directory[64];
    char socket[96];
    pid_t server;
    struct rendezvous *rendezvous;
    struct arena arena;
};

static bool start_server(struct fixture *f)
{
    f->server = fork();
    if (f->server == 0) {
        (void)freopen("/dev/null", "w", stdout);
        const char *const names[] = {"redis-server", "valkey-server"};
        for (size_t i = 0; i < 2; i++) {
            (void)execlp(names[i], names[i], "--port", "0", "--unixsocket", f->socket, "--save", "",
                         "--appendonly", "no", "--dir", f->directory, (char *)NULL);
        }
        _exit(127);
    }
    for (int i = 0; i < START_MS / 5; i++) {
        if (waitpid(f->server, NULL, WNOHANG) == f->server) {
            f->server = 0;
            return false;
        }
        if (access(f->socket, F_OK) == 0) {
            return true;
        }
        clock_sleep_ms(5);
    }
    return false;
}

static void stop_server(struct fixture *f)
{
    if (f->server > 0) {
        (void)kill(f->server, SIGKILL);
        (void)waitpid(f->server, NULL, 0);
        f->server = 0;
    }
    (void)unlink(f->socket);
}

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    (void)snprintf(f->directory, sizeof f->directory, "/tmp/ctrd-XXXXXX");
    assert_non_null(mkdtemp(f->directory));
    (void)snprintf(f->socket, sizeof f->socket, "%s/r", f->directory);
    struct rendezvous_options options = {
        .address = {.is_unix = true}, .password = "", .timeout_ms = TIMEOUT_MS};
    (void)snprintf(options.address.host, sizeof options.address.host, "%s", f->socket);
    EXPECT_OK(rendezvous_new(&options, &f->rendezvous));
    arena_init(&f->arena, ARENA_BYTES);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    rendezvous_free(f->rendezvous);
    arena_fini(&f->arena);
    stop_server(f);
    (void)rmdir(f->directory);
    free(f);
    return 0;
}

static struct meet meet_of(enum meet_op op, const char *value, uint8_t id)
{
    return (struct meet){
        .op = op, .project = {{1}}, .key = {MATCH_KIND_EXTERNAL, bytes_of_text(value)}, .id = {id}};
}

static struct meet turn(struct fixture *f, enum meet_op op, const char *value, uint8_t id)
{
    struct detail detail = {.text = ""};
    struct meet meet = meet_of(op, value, id);
    EXPECT_OK(rendezvous_turn(f->rendezvous, &meet, 1, &f->arena, &detail));
    return meet;
}

/* The socket is there a moment before somebody listens on it. */
static void need_server(struct fixture *f)
{
    if (!start_server(f)) {
        const char *no_skip = getenv("CALLTRACE_NO_SKIP");
        if (no_skip != NULL && strcmp(no_skip, "1") == 0) {
            fail_msg("redis-server cannot be started, and nothing may be skipped");
        }
        skip();
    }
    struct mono_ns end = mono_after_ms(clock_mono(), START_MS);
    struct detail detail = {.text = ""};
    struct meet meet = meet_of(MEET_OBSERVE, "warm", 1);
    while (clock_mono().ns < end.ns &&
           !err_is_ok(rendezvous_turn(f->rendezvous, &meet, 1, &f->arena, &detail))) {
        clock_sleep_ms(RENDEZVOUS_PAUSE_MIN_MS);
    }
}

static void test_trace_then_call_meet(void **state)
{
    struct fixture *f = *state;
    need_server(f);
    assert_false(turn(f, MEET_OBSERVE, "k", 1).has_claim);
    (void)turn(f, MEET_OBSERVE, "k", 2);
    (void)turn(f, MEET_OBSERVE, "k", 1);
    struct meet claim = turn(f, MEET_CLAIM, "k", 9);
    assert_true(claim.has_claim);
    assert_int_equal(claim.claim.b[0], 9);
    assert_int_equal(claim.waiting_count, 2);
    assert_int_equal(claim.waiting[0].b[0] + claim.waiting[1].b[0], 3);
    assert_int_equal(turn(f, MEET_CLAIM, "other", 9).waiting_count, 0);
}

static void test_call_then_trace_meet(void **state)
{
    struct fixture *f = *state;
    need_server(f);
    (void)turn(f, MEET_CLAIM, "k", 9);
    struct meet seen = turn(f, MEET_OBSERVE, "k", 1);
    assert_true(seen.has_claim);
    assert_int_equal(seen.claim.b[0], 9);
    assert_false(seen.is_flagged);
}

static void test_a_claim_is_lost_forced_and_released(void **state)
{
    struct fixture *f = *state;
    need_server(f);
    (void)turn(f, MEET_CLAIM, "k", 9);
    (void)turn(f, MEET_OBSERVE, "k", 1);
    struct meet lost = turn(f, MEET_CLAIM, "k", 8);
    assert_int_equal(lost.claim.b[0], 9);
    assert_int_equal(lost.waiting_count, 1);
    (void)turn(f, MEET_RELEASE, "k", 8); /* not its own */
    assert_int_equal(turn(f, MEET_OBSERVE, "k", 1).claim.b[0], 9);
    struct meet forced = turn(f, MEET_FORCE, "k", 8);
    assert_int_equal(forced.claim.b[0], 8);
    assert_int_equal(forced.waiting_count, 1);
    (void)turn(f, MEET_RELEASE, "k", 8);
    assert_false(turn(f, MEET_OBSERVE, "k", 1).has_claim);
}

static void test_a_flag_is_seen_by_whoever_comes(void **state)
{
    struct fixture *f = *state;
    need_server(f);
    (void)turn(f, MEET_OBSERVE, "room", 1);
    assert_int_equal(turn(f, MEET_FLAG, "room", 0).waiting_count, 1);
    assert_true(turn(f, MEET_OBSERVE, "room", 2).is_flagged);
}

static void test_projects_kinds_and_odd_values_are_apart(void **state)
{
    struct fixture *f = *state;
    need_server(f);
    struct detail detail = {.text = ""};
    struct meet all[] = {meet_of(MEET_CLAIM, "k", 9), meet_of(MEET_OBSERVE, "k", 1),
                         meet_of(MEET_OBSERVE, "k", 2), meet_of(MEET_OBSERVE, "k}|{", 3),
                         meet_of(MEET_OBSERVE, "", 4)};
    all[1].project.b[0] = 2;
    all[2].key.kind = MATCH_KIND_LIVEKIT;
    all[4].key.value = bytes_of("k\0z", 3);
    EXPECT_OK(rendezvous_turn(f->rendezvous, all, 5, &f->arena, &detail));
    assert_true(all[0].has_claim);
    for (size_t i = 1; i < 5; i++) {
        assert_false(all[i].has_claim);
    }
}

static void test_many_in_one_turn(void **state)
{
    struct fixture *f = *state;
    need_server(f);
    enum { MANY = 3000 };
    static struct meet many[MANY];
    struct detail detail = {.text = ""};
    for (size_t i = 0; i < MANY; i++) {
        many[i] = meet_of(MEET_OBSERVE, "k", (uint8_t)i);
        many[i].id[1] = (uint8_t)(i >> 8);
        many[i].id[15] = 1;
    }
    EXPECT_OK(rendezvous_turn(f->rendezvous, many, MANY, &f->arena, &detail));
    assert_int_equal(turn(f, MEET_CLAIM, "k", 9).waiting_count, MANY);
    struct arena small;
    arena_init(&small, 64);
    struct meet claim = meet_of(MEET_CLAIM, "k", 9);
    EXPECT_ERR(rendezvous_turn(f->rendezvous, &claim, 1, &small, &detail), NO_SPACE);
    arena_fini(&small);
    assert_true(turn(f, MEET_OBSERVE, "k", 1).has_claim);
}

static void test_a_lost_script_is_loaded_again(void **state)
{
    struct fixture *f = *state;
    need_server(f);
    (void)turn(f, MEET_CLAIM, "k", 9);
    char command[256];
    (void)snprintf(command, sizeof command,
                   "printf 'SCRIPT FLUSH\\r\\n' | timeout 1 redis-cli -s %s >/dev/null 2>&1",
                   f->socket);
    assert_true(system(command) == 0); // NOLINT: a test's own command
    assert_int_equal(turn(f, MEET_OBSERVE, "k", 1).claim.b[0], 9);
}

static void test_away_is_said_and_it_comes_back(void **state)
{
    struct fixture *f = *state;
    struct detail detail = {.text = ""};
    struct meet meet = meet_of(MEET_OBSERVE, "k", 1);
    EXPECT_ERR(rendezvous_turn(f->rendezvous, &meet, 1, &f->arena, &detail), REDIS_AWAY);
    assert_false(rendezvous_is_connected(f->rendezvous));
    EXPECT_ERR(rendezvous_turn(f->rendezvous, &meet, 1, &f->arena, &detail), REDIS_AWAY);
    need_server(f);
    (void)turn(f, MEET_OBSERVE, "k", 1);
    assert_true(rendezvous_is_connected(f->rendezvous));
    (void)kill(f->server, SIGSTOP);
    struct mono_ns began = clock_mono();
    EXPECT_ERR(rendezvous_turn(f->rendezvous, &meet, 1, &f->arena, &detail), REDIS_AWAY);
    assert_true(mono_ms_between(began, clock_mono()) < START_MS);
    began = clock_mono();
    EXPECT_ERR(rendezvous_turn(f->rendezvous, &meet, 1, &f->arena, &detail), REDIS_AWAY);
    assert_true(mono_ms_between(began, clock_mono()) < TIMEOUT_MS);
    (void)kill(f->server, SIGCONT);
    err_t err = FAIL(REDIS_AWAY);
    for (int i = 0; i < START_MS / RENDEZVOUS_PAUSE_MIN_MS && !err_is_ok(err); i++) {
        clock_sleep_ms(RENDEZVOUS_PAUSE_MIN_MS);
        err = rendezvous_turn(f->rendezvous, &meet, 1, &f->arena, &detail);
    }
    EXPECT_OK(err);
}

static void test_none_configured_is_away(void **state)
{
    (void)state;
    struct rendezvous_options options = {.address = {.is_none = true}, .timeout_ms = TIMEOUT_MS};
    struct rendezvous *rendezvous = NULL;
    struct detail detail = {.text = ""};
    struct meet meet = meet_of(MEET_OBSERVE, "k", 1);
    struct arena arena;
    arena_init(&arena, 4096);
    EXPECT_OK(rendezvous_new(&options, &rendezvous));
    EXPECT_ERR(rendezvous_turn(rendezvous, &meet, 1, &arena, &detail), REDIS_AWAY);
    EXPECT_OK(rendezvous_turn(rendezvous, &meet, 0, &arena, &detail));
    rendezvous_free(rendezvous);
    rendezvous_free(NULL);
    arena_fini(&arena);
}

#define WITH_SERVER(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_addresses_are_read),
        cmocka_unit_test(test_bad_addresses_are_refused),
        cmocka_unit_test(test_none_configured_is_away),
        WITH_SERVER(test_trace_then_call_meet),
        WITH_SERVER(test_call_then_trace_meet),
        WITH_SERVER(test_a_claim_is_lost_forced_and_released),
        WITH_SERVER(test_a_flag_is_seen_by_whoever_comes),
        WITH_SERVER(test_projects_kinds_and_odd_values_are_apart),
        WITH_SERVER(test_many_in_one_turn),
        WITH_SERVER(test_a_lost_script_is_loaded_again),
        WITH_SERVER(test_away_is_said_and_it_comes_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
