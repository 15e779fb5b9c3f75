/* calltrace-loadgen: sends LiveKit-like exports and creates calls, as fast as the server acknowledges,
 * remembers what was acknowledged, and at the end reads every trace back.
 *
 *     calltrace-loadgen --url=https://localhost:4318 --key=KEY --ca=ca.pem --seconds=10 --sample=FILE
 *
 * One JSON object on standard output. Exit code 1: something acknowledged is missing or was refused. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "proto/base/check.h"
#include "proto/base/mem.h"
#include "tests/bench/calls.h"
#include "tests/bench/load.h"
#include "tests/bench/readback.h"

#include "proto/base/banned.h"

enum { TURN_MS = 10, EXPORT_BYTES_MAX = 256 << 20, LANES_MAX = 1024 };

struct sender {
    struct load *load;
    struct lane *lane;
    struct buf body;
    struct buf scratch;
    uint64_t trace; /* the trace whose spans come next */
    unsigned next;  /* the next span's number */
    uint64_t acked; /* the first trace of this export; all numbers between belong to this sender */
};

static bool number_option(const char *text, unsigned *ret)
{
    char *end;
    unsigned long value = strtoul(text, &end, 10);
    *ret = (unsigned)value;
    return *text != '\0' && *end == '\0' && value <= 1000000000;
}

static void usage(void)
{
    (void)fputs(
        "usage: calltrace-loadgen --url=URL --key=KEY [--ca=FILE] [--seconds=N] [--connections=N]\n"
        "       [--spans=N] [--trace-spans=N] [--words=N] [--call-every=N] [--api-connections=N]\n"
        "       [--seed=N] [--sample=FILE]\n",
        stderr);
    exit(2);
}

static struct load_options parse(int argc, char **argv)
{
    struct load_options options = {.seconds = 10,
                                   .connections = 8,
                                   .export_spans = 512,
                                   .trace_spans = 50,
                                   .words = 30,
                                   .call_every = 10,
                                   .api_connections = 32,
                                   .seed = 1};
    const struct option known[] = {
        {"url", required_argument, NULL, 'u'},
        {"key", required_argument, NULL, 'k'},
        {"ca", required_argument, NULL, 'a'},
        {"seconds", required_argument, NULL, 's'},
        {"connections", required_argument, NULL, 'c'},
        {"spans", required_argument, NULL, 'n'},
        {"trace-spans", required_argument, NULL, 't'},
        {"words", required_argument, NULL, 'w'},
        {"call-every", required_argument, NULL, 'e'},
        {"api-connections", required_argument, NULL, 'p'},
        {"seed", required_argument, NULL, 'r'},
        {"sample", required_argument, NULL, 'f'},
        {NULL, 0, NULL, 0},
    };
    struct http_options *http = &options.http;
    bool ok = true;
    int found;
    while ((found = getopt_long(argc, argv, "", known, NULL)) != -1) {
        switch (found) {
        case 'u':
            http->url = optarg;
            break;
        case 'k':
            http->key = optarg;
            break;
        case 'a':
            http->ca = optarg;
            break;
        case 'f':
            options.sample = optarg;
            break;
        case 's':
            ok &= number_option(optarg, &options.seconds);
            break;
        case 'c':
            ok &= number_option(optarg, &options.connections);
            break;
        case 'n':
            ok &= number_option(optarg, &options.export_spans);
            break;
        case 't':
            ok &= number_option(optarg, &options.trace_spans);
            break;
        case 'w':
            ok &= number_option(optarg, &options.words);
            break;
        case 'e':
            ok &= number_option(optarg, &options.call_every);
            break;
        case 'p':
            ok &= number_option(optarg, &options.api_connections);
            break;
        case 'r':
            ok &= number_option(optarg, &options.seed);
            break;
        default:
            ok = false;
            break;
        }
    }
    if (!ok || optind != argc || http->url == NULL || http->key == NULL ||
        options.connections == 0 || options.connections > LANES_MAX ||
        options.api_connections == 0 || options.api_connections > LANES_MAX ||
        options.export_spans == 0 || options.trace_spans == 0 ||
        options.trace_spans > LOAD_TRACE_SPANS_MAX) {
        usage();
    }
    return options;
}

/* A number for a new trace. Ends the process when out of memory. */
static uint64_t new_trace(struct load *load)
{
    if (load->traces_count == load->traces_room) {
        size_t room = load->traces_room == 0 ? 4096 : load->traces_room * 2;
        struct trace_state *traces = mem_resize(load->traces, room * sizeof(*traces));
        if (traces == NULL) {
            load_fail("out of memory");
        }
        load->traces = traces;
        load->traces_room = room;
    }
    load->traces[load->traces_count] = (struct trace_state){0};
    calls_trace_begins(load->calls, load->traces_count);
    return load->traces_count++;
}

/* The next export of this sender; the last trace may stay unfinished until the export after it. */
static void send_next(struct sender *sender)
{
    struct load *load = sender->load;
    const struct load_options *options = &load->options;
    unsigned left = options->export_spans;
    buf_reset(&sender->body);
    while (left > 0) {
        unsigned count = options->trace_spans - sender->next;
        count = count < left ? count : left;
        recipe_export(&load->recipe, sender->trace, sender->next, count, &sender->scratch,
                      &sender->body);
        load->traces[sender->trace].sent = (uint16_t)(sender->next + count);
        load->traces[sender->trace].lane = sender;
        left -= count;
        sender->next += count;
        if (sender->next == options->trace_spans) {
            sender->trace = new_trace(load);
            sender->next = 0;
        }
    }
    if (!err_is_ok(buf_err(&sender->body))) {
        load_fail("an export does not fit its buffer");
    }
    lane_send(sender->lane, "/v1/traces", "application/x-protobuf", &sender->body);
}

