#include "api/http/key_store.h"

#include "schema/db.h"

#include "proto/base/banned.h"

err_t key_store_find(struct db *db, const struct key_hash *hash, struct detail *detail,
                     struct key_facts *ret_facts)
{
    struct db_rows *rows = NULL;
    struct db_value value = db_bytes(bytes_of(hash->b, sizeof hash->b));
    TRY(db_run(db, STMT_KEY_FIND, &value, 1, detail, &rows));
    struct key_facts facts = {0};
    if (db_next(rows)) {
        facts = (struct key_facts){
            .is_valid = true,
            .project = db_get_uuid(rows, 0),
            .key = db_get_uuid(rows, 1),
            .scopes = (unsigned)db_get_int(rows, 2),
        };
    }
    db_rows_free(rows);
    *ret_facts = facts;
    return OK;
}
