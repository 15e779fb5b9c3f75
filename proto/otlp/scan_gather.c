#include <stdlib.h>

#include "proto/base/check.h"
#include "proto/base/fault.h"
#include "proto/otlp/scan_parts.h"

#include "proto/base/banned.h"

/* --- small helpers -------------------------------------------------------------------------------------- */

/* A copy of a scratch buffer's content in the arena. */
static FALLIBLE scratch_keep(struct scan *scan, struct buf *scratch, void *ret_pointer)
{
    TRY(buf_err(scratch));
    struct bytes have = buf_bytes(scratch);
    void *copy = arena_alloc(scan->arena, have.len);
    if (copy == NULL) {
        return FAIL(NO_SPACE);
    }
    if (have.len > 0) {
        memcpy(copy, have.ptr, have.len);
    }
    memcpy(ret_pointer, &copy, sizeof copy);
    return OK;
}

static size_t char_bytes(struct bytes text)
{
    for (size_t len = 1; len <= 4 && len <= text.len; len++) {
        if (bytes_are_utf8(bytes_of(text.ptr, len))) {
            return len;
        }
    }
    return 0;
}

/* A text that people see and Postgres takes: at most LIMIT_NAME_BYTES, octets that are not UTF-8 and NUL
 * replaced by U+FFFD. */
static FALLIBLE text_clean(struct scan *scan, struct bytes text, struct bytes *ret_text)
{
    static const char replacement[] = "\xEF\xBF\xBD";
    if (text.len <= LIMIT_NAME_BYTES && bytes_are_utf8(text) &&
        (text.len == 0 || memchr(text.ptr, 0, text.len) == NULL)) {
        *ret_text = text;
        return OK;
    }
    char *clean = arena_alloc(scan->arena, LIMIT_NAME_BYTES + sizeof replacement);
    if (clean == NULL) {
        return FAIL(NO_SPACE);
    }
    size_t len = 0;
    for (size_t at = 0; at < text.len;) {
        size_t taken = char_bytes(bytes_of(text.ptr + at, text.len - at));
        bool is_good = taken > 0 && text.ptr[at] != 0;
        const void *source = is_good ? (const void *)(text.ptr + at) : (const void *)replacement;
        size_t count = is_good ? taken : sizeof replacement - 1;
        if (len + count > LIMIT_NAME_BYTES) {
            break;
        }
        memcpy(clean + len, source, count);
        len += count;
        at += is_good ? taken : 1;
    }
    *ret_text = bytes_of(clean, len);
    return OK;
}

static void term_add(struct scan *scan, uint64_t term)
{
    buf_add(&scan->terms, bytes_of(&term, sizeof term));
}

static void word_add(struct scan *scan, enum word_kind kind, struct bytes key, struct bytes value)
{
    struct bus_word word = {.kind = kind, .key = key, .value = value};
    buf_add(&scan->words, bytes_of(&word, sizeof word));
}

/* --- terms and words of one trace ------------------------------------------------------------------------ */

/* The word's state belongs to the trace being gathered; true the first time. */
static bool word_touch(struct scan *scan, struct scan_word *word, uint32_t trace)
{
    if (word->trace == trace + 1) {
        return false;
    }
    word->trace = trace + 1;
    word->values_count = 0;
    word->is_overflowing = false;
    word->has_number = false;
    buf_add(&scan->touched, bytes_of(&word, sizeof(void *)));
    return true;
}

static void run_gather(struct scan *scan, const struct scan_run *run, uint32_t trace,
                       bool *is_partial)
{
    *is_partial |= run->is_partial;
    for (uint32_t i = 0; i < run->count; i++) {
        const struct scan_record *record = &run->first[i];
        struct scan_word *key = record->key;
        word_touch(scan, key, trace);
        key->has_number |= record->is_number;
        if (!record->has_value || key->is_overflowing) {
            continue;
        }
        unsigned known = 0;
        while (known < key->values_count && key->values[known]->value_hash != record->value_hash) {
            known++;
        }
        if (known < key->values_count) {
            continue;
        }
        if (key->values_count == LIMIT_TERM_VALUES) {
            key->is_overflowing = true;
        } else {
            key->values[key->values_count++] = record;
        }
    }
}