/* Everything that this sender has sent is acknowledged now. */
static void acknowledge(struct sender *sender, struct mono_ns at)
{
    struct load *load = sender->load;
    uint64_t trace = sender->acked;
    for (; trace <= sender->trace; trace++) {
        struct trace_state *state = &load->traces[trace];
        if (state->lane != sender || state->acked == state->sent) {
            continue;
        }
        load->spans_acked += (uint64_t)(state->sent - state->acked);
        state->acked = state->sent;
        if (state->acked == load->options.trace_spans) {
            state->acked_at = at;
            calls_trace_acked(load->calls, trace);
        }
    }
    sender->acked = sender->trace;
}

static void export_answered(struct lane *lane, void *owner, const struct answer *answer)
{
    struct sender *sender = owner;
    struct load *load = sender->load;
    (void)lane;
    if (answer->status != 200 || answer->body.len != 0) {
        (void)fprintf(stderr, "loadgen: an export was answered with %ld: %.*s\n", answer->status,
                      (int)answer->body.len, (const char *)answer->body.ptr);
        load_fail("an export was not accepted whole");
    }
    load->exports++;
    load->ended = answer->at;
    samples_add(&load->export_ms, (double)(answer->at.ns - answer->sent.ns) / NS_PER_MS);
    acknowledge(sender, answer->at);
    if (answer->at.ns < load->deadline.ns) {
        send_next(sender);
    }
}

/* Sends until the time is over and everything is answered. */
static void run(struct load *load)
{
    unsigned count = load->options.connections;
    struct sender *senders = mem_zero(count, sizeof(*senders));
    if (senders == NULL) {
        load_fail("out of memory");
    }
    load->started = clock_mono();
    load->deadline = mono_after_ms(load->started, (int64_t)load->options.seconds * MS_PER_S);
    for (unsigned i = 0; i < count; i++) {
        struct sender *sender = &senders[i];
        *sender = (struct sender){.load = load};
        sender->lane = lane_new(load->http, export_answered, sender);
        buf_init(&sender->body, EXPORT_BYTES_MAX);
        buf_init(&sender->scratch, EXPORT_BYTES_MAX);
        if (sender->lane == NULL) {
            load_fail("out of memory");
        }
        sender->trace = sender->acked = new_trace(load);
        send_next(sender);
    }
    while (http_client_turn(load->http, TURN_MS) + calls_move(load->calls) > 0) {
    }
    for (unsigned i = 0; i < count; i++) {
        buf_fini(&senders[i].body);
        buf_fini(&senders[i].scratch);
    }
    mem_free(senders);
}

static void report(struct load *load)
{
    const struct calls_result calls = calls_result(load->calls);
    struct rusage own;
    INVARIANT(getrusage(RUSAGE_SELF, &own) == 0);
    double seconds = (double)(load->ended.ns - load->started.ns) / (double)NS_PER_S;
    printf("{\"seconds\": %.3f, \"spans\": %llu, \"spans_per_s\": %.0f, \"exports\": %llu,"
           " \"bytes\": %llu, \"retries\": %llu, \"traces\": %llu,",
           seconds, (unsigned long long)load->spans_acked, (double)load->spans_acked / seconds,
           (unsigned long long)load->exports, (unsigned long long)load->export_bytes,
           (unsigned long long)http_client_retries(load->http),
           (unsigned long long)load->traces_count);
    printf(" \"export_ms\": {\"p50\": %.2f, \"p99\": %.2f}, \"calls\": %llu,"
           " \"link_ms\": {\"p50\": %.2f, \"p99\": %.2f, \"max\": %.2f, \"count\": %llu},",
           samples_at(&load->export_ms, 0.5), samples_at(&load->export_ms, 0.99),
           (unsigned long long)calls.created, calls.p50_ms, calls.p99_ms, calls.max_ms,
           (unsigned long long)calls.linked);
    printf(" \"read\": {\"traces\": %llu, \"spans\": %llu, \"missing\": %llu, \"wrong\": %llu,"
           " \"seconds\": %.3f}, \"cpu_s\": %.3f, \"peak_kib\": %ld}\n",
           (unsigned long long)load->read.traces, (unsigned long long)load->read.spans,
           (unsigned long long)load->read.missing, (unsigned long long)load->read.wrong,
           load->read.seconds, load->load_cpu_s, own.ru_maxrss);
}

static double cpu_seconds(void)
{
    struct rusage own;
    INVARIANT(getrusage(RUSAGE_SELF, &own) == 0);
    return (double)(own.ru_utime.tv_sec + own.ru_stime.tv_sec) +
           (double)(own.ru_utime.tv_usec + own.ru_stime.tv_usec) / 1e6;
}

int main(int argc, char **argv)
{
    struct load load = {.options = parse(argc, argv)};
    load.recipe = (struct recipe){
        .seed = load.options.seed, .start_ns = clock_unix().ns, .words = load.options.words};
    load.http = http_client_new(&load.options.http);
    load.calls = calls_new(&load);
    if (load.http == NULL || load.calls == NULL) {
        load_fail("out of memory");
    }
    run(&load);
    load.export_bytes = http_client_bytes(load.http);
    load.load_cpu_s = cpu_seconds();
    (void)fprintf(stderr, "loadgen: sent\n"); /* the driver takes the processes' figures here */
    if (load.options.sample != NULL) {
        readback_sample(&load);
    }
    readback_run(&load);
    report(&load);
    bool is_whole =
        load.read.missing == 0 && load.read.wrong == 0 && calls_result(load.calls).lost == 0;
    calls_free(load.calls);
    http_client_free(load.http);
    samples_fini(&load.export_ms);
    mem_free(load.traces);
    return is_whole ? 0 : 1;
}
