#include "tests/unit/expect.h"

#include <stdlib.h>

#include "tests/unit/otlp/make.h"

enum { BYTES_MAX = 256 << 20 };

void make_init(struct make *make)
{
    *make = (struct make){0};
    buf_init(&make->out, BYTES_MAX);
}

void make_fini(struct make *make)
{
    buf_fini(&make->out);
}

void make_reset(struct make *make)
{
    buf_reset(&make->out);
    make->depth = 0;
}

struct bytes make_bytes(const struct make *make)
{
    assert_int_equal(make->depth, 0);
    EXPECT_OK(buf_err(&make->out));
    return buf_bytes(&make->out);
}

void make_open(struct make *make, uint32_t number)
{
    assert_true(make->depth < MAKE_DEPTH_MAX);
    wire_put_tag(&make->out, number, WIRE_BYTES);
    make->open[make->depth++] = wire_open(&make->out, 1);
}

void make_close(struct make *make)
{
    wire_close(&make->out, make->open[--make->depth], 1, false);
}

void make_text(struct make *make, uint32_t number, const char *text)
{
    wire_put_bytes(&make->out, number, bytes_of_text(text));
}

void make_attribute_bytes(struct make *make, uint32_t number, struct bytes key, struct bytes text)
{
    make_open(make, number);
    wire_put_bytes(&make->out, 1, key);
    make_open(make, 2);
    wire_put_bytes(&make->out, 1, text);
    make_close(make);
    make_close(make);
}

void make_attribute(struct make *make, uint32_t number, const char *key, const char *text)
{
    make_attribute_bytes(make, number, bytes_of_text(key), bytes_of_text(text));
}

void make_attribute_bool(struct make *make, uint32_t number, const char *key, bool value)
{
    make_open(make, number);
    make_text(make, 1, key);
    make_open(make, 2);
    wire_put_u64(&make->out, 2, value);
    make_close(make);
    make_close(make);
}

void make_attribute_int(struct make *make, uint32_t number, const char *key, int64_t value)
{
    make_open(make, number);
    make_text(make, 1, key);
    make_open(make, 2);
    wire_put_u64(&make->out, 3, (uint64_t)value);
    make_close(make);
    make_close(make);
}

void make_attribute_deep(struct make *make, uint32_t number, const char *key, unsigned depth)
{
    /* From the inside out: AnyValue(text), then AnyValue(array(values: the one before)). */
    struct buf inner;
    struct buf outer;
    buf_init(&inner, BYTES_MAX);
    buf_init(&outer, BYTES_MAX);
    wire_put_bytes(&inner, 1, bytes_of_text("x"));
    for (unsigned i = 1; i < depth; i++) {
        size_t array = 1 + wire_varint_bytes(buf_bytes(&inner).len) + buf_bytes(&inner).len;
        buf_reset(&outer);
        wire_put_head(&outer, 5, array);
        wire_put_bytes(&outer, 1, buf_bytes(&inner));
        buf_reset(&inner);
        buf_add(&inner, buf_bytes(&outer));
    }
    make_open(make, number);
    make_text(make, 1, key);
    wire_put_bytes(&make->out, 2, buf_bytes(&inner));
    make_close(make);
    buf_fini(&inner);
    buf_fini(&outer);
}

void make_frame(struct make *make, const char *service, const char *scope)
{
    make_open(make, 1);
    make_open(make, 1);
    make_attribute(make, 1, "service.name", service);
    make_close(make);
    make_open(make, 2);
    make_open(make, 1);
    make_text(make, 1, scope);
    make_close(make);
}

void make_span(struct make *make, uint8_t trace, uint8_t span, const char *name)
{
    uint8_t trace_id[16] = {[15] = trace};
    uint8_t span_id[8] = {[7] = span};
    make_open(make, 2);
    wire_put_bytes(&make->out, 1, bytes_of(trace_id, sizeof trace_id));
    wire_put_bytes(&make->out, 2, bytes_of(span_id, sizeof span_id));
    make_text(make, 5, name);
    wire_put_fixed64(&make->out, 7, 1000 + span);
    wire_put_fixed64(&make->out, 8, 2000 + span);
}

void *made_new(size_t bytes, size_t arena_bytes)
{
    struct made *made = calloc(1, bytes);
    assert_non_null(made);
    make_init(&made->make);
    arena_init(&made->arena, arena_bytes);
    return made;
}

void made_free(void *fixture)
{
    struct made *made = fixture;
    make_fini(&made->make);
    arena_fini(&made->arena);
    free(made);
}
