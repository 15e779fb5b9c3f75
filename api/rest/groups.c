/* GET /v1/traces/groups: traces by a tag, by service, by the name of the root or by status. */
#include "api/rest/gather.h"
#include "api/rest/page.h"
#include "api/rest/query.h"
#include "api/rest/rest.h"
#include "proto/base/limits.h"

#include "proto/base/banned.h"

enum {
    COLUMN_VALUE,
    COLUMN_TRACES,
    COLUMN_LINKED,
    COLUMN_ERRORS,
    COLUMN_P50,
    COLUMN_P95,
    COLUMN_SEEN,
    COLUMN_VALUES_ALL,
    COLUMN_TRACES_ALL,
};

/* What the traces are grouped by: a tag, where a service is one with an empty key, or something of the row. */
struct by {
    const char *text;
    bool is_tag;
    struct bytes key;
    int32_t which; /* as GROUP_BY_ROW in schema/stmt.def numbers it */
};

static bool by_read(struct exchange *exchange, struct by *ret_by)
{
    const char *text = http_parameter(exchange_http(exchange), "by");
    struct bytes given = bytes_of_text(text == NULL ? "" : text);
    static const char tag[] = "tag:";
    struct bytes key = given;
    if (bytes_start_with(given, tag)) {
        key = bytes_of(given.ptr + sizeof tag - 1, given.len - (sizeof tag - 1));
    }
    *ret_by = (struct by){.text = text};
    if (bytes_equal_text(given, "service")) {
        ret_by->is_tag = true;
        ret_by->key = bytes_of("", 0);
    } else if (bytes_equal_text(given, "name")) {
        ret_by->which = 0;
    } else if (bytes_equal_text(given, "status")) {
        ret_by->which = 1;
    } else if (bytes_start_with(given, tag) && key.len > 0 &&
               bytes_utf8_count(key) <= LIMIT_TAG_KEY_CHARS) {
        ret_by->is_tag = true;
        ret_by->key = key;
    } else {
        return query_bad(exchange, "by", "must be service, name, status or tag:KEY");
    }
    return true;
}

/* False: answered. */
static bool groups_run(struct exchange *exchange, const struct explore *explore,
                       const struct by *by, struct gather *gather, struct db_rows **ret_rows)
{
    struct db_value which = by->is_tag ? db_bytes(by->key) : db_int4(by->which);
    if (gather->is_found) {
        struct db_value values[] = {db_uuid(&explore->project), db_null(), which};
        err_t err = gather_ids(gather, &values[1]);
        if (!err_is_ok(err)) {
            exchange_fail(exchange, err, &(struct detail){0});
            return false;
        }
        return page_run(exchange, by->is_tag ? STMT_GROUPS_FOUND_BY_TAG : STMT_GROUPS_FOUND_BY_ROW,
                        values, 3, ret_rows);
    }
    struct db_value values[EXPLORE_VALUES + 1];
    memcpy(values, gather->rows, sizeof gather->rows);
    values[EXPLORE_VALUES] = which;
    return page_run(exchange, by->is_tag ? STMT_GROUPS_BY_TAG : STMT_GROUPS_BY_ROW, values,
                    EXPLORE_VALUES + 1, ret_rows);
}

static void group_write(struct out *out, const char *key, const struct db_rows *rows)
{
    out_object(out, key);
    if (db_is_null(rows, COLUMN_VALUE)) {
        out_null(out, "value");
    } else {
        out_text(out, "value", db_get_bytes(rows, COLUMN_VALUE));
    }
    out_int(out, "traces", db_get_int(rows, COLUMN_TRACES));
    out_int(out, "linked", db_get_int(rows, COLUMN_LINKED));
    out_int(out, "errors", db_get_int(rows, COLUMN_ERRORS));
    out_ms_between(out, "durationP50Ms", (struct unix_ns){0},
                   (struct unix_ns){db_get_int(rows, COLUMN_P50)});
    out_ms_between(out, "durationP95Ms", (struct unix_ns){0},
                   (struct unix_ns){db_get_int(rows, COLUMN_P95)});
    out_time(out, "lastSeenAt", db_get_time(rows, COLUMN_SEEN), 3);
    out_end_object(out);
}

static void groups_answer(struct exchange *exchange, const struct by *by, struct db_rows *rows,
                          const struct gather *gather)
{
    struct out out;
    int64_t values_all = 0;
    int64_t traces_all = 0;
    bool has_none = false;
    out_init(&out);
    out_object(&out, NULL);
    out_object(&out, "data");
    out_word(&out, "by", by->text);
    out_array(&out, "values");
    while (db_next(rows)) {
        values_all = db_get_int(rows, COLUMN_VALUES_ALL);
        traces_all = db_get_int(rows, COLUMN_TRACES_ALL);
        has_none = db_is_null(rows, COLUMN_VALUE);
        if (has_none) { /* the last of the rows */
            break;
        }
        group_write(&out, NULL, rows);
    }
    out_end_array(&out);
    if (has_none) {
        group_write(&out, "none", rows);
    } else {
        out_null(&out, "none");
    }
    out_int(&out, "valueCount", values_all);
    out_int(&out, "traceCount", traces_all);
    gather_foot_write(&out, &gather->foot);
    out_end_object(&out);
    out_end_object(&out);
    out_answer(&out, exchange);
}

void rest_traces_groups(struct exchange *exchange)
{
    struct explore explore;
    struct by by;
    struct gather gather;
    struct db_rows *rows = NULL;
    if (!by_read(exchange, &by) || !explore_read(exchange, &explore) ||
        !gather_init(exchange, &explore, GATHER_GROUPED_MAX, &gather)) {
        return;
    }
    if (groups_run(exchange, &explore, &by, &gather, &rows)) {
        groups_answer(exchange, &by, rows, &gather);
        db_rows_free(rows);
    }
    gather_fini(&gather);
}
