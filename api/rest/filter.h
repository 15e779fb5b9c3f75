/* filter: what a span is searched for, read from the parameters `name` and `attr`, compared with decoded spans, and
 * said in search terms (proto/otlp/term.h). PURE.
 *
 *     name=TEXT        the span's name contains it (fold.h)
 *     nameIs=TEXT      the span's name octet for octet
 *     attr=KEY         the span has the attribute, of whatever type
 *     attr=KEY:VALUE   a text that is VALUE octet for octet, a boolean written like it, a number equal to it
 *     attr=KEY<N, >N   a number, or a text that reads as one, that is less or greater
 *
 * In KEY a backslash makes the next character an ordinary one. The attributes of a span are its own, its scope's and
 * its resource's; where one stands several times each counts. Those of events and links do not. All filters must
 * hold on one span.
 *
 * Owner thread: the caller's. Views borrow from the parameters and the arena. */
#ifndef CALLTRACE_REST_FILTER_H
#define CALLTRACE_REST_FILTER_H

#include "proto/otlp/term.h"
#include "proto/otlp/view.h"

enum {
    /* Names and attributes of one search: more than a person writes, few enough for a mask of bits. */
    FILTERS_MAX = 16,
    /* Of one parameter: some hundred characters are usual, a head has 16 KiB. */
    FILTER_BYTES_MAX = 2048,
    /* Search terms of an attribute, any of which a segment must have. */
    FILTER_TERMS_MAX = 4,
};

enum filter_kind {
    FILTER_KIND_NAME = 1,
    FILTER_KIND_EXISTS,
    FILTER_KIND_EQUAL,
    FILTER_KIND_LESS,
    FILTER_KIND_GREATER,
    FILTER_KIND_NAME_IS,
};

struct filter_number {
    bool is_integer; /* fits 64 bits; `real` is then not used */
    int64_t integer;
    double real;
};

struct filter {
    enum filter_kind kind;
    struct bytes key;
    struct bytes text; /* of a name or value */
    bool has_number;
    struct filter_number number;
};

struct filters {
    struct filter list[FILTERS_MAX];
    size_t count;
};

/* NULL: read; else what is wrong, as it goes on behind the parameter's name. */
const char *filter_read_attribute(struct bytes text, struct arena *arena,
                                  struct filter *ret_filter);
/* KEY:VALUE of a tag. */
const char *filter_read_tag(struct bytes text, struct arena *arena, struct bytes *ret_key,
                            struct bytes *ret_value);

/* A JSON number, nothing around it. */
bool filter_number_read(struct bytes text, struct filter_number *ret_number);

/* Any of these; 0 when it is part of a name, whose terms the dictionary gives. */
size_t filter_terms(const struct filter *filter, struct term_space space,
                    uint64_t ret_terms[FILTER_TERMS_MAX]);

/* Filters made ready for the spans of one view. */
struct filter_view {
    const struct filters *filters;
    const struct view *view;
    const uint32_t *scopes; /* by scope: bits of the filters that it or its resource fulfils */
};

/* Errors: NO_SPACE. */
FALLIBLE filter_view_open(const struct filters *filters, const struct view *view,
                          struct arena *arena, struct filter_view *ret_view);

/* Octets that a span which fits cannot be without: false, and no span of the segment has to be looked at. */
bool filters_may_fit(const struct filters *filters, struct bytes raw_segment);

bool filter_fits(const struct filter_view *view, const struct otlp_span *span);

/* The attribute of a span that fits by which the filter held; false: it is a name's. */
bool filter_item(const struct filter_view *view, const struct otlp_span *span,
                 const struct filter *filter, struct otlp_item *ret_item);

#endif
