#include "api/integrations/vapi/json.h"

#include <math.h>
#include <stdlib.h>

#include "proto/base/banned.h"

enum { NUMBER_BYTES = 40 };

/* Later times would leave no room to add to them. */
static const double ns_max = 9.2e18;

const json_t *vapi_json_object(const json_t *object, const char *name)
{
    const json_t *value = json_object_get(object, name);
    return json_is_object(value) ? value : NULL;
}

const json_t *vapi_json_array(const json_t *object, const char *name)
{
    const json_t *value = json_object_get(object, name);
    return json_is_array(value) ? value : NULL;
}

struct bytes vapi_json_text(const json_t *object, const char *name)
{
    const json_t *value = json_object_get(object, name);
    return bytes_of(json_string_value(value), json_string_length(value));
}

/* Decimal, of a length that a number may have. */
static bool number_of_text(struct bytes text, double *ret_number)
{
    char digits[NUMBER_BYTES];
    char *end = NULL;
    if (text.len == 0 || text.len >= sizeof digits) {
        return false;
    }
    memcpy(digits, text.ptr, text.len);
    digits[text.len] = '\0';
    if (strspn(digits, "0123456789.-+eE") != text.len) {
        return false;
    }
    double number = strtod(digits, &end);
    if (end != digits + text.len || !isfinite(number)) {
        return false;
    }
    *ret_number = number;
    return true;
}

bool vapi_json_number(const json_t *value, double *ret_number)
{
    double number = json_number_value(value);
    if (json_is_string(value)) {
        return number_of_text(bytes_of(json_string_value(value), json_string_length(value)),
                              ret_number);
    }
    if (!json_is_number(value) || !isfinite(number)) {
        return false;
    }
    *ret_number = number;
    return true;
}

bool vapi_json_ms(const json_t *object, const char *name, double *ret_ms)
{
    /* A day: what is longer is no latency of a call. */
    static const double ms_max = 86400e3;
    double number = 0;
    if (!vapi_json_number(json_object_get(object, name), &number) || number < 0 ||
        number > ms_max) {
        return false;
    }
    *ret_ms = number;
    return true;
}

/* Since 1970. */
static bool time_of_number(double number, const int64_t *exact, struct unix_ns *ret_at)
{
    static const struct {
        double below;
        int64_t ns;
    } units[] = {{1e11, NS_PER_S}, {1e14, NS_PER_MS}, {1e17, 1000}, {9.2e18, 1}};
    static const double least = 1e8;
    for (size_t i = 0; i < sizeof units / sizeof units[0] && number >= least; i++) {
        if (number < units[i].below) {
            double ns = number * (double)units[i].ns;
            if (ns >= ns_max) {
                return false;
            }
            /* Whole and fraction apart: a double holds no nanoseconds of today. */
            double whole = floor(number);
            int64_t fraction = (int64_t)llround((number - whole) * (double)units[i].ns);
            ret_at->ns = (exact != NULL ? *exact : (int64_t)whole) * units[i].ns + fraction;
            return true;
        }
    }
    return false;
}

bool vapi_time_of_text(struct bytes text, struct unix_ns *ret_at)
{
    double number = 0;
    struct unix_ns at = {0};
    if (number_of_text(text, &number)) {
        return time_of_number(number, NULL, ret_at);
    }
    bool is_time = unix_from_rfc3339(text, &at) && at.ns >= 0 && (double)at.ns < ns_max;
    if (is_time) {
        *ret_at = at;
    }
    return is_time;
}

bool vapi_json_time(const json_t *value, struct unix_ns *ret_at)
{
    if (json_is_string(value)) {
        return vapi_time_of_text(bytes_of(json_string_value(value), json_string_length(value)),
                                 ret_at);
    }
    int64_t exact = json_integer_value(value);
    return json_is_number(value) &&
           time_of_number(json_number_value(value), json_is_integer(value) ? &exact : NULL, ret_at);
}
