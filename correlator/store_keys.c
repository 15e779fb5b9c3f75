/* When API keys were last used. */
#include "correlator/params.h"
#include "correlator/store.h"

#include "proto/base/banned.h"

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
    }
    TRY(params_pack(&params, values));
    return db_do(store->db, STMT_KEYS_USED, values, 3, detail, NULL);
}
