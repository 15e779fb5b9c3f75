#include "api/rest/agent.h"

#include "api/rest/mend.h"

#include "proto/base/banned.h"

static struct bytes text_of(const json_t *object, const char *name)
{
    const json_t *text = json_object_get(object, name);
    return json_is_string(text) ? bytes_of(json_string_value(text), json_string_length(text))
                                : bytes_of(NULL, 0);
}

FALLIBLE parties_of_body(struct bytes one, struct bytes several, json_t **ret_list)
{
    struct detail ignored;
    bool is_one = several.len == 0;
    struct bytes sent = is_one ? one : several;
    *ret_list = NULL;
    if (sent.len == 0) {
        return OK;
    }
    struct buf mended;
    buf_init(&mended, 2 * sent.len + 64);
    err_t err = mend_body(sent, &mended, &ignored);
    if (err_is_ok(err)) {
        struct bytes text = buf_bytes(&mended);
        json_t *json =
            json_loadb((const char *)text.ptr, text.len, JSON_ALLOW_NUL | JSON_DECODE_ANY, NULL);
        json_t *list = is_one && json != NULL ? json_pack("[o]", json) : json;
        /* What was mended is JSON: only memory can be missing. */
        err = list == NULL ? FAIL(MEMORY) : OK;
        /* Bodies of integrations may hold other things under the name. */
        if (list != NULL && !json_is_array(list)) {
            json_decref(list);
            list = NULL;
        }
        *ret_list = list;
    }
    buf_fini(&mended);
    return err_is(err, ERR_MEMORY) ? err : OK;
}

/* An id made from what names the thing: of RFC 9562's version 8. */
static struct uuid id_make(struct uuid project, const char *what, struct bytes name,
                           struct arena *arena)
{
    struct uuid id = {{0}};
    size_t what_len = strlen(what);
    size_t len = sizeof project.b + what_len + name.len;
    uint8_t *text = arena_alloc(arena, len);
    if (text == NULL) {
        return id; /* the full arena is seen by the caller */
    }
    memcpy(text, project.b, sizeof project.b);
    memcpy(text + sizeof project.b, what, what_len); // NOLINT: octets, ended by their count
    if (name.len > 0) {
        memcpy(text + sizeof project.b + what_len, name.ptr, name.len);
    }
    bytes_hash128(bytes_of(text, len), id.b);
    id.b[6] = (uint8_t)((id.b[6] & 0x0f) | 0x80);
    id.b[8] = (uint8_t)((id.b[8] & 0x3f) | 0x80);
    return id;
}

struct uuid agent_id(const json_t *agent, struct uuid project, struct arena *arena)
{
    struct uuid id;
    if (uuid_from_text(text_of(agent, "roarkId"), &id)) {
        return id;
    }
    struct bytes custom = text_of(agent, "customId");
    return custom.len > 0 ? id_make(project, "agent by customId ", custom, arena)
                          : id_make(project, "agent by name ", text_of(agent, "name"), arena);
}

static void text_or_null(struct out *out, const char *key, struct bytes text)
{
    if (text.len == 0) {
        out_null(out, key);
    } else {
        out_text(out, key, text);
    }
}

static void endpoint_write(struct out *out, const json_t *endpoint, struct uuid project,
                           struct arena *arena)
{
    if (!json_is_object(endpoint)) {
        out_null(out, "endpoint");
        return;
    }
    struct uuid id;
    struct bytes value = text_of(endpoint, "value");
    struct bytes type = text_of(endpoint, "type");
    if (!uuid_from_text(text_of(endpoint, "id"), &id)) {
        id = id_make(project, "endpoint ", value, arena);
    }
    bool is_phone = bytes_equal_text(type, "phone") || bytes_equal_text(type, "PHONE");
    out_object(out, "endpoint");
    out_uuid(out, "id", id);
    out_null(out, "environment");
    text_or_null(out, "phoneNumberE164", is_phone ? value : bytes_of(NULL, 0));
    text_or_null(out, "type", type);
    text_or_null(out, "value", value);
    text_or_null(out, "direction", text_of(endpoint, "direction"));
    out_end_object(out);
}

FALLIBLE agents_write(struct out *out, struct bytes agent, struct bytes agents, struct uuid project,
                      struct arena *arena)
{
    json_t *list = NULL;
    TRY(parties_of_body(agent, agents, &list));
    if (list == NULL) {
        out_null(out, "agents");
        return OK;
    }
    out_array(out, "agents");
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *one = json_array_get(list, i);
        out_object(out, NULL);
        out_uuid(out, "id", agent_id(one, project, arena));
        text_or_null(out, "name", text_of(one, "name"));
        text_or_null(out, "customId", text_of(one, "customId"));
        endpoint_write(out, json_object_get(one, "endpoint"), project, arena);
        out_end_object(out);
    }
    out_end_array(out);
    json_decref(list);
    return arena_is_full(arena) ? FAIL(NO_SPACE) : OK;
}

void participants_write(struct out *out, const json_t *agents, const json_t *customers,
                        struct uuid project, struct arena *arena)
{
    out_array(out, "participants");
    for (size_t i = 0; i < json_array_size(agents); i++) {
        const json_t *agent = json_array_get(agents, i);
        out_object(out, NULL);
        out_word(out, "type", "AGENT");
        out_word(out, "role", "AGENT");
        out_uuid(out, "id", agent_id(agent, project, arena));
        out_uuid(out, "agentId", agent_id(agent, project, arena));
        text_or_null(out, "name", text_of(agent, "name"));
        text_or_null(out, "customId", text_of(agent, "customId"));
        out_end_object(out);
    }
    for (size_t i = 0; i < json_array_size(customers); i++) {
        const json_t *customer = json_array_get(customers, i);
        out_object(out, NULL);
        struct bytes number = text_of(customer, "phoneNumberE164");
        struct bytes name = number.len > 0 ? number : text_of(customer, "label");
        out_word(out, "type", "CUSTOMER");
        out_word(out, "role", "CUSTOMER");
        out_uuid(out, "id", id_make(project, "customer ", name, arena));
        out_null(out, "customerId"); /* customers are not kept as things of their own */
        text_or_null(out, "label", text_of(customer, "label"));
        text_or_null(out, "phoneNumberE164", text_of(customer, "phoneNumberE164"));
        out_end_object(out);
    }
    out_end_array(out);
}

void customers_write(struct out *out, struct bytes customer, struct bytes customers)
{
    if (customers.len > 0 && customers.ptr[0] == '[') {
        out_raw(out, "customers", customers);
    } else if (customer.len > 0 && customer.ptr[0] == '{') {
        out_array(out, "customers");
        out_raw(out, NULL, customer);
        out_end_array(out);
    } else {
        out_null(out, "customers");
    }
}
