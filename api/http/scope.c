#include "api/http/scope.h"

#include "api/http/exchange.h"

#include "proto/base/banned.h"

static const struct scope_row rows[] = {
#define SCOPE(bit, name) {API_SCOPE_##bit, name},
#include "api/http/scope.def"
#undef SCOPE
};

const struct scope_row *scope_rows(size_t *ret_count)
{
    *ret_count = sizeof rows / sizeof rows[0];
    return rows;
}

unsigned scope_of_name(struct bytes name)
{
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (bytes_equal_text(name, rows[i].name)) {
            return rows[i].bit;
        }
    }
    return 0;
}
