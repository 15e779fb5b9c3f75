#include "proto/base/clock.h"

#include <stdio.h>
#include <time.h>

#include "proto/base/check.h"

#include "proto/base/banned.h"

struct mono_ns clock_mono(void)
{
    struct timespec now;
    INVARIANT(clock_gettime(CLOCK_MONOTONIC, &now) == 0);
    return (struct mono_ns){.ns = now.tv_sec * NS_PER_S + now.tv_nsec};
}

struct unix_ns clock_unix(void)
{
    struct timespec now;
    INVARIANT(clock_gettime(CLOCK_REALTIME, &now) == 0);
    return (struct unix_ns){.ns = now.tv_sec * NS_PER_S + now.tv_nsec};
}

void clock_sleep_ms(int64_t ms)
{
    struct timespec wait = {.tv_sec = ms / MS_PER_S, .tv_nsec = ms % MS_PER_S * NS_PER_MS};
    (void)nanosleep(&wait, NULL); /* waking early is allowed */
}

void unix_to_rfc3339(struct unix_ns at, unsigned decimals, char ret_text[RFC3339_BYTES])
{
    PRE(decimals <= 9);
    time_t seconds = (time_t)(at.ns / NS_PER_S);
    int64_t rest = at.ns % NS_PER_S;
    if (rest < 0) {
        seconds--;
        rest += NS_PER_S;
    }
    struct tm utc;
    INVARIANT(gmtime_r(&seconds, &utc) != NULL); /* 64-bit nanoseconds always fit a year */
    size_t len = strftime(ret_text, RFC3339_BYTES, "%Y-%m-%dT%H:%M:%S", &utc);
    if (decimals > 0) {
        char digits[16];
        (void)snprintf(digits, sizeof digits, "%09d", (int)rest); /* nine digits always fit */
        ret_text[len++] = '.';
        memcpy(ret_text + len, digits, decimals);
        len += decimals;
    }
    ret_text[len++] = 'Z';
    ret_text[len] = '\0';
}

/* Takes `digits` decimal digits at *at; false when they are not there. */
static bool take_number(struct bytes text, size_t *at, size_t digits, int *ret_value)
{
    int value = 0;
    if (text.len - *at < digits) {
        return false;
    }
    for (size_t i = 0; i < digits; i++) {
        uint8_t c = text.ptr[*at + i];
        if (c < '0' || c > '9') {
            return false;
        }
        value = value * 10 + (c - '0');
    }
    *at += digits;
    *ret_value = value;
    return true;
}

static bool take_char(struct bytes text, size_t *at, char wanted)
{
    if (*at < text.len && text.ptr[*at] == (uint8_t)wanted) {
        (*at)++;
        return true;
    }
    return false;
}

/* Behind the seconds: the fraction, then the zone; must end the text. */
static bool take_tail(struct bytes text, size_t *at, int64_t *ret_fraction_ns, int *ret_offset_s)
{
    int64_t fraction = 0;
    int64_t scale = NS_PER_S;
    if (take_char(text, at, '.') || take_char(text, at, ',')) {
        size_t first = *at;
        while (*at < text.len && text.ptr[*at] >= '0' && text.ptr[*at] <= '9') {
            if (scale > 1) {
                scale /= 10;
                fraction += (text.ptr[*at] - '0') * scale;
            }
            (*at)++;
        }
        if (*at == first) {
            return false;
        }
    }
    int offset_s = 0;
    if (!take_char(text, at, 'Z') && !take_char(text, at, 'z') && *at < text.len) {
        int sign = take_char(text, at, '-') ? -1 : take_char(text, at, '+') ? 1 : 0;
        int hours = 0;
        int minutes = 0;
        if (sign == 0 || !take_number(text, at, 2, &hours)) {
            return false;
        }
        (void)take_char(text, at, ':'); /* +0100 and +01:00 both occur */
        if (*at < text.len && !take_number(text, at, 2, &minutes)) {
            return false;
        }
        if (hours > 23 || minutes > 59) {
            return false;
        }
        offset_s = sign * (hours * 3600 + minutes * 60);
    }
    *ret_fraction_ns = fraction;
    *ret_offset_s = offset_s;
    return *at == text.len;
}

static bool is_calendar_day(const struct tm *day)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    int year = day->tm_year + 1900;
    if (year < 1 || day->tm_mon < 0 || day->tm_mon > 11 || day->tm_mday < 1) {
        return false;
    }
    bool is_leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return day->tm_mday <= days[day->tm_mon] + (day->tm_mon == 1 && is_leap);
}

bool unix_from_rfc3339(struct bytes text, struct unix_ns *ret_at)
{
    struct tm utc = {0};
    size_t at = 0;
    if (!take_number(text, &at, 4, &utc.tm_year) || !take_char(text, &at, '-') ||
        !take_number(text, &at, 2, &utc.tm_mon) || !take_char(text, &at, '-') ||
        !take_number(text, &at, 2, &utc.tm_mday)) {
        return false;
    }
    utc.tm_year -= 1900;
    utc.tm_mon -= 1;
    int64_t fraction_ns = 0;
    int offset_s = 0;
    if (at < text.len) {
        if (!take_char(text, &at, 'T') && !take_char(text, &at, 't') &&
            !take_char(text, &at, ' ')) {
            return false;
        }
        if (!take_number(text, &at, 2, &utc.tm_hour) || !take_char(text, &at, ':') ||
            !take_number(text, &at, 2, &utc.tm_min)) {
            return false;
        }
        if (take_char(text, &at, ':') && !take_number(text, &at, 2, &utc.tm_sec)) {
            return false;
        }
        if (!take_tail(text, &at, &fraction_ns, &offset_s)) {
            return false;
        }
    }
    if (!is_calendar_day(&utc) || utc.tm_hour > 23 || utc.tm_min > 59 || utc.tm_sec > 60) {
        return false;
    }
    int64_t seconds = (int64_t)timegm(&utc) - offset_s;
    int64_t ns = 0;
    if (__builtin_mul_overflow(seconds, NS_PER_S, &ns) ||
        __builtin_add_overflow(ns, fraction_ns, &ns)) {
        return false;
    }
    ret_at->ns = ns;
    return true;
}
