#include "tests/unit/api/fake_db.h"

#include <stdlib.h>

#include "api/http/key_store.h"
#include "api/http/key_text.h"
#include "schema/db.h"

#include "proto/base/banned.h"

enum { KEYS_MAX = 8 };

struct db {
    bool is_connected;
    const struct db_options *options;
};

static struct {
    char text[64];
    unsigned scopes;
    _Atomic bool is_revoked;
} keys[KEYS_MAX];
static size_t keys_count;

_Atomic bool fake_db_is_away;
_Atomic int fake_db_tries;
_Atomic int fake_key_asked;
_Atomic int fake_key_ask_ms;

err_t db_new(const struct db_options *options, struct db **ret_db)
{
    struct db *db = calloc(1, sizeof *db);
    if (db == NULL) {
        return FAIL(MEMORY);
    }
    db->options = options;
    *ret_db = db;
    return OK;
}

void db_free(struct db *db)
{
    free(db);
}

bool db_is_connected(const struct db *db)
{
    return db->is_connected;
}

err_t db_ready(struct db *db, struct detail *detail, bool *ret_is_new)
{
    if (!db->is_connected) {
        atomic_fetch_add(&fake_db_tries, 1);
    }
    db->is_connected = !atomic_load(&fake_db_is_away);
    if (ret_is_new != NULL) {
        *ret_is_new = false;
    }
    if (!db->is_connected) {
        detail_set(detail, "the fake Postgres is away");
        return FAIL(DB_AWAY);
    }
    return OK;
}

void fake_key_add(const char *text, unsigned scopes)
{
    if (keys_count < KEYS_MAX) {
        size_t len = strlen(text);
        memcpy(keys[keys_count].text, text, len + 1);
        keys[keys_count].scopes = scopes;
        keys_count++;
    }
}

void fake_key_revoke(const char *text)
{
    for (size_t i = 0; i < keys_count; i++) {
        if (strcmp(keys[i].text, text) == 0) {
            atomic_store(&keys[i].is_revoked, true);
        }
    }
}

err_t key_store_find(struct db *db, const struct key_hash *hash, struct detail *detail,
                     struct key_facts *ret_facts)
{
    (void)db;
    (void)detail;
    atomic_fetch_add(&fake_key_asked, 1);
    clock_sleep_ms(atomic_load(&fake_key_ask_ms));
    *ret_facts = (struct key_facts){0};
    for (size_t i = 0; i < keys_count; i++) {
        struct key_hash of_text;
        if (err_is_ok(key_text_hash(bytes_of_text(keys[i].text), &of_text)) &&
            memcmp(of_text.b, hash->b, sizeof hash->b) == 0 && !atomic_load(&keys[i].is_revoked)) {
            *ret_facts = (struct key_facts){.is_valid = true,
                                            .project = {{(uint8_t)(i + 1)}},
                                            .key = {{(uint8_t)(i + 1)}},
                                            .scopes = keys[i].scopes};
        }
    }
    return OK;
}

err_t key_store_session(struct db *db, const struct session_claim *claim, int64_t now_s,
                        struct detail *detail, struct key_facts *ret_facts)
{
    (void)db;
    (void)detail;
    *ret_facts = (struct key_facts){0};
    for (size_t i = 0; i < keys_count; i++) {
        struct key_hash stored;
        if (claim->key.b[0] == i + 1 && !atomic_load(&keys[i].is_revoked) &&
            err_is_ok(key_text_hash(bytes_of_text(keys[i].text), &stored))) {
            *ret_facts = (struct key_facts){.is_valid = session_is_valid(claim, &stored, now_s),
                                            .project = {{(uint8_t)(i + 1)}},
                                            .key = claim->key,
                                            .scopes = keys[i].scopes};
        }
    }
    return OK;
}
