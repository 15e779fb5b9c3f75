#include "api/admin/pull_options.h"

#include <string.h>

#include "proto/base/banned.h"

static const char vapi_url[] = "https://api.vapi.ai";

enum { AGO_DIGITS_MAX = 6 };

struct slot {
    const char *name;
    const char **value; /* NULL: a flag */
    bool *is_set;
    bool is_needed;
};

static err_t slot_fill(const struct slot *slot, int argc, const char *const *words, int *at,
                       struct detail *detail)
{
    const char *given = strchr(words[*at], '=');
    if (slot->value == NULL) {
        if (given != NULL) {
            detail_set(detail, "--%s takes no value", slot->name);
            return FAIL(BAD_VALUE);
        }
        *slot->is_set = true;
        return OK;
    }
    if (given == NULL && *at + 1 < argc) {
        *at += 1;
        *slot->value = words[*at];
    } else {
        *slot->value = given == NULL ? "" : given + 1;
    }
    if ((*slot->value)[0] == '\0') {
        detail_set(detail, "--%s needs a value", slot->name);
        return FAIL(BAD_VALUE);
    }
    return OK;
}

static err_t slots_read(int argc, const char *const *words, const struct slot *slots, size_t count,
                        struct detail *detail)
{
    for (int at = 0; at < argc; at++) {
        const struct slot *found = NULL;
        const char *name = words[at] + 2;
        for (size_t i = 0; i < count && strncmp(words[at], "--", 2) == 0; i++) {
            size_t len = strcspn(name, "=");
            if (strlen(slots[i].name) == len && memcmp(slots[i].name, name, len) == 0) {
                found = &slots[i];
            }
        }
        if (found == NULL) {
            /* The word itself is not shown: it may be a key that somebody put here. */
            detail_set(detail, "word %d behind 'vapi pull' is none of its options", at + 1);
            return FAIL(BAD_VALUE);
        }
        TRY(slot_fill(found, argc, words, &at, detail));
    }
    for (size_t i = 0; i < count; i++) {
        if (slots[i].is_needed && *slots[i].value == NULL) {
            detail_set(detail, "--%s is missing", slots[i].name);
            return FAIL(BAD_VALUE);
        }
    }
    return OK;
}

/* "36h" */
static bool ago_read(const char *text, struct unix_ns now, struct unix_ns *ret_at)
{
    static const struct {
        char unit;
        int64_t seconds;
    } units[] = {{'s', 1}, {'m', 60}, {'h', 3600}, {'d', 86400}};
    size_t digits = strspn(text, "0123456789");
    int64_t number = 0;
    if (digits == 0 || digits > AGO_DIGITS_MAX || text[digits] == '\0' ||
        text[digits + 1] != '\0') {
        return false;
    }
    for (size_t i = 0; i < digits; i++) {
        number = number * 10 + (text[i] - '0');
    }
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
        if (units[i].unit == text[digits]) {
            *ret_at = (struct unix_ns){.ns = now.ns - number * units[i].seconds * NS_PER_S};
            return true;
        }
    }
    return false;
}

static err_t time_read(const char *name, const char *text, struct unix_ns now,
                       struct detail *detail, struct unix_ns *ret_at)
{
    if (ago_read(text, now, ret_at) || unix_from_rfc3339(bytes_of_text(text), ret_at)) {
        return OK;
    }
    detail_set(detail,
               "--%s is neither a time (2026-01-31T08:00:00Z) nor so long ago (90m, 36h, 7d)",
               name);
    return FAIL(BAD_VALUE);
}

err_t pull_options_read(int argc, const char *const *words, struct unix_ns now,
                        struct detail *detail, struct pull_options *ret_options)
{
    struct pull_options options = {.vapi_url = vapi_url, .until = now};
    const char *since = NULL;
    const char *until = NULL;
    const struct slot slots[] = {
        {"since", &since, NULL, true},
        {"until", &until, NULL, false},
        {"url", &options.url, NULL, true},
        {"vapi-url", &options.vapi_url, NULL, false},
        {"key-file", &options.key_file, NULL, false},
        {"vapi-key-file", &options.vapi_key_file, NULL, false},
        {"ca-file", &options.ca_file, NULL, false},
        {"vapi-ca-file", &options.vapi_ca_file, NULL, false},
        {"proxy", &options.proxy, NULL, false},
        {"no-logs", NULL, &options.is_without_logs, false},
        {"allow-loopback", NULL, &options.is_loopback_allowed, false},
    };
    TRY(slots_read(argc, words, slots, sizeof slots / sizeof slots[0], detail));
    TRY(time_read("since", since, now, detail, &options.since));
    if (until != NULL) {
        TRY(time_read("until", until, now, detail, &options.until));
    }
    if (options.until.ns <= options.since.ns) {
        detail_set(detail, "--since is not before %s", until == NULL ? "now" : "--until");
        return FAIL(BAD_VALUE);
    }
    *ret_options = options;
    return OK;
}
