#include "api/rest/filter.h"

#include <errno.h>
#include <stdlib.h>

#include "api/rest/fold.h"
#include "proto/base/limits.h"

#include "proto/base/banned.h"

enum {
    /* Longer texts are no numbers: 17 digits and an exponent say all that a double holds. */
    NUMBER_BYTES_MAX = 64,
};

/* --- numbers --------------------------------------------------------------------------------------- */

static size_t digits(struct bytes text, size_t at)
{
    size_t end = at;
    while (end < text.len && text.ptr[end] >= '0' && text.ptr[end] <= '9') {
        end++;
    }
    return end - at;
}

static bool has_char(struct bytes text, size_t at, const char *any)
{
    return at < text.len && text.ptr[at] != 0 && strchr(any, text.ptr[at]) != NULL;
}

/* Where the JSON number that `text` begins with ends; 0: none. */
static size_t number_end(struct bytes text, bool *ret_is_integer)
{
    size_t at = has_char(text, 0, "-") ? 1 : 0;
    size_t count = digits(text, at);
    *ret_is_integer = true;
    if (count == 0 || (count > 1 && text.ptr[at] == '0')) {
        return 0;
    }
    at += count;
    if (has_char(text, at, ".")) {
        count = digits(text, at + 1);
        if (count == 0) {
            return 0;
        }
        at += 1 + count;
        *ret_is_integer = false;
    }
    if (has_char(text, at, "eE")) {
        at += has_char(text, at + 1, "+-") ? 2 : 1;
        count = digits(text, at);
        if (count == 0) {
            return 0;
        }
        at += count;
        *ret_is_integer = false;
    }
    return at;
}

bool filter_number_read(struct bytes text, struct filter_number *ret_number)
{
    char copy[NUMBER_BYTES_MAX + 1];
    bool is_integer = false;
    if (text.len == 0 || text.len > NUMBER_BYTES_MAX || number_end(text, &is_integer) != text.len) {
        return false;
    }
    memcpy(copy, text.ptr, text.len);
    copy[text.len] = '\0';
    struct filter_number number = {.is_integer = is_integer};
    errno = 0;
    if (is_integer) {
        number.integer = strtoll(copy, NULL, 10);
        number.is_integer = errno == 0; /* else beyond 64 bits: a double is near enough */
    }
    if (!number.is_integer) {
        number.real = strtod(copy, NULL);
        if (number.real - number.real != 0) {
            return false; /* beyond what a double holds */
        }
    }
    *ret_number = number;
    return true;
}

static int compare_integer_with_real(int64_t a, double b)
{
    static const double beyond = 9223372036854775808.0;
    if (b >= beyond || b < -beyond) {
        return b < 0 ? 1 : -1;
    }
    int64_t whole = (int64_t)b;
    if (a != whole) {
        return a < whole ? -1 : 1;
    }
    double rest = b - (double)whole;
    return (rest < 0) - (rest > 0);
}

/* Less, equal, greater: -1, 0, 1. None of them is NaN. */
static int number_compare(struct filter_number a, struct filter_number b)
{
    if (a.is_integer && b.is_integer) {
        return (a.integer > b.integer) - (a.integer < b.integer);
    }
    if (a.is_integer) {
        return compare_integer_with_real(a.integer, b.real);
    }
    if (b.is_integer) {
        return -compare_integer_with_real(b.integer, a.real);
    }
    return (a.real > b.real) - (a.real < b.real);
}

/* Is the value a number that compares like this? Of texts only when they count as numbers. */
static bool value_compares(const struct otlp_value *value, struct filter_number with,
                           bool reads_texts, int wanted)
{
    struct filter_number number = {0};
    if (value->kind == OTLP_VALUE_INT) {
        number = (struct filter_number){.is_integer = true, .integer = value->integer};
    } else if (value->kind == OTLP_VALUE_DOUBLE) {
        number.real = value->number;
        if (number.real != number.real) {
            return false;
        }
    } else if (!reads_texts || value->kind != OTLP_VALUE_TEXT ||
               !filter_number_read(value->text, &number)) {
        return false;
    }
    return number_compare(number, with) == wanted;
}

/* --- reading --------------------------------------------------------------------------------------- */

/* The key up to the first of `ends` that no backslash stands before. NULL: read; `*ret_end` is the text's length
 * when none of them came. */
