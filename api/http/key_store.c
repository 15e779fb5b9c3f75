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

err_t key_store_session(struct db *db, const struct session_claim *claim, int64_t now_s,
                        struct detail *detail, struct key_facts *ret_facts)
{
    struct db_rows *rows = NULL;
    struct db_value value = db_uuid(&claim->key);
    TRY(db_run(db, STMT_KEY_GET, &value, 1, detail, &rows));
    struct key_facts facts = {0};
    if (db_next(rows)) {
        struct key_hash stored = {{0}};
        struct bytes hash = db_get_bytes(rows, 2);
        if (hash.len == sizeof stored.b) {
            memcpy(stored.b, hash.ptr, sizeof stored.b);
            facts = (struct key_facts){
                .is_valid = session_is_valid(claim, &stored, now_s),
                .project = db_get_uuid(rows, 0),
                .key = claim->key,
                .scopes = (unsigned)db_get_int(rows, 1),
            };
        }
    }
    db_rows_free(rows);
    *ret_facts = facts;
    return OK;
}

err_t key_store_hash(struct db *db, struct uuid key, struct detail *detail, bool *ret_is_known,
                     struct key_hash *ret_hash)
{
    struct db_rows *rows = NULL;
    struct db_value value = db_uuid(&key);
    TRY(db_run(db, STMT_KEY_GET, &value, 1, detail, &rows));
    struct bytes hash = db_next(rows) ? db_get_bytes(rows, 2) : bytes_of(NULL, 0);
    bool is_known = hash.len == sizeof ret_hash->b;
    if (is_known) {
        memcpy(ret_hash->b, hash.ptr, sizeof ret_hash->b);
    }
    db_rows_free(rows);
    *ret_is_known = is_known;
    return OK;
}
