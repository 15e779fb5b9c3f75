/* calltrace-loadgen: sends the exports of one shape and creates calls, as fast as the server acknowledges
 * or by the clock, remembers what was acknowledged, and at the end reads the traces back.
 *
 *     calltrace-loadgen --shape=bulk --url=https://localhost:4318 --key=KEY --ca=ca.pem --seconds=10
 *
 * One JSON object on standard output; on standard error a line when what counts begins and when it ends,
 * so that the driver can take the processes' figures. Exit code 1: something acknowledged is missing or
 * was refused. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "proto/base/check.h"
#include "proto/base/mem.h"
#include "tests/bench/calls.h"
#include "tests/bench/load.h"
#include "tests/bench/readback.h"
#include "tests/bench/senders.h"

#include "proto/base/banned.h"

enum { TURN_MS = 10, LANES_MAX = 30000, EXPORT_SPANS_MAX = 65536 };

/* The options whose value is a number, with the field that it goes to. */
#define NUMBERS(X)                        \
    X("seconds", seconds)                 \
    X("warmup", warmup_s)                 \
    X("connections", connections)         \
    X("api-connections", api_connections) \
    X("rate", rate)                       \
    X("ahead", ahead)                     \
    X("read-traces", read_traces)         \
    X("exports", exports)                 \
    X("period-ms", shape.period_ms)       \
    X("midway", shape.starts_midway)      \
    X("seed", seed)                       \
    X("spans", shape.export_spans)        \
    X("call-every", shape.call_every)

static void usage(void)
{
#define NAME(name, field) " [--" name "=N]"
    (void)fputs("usage: calltrace-loadgen --shape=fleet|bulk|small|collector --url=URL --key=KEY\n"
                "       [--ca=FILE] [--sample=FILE] [--encoding=protobuf|json|gzip]\n"
                "      " NUMBERS(NAME) "\n",
                stderr);
#undef NAME
}

static bool number_option(struct load_options *options, const char *name, const char *text)
{
    char *end;
    unsigned long value = strtoul(text, &end, 10);
    bool ok = *text != '\0' && *end == '\0' && value <= 1000000000;
#define TAKE(option, field)                \
    if (ok && strcmp(name, option) == 0) { \
        options->field = (unsigned)value;  \
        return true;                       \
    }
    NUMBERS(TAKE)
#undef TAKE
    return false;
}

static bool text_option(struct load_options *options, const char *name, const char *text)
{
    static const char *const encodings[] = {"protobuf", "json", "gzip"};
    if (strcmp(name, "url") == 0) {
        options->http.url = text;
    } else if (strcmp(name, "key") == 0) {
        options->http.key = text;
    } else if (strcmp(name, "ca") == 0) {
        options->http.ca = text;
    } else if (strcmp(name, "sample") == 0) {
        options->sample = text;
    } else if (strcmp(name, "shape") == 0) {
        const struct shape *shape = shape_find(text);
        options->shape = shape == NULL ? (struct shape){0} : *shape;
        return shape != NULL;
    } else if (strcmp(name, "encoding") == 0) {
        for (unsigned i = 0; i < sizeof(encodings) / sizeof(encodings[0]); i++) {
            if (strcmp(text, encodings[i]) == 0) {
                options->encoding = (enum encoding)i;
                return true;
            }
        }
        return false;
    } else {
        return false;
    }
    return true;
}

/* Each export of 512 spans brings about one call, whose create and look take about as long as exports do:
 * with fewer connections calls would come after the spans and not beside them. */
static unsigned api_connections_of(const struct load_options *options)
{
    enum { LEAST = 32 };
    unsigned wanted = options->shape.is_one_connection ? LEAST : 2 * options->connections;
    return wanted < LEAST ? LEAST : wanted;
}

/* The shape comes first, because other options change it. */
static bool parse(int argc, char **argv, struct load_options *ret_options)
{
    struct load_options options = {.seconds = 10, .warmup_s = 2, .connections = 8, .seed = 1};
    bool ok = true;
    for (int i = 1; i < argc; i++) {
        char *value = strchr(argv[i], '=');
        if (strncmp(argv[i], "--", 2) != 0 || value == NULL) {
            return false;
        }
        *value++ = '\0';
        ok &= number_option(&options, argv[i] + 2, value) ||
              text_option(&options, argv[i] + 2, value);
    }
    if (options.api_connections == 0) {
        options.api_connections = api_connections_of(&options);
    }
    *ret_options = options;
    return ok && options.shape.name != NULL && options.http.url != NULL &&
           options.http.key != NULL && options.seconds > 0 && options.connections > 0 &&
           options.connections <= LANES_MAX && options.api_connections <= LANES_MAX &&
           options.shape.export_spans > 0 && options.shape.export_spans <= EXPORT_SPANS_MAX;
}

static double cpu_seconds(void)
{
    struct rusage own;
    INVARIANT(getrusage(RUSAGE_SELF, &own) == 0);
    return (double)(own.ru_utime.tv_sec + own.ru_stime.tv_sec) +
           (double)(own.ru_utime.tv_usec + own.ru_stime.tv_usec) / 1e6;
}

