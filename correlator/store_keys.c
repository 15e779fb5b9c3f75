/* API keys: when they were last used, and what the pages change about them. */
#include "correlator/core/text.h"
#include "correlator/params.h"
#include "correlator/store.h"

#include "proto/base/banned.h"

static void key_news(struct store *store, struct uuid project)
{
    store_news(store, &(struct bus_announcement){.project = project, .what = ANNOUNCE_KEY});
}

/* Of two refusals the later stays, whichever comes first. */
static FALLIBLE keys_refused(struct store *store, const struct bus_message *message,
                             struct detail *detail)
{
    static const enum db_type types[] = {DB_TYPE_UUID, DB_TYPE_UUID, DB_TYPE_TIME,
                                         DB_TYPE_INT4, DB_TYPE_TEXT, DB_TYPE_TEXT};
    struct params params;
    struct db_value values[6];
    TRY(params_init(&params, &store->work, types, 6, message->key_use.count));
    for (size_t i = 0; i < message->key_use.count; i++) {
        const struct bus_key_used *used = &message->key_use.used[i];
        struct bytes path = {0};
        struct bytes text = {0};
        if (used->refused_status == 0) {
            continue;
        }
        TRY(text_for_summary(used->refused_path, &store->work, &path));
        TRY(text_for_summary(used->refused_text, &store->work, &text));
        params_row(&params, (struct db_value[]){db_uuid(&used->project), db_uuid(&used->key),
                                                db_time(used->refused),
                                                db_int4((int32_t)used->refused_status),
                                                db_text(path), db_text(text)});
    }
    if (params.rows == 0) {
        return OK;
    }
    TRY(params_pack(&params, values));
    return db_do(store->db, STMT_KEYS_REFUSED, values, 6, detail, NULL);
}

err_t store_key_use(struct store *store, const struct bus_message *message, struct detail *detail)
{
    static const enum db_type types[] = {DB_TYPE_UUID, DB_TYPE_UUID, DB_TYPE_TIME};
    TRY(store_begin(store, detail));
    struct params params;
    struct db_value values[3];
    TRY(params_init(&params, &store->work, types, 3, message->key_use.count));
    for (size_t i = 0; i < message->key_use.count; i++) {
        const struct bus_key_used *used = &message->key_use.used[i];
        params_row(&params, (struct db_value[]){db_uuid(&used->project), db_uuid(&used->key),
                                                db_time(used->at)});
        key_news(store, used->project);
    }
    TRY(params_pack(&params, values));
    TRY(db_do(store->db, STMT_KEYS_USED, values, 3, detail, NULL));
    return keys_refused(store, message, detail);
}

/* *ret_count is 1 if the message's key is there. It is locked: as that is written, the answer waits until what made
 * the key has reached a synchronous standby (store_calls.c, known_is_durable). */
static FALLIBLE key_is_there(struct store *store, const struct bus_key_change *change,
                             struct detail *detail, size_t *ret_count)
{
    struct db_rows *rows = NULL;
    const struct db_value values[] = {db_uuid(&change->project), db_uuid(&change->key)};
    TRY(db_run(store->db, STMT_KEY_IS_THERE, values, 2, detail, &rows));
    *ret_count = db_rows_count(rows);
    db_rows_free(rows);
    return OK;
}

/* The same message twice makes one key. */
static FALLIBLE key_add(struct store *store, const struct bus_key_change *change,
                        struct detail *detail, size_t *ret_affected)
{
    struct bytes name = {0};
    struct bytes hint = {0};
    TRY(text_for_summary(change->name, &store->work, &name));
    TRY(text_for_summary(change->hint, &store->work, &hint));
    const struct db_value values[] = {db_uuid(&change->project),
                                      db_uuid(&change->key),
                                      db_text(name),
                                      db_text(hint),
                                      db_bytes(bytes_of(change->hash, sizeof change->hash)),
                                      db_int4((int32_t)change->scopes),
                                      db_uuid(&change->by),
                                      db_time(change->at)};
    TRY(db_do(store->db, STMT_KEY_ADD_BY, values, 8, detail, ret_affected));
    return *ret_affected > 0 ? OK : key_is_there(store, change, detail, ret_affected);
}

/* *ret_affected is 0 when there is no such key that works; the same message twice is fine. */
static FALLIBLE key_rotate(struct store *store, const struct bus_key_change *change,
                           struct detail *detail, size_t *ret_affected)
{
    struct bytes hint = {0};
    TRY(text_for_summary(change->hint, &store->work, &hint));
    const struct db_value values[] = {db_uuid(&change->project),
                                      db_uuid(&change->key),
                                      db_text(hint),
                                      db_bytes(bytes_of(change->hash, sizeof change->hash)),
                                      db_uuid(&change->by),
                                      db_time(change->at),
                                      db_uuid(&change->replaces),
                                      db_time(change->ends)};
    TRY(db_do(store->db, STMT_KEY_ROTATE, values, 8, detail, ret_affected));
    return *ret_affected > 0 ? OK : key_is_there(store, change, detail, ret_affected);
}

err_t store_key_change(struct store *store, const struct bus_key_change *change,
                       struct detail *detail, struct bus_reply *ret_reply)
{
    size_t affected = 0;
    const struct db_value values[] = {db_uuid(&change->project), db_uuid(&change->key),
                                      db_uuid(&change->by), db_time(change->at)};
    TRY(store_begin(store, detail));
    if (change->is_revoked) {
        TRY(db_do(store->db, STMT_KEY_REVOKE_BY, values, 4, detail, &affected));
    } else if (change->is_rotated) {
        TRY(key_rotate(store, change, detail, &affected));
    } else {
        TRY(key_add(store, change, detail, &affected));
    }
    *ret_reply = (struct bus_reply){.outcome = BUS_OUTCOME_ACCEPTED, .created = change->at};
    if (affected > 0) {
        ret_reply->conversation = change->key;
        key_news(store, change->project);
    }
    return OK;
}
