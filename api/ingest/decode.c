#include "api/ingest/decode.h"

#include <strings.h>

#include "proto/base/banned.h"

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

static FALLIBLE inflate_all(struct inflater *inflater, enum coding_format format, struct bytes in,
                            struct buf *out, struct detail *detail)
{
    const char *name = format == CODING_GZIP ? "gzip" : "deflate (zlib)";
    do {
        size_t taken = 0;
        err_t err = inflater_run(inflater, format, in, out, &taken);
        if (err_is(err, ERR_TOO_LARGE)) {
            detail_set(detail, "the body inflates to more than the limit of %zu bytes", out->max);
        } else if (err_is(err, ERR_MALFORMED)) {
            detail_set(detail, "the body is not valid %s", name);
        }
        TRY(err);
        in = bytes_of(in.ptr + taken, in.len - taken);
    } while (format == CODING_GZIP && in.len > 0);
    if (in.len > 0) {
        detail_set(detail, "%zu bytes follow the end of the %s data", in.len, name);
        return FAIL(MALFORMED);
    }
    return OK;
}

err_t ingest_inflate(struct inflater *inflater, const char *content_encoding, struct bytes body,
                     struct buf *out, struct detail *detail, struct bytes *ret_body)
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
    TRY(inflate_all(inflater, is_gzip ? CODING_GZIP : CODING_ZLIB, body, out, detail));
    *ret_body = buf_bytes(out);
    return OK;
}
