/* Any text as the address of a log that a stranger names: a host is given only for https, and an address that is
 * written out is on the public internet or refused. */
#include "api/integrations/address.h"
#include "api/integrations/fetch.h"
#include "proto/base/arena.h"
#include "proto/base/check.h"

#include "proto/base/banned.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena;
    struct detail detail = {{0}};
    char host[FETCH_HOST_BYTES_MAX] = {0};
    arena_init(&arena, 1 << 20);
    const char *url = arena_text(&arena, bytes_of(data, size));
    if (url != NULL) {
        err_t err = fetch_url_check(url, &detail, host);
        INVARIANT(err_is_ok(err) ? host[0] != '\0' : detail.text[0] != '\0');
        (void)address_text_may_be_public(err_is_ok(err) ? host : url);
    }
    arena_fini(&arena);
    return 0;
}