static const char *key_read(struct bytes text, const char *ends, struct arena *arena,
                            struct bytes *ret_key, size_t *ret_end)
{
    if (text.len > FILTER_BYTES_MAX) {
        return "must have at most 2048 octets";
    }
    char *key = arena_alloc(arena, text.len + 1);
    if (key == NULL) {
        return "is more than there is room for";
    }
    size_t len = 0;
    size_t at = 0;
    for (; at < text.len && !has_char(text, at, ends); at++) {
        if (text.ptr[at] == '\\') {
            at++;
            if (at == text.len) {
                return "ends in a backslash, which makes the next character an ordinary one";
            }
        }
        key[len++] = (char)text.ptr[at];
    }
    *ret_key = bytes_of(key, len);
    *ret_end = at;
    return NULL;
}

const char *filter_read_attribute(struct bytes text, struct arena *arena, struct filter *ret_filter)
{
    struct filter filter = {.kind = FILTER_KIND_EXISTS};
    size_t end = 0;
    const char *wrong = key_read(text, ":<>", arena, &filter.key, &end);
    if (wrong != NULL) {
        return wrong;
    }
    if (filter.key.len == 0) {
        return "must be KEY, KEY:VALUE, KEY<NUMBER or KEY>NUMBER";
    }
    if (end < text.len) {
        filter.text = bytes_of(text.ptr + end + 1, text.len - end - 1);
        filter.has_number = filter_number_read(filter.text, &filter.number);
        filter.kind = text.ptr[end] == ':'   ? FILTER_KIND_EQUAL
                      : text.ptr[end] == '<' ? FILTER_KIND_LESS
                                             : FILTER_KIND_GREATER;
        if (filter.kind != FILTER_KIND_EQUAL && !filter.has_number) {
            return "needs a number behind < or >, such as gen_ai.usage.output_tokens>100";
        }
    }
    *ret_filter = filter;
    return NULL;
}

const char *filter_read_tag(struct bytes text, struct arena *arena, struct bytes *ret_key,
                            struct bytes *ret_value)
{
    size_t end = 0;
    const char *wrong = key_read(text, ":", arena, ret_key, &end);
    if (wrong != NULL) {
        return wrong;
    }
    if (ret_key->len == 0 || end == text.len) {
        return "must be KEY:VALUE";
    }
    *ret_value = bytes_of(text.ptr + end + 1, text.len - end - 1);
    return NULL;
}

/* --- terms ----------------------------------------------------------------------------------------- */

size_t filter_terms(const struct filter *filter, struct term_space space,
                    uint64_t ret_terms[FILTER_TERMS_MAX])
{
    size_t count = 0;
    if (filter->kind == FILTER_KIND_NAME) {
        return 0;
    }
    ret_terms[count++] = term_partial(space);
    if (filter->kind == FILTER_KIND_NAME_IS) {
        ret_terms[count++] = term_name(space, filter->text);
        return count;
    }
    if (filter->kind != FILTER_KIND_EQUAL || filter->text.len > LIMIT_TERM_BYTES) {
        ret_terms[count++] = term_exists(space, filter->key);
        return count;
    }
    ret_terms[count++] = term_value(space, filter->key, filter->text);
    ret_terms[count++] = term_overflow(space, filter->key);
    if (filter->has_number) {
        ret_terms[count++] = term_number(space, filter->key);
    }
    return count;
}

/* --- comparing ------------------------------------------------------------------------------------- */

static bool value_is(const struct otlp_value *value, const struct filter *filter)
{
    switch (value->kind) {
    case OTLP_VALUE_TEXT:
        return bytes_equal(value->text, filter->text);
    case OTLP_VALUE_BOOL:
        return bytes_equal_text(filter->text, value->flag ? "true" : "false");
    case OTLP_VALUE_INT:
    case OTLP_VALUE_DOUBLE:
        return filter->has_number && value_compares(value, filter->number, false, 0);
    case OTLP_VALUE_EMPTY:
    case OTLP_VALUE_ARRAY:
    case OTLP_VALUE_MAP:
    case OTLP_VALUE_BYTES:
        return false;
    }
    return false;
}

