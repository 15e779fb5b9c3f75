#include "api/integrations/vapi/store.h"

#include <stdio.h>

#include "proto/base/check.h"
#include "schema/db.h"

#include "proto/base/banned.h"

enum { PATH_BYTES = 4096 };

struct bytes vapi_row_name(struct uuid project, struct uuid id, char room[VAPI_ROW_NAME_BYTES])
{
    char text[2][UUID_TEXT_BYTES];
    uuid_to_text(project, text[0]);
    uuid_to_text(id, text[1]);
    int len = snprintf(room, VAPI_ROW_NAME_BYTES, "vapi_credential %s %s", text[0], text[1]);
    INVARIANT(len > 0 && len < VAPI_ROW_NAME_BYTES);
    return bytes_of(room, (size_t)len);
}

/* The present row: project, sealed secret or NULL, path or NULL, settings. */
static FALLIBLE credential_read(const struct db_rows *rows, const struct secret_key *key,
                                struct uuid id, struct detail *detail,
                                struct vapi_credential *ret_credential)
{
    char room[VAPI_ROW_NAME_BYTES];
    char path[PATH_BYTES] = "";
    bool is_file = !db_is_null(rows, 2);
    struct bytes sealed = is_file ? bytes_of(NULL, 0) : db_get_bytes(rows, 1);
    ret_credential->project = db_get_uuid(rows, 0);
    if (is_file) {
        struct bytes text = db_get_bytes(rows, 2);
        (void)snprintf(path, sizeof path, "%.*s", (int)text.len, (const char *)text.ptr);
    }
    TRY(vapi_signing_read(db_get_bytes(rows, 3), detail, &ret_credential->signing));
    return secret_get(key, vapi_row_name(ret_credential->project, id, room), sealed,
                      is_file ? path : NULL, detail, &ret_credential->secret);
}

err_t vapi_credential_find(struct db *db, const struct secret_key *key, struct uuid id,
                           struct detail *detail, struct vapi_credential *ret_credential)
{
    struct db_rows *rows = NULL;
    struct db_value value = db_uuid(&id);
    TRY(db_run(db, STMT_VAPI_CREDENTIAL_FIND, &value, 1, detail, &rows));
    err_t err =
        db_next(rows) ? credential_read(rows, key, id, detail, ret_credential) : FAIL(NOT_FOUND);
    db_rows_free(rows);
    return err;
}

err_t vapi_is_selected(struct db *db, struct uuid project, const struct vapi_report *report,
                       struct arena *arena, struct detail *detail, bool *ret_is_selected)
{
    struct db_rows *rows = NULL;
    struct db_value values[2] = {db_uuid(&project)};
    struct db_value *ids = arena_zero(arena, report->assistants_count + 1, sizeof *ids);
    size_t count = 0;
    if (ids == NULL) {
        return FAIL(NO_SPACE);
    }
    for (size_t i = 0; i < report->assistants_count; i++) {
        struct bytes id = report->assistants[i].id;
        if (id.len > 0 && memchr(id.ptr, '\0', id.len) == NULL) {
            ids[count++] = db_text(id);
        }
    }
    TRY(db_array(arena, DB_TYPE_TEXT, ids, count, &values[1]));
    TRY(db_run(db, STMT_VAPI_IS_SELECTED, values, 2, detail, &rows));
    *ret_is_selected = db_next(rows) && db_get_bool(rows, 0);
    db_rows_free(rows);
    return OK;
}

err_t vapi_imported_find(struct db *db, struct uuid project, struct bytes call_id,
                         struct detail *detail, bool *ret_is_found, struct uuid *ret_call)
{
    struct db_rows *rows = NULL;
    const struct db_value values[] = {db_uuid(&project), db_int2(MATCH_KIND_VAPI),
                                      db_bytes(call_id), db_int2(CALL_PART_VAPI_REPORT)};
    TRY(db_run(db, STMT_VAPI_IMPORTED, values, 4, detail, &rows));
    *ret_is_found = db_next(rows);
    if (*ret_is_found) {
        *ret_call = db_get_uuid(rows, 0);
    }
    db_rows_free(rows);
    return OK;
}
