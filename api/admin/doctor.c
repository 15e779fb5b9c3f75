#include "api/admin/doctor.h"

#include <inttypes.h>
#include <stdio.h>

#include "api/admin/task.h"
#include "api/doctor/unmatched.h"
#include "api/http/exchange.h"
#include "proto/bus/message.h"

#include "proto/base/banned.h"

enum { TEXTS_BYTES_MAX = 1 << 20, SUMMARY_ROWS_MAX = UNMATCHED_ARRIVALS };

struct report {
    struct db *db;
    struct uuid project;
    struct unix_ns now;
    struct unix_ns since;
    struct detail *detail;
    struct arena arena; /* texts, reset after each line */
    bool has_arrivals;  /* a trace or a call */
};

/* --- printing ------------------------------------------------------------------------------------------ */

static void label(const char *text)
{
    (void)printf("  %-16s", text); /* admin_run looks at stdout once at the end */
}

/* "1 trace", "2 traces". */
static void print_count(int64_t count, const char *one, const char *many)
{
    (void)printf("%" PRId64 " %s", count, count == 1 ? one : many);
}

static void print_time(struct unix_ns at)
{
    char text[RFC3339_BYTES];
    unix_to_rfc3339(at, 0, text);
    (void)fputs(text, stdout);
}

static FALLIBLE print_plain(struct report *report, struct bytes text)
{
    const char *plain = doctor_plain(text, &report->arena);
    if (plain == NULL) {
        return FAIL(NO_SPACE);
    }
    (void)fputs(plain, stdout);
    return OK;
}

/* --- what arrived ------------------------------------------------------------------------------------------ */

static FALLIBLE summary_run(struct report *report, enum stmt stmt, struct db_rows **ret_rows)
{
    const struct db_value values[] = {db_uuid(&report->project), db_time(report->since),
                                      db_int4(SUMMARY_ROWS_MAX)};
    return db_run(report->db, stmt, values, 3, report->detail, ret_rows);
}

static FALLIBLE print_traces(struct report *report)
{
    struct db_rows *rows = NULL;
    TRY(summary_run(report, STMT_DOCTOR_TRACES, &rows));
    (void)db_next(rows); /* an aggregate always has its row */
    int64_t traces = db_get_int(rows, 1);
    report->has_arrivals |= traces > 0;
    label("traces");
    print_count(traces, "trace", "traces");
    (void)printf(", %" PRId64 " new, %" PRId64 " with errors\n", db_get_int(rows, 2),
                 db_get_int(rows, 3));
    label("spans");
    print_count(db_get_int(rows, 7), "span", "spans");
    (void)fputs(" stored of these traces, in ", stdout);
    print_count(db_get_int(rows, 6), "segment", "segments");
    (void)puts(" (one a trace and export)");
    if (!db_is_null(rows, 8)) {
        label("last export");
        print_time(db_get_time(rows, 8));
        (void)puts("");
    }
    label("skipped");
    print_count(db_get_int(rows, 4), "trace", "traces");
    (void)fputs(" by roark.skip, ", stdout);
    print_count(db_get_int(rows, 5), "span dropped", "spans dropped");
    (void)puts("");
    if (db_get_int(rows, 0) == SUMMARY_ROWS_MAX) {
        (void)printf("  Only the newest %d traces of all projects were looked at.\n",
                     (int)SUMMARY_ROWS_MAX);
    }
    db_rows_free(rows);
    return OK;
}

/* "external 2, livekit 1", or "none". */
static FALLIBLE print_keys(struct report *report, const char *name, enum stmt stmt)
{
    struct db_rows *rows = NULL;
    TRY(summary_run(report, stmt, &rows));
    const char *comma = "";
    label(name);
    while (db_next(rows)) {
        (void)printf("%s%s %" PRId64, comma, match_kind_name((unsigned)db_get_int(rows, 0)),
                     db_get_int(rows, 1));
        comma = ", ";
    }
    (void)puts(comma[0] == '\0' ? "none" : "");
    db_rows_free(rows);
    return OK;
}

static const char *source_name(int64_t source)
{
    switch (source) {
    case CONVERSATION_SOURCE_API:
        return "POST";
    case CONVERSATION_SOURCE_LIVEKIT:
        return "LiveKit webhooks";
    case CONVERSATION_SOURCE_VAPI:
        return "VAPI";
    case CONVERSATION_SOURCE_LIVEKIT_SDK:
        return "the LiveKit observer";
    case CONVERSATION_SOURCE_PIPECAT:
        return "the Pipecat observer";
    default: /* a number from Postgres */
        return "others";
    }
}

