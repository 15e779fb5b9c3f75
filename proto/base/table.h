/* table: uthash as calltrace uses it. Include this instead of uthash.h, only in the .c that owns the table.
 *
 * - Out of memory never ends the process: HASH_NONFATAL_OOM is on, the element is then left out and
 *   table_oom is set to true (declare it with TABLE_OOM in scope of each HASH_ADD).
 * - The hash is XXH3 with a seed drawn at start, so that ids chosen by an attacker do not collide.
 * - Every table that outlives a request has a maximum that is tested before each insert. */
#ifndef CALLTRACE_TABLE_H
#define CALLTRACE_TABLE_H

#include "proto/base/bytes.h"
#include "proto/base/mem.h"

/* Drawn once per process from getrandom(2). Thread: any. */
uint64_t table_seed(void);

#define TABLE_OOM                    bool table_oom = false
#define HASH_NONFATAL_OOM            1
#define uthash_nonfatal_oom(element) ((void)(element), table_oom = true)
#define uthash_malloc(bytes)         mem_alloc(bytes)
#define uthash_free(ptr, bytes)      ((void)(bytes), mem_free(ptr))
#define HASH_FUNCTION(key, len, hash) \
    ((hash) = (unsigned)bytes_hash64(bytes_of((key), (len)), table_seed()))

#include <uthash.h>

#endif
