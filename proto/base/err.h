/* err: how a function says that it failed.
 *
 * A fallible function is declared FALLIBLE and returns an err_t, which the compiler does not let a
 * caller drop. Codes and their classes live in err.def; the class decides what the edge does with
 * it (HTTP status, retry, log level). Human detail goes into a struct detail owned by the request or
 * message, never into a global.
 *
 * Example:
 *     FALLIBLE call_read(struct bytes body, struct detail *detail, struct call *ret_call)
 *     {
 *         TRY(json_read(body, detail, &json));
 *         ...
 *         return OK;
 *     }
 *
 * Thread: any. No ownership. */
#ifndef CALLTRACE_ERR_H
#define CALLTRACE_ERR_H

#include <stdbool.h>
#include <stddef.h>

enum err_class {
    ERR_CLASS_NONE = 0,
    ERR_CLASS_INPUT,       /* what came is wrong: 400 */
    ERR_CLASS_LIMIT,       /* what came is too much: 413 */
    ERR_CLASS_AUTH,        /* who sent it may not: 401, 403 */
    ERR_CLASS_UNAVAILABLE, /* not now: 503, the client sends again */
    ERR_CLASS_CONFLICT,    /* 409 */
    ERR_CLASS_CLOSED,      /* we are going down: 503 */
    ERR_CLASS_INTERNAL,    /* our own fault: 500 */
};

enum err_code {
    ERR_NONE = 0,
#define ERR(name, class, text) ERR_##name,
#include "proto/base/err.def"
#undef ERR
    ERR_COUNT
};

typedef struct err {
    enum err_code code;
} err_t;

#define FALLIBLE   __attribute__((warn_unused_result)) err_t
#define OK         ((err_t){.code = ERR_NONE})
#define FAIL(name) ((err_t){.code = ERR_##name})

/* The only two macros that change control flow: TRY when nothing is held, TRY_OUT (with an
 * `err_t err` and a label `out` in scope) when something must be given back. */
#define TRY(expression)                  \
    do {                                 \
        err_t try_err_ = (expression);   \
        if (try_err_.code != ERR_NONE) { \
            return try_err_;             \
        }                                \
    } while (0)
#define TRY_OUT(expression)         \
    do {                            \
        err = (expression);         \
        if (err.code != ERR_NONE) { \
            goto out;               \
        }                           \
    } while (0)

static inline bool err_is_ok(err_t err)
{
    return err.code == ERR_NONE;
}

static inline bool err_is(err_t err, enum err_code code)
{
    return err.code == code;
}

/* A short constant name such as "TOO_LARGE"; never NULL. */
const char *err_name(err_t err);

/* The constant text of err.def; never NULL. */
const char *err_text(err_t err);

enum err_class err_class(err_t err);

/* Detail: the sentence for people that goes with an err_t. Zero-initialised it is empty. */
struct detail {
    char text[384];
};

/* Replaces the text; cut at the end when too long. Cut on a UTF-8 boundary. */
__attribute__((format(printf, 2, 3))) void detail_set(struct detail *detail, const char *format,
                                                      ...);

/* Puts "prefix: " before the text that a lower layer left. */
__attribute__((format(printf, 2, 3))) void detail_prefix(struct detail *detail, const char *format,
                                                         ...);

/* The text, or the err's constant text when the detail is empty. Borrows from detail. */
const char *detail_or_text(const struct detail *detail, err_t err);

#endif
