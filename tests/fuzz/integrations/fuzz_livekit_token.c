/* Any text as the header Authorization of a webhook. Nobody but the seed's secret has signed it, and the secret here
 * is another one: nothing may ever be taken. */
#include "api/integrations/livekit/token.h"
#include "proto/base/check.h"
#include "proto/base/match_key.h"

#include "proto/base/banned.h"

enum { ARENA_MAX = 1 << 20, HEADER_MAX = 16 << 10 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena;
    struct detail detail = {{0}};
    struct livekit_token token;
    arena_init(&arena, ARENA_MAX);
    const char *text = size > HEADER_MAX ? NULL : arena_text(&arena, bytes_of(data, size));
    err_t err = livekit_token_read(text, &arena, &detail, &token);
    if (err_is_ok(err)) {
        INVARIANT(match_value_is_valid(bytes_of_text(token.issuer)));
        err = livekit_token_check(&token, bytes_of_text("a secret that signed nothing"),
                                  bytes_of_text("{}"), (struct unix_ns){1790000000 * NS_PER_S},
                                  &detail);
    }
    INVARIANT(err_is(err, ERR_BAD_KEY) && detail.text[0] != '\0');
    arena_fini(&arena);
    return 0;
}
