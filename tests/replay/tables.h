/* tables: the store's tables in memory, small and plain, so that a scenario needs no server. A group of
 * exports and a create go through correlator/core as in the writer; what the SQL statements do to the rows
 * (schema/stmt.def) is done here by loops. Everything that changes is told as an effect, one line each. */
#ifndef CALLTRACE_REPLAY_TABLES_H
#define CALLTRACE_REPLAY_TABLES_H

#include "correlator/core/decide.h"
#include "correlator/core/plan.h"

enum { ROWS_MAX = 64, EFFECTS_BYTES = 16384 };

struct row_trace {
    struct uuid project;
    struct trace_id id;
    char day[16];
    bool is_skipped;
    bool skips_rooms;
    struct bus_root root;
    bool has_root;
};

struct row_key {
    struct uuid project;
    struct match_key key;
    struct trace_id trace;
    bool is_skipping;
};

struct row_call {
    struct uuid project;
    struct uuid id;
    struct unix_ns created;
    uint8_t request_hash[16];
    bool has_idempotency;
    uint8_t idempotency_hash[16];
    bool is_retry;
};

struct row_call_key {
    struct uuid project;
    struct call_key key;
    struct uuid call;
};

struct row_segment {
    struct uuid project;
    struct trace_id trace;
    uint8_t hash[16];
};

struct row_link {
    struct uuid project;
    struct uuid call;
    struct trace_id trace;
    struct match_key key;
};

struct tables {
    struct arena arena; /* whatever rows borrow */
    struct row_trace traces[ROWS_MAX];
    size_t traces_count;
    struct row_key keys[ROWS_MAX];
    size_t keys_count;
    struct row_call calls[ROWS_MAX];
    size_t calls_count;
    struct row_call_key call_keys[ROWS_MAX];
    size_t call_keys_count;
    struct row_segment segments[ROWS_MAX];
    size_t segments_count;
    struct row_link links[ROWS_MAX];
    size_t links_count;
    char effects[EFFECTS_BYTES];
    size_t effects_len;
};

/* One group of span messages, committed and looked at. */
void tables_export(struct tables *tables, const struct bus_message *const *messages, size_t count,
                   struct unix_ns now);

/* One create. */
void tables_create(struct tables *tables, const struct bus_call *call, struct unix_ns now);

#endif
