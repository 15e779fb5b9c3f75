/* scan_bench: how fast scan and segment building are, on an ordinary export and on hostile ones. Prints one line
 * per shape: octets, spans, what came of it, milliseconds, nanoseconds a span, memory of the arena.
 *
 *     scan_bench [ROUNDS] */
#include <stdio.h>
#include <stdlib.h>

#include "proto/base/check.h"
#include "proto/base/clock.h"
#include "proto/base/limits.h"
#include "proto/otlp/json.h"
#include "proto/otlp/segment.h"
#include "proto/otlp/view.h"
#include "proto/otlp/wire.h"

#include "proto/base/banned.h"

enum { BODY_MAX = LIMIT_BODY_BYTES };

struct made {
    struct buf out;
    size_t open[16];
    unsigned depth;
};

static void begin(struct made *made, uint32_t number)
{
    wire_put_tag(&made->out, number, WIRE_BYTES);
    made->open[made->depth++] = wire_open(&made->out, 4);
}

static void end(struct made *made)
{
    wire_close(&made->out, made->open[--made->depth], 4, true);
}

static void text(struct made *made, uint32_t number, const char *value)
{
    wire_put_bytes(&made->out, number, bytes_of_text(value));
}

static void attribute(struct made *made, uint32_t number, const char *key, const char *value)
{
    size_t inner = wire_bytes_size(strlen(value));
    wire_put_head(&made->out, number, wire_bytes_size(strlen(key)) + wire_bytes_size(inner));
    text(made, 1, key);
    wire_put_head(&made->out, 2, inner);
    text(made, 1, value);
}

static void span_ids(struct made *made, uint32_t trace, uint32_t span)
{
    uint8_t trace_id[16] = {1};
    uint8_t span_id[8] = {1};
    memcpy(trace_id + 8, &trace, sizeof trace);
    memcpy(span_id + 4, &span, sizeof span);
    wire_put_bytes(&made->out, 1, bytes_of(trace_id, sizeof trace_id));
    wire_put_bytes(&made->out, 2, bytes_of(span_id, sizeof span_id));
}

static bool is_room_left(const struct made *made)
{
    return buf_bytes(&made->out).len < BODY_MAX - 4096;
}

static void ordinary(struct made *made, unsigned spans, unsigned traces)
{
    static const char *const names[] = {"agent_turn", "llm_node", "llm_request", "tts_node",
                                        "function_tool"};
    begin(made, 1);
    begin(made, 1);
    attribute(made, 1, "service.name", "voice-agent");
    attribute(made, 1, "livekit.room.id", "RM_abcdefghijkl");
    end(made);
    begin(made, 2);
    begin(made, 1);
    text(made, 1, "livekit-agents");
    end(made);
    for (uint32_t i = 0; i < spans; i++) {
        char value[64];
        begin(made, 2);
        span_ids(made, i % traces, i + 1);
        text(made, 5, names[i % 5]);
        wire_put_fixed64(&made->out, 7, 1700000000000000000u + i);
        wire_put_fixed64(&made->out, 8, 1700000000000000000u + 2 * i);
        attribute(made, 9, "gen_ai.operation.name", "chat");
        attribute(made, 9, "gen_ai.request.model", "gpt-4o-mini");
        attribute(made, 9, "gen_ai.provider.name", "openai");
        (void)snprintf(value, sizeof value, "speech_%u", i);
        attribute(made, 9, "lk.speech_id", value);
        attribute(made, 9, "lk.generation_id", value);
        attribute(made, 9, "lk.interrupted", "false");
        attribute(made, 9, "lk.pii.response.text",
                  "Certainly, I can help you with that; let me look up the details of the order "
                  "for you.");
        attribute(made, 9, "lk.function_tools", "[\"lookup\",\"transfer\"]");
        wire_put_fixed32(&made->out, 16, 257);
        end(made);
    }
    end(made);
    end(made);
}

static void empty_attributes(struct made *made)
{
    begin(made, 1);
    begin(made, 2);
    begin(made, 2);
    span_ids(made, 1, 1);
    while (is_room_left(made)) {
        wire_put_head(&made->out, 9, 0);
    }
    end(made);
    end(made);
    end(made);
}

static void distinct_keys(struct made *made)
{
    begin(made, 1);
    begin(made, 2);
    for (uint32_t span = 1; is_room_left(made) && span < LIMIT_SPANS_PER_EXPORT; span++) {
        begin(made, 2);
        span_ids(made, 1, span);
        for (unsigned i = 0; i < 40; i++) {
            char key[32];
            (void)snprintf(key, sizeof key, "k%u.%u", span, i);
            attribute(made, 9, key, "v");
        }
        end(made);
    }
    end(made);
    end(made);
}

