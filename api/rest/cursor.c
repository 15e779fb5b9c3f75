#include "api/rest/cursor.h"

#include <gnutls/gnutls.h>
#include <jansson.h>

#include "proto/base/banned.h"

const char *cursor_write(const struct cursor *cursor, struct arena *arena)
{
    json_t *json =
        json_pack("{s:s%, s:s%}", "sortValue", (const char *)cursor->sort_value.ptr,
                  cursor->sort_value.len, "id", (const char *)cursor->id.ptr, cursor->id.len);
    char *dump = json == NULL ? NULL : json_dumps(json, JSON_COMPACT | JSON_ENSURE_ASCII);
    json_decref(json);
    const char *text = NULL;
    if (dump != NULL) {
        gnutls_datum_t plain = {.data = (unsigned char *)dump, .size = (unsigned)strlen(dump)};
        gnutls_datum_t coded = {0};
        if (gnutls_base64_encode2(&plain, &coded) == GNUTLS_E_SUCCESS) {
            text = arena_text(arena, bytes_of(coded.data, coded.size));
            gnutls_free(coded.data);
        }
    }
    json_free_t free_json = NULL;
    json_get_alloc_funcs(NULL, &free_json);
    if (dump != NULL) {
        free_json(dump);
    }
    return text;
}

/* A cursor that went through a URL by hand: the other alphabet, a space for a plus, no padding. */
static char *mend(const char *text, size_t len, struct arena *arena, size_t *ret_len)
{
    size_t padding = (4 - len % 4) % 4;
    char *mended = arena_alloc(arena, len + padding + 1);
    if (mended == NULL) {
        return NULL;
    }
    for (size_t i = 0; i < len; i++) {
        char c = text[i];
        if (c == '-' || c == ' ') {
            c = '+';
        } else if (c == '_') {
            c = '/';
        }
        mended[i] = c;
    }
    memset(mended + len, '=', padding);
    mended[len + padding] = '\0';
    *ret_len = len + padding;
    return mended;
}

static FALLIBLE field_read(const json_t *json, const char *name, struct arena *arena,
                           struct bytes *ret_text)
{
    const json_t *field = json_object_get(json, name);
    if (!json_is_string(field)) {
        return FAIL(BAD_VALUE);
    }
    return arena_copy(arena, bytes_of(json_string_value(field), json_string_length(field)),
                      ret_text);
}

FALLIBLE cursor_read(const char *text, struct arena *arena, struct cursor *ret_cursor)
{
    size_t len = strlen(text);
    if (len == 0 || len > CURSOR_BYTES_MAX) {
        return FAIL(BAD_VALUE);
    }
    size_t mended_len = 0;
    char *mended = mend(text, len, arena, &mended_len);
    if (mended == NULL) {
        return FAIL(NO_SPACE);
    }
    gnutls_datum_t coded = {.data = (unsigned char *)mended, .size = (unsigned)mended_len};
    gnutls_datum_t plain = {0};
    if (gnutls_base64_decode2(&coded, &plain) != GNUTLS_E_SUCCESS) {
        return FAIL(BAD_VALUE);
    }
    json_t *json = json_loadb((const char *)plain.data, plain.size,
                              JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, NULL);
    gnutls_free(plain.data);
    if (json == NULL) {
        return FAIL(BAD_VALUE);
    }
    struct cursor cursor = {0};
    err_t err = FAIL(BAD_VALUE);
    if (json_object_size(json) == 2) {
        TRY_OUT(field_read(json, "sortValue", arena, &cursor.sort_value));
        TRY_OUT(field_read(json, "id", arena, &cursor.id));
        *ret_cursor = cursor;
    }
out:
    json_decref(json);
    return err;
}
