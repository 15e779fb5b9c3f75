/* Any octets as an item of VAPI's list of calls: what is made of it is one JSON object, read back as the same call. */
#include <jansson.h>

#include "api/admin/pull_report.h"
#include "api/rest/intake.h"
#include "proto/base/check.h"

#include "proto/base/banned.h"

enum { OUT_BYTES = 4 << 20 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct detail detail = {0};
    json_t *json = NULL;
    json_t *report = NULL;
    struct buf out;
    if (!err_is_ok(intake_json(bytes_of(data, size), &detail, &json))) {
        return 0;
    }
    struct pull_call call = pull_call_read(json);
    buf_init(&out, OUT_BYTES);
    if (json_is_object(json) && call.has_id) {
        err_t err = pull_report_write(json, bytes_of_text("{\"time\":1}\n"), &out);
        INVARIANT(err_is_ok(err) || err_is(err, ERR_TOO_LARGE));
        if (err_is_ok(err)) {
            INVARIANT(err_is_ok(intake_json(buf_bytes(&out), &detail, &report)));
            INVARIANT(json_is_object(report));
        }
    }
    buf_fini(&out);
    json_decref(report);
    json_decref(json);
    return 0;
}
