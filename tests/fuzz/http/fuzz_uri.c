/* Any text as a request's target: refused with a sentence, or cut into texts that are UTF-8 and hold nothing twice. */
#include "proto/base/check.h"
#include "proto/base/limits.h"
#include "proto/http/http.h"
#include "proto/http/uri.h"

#include "proto/base/banned.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void uri_check(const struct uri *uri, const char *target)
{
    INVARIANT(strlen(uri->path) <= strlen(target) + 1);
    INVARIANT(strpbrk(uri->raw_path, "?#") == NULL);
    INVARIANT(bytes_are_utf8(bytes_of_text(uri->path)));
    INVARIANT(uri->parameters_count <= URI_PARAMETERS_MAX);
    for (size_t i = 0; i < uri->parameters_count; i++) {
        INVARIANT(bytes_are_utf8(bytes_of_text(uri->parameters[i].name)));
        INVARIANT(bytes_are_utf8(bytes_of_text(uri->parameters[i].value)));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena;
    struct detail detail = {{0}};
    struct uri uri;
    arena_init(&arena, 1 << 20);
    const char *target = size > LIMIT_HEAD_BYTES ? NULL : arena_text(&arena, bytes_of(data, size));
    if (target != NULL) {
        err_t err = uri_parse(&arena, target, &detail, &uri);
        INVARIANT(uri.raw_path != NULL && uri.path != NULL);
        if (err_is_ok(err)) {
            uri_check(&uri, target);
        } else {
            INVARIANT(detail.text[0] != '\0' && err_class(err) != ERR_CLASS_INTERNAL);
        }
    }
    arena_fini(&arena);
    return 0;
}
