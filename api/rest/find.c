/* GET /v1/traces/{traceId}/search: where a text stands in a trace, without loading the trace. */
#include <stdlib.h>

#include "api/rest/look.h"
#include "api/rest/opened.h"
#include "api/rest/out.h"
#include "api/rest/query.h"
#include "api/rest/rest.h"

#include "proto/base/banned.h"

enum {
    SEARCH_CHARS_MAX = 255,
    /* Spans that one answer tells of; a search that finds more has found nothing yet. */
    SPANS_MAX = 1000,
};

enum { Q_TEXT, Q_COUNT };

static const struct query_rule rules[Q_COUNT] = {
    [Q_TEXT] = {.name = "q", .type = QUERY_TEXT, .most = SEARCH_CHARS_MAX},
};

static const char *const places[LOOK_PLACE_COUNT] = {"name", "status", "attribute", "event"};

static int start_compare(const void *a, const void *b)
{
    const struct otlp_span *x = *(const struct otlp_span *const *)a;
    const struct otlp_span *y = *(const struct otlp_span *const *)b;
    if (x->start.ns != y->start.ns) {
        return x->start.ns < y->start.ns ? -1 : 1;
    }
    return memcmp(x->id.b, y->id.b, sizeof x->id.b);
}

/* The spans by their start. NULL: no space. */
static const struct otlp_span **spans_sort(struct opened *opened)
{
    const struct view *view = &opened->view;
    const struct otlp_span **sorted =
        arena_zero(&opened->arena, view->spans_count + 1, sizeof *sorted);
    for (size_t i = 0; sorted != NULL && i < view->spans_count; i++) {
        sorted[i] = &view->spans[i];
    }
    if (sorted != NULL) {
        qsort(sorted, view->spans_count, sizeof(const struct otlp_span *), start_compare);
    }
    return sorted;
}

static void find_write(struct out *out, const struct otlp_span *span, const struct look_find *find)
{
    out_object(out, NULL);
    out_hex(out, "spanId", bytes_of(span->id.b, sizeof span->id.b));
    out_word(out, "place", places[find->place]);
    if (find->key.len > 0) {
        out_text(out, "key", find->key);
    } else {
        out_null(out, "key");
    }
    out_text(out, "before", find->before);
    out_text(out, "match", find->match);
    out_text(out, "after", find->after);
    out_int(out, "more", (int64_t)find->more);
    out_end_object(out);
}

static void spans_answer(struct exchange *exchange, struct opened *opened, struct bytes needle)
{
    const struct otlp_span **sorted = spans_sort(opened);
    if (sorted == NULL) {
        exchange_fail(exchange, FAIL(NO_SPACE), &(struct detail){0});
        return;
    }
    struct out out;
    size_t count = 0;
    out_init(&out);
    out_object(&out, NULL);
    out_object(&out, "data");
    out_array(&out, "spans");
    for (size_t i = 0; i < opened->view.spans_count; i++) {
        struct look_find find;
        if (look_span(sorted[i], needle, &find) && ++count <= SPANS_MAX) {
            find_write(&out, sorted[i], &find);
        }
    }
    out_end_array(&out);
    out_int(&out, "total", (int64_t)count);
    out_bool(&out, "hasMore", count > SPANS_MAX);
    out_end_object(&out);
    out_end_object(&out);
    out_answer(&out, exchange);
}

void rest_trace_search(struct exchange *exchange)
{
    struct query_value query[Q_COUNT];
    struct opened opened;
    if (!query_read(exchange, rules, Q_COUNT, query)) {
        return;
    }
    if (!query[Q_TEXT].has) {
        (void)query_bad(exchange, "q", "must say what is searched for");
        return;
    }
    if (opened_init(exchange, &opened)) {
        spans_answer(exchange, &opened, query[Q_TEXT].text);
        opened_fini(&opened);
    }
}
