#include "correlator/core/plan.h"

#include <stdlib.h>

#include "correlator/core/text.h"
#include "proto/base/check.h"
#include "proto/base/limits.h"

#include "proto/base/banned.h"

enum { WORD_BYTES_MAX = 1024 }; /* key and value stand in a B-tree, whose rows are bounded */

/* One trace of one message. */
struct piece {
    struct uuid project;
    struct unix_ns received;
    const struct bus_trace *trace;
};

static int uuid_compare(const struct uuid *a, const struct uuid *b)
{
    return memcmp(a->b, b->b, sizeof a->b);
}

static int trace_id_compare(const struct trace_id *a, const struct trace_id *b)
{
    return memcmp(a->b, b->b, sizeof a->b);
}

static int compare_pieces(const void *left, const void *right)
{
    const struct piece *a = left;
    const struct piece *b = right;
    int order = uuid_compare(&a->project, &b->project);
    return order != 0 ? order : trace_id_compare(&a->trace->id, &b->trace->id);
}

static int compare_keys(const void *left, const void *right)
{
    const struct plan_key *a = left;
    const struct plan_key *b = right;
    int order = uuid_compare(&a->project, &b->project);
    order = order != 0 ? order : match_key_compare(&a->key, &b->key);
    return order != 0 ? order : trace_id_compare(&a->trace, &b->trace);
}

static int compare_tags(const void *left, const void *right)
{
    const struct plan_tag *a = left;
    const struct plan_tag *b = right;
    int order = uuid_compare(&a->project, &b->project);
    order = order != 0 ? order : bytes_compare(a->tag.key, b->tag.key);
    order = order != 0 ? order : bytes_compare(a->tag.value, b->tag.value);
    return order != 0 ? order : trace_id_compare(&a->trace, &b->trace);
}

static int compare_words(const void *left, const void *right)
{
    const struct plan_word *a = left;
    const struct plan_word *b = right;
    int order = uuid_compare(&a->project, &b->project);
    order = order != 0 ? order : (int)a->word.kind - (int)b->word.kind;
    order = order != 0 ? order : bytes_compare(a->word.key, b->word.key);
    return order != 0 ? order : bytes_compare(a->word.value, b->word.value);
}

static int compare_segments(const void *left, const void *right)
{
    const struct plan_segment *a = left;
    const struct plan_segment *b = right;
    int order = uuid_compare(&a->project, &b->project);
    order = order != 0 ? order : trace_id_compare(&a->trace->id, &b->trace->id);
    return order != 0 ? order
                      : memcmp(a->trace->segment_hash, b->trace->segment_hash,
                               sizeof a->trace->segment_hash);
}

typedef int compare_fn(const void *left, const void *right);

/* Sorts and keeps the first of equal ones; gives how many are left. */
static size_t sort_unique(void *rows, size_t count, size_t size, compare_fn *compare)
{
    if (count == 0) {
        return 0;
    }
    uint8_t *at = rows;
    qsort(at, count, size, compare);
    size_t kept = 1;
    for (size_t i = 1; i < count; i++) {
        if (compare(at + (kept - 1) * size, at + i * size) != 0) {
            if (kept != i) {
                memcpy(at + kept * size, at + i * size, size);
            }
            kept++;
        }
    }
    return kept;
}

bool root_is_before(const struct bus_root *a, const struct bus_root *b)
{
    if (a->start.ns != b->start.ns) {
        return a->start.ns < b->start.ns;
    }
    int order = memcmp(a->span_id.b, b->span_id.b, sizeof a->span_id.b);
    if (order != 0) {
        return order < 0;
    }
    if (a->end.ns != b->end.ns) {
        return a->end.ns > b->end.ns;
    }
    return bytes_compare(a->name, b->name) > 0;
}

static FALLIBLE merge_root(struct plan_trace *into, const struct bus_trace *from,
                           struct arena *arena)
{
    if (!from->has_root) {
        return OK;
    }
    struct bus_root root = from->root;
    TRY(text_for_summary(root.name, arena, &root.name));
    TRY(text_for_summary(root.service, arena, &root.service));
    if (!into->has_root || root_is_before(&root, &into->root)) {
        into->root = root;
        into->has_root = true;
    }
    return OK;
}

static struct unix_ns least(struct unix_ns a, struct unix_ns b)
{
    return a.ns < b.ns ? a : b;
}

static struct unix_ns greatest(struct unix_ns a, struct unix_ns b)
{
    return a.ns > b.ns ? a : b;
}

