/* Any octets as settings, signature, time and body (four lines) of a signed message: without the secret nothing
 * passes, and settings that can be read go through their JSON. */
#include "api/integrations/vapi/signing.h"
#include "proto/base/check.h"

#include "proto/base/banned.h"

enum { LINES = 4, LINE_BYTES = 2048 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char lines[LINES][LINE_BYTES];
    size_t at = 0;
    for (size_t i = 0; i < LINES; i++) {
        size_t len = 0;
        for (; at < size && (data[at] != '\n' || i == LINES - 1); at++) {
            if (len < LINE_BYTES - 1 && data[at] != '\0') {
                lines[i][len++] = (char)data[at];
            }
        }
        lines[i][len] = '\0';
        at += at < size;
    }
    struct detail detail = {0};
    struct vapi_signing signing;
    struct vapi_signing again;
    char text[VAPI_SIGNING_JSON_BYTES];
    if (!err_is_ok(vapi_signing_read(bytes_of_text(lines[0]), &detail, &signing))) {
        return 0;
    }
    err_t err = vapi_signing_write(&signing, text);
    INVARIANT(err_is_ok(err) || err_is(err, ERR_TOO_LARGE));
    if (err_is_ok(err)) {
        INVARIANT(err_is_ok(vapi_signing_read(bytes_of_text(text), &detail, &again)));
        INVARIANT(strcmp(signing.format, again.format) == 0);
    }
    const struct vapi_signed request = {.signature = lines[1],
                                        .timestamp = lines[2],
                                        .message_id = "m",
                                        .method = "POST",
                                        .url = "https://h/p",
                                        .body = bytes_of_text(lines[3])};
    err = vapi_signing_verify(&signing, bytes_of_text("bm9ib2R5IGtub3dz"), &request,
                              (struct unix_ns){1772000000000000000}, &detail);
    INVARIANT(err_is(err, ERR_BAD_KEY) || err_is(err, ERR_BAD_VALUE));
    return 0;
}