/* The earliest of what is to be waited for. */
static struct mono_ns wake(const struct load *load, struct mono_ns now, struct mono_ns next)
{
    const int64_t marks[] = {load->begin.ns, load->deadline.ns, mono_after_ms(now, TURN_MS).ns};
    for (size_t i = 0; i < sizeof(marks) / sizeof(marks[0]); i++) {
        next.ns = marks[i] > now.ns && marks[i] < next.ns ? marks[i] : next.ns;
    }
    return next;
}

/* Sends until the time is over and everything is answered. */
static void run(struct load *load)
{
    bool has_begun = false;
    bool has_ended = false;
    double cpu_before = 0;
    unsigned busy = 1;
    load->begin = mono_after_ms(clock_mono(), (int64_t)load->options.warmup_s * MS_PER_S);
    load->deadline = mono_after_ms(load->begin, (int64_t)load->options.seconds * MS_PER_S);
    while (busy > 0 || !has_ended) {
        struct mono_ns now = clock_mono();
        if (busy == 0 && load->options.exports > 0) {
            load->deadline = now; /* nothing is left to send */
        }
        if (!has_begun && now.ns >= load->begin.ns) {
            has_begun = true;
            cpu_before = cpu_seconds();
            (void)fputs("loadgen: begin\n", stderr);
        }
        if (!has_ended && now.ns >= load->deadline.ns) {
            has_ended = true;
            load->load_cpu_s = cpu_seconds() - cpu_before;
            (void)fputs("loadgen: end\n", stderr);
        }
        struct mono_ns next = senders_move(load->senders, now);
        busy = http_client_turn(load->http, wake(load, now, next)) + calls_move(load->calls);
    }
}

static void print_samples(const char *name, struct samples *samples)
{
    printf("\"%s\": {\"count\": %zu, \"p50\": %.2f, \"p95\": %.2f, \"p99\": %.2f, \"max\": %.2f}, ",
           name, samples->count, samples_at(samples, 0.5), samples_at(samples, 0.95),
           samples_at(samples, 0.99), samples_at(samples, 1));
}

static void report(struct load *load)
{
    const struct calls_result calls = calls_result(load->calls);
    struct rusage own;
    INVARIANT(getrusage(RUSAGE_SELF, &own) == 0);
    double seconds = (double)(load->deadline.ns - load->begin.ns) / (double)NS_PER_S;
    double rate = (double)load->spans_counted / seconds;
    printf("{\"spans\": %llu, \"spans_per_s\": %.0f, \"exports\": %llu, \"late\": %llu,"
           " \"unsent\": %llu, \"retries\": %llu, ",
           (unsigned long long)load->spans_counted, rate, (unsigned long long)load->exports_counted,
           (unsigned long long)load->exports_late,
           (unsigned long long)senders_unsent(load->senders),
           (unsigned long long)http_client_retries(load->http));
    printf("\"acked_spans\": %llu, \"bytes\": %llu, \"traces\": %llu, \"calls\": %llu,"
           " \"calls_counted\": %llu, \"linked\": %llu, \"lost\": %llu, ",
           (unsigned long long)load->spans_acked, (unsigned long long)http_client_bytes(load->http),
           (unsigned long long)load->traces_count, (unsigned long long)calls.created,
           (unsigned long long)calls.counted, (unsigned long long)calls.linked,
           (unsigned long long)calls.lost);
    print_samples("export_ms", &load->export_ms);
    print_samples("oversleep_ms", &load->oversleep_ms);
    print_samples("link_ms", calls_link_ms(load->calls));
    print_samples("show_ms", calls_show_ms(load->calls));
    printf("\"read\": {\"traces\": %llu, \"spans\": %llu, \"missing\": %llu, \"wrong\": %llu,"
           " \"seconds\": %.3f}, \"cpu_s\": %.3f, \"peak_kib\": %ld}\n",
           (unsigned long long)load->read.traces, (unsigned long long)load->read.spans,
           (unsigned long long)load->read.missing, (unsigned long long)load->read.wrong,
           load->read.seconds, load->load_cpu_s, own.ru_maxrss);
}

static void start(struct load *load)
{
    if (!http_client_files_raise(load->options.connections + load->options.api_connections)) {
        bench_fail("RLIMIT_NOFILE does not allow so many connections");
    }
    load->http = http_client_new(&load->options.http);
    if (load->http == NULL ||
        !recipe_init(&load->recipe, &load->options.shape, load->options.seed, clock_unix().ns)) {
        bench_fail("out of memory");
    }
    load->calls = calls_new(load);
    load->senders = senders_new(load);
    if (load->calls == NULL || load->senders == NULL) {
        bench_fail("out of memory");
    }
    senders_open(load->senders);
    (void)fputs("loadgen: open\n", stderr);
}

static bool finish(struct load *load)
{
    bool is_whole =
        load->read.missing == 0 && load->read.wrong == 0 && calls_result(load->calls).lost == 0;
    senders_free(load->senders);
    calls_free(load->calls);
    http_client_free(load->http);
    recipe_fini(&load->recipe);
    samples_fini(&load->export_ms);
    samples_fini(&load->oversleep_ms);
    mem_free(load->traces);
    return is_whole;
}

int main(int argc, char **argv)
{
    struct load load = {0};
    if (!parse(argc, argv, &load.options)) {
        usage();
        return 2;
    }
    start(&load);
    run(&load);
    if (load.options.sample != NULL) {
        readback_sample(&load);
    }
    readback_run(&load);
    report(&load);
    return finish(&load) ? 0 : 1;
}