static FALLIBLE print_calls(struct report *report)
{
    struct db_rows *rows = NULL;
    TRY(summary_run(report, STMT_DOCTOR_CALLS, &rows));
    const char *comma = "";
    label("calls and chats");
    while (db_next(rows)) {
        bool is_chat = db_get_int(rows, 0) == CONVERSATION_KIND_CHAT;
        int64_t skipped = db_get_int(rows, 3);
        (void)fputs(comma, stdout);
        print_count(db_get_int(rows, 2), is_chat ? "chat" : "call", is_chat ? "chats" : "calls");
        (void)printf(" by %s", source_name(db_get_int(rows, 1)));
        if (skipped > 0) {
            (void)printf(" (%" PRId64 " skipped)", skipped);
        }
        comma = ", ";
        report->has_arrivals = true;
    }
    (void)puts(comma[0] == '\0' ? "none" : "");
    db_rows_free(rows);
    return OK;
}

static FALLIBLE print_links(struct report *report)
{
    struct db_rows *rows = NULL;
    TRY(summary_run(report, STMT_DOCTOR_LINKS, &rows));
    (void)db_next(rows);
    label("links made");
    print_count(db_get_int(rows, 1), "trace and its call", "traces and their calls");
    (void)printf(", by ");
    print_count(db_get_int(rows, 0), "key", "keys");
    (void)puts("");
    db_rows_free(rows);
    return OK;
}

/* --- the API keys -------------------------------------------------------------------------------------------- */

struct keys_seen {
    int64_t ingest; /* valid ones that may send traces */
    int64_t write;  /* ... that may create calls */
    bool has_used;
    struct unix_ns used;
};

static FALLIBLE keys_look(struct report *report, struct keys_seen *seen)
{
    struct db_rows *rows = NULL;
    const struct db_value value = db_uuid(&report->project);
    TRY(db_run(report->db, STMT_KEY_LIST, &value, 1, report->detail, &rows));
    while (db_next(rows)) {
        unsigned scopes = (unsigned)db_get_int(rows, 3);
        bool is_valid = db_is_null(rows, 6);
        seen->ingest += is_valid && (scopes & API_SCOPE_INGEST) != 0;
        seen->write += is_valid && (scopes & API_SCOPE_WRITE) != 0;
        if (!db_is_null(rows, 5)) {
            struct unix_ns used = db_get_time(rows, 5);
            seen->used = !seen->has_used || used.ns > seen->used.ns ? used : seen->used;
            seen->has_used = true;
        }
    }
    db_rows_free(rows);
    return OK;
}

static FALLIBLE print_first_checks(struct report *report)
{
    struct keys_seen seen = {0};
    TRY(keys_look(report, &seen));
    (void)puts("\nNothing arrived. Check first:");
    (void)fputs("  1. The key. ", stdout);
    if (seen.ingest == 0) {
        (void)puts("No valid key of this project has the scope ingest: calltrace-api key create "
                   "makes one.");
    } else if (!seen.has_used) {
        (void)puts(
            "No key of this project was ever used. A wrong one is answered 401; exporters log it.");
    } else {
        (void)fputs("A key of this project was last used at ", stdout);
        print_time(seen.used);
        (void)puts(". A wrong one is answered 401; exporters log it.");
    }
    if (seen.write == 0) {
        (void)puts("     No valid key has the scope write, which creates calls.");
    }
    (void)puts(
        "  2. The address. Exporters post OTLP over HTTP to https://HOST:PORT/v1/traces; there is "
        "no OTLP/gRPC.\n"
        "  3. The certificate. The exporter must trust it (OTEL_EXPORTER_OTLP_CERTIFICATE).\n"
        "  4. The spans. They are sent when they end, every 5 seconds; flush before the process "
        "ends.\n"
        "  5. The time looked at: --since 24h looks further back.");
    return OK;
}

/* --- what did not match ------------------------------------------------------------------------------------------ */

