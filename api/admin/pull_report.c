#include "api/admin/pull_report.h"

#include <gnutls/gnutls.h>
#include <jansson.h>

#include "proto/base/banned.h"

enum { WRITE_FLAGS = JSON_COMPACT | JSON_REAL_PRECISION(17) };

static struct bytes text_of(const json_t *object, const char *name)
{
    const json_t *value = json_object_get(object, name);
    return bytes_of(json_string_value(value), json_string_length(value));
}

static bool time_of(const json_t *object, const char *name, struct unix_ns *ret_at)
{
    struct bytes text = text_of(object, name);
    return text.len > 0 && unix_from_rfc3339(text, ret_at);
}

struct pull_call pull_call_read(const json_t *item)
{
    struct pull_call call = {0};
    struct bytes id = text_of(item, "id");
    struct bytes status = text_of(item, "status");
    call.has_id = id.len > 0 && uuid_from_text(id, &call.id);
    call.has_created = time_of(item, "createdAt", &call.created);
    call.is_ended =
        status.len > 0 ? bytes_equal_text(status, "ended") : text_of(item, "endedAt").len > 0;
    return call;
}

/* --- the report ---------------------------------------------------------------------------------------- */

enum place {
    PLACE_MESSAGE = 0,
    PLACE_ARTIFACT,
    PLACE_ANALYSIS,
    PLACE_COUNT,
};

/* Where a report has what a listed call has itself. Older calls carry what is in the artifact today; what is
 * there already stays. */
static const struct {
    const char *name;
    enum place place;
    bool stays; /* in the report's call, too */
} members[] = {
    {"endedReason", PLACE_MESSAGE, true},
    {"startedAt", PLACE_MESSAGE, true},
    {"endedAt", PLACE_MESSAGE, true},
    {"cost", PLACE_MESSAGE, true},
    {"destination", PLACE_MESSAGE, true},
    {"assistant", PLACE_MESSAGE, true},
    {"assistantVersion", PLACE_MESSAGE, true},
    {"customer", PLACE_MESSAGE, true},
    {"phoneNumber", PLACE_MESSAGE, true},
    {"costs", PLACE_MESSAGE, false},
    {"compliance", PLACE_MESSAGE, false},
    {"messages", PLACE_ARTIFACT, false},
    {"transcript", PLACE_ARTIFACT, false},
    {"recordingUrl", PLACE_ARTIFACT, false},
    {"stereoRecordingUrl", PLACE_ARTIFACT, false},
    {"summary", PLACE_ANALYSIS, false},
};

/* The object of that name, so far copied that members can be added; an empty one when there is none. */
static json_t *object_of(const json_t *call, const char *name)
{
    json_t *value = json_object_get(call, name);
    return json_is_object(value) ? json_copy(value) : json_object();
}

/* A report's time. The same call gives the same one, so that a second pull tells nothing new. */
static bool timestamp_add(json_t *message, const json_t *call)
{
    struct unix_ns at;
    if (!time_of(call, "updatedAt", &at) && !time_of(call, "endedAt", &at)) {
        return true;
    }
    return json_object_set_new(message, "timestamp", json_integer(at.ns / NS_PER_MS)) == 0;
}

/* False: out of memory. */
static bool members_move(const json_t *call, json_t *const places[PLACE_COUNT], json_t *rest)
{
    for (size_t i = 0; i < sizeof members / sizeof members[0]; i++) {
        json_t *place = places[members[i].place];
        json_t *value = json_object_get(call, members[i].name);
        if (value != NULL && json_object_get(place, members[i].name) == NULL &&
            json_object_set(place, members[i].name, value) != 0) {
            return false;
        }
        if (!members[i].stays) {
            (void)json_object_del(rest, members[i].name); /* it may not be there */
        }
    }
    (void)json_object_del(rest, "artifact");
    (void)json_object_del(rest, "analysis");
    return true;
}

/* NULL: out of memory. The setters take what they are given, also when they fail and when it is NULL. */
static json_t *message_make(json_t *call)
{
    json_t *message = json_object();
    json_t *artifact = object_of(call, "artifact");
    json_t *analysis = object_of(call, "analysis");
    json_t *rest = json_copy(call);
    bool is_made = json_object_set_new(message, "call", rest) == 0;
    is_made = json_object_set_new(message, "artifact", artifact) == 0 && is_made;
    is_made = json_object_set_new(message, "analysis", analysis) == 0 && is_made;
    is_made = is_made &&
              json_object_set_new(message, "type", json_string("end-of-call-report")) == 0 &&
              timestamp_add(message, call) &&
              members_move(call, (json_t *const[]){message, artifact, analysis}, rest);
    if (!is_made) {
        json_decref(message);
        return NULL;
    }
    return message;
}

static int on_text(const char *text, size_t len, void *context)
{
    struct buf *out = context;
    buf_add(out, bytes_of(text, len));
    return err_is_ok(buf_err(out)) ? 0 : 1;
}

/* ,"callLog":"..." in base64: a log is mostly gzip. */
static err_t log_write(struct bytes log, struct buf *out)
{
    union {
        const uint8_t *read;
        unsigned char *datum; /* GnuTLS' views are not const; it only reads */
    } view = {.read = log.ptr};
    gnutls_datum_t text = {0};
    if (gnutls_base64_encode2(&(gnutls_datum_t){.data = view.datum, .size = (unsigned)log.len},
                              &text) != 0) {
        return FAIL(MEMORY);
    }
    buf_add_text(out, ",\"callLog\":\"");
    buf_add(out, bytes_of(text.data, text.size));
    buf_add_text(out, "\"");
    gnutls_free(text.data);
    return buf_err(out);
}

err_t pull_report_write(json_t *call, struct bytes log, struct buf *out)
{
    json_t *message = message_make(call);
    if (message == NULL) {
        return FAIL(MEMORY);
    }
    buf_add_text(out, "{\"skipAlreadyImported\":true,\"vapiEndOfCallReportPayload\":{\"message\":");
    int done = json_dump_callback(message, on_text, out, WRITE_FLAGS);
    json_decref(message);
    TRY(buf_err(out));
    if (done != 0) {
        return FAIL(MEMORY);
    }
    buf_add_text(out, "}");
    if (log.len > 0) {
        TRY(log_write(log, out));
    }
    buf_add_text(out, "}");
    return buf_err(out);
}
