/* GET /v1/traces/suggest: words of the project for the filters of the explorer. */
#include "api/rest/explore.h"
#include "api/rest/fold.h"
#include "api/rest/page.h"
#include "api/rest/query.h"
#include "api/rest/rest.h"
#include "proto/bus/message.h"

#include "proto/base/banned.h"

enum {
    LIMIT_DEFAULT = 20,
    SEARCH_CHARS_MAX = 255,
    /* Words looked through for one answer; a project with more has names that are none. */
    LOOKED_MAX = 100000,
};

enum { Q_FIELD, Q_KEY, Q_SEARCH, Q_LIMIT, Q_COUNT };

/* In the order of `fields`. */
static const struct {
    enum word_kind kind;
    bool is_key;  /* the word's key is what is suggested */
    bool has_key; /* of one key only */
} sources[] = {
    {WORD_KIND_SPAN_NAME, false, false}, {WORD_KIND_SERVICE, false, false},
    {WORD_KIND_ATTRIBUTE, true, false},  {WORD_KIND_VALUE, false, true},
    {WORD_KIND_TAG, true, false},        {WORD_KIND_TAG, false, true},
};
static const char *const fields[] = {"name", "service",  "attr", "attrValue",
                                     "tag",  "tagValue", NULL};

static const struct query_rule rules[Q_COUNT] = {
    [Q_FIELD] = {.name = "field", .type = QUERY_WORD, .words = fields},
    [Q_KEY] = {.name = "key", .type = QUERY_TEXT, .most = SEARCH_CHARS_MAX},
    [Q_SEARCH] = {.name = "q", .type = QUERY_TEXT, .most = SEARCH_CHARS_MAX},
    [Q_LIMIT] = {.name = "limit", .type = QUERY_INTEGER, .least = 1, .most = PAGE_LIMIT_MAX},
};

static void words_answer(struct exchange *exchange, struct db_rows *rows, struct bytes search,
                         size_t limit)
{
    struct out out;
    size_t shown = 0;
    size_t at = 0;
    out_init(&out);
    out_object(&out, NULL);
    out_object(&out, "data");
    out_array(&out, "values");
    while (shown < limit && db_next(rows)) {
        struct bytes word = db_get_bytes(rows, 0);
        /* Postgres compares escaped octets, so that it may find a little too much. */
        if (fold_find(word, search, &at)) {
            out_text(&out, NULL, word);
            shown++;
        }
    }
    out_end_array(&out);
    out_bool(&out, "hasMore", db_rows_count(rows) > limit);
    out_end_object(&out);
    out_end_object(&out);
    out_answer(&out, exchange);
}

void rest_traces_suggest(struct exchange *exchange)
{
    struct query_value query[Q_COUNT];
    struct uuid project = exchange_project(exchange);
    struct db_rows *rows = NULL;
    if (!query_read(exchange, rules, Q_COUNT, query)) {
        return;
    }
    if (!query[Q_FIELD].has) {
        (void)query_bad(exchange, "field",
                        "must be one of name, service, attr, attrValue, tag, tagValue");
        return;
    }
    bool has_key = sources[query[Q_FIELD].number].has_key;
    if (has_key && !query[Q_KEY].has) {
        (void)query_bad(exchange, "key", "must say of which key the values are wanted");
        return;
    }
    struct bytes search = query[Q_SEARCH].has ? query[Q_SEARCH].text : bytes_of("", 0);
    int64_t limit = query[Q_LIMIT].has ? query[Q_LIMIT].number : LIMIT_DEFAULT;
    const struct db_value values[] = {
        db_uuid(&project),
        db_int2((int16_t)sources[query[Q_FIELD].number].kind),
        db_bytes(search),
        has_key ? db_bytes(query[Q_KEY].text) : db_null(),
        db_bool(sources[query[Q_FIELD].number].is_key),
        db_int4((int32_t)limit + 1),
        db_int4(LOOKED_MAX),
    };
    if (page_run(exchange, STMT_SUGGEST, values, sizeof values / sizeof values[0], &rows)) {
        words_answer(exchange, rows, search, (size_t)limit);
        db_rows_free(rows);
    }
}
