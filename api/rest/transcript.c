#include "api/rest/agent.h"
#include "api/rest/conversation.h"
#include "api/rest/mend.h"
#include "api/rest/query.h"
#include "api/rest/rest.h"
#include "proto/base/reader.h"
#include "schema/db.h"

#include "proto/base/banned.h"

enum { Q_SOURCE, Q_COUNT };

/* What a client posts was heard by its own agent: the third. */
enum { SOURCE_CUSTOMER_AGENT = 2 };
static const char *const sources[] = {"ROARK_POST_CALL", "SIMULATION_AGENT_REALTIME",
                                      "CUSTOMER_AGENT_REALTIME", NULL};

static const struct query_rule rules[Q_COUNT] = {
    [Q_SOURCE] = {.name = "source", .type = QUERY_WORD, .words = sources},
};

enum { GIVEN_ENTRIES, GIVEN_AGENT, GIVEN_AGENTS, GIVEN_CUSTOMER, GIVEN_CUSTOMERS, GIVEN_COUNT };

static FALLIBLE everyone_write(struct out *out, const struct mend_field given[GIVEN_COUNT],
                               struct uuid project, struct arena *arena)
{
    json_t *agents = NULL;
    json_t *customers = NULL;
    TRY(parties_of_body(given[GIVEN_AGENT].value, given[GIVEN_AGENTS].value, &agents));
    err_t err =
        parties_of_body(given[GIVEN_CUSTOMER].value, given[GIVEN_CUSTOMERS].value, &customers);
    participants_write(out, agents, customers, project, arena);
    json_decref(agents);
    json_decref(customers);
    return err;
}

/* The entries as sent, each with a participantId of null before the rest: nothing says whose words they
 * were but the role. `entries` is an array that the JSON reader has accepted. */
static void entries_write(struct out *out, struct bytes entries)
{
    static const char first[] = "{\"participantId\":null";
    struct buf text;
    struct reader reader = reader_of(entries);
    unsigned depth = 0;
    bool is_text = false;
    bool is_opened = false; /* an entry's brace was the last thing but spaces */
    uint8_t octet = 0;
    buf_init(&text, entries.len * sizeof first);
    while (err_is_ok(reader_u8(&reader, &octet))) {
        if (is_opened && octet > ' ') {
            buf_add_text(&text, octet == '}' ? "" : ",");
            is_opened = false;
        }
        if (octet == '\\' && is_text) {
            buf_add_u8(&text, octet);
            if (!err_is_ok(reader_u8(&reader, &octet))) {
                break;
            }
        } else if (octet == '"') {
            is_text = !is_text;
        } else if (!is_text && (octet == '{' || octet == '[')) {
            is_opened = ++depth == 2 && octet == '{';
        } else if (!is_text && (octet == '}' || octet == ']')) {
            depth--;
        }
        if (is_opened && octet == '{') {
            buf_add_text(&text, first);
        } else {
            buf_add_u8(&text, octet);
        }
    }
    out_raw(out, "entries", err_is_ok(buf_err(&text)) ? buf_bytes(&text) : entries);
    buf_fini(&text);
}

static void transcript(struct exchange *exchange, enum conversation_kind kind)
{
    struct query_value query[Q_COUNT];
    struct db_rows *rows = NULL;
    if (!query_read(exchange, rules, Q_COUNT, query) || !conversation_find(exchange, kind, &rows)) {
        return;
    }
    struct mend_field given[GIVEN_COUNT] = {
        [GIVEN_ENTRIES] = {.name = kind == CONVERSATION_KIND_CALL ? "transcript" : "messages"},
        [GIVEN_AGENT] = {.name = "agent"},
        [GIVEN_AGENTS] = {.name = "agents"},
        [GIVEN_CUSTOMER] = {.name = "customer"},
        [GIVEN_CUSTOMERS] = {.name = "customers"},
    };
    struct conversation it;
    err_t err =
        conversation_of_row(rows, exchange_project(exchange), exchange_arena(exchange), &it);
    if (!err_is_ok(err)) {
        exchange_fail(exchange, err, &(struct detail){0});
        db_rows_free(rows);
        return;
    }
    conversation_pick(&it, given, GIVEN_COUNT);
    struct bytes entries = given[GIVEN_ENTRIES].value;
    bool is_asked = !query[Q_SOURCE].has || query[Q_SOURCE].number == SOURCE_CUSTOMER_AGENT;
    bool has_entries = is_asked && entries.len > 0 && entries.ptr[0] == '[';
    struct out out;
    out_init(&out);
    out_object(&out, NULL);
    out_object(&out, "data");
    entries_write(&out, has_entries ? entries : bytes_of_text("[]"));
    err = everyone_write(&out, given, exchange_project(exchange), exchange_arena(exchange));
    if (has_entries) {
        out_word(&out, "transcriptionSource", sources[SOURCE_CUSTOMER_AGENT]);
    } else {
        out_null(&out, "transcriptionSource");
    }
    out_end_object(&out);
    out_end_object(&out);
    if (err_is_ok(err)) {
        out_answer(&out, exchange);
    } else {
        out_fini(&out);
        exchange_fail(exchange, err, &(struct detail){0});
    }
    db_rows_free(rows);
}

void rest_call_transcript(struct exchange *exchange)
{
    transcript(exchange, CONVERSATION_KIND_CALL);
}

void rest_chat_transcript(struct exchange *exchange)
{
    transcript(exchange, CONVERSATION_KIND_CHAT);
}
