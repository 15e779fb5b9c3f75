/* Any octets as the token of an upload. Under a hash that nobody has used none is good. */
#include "api/integrations/observer/upload.h"
#include "proto/base/check.h"

#include "proto/base/banned.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct key_hash hash = {{0xc3, 0x5a}};
    struct upload_token token;
    bool is_good = true;
    if (upload_token_read(bytes_of(data, size), &token)) {
        INVARIANT(err_is_ok(upload_token_check(&token, &hash, &is_good)) && !is_good);
    }
    return 0;
}
