#include "proto/base/err.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "proto/base/banned.h"

struct row {
    const char *name;
    const char *text;
    enum err_class class;
};

static const struct row rows[ERR_COUNT] = {
    [ERR_NONE] = {"OK", "no error", ERR_CLASS_NONE},
#define ERR(name, class, text) [ERR_##name] = {#name, text, ERR_CLASS_##class},
#include "proto/base/err.def"
#undef ERR
};

const char *err_name(err_t err)
{
    return rows[err.code].name;
}

const char *err_text(err_t err)
{
    return rows[err.code].text;
}

enum err_class err_class(err_t err)
{
    return rows[err.code].class;
}

/* vsnprintf may cut inside a multi-byte character; drop what is left of it. */
static void cut_at_boundary(char *text, size_t len)
{
    size_t at = len;
    size_t back = 0;
    while (at > 0 && back < 4 && ((unsigned char)text[at - 1] & 0xC0u) == 0x80u) {
        at--;
        back++;
    }
    if (at > 0 && (unsigned char)text[at - 1] >= 0xC0u) {
        unsigned char lead = (unsigned char)text[at - 1];
        size_t need = lead >= 0xF0u ? 3 : lead >= 0xE0u ? 2 : 1;
        if (back < need) {
            text[at - 1] = '\0';
        }
    }
}

void detail_set(struct detail *detail, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int len = vsnprintf(detail->text, sizeof detail->text, format, args);
    va_end(args);
    if (len >= (int)sizeof detail->text) {
        cut_at_boundary(detail->text, sizeof detail->text - 1);
    }
}

void detail_prefix(struct detail *detail, const char *format, ...)
{
    struct detail before = *detail;
    struct detail prefix;
    va_list args;
    va_start(args, format);
    (void)vsnprintf(prefix.text, sizeof prefix.text, format, args); /* cut is fine, see below */
    va_end(args);
    if (before.text[0] == '\0') {
        detail_set(detail, "%s", prefix.text);
    } else {
        detail_set(detail, "%s: %s", prefix.text, before.text);
    }
}

const char *detail_or_text(const struct detail *detail, err_t err)
{
    return detail != NULL && detail->text[0] != '\0' ? detail->text : err_text(err);
}