static FALLIBLE merge_trace(struct plan_trace *into, const struct piece *piece, struct arena *arena)
{
    const struct bus_trace *from = piece->trace;
    struct bytes service = {0};
    TRY(text_for_summary(from->service, arena, &service));
    into->is_skipping = into->is_skipping || from->is_skipped;
    into->first_seen = least(into->first_seen, piece->received);
    into->last_seen = greatest(into->last_seen, piece->received);
    into->start = least(into->start, from->start);
    into->end = greatest(into->end, from->end);
    into->has_error = into->has_error || from->errors_count > 0;
    if (service.len > 0 && (into->service.len == 0 || bytes_compare(service, into->service) < 0)) {
        into->service = service;
    }
    into->keys_dropped =
        into->keys_dropped > from->keys_dropped ? into->keys_dropped : from->keys_dropped;
    into->spans_count += from->spans_count;
    return merge_root(into, from, arena);
}

static FALLIBLE merge_traces(const struct piece *pieces, size_t count, struct arena *arena,
                             struct plan *plan)
{
    plan->traces = arena_zero(arena, count, sizeof *plan->traces);
    if (plan->traces == NULL) {
        return FAIL(NO_SPACE);
    }
    for (size_t i = 0; i < count; i++) {
        const struct piece *piece = &pieces[i];
        if (i == 0 || compare_pieces(&pieces[i - 1], piece) != 0) {
            plan->traces[plan->traces_count++] = (struct plan_trace){
                .project = piece->project,
                .id = piece->trace->id,
                .first_seen = piece->received,
                .last_seen = piece->received,
                .start = piece->trace->start,
                .end = piece->trace->end,
            };
        }
        TRY(merge_trace(&plan->traces[plan->traces_count - 1], piece, arena));
    }
    return OK;
}

static FALLIBLE own_key(const struct plan_trace *trace, struct arena *arena,
                        struct plan_key *ret_key)
{
    char *hex = arena_alloc(arena, TRACE_ID_HEX);
    if (hex == NULL) {
        return FAIL(NO_SPACE);
    }
    bytes_to_hex(bytes_of(trace->id.b, sizeof trace->id.b), hex);
    *ret_key = (struct plan_key){
        .project = trace->project,
        .key = {.kind = MATCH_KIND_TRACE, .value = bytes_of(hex, TRACE_ID_HEX)},
        .trace = trace->id,
    };
    return OK;
}

/* The pieces are sorted as the traces are, so that both lists are walked once. */
static FALLIBLE gather_keys(const struct piece *pieces, size_t count, struct arena *arena,
                            struct plan *plan)
{
    size_t total = plan->traces_count;
    for (size_t i = 0; i < count; i++) {
        total += pieces[i].trace->keys_count;
    }
    plan->keys = arena_zero(arena, total, sizeof *plan->keys);
    if (plan->keys == NULL) {
        return FAIL(NO_SPACE);
    }
    size_t used = 0;
    for (size_t i = 0; i < plan->traces_count; i++) {
        TRY(own_key(&plan->traces[i], arena, &plan->keys[used++]));
    }
    size_t at = 0;
    for (size_t i = 0; i < count; i++) {
        at += i > 0 && compare_pieces(&pieces[i - 1], &pieces[i]) != 0;
        for (size_t n = 0; n < pieces[i].trace->keys_count; n++) {
            const struct match_key *key = &pieces[i].trace->keys[n];
            plan->keys[used++] = (struct plan_key){
                .project = pieces[i].project,
                .key = *key,
                .trace = pieces[i].trace->id,
                .is_skipping = plan->traces[at].is_skipping && key->kind == MATCH_KIND_LIVEKIT,
            };
        }
    }
    POST(used == total);
    plan->keys_count = sort_unique(plan->keys, total, sizeof *plan->keys, compare_keys);
    return OK;
}

/* A service is kept as a tag with an empty key, which no tag of a client has: so a trace is found by every service
 * that has a span in it. */
static void gather_services(const struct piece *piece, struct plan_tag *tags, size_t *used)
{
    for (size_t n = 0; n < piece->trace->words_count; n++) {
        const struct bus_word *word = &piece->trace->words[n];
        if (word->kind == WORD_KIND_SERVICE) {
            tags[(*used)++] = (struct plan_tag){.project = piece->project,
                                                .tag = {bytes_of("", 0), word->value},
                                                .trace = piece->trace->id};
        }
    }
}

