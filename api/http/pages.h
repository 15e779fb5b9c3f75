/* pages: the built web pages, read into memory once, and served under a strict policy.
 *
 * The folder holds index.html and assets/NAME-HASH.EXT, each perhaps with a compressed copy NAME.gz beside it. Every
 * address of the pages answers index.html; what it shows is decided by its script. No page asks any other host for
 * anything.
 *
 * Thread: loaded before the first request, constant afterwards. */
#ifndef CALLTRACE_API_PAGES_H
#define CALLTRACE_API_PAGES_H

#include "api/http/exchange.h"

struct pages;

enum { PAGES_FILES_MAX = 128, PAGES_BYTES_MAX = 16 << 20 };

/* Errors: BAD_CONFIG (no index.html, too many or too large files; detail says), MEMORY. */
FALLIBLE pages_load(const char *directory, struct detail *detail, struct pages **ret_pages);
/* NULL is fine. */
void pages_free(struct pages *pages);

/* GET of an address of the pages, and of /assets/{file}. */
exchange_fn pages_index;
exchange_fn pages_asset;

#endif
