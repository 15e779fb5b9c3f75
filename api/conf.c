#include "api/conf.h"

#include <stddef.h>
#include <string.h>

#include "proto/base/log.h"

#include "proto/base/banned.h"

static const struct conf_row rows[] = {
#define ROW(name, kind, initial, min, max, unit, doc) \
    {#name, CONF_KIND_##kind, offsetof(struct api_conf, name), initial, min, max, unit, doc},
#define TEXT(name, initial, doc)                   ROW(name, TEXT, initial, 0, 0, "", doc)
#define SECRET(name, initial, doc)                 ROW(name, SECRET, initial, 0, 0, "", doc)
#define NUMBER(name, initial, min, max, unit, doc) ROW(name, NUMBER, #initial, min, max, unit, doc)
#define FLAG(name, initial, doc)                   ROW(name, FLAG, #initial, 0, 0, "", doc)
#include "api/conf.def"
#undef ROW
#undef TEXT
#undef SECRET
#undef NUMBER
#undef FLAG
};

enum { ROWS_COUNT = sizeof rows / sizeof rows[0] };

bool request_log_from_text(const char *text, enum request_log *ret_log)
{
    static const char *const words[] = {
        [REQUEST_LOG_NONE] = "none", [REQUEST_LOG_FAILED] = "failed", [REQUEST_LOG_ALL] = "all"};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (strcmp(text, words[i]) == 0) {
            *ret_log = (enum request_log)i;
            return true;
        }
    }
    return false;
}

err_t api_conf_load(struct api_conf *conf, int argc, const char *const *argv, struct detail *detail)
{
    enum log_level level = LOG_LEVEL_INFO;
    TRY(conf_load(rows, ROWS_COUNT, conf, argc, argv, detail));
    if (!log_level_from_text(conf->log_level, &level)) {
        detail_set(detail, "log_level is '%s'; it must be debug, info, warn or error",
                   conf->log_level);
        return FAIL(BAD_CONFIG);
    }
    return OK;
}

err_t api_conf_check(const struct api_conf *conf, struct detail *detail)
{
    if (conf->listen[0] == '\0' && conf->listen_http[0] == '\0') {
        detail_set(detail, "listen and listen_http are both empty: nothing would be served");
        return FAIL(BAD_CONFIG);
    }
    if (conf->listen[0] != '\0' && (conf->tls_cert[0] == '\0' || conf->tls_key[0] == '\0')) {
        detail_set(detail, "HTTPS on %s needs tls_cert and tls_key", conf->listen);
        return FAIL(BAD_CONFIG);
    }
    enum request_log ignored = REQUEST_LOG_NONE;
    if (!request_log_from_text(conf->log_requests, &ignored)) {
        detail_set(detail, "log_requests is '%s'; it must be none, failed or all",
                   conf->log_requests);
        return FAIL(BAD_CONFIG);
    }
    if (conf->bus[0] == '\0') {
        detail_set(detail, "bus is empty: there is no correlator to send to");
        return FAIL(BAD_CONFIG);
    }
    return OK;
}

void api_conf_describe(FILE *out)
{
    conf_describe(rows, ROWS_COUNT, out);
}
