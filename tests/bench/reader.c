/* calltrace-reader: reads by the clock while something else loads the server; or opens connections and only
 * holds them.
 *
 *     calltrace-reader --url=URL --key=KEY --ca=FILE --plan=FILE --seconds=N
 *     calltrace-reader --url=URL --key=KEY --ca=FILE --hold=N
 *
 * A line of the plan is a name, reads a second, an Accept and a path, between blanks; lines of one name are
 * reported together. A read's time runs from when it was due. Holding says "held" on standard output once
 * all connections are open, and ends when standard input does. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "proto/base/check.h"
#include "proto/base/mem.h"
#include "tests/bench/fail.h"
#include "tests/bench/http_client.h"
#include "tests/bench/samples.h"

#include "proto/base/banned.h"

enum { LINES_MAX = 256, NAME_BYTES = 32, PATH_BYTES = 512, OPENING_MAX = 64, TURN_MS = 100 };

struct readings {
    char name[NAME_BYTES];
    struct samples ms;
    uint64_t refused;
};

struct line {
    struct lane *lane;
    struct readings *readings;
    char path[PATH_BYTES];
    char accept[NAME_BYTES];
    int64_t period_ns;
    struct mono_ns due; /* of the next read, or of the one under way */
    bool is_busy;
};

struct reader {
    struct http_options http;
    struct http_client *client;
    struct line lines[LINES_MAX];
    unsigned lines_count;
    struct readings readings[LINES_MAX];
    unsigned readings_count;
    unsigned held;
    unsigned asked;
};

static void read_answered(struct lane *lane, void *owner, const struct answer *answer)
{
    struct line *line = owner;
    (void)lane;
    line->readings->refused += answer->status == 200 ? 0 : 1;
    samples_add(&line->readings->ms, (double)(answer->at.ns - line->due.ns) / NS_PER_MS);
    line->due.ns += line->period_ns;
    line->is_busy = false;
}

static struct readings *readings_of(struct reader *reader, const char *name)
{
    for (unsigned i = 0; i < reader->readings_count; i++) {
        if (strcmp(reader->readings[i].name, name) == 0) {
            return &reader->readings[i];
        }
    }
    struct readings *added = &reader->readings[reader->readings_count++];
    (void)snprintf(added->name, sizeof(added->name), "%s", name);
    return added;
}

static void read_plan(struct reader *reader, const char *path)
{
    char name[NAME_BYTES];
    double rate;
    FILE *file = fopen(path, "r");
    if (file == NULL) {
        bench_fail("the plan cannot be read");
    }
    struct line *line = reader->lines;
    while (reader->lines_count < LINES_MAX &&
           fscanf(file, "%31s %lf %31s %511s", name, &rate, line->accept, line->path) == 4) {
        line->readings = readings_of(reader, name);
        line->period_ns = (int64_t)((double)NS_PER_S / rate);
        line->lane = lane_new(reader->client, read_answered, line);
        if (line->lane == NULL) {
            bench_fail("out of memory");
        }
        reader->lines_count++;
        line++;
    }
    (void)fclose(file); /* it was only read */
}

/* Lines of one name follow each other evenly within their period. */
static void set_out(struct reader *reader, struct mono_ns now)
{
    for (unsigned i = 0; i < reader->lines_count; i++) {
        struct line *line = &reader->lines[i];
        line->due.ns = now.ns + line->period_ns * (int64_t)i / (int64_t)reader->lines_count;
    }
}

static void run_plan(struct reader *reader, unsigned seconds)
{
    struct mono_ns now = clock_mono();
    struct mono_ns end = mono_after_ms(now, (int64_t)seconds * MS_PER_S);
    unsigned busy = 0;
    set_out(reader, now);
    for (now = clock_mono(); now.ns < end.ns || busy > 0; now = clock_mono()) {
        struct mono_ns next = mono_after_ms(now, TURN_MS);
        for (unsigned i = 0; i < reader->lines_count; i++) {
            struct line *line = &reader->lines[i];
            if (!line->is_busy && line->due.ns <= now.ns && line->due.ns < end.ns) {
                line->is_busy = true;
                lane_send(line->lane, &(struct request){.path = line->path, .type = line->accept});
            } else if (!line->is_busy && line->due.ns < next.ns) {
                next = line->due;
            }
        }
        busy = http_client_turn(reader->client, next);
    }
}

static void report(struct reader *reader)
{
    printf("{");
    for (unsigned i = 0; i < reader->readings_count; i++) {
        struct readings *readings = &reader->readings[i];
        printf(
            "%s\"%s\": {\"count\": %zu, \"p50\": %.2f, \"p95\": %.2f, \"p99\": %.2f, \"max\": %.2f,"
            " \"refused\": %llu}",
            i == 0 ? "" : ", ", readings->name, readings->ms.count, samples_at(&readings->ms, 0.5),
            samples_at(&readings->ms, 0.95), samples_at(&readings->ms, 0.99),
            samples_at(&readings->ms, 1), (unsigned long long)readings->refused);
        samples_fini(&readings->ms);
    }
    printf("}\n");
}

static void hold_answered(struct lane *lane, void *owner, const struct answer *answer)
{
    struct reader *reader = owner;
    (void)lane;
    reader->held += answer->status == 200 ? 1 : 0;
    reader->asked--;
}

static void hold(struct reader *reader, unsigned count)
{
    char octet;
    if (!http_client_files_raise(count)) {
        bench_fail("RLIMIT_NOFILE does not allow so many connections");
    }
    for (unsigned opened = 0; opened < count || reader->asked > 0;) {
        for (; opened < count && reader->asked < OPENING_MAX; opened++, reader->asked++) {
            struct lane *lane = lane_new(reader->client, hold_answered, reader);
            if (lane == NULL) {
                bench_fail("out of memory");
            }
            lane_send(lane, &(struct request){.path = "/health", .type = "application/json"});
        }
        (void)http_client_turn(reader->client, mono_after_ms(clock_mono(), TURN_MS));
    }
    printf("held %u\n", reader->held);
    (void)fflush(stdout);
    while (read(STDIN_FILENO, &octet, 1) == 1) {
    }
}

int main(int argc, char **argv)
{
    static struct reader reader;
    const char *plan = NULL;
    unsigned seconds = 10;
    unsigned held = 0;
    for (int i = 1; i < argc; i++) {
        char *value = strchr(argv[i], '=');
        if (value == NULL) {
            bench_fail("every argument is --name=value");
        }
        *value++ = '\0';
        if (strcmp(argv[i], "--url") == 0) {
            reader.http.url = value;
        } else if (strcmp(argv[i], "--key") == 0) {
            reader.http.key = value;
        } else if (strcmp(argv[i], "--ca") == 0) {
            reader.http.ca = value;
        } else if (strcmp(argv[i], "--plan") == 0) {
            plan = value;
        } else if (strcmp(argv[i], "--seconds") == 0) {
            seconds = (unsigned)strtoul(value, NULL, 10);
        } else if (strcmp(argv[i], "--hold") == 0) {
            held = (unsigned)strtoul(value, NULL, 10);
        } else {
            bench_fail("there is no such option");
        }
    }
    if (reader.http.url == NULL || reader.http.key == NULL || (plan == NULL) == (held == 0)) {
        bench_fail("it needs --url, --key, and --plan or --hold");
    }
    reader.client = http_client_new(&reader.http);
    if (reader.client == NULL) {
        bench_fail("out of memory");
    }
    if (held > 0) {
        hold(&reader, held);
    } else {
        read_plan(&reader, plan);
        run_plan(&reader, seconds);
        report(&reader);
    }
    http_client_free(reader.client);
    return 0;
}
