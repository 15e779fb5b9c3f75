#include "tests/unit/voice/recorded.h"

#include <stdio.h>

#include "proto/otlp/json.h"
#include "tests/unit/expect.h"

#include "proto/base/banned.h"

enum { FILE_BYTES_MAX = 1 << 20, TRACES_MAX = 128 };

static void file_read(const char *name, struct buf *out)
{
    char path[256];
    uint8_t chunk[4096];
    size_t got = 0;
    (void)snprintf(path, sizeof path, "tests/unit/voice/recorded/%s.json", name);
    FILE *file = fopen(path, "re");
    assert_non_null(file);
    while ((got = fread(chunk, 1, sizeof chunk, file)) > 0) {
        buf_add(out, bytes_of(chunk, got));
    }
    (void)fclose(file);
    EXPECT_OK(buf_err(out));
}

/* A call may have several traces, and a view shows one: each span goes to that of its trace. */
static size_t trace_number(struct trace_id *traces, size_t *count, struct trace_id id)
{
    for (size_t i = 0; i < *count; i++) {
        if (trace_id_equal(traces[i], id)) {
            return i;
        }
    }
    assert_true(*count < TRACES_MAX);
    traces[*count] = id;
    return (*count)++;
}

void recorded_read(const char *name, struct arena *arena, struct turns_span **ret_spans,
                   size_t *ret_count)
{
    struct buf json;
    struct buf wire;
    struct view view;
    struct detail detail = {.text = ""};
    struct json_rejected rejected = {0};
    struct trace_id traces[TRACES_MAX];
    size_t traces_count = 0;
    struct bytes raw;
    buf_init(&json, FILE_BYTES_MAX);
    buf_init(&wire, FILE_BYTES_MAX);
    file_read(name, &json);
    EXPECT_OK(json_to_protobuf(buf_bytes(&json), &wire, &detail, &rejected));
    assert_int_equal(rejected.spans_count, 0);
    EXPECT_OK(arena_copy(arena, buf_bytes(&wire), &raw));
    EXPECT_OK(view_open(&raw, 1, arena, &view));
    EXPECT_OK(voice_spans_read(&view, 1, arena, ret_spans, ret_count));
    for (size_t i = 0; i < *ret_count; i++) {
        (*ret_spans)[i].trace = (uint32_t)trace_number(traces, &traces_count, view.spans[i].trace);
    }
    buf_fini(&json);
    buf_fini(&wire);
}