static FALLIBLE print_head(struct report *report, const struct unmatched *row)
{
    char hex[2 * sizeof row->place.id];
    char id[UUID_TEXT_BYTES];
    struct uuid uuid;
    if (row->place.what == UNMATCHED_CALL) {
        memcpy(uuid.b, row->place.id, sizeof uuid.b);
        uuid_to_text(uuid, id);
        (void)printf("\n  %s  %s by %s", id, row->kind == CONVERSATION_KIND_CHAT ? "chat" : "call",
                     source_name(row->source));
        if (row->title.len > 0) {
            (void)fputs(", ", stdout);
            TRY(print_plain(report, row->title));
        }
        (void)fputs(", created ", stdout);
    } else {
        bytes_to_hex(bytes_of(row->place.id, sizeof row->place.id), hex);
        (void)printf("\n  %.*s  ", (int)sizeof hex, hex);
        TRY(print_plain(report,
                        row->root_name.len > 0 ? row->root_name : bytes_of_text("no root")));
        (void)fputs(", service ", stdout);
        TRY(print_plain(report, row->service));
        (void)fputs(", ", stdout);
        print_count(row->spans, "span", "spans");
        (void)fputs(", started ", stdout);
    }
    print_time(row->place.at);
    (void)puts("");
    return OK;
}

static FALLIBLE print_row(struct report *report, const struct unmatched *row)
{
    TRY(print_head(report, row));
    const char *sentence = doctor_sentence(&row->finding, &report->arena);
    const char *change = doctor_change(&row->finding, &report->arena);
    if (sentence == NULL || change == NULL) {
        return FAIL(NO_SPACE);
    }
    (void)printf("    %s: %s\n", doctor_code(row->finding.reason), sentence);
    if (row->finding.alike > 0) {
        (void)printf("    The same holds for %zu more.\n", row->finding.alike);
    }
    (void)printf("    Change: %s\n", change);
    arena_reset(&report->arena);
    return OK;
}

static FALLIBLE print_unmatched(struct report *report, enum unmatched_what what, const char *title)
{
    struct unmatched_walk walk;
    const struct unmatched_query query = {
        .project = report->project,
        .wants_traces = what == UNMATCHED_TRACE,
        .wants_calls = what == UNMATCHED_CALL,
        .now = report->now,
        .from = report->since,
        .to = {INT64_MAX},
        .is_by_arrival = what == UNMATCHED_TRACE,
    };
    const struct unmatched *row = NULL;
    size_t count = 0;
    err_t err = OK;
    unmatched_init(&walk, report->db, &query);
    for (;;) {
        TRY_OUT(unmatched_next(&walk, report->detail, &row));
        if (row == NULL || count == ADMIN_DOCTOR_ROWS) {
            break;
        }
        if (count++ == 0) {
            (void)printf("\n%s:\n", title);
        }
        TRY_OUT(print_row(report, row));
    }
    if (count == 0) {
        (void)printf("\n%s: none.\n", title);
    } else if (count == ADMIN_DOCTOR_ROWS) {
        (void)puts("\n  There may be more: GET /v1/unmatched lists them all.");
    }
out:
    unmatched_fini(&walk);
    return err;
}

/* --- the report ---------------------------------------------------------------------------------------------------- */

static FALLIBLE print_arrived(struct report *report)
{
    TRY(unmatched_begin(report->db, report->detail));
    err_t err = OK;
    TRY_OUT(print_traces(report));
    TRY_OUT(print_keys(report, "keys on traces", STMT_DOCTOR_TRACE_KEYS));
    TRY_OUT(print_calls(report));
    TRY_OUT(print_keys(report, "keys on calls", STMT_DOCTOR_CALL_KEYS));
    TRY_OUT(print_links(report));
out:
    unmatched_end(report->db);
    return err;
}

static FALLIBLE report_print(struct report *report)
{
    /* Whatever the role may do: this command only looks. */
    TRY(db_script(report->db, "set default_transaction_read_only = on", report->detail));
    (void)fputs("Arrived since ", stdout);
    print_time(report->since);
    (void)puts(":");
    TRY(print_arrived(report));
    if (!report->has_arrivals) {
        return print_first_checks(report);
    }
    TRY(print_unmatched(report, UNMATCHED_TRACE, "Traces without a call"));
    return print_unmatched(report, UNMATCHED_CALL, "Calls and chats without a trace");
}

FALLIBLE admin_doctor(struct task *task)
{
    struct report report = {.db = task->db, .now = clock_unix(), .detail = &task->detail};
    int64_t since_s = ADMIN_DOCTOR_SINCE_S_DEFAULT;
    TRY(task_seconds_read("--since", task->options.since, 1, &task->detail, &since_s));
    TRY(task_project_find(task, &report.project));
    report.since.ns = report.now.ns - since_s * MS_PER_S * NS_PER_MS;
    arena_init(&report.arena, TEXTS_BYTES_MAX);
    err_t err = task_explain(task, report_print(&report), NULL);
    arena_fini(&report.arena);
    return err;
}