static void key_finish(struct scan *scan, const struct scan_word *key)
{
    term_add(scan, term_exists_hashed(scan->space, key->hash));
    if (key->has_number) {
        term_add(scan, term_number_hashed(scan->space, key->hash));
    }
    if (key->is_word) {
        word_add(scan, WORD_KIND_ATTRIBUTE, key->text, bytes_of(NULL, 0));
    }
    if (key->is_overflowing) {
        term_add(scan, term_overflow_hashed(scan->space, key->hash));
        return;
    }
    for (unsigned i = 0; i < key->values_count; i++) {
        const struct scan_record *record = key->values[i];
        struct bytes value = bytes_of(record->value, record->value_len);
        term_add(scan, term_value_hashed(scan->space, key->hash, record->value_hash));
        if (key->is_word && !key->is_sensitive && bytes_are_utf8(value)) {
            word_add(scan, WORD_KIND_VALUE, key->text, value);
        }
    }
}

static void name_gather(struct scan *scan, struct scan_word *name, uint32_t trace, bool *is_partial)
{
    if (name->trace == trace + 1) {
        return;
    }
    name->trace = trace + 1;
    term_add(scan, term_name(scan->space, name->text));
    if (name->is_word) {
        word_add(scan, WORD_KIND_SPAN_NAME, bytes_of(NULL, 0), name->text);
    } else if (name->text.len > 0) {
        *is_partial = true; /* no dictionary can lead to it */
    }
}

static int term_compare(const void *a, const void *b)
{
    uint64_t x = 0;
    uint64_t y = 0;
    memcpy(&x, a, sizeof x);
    memcpy(&y, b, sizeof y);
    return (x > y) - (x < y);
}

static FALLIBLE terms_finish(struct scan *scan, struct bus_trace *out)
{
    TRY(scratch_keep(scan, &scan->terms, &out->terms));
    size_t count = buf_bytes(&scan->terms).len / sizeof *out->terms;
    size_t kept = 0;
    qsort(out->terms, count, sizeof *out->terms, term_compare);
    for (size_t i = 0; i < count; i++) {
        if (kept == 0 || out->terms[kept - 1] != out->terms[i]) {
            out->terms[kept++] = out->terms[i];
        }
    }
    out->terms_count = kept;
    return OK;
}

/* --- keys and tags ---------------------------------------------------------------------------------------- */

static int key_compare(const void *a, const void *b)
{
    const struct match_key *x = a;
    const struct match_key *y = b;
    return x->kind != y->kind ? (x->kind > y->kind) - (x->kind < y->kind)
                              : bytes_compare(x->value, y->value);
}

static int tag_compare(const void *a, const void *b)
{
    const struct bus_tag *x = a;
    const struct bus_tag *y = b;
    int order = bytes_compare(x->key, y->key);
    return order != 0 ? order : bytes_compare(x->value, y->value);
}

static void facts_split(const struct scan_facts *facts, struct bus_trace *out)
{
    for (const struct scan_fact *fact = facts->first; fact != NULL; fact = fact->next) {
        if (fact->kind != 0) {
            out->keys[out->keys_count++] =
                (struct match_key){.kind = fact->kind, .value = fact->value};
        } else {
            out->tags[out->tags_count++] = (struct bus_tag){.key = fact->key, .value = fact->value};
        }
    }
}

static void keys_unique(struct bus_trace *out)
{
    size_t kept = 0;
    qsort(out->keys, out->keys_count, sizeof *out->keys, key_compare);
    for (size_t i = 0; i < out->keys_count; i++) {
        if (kept == 0 || key_compare(&out->keys[kept - 1], &out->keys[i]) != 0) {
            out->keys[kept++] = out->keys[i];
        }
    }
    if (kept > LIMIT_KEYS_PER_TRACE) {
        out->keys_dropped += (uint32_t)(kept - LIMIT_KEYS_PER_TRACE);
        kept = LIMIT_KEYS_PER_TRACE;
    }
    if (fault_is(FAULT_DROP_KEY) && kept > 0) {
        kept--;
    }
    out->keys_count = kept;
}

