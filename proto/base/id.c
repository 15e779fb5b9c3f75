#include "proto/base/id.h"

#include <uuid/uuid.h>

#include "proto/base/banned.h"

struct uuid uuid_make(void)
{
    struct uuid id;
    uuid_generate_random(id.b);
    return id;
}

void uuid_to_text(struct uuid id, char ret_text[UUID_TEXT_BYTES])
{
    uuid_unparse_lower(id.b, ret_text);
}

bool uuid_from_text(struct bytes text, struct uuid *ret_id)
{
    char copy[UUID_TEXT_BYTES];
    if (text.len != UUID_TEXT_BYTES - 1) {
        return false;
    }
    memcpy(copy, text.ptr, text.len);
    copy[text.len] = '\0';
    uuid_t id;
    if (uuid_parse(copy, id) != 0) {
        return false;
    }
    memcpy(ret_id->b, id, sizeof ret_id->b);
    return true;
}

bool trace_id_is_zero(struct trace_id id)
{
    static const struct trace_id zero;
    return trace_id_equal(id, zero);
}

bool span_id_is_zero(struct span_id id)
{
    static const struct span_id zero;
    return memcmp(id.b, zero.b, sizeof id.b) == 0;
}
