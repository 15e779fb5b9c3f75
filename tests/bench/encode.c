#include "tests/bench/encode.h"

#include <libdeflate.h>

#include "proto/base/check.h"
#include "proto/base/mem.h"
#include "proto/otlp/view.h"

#include "proto/base/banned.h"

enum { GZIP_LEVEL = 6 }; /* zlib's usual one, as exporters have it */
enum { ARENA_BYTES_MAX = 1 << 30, BODY_BYTES_MAX = 256 << 20 };

struct encoder {
    enum encoding encoding;
    struct libdeflate_compressor *gzip;
    struct arena arena;
    struct buf text; /* of any length, to be copied from */
};

struct encoder *encoder_new(enum encoding encoding)
{
    struct encoder *encoder = mem_zero(1, sizeof(*encoder));
    if (encoder == NULL) {
        return NULL;
    }
    encoder->encoding = encoding;
    encoder->gzip = libdeflate_alloc_compressor(GZIP_LEVEL);
    if (encoder->gzip == NULL) {
        mem_free(encoder);
        return NULL;
    }
    arena_init(&encoder->arena, ARENA_BYTES_MAX);
    buf_init(&encoder->text, BODY_BYTES_MAX);
    return encoder;
}

void encoder_free(struct encoder *encoder)
{
    if (encoder != NULL) {
        libdeflate_free_compressor(encoder->gzip);
        arena_fini(&encoder->arena);
        buf_fini(&encoder->text);
        mem_free(encoder);
    }
}

const char *encoder_type(const struct encoder *encoder)
{
    return encoder->encoding == ENCODING_JSON ? "application/json" : "application/x-protobuf";
}

const char *encoder_content(const struct encoder *encoder)
{
    return encoder->encoding == ENCODING_GZIP ? "gzip" : NULL;
}

static FALLIBLE write_json(struct encoder *encoder, struct bytes protobuf)
{
    struct view view;
    arena_reset(&encoder->arena);
    TRY(view_open(&protobuf, 1, &encoder->arena, &view));
    TRY(view_json(&view, &encoder->arena, &encoder->text));
    return buf_err(&encoder->text);
}

static FALLIBLE write_gzip(struct encoder *encoder, struct bytes protobuf)
{
    size_t room = libdeflate_gzip_compress_bound(encoder->gzip, protobuf.len);
    if (!buf_reserve(&encoder->text, room)) {
        return buf_err(&encoder->text);
    }
    /* The buffer is empty, so its start is where the reserved room is. */
    buf_wrote(&encoder->text, libdeflate_gzip_compress(encoder->gzip, protobuf.ptr, protobuf.len,
                                                       encoder->text.ptr, room));
    return OK;
}

FALLIBLE encoder_write(struct encoder *encoder, struct bytes protobuf, struct buf *out)
{
    struct bytes body = protobuf;
    buf_reset(&encoder->text);
    switch (encoder->encoding) {
    case ENCODING_PROTOBUF:
        break;
    case ENCODING_JSON:
        TRY(write_json(encoder, protobuf));
        body = buf_bytes(&encoder->text);
        break;
    case ENCODING_GZIP:
        TRY(write_gzip(encoder, protobuf));
        body = buf_bytes(&encoder->text);
        break;
    }
    buf_fini(out);
    buf_init(out, body.len);
    buf_add(out, body);
    return buf_err(out);
}