static FALLIBLE gather_tags(const struct piece *pieces, size_t count, struct arena *arena,
                            struct plan *plan)
{
    size_t total = 0;
    for (size_t i = 0; i < count; i++) {
        total += pieces[i].trace->tags_count + pieces[i].trace->words_count;
    }
    plan->tags = arena_zero(arena, total, sizeof *plan->tags);
    if (plan->tags == NULL) {
        return FAIL(NO_SPACE);
    }
    size_t used = 0;
    for (size_t i = 0; i < count; i++) {
        for (size_t n = 0; n < pieces[i].trace->tags_count; n++) {
            plan->tags[used++] = (struct plan_tag){.project = pieces[i].project,
                                                   .tag = pieces[i].trace->tags[n],
                                                   .trace = pieces[i].trace->id};
        }
        gather_services(&pieces[i], plan->tags, &used);
    }
    plan->tags_count = sort_unique(plan->tags, used, sizeof *plan->tags, compare_tags);
    return OK;
}

static FALLIBLE gather_words(const struct piece *pieces, size_t count, struct arena *arena,
                             struct plan *plan)
{
    size_t total = 0;
    for (size_t i = 0; i < count; i++) {
        total += pieces[i].trace->words_count;
    }
    plan->words = arena_zero(arena, total, sizeof *plan->words);
    if (plan->words == NULL) {
        return FAIL(NO_SPACE);
    }
    size_t used = 0;
    for (size_t i = 0; i < count; i++) {
        for (size_t n = 0; n < pieces[i].trace->words_count; n++) {
            const struct bus_word *word = &pieces[i].trace->words[n];
            if (word->key.len + word->value.len <= WORD_BYTES_MAX) {
                plan->words[used++] =
                    (struct plan_word){.project = pieces[i].project, .word = *word};
            }
        }
    }
    plan->words_count = sort_unique(plan->words, used, sizeof *plan->words, compare_words);
    return OK;
}

static FALLIBLE gather_segments(const struct piece *pieces, size_t count, struct arena *arena,
                                struct plan *plan)
{
    plan->segments = arena_zero(arena, count, sizeof *plan->segments);
    if (plan->segments == NULL) {
        return FAIL(NO_SPACE);
    }
    size_t used = 0;
    for (size_t i = 0; i < count; i++) {
        if (pieces[i].trace->segment.len > 0) {
            plan->segments[used++] =
                (struct plan_segment){.project = pieces[i].project, .trace = pieces[i].trace};
        }
    }
    plan->segments_count =
        sort_unique(plan->segments, used, sizeof *plan->segments, compare_segments);
    return OK;
}

static FALLIBLE gather_pieces(const struct bus_message *const *messages, size_t count,
                              struct arena *arena, struct piece **ret_pieces, size_t *ret_count)
{
    size_t total = 0;
    for (size_t i = 0; i < count; i++) {
        total += messages[i]->what == BUS_WHAT_SPANS ? messages[i]->spans.traces_count : 0;
    }
    struct piece *pieces = arena_zero(arena, total, sizeof *pieces);
    if (pieces == NULL) {
        return FAIL(NO_SPACE);
    }
    size_t used = 0;
    for (size_t i = 0; i < count; i++) {
        if (messages[i]->what != BUS_WHAT_SPANS) {
            continue;
        }
        const struct bus_span_batch *batch = &messages[i]->spans;
        for (size_t n = 0; n < batch->traces_count; n++) {
            pieces[used++] = (struct piece){
                .project = batch->project, .received = batch->received, .trace = &batch->traces[n]};
        }
    }
    qsort(pieces, used, sizeof *pieces, compare_pieces);
    *ret_pieces = pieces;
    *ret_count = used;
    return OK;
}

err_t plan_make(const struct bus_message *const *messages, size_t count, struct arena *arena,
                struct plan *ret_plan)
{
    struct plan plan = {.traces_count = 0};
    struct piece *pieces = NULL;
    size_t pieces_count = 0;
    TRY(gather_pieces(messages, count, arena, &pieces, &pieces_count));
    TRY(merge_traces(pieces, pieces_count, arena, &plan));
    TRY(gather_keys(pieces, pieces_count, arena, &plan));
    TRY(gather_tags(pieces, pieces_count, arena, &plan));
    TRY(gather_words(pieces, pieces_count, arena, &plan));
    TRY(gather_segments(pieces, pieces_count, arena, &plan));
    *ret_plan = plan;
    return OK;
}