static void rich_resource_many_traces(struct made *made, unsigned traces)
{
    begin(made, 1);
    begin(made, 1);
    for (unsigned i = 0; i < 1024; i++) {
        char key[32];
        (void)snprintf(key, sizeof key, "key%u", i);
        attribute(made, 1, key, "v");
    }
    end(made);
    begin(made, 2);
    for (uint32_t i = 1; i <= traces; i++) {
        begin(made, 2);
        span_ids(made, i, i);
        end(made);
    }
    end(made);
    end(made);
}

static void many_keys_many_traces(struct made *made, unsigned traces)
{
    begin(made, 1);
    begin(made, 1);
    for (unsigned i = 0; i < 2000; i++) {
        char value[32];
        (void)snprintf(value, sizeof value, "value%u", i);
        attribute(made, 1, "roark.external_id", value);
    }
    end(made);
    begin(made, 2);
    for (uint32_t i = 1; i <= traces; i++) {
        begin(made, 2);
        span_ids(made, i, i);
        end(made);
    }
    end(made);
    end(made);
}

static void many_resources_many_traces(struct made *made)
{
    for (uint32_t resource = 0; resource < 300; resource++) {
        begin(made, 1);
        begin(made, 1);
        for (unsigned i = 0; i < 30; i++) {
            char key[32];
            (void)snprintf(key, sizeof key, "key%u", i);
            attribute(made, 1, key, "value of the resource");
        }
        end(made);
        begin(made, 2);
        for (uint32_t i = 1; i <= 300; i++) {
            begin(made, 2);
            span_ids(made, i, i + 1000 * resource);
            end(made);
        }
        end(made);
        end(made);
    }
}

static void measure(const char *name, struct made *made, unsigned rounds)
{
    struct scan_options options = {.project = {{1}}};
    struct segment_builder *builder = segment_builder_new(SEGMENT_EFFORT_INGEST);
    struct arena arena;
    struct bytes body = buf_bytes(&made->out);
    int64_t scan_ns = 0;
    int64_t build_ns = 0;
    size_t spans = 0;
    size_t traces = 0;
    size_t packed = 0;
    size_t arena_bytes = 0;
    err_t err = OK;
    INVARIANT(builder != NULL && err_is_ok(buf_err(&made->out)));
    arena_init(&arena, LIMIT_SCAN_BYTES);
    for (unsigned i = 0; i < rounds; i++) {
        struct scan_result result = {0};
        struct detail detail;
        arena_reset(&arena);
        struct mono_ns start = clock_mono();
        err = scan_export(&options, body, &arena, &detail, &result);
        struct mono_ns middle = clock_mono();
        arena_bytes = arena_bytes_used(&arena);
        packed = 0;
        for (size_t t = 0; err_is_ok(err) && t < result.traces_count; t++) {
            err = segment_build(builder, &result, t, &arena);
            packed += result.traces[t].segment.len;
        }
        build_ns += clock_mono().ns - middle.ns;
        scan_ns += middle.ns - start.ns;
        spans = result.spans_count;
        traces = result.traces_count;
    }
    double per_span = spans == 0 ? 0 : 1.0 / (double)rounds / (double)spans;
    printf(
        "%-28s %9zu octets %6zu spans %6zu traces %-9s scan %8.2f ms %7.0f ns/span, build %8.2f ms "
        "%7.0f ns/span, %zu octets, arena %.1f MiB\n",
        name, body.len, spans, traces, err_name(err), (double)scan_ns / rounds / 1e6,
        (double)scan_ns * per_span, (double)build_ns / rounds / 1e6, (double)build_ns * per_span,
        packed, (double)arena_bytes / 1048576);
    arena_fini(&arena);
    segment_builder_free(builder);
    buf_reset(&made->out);
}

int main(int argc, char **argv)
{
    unsigned rounds = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : 1000;
    struct made made = {0};
    buf_init(&made.out, BODY_MAX + (1 << 20));
    ordinary(&made, 512, 1);
    measure("512 spans, 1 trace", &made, rounds);
    ordinary(&made, 512, 11);
    measure("512 spans, 11 traces", &made, rounds);
    ordinary(&made, 8, 1);
    measure("8 spans, 1 trace", &made, rounds * 10);
    ordinary(&made, 8192, 400);
    measure("8192 spans, 400 traces", &made, rounds / 20 + 1);
    ordinary(&made, 100000, 100000);
    measure("100000 spans and traces", &made, 1);
    empty_attributes(&made);
    measure("empty attributes", &made, 1);
    distinct_keys(&made);
    measure("distinct keys", &made, 1);
    rich_resource_many_traces(&made, 2000);
    measure("1024 attributes x 2000", &made, 1);
    rich_resource_many_traces(&made, 99999);
    measure("1024 attributes x 99999", &made, 1);
    many_keys_many_traces(&made, 2000);
    measure("1024 keys x 2000", &made, 1);
    many_keys_many_traces(&made, 99999);
    measure("1024 keys x 99999", &made, 1);
    many_resources_many_traces(&made);
    measure("300 resources x 300", &made, 1);
    buf_fini(&made.out);
    return 0;
}
