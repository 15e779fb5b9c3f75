/* term: the hashed search terms of a segment. A search hashes what it looks for in the same way, finds the
 * segments that hold the term by index, and verifies on the decoded spans, so that a collision costs
 * time and never shows.
 *
 * A segment carries: its span names, services and status codes; every attribute key of its spans, scopes
 * and resources (`exists`); key=value of texts of at most LIMIT_TERM_BYTES and of booleans, unless the
 * key has more than LIMIT_TERM_VALUES distinct ones in the segment, then one `overflow` term of the key.
 * Numbers are no terms, but a key that has one carries `number`, so that an exact search for digits need not
 * look wherever the key exists. A segment with attributes that got no term at all (more than
 * LIMIT_ATTRIBUTES_INDEXED on a span), or with a name that no dictionary holds, carries `partial`.
 *
 *     name             any of { name of each that fits, partial }
 *     attr=key:value   any of { value, overflow(key), partial }, and { number(key) } when the value reads as a
 *                      number; for a value longer than LIMIT_TERM_BYTES any of { exists(key), partial }
 *     attr=key         any of { exists(key), partial }
 *     attr=key<n       the same, then compare
 *
 * The project is mixed into every term: two projects share none. Thread: any. */
#ifndef CALLTRACE_OTLP_TERM_H
#define CALLTRACE_OTLP_TERM_H

#include "proto/base/bytes.h"
#include "proto/base/id.h"

struct term_space {
    uint64_t seed;
};

struct term_space term_space_of(struct uuid project);

uint64_t term_name(struct term_space space, struct bytes span_name);
uint64_t term_service(struct term_space space, struct bytes service);
uint64_t term_status(struct term_space space, unsigned status_code);
uint64_t term_exists(struct term_space space, struct bytes key);
/* A text attribute; a boolean has the term of the text "true" or "false". */
uint64_t term_value(struct term_space space, struct bytes key, struct bytes text);
uint64_t term_overflow(struct term_space space, struct bytes key);
uint64_t term_number(struct term_space space, struct bytes key);
uint64_t term_partial(struct term_space space);

/* The same from hashes made once for many segments: term_hash of key and value. */
uint64_t term_hash(struct bytes data);
uint64_t term_exists_hashed(struct term_space space, uint64_t key_hash);
uint64_t term_value_hashed(struct term_space space, uint64_t key_hash, uint64_t value_hash);
uint64_t term_overflow_hashed(struct term_space space, uint64_t key_hash);
uint64_t term_number_hashed(struct term_space space, uint64_t key_hash);

#endif
