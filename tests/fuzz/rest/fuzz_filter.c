/* Any octets as the parameters `attr` and `tag`, compared with the spans of a stored segment made of the same octets, and
 * as what is looked for in them. */
#include "api/rest/filter.h"
#include "api/rest/look.h"
#include "proto/base/check.h"

#include "proto/base/banned.h"

enum { ARENA_MAX = 16 << 20 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void spans_try(const struct filters *filters, struct bytes raw, struct bytes needle,
                      struct arena *arena)
{
    struct view view;
    struct filter_view ready;
    (void)filters_may_fit(filters,
                          raw); /* it says more only of segments that the scan let through */
    if (!err_is_ok(view_open(&raw, 1, arena, &view)) ||
        !err_is_ok(filter_view_open(filters, &view, arena, &ready))) {
        return;
    }
    for (size_t i = 0; i < view.spans_count; i++) {
        struct look_find find;
        struct otlp_item item;
        bool fits = filter_fits(&ready, &view.spans[i]);
        for (size_t n = 0; n < filters->count; n++) {
            bool is_name = filters->list[n].kind == FILTER_KIND_NAME;
            bool has = filter_item(&ready, &view.spans[i], &filters->list[n], &item);
            INVARIANT(!fits || has != is_name);
        }
        if (look_span(&view.spans[i], needle, &find)) {
            INVARIANT(find.match.len == needle.len);
            INVARIANT(find.before.len <= LOOK_AROUND_BYTES && find.after.len <= LOOK_AROUND_BYTES);
        }
    }
}

/* The first octet says where the parameter ends and the segment begins. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena;
    struct filters filters = {.count = 0};
    struct bytes key;
    struct bytes value;
    uint64_t terms[FILTER_TERMS_MAX];
    if (size == 0) {
        return 0;
    }
    size_t len = data[0] < size ? data[0] : size - 1;
    struct bytes text = bytes_of(data + 1, len);
    arena_init(&arena, ARENA_MAX);
    if (filter_read_attribute(text, &arena, &filters.list[0]) == NULL) {
        filters.count = 1;
        INVARIANT(filters.list[0].key.len > 0 && filters.list[0].key.len <= len);
        INVARIANT(filter_terms(&filters.list[0], (struct term_space){0}, terms) >= 2);
    }
    if (filter_read_tag(text, &arena, &key, &value) == NULL) {
        INVARIANT(key.len > 0 && key.len + value.len < len);
    }
    if (len > 0 && filters.count < FILTERS_MAX && len % 2 == 0) {
        filters.list[filters.count++] = (struct filter){.kind = FILTER_KIND_NAME, .text = text};
    }
    spans_try(&filters, bytes_of(data + 1 + len, size - 1 - len), text, &arena);
    arena_fini(&arena);
    return 0;
}
