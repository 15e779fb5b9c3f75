/* Any octets as a compressed body, the first octet choosing the encoding: never more than the bound comes out, and what
 * comes out comes out again. */
#include "api/ingest/decode.h"
#include "proto/base/check.h"
#include "proto/http/coding.h"

#include "proto/base/banned.h"

enum { OUT_MAX = 1 << 20 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const encodings[] = {"gzip", "deflate", "identity", "x-gzip", "br", NULL};
    struct inflater *inflater = inflater_new();
    PRE(inflater != NULL);
    if (size > 0) {
        struct buf out;
        struct buf again;
        struct detail detail = {{0}};
        struct bytes body = {0};
        struct bytes same = {0};
        struct bytes packed = bytes_of(data + 1, size - 1);
        const char *encoding = encodings[data[0] % (sizeof encodings / sizeof encodings[0])];
        buf_init(&out, OUT_MAX);
        buf_init(&again, OUT_MAX);
        err_t err = ingest_inflate(inflater, encoding, packed, &out, &detail, &body);
        if (err_is_ok(err)) {
            INVARIANT(body.len <= OUT_MAX || body.ptr == packed.ptr);
            err = ingest_inflate(inflater, encoding, packed, &again, &detail, &same);
            INVARIANT(err_is_ok(err) && bytes_equal(body, same));
        } else {
            INVARIANT(detail.text[0] != '\0' || err_is(err, ERR_MEMORY));
        }
        buf_fini(&out);
        buf_fini(&again);
    }
    inflater_free(inflater);
    return 0;
}