static bool item_fits(const struct filter *filter, const struct otlp_item *item)
{
    if (!bytes_equal(item->key, filter->key)) {
        return false;
    }
    switch (filter->kind) {
    case FILTER_KIND_NAME:
    case FILTER_KIND_NAME_IS:
        return false;
    case FILTER_KIND_EXISTS:
        return true;
    case FILTER_KIND_EQUAL:
        return value_is(&item->value, filter);
    case FILTER_KIND_LESS:
        return value_compares(&item->value, filter->number, true, -1);
    case FILTER_KIND_GREATER:
        return value_compares(&item->value, filter->number, true, 1);
    }
    return false;
}

/* The bits of the filters that one of these attributes fulfils. */
static uint32_t items_mask(const struct filters *filters, struct otlp_items items)
{
    uint32_t mask = 0;
    struct otlp_item item;
    while (otlp_items_next(&items, &item)) {
        for (size_t i = 0; i < filters->count; i++) {
            if ((mask & 1u << i) == 0 && item_fits(&filters->list[i], &item)) {
                mask |= 1u << i;
            }
        }
    }
    return mask;
}

err_t filter_view_open(const struct filters *filters, const struct view *view, struct arena *arena,
                       struct filter_view *ret_view)
{
    uint32_t *resources = arena_zero(arena, view->resources_count + 1, sizeof *resources);
    uint32_t *scopes = arena_zero(arena, view->scopes_count + 1, sizeof *scopes);
    if (resources == NULL || scopes == NULL) {
        return FAIL(NO_SPACE);
    }
    for (size_t i = 0; i < view->resources_count; i++) {
        resources[i] = items_mask(filters, otlp_resource_attributes(&view->resources[i]));
    }
    for (size_t i = 0; i < view->scopes_count; i++) {
        scopes[i] = items_mask(filters, otlp_scope_attributes(&view->scopes[i])) |
                    resources[view->scopes[i].resource];
    }
    *ret_view = (struct filter_view){.filters = filters, .view = view, .scopes = scopes};
    return OK;
}

static bool holds(struct bytes raw, struct bytes part)
{
    return part.len == 0 || (raw.len > 0 && memmem(raw.ptr, raw.len, part.ptr, part.len) != NULL);
}

/* A text stands in a segment as it is; numbers and booleans do not. */
static bool is_text_only(const struct filter *filter)
{
    bool is_value = filter->kind == FILTER_KIND_EQUAL && !filter->has_number &&
                    !bytes_equal_text(filter->text, "true") &&
                    !bytes_equal_text(filter->text, "false");
    return is_value || filter->kind == FILTER_KIND_NAME_IS;
}

bool filters_may_fit(const struct filters *filters, struct bytes raw_segment)
{
    for (size_t i = 0; i < filters->count; i++) {
        const struct filter *filter = &filters->list[i];
        if (!holds(raw_segment, filter->key) ||
            (is_text_only(filter) && !holds(raw_segment, filter->text))) {
            return false;
        }
    }
    return true;
}

static uint32_t names_mask(const struct filters *filters, struct bytes name)
{
    uint32_t mask = 0;
    size_t at = 0;
    for (size_t i = 0; i < filters->count; i++) {
        const struct filter *filter = &filters->list[i];
        if ((filter->kind == FILTER_KIND_NAME && fold_find(name, filter->text, &at)) ||
            (filter->kind == FILTER_KIND_NAME_IS && bytes_equal(name, filter->text))) {
            mask |= 1u << i;
        }
    }
    return mask;
}

bool filter_fits(const struct filter_view *view, const struct otlp_span *span)
{
    uint32_t all = (1u << view->filters->count) - 1;
    uint32_t mask = view->scopes[span->scope] | names_mask(view->filters, span->name);
    if (mask != all) {
        mask |= items_mask(view->filters, otlp_span_attributes(span));
    }
    return mask == all;
}

static bool item_find(const struct filter *filter, struct otlp_items items,
                      struct otlp_item *ret_item)
{
    struct otlp_item item;
    while (otlp_items_next(&items, &item)) {
        if (item_fits(filter, &item)) {
            *ret_item = item;
            return true;
        }
    }
    return false;
}

bool filter_item(const struct filter_view *view, const struct otlp_span *span,
                 const struct filter *filter, struct otlp_item *ret_item)
{
    const struct otlp_scope *scope = &view->view->scopes[span->scope];
    const struct otlp_resource *resource = &view->view->resources[scope->resource];
    return item_find(filter, otlp_span_attributes(span), ret_item) ||
           item_find(filter, otlp_scope_attributes(scope), ret_item) ||
           item_find(filter, otlp_resource_attributes(resource), ret_item);
}