static void tags_unique(struct bus_trace *out)
{
    size_t kept = 0;
    qsort(out->tags, out->tags_count, sizeof *out->tags, tag_compare);
    for (size_t i = 0; i < out->tags_count && kept < LIMIT_TAGS_PER_TRACE; i++) {
        if (kept == 0 || tag_compare(&out->tags[kept - 1], &out->tags[i]) != 0) {
            out->tags[kept++] = out->tags[i];
        }
    }
    out->tags_count = kept;
}

/* Calls visit for the resource of each stretch of the trace's spans; a resource's spans lie together. */
static FALLIBLE facts_gather(struct scan *scan, const struct scan_trace *trace,
                             const uint32_t *order, struct bus_trace *out)
{
    const struct scan_result *result = scan->result;
    size_t room = trace->facts.count;
    const struct scan_resource *last = NULL;
    for (uint32_t i = 0; i < trace->spans_count; i++) {
        const struct scan_scope *scope = &result->scopes[result->spans[order[i]].scope];
        const struct scan_resource *resource = &result->resources[scope->resource];
        if (resource != last) {
            room += resource->facts.count;
            last = resource;
        }
    }
    out->keys_dropped = trace->facts.dropped;
    if (room > 0) {
        out->keys = arena_zero(scan->arena, room, sizeof *out->keys);
        out->tags = arena_zero(scan->arena, room, sizeof *out->tags);
        if (arena_is_full(scan->arena)) {
            return FAIL(NO_SPACE);
        }
    }
    facts_split(&trace->facts, out);
    last = NULL;
    for (uint32_t i = 0; i < trace->spans_count; i++) {
        const struct scan_scope *scope = &result->scopes[result->spans[order[i]].scope];
        const struct scan_resource *resource = &result->resources[scope->resource];
        if (resource != last) {
            out->keys_dropped += resource->facts.dropped;
            out->is_skipped |= resource->is_skipped;
            facts_split(&resource->facts, out);
            last = resource;
        }
    }
    if (room > 0) {
        keys_unique(out);
        tags_unique(out);
    }
    return OK;
}

/* --- the summary ------------------------------------------------------------------------------------------- */

static bool is_earlier_root(const struct scan_span *span, const struct bus_root *than)
{
    return span->start != than->start.ns
               ? span->start < than->start.ns
               : memcmp(span->id.b, than->span_id.b, sizeof span->id.b) < 0;
}

static void span_summarize(const struct scan_span *span, struct bus_trace *out,
                           const struct scan_span **root)
{
    out->start.ns = span->start < out->start.ns ? span->start : out->start.ns;
    out->end.ns = span->end > out->end.ns ? span->end : out->end.ns;
    out->errors_count += span->status == 2;
    if (!span->has_parent && (*root == NULL || is_earlier_root(span, &out->root))) {
        *root = span;
        out->has_root = true;
        out->root.span_id = span->id;
        out->root.start.ns = span->start;
        out->root.end.ns = span->end;
    }
}

static FALLIBLE service_gather(struct scan *scan, const struct scan_resource *resource,
                               bool is_first, struct bus_trace *out)
{
    struct bytes clean = {0};
    TRY(text_clean(scan, resource->service, &clean));
    if (is_first) {
        out->service = clean;
    }
    if (resource->service.len > 0) {
        term_add(scan, term_service(scan->space, resource->service));
        word_add(scan, WORD_KIND_SERVICE, bytes_of(NULL, 0), clean);
    }
    return OK;
}

