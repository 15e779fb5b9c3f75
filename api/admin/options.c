#include "api/admin/options.h"

#include <stdio.h>
#include <string.h>

#include "api/http/key_text.h"
#include "api/http/scope.h"
#include "proto/base/limits.h"

#include "proto/base/banned.h"

enum { NAME_CHARS_MAX = LIMIT_KEY_CHARS };

struct slot {
    const char *name;
    unsigned takes; /* 0: every command */
    const char **value;
    bool is_optional;
};

/* Reads words[*at] as one of the options; moves past its value. */
static err_t option_read(int argc, const char *const *words, int *at, const struct slot *slots,
                         size_t count, unsigned takes, struct detail *detail)
{
    const char *word = words[*at] + 2;
    size_t len = strcspn(word, "=");
    for (size_t i = 0; i < count; i++) {
        bool is_it = strlen(slots[i].name) == len && memcmp(slots[i].name, word, len) == 0;
        if (!is_it || (slots[i].takes != 0 && (slots[i].takes & takes) == 0)) {
            continue;
        }
        if (word[len] == '=') {
            *slots[i].value = word + len + 1;
        } else if (*at + 1 < argc) {
            *at += 1;
            *slots[i].value = words[*at];
        } else {
            detail_set(detail, "--%s needs a value", slots[i].name);
            return FAIL(BAD_VALUE);
        }
        return OK;
    }
    detail_set(detail, "there is no option '%s' here", words[*at]);
    return FAIL(BAD_VALUE);
}

err_t admin_options_read(int argc, const char *const *words, unsigned takes, struct detail *detail,
                         struct admin_options *ret_options)
{
    struct admin_options options = {0};
    const struct slot slots[] = {
        {"postgres", 0, &options.postgres, true},
        {"project", ADMIN_TAKES_PROJECT, &options.project, false},
        {"name", ADMIN_TAKES_NAME, &options.name, false},
        {"scopes", ADMIN_TAKES_SCOPES, &options.scopes, false},
        {"api-key", ADMIN_TAKES_API_KEY, &options.api_key, false},
        {"secret-file", ADMIN_TAKES_SECRET, &options.secret_file, true},
        {"secrets_key_file", ADMIN_TAKES_SECRET, &options.secrets_key_file, true},
#define TEXT(field, name, option, initial, doc) \
    {option, ADMIN_TAKES_SIGNING, &options.signing.field, true},
#define FLAG(field, name, option, initial, doc) \
    {option, ADMIN_TAKES_SIGNING, &options.signing.field, true},
#include "api/integrations/vapi/signing.def"
#undef TEXT
#undef FLAG
        {"since", ADMIN_TAKES_SINCE, &options.since, true},
        {"grace", ADMIN_TAKES_GRACE, &options.grace, true},
        {"password-file", ADMIN_TAKES_PASSWORD, &options.password_file, true},
    };
    enum { SLOTS = sizeof slots / sizeof slots[0] };
    size_t words_max = (takes & ADMIN_TAKES_WORDS) != 0  ? ADMIN_WORDS_MAX
                       : (takes & ADMIN_TAKES_WORD) != 0 ? 1
                                                         : 0;
    for (int i = 0; i < argc; i++) {
        if (strncmp(words[i], "--", 2) == 0) {
            TRY(option_read(argc, words, &i, slots, SLOTS, takes, detail));
        } else if (options.words_count < words_max) {
            options.words[options.words_count++] = words[i];
        } else {
            detail_set(detail, "'%s' is one word too many", words[i]);
            return FAIL(BAD_VALUE);
        }
    }
    for (size_t i = 0; i < SLOTS; i++) {
        if ((slots[i].takes & takes) != 0 && !slots[i].is_optional && *slots[i].value == NULL) {
            detail_set(detail, "--%s is missing", slots[i].name);
            return FAIL(BAD_VALUE);
        }
    }
    options.word = options.words_count > 0 ? options.words[0] : NULL;
    if (words_max > 0 && options.word == NULL) {
        detail_set(detail, "its name or id is missing");
        return FAIL(BAD_VALUE);
    }
    *ret_options = options;
    return OK;
}

err_t admin_scopes_read(const char *text, struct detail *detail, unsigned *ret_scopes)
{
    unsigned scopes = 0;
    const char *at = text;
    for (;;) {
        size_t len = strcspn(at, ",");
        unsigned bit = scope_of_name(bytes_of(at, len));
        if (bit == 0) {
            detail_set(detail, "'%.*s' is no scope; they are ingest, read, write and manage",
                       (int)(len < NAME_CHARS_MAX ? len : NAME_CHARS_MAX), at);
            return FAIL(BAD_VALUE);
        }
        scopes |= bit;
        if (at[len] == '\0') {
            break;
        }
        at += len + 1;
    }
    *ret_scopes = scopes;
    return OK;
}

void admin_scopes_write(unsigned scopes, char ret_text[ADMIN_SCOPES_BYTES])
{
    size_t len = 0;
    size_t count = 0;
    const struct scope_row *rows = scope_rows(&count);
    ret_text[0] = '\0';
    for (size_t i = 0; i < count; i++) {
        if ((scopes & rows[i].bit) != 0) {
            len += (size_t)snprintf(ret_text + len, ADMIN_SCOPES_BYTES - len, "%s%s",
                                    len == 0 ? "" : ",", rows[i].name);
        }
    }
}

err_t admin_name_check(const char *what, const char *name, struct detail *detail)
{
    if (!key_name_is_good(bytes_of_text(name))) {
        detail_set(detail, "%s must be 1 to %d characters of UTF-8 without control characters",
                   what, NAME_CHARS_MAX);
        return FAIL(BAD_VALUE);
    }
    return OK;
}
