#include "tests/bench/readback.h"

#include <stdio.h>

#include "proto/base/check.h"
#include "proto/base/mem.h"
#include "proto/base/reader.h"
#include "tests/bench/load.h"

#include "proto/base/banned.h"

enum { SAMPLE_TRACES = 40, SAMPLE_SPANS_MAX = 2000, LANES_MAX = 32, COMPLAINTS_MAX = 5 };

struct readback {
    struct load *load;
    uint64_t next; /* the next trace to read */
    uint64_t step; /* from one to the next */
    struct reading *readings;
};

struct reading {
    struct readback *all;
    struct lane *lane;
    uint64_t trace;
    struct buf span;
};

/* Spans of one answer: how many, and the sum of their hashes, which no order changes. */
struct tally {
    uint64_t count;
    uint64_t sum;
};

/* The next field of a message: false at its end or when it is no message. Only the length-delimited
 * kind carries `ret_value`. */
static bool next_field(struct reader *reader, uint32_t *ret_number, struct bytes *ret_value)
{
    uint64_t tag;
    uint64_t len;
    *ret_value = bytes_of(NULL, 0);
    if (reader_is_done(reader) || !err_is_ok(reader_varint(reader, &tag))) {
        return false;
    }
    *ret_number = (uint32_t)(tag >> 3);
    switch (tag & 7) {
    case 0:
        return err_is_ok(reader_varint(reader, &len));
    case 1:
        return err_is_ok(reader_take(reader, 8, ret_value));
    case 2:
        return err_is_ok(reader_varint(reader, &len)) &&
               err_is_ok(reader_take(reader, (size_t)len, ret_value));
    case 5:
        return err_is_ok(reader_take(reader, 4, ret_value));
    default:
        return false;
    }
}

/* Every span of a TracesData: resource_spans 1, scope_spans 2, spans 2. */
static struct tally tally_answer(struct bytes body)
{
    struct tally tally = {0};
    struct reader outer = reader_of(body);
    struct bytes resource_spans;
    struct bytes scope_spans;
    struct bytes span;
    uint32_t number;
    while (next_field(&outer, &number, &resource_spans)) {
        struct reader middle = reader_of(resource_spans);
        while (number == 1 && next_field(&middle, &number, &scope_spans)) {
            struct reader inner = reader_of(number == 2 ? scope_spans : bytes_of(NULL, 0));
            while (next_field(&inner, &number, &span)) {
                if (number == 2) {
                    tally.count++;
                    tally.sum += bytes_hash64(span, 0);
                }
            }
            number = 1;
        }
    }
    return tally;
}

static struct tally tally_recipe(const struct load *load, uint64_t trace, struct buf *span)
{
    const struct trace_state *state = &load->traces[trace];
    struct tally tally = {.count = state->acked};
    for (unsigned i = state->first; i < (unsigned)state->first + state->acked; i++) {
        buf_reset(span);
        load->recipe.shape->span(&load->recipe, trace, i, span);
        tally.sum += bytes_hash64(buf_bytes(span), 0);
    }
    return tally;
}

static void trace_hex(const struct load *load, uint64_t trace, char ret_hex[33])
{
    uint8_t id[16];
    recipe_trace_id(&load->recipe, trace, id);
    bytes_to_hex(bytes_of(id, sizeof(id)), ret_hex);
    ret_hex[32] = '\0';
}

static void read_next(struct reading *reading)
{
    struct readback *all = reading->all;
    char hex[33];
    char path[64];
    while (all->next < all->load->traces_count && all->load->traces[all->next].acked == 0) {
        all->next += all->step;
    }
    if (all->next < all->load->traces_count) {
        reading->trace = all->next;
        all->next += all->step;
        trace_hex(all->load, reading->trace, hex);
        (void)snprintf(path, sizeof(path), "/v1/traces/%s", hex);
        lane_send(reading->lane, &(struct request){.path = path, .type = "application/x-protobuf"});
    }
}

