#include "correlator/conf.h"

#include "schema/redis/rendezvous.h"

#include "proto/base/banned.h"

static const struct conf_row rows[] = {
#define TEXT(row, start, text)             \
    {.name = #row,                         \
     .kind = CONF_KIND_TEXT,               \
     .offset = offsetof(struct conf, row), \
     .initial = (start),                   \
     .doc = (text)},
#define SECRET(row, start, text)           \
    {.name = #row,                         \
     .kind = CONF_KIND_SECRET,             \
     .offset = offsetof(struct conf, row), \
     .initial = (start),                   \
     .doc = (text)},
#define NUMBER(row, start, least, most, measure, text) \
    {.name = #row,                                     \
     .kind = CONF_KIND_NUMBER,                         \
     .offset = offsetof(struct conf, row),             \
     .initial = #start,                                \
     .min = (least),                                   \
     .max = (most),                                    \
     .unit = (measure),                                \
     .doc = (text)},
#define FLAG(row, start, text)             \
    {.name = #row,                         \
     .kind = CONF_KIND_FLAG,               \
     .offset = offsetof(struct conf, row), \
     .initial = (start) ? "on" : "off",    \
     .doc = (text)},
#include "correlator/conf.def"
#undef TEXT
#undef SECRET
#undef NUMBER
#undef FLAG
};
enum { ROWS = sizeof rows / sizeof rows[0] };

err_t correlator_conf_load(int argc, const char *const *argv, struct detail *detail,
                           struct conf *ret_conf, enum log_level *ret_level)
{
    TRY(conf_load(rows, ROWS, ret_conf, argc, argv, detail));
    if (!log_level_from_text(ret_conf->log_level, ret_level)) {
        detail_set(detail, "log_level is '%s': debug, info, warn or error", ret_conf->log_level);
        return FAIL(BAD_CONFIG);
    }
    struct rendezvous_address address;
    TRY(rendezvous_address_read(ret_conf->redis, detail, &address));
    if (ret_conf->postgres[0] == '\0') {
        detail_set(detail, "postgres is empty: give a connection string");
        return FAIL(BAD_CONFIG);
    }
    return OK;
}

void correlator_conf_describe(FILE *out)
{
    conf_describe(rows, ROWS, out);
}
