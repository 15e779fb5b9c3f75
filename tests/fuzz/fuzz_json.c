/* Any octets as an OTLP/JSON export: what the conversion accepts, the checker accepts too, and the scan takes
 * what comes out. */
#include "proto/base/check.h"
#include "proto/base/limits.h"
#include "proto/otlp/json.h"
#include "proto/otlp/jsonread.h"
#include "proto/otlp/scan.h"

#include "proto/base/banned.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct buf out;
    struct arena arena;
    struct detail detail = {{0}};
    struct json_rejected rejected;
    struct scan_options options = {.project = {{1}}};
    struct scan_result result;
    struct bytes json = bytes_of(data, size);
    buf_init(&out, LIMIT_BODY_BYTES);
    arena_init(&arena, LIMIT_SCAN_BYTES);
    err_t err = json_to_protobuf(json, &out, &detail, &rejected);
    INVARIANT(err_is_ok(err) || detail.text[0] != '\0');
    err_t checked = jsonread_check(json, LIMIT_OTLP_JSON_DEPTH, &detail);
    if (err_is_ok(err)) {
        INVARIANT(err_is_ok(checked));
        err = scan_export(&options, buf_bytes(&out), &arena, &detail, &result);
        INVARIANT(err_is_ok(err) || err_class(err) == ERR_CLASS_LIMIT);
    }
    arena_fini(&arena);
    buf_fini(&out);
    return 0;
}