static void trace_answered(struct lane *lane, void *owner, const struct answer *answer)
{
    struct reading *reading = owner;
    struct load *load = reading->all->load;
    struct tally is = {0};
    struct tally wanted = tally_recipe(load, reading->trace, &reading->span);
    char hex[33];
    (void)lane;
    if (answer->status == 200) {
        is = tally_answer(answer->body);
    }
    load->read.traces++;
    load->read.spans += is.count;
    if (is.count < wanted.count) {
        load->read.missing += wanted.count - is.count;
    } else if (is.count > wanted.count || is.sum != wanted.sum) {
        load->read.wrong++;
    }
    if ((is.count != wanted.count || is.sum != wanted.sum) &&
        load->read.missing + load->read.wrong < COMPLAINTS_MAX) {
        trace_hex(load, reading->trace, hex);
        (void)fprintf(stderr, "loadgen: trace %s: status %ld, %llu of %llu spans%s\n", hex,
                      answer->status, (unsigned long long)is.count,
                      (unsigned long long)wanted.count,
                      is.count == wanted.count ? ", contents differ" : "");
    }
    read_next(reading);
}

void readback_run(struct load *load)
{
    struct readback all = {.load = load, .step = 1};
    unsigned wanted = load->options.read_traces;
    unsigned count = load->options.connections < LANES_MAX ? load->options.connections : LANES_MAX;
    if (wanted > 0 && load->traces_count > wanted) {
        all.step = (load->traces_count + wanted - 1) / wanted;
    }
    all.readings = mem_zero(count, sizeof(*all.readings));
    if (all.readings == NULL) {
        bench_fail("out of memory");
    }
    struct mono_ns started = clock_mono();
    for (unsigned i = 0; i < count; i++) {
        struct reading *reading = &all.readings[i];
        reading->all = &all;
        reading->lane = lane_new(load->http, trace_answered, reading);
        buf_init(&reading->span, SHAPE_SPAN_BYTES_MAX);
        if (reading->lane == NULL) {
            bench_fail("out of memory");
        }
        read_next(reading);
    }
    while (http_client_turn(load->http, mono_after_ms(clock_mono(), MS_PER_S)) > 0) {
    }
    load->read.seconds = (double)(clock_mono().ns - started.ns) / (double)NS_PER_S;
    for (unsigned i = 0; i < count; i++) {
        buf_fini(&all.readings[i].span);
    }
    mem_free(all.readings);
}

static void write_sample(const struct load *load, uint64_t trace, FILE *file, struct buf *span,
                         struct buf *hex)
{
    const struct trace_state *state = &load->traces[trace];
    char id[33];
    trace_hex(load, trace, id);
    (void)fprintf(file, "%s", id);
    for (unsigned i = state->first; i < (unsigned)state->first + state->acked; i++) {
        buf_reset(span);
        buf_reset(hex);
        load->recipe.shape->span(&load->recipe, trace, i, span);
        size_t len = buf_bytes(span).len;
        if (!buf_reserve(hex, 2 * len)) {
            bench_fail("out of memory");
        }
        bytes_to_hex(buf_bytes(span), (char *)hex->ptr);
        (void)fprintf(file, " %.*s", (int)(2 * len), (const char *)hex->ptr);
    }
    (void)fputc('\n', file);
}

void readback_sample(struct load *load)
{
    FILE *file = fopen(load->options.sample, "w");
    unsigned spans = load->options.shape.trace_spans;
    uint64_t traces =
        SAMPLE_SPANS_MAX / spans < SAMPLE_TRACES ? SAMPLE_SPANS_MAX / spans + 1 : SAMPLE_TRACES;
    uint64_t step = load->traces_count / traces + 1;
    struct buf span;
    struct buf hex;
    if (file == NULL) {
        bench_fail("the sample's file cannot be written");
    }
    buf_init(&span, SHAPE_SPAN_BYTES_MAX);
    buf_init(&hex, (size_t)2 * SHAPE_SPAN_BYTES_MAX);
    for (uint64_t trace = 0; trace < load->traces_count; trace += step) {
        write_sample(load, trace, file, &span, &hex);
    }
    buf_fini(&span);
    buf_fini(&hex);
    if (fclose(file) != 0) {
        bench_fail("the sample's file cannot be written");
    }
}
