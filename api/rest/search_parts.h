/* search_parts: what search.c and search_decode.c share; nobody else includes it. */
#ifndef CALLTRACE_REST_SEARCH_PARTS_H
#define CALLTRACE_REST_SEARCH_PARTS_H

#include "api/rest/search.h"

/* Decodes the next candidates, as many as fit a batch, and makes hits of those that fit. Moves on in all of them. */
FALLIBLE search_decode(struct search *search, bool wants_spans, struct detail *detail);

#endif
