/* options: the words behind an administration command: --option VALUE or --option=VALUE, and one plain word or
 * several. Pure. */
#ifndef CALLTRACE_API_ADMIN_OPTIONS_H
#define CALLTRACE_API_ADMIN_OPTIONS_H

#include "proto/base/bytes.h"
#include "proto/base/err.h"

enum { ADMIN_WORDS_MAX = 100 };

struct admin_options {
    const char *postgres; /* each NULL when absent */
    const char *project;
    const char *name;
    const char *scopes;
    const char *api_key;
    const char *secret_file;
    const char *secrets_key_file;
    const char *word; /* the first of them */
    const char *words[ADMIN_WORDS_MAX];
    size_t words_count;
    struct {
#define TEXT(field, name, option, initial, doc) const char *field;
#define FLAG(field, name, option, initial, doc) const char *field;
#include "api/integrations/vapi/signing.def"
#undef TEXT
#undef FLAG
    } signing;
    const char *since;
    const char *password_file;
    const char *grace;
};

/* Which of them a command takes. */
enum {
    ADMIN_TAKES_PROJECT = 1,
    ADMIN_TAKES_NAME = 2,
    ADMIN_TAKES_SCOPES = 4,
    ADMIN_TAKES_WORD = 8,
    ADMIN_TAKES_API_KEY = 16,
    ADMIN_TAKES_SECRET =
        32, /* --secret-file and --secrets_key_file, neither of which has to be there */
    ADMIN_TAKES_WORDS = 64, /* at least one */
    ADMIN_TAKES_SIGNING =
        128,                 /* those of api/integrations/vapi/signing.def; none has to be there */
    ADMIN_TAKES_SINCE = 256, /* may be absent */
    ADMIN_TAKES_PASSWORD = 512, /* --password-file, may be absent */
    ADMIN_TAKES_GRACE = 1024,   /* may be absent */
};

/* Every option that the command takes must be there (but those that may be absent), none else
 * may. Errors: BAD_VALUE; detail names it. */
FALLIBLE admin_options_read(int argc, const char *const *words, unsigned takes,
                            struct detail *detail, struct admin_options *ret_options);

/* "ingest,read" -> bits of enum api_scope. Errors: BAD_VALUE. */
FALLIBLE admin_scopes_read(const char *text, struct detail *detail, unsigned *ret_scopes);

enum { ADMIN_SCOPES_BYTES = 64 };
void admin_scopes_write(unsigned scopes, char ret_text[ADMIN_SCOPES_BYTES]);

/* A project's name or a key's label: 1 to 255 characters of UTF-8 without control characters.
 * Errors: BAD_VALUE. */
FALLIBLE admin_name_check(const char *what, const char *name, struct detail *detail);

#endif
