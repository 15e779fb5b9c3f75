/* fetch: requests to other people's servers; the only code that includes libcurl.
 *
 * What is asked may have been named by a stranger (a log's address in a report), so that every request is fenced:
 * https only and verified, no address off the public internet (looked at on the address that is connected to,
 * after the name was resolved, so that a name which changes its address gains nothing), at most
 * FETCH_REDIRECTS_MAX redirects with the same checks each, bounds on size and time, no proxy unless asked, no
 * cookies, nothing from the environment. What was fetched is as it came: no content encoding is undone.
 *
 *     const struct fetch_options options = {.bytes_max = 64 << 20, .connect_ms = 5000, .total_ms = 30000};
 *     TRY(fetch_get(&options, url, arena, detail, &body));
 *
 * Details name hosts, never whole URLs: the query of a signed one is a secret.
 *
 * Thread: any; blocks up to total_ms (a name server that hangs may add its own time-out). */
#ifndef CALLTRACE_INTEGRATIONS_FETCH_H
#define CALLTRACE_INTEGRATIONS_FETCH_H

#include "proto/base/arena.h"

enum {
    FETCH_REDIRECTS_MAX = 3,
    /* Signed URLs take 1 to 2 KiB. */
    FETCH_URL_BYTES_MAX = 16 << 10,
    FETCH_HOST_BYTES_MAX = 256,
};

/* Zero or NULL is "none", and for the bounds not allowed. */
struct fetch_options {
    bool is_operators; /* the URL is the operator's, no stranger's: http will do, and any address */
    const char *header;  /* one more, "name: value"; NULL: none */
    const char *ca_file; /* authorities in PEM; NULL: the system's */
    const char
        *bearer; /* goes as "Authorization: Bearer ..." to the URL's own host and port only */
    const char *
        proxy; /* URL of a proxy; it then chooses the addresses, only literal ones are checked here */
    const char *const
        *hosts_allowed; /* names or literals whose addresses need not be public; IPv6 in brackets */
    size_t hosts_count;
    size_t bytes_max;
    int64_t connect_ms;
    int64_t total_ms; /* redirects included */
};

struct fetch_answer {
    unsigned status;
    unsigned retry_after_s; /* 0: not said, or said as a date */
    struct bytes body;      /* in the arena */
};

/* The body of a 2xx answer, in the arena. Errors: BAD_VALUE (the URL, an address or a redirect is not allowed, the
 * certificate is not trusted), TOO_LARGE, NOT_FOUND (a status of 4xx but 408 and 429), TIMEOUT, PEER_GONE (anything
 * else: the same may work later). The detail says which, after the host. */
FALLIBLE fetch_get(const struct fetch_options *options, const char *url, struct arena *arena,
                   struct detail *detail, struct bytes *ret_body);

/* The same, whatever the status: any answer that is no redirect is a success here. */
FALLIBLE fetch_get_answer(const struct fetch_options *options, const char *url, struct arena *arena,
                          struct detail *detail, struct fetch_answer *ret_answer);

/* Posts JSON, which is never empty. Redirects are not followed, they come back as the answer. */
FALLIBLE fetch_post_json(const struct fetch_options *options, const char *url, struct bytes body,
                         struct arena *arena, struct detail *detail,
                         struct fetch_answer *ret_answer);

/* The same of an operator's URL, which may be http. */
FALLIBLE fetch_operators_url_check(const char *url, struct detail *detail);

/* Whether requests to this URL would begin at all: https, a host, no user or password in it. Gives the host as
 * `hosts_allowed` wants it. Errors: BAD_VALUE; detail says why. */
FALLIBLE fetch_url_check(const char *url, struct detail *detail,
                         char ret_host[FETCH_HOST_BYTES_MAX]);

#endif
