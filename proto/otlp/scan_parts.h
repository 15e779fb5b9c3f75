/* scan_parts: what the files of the scan share; nobody else includes it.
 *
 * The scan has two steps. scan_walk (scan.c) goes through the bytes once, checks every span and leaves one
 * scan_span with its attribute records. scan_gather (scan_gather.c) then goes trace by trace over these
 * and makes the facts. Owner thread: the caller's; all memory is the arena's but the uthash tables. */
#ifndef CALLTRACE_OTLP_SCAN_PARTS_H
#define CALLTRACE_OTLP_SCAN_PARTS_H

#include "proto/base/limits.h"
#include "proto/base/table.h"
#include "proto/otlp/scan.h"
#include "proto/otlp/term.h"

/* A key of the link equation, or a tag, seen on a span or a resource. */
struct scan_fact {
    struct scan_fact *next;
    enum match_kind kind; /* 0: a tag */
    struct bytes key;     /* of a tag */
    struct bytes value;
};

/* Facts of a resource or a trace, in no order. */
struct scan_facts {
    struct scan_fact *first;
    uint32_t count;      /* of keys and tags */
    uint32_t keys_count; /* both have a bound of their own: tags never crowd out a key */
    uint32_t dropped;    /* keys */
};

/* One distinct attribute key, or one distinct span name, of the export. */
struct scan_word {
    struct bytes text;
    uint64_t hash;       /* term_hash */
    uint8_t attributes;  /* bits: rows of match_attributes.def with this key */
    bool is_tag;         /* roark.project.tag.* */
    bool is_skip;        /* roark.skip */
    bool is_service;     /* service.name */
    bool is_word;        /* fits the dictionary */
    bool is_sensitive;   /* a `pii` part: its values do not go into the dictionary */
    bool is_overflowing; /* state of the trace being gathered, with all that follows */
    bool has_number;
    uint8_t values_count;
    uint32_t trace; /* its index + 1 */
    const struct scan_record *values[LIMIT_TERM_VALUES];
    UT_hash_handle hh;
};

/* One attribute for the search terms. */
struct scan_record {
    struct scan_word *key;
    const uint8_t *value;
    uint64_t value_hash;
    uint32_t value_len;
    bool has_value; /* a short text or a boolean */
    bool is_number;
};

struct scan_run {
    struct scan_record *first;
    uint32_t count;
    bool is_partial; /* there were more */
};

struct scan_resource {
    struct bytes head; /* fields other than scope_spans */
    struct scan_run run;
    struct scan_facts facts;
    struct bytes service;
    bool is_skipped;
    bool is_bad;
};

struct scan_scope {
    struct bytes head; /* fields other than spans */
    struct scan_run run;
    uint32_t resource;
    bool is_pipecat;
    bool is_bad;
};

struct scan_span {
    struct bytes raw;
    struct scan_run run;
    struct scan_word *name;
    int64_t start;
    int64_t end;
    struct span_id id;
    uint32_t trace;
    uint32_t scope;
    uint32_t status;
    bool has_parent;
};

struct scan_trace {
    struct trace_id id;
    uint32_t index;
    uint32_t spans_count;
    struct scan_facts facts;
    struct scan_trace *next;
    UT_hash_handle hh;
};

enum { SCAN_CACHE = 256 };

/* A table of words with a small cache before it: the same few keys come again and again. */
struct scan_words {
    struct scan_word *table;
    struct scan_word *cache[SCAN_CACHE];
};

struct scan {
    struct arena *arena;
    struct detail *detail;
    struct term_space space;
    struct scan_result *result;
    struct scan_words keys;
    struct scan_words names;
    struct scan_trace *table; /* uthash, by id */
    struct scan_trace *first;
    struct scan_trace **tail;
    struct scan_trace *last; /* of the last span */
    uint32_t traces_count;
    uint32_t span_position; /* of the span being read, in the request */
    uint32_t scopes_count;
    uint32_t resources_count;
    struct scan_record *records; /* the block being filled */
    size_t records_left;
    size_t records_total;
    uint64_t true_hash;
    uint64_t false_hash;
    err_t err; /* sticky: memory */
    /* scan_gather's scratch, reused for each trace */
    struct buf terms;
    struct buf words;
    struct buf touched;
};

enum scan_place { SCAN_PLACE_RESOURCE = 1, SCAN_PLACE_SCOPE = 2, SCAN_PLACE_SPAN = 4 };

/* Where attributes are being read. */
struct scan_holder {
    enum scan_place place;
    struct scan_run run;
    uint32_t run_max;
    struct scan_facts facts;
    struct bytes service;
    bool is_skipped;
    bool is_pipecat;
};

/* --- scan_attribute.c ---- */

/* Reads one KeyValue. Never an error of the body: what does not fit is the reject reason. */
enum scan_reject scan_attribute(struct scan *scan, struct bytes key_value,
                                struct scan_holder *holder);

/* Before the first attribute of a holder whose attributes take at most `bytes`. */
void scan_holder_begin(struct scan *scan, struct scan_holder *holder, enum scan_place place,
                       size_t bytes);
/* Behind the last. */
void scan_holder_end(struct scan *scan, struct scan_holder *holder);

/* The word of a text, made at first sight; NULL when out of memory. */
struct scan_word *scan_word(struct scan *scan, struct scan_words *words, struct bytes text);

/* --- scan_gather.c ---- */

/* Fills result->traces and what segment_build needs. */
FALLIBLE scan_gather(struct scan *scan);

#endif