/* Terms, words and times of the trace's spans, scopes and resources. */
static FALLIBLE spans_gather(struct scan *scan, const struct scan_trace *trace,
                             const uint32_t *order, struct bus_trace *out)
{
    const struct scan_result *result = scan->result;
    const struct scan_resource *resource = NULL;
    const struct scan_scope *scope = NULL;
    const struct scan_span *root = NULL;
    bool is_partial = false;
    uint32_t statuses = 0;
    out->start.ns = INT64_MAX;
    out->end.ns = INT64_MIN;
    for (uint32_t i = 0; i < trace->spans_count; i++) {
        const struct scan_span *span = &result->spans[order[i]];
        if (scope != &result->scopes[span->scope]) {
            scope = &result->scopes[span->scope];
            run_gather(scan, &scope->run, trace->index, &is_partial);
        }
        if (resource != &result->resources[scope->resource]) {
            bool is_first = resource == NULL;
            resource = &result->resources[scope->resource];
            run_gather(scan, &resource->run, trace->index, &is_partial);
            TRY(service_gather(scan, resource, is_first, out));
        }
        run_gather(scan, &span->run, trace->index, &is_partial);
        name_gather(scan, span->name, trace->index, &is_partial);
        statuses |= span->status <= 2 ? 1u << span->status : 0;
        span_summarize(span, out, &root);
    }
    for (unsigned status = 0; status <= 2; status++) {
        if ((statuses & 1u << status) != 0) {
            term_add(scan, term_status(scan->space, status));
        }
    }
    if (is_partial) {
        term_add(scan, term_partial(scan->space));
    }
    if (root != NULL) {
        uint32_t of = result->scopes[root->scope].resource;
        TRY(text_clean(scan, root->name->text, &out->root.name));
        TRY(text_clean(scan, result->resources[of].service, &out->root.service));
    }
    return OK;
}

static FALLIBLE trace_gather(struct scan *scan, const struct scan_trace *trace,
                             const uint32_t *order, struct bus_trace *out)
{
    buf_reset(&scan->terms);
    buf_reset(&scan->words);
    buf_reset(&scan->touched);
    *out = (struct bus_trace){.id = trace->id, .spans_count = trace->spans_count};
    TRY(facts_gather(scan, trace, order, out));
    TRY(spans_gather(scan, trace, order, out));
    TRY(buf_err(&scan->touched));
    struct bytes touched = buf_bytes(&scan->touched);
    for (size_t at = 0; at < touched.len; at += sizeof(void *)) {
        const struct scan_word *key = NULL;
        memcpy(&key, touched.ptr + at, sizeof key);
        key_finish(scan, key);
    }
    for (size_t i = 0; i < out->tags_count; i++) {
        word_add(scan, WORD_KIND_TAG, out->tags[i].key, out->tags[i].value);
    }
    TRY(terms_finish(scan, out));
    TRY(scratch_keep(scan, &scan->words, &out->words));
    out->words_count = buf_bytes(&scan->words).len / sizeof *out->words;
    return OK;
}

/* --- all traces ----------------------------------------------------------------------------------------------- */

/* Lists the spans trace by trace, each trace's in the order they came (a counting sort). */
static FALLIBLE order_make(struct scan *scan)
{
    struct scan_result *result = scan->result;
    result->order = arena_alloc(scan->arena, result->spans_count * sizeof *result->order);
    result->order_starts =
        arena_zero(scan->arena, (size_t)scan->traces_count + 1, sizeof *result->order_starts);
    uint32_t *next = arena_zero(scan->arena, scan->traces_count, sizeof *next);
    if (arena_is_full(scan->arena)) {
        return FAIL(NO_SPACE);
    }
    uint32_t start = 0;
    for (const struct scan_trace *trace = scan->first; trace != NULL; trace = trace->next) {
        result->order_starts[trace->index] = start;
        next[trace->index] = start;
        start += trace->spans_count;
    }
    result->order_starts[scan->traces_count] = start;
    INVARIANT(start == result->spans_count);
    for (uint32_t i = 0; i < result->spans_count; i++) {
        result->order[next[result->spans[i].trace]++] = i;
    }
    return OK;
}

err_t scan_gather(struct scan *scan)
{
    struct scan_result *result = scan->result;
    TRY(order_make(scan));
    result->traces = arena_zero(scan->arena, scan->traces_count, sizeof *result->traces);
    if (result->traces == NULL) {
        return FAIL(NO_SPACE);
    }
    for (const struct scan_trace *trace = scan->first; trace != NULL; trace = trace->next) {
        TRY(trace_gather(scan, trace, result->order + result->order_starts[trace->index],
                         &result->traces[trace->index]));
        result->traces_count++;
    }
    return OK;
}
