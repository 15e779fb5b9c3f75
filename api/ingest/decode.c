#include "api/ingest/decode.h"

#include <libdeflate.h>
#include <strings.h>

#include "proto/base/mem.h"

#include "proto/base/banned.h"

struct ingest_decoder {
    struct libdeflate_decompressor *libdeflate;
};

enum ingest_encoding ingest_encoding_of(const char *content_type)
{
    static const struct {
        const char *name;
        enum ingest_encoding encoding;
    } known[] = {{"application/x-protobuf", INGEST_ENCODING_PROTOBUF},
                 {"application/json", INGEST_ENCODING_JSON}};
    if (content_type == NULL) {
        return INGEST_ENCODING_OTHER;
    }
    content_type += strspn(content_type, " \t");
    size_t len = strcspn(content_type, "; \t,");
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (strlen(known[i].name) == len && strncasecmp(content_type, known[i].name, len) == 0) {
            return known[i].encoding;
        }
    }
    return INGEST_ENCODING_OTHER;
}

const char *ingest_content_type(enum ingest_encoding encoding)
{
    return encoding == INGEST_ENCODING_PROTOBUF ? "application/x-protobuf" : "application/json";
}

struct ingest_decoder *ingest_decoder_new(void)
{
    struct ingest_decoder *decoder = mem_zero(1, sizeof *decoder);
    if (decoder == NULL) {
        return NULL;
    }
    decoder->libdeflate = libdeflate_alloc_decompressor();
    if (decoder->libdeflate == NULL) {
        mem_free(decoder);
        return NULL;
    }
    return decoder;
}

void ingest_decoder_free(struct ingest_decoder *decoder)
{
    if (decoder != NULL) {
        libdeflate_free_decompressor(decoder->libdeflate);
        mem_free(decoder);
    }
}

/* Room for a first try: what a gzip trailer claims when that is believable, else a usual ratio. */
static size_t room_guess(struct bytes in, bool is_gzip, size_t room_max)
{
    enum { RATIO_USUAL = 8, ROOM_LEAST = 16 << 10, TRAILER = 4 };
    size_t guess = in.len > room_max / RATIO_USUAL ? room_max : in.len * RATIO_USUAL;
    if (is_gzip && in.len >= TRAILER) {
        const uint8_t *end = in.ptr + in.len - TRAILER;
        size_t claimed =
            (size_t)end[0] | (size_t)end[1] << 8 | (size_t)end[2] << 16 | (size_t)end[3] << 24;
        guess = claimed > 0 && claimed <= guess * RATIO_USUAL ? claimed : guess;
    }
    guess = guess < ROOM_LEAST ? ROOM_LEAST : guess;
    return guess < room_max ? guess : room_max;
}

/* One gzip member or zlib stream at the front of `in`; appends to `out`. */
static FALLIBLE inflate_one(struct ingest_decoder *decoder, bool is_gzip, struct bytes in,
                            struct buf *out, size_t *ret_taken)
{
    size_t have = buf_bytes(out).len;
    size_t room_max = out->max - have;
    size_t room = room_guess(in, is_gzip, room_max);
    for (;;) {
        size_t taken = 0;
        size_t written = 0;
        if (!buf_reserve(out, room)) {
            return buf_err(out);
        }
        uint8_t *to = out->ptr + have;
        enum libdeflate_result result =
            is_gzip ? libdeflate_gzip_decompress_ex(decoder->libdeflate, in.ptr, in.len, to, room,
                                                    &taken, &written)
                    : libdeflate_zlib_decompress_ex(decoder->libdeflate, in.ptr, in.len, to, room,
                                                    &taken, &written);
        if (result == LIBDEFLATE_SUCCESS) {
            buf_wrote(out, written);
            *ret_taken = taken;
            return OK;
        }
        if (result != LIBDEFLATE_INSUFFICIENT_SPACE) {
            return FAIL(MALFORMED);
        }
        if (room == room_max) {
            return FAIL(TOO_LARGE);
        }
        room = room > room_max / 4 ? room_max : room * 4;
    }
}

static FALLIBLE inflate_all(struct ingest_decoder *decoder, bool is_gzip, struct bytes in,
                            struct buf *out, struct detail *detail)
{
    const char *name = is_gzip ? "gzip" : "deflate (zlib)";
    do {
        size_t taken = 0;
        err_t err = inflate_one(decoder, is_gzip, in, out, &taken);
        if (err_is(err, ERR_TOO_LARGE)) {
            detail_set(detail, "the body inflates to more than the limit of %zu bytes", out->max);
        } else if (err_is(err, ERR_MALFORMED)) {
            detail_set(detail, "the body is not valid %s", name);
        }
        TRY(err);
        in = bytes_of(in.ptr + taken, in.len - taken);
    } while (is_gzip && in.len > 0);
    if (in.len > 0) {
        detail_set(detail, "%zu bytes follow the end of the %s data", in.len, name);
        return FAIL(MALFORMED);
    }
    return OK;
}

err_t ingest_inflate(struct ingest_decoder *decoder, const char *content_encoding,
                     struct bytes body, struct buf *out, struct detail *detail,
                     struct bytes *ret_body)
{
    if (content_encoding == NULL || content_encoding[0] == '\0' ||
        strcasecmp(content_encoding, "identity") == 0) {
        *ret_body = body;
        return OK;
    }
    bool is_gzip =
        strcasecmp(content_encoding, "gzip") == 0 || strcasecmp(content_encoding, "x-gzip") == 0;
    if (!is_gzip && strcasecmp(content_encoding, "deflate") != 0) {
        detail_set(detail, "Content-Encoding %.40s is not supported: use gzip, deflate or identity",
                   content_encoding);
        return FAIL(BAD_VALUE);
    }
    TRY(inflate_all(decoder, is_gzip, body, out, detail));
    *ret_body = buf_bytes(out);
    return OK;
}
